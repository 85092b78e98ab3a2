//! Which loss is congestion.
//!
//! The draft lets a path lose two per cent by itself. Radio and long paths lose more, so here the path's own loss is
//! measured, in rounds in which the flow cannot have caused it: those of start-up in which the delivery rate still grew
//! with the sending rate, and those in which it sent no faster than the path delivers; and no queue showed. Congestion
//! is what exceeds that by two per cent and by chance.
//!
//! And what the path loses by itself is made up for by sending as much more: delivery counts only what arrives, and a
//! flow that sent no more than that would leave so much of the link unused. Were the loss congestion after all, the
//! margin that pacing leaves makes it shrink from round to round.

/// What a loss rate may exceed the path's own by (`LossThresh`: 2 %), as a divisor.
const THRESHOLD: u64 = 50;
/// No path is believed to lose more than a tenth by itself.
const MOST: u64 = 10;
/// After so many packets what was measured counts half.
const MEMORY: u64 = 4096;
/// Fewer packets say nothing.
const LEAST: u64 = 64;

/// The loss of the path itself, in packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnLoss {
    lost: u64,
    of: u64,
}

impl OwnLoss {
    /// A round that the flow was not to blame for lost so many packets of so many.
    pub(super) fn on_calm_round(&mut self, lost: u64, of: u64) {
        if lost > of / MOST {
            return;
        }
        self.lost = self.lost.saturating_add(lost);
        self.of = self.of.saturating_add(of);
        while self.of > MEMORY {
            self.lost /= 2;
            self.of /= 2;
        }
    }

    fn rate(&self) -> f64 {
        if self.of < LEAST { 0.0 } else { self.lost as f64 / self.of as f64 }
    }

    /// What to send so that so much arrives.
    pub(super) fn gross(&self, net: u64) -> u64 {
        if self.of < LEAST {
            return net;
        }
        let gross = u128::from(net) * u128::from(self.of) / u128::from((self.of - self.lost).max(1));
        u64::try_from(gross).unwrap_or(u64::MAX)
    }

    /// Are so many packets lost of so many more than the path loses by itself?
    pub(super) fn is_exceeded(&self, lost: u64, of: u64) -> bool {
        let own = self.rate() * of as f64;
        // Two standard deviations of a count.
        lost as f64 > own + of as f64 / THRESHOLD as f64 + 2.0 * own.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_per_cent_are_allowed_to_a_path_not_known_to_lose() {
        let own = OwnLoss::default();
        assert!(!own.is_exceeded(20, 1000));
        assert!(own.is_exceeded(21, 1000));
        assert!(own.is_exceeded(1, 49));
    }

    #[test]
    fn a_path_known_to_lose_is_allowed_that_and_two_per_cent_and_chance() {
        let mut own = OwnLoss::default();
        own.on_calm_round(50, 1000);
        assert!(!own.is_exceeded(84, 1000), "50 + 20 + 2 sqrt(50) = 84.1");
        assert!(own.is_exceeded(85, 1000));
    }

    #[test]
    fn a_tenth_is_believed_and_more_is_not() {
        let mut own = OwnLoss::default();
        own.on_calm_round(101, 1000);
        assert!(own.is_exceeded(21, 1000));
        own.on_calm_round(100, 1000);
        assert!(!own.is_exceeded(100, 1000));
    }

    #[test]
    fn a_path_that_stops_losing_is_believed_before_long() {
        let mut own = OwnLoss::default();
        own.on_calm_round(400, 4000);
        for _ in 0..12 {
            own.on_calm_round(0, 2000);
        }
        assert!(own.is_exceeded(30, 1000));
    }

    #[test]
    fn of_a_path_that_loses_a_twentieth_a_nineteenth_more_is_asked() {
        let mut own = OwnLoss::default();
        assert_eq!(own.gross(1900), 1900);
        own.on_calm_round(50, 1000);
        assert_eq!(own.gross(1900), 2000);
    }

    #[test]
    fn a_few_packets_say_nothing() {
        let mut own = OwnLoss::default();
        own.on_calm_round(6, 63);
        assert!(own.is_exceeded(21, 1000));
    }
}
