//! Delivery-rate samples (draft-ietf-ccwg-bbr, section 4.1): how fast the path took what it was given.

use std::time::{Duration, Instant};

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

/// What a packet remembers of the moment it left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    pub(super) lost: u64,
    pub(super) tx_in_flight: u64,
    pub(super) app_limited: bool,
}

impl Stamp {
    /// Bytes delivered in all when the packet left.
    pub(super) fn prior_delivered(&self) -> u64 {
        self.delivered
    }
}

/// The connection's side of sampling: what has been delivered, and in which round trip we are.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    delivered: u64,
    delivered_at: Option<Instant>,
    /// When the packet was sent that the last sample was taken from: the beginning of the next sending interval.
    first_sent: Option<Instant>,
    lost: u64,
    /// Until so much is delivered, packets leave marked as application-limited; 0 if they do not.
    app_limited_until: u64,
    round: u64,
    /// A packet that left when so much was delivered, or more, ends the round trip.
    round_ends: u64,
}

impl Deliveries {
    /// A packet leaves; `in_flight` is without it.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: u64, in_flight: u64) -> Stamp {
        if in_flight == 0 {
            // Idle time is nobody's rate.
            self.first_sent = Some(now);
            self.delivered_at = Some(now);
        }
        Stamp {
            delivered: self.delivered,
            delivered_at: self.delivered_at.unwrap_or(now),
            first_sent: self.first_sent.unwrap_or(now),
            lost: self.lost,
            tx_in_flight: in_flight.saturating_add(bytes),
            app_limited: self.app_limited_until != 0,
        }
    }

    /// The application has nothing to send; what is in flight until now is all there is.
    pub(super) fn on_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = self.delivered.saturating_add(in_flight).max(1);
    }

    pub(super) fn on_delivered(&mut self, now: Instant, bytes: u64) {
        self.delivered = self.delivered.saturating_add(bytes);
        self.delivered_at = Some(now);
        if self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
    }

    /// Counts a loss and returns the bytes lost since the packet left, itself included.
    pub(super) fn on_lost(&mut self, bytes: u64, stamp: &Stamp) -> u64 {
        self.lost = self.lost.saturating_add(bytes);
        self.lost - stamp.lost
    }

    /// Does this newly acknowledged packet end the round trip? Call after [`Self::on_delivered`].
    pub(super) fn advance_round(&mut self, stamp: &Stamp) -> bool {
        let ends = stamp.delivered >= self.round_ends;
        if ends {
            self.round += 1;
            self.round_ends = self.delivered;
        }
        ends
    }

    /// Samples the rate at the newest packet of an acknowledgement, all of which has been counted as delivered.
    /// An interval shorter than any round trip is an artefact of compressed acknowledgements and gives no sample.
    pub(super) fn sample(
        &mut self,
        now: Instant,
        sent: Instant,
        stamp: &Stamp,
        min_rtt: Duration,
    ) -> Option<RateSample> {
        self.first_sent = Some(sent);
        let sending = sent.saturating_duration_since(stamp.first_sent);
        let acknowledging = now.saturating_duration_since(stamp.delivered_at);
        let interval = sending.max(acknowledging);
        (interval >= min_rtt).then_some(RateSample {
            delivered: self.delivered - stamp.delivered,
            interval,
            app_limited: stamp.app_limited,
            prior_delivered: stamp.delivered,
            tx_in_flight: stamp.tx_in_flight,
            lost: self.lost - stamp.lost,
            rtt: now.saturating_duration_since(sent),
        })
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_bytes_over_time_and_needs_time() {
        let mut sample = RateSample {
            delivered: 3000,
            interval: Duration::from_millis(2),
            app_limited: false,
            prior_delivered: 0,
            tx_in_flight: 0,
            lost: 0,
            rtt: Duration::ZERO,
        };
        assert_eq!(sample.bytes_per_second(), Some(1_500_000));
        sample.interval = Duration::ZERO;
        assert_eq!(sample.bytes_per_second(), None);
    }
}
