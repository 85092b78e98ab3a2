//! What the path is like: the most it delivers, the least it takes to answer, and how its answers are bunched.

use std::time::{Duration, Instant};

use crate::recovery::GRANULARITY;

/// How long a smallest round trip is believed (MinRTTFilterLen).
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);
/// After so long without seeing it again, it is looked for (ProbeRTTInterval).
pub(super) const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// Rounds that each half of the memory of bunched acknowledgements covers (ExtraAckedFilterLen is 10).
const EXTRA_ACKED_ROUNDS: u64 = 5;

/// The most delivered in this bandwidth-probing cycle and the last, in bytes per second (section 5.5.2).
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

    /// What the path delivers is known.
    pub(super) fn set(&mut self, rate: u64) {
        *self = Self { previous: 0, current: rate };
    }

    /// A cycle ended. One without a sample forgets nothing.
    pub(super) fn advance(&mut self) {
        if self.current > 0 {
            self.previous = std::mem::take(&mut self.current);
        }
    }
}

/// The smallest round trip of the last ten seconds, and when it is time to look for a smaller one (section 5.3.4.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinRtt {
    least: Option<(Duration, Instant)>,
    /// The least since the last look.
    recent: Option<(Duration, Instant)>,
    expired: bool,
}

impl MinRtt {
    pub(super) fn value(&self) -> Option<Duration> {
        self.least.map(|(rtt, _)| rtt)
    }

    pub(super) fn on_sample(&mut self, now: Instant, sample: Option<Duration>) {
        let older = |seen: Option<(Duration, Instant)>, life| {
            seen.is_some_and(|(_, at)| now.saturating_duration_since(at) > life)
        };
        self.expired = older(self.recent, PROBE_RTT_INTERVAL);
        if let Some(sample) = sample {
            // Seen again to within a thirty-second: the queue was empty, and there is nothing to look for.
            let again = self.recent.is_none_or(|(least, _)| sample <= least + least / 32);
            if self.expired || self.recent.is_none_or(|(least, _)| sample < least) {
                self.recent = Some((sample, now));
            } else if again {
                self.recent = self.recent.map(|(least, _)| (least, now));
            }
        }
        let Some(recent) = self.recent else { return };
        if older(self.least, MIN_RTT_LIFE) || self.least.is_none_or(|(least, _)| recent.0 <= least) {
            self.least = Some(recent);
        }
    }

    /// Is it time to look for a smaller one?
    pub(super) fn is_expired(&self) -> bool {
        self.expired
    }

    /// It was looked for.
    pub(super) fn on_probed(&mut self, now: Instant) {
        self.recent = self.recent.map(|(least, _)| (least, now));
        self.expired = false;
    }

    /// Does a round trip as long as this show a queue? An eighth longer does, and a timer tick for the hosts.
    pub(super) fn shows_queue(&self, rtt: Duration) -> bool {
        self.value().is_some_and(|least| rtt > least + least / 8 + GRANULARITY)
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
            self.acked = 0;
            self.since = Some(now);
            expected = 0;
        }
        self.acked = self.acked.saturating_add(bytes);
        self.current = self.current.max((self.acked - expected.min(self.acked)).min(window));
    }

    /// A round trip began; in start-up only one is remembered.
    pub(super) fn on_round(&mut self, round: u64, startup: bool) {
        if startup || round >= self.turned + EXTRA_ACKED_ROUNDS {
            self.turned = round;
            self.previous = std::mem::take(&mut self.current);
        }
    }

    /// Nothing was in flight: idle time is not expected to deliver.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = Some(now);
        self.acked = 0;
    }
}

/// Bytes at that rate in that time.
pub(super) fn volume(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}
