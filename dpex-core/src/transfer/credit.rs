//! Credit for file data, counted in *opened blocks*: a block counts with its whole length when its first byte is
//! sent. So the receiver's buffers are bounded by what it granted, whatever order a sender chooses (CRD-1, CRD-2).

use std::time::{Duration, Instant};

use super::Violation;

/// The sender's side: how much it may open.
#[derive(Debug, Default)]
pub struct Allowance {
    limit: u64,
    opened: u64,
}

impl Allowance {
    /// The peer told a limit; a smaller one than before is old news (FRM-9).
    pub fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// Does the credit cover a block?
    #[must_use]
    pub fn covers(&self, len: usize) -> bool {
        self.opened + len as u64 <= self.limit
    }

    /// Counts a block if the credit covers it.
    pub fn open(&mut self, len: usize) -> bool {
        let covered = self.covers(len);
        if covered {
            self.opened += len as u64;
        }
        covered
    }
}

/// The receiver's side: what it has granted, what was opened and what it has let go again.
#[derive(Debug)]
pub struct Grants {
    window: u64,
    max_window: u64,
    granted: u64,
    opened: u64,
    released: u64,
    /// Start of the current measuring span, and `released` then.
    measured: Option<(Instant, u64)>,
}

impl Grants {
    /// Starts with `window` bytes granted; grows up to `max_window` as the path shows that it can use it.
    #[must_use]
    pub fn new(window: u64, max_window: u64) -> Self {
        let window = window.min(max_window);
        Self { window, max_window, granted: window, opened: 0, released: 0, measured: None }
    }

    /// The limit to tell the peer.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.granted
    }

    /// Bytes opened and not released: what is buffered, at most.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.opened - self.released
    }

    /// The present window in bytes.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Makes the window at least so large: one block must fit it, else neither side could move (CRD-7). Returns whether
    /// the peer should be told a new limit; `None` if the window may not become so large.
    pub fn widen(&mut self, bytes: u64) -> Option<bool> {
        if bytes > self.max_window {
            return None;
        }
        self.window = self.window.max(bytes);
        let news = self.granted < self.released + bytes;
        if news {
            self.granted = self.released + self.window;
        }
        Some(news)
    }

    /// The peer opened a block (CRD-3).
    ///
    /// # Errors
    /// [`Violation`] if that exceeds what was granted.
    pub fn open(&mut self, bytes: u64) -> Result<(), Violation> {
        let opened = self.opened.checked_add(bytes).ok_or(Violation("credit overflows"))?;
        if opened > self.granted {
            return Err(Violation("data beyond the credit"));
        }
        self.opened = opened;
        Ok(())
    }

    /// Opened bytes are dealt with. Returns whether the peer should be told a new limit: when an eighth of the window
    /// is free again, or all of it. For the last bit may be what the next block lacks, and nothing else would ever be
    /// released then (CRD-8).
    pub fn release(&mut self, now: Instant, bytes: u64, rtt: Duration) -> bool {
        self.released += bytes;
        debug_assert!(self.released <= self.opened);
        self.grow(now, rtt);
        let limit = self.released + self.window;
        let news = limit >= self.granted + self.window / 8 || (self.buffered() == 0 && limit > self.granted);
        if news {
            self.granted = limit;
        }
        news
    }

    /// Doubles the window when more than half of it passes in one round trip: it, and not the path, is the limit.
    fn grow(&mut self, now: Instant, rtt: Duration) {
        let (since, base) = *self.measured.get_or_insert((now, self.released));
        if self.released - base > self.window / 2 {
            if now - since < rtt.max(Duration::from_millis(1)) * 2 {
                self.window = (self.window * 2).min(self.max_window);
            }
            self.measured = Some((now, self.released));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    // CRD-2, FRM-9.
    #[test]
    fn credit_is_spent_to_the_last_byte_and_not_beyond() {
        let mut a = Allowance::default();
        assert!(!a.open(1));
        a.raise(100);
        assert!(a.open(60));
        assert!(!a.open(41));
        assert!(a.open(40));
        a.raise(50);
        assert!(!a.open(1), "an older limit takes nothing back");
        a.raise(101);
        assert!(a.open(1));
    }

    // CRD-3.
    #[test]
    fn a_peer_that_opens_more_than_was_granted_is_caught() {
        let mut g = Grants::new(100, 100);
        assert_eq!(g.open(100), Ok(()));
        assert!(g.open(1).is_err());
        assert!(g.open(u64::MAX).is_err());
        assert_eq!(g.buffered(), 100);
    }

    #[test]
    fn a_new_limit_is_told_when_an_eighth_is_free_and_not_before() {
        let now = Instant::now();
        let mut g = Grants::new(800, 800);
        g.open(800).expect("granted");
        assert!(!g.release(now, 99, RTT));
        assert!(g.release(now, 1, RTT));
        assert_eq!(g.limit(), 900);
    }

    #[test]
    fn a_block_larger_than_the_window_widens_it_and_larger_than_the_bound_is_refused() {
        let mut g = Grants::new(1000, 4000);
        assert!(g.widen(4000).is_some(), "CRD-7");
        assert_eq!(g.limit(), 4000);
        assert!(g.widen(4001).is_none());
        assert!(g.widen(10).is_some());
        assert_eq!(g.limit(), 4000);
    }

    #[test]
    fn a_new_limit_is_told_when_nothing_is_buffered_however_little_that_frees() {
        let now = Instant::now();
        let mut g = Grants::new(800, 800);
        g.open(2).expect("granted");
        assert!(!g.release(now, 1, RTT));
        assert!(g.release(now, 1, RTT), "CRD-8");
        assert_eq!(g.limit(), 802);
        assert!(!g.release(now, 0, RTT), "no news is not told");
    }

    #[test]
    fn the_window_grows_while_it_is_the_bottleneck_and_never_past_its_bound() {
        let mut now = Instant::now();
        let mut g = Grants::new(1000, 4000);
        for _ in 0..100 {
            let free = g.limit() - g.opened;
            g.open(free).expect("granted");
            now += RTT;
            g.release(now, free, RTT);
        }
        assert_eq!(g.window(), 4000);
    }

    #[test]
    fn a_window_is_made_as_large_as_a_block_and_no_larger_than_it_may_be() {
        let mut g = Grants::new(100, 1000);
        assert_eq!((g.widen(100), g.limit()), (Some(false), 100));
        assert_eq!((g.widen(500), g.limit()), (Some(true), 500));
        assert_eq!((g.widen(400), g.limit()), (Some(false), 500));
        assert_eq!((g.widen(1000), g.limit()), (Some(true), 1000));
        assert_eq!((g.widen(1001), g.limit(), g.window()), (None, 1000, 1000));
    }

    #[test]
    fn the_window_stays_when_the_path_is_the_bottleneck() {
        let mut now = Instant::now();
        let mut g = Grants::new(1000, 4000);
        for _ in 0..100 {
            g.open(100).expect("granted");
            now += RTT;
            g.release(now, 100, RTT);
        }
        assert_eq!(g.window(), 1000);
    }
}
