//! What the path is like: the most it delivers, the least it takes to answer, and how its answers are bunched.

use std::time::{Duration, Instant};

use crate::recovery::GRANULARITY;

/// How long a smallest round trip is believed (`MinRTTFilterLen`).
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);
/// After so long without seeing it again, it is looked for (`ProbeRTTInterval`).
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// Rounds in each half of the memory for bunched acknowledgements (`ExtraAckedFilterLen` is 10).
const EXTRA_ACKED_ROUNDS: u64 = 5;

/// The most delivered in this cycle of probing for bandwidth and the one before, in bytes per second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxBandwidth {
    previous: u64,
    current: u64,
}

impl MaxBandwidth {
    pub(super) fn value(&self) -> u64 {
        self.previous.max(self.current)
    }

    pub(super) fn on_sample(&mut self, rate: u64) {
        self.current = self.current.max(rate);
    }

    /// A cycle ended. One without a sample forgets nothing.
    pub(super) fn advance(&mut self) {
        if self.current > 0 {
            self.previous = std::mem::take(&mut self.current);
        }
    }

    /// What there is for this flow is known; what there was is forgotten.
    pub(super) fn set(&mut self, rate: u64) {
        *self = Self { previous: 0, current: rate };
    }
}

/// The smallest round trip of the last ten seconds, and when to look for a smaller one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinRtt {
    least: Option<Seen>,
    /// The least since it was last looked for.
    recent: Option<Seen>,
    expired: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    rtt: Duration,
    at: Instant,
}

impl Seen {
    fn older_than(self, now: Instant, life: Duration) -> bool {
        now.saturating_duration_since(self.at) > life
    }
}

impl MinRtt {
    pub(super) fn value(&self) -> Option<Duration> {
        self.least.map(|seen| seen.rtt)
    }

    pub(super) fn on_sample(&mut self, now: Instant, sample: Option<Duration>) {
        self.expired = self.recent.is_some_and(|seen| seen.older_than(now, PROBE_RTT_INTERVAL));
        if let Some(rtt) = sample {
            let smaller = self.recent.is_none_or(|seen| rtt < seen.rtt);
            // A queue so short is none: seeing the round trip again, nearly, is as good as looking for it.
            let again = self.recent.is_some_and(|seen| rtt <= seen.rtt.saturating_add(seen.rtt / 32));
            if smaller || self.expired {
                self.recent = Some(Seen { rtt, at: now });
            } else if again {
                self.recent = self.recent.map(|seen| Seen { at: now, ..seen });
            }
        }
        let Some(recent) = self.recent else { return };
        if self.least.is_none_or(|least| recent.rtt <= least.rtt || least.older_than(now, MIN_RTT_LIFE)) {
            self.least = Some(recent);
        }
    }

    /// Is it time to look for a smaller one?
    pub(super) fn is_expired(&self) -> bool {
        self.expired
    }

    /// It was looked for.
    pub(super) fn on_probed(&mut self, now: Instant) {
        self.recent = self.recent.map(|seen| Seen { at: now, ..seen });
        self.expired = false;
    }

    /// Is the path so long that a queue can be told from the hosts' own delays?
    pub(super) fn is_telling(&self) -> bool {
        self.value().is_some_and(|least| least >= 4 * GRANULARITY)
    }

    /// Does a round trip as long as this show a queue? An eighth longer does, and a timer tick of the hosts.
    pub(super) fn shows_queue(&self, rtt: Duration) -> bool {
        self.value().is_some_and(|least| rtt > least.saturating_add(least / 8).saturating_add(GRANULARITY))
    }
}

/// How much more is acknowledged at once than the path delivers in the time (section 5.5.9).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExtraAcked {
    since: Option<Instant>,
    acked: u64,
    previous: u64,
    current: u64,
    turned: u64,
}

impl ExtraAcked {
    pub(super) fn value(&self) -> u64 {
        self.previous.max(self.current)
    }

    pub(super) fn on_ack(&mut self, now: Instant, bytes: u64, bandwidth: u64, window: u64) {
        let since = *self.since.get_or_insert(now);
        let mut expected = volume(bandwidth, now.saturating_duration_since(since));
        if self.acked <= expected {
            self.restart(now);
            expected = 0;
        }
        self.acked = self.acked.saturating_add(bytes);
        self.current = self.current.max(self.acked.saturating_sub(expected).min(window));
    }

    /// A round trip began; in start-up only one is remembered.
    pub(super) fn on_round(&mut self, round: u64, startup: bool) {
        if startup || round >= self.turned + EXTRA_ACKED_ROUNDS {
            self.turned = round;
            self.previous = std::mem::take(&mut self.current);
        }
    }

    /// Nothing was in flight: no delivery is to be expected of idle time.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = Some(now);
        self.acked = 0;
    }
}

/// Bytes at that rate in that time.
pub(super) fn volume(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate).saturating_mul(time.as_nanos()) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// So many per cent of something.
pub(super) fn percent(of: u64, gain: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(gain) / 100).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_most_delivered_is_remembered_for_a_whole_cycle_and_forgotten_after_the_next() {
        let mut bandwidth = MaxBandwidth::default();
        bandwidth.on_sample(100);
        bandwidth.advance();
        bandwidth.on_sample(60);
        assert_eq!(bandwidth.value(), 100);
        bandwidth.advance();
        assert_eq!(bandwidth.value(), 60);
        bandwidth.advance();
        assert_eq!(bandwidth.value(), 60, "a cycle without a sample forgets nothing");
        bandwidth.set(10);
        assert_eq!(bandwidth.value(), 10);
    }

    #[test]
    fn a_smallest_round_trip_is_believed_for_ten_seconds_and_looked_for_after_five() {
        let start = Instant::now();
        let mut rtt = MinRtt::default();
        rtt.on_sample(start, Some(40 * MS));
        rtt.on_sample(start + 5000 * MS, Some(60 * MS));
        assert!(!rtt.is_expired());
        rtt.on_sample(start + 5001 * MS, Some(60 * MS));
        assert!(rtt.is_expired());
        assert_eq!(rtt.value(), Some(40 * MS));
        rtt.on_probed(start + 5001 * MS);
        rtt.on_sample(start + 10_000 * MS, Some(70 * MS));
        assert_eq!(rtt.value(), Some(40 * MS));
        rtt.on_sample(start + 10_001 * MS, Some(70 * MS));
        assert_eq!(rtt.value(), Some(60 * MS));
    }

    #[test]
    fn a_round_trip_seen_again_to_a_thirty_second_is_not_looked_for_and_one_beyond_is() {
        for (sample, sought) in [(33_000, false), (33_001, true)] {
            let start = Instant::now();
            let mut rtt = MinRtt::default();
            rtt.on_sample(start, Some(32 * MS));
            rtt.on_sample(start + 4000 * MS, Some(Duration::from_micros(sample)));
            rtt.on_sample(start + 6000 * MS, None);
            assert_eq!(rtt.is_expired(), sought, "{sample} us");
        }
    }

    #[test]
    fn an_eighth_and_a_millisecond_is_a_queue_and_no_less() {
        let mut rtt = MinRtt::default();
        assert!(!rtt.shows_queue(MS));
        rtt.on_sample(Instant::now(), Some(80 * MS));
        assert!(!rtt.shows_queue(91 * MS));
        assert!(rtt.shows_queue(91 * MS + Duration::from_nanos(1)));
    }

    #[test]
    fn what_comes_at_once_beyond_the_rate_is_extra_for_up_to_ten_rounds() {
        let start = Instant::now();
        let mut extra = ExtraAcked::default();
        extra.on_ack(start, 1000, 100_000, 10_000);
        extra.on_ack(start + 10 * MS, 5000, 100_000, 10_000);
        assert_eq!(extra.value(), 5000, "6000 in 10 ms in which 1000 were to be expected");
        for round in 1..=9 {
            extra.on_round(round, false);
        }
        assert_eq!(extra.value(), 5000);
        extra.on_round(10, false);
        assert_eq!(extra.value(), 0);
    }
}
