//! What loss says the path cannot take: bounds for the time being, and one for longer (section 5.5.10).

use super::model::percent;
use super::round::{Sample, Tally};
use crate::recovery::AckEvent;

/// No bound.
pub(super) const INFINITE: u64 = u64::MAX;
/// What a reduction leaves at least, in per cent (`Beta`).
pub(super) const BETA: u64 = 70;

/// Upper bounds of the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes in flight that lost too much when last tried.
    pub(super) inflight: u64,
    /// Bytes per second, until the next probe for bandwidth.
    pub(super) bandwidth_for_now: u64,
    /// Bytes in flight, until then.
    pub(super) inflight_for_now: u64,
    /// In how many rounds since the last one the two were lowered.
    pub(super) lowered: u32,
}

impl Bounds {
    pub(super) const NONE: Self =
        Self { inflight: INFINITE, bandwidth_for_now: INFINITE, inflight_for_now: INFINITE, lowered: 0 };

    /// A round was congested: what got through is what there is. `bandwidth` and `window` are what they were.
    ///
    /// No round is believed to have lost more than `Beta` leaves, unless it was lossy beyond doubt.
    pub(super) fn lower_for_now(&mut self, round: &Tally, bandwidth: u64, window: u64) {
        let beyond_doubt = round.lost > round.settled() / 4 && !round.limited;
        self.lowered = self.lowered.saturating_add(1);
        let beta = if beyond_doubt { 0 } else { BETA };
        self.bandwidth_for_now = round.rate.max(percent(self.bandwidth_for_now.min(bandwidth), beta));
        self.inflight_for_now = round.delivered.max(percent(self.inflight_for_now.min(window), beta));
    }

    pub(super) fn lift_for_now(&mut self) {
        self.bandwidth_for_now = INFINITE;
        self.inflight_for_now = INFINITE;
        self.lowered = 0;
    }

    /// None of the losses since these bounds was one.
    pub(super) fn restore(&mut self, before: &Self) {
        self.lowered = self.lowered.min(before.lowered);
        self.inflight = self.inflight.max(before.inflight);
        self.bandwidth_for_now = self.bandwidth_for_now.max(before.bandwidth_for_now);
        self.inflight_for_now = self.inflight_for_now.max(before.inflight_for_now);
    }
}

/// The round trip that losses are judged by: it begins with the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossRound {
    pub(super) lossy: bool,
    tally: Tally,
    ends: u64,
}

impl LossRound {
    /// Losses were found. Returns whether they are the first of their round.
    pub(super) fn on_loss(&mut self, bytes: u64, delivered: u64) -> bool {
        self.tally.lost = self.tally.lost.saturating_add(bytes);
        let first = !std::mem::replace(&mut self.lossy, true);
        if first {
            self.ends = delivered;
        }
        first
    }

    /// Takes an acknowledgement; if it ends the round, returns what it brought, and whether it was lossy.
    pub(super) fn on_ack(&mut self, ack: &AckEvent, sample: Sample) -> Option<(Tally, bool)> {
        self.tally.on_ack(ack, sample);
        if ack.prior_delivered < self.ends {
            return None;
        }
        self.ends = ack.delivered;
        let ended = std::mem::take(&mut self.tally);
        self.tally.rate = sample.rate;
        self.tally.delivered = sample.delivered;
        Some((ended, std::mem::take(&mut self.lossy)))
    }

    /// The highest rate and the most delivered so far.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What was seen while probing says nothing of what comes after.
    pub(super) fn restart(&mut self) {
        self.lossy = false;
        self.tally.rate = 0;
        self.tally.delivered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_congested_round_leaves_what_got_through_and_seven_tenths_at_least() {
        for (rate, left) in [(900, 900), (700, 700), (600, 700)] {
            let mut bounds = Bounds::NONE;
            let round = Tally { acked: 80, lost: 20, rate, delivered: rate, ..Tally::default() };
            bounds.lower_for_now(&round, 1000, 1000);
            assert_eq!((bounds.bandwidth_for_now, bounds.inflight_for_now), (left, left));
        }
    }

    #[test]
    fn a_round_that_lost_more_than_a_quarter_leaves_only_what_got_through() {
        for (lost, limited, left) in [(25, false, 700), (26, false, 100), (26, true, 700)] {
            let mut bounds = Bounds::NONE;
            let round = Tally { acked: 100 - lost, lost, rate: 100, delivered: 100, limited, ..Tally::default() };
            bounds.lower_for_now(&round, 1000, 1000);
            assert_eq!(bounds.bandwidth_for_now, left, "{lost} lost");
        }
    }

    #[test]
    fn further_rounds_go_on_from_the_bound() {
        let mut bounds = Bounds::NONE;
        let round = Tally { acked: 80, lost: 20, ..Tally::default() };
        bounds.lower_for_now(&round, 1000, 1000);
        bounds.lower_for_now(&round, 1000, 1000);
        assert_eq!(bounds.bandwidth_for_now, 490);
        bounds.restore(&Bounds::NONE);
        assert_eq!(bounds.bandwidth_for_now, INFINITE);
    }
}
