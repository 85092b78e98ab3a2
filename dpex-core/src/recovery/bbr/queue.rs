//! Whose queue is it? What a flow does about a queue that it did not make alone.
//!
//! Two flows that both believe in what they once had keep a queue for ever, and whoever came first keeps the most. The
//! draft waits for loss to part them. Here a queue that stands while a flow does not probe says that its bandwidth is
//! not all its own: then what was delivered is exactly its share of a busy link, and nothing is to be filtered.

use std::time::Duration;

use super::model::MinRtt;

/// Round trips of standing queue after which the share is known: those of the probe, one's own or another's, are over.
const SHARE_ROUNDS: u32 = 3;
/// How far a flow yields to a queue, in per cent of its bandwidth, and by how much in a round trip.
const LEAST_GAIN: u64 = 90;
const STEP: u64 = 2;
/// Yielding that has not helped in so many round trips is given up: somebody else fills the queue, or it is none.
const PATIENCE: u32 = 10;
/// Samples of which the least is the round trip now: acknowledgements come eight times in a round trip.
const SAMPLES: usize = 3;

/// What the flow sees and does while it does not probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    rtts: [Duration; SAMPLES],
    next: usize,
    standing: u32,
    share_known: bool,
    /// Pacing gain in per cent.
    gain: u64,
    /// The round trip when it began to yield, and round trips since.
    yielding: Option<(Duration, u32)>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { rtts: [Duration::ZERO; SAMPLES], next: 0, standing: 0, share_known: false, gain: 100, yielding: None }
    }

    pub(super) fn on_sample(&mut self, rtt: Option<Duration>) {
        let Some(rtt) = rtt else { return };
        if let Some(oldest) = self.rtts.get_mut(self.next) {
            *oldest = rtt;
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// The round trip now, of which no single sample can say too much.
    pub(super) fn rtt(&self) -> Duration {
        self.rtts.iter().min().copied().unwrap_or_default()
    }

    /// A new cycle of probing for bandwidth.
    pub(super) fn on_cycle(&mut self) {
        self.share_known = false;
        self.yielding = None;
    }

    /// A round trip ended. `quiet`: in it, the flow did not probe. Returns whether what was delivered in it is the share.
    pub(super) fn on_round(&mut self, shows: bool, quiet: bool) -> bool {
        self.standing = if shows && quiet { self.standing.saturating_add(1) } else { 0 };
        self.standing >= SHARE_ROUNDS && !self.share_known
    }

    /// The share was taken.
    pub(super) fn on_share_known(&mut self) {
        self.share_known = true;
    }

    /// A round trip of cruising ended; `rtt` is its least.
    pub(super) fn on_cruise_round(&mut self, rtt: Option<Duration>, min_rtt: &MinRtt) {
        let Some(rtt) = rtt.filter(|rtt| min_rtt.shows_queue(*rtt)) else {
            self.gain = (self.gain + STEP).min(100);
            self.yielding = None;
            return;
        };
        let (before, rounds) = self.yielding.get_or_insert((rtt, 0));
        if *rounds == PATIENCE {
            self.gain = 100;
            return;
        }
        *rounds += 1;
        let helped = min_rtt.value().is_some_and(|least| rtt.saturating_add(least / 8) <= *before);
        if *rounds == PATIENCE && helped {
            (*before, *rounds) = (rtt, 0);
        }
        self.gain = self.gain.saturating_sub(STEP).max(LEAST_GAIN);
    }

    /// The pacing gain for cruising, in per cent.
    pub(super) fn cruise_gain(&self) -> u64 {
        self.gain
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn min_rtt() -> MinRtt {
        let mut rtt = MinRtt::default();
        rtt.on_sample(Instant::now(), Some(40 * MS));
        rtt
    }

    #[test]
    fn the_round_trip_now_is_the_least_of_three() {
        let mut queue = Queue::new();
        for (sample, now) in [(50, 0), (60, 0), (70, 50), (80, 60), (40, 40)] {
            queue.on_sample(Some(sample * MS));
            assert_eq!(queue.rtt(), now * MS);
        }
    }

    #[test]
    fn the_share_is_known_in_the_third_round_of_a_standing_queue_once_a_cycle() {
        let mut queue = Queue::new();
        let rounds = [(true, false), (true, true), (true, true), (false, true), (true, true), (true, true)];
        for (shows, quiet) in rounds {
            assert!(!queue.on_round(shows, quiet));
        }
        assert!(queue.on_round(true, true));
        queue.on_share_known();
        assert!(!queue.on_round(true, true));
        queue.on_cycle();
        assert!(queue.on_round(true, true));
    }

    #[test]
    fn a_flow_yields_by_two_per_cent_a_round_to_nine_tenths_and_comes_back_the_same_way() {
        let (mut queue, least) = (Queue::new(), min_rtt());
        let gains = |queue: &mut Queue, rtt, rounds: u32| {
            (0..rounds).map(|_| queue.on_cruise_round(Some(rtt), &least)).for_each(drop);
            queue.cruise_gain()
        };
        assert_eq!(gains(&mut queue, 46 * MS, 5), 100, "an eighth and a millisecond is no queue");
        assert_eq!(gains(&mut queue, 47 * MS, 1), 98);
        assert_eq!(gains(&mut queue, 47 * MS, 5), 90);
        assert_eq!(gains(&mut queue, 46 * MS, 2), 94);
        assert_eq!(gains(&mut queue, 46 * MS, 5), 100);
    }

    #[test]
    fn yielding_that_does_not_help_is_given_up_after_ten_rounds_and_one_that_does_goes_on() {
        for (later, gain) in [(60, 100), (56, 100), (55, 90)] {
            let (mut queue, least) = (Queue::new(), min_rtt());
            for _ in 0..9 {
                queue.on_cruise_round(Some(60 * MS), &least);
            }
            queue.on_cruise_round(Some(later * MS), &least);
            queue.on_cruise_round(Some(later * MS), &least);
            assert_eq!(queue.cruise_gain(), gain, "from 60 ms to {later} ms");
        }
    }
}
