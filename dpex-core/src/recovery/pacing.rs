//! When the next bytes may leave: a token bucket.
//!
//! The bucket holds 1 ms of the rate, but never less than ten datagrams, so idle time earns no more than that. A caller
//! whose timer fires late keeps what it earned while it was late (up to [`MAX_LATENESS`]); otherwise a timer of 1 ms
//! granularity would cost half the rate.

use std::time::{Duration, Instant};

/// How much lateness of the caller's timer is made good.
const MAX_LATENESS: Duration = Duration::from_millis(4);
/// What an idle bucket holds, as time at the current rate.
const BURST_TIME: Duration = Duration::from_millis(BURST_MILLIS);
const BURST_MILLIS: u64 = 1;
/// What it holds at least, in datagrams.
const BURST_DATAGRAMS: u64 = 10;
/// What one system call takes at most.
const MAX_QUANTUM: usize = 64 * 1024;
/// Tokens are billionths of a byte, so that a rate times nanoseconds needs no rounding.
const TOKENS_PER_BYTE: i128 = 1_000_000_000;

/// A token bucket over UDP payload bytes. It may be overdrawn (probes do not wait); the debt is paid by waiting
/// (LOS-12).
#[derive(Clone, Debug)]
pub struct Pacer {
    rate: u64,
    datagram: u64,
    tokens: i128,
    filled: Instant,
    promised: Option<Instant>,
}

impl Pacer {
    /// A full bucket for datagrams of 1200 bytes, at one of them per second until [`Self::set_rate`].
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let mut pacer = Self { rate: 0, datagram: 1200, tokens: 0, filled: now, promised: None };
        pacer.tokens = pacer.burst();
        pacer
    }

    /// Sets the rate in bytes per second, from now on. Less than a datagram per second is rounded up to that.
    pub fn set_rate(&mut self, now: Instant, bytes_per_second: u64) {
        self.fill(now);
        self.rate = bytes_per_second;
        self.tokens = self.tokens.min(self.burst() + self.earned(MAX_LATENESS));
    }

    /// Sets the datagram size, of which the bucket always holds ten.
    pub fn set_datagram_size(&mut self, bytes: usize) {
        self.datagram = bytes as u64;
    }

    /// May `bytes` leave now?
    pub fn allows(&mut self, now: Instant, bytes: usize) -> bool {
        self.fill(now);
        self.tokens >= bytes as i128 * TOKENS_PER_BYTE
    }

    /// Bytes that may leave now.
    #[cfg(test)]
    fn budget(&mut self, now: Instant) -> usize {
        self.fill(now);
        usize::try_from(self.tokens.max(0) / TOKENS_PER_BYTE).unwrap_or(usize::MAX)
    }

    /// What is worth a system call: half of what may leave in 1 ms, at least a datagram, and no more than one call takes.
    #[must_use]
    pub fn quantum(&self) -> usize {
        let half = usize::try_from(self.effective_rate() / (2 * 1000 / BURST_MILLIS)).unwrap_or(usize::MAX);
        half.min(MAX_QUANTUM).max(usize::try_from(self.datagram).unwrap_or(usize::MAX))
    }

    /// Bytes left, within the budget or not.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) {
        self.fill(now);
        self.tokens -= bytes as i128 * TOKENS_PER_BYTE;
        self.promised = None;
    }

    /// When `bytes` (at most a full bucket) may leave; `None` if that is now.
    ///
    /// The caller is expected to come back then: what it earns by coming later is not lost.
    pub fn next_release(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        self.fill(now);
        let wanted = (bytes as i128 * TOKENS_PER_BYTE).min(self.burst());
        let missing = wanted - self.tokens;
        if missing <= 0 {
            return None;
        }
        let rate = i128::from(self.effective_rate());
        let nanos = (missing + rate - 1) / rate;
        let release = now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2));
        self.promised = Some(release);
        Some(release)
    }

    fn effective_rate(&self) -> u64 {
        self.rate.max(self.datagram).max(1)
    }

    /// Tokens earned in that time, of which more than a minute's makes no difference.
    fn earned(&self, time: Duration) -> i128 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(60_000_000_000);
        i128::from(self.effective_rate()) * i128::from(nanos)
    }

    fn burst(&self) -> i128 {
        self.earned(BURST_TIME).max(i128::from(BURST_DATAGRAMS * self.datagram) * TOKENS_PER_BYTE)
    }

    /// What the bucket holds at most: a burst, and what the caller's lateness earned.
    fn depth(&self, now: Instant) -> i128 {
        let late = self.promised.map_or(Duration::ZERO, |promised| now.saturating_duration_since(promised));
        self.burst() + self.earned(late.min(MAX_LATENESS))
    }

    fn fill(&mut self, now: Instant) {
        // Each packet of a batch asks, at the same moment.
        if now <= self.filled {
            return;
        }
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = now;
        // What lateness earned leaves in several packets, of which the first keeps the promise: the rest is not forfeit.
        self.tokens = (self.tokens + self.earned(elapsed)).min(self.depth(now)).max(self.tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A drained pacer of 1200-byte datagrams.
    fn drained(now: Instant, rate: u64) -> Pacer {
        let mut pacer = Pacer::new(now);
        pacer.set_rate(now, rate);
        let budget = pacer.budget(now);
        pacer.on_sent(now, budget);
        pacer
    }

    // LOS-12.
    #[test]
    fn an_idle_bucket_of_a_slow_path_holds_ten_datagrams_and_no_more() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now);
        pacer.set_rate(now, 1_000_000);
        assert_eq!(pacer.budget(now), 12_000);
        assert_eq!(pacer.budget(now + 1000 * MS), 12_000);
        pacer.set_datagram_size(1452);
        assert_eq!(pacer.budget(now + 2000 * MS), 14_520);
    }

    // LOS-12.
    #[test]
    fn an_idle_bucket_of_a_fast_path_holds_a_millisecond_and_no_more() {
        let now = Instant::now();
        let mut pacer = drained(now, 125_000_000);
        assert_eq!(pacer.budget(now + MS), 125_000);
        assert_eq!(pacer.budget(now + 1000 * MS), 125_000);
    }

    #[test]
    fn a_datagram_may_leave_when_it_is_earned_and_not_a_nanosecond_earlier() {
        let now = Instant::now();
        let mut pacer = drained(now, 1_200_000);
        let release = pacer.next_release(now, 1200).expect("the bucket is empty");
        assert_eq!(release, now + MS);
        assert_eq!(pacer.budget(release - Duration::from_nanos(1)), 1199);
        assert_eq!(pacer.budget(release), 1200);
        assert_eq!(pacer.next_release(release, 1200), None);
    }

    #[test]
    fn an_overdrawn_bucket_is_paid_back_before_anything_leaves() {
        let now = Instant::now();
        let mut pacer = drained(now, 1_200_000);
        pacer.on_sent(now, 2400);
        assert_eq!(pacer.next_release(now, 1200), Some(now + 3 * MS));
        assert_eq!(pacer.budget(now + 2 * MS), 0);
        assert_eq!(pacer.budget(now + 3 * MS), 1200);
    }

    #[test]
    fn more_than_a_bucketful_is_released_when_the_bucket_is_full() {
        let now = Instant::now();
        let mut pacer = drained(now, 1_200_000);
        assert_eq!(pacer.next_release(now, 1_000_000), Some(now + 10 * MS));
    }

    // LOS-12.
    #[test]
    fn a_timer_that_fires_late_costs_no_rate_up_to_four_milliseconds() {
        for (late, earned) in [(MS, 126_250), (4 * MS, 501_250), (9 * MS, 501_250 + 123_750)] {
            let now = Instant::now();
            let mut pacer = drained(now, 125_000_000);
            let release = pacer.next_release(now, 1250).expect("the bucket is empty");
            assert_eq!(release, now + Duration::from_micros(10));
            assert_eq!(pacer.budget(release + late), earned, "{late:?} late");
        }
    }

    #[test]
    fn a_caller_that_was_promised_nothing_earns_no_lateness() {
        let now = Instant::now();
        let mut pacer = drained(now, 125_000_000);
        assert_eq!(pacer.budget(now + 4 * MS), 125_000);
    }

    #[test]
    fn a_promise_that_was_kept_earns_no_lateness_later() {
        let now = Instant::now();
        let mut pacer = drained(now, 125_000_000);
        let release = pacer.next_release(now, 1250).expect("the bucket is empty");
        pacer.on_sent(release, 1250);
        assert_eq!(pacer.budget(now + 1000 * MS), 125_000);
    }

    #[test]
    fn a_new_rate_counts_from_now_on() {
        let now = Instant::now();
        let mut pacer = drained(now, 1_200_000);
        pacer.set_rate(now + MS, 2_400_000);
        assert_eq!(pacer.budget(now + 2 * MS), 1200 + 2400);
    }

    #[test]
    fn extreme_rates_and_times_are_survived() {
        let now = Instant::now();
        for rate in [0, 1, u64::MAX] {
            let mut pacer = drained(now, rate);
            pacer.on_sent(now, usize::MAX);
            assert!(pacer.next_release(now, usize::MAX).is_some());
            let _ = pacer.budget(now + Duration::from_secs(1 << 40));
        }
    }

    #[test]
    fn over_a_second_the_rate_is_kept_whatever_the_timer_granularity_up_to_four_milliseconds() {
        for tick in [1u64, 10, 100, 1000, 2000, 4000] {
            let start = Instant::now();
            let mut pacer = drained(start, 25_000_000);
            let (mut now, mut sent) = (start, 0);
            while now < start + 1000 * MS {
                if let Some(release) = pacer.next_release(now, 1200) {
                    let micros = u64::try_from((release - start).as_micros()).expect("short") + 1;
                    now = start + Duration::from_micros(micros.div_ceil(tick) * tick);
                    continue;
                }
                while pacer.budget(now) >= 1200 {
                    pacer.on_sent(now, 1200);
                    sent += 1200;
                }
            }
            assert!((24_700_000..=25_150_000).contains(&sent), "{sent} bytes with a timer of {tick} us");
        }
    }
}
