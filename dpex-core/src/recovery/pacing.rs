//! When the next bytes may leave: a token bucket.
//!
//! The bucket holds 1 ms of the rate, but never less than ten datagrams, so idle time earns no more than that. A caller
//! whose timer fires late keeps what it earned while it was late (up to [`MAX_LATENESS`]); otherwise a timer of 1 ms
//! granularity would cost half the rate.

use std::time::{Duration, Instant};

/// How much lateness of the caller's timer is made good.
const MAX_LATENESS: Duration = Duration::from_millis(4);
/// What an idle bucket holds, as time at the current rate.
const BURST_TIME: Duration = Duration::from_millis(1);
/// What it holds at least, in datagrams.
const BURST_DATAGRAMS: u64 = 10;
/// Tokens are billionths of a byte, so that a rate times nanoseconds needs no rounding.
const TOKENS_PER_BYTE: i128 = 1_000_000_000;

/// A token bucket over UDP payload bytes. It may be overdrawn (probes do not wait); the debt is paid by waiting.
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
        self.tokens = self.tokens.min(self.depth(now));
    }

    /// Sets the datagram size, of which the bucket always holds ten.
    pub fn set_datagram_size(&mut self, bytes: usize) {
        self.datagram = bytes as u64;
    }

    /// Bytes that may leave now.
    pub fn budget(&mut self, now: Instant) -> usize {
        self.fill(now);
        usize::try_from(self.tokens.max(0) / TOKENS_PER_BYTE).unwrap_or(usize::MAX)
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

    fn earned(&self, time: Duration) -> i128 {
        i128::from(self.effective_rate()) * i128::try_from(time.as_nanos()).unwrap_or(i128::from(u64::MAX))
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
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + self.earned(elapsed)).min(self.depth(now));
    }
}
