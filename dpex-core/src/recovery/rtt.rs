//! The round-trip estimate (RFC 9002, section 5).
//!
//! One estimator belongs to one path: whoever moves to another path starts a new one.

use std::time::Duration;

use super::GRANULARITY;

/// Smoothed round-trip time and its variation, from samples without ambiguity (packet numbers are never reused).
#[derive(Clone, Debug)]
pub struct RttEstimator {
    latest: Duration,
    min: Duration,
    smoothed: Duration,
    variance: Duration,
    sampled: bool,
}

impl RttEstimator {
    /// An estimator without samples, which answers `initial` until it has one (RFC 9002, section 6.2.2).
    #[must_use]
    pub fn new(initial: Duration) -> Self {
        Self { latest: initial, min: initial, smoothed: initial, variance: initial / 2, sampled: false }
    }

    /// Takes a sample: `latest` from sending to acknowledgement, of which the peer says it waited `ack_delay`.
    ///
    /// The delay is believed only as far as it does not push the sample below the minimum (RFC 9002, section 5.3).
    pub fn update(&mut self, latest: Duration, ack_delay: Duration) {
        self.latest = latest;
        if !self.sampled {
            self.sampled = true;
            self.min = latest;
            self.smoothed = latest;
            self.variance = latest / 2;
            return;
        }
        self.min = self.min.min(latest);
        let adjusted = latest.checked_sub(ack_delay).filter(|without_wait| *without_wait >= self.min).unwrap_or(latest);
        let deviation = self.smoothed.abs_diff(adjusted);
        self.variance = (self.variance * 3 + deviation) / 4;
        self.smoothed = (self.smoothed * 7 + adjusted) / 8;
    }

    /// Smoothed RTT (RFC 9002, section 5.3).
    #[must_use]
    pub fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// Mean deviation of the RTT (RFC 9002, section 5.3, `rttvar`).
    #[must_use]
    pub fn variance(&self) -> Duration {
        self.variance
    }

    /// The latest sample as measured, waiting included.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// The smallest sample (RFC 9002, section 5.2).
    #[must_use]
    pub fn min(&self) -> Duration {
        self.min
    }

    /// Is there a sample yet?
    #[must_use]
    pub fn has_sample(&self) -> bool {
        self.sampled
    }

    /// Probe timeout without back-off: `smoothed + max(4 * variance, 1 ms) + max_ack_delay` (RFC 9002, section 6.2.1).
    #[must_use]
    pub fn pto(&self, max_ack_delay: Duration) -> Duration {
        self.smoothed + (self.variance * 4).max(GRANULARITY) + max_ack_delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_a_sample_the_initial_value_stands_in() {
        let rtt = RttEstimator::new(333 * MS);
        assert!(!rtt.has_sample());
        assert_eq!(rtt.smoothed(), 333 * MS);
        assert_eq!(rtt.pto(Duration::ZERO), 999 * MS, "RFC 9002: about one second");
    }

    #[test]
    fn the_first_sample_replaces_everything_and_ignores_the_delay() {
        let mut rtt = RttEstimator::new(333 * MS);
        rtt.update(80 * MS, 25 * MS);
        assert_eq!((rtt.smoothed(), rtt.variance(), rtt.min()), (80 * MS, 40 * MS, 80 * MS));
        assert!(rtt.has_sample());
    }

    #[test]
    fn later_samples_are_smoothed_by_eighths_and_quarters() {
        let mut rtt = RttEstimator::new(333 * MS);
        rtt.update(80 * MS, Duration::ZERO);
        rtt.update(160 * MS, Duration::ZERO);
        assert_eq!((rtt.smoothed(), rtt.variance()), (90 * MS, 50 * MS));
        assert_eq!(rtt.latest(), 160 * MS);
    }

    #[test]
    fn a_delay_is_believed_down_to_the_minimum_and_not_below() {
        let mut believed = RttEstimator::new(333 * MS);
        believed.update(80 * MS, Duration::ZERO);
        let mut doubted = believed.clone();
        believed.update(100 * MS, 20 * MS);
        assert_eq!(believed.smoothed(), 80 * MS);
        doubted.update(100 * MS, 21 * MS);
        assert_eq!(doubted.smoothed(), (80 * MS * 7 + 100 * MS) / 8);
    }

    #[test]
    fn a_steady_path_still_leaves_a_millisecond_of_patience() {
        let mut rtt = RttEstimator::new(333 * MS);
        for _ in 0..200 {
            rtt.update(10 * MS, Duration::ZERO);
        }
        assert!(rtt.variance() * 4 < MS);
        assert_eq!(rtt.pto(25 * MS), 36 * MS);
    }

    #[test]
    fn the_minimum_only_falls() {
        let mut rtt = RttEstimator::new(MS);
        for (sample, min) in [(50, 50), (40, 40), (60, 40), (39, 39)] {
            rtt.update(sample * MS, Duration::ZERO);
            assert_eq!(rtt.min(), min * MS);
        }
    }
}
