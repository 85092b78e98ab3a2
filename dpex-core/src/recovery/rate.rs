//! Delivery-rate samples (draft-ietf-ccwg-bbr, section 4.1): how fast the path took what it was given.

use std::time::Duration;

/// What one acknowledgement says about the path's rate, measured over about one round trip.
///
/// The rate is `delivered / interval`. It never exceeds what was really carried, because `interval` is the longer of
/// the time it took to send the bytes and the time it took to acknowledge them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSample {
    /// Bytes delivered in the interval.
    pub delivered: u64,
    /// How long that took.
    pub interval: Duration,
    /// The sender had nothing more to send when the sampled packet left: the path may be faster than this.
    pub app_limited: bool,
    /// Bytes delivered in all when the sampled packet left: says which round trip it belongs to.
    pub prior_delivered: u64,
    /// Bytes in flight just after the sampled packet left, itself included.
    pub tx_in_flight: u64,
    /// Bytes declared lost since the sampled packet left.
    pub lost: u64,
    /// Time from the sampled packet's sending to its acknowledgement.
    pub rtt: Duration,
}

impl RateSample {
    /// The rate in bytes per second; `None` for an empty interval.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<u64> {
        let nanos = self.interval.as_nanos();
        let rate = (u128::from(self.delivered) * 1_000_000_000).checked_div(nanos)?;
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}
