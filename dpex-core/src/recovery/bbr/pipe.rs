//! Is the pipe full? It is when sending faster does not deliver faster (section 5.3.1.2).

use super::round::{Sample, Tally};

/// Growth that counts as such, in per cent.
const GROWN: u64 = 125;
/// Rounds without it after which the pipe is full.
const ROUNDS: u32 = 3;

/// The search for a plateau in the delivery rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pipe {
    rate: u64,
    rounds: u32,
    /// Full since the search began.
    pub(super) full_now: bool,
    /// Full at any time: the end of start-up.
    pub(super) full: bool,
}

impl Pipe {
    /// Begins the search again, from this rate.
    pub(super) fn restart(&mut self, rate: u64) {
        *self = Self { rate, rounds: 0, full_now: false, full: self.full };
    }

    /// Has the rate grown since the last time that it had?
    pub(super) fn grew(&self, rate: u64) -> bool {
        rate >= super::model::percent(self.rate, GROWN)
    }

    /// A round trip ended. `hint`: something else says that the pipe is full, too, so that fewer rounds are enough.
    pub(super) fn on_round(&mut self, sample: Sample, ended: &Tally, hint: Option<Hint>) {
        if self.full_now || sample.limited {
            return;
        }
        let rate = sample.rate.max(ended.rate);
        if self.grew(rate) {
            return self.restart(rate);
        }
        self.rounds += 1;
        let enough = match hint {
            Some(Hint::Loss) => 1,
            Some(Hint::Queue) => 2,
            None => ROUNDS,
        };
        if self.rounds >= enough {
            self.on_full();
        }
    }

    pub(super) fn on_full(&mut self) {
        self.full_now = true;
        self.full = true;
    }
}

/// What else says that the pipe is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// More was lost than the path loses by itself.
    Loss,
    /// The shortest round trip of the round was long.
    Queue,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds_until_full(hint: Option<Hint>, rates: &[u64]) -> Option<usize> {
        let mut pipe = Pipe::default();
        rates.iter().position(|rate| {
            pipe.on_round(Sample { rate: *rate, ..Sample::default() }, &Tally::default(), hint);
            pipe.full
        })
    }

    #[test]
    fn three_rounds_without_growth_fill_the_pipe_two_with_a_queue_and_one_with_loss() {
        let plateau = [100, 200, 249, 249, 249, 249];
        assert_eq!(rounds_until_full(None, &plateau), Some(4));
        assert_eq!(rounds_until_full(Some(Hint::Queue), &plateau), Some(3));
        assert_eq!(rounds_until_full(Some(Hint::Loss), &plateau), Some(2));
    }

    #[test]
    fn growth_by_a_quarter_begins_the_count_again() {
        assert_eq!(rounds_until_full(None, &[100, 110, 120, 125, 130, 140]), None);
        assert_eq!(rounds_until_full(None, &[100, 110, 120, 124]), Some(3));
    }

    #[test]
    fn a_sender_without_data_fills_nothing() {
        let mut pipe = Pipe::default();
        for _ in 0..10 {
            pipe.on_round(Sample { rate: 1, limited: true, ..Sample::default() }, &Tally::default(), Some(Hint::Loss));
        }
        assert!(!pipe.full);
    }
}
