//! How large a datagram the path takes (RFC 8899): tests of ever larger ones, and a way back when what used to pass does
//! not pass any more.

use std::time::{Duration, Instant};

/// What every path takes, in bytes of UDP payload (RFC 9000, section 14).
pub const BASE: usize = 1200;

/// Sizes worth a test, in bytes of UDP payload. Each is some path's limit: a tunnel over IPv6, Ethernet with IPv6 and
/// with IPv4, jumbo frames with either, and a machine talking to itself, where one datagram fills a system call.
const SIZES: [usize; 6] = [1372, 1452, 1472, 8952, 8972, 65_000];
/// How often a size is tested before it counts as too large (`MAX_PROBES`): a lost test may have been lost for another
/// reason. When other packets were lost with it, it probably was, and weighs less.
const TRIES: u32 = 3;
const WEIGHT_ALONE: u32 = 3;
/// When one looks again whether the path has become better (`PMTU_RAISE_TIMER`).
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// So many times in a row large packets are lost and small ones sent after them arrive: that is no full queue any more.
const BLACK_HOLE: u32 = 3;

/// The search on one path.
#[derive(Debug)]
pub struct SizeSearch {
    current: usize,
    max: usize,
    /// Sizes that are still to be tested begin here.
    next: usize,
    /// What the lost tests of that size weigh together.
    tries: u32,
    /// A test is under way.
    testing: bool,
    /// Nothing is tested before that.
    rests_until: Option<Instant>,
    /// The newest packet above [`BASE`] that arrived.
    large_arrived: Option<u64>,
    /// How often large ones were lost since, each time among those that left after the time before.
    large_lost: u32,
    counted_below: u64,
}

impl SizeSearch {
    /// Begins with [`BASE`]; nothing above `max`, to which both sides agreed, is ever tried.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            current: BASE,
            max,
            next: 0,
            tries: 0,
            testing: false,
            rests_until: None,
            large_arrived: None,
            large_lost: 0,
            counted_below: 0,
        }
    }

    /// The size that has been shown to pass.
    #[must_use]
    pub fn current(&self) -> usize {
        self.current
    }

    /// The size to be tested now, if one is.
    pub fn wanted(&mut self, now: Instant) -> Option<usize> {
        if self.rests_until.is_some_and(|until| until <= now) {
            self.rests_until = None;
            self.tries = 0;
        }
        let size = SIZES.get(self.next).copied().filter(|size| *size <= self.max)?;
        (!self.testing && self.rests_until.is_none()).then_some(size)
    }

    /// The test that was [wanted](Self::wanted) left.
    pub fn on_sent(&mut self) {
        self.testing = true;
    }

    /// A test of this size arrived. Returns whether larger datagrams may be sent from now on.
    pub fn on_test_arrived(&mut self, size: usize) -> bool {
        self.testing = false;
        self.tries = 0;
        self.next = SIZES.iter().position(|other| *other > size).unwrap_or(SIZES.len());
        let grown = size > self.current;
        self.current = self.current.max(size);
        grown
    }

    /// A test was lost, `alone` or with other packets.
    pub fn on_test_lost(&mut self, now: Instant, alone: bool) {
        self.testing = false;
        self.tries += if alone { WEIGHT_ALONE } else { 1 };
        if self.tries >= TRIES * WEIGHT_ALONE {
            self.rests_until = Some(now + RAISE_AFTER);
        }
    }

    /// A packet of this number and size arrived.
    pub fn on_arrived(&mut self, pn: u64, bytes: usize) {
        if bytes > BASE && self.large_arrived.is_none_or(|before| pn > before) {
            self.large_arrived = Some(pn);
            self.large_lost = 0;
        }
    }

    /// A packet that was no test was lost: a later one arrived. `next_pn` is the number of the next to be sent. Returns
    /// whether datagrams are small again from now on.
    pub fn on_lost(&mut self, now: Instant, pn: u64, bytes: usize, next_pn: u64) -> bool {
        let counts = bytes > BASE && pn >= self.counted_below && self.large_arrived.is_none_or(|arrived| arrived < pn);
        if !counts || self.current == BASE {
            return false;
        }
        self.large_lost += 1;
        self.counted_below = next_pn;
        if self.large_lost < BLACK_HOLE {
            return false;
        }
        *self = Self { rests_until: Some(now + RAISE_AFTER), counted_below: next_pn, ..Self::new(self.max) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches on a path that takes this much, and returns what was found after so many tests.
    fn search(search: &mut SizeSearch, now: Instant, takes: usize) -> (usize, usize) {
        let mut tests = 0;
        while let Some(size) = search.wanted(now) {
            search.on_sent();
            assert_eq!(search.wanted(now), None, "one at a time");
            tests += 1;
            if size <= takes {
                search.on_test_arrived(size);
            } else {
                search.on_test_lost(now, true);
            }
        }
        (search.current(), tests)
    }

    // LOS-13.
    #[test]
    fn each_path_gets_the_largest_size_that_it_takes() {
        let now = Instant::now();
        for (takes, found, tests) in [
            (1200, 1200, 3),
            (1400, 1372, 1 + 3),
            (1452, 1452, 2 + 3),
            (1472, 1472, 3 + 3),
            (8972, 8972, 5 + 3),
            (65_507, 65_000, 6),
        ] {
            assert_eq!(search(&mut SizeSearch::new(65_507), now, takes), (found, tests), "{takes}");
        }
    }

    // LOS-13.
    #[test]
    fn nothing_is_tested_that_the_other_side_does_not_take() {
        let now = Instant::now();
        assert_eq!(search(&mut SizeSearch::new(1200), now, 65_507), (1200, 0));
        assert_eq!(search(&mut SizeSearch::new(1471), now, 65_507), (1452, 2));
    }

    #[test]
    fn a_path_is_looked_at_again_after_ten_minutes() {
        let now = Instant::now();
        let mut size = SizeSearch::new(65_507);
        assert_eq!(search(&mut size, now, 1472).0, 1472);
        assert_eq!(search(&mut size, now + RAISE_AFTER - Duration::from_secs(1), 65_507), (1472, 0));
        assert_eq!(search(&mut size, now + RAISE_AFTER, 65_507), (65_000, 3));
    }

    #[test]
    fn a_test_that_is_lost_with_others_is_tried_again_more_often() {
        let now = Instant::now();
        let mut size = SizeSearch::new(1472);
        for _ in 0..8 {
            assert_eq!(size.wanted(now), Some(1372));
            size.on_sent();
            size.on_test_lost(now, false);
        }
        size.on_sent();
        size.on_test_lost(now, false);
        assert_eq!(size.wanted(now), None);
    }

    #[test]
    fn a_path_that_takes_only_small_packets_any_more_gets_those() {
        let now = Instant::now();
        let mut size = SizeSearch::new(1472);
        search(&mut size, now, 1472);
        size.on_arrived(9, 1472);
        assert!(!size.on_lost(now, 8, 1472, 20), "one that came later arrived");
        assert!(
            !size.on_lost(now, 10, 1472, 20) && !size.on_lost(now, 11, 400, 20) && !size.on_lost(now, 20, 1472, 30)
        );
        size.on_arrived(31, 1472);
        for (pn, next) in [(32, 40), (33, 40), (39, 40), (40, 50), (49, 50)] {
            assert!(!size.on_lost(now, pn, 1472, next), "one full queue may lose many: {pn}");
        }
        size.on_arrived(51, 1200);
        assert!(size.on_lost(now, 50, 1472, 60));
        assert_eq!((size.current(), size.wanted(now)), (1200, None));
        assert_eq!(size.wanted(now + RAISE_AFTER), Some(1372));
    }
}
