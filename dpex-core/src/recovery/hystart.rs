//! HyStart++ (RFC 9406): leaving slow start when the round trip grows, before the queue overflows.
//!
//! Sending is paced, so the limit L on the growth of one acknowledgement is not needed (RFC 9406, section 4.3). Two
//! departures for the same reason, and because our receiver acknowledges eight times in a round trip and not every
//! second packet. A paced round trip builds its queue towards its end, so the last three samples are judged and not the
//! first eight, which would see the queue one doubling too late. And conservative slow start ends as soon as they have
//! grown by the threshold once more in a later round trip: then it is a queue.

use std::collections::VecDeque;
use std::time::Duration;

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: usize = 3;
const CSS_ROUNDS: u64 = 5;

/// How slow start goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// By what was acknowledged.
    Full,
    /// By a quarter of it: the round trip has grown, and this may be why.
    Conservative,
    /// Not at all: it has stayed longer, slow start is over.
    Over,
}

/// Conservative slow start: the round trip that began it, and when.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    baseline: Duration,
    since: u64,
}

/// The detector; counts round trips as it is told them.
#[derive(Clone, Debug, Default)]
pub(super) struct HyStart {
    round: u64,
    /// The least sample of the round trip before, and of this one.
    previous: Option<Duration>,
    current: Option<Duration>,
    /// The last samples of this round trip, at most [`N_RTT_SAMPLE`].
    last: VecDeque<Duration>,
    conservative: Option<Conservative>,
}

impl HyStart {
    /// An acknowledgement in this round trip, with or without an RTT sample.
    pub(super) fn on_ack(&mut self, round: u64, sample: Option<Duration>) -> Growth {
        if round != self.round {
            self.round = round;
            self.previous = self.current.take();
            self.last.clear();
        }
        if let Some(sample) = sample {
            self.current = Some(self.current.map_or(sample, |least| least.min(sample)));
            self.last.truncate(N_RTT_SAMPLE - 1);
            self.last.push_front(sample);
        }
        if let Some(&current) = self.last.iter().min().filter(|_| self.last.len() == N_RTT_SAMPLE) {
            match (self.conservative, self.previous) {
                (Some(css), _) if current < css.baseline => self.conservative = None,
                (Some(css), _) if round > css.since && current >= css.baseline + Self::threshold(css.baseline) => {
                    return Growth::Over;
                }
                (None, Some(previous)) if current >= previous + Self::threshold(previous) => {
                    self.conservative = Some(Conservative { baseline: current, since: round });
                }
                _ => {}
            }
        }
        match self.conservative {
            None => Growth::Full,
            Some(css) if round >= css.since + CSS_ROUNDS => Growth::Over,
            Some(_) => Growth::Conservative,
        }
    }

    fn threshold(previous: Duration) -> Duration {
        (previous / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A round trip of `count` samples.
    fn round(hystart: &mut HyStart, round: u64, count: u32, rtt: Duration) -> Growth {
        (0..count).map(|_| hystart.on_ack(round, Some(rtt))).last().expect("count is not zero")
    }

    #[test]
    fn a_round_trip_an_eighth_longer_slows_growth_and_one_less_than_that_does_not() {
        for (base, longer) in [(80 * MS, 10 * MS), (16 * MS, 4 * MS), (400 * MS, 16 * MS)] {
            let mut hystart = HyStart::default();
            assert_eq!(round(&mut hystart, 1, 8, base), Growth::Full);
            let mut other = hystart.clone();
            assert_eq!(round(&mut hystart, 2, 8, base + longer), Growth::Conservative, "{base:?}");
            assert_eq!(round(&mut other, 2, 8, base + longer - Duration::from_nanos(1)), Growth::Full, "{base:?}");
        }
    }

    #[test]
    fn two_samples_prove_nothing_and_the_third_does() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        assert_eq!(round(&mut hystart, 2, 2, 100 * MS), Growth::Full);
        assert_eq!(hystart.on_ack(2, Some(100 * MS)), Growth::Conservative);
    }

    #[test]
    fn one_short_sample_among_the_last_three_excuses_the_long_ones() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        for _ in 0..5 {
            assert_eq!(round(&mut hystart, 2, 2, 200 * MS), Growth::Full);
            assert_eq!(hystart.on_ack(2, Some(80 * MS)), Growth::Full);
        }
    }

    #[test]
    fn a_queue_that_builds_towards_the_end_of_a_round_trip_is_seen_in_it() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        round(&mut hystart, 2, 8, 80 * MS);
        assert_eq!(round(&mut hystart, 2, 3, 90 * MS), Growth::Conservative);
    }

    #[test]
    fn a_round_trip_that_shrinks_again_resumes_full_growth() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        round(&mut hystart, 2, 8, 100 * MS);
        assert_eq!(round(&mut hystart, 3, 8, 99 * MS), Growth::Full);
    }

    #[test]
    fn after_five_conservative_round_trips_slow_start_is_over_and_after_four_it_is_not() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        round(&mut hystart, 2, 8, 100 * MS);
        for n in 3..7 {
            assert_eq!(round(&mut hystart, n, 8, 100 * MS), Growth::Conservative, "round trip {n}");
        }
        assert_eq!(hystart.on_ack(7, None), Growth::Over);
    }

    #[test]
    fn a_round_trip_that_grows_once_more_ends_slow_start_and_one_that_stays_does_not() {
        let mut hystart = HyStart::default();
        round(&mut hystart, 1, 8, 80 * MS);
        assert_eq!(round(&mut hystart, 2, 8, 96 * MS), Growth::Conservative);
        let mut stays = hystart.clone();
        assert_eq!(round(&mut hystart, 3, 3, 108 * MS), Growth::Over);
        assert_eq!(round(&mut stays, 3, 3, 107 * MS), Growth::Conservative);
    }
}
