//! Which loss is congestion.
//!
//! The draft takes two per cent for the most that a path loses by itself. Radio and long paths lose more, so here the
//! path's own loss is measured, in rounds in which the flow cannot have caused it: it did not send faster than the path
//! delivers, and no queue shows in the round trip. Congestion is what exceeds that by two per cent and by chance.

/// What a loss rate may exceed the path's own by (LossThresh), as a divisor.
const THRESHOLD: u64 = 50;
/// No path is believed to lose more than a tenth by itself.
const MOST: u64 = 10;
/// After so many packets what was measured counts half.
const MEMORY: u64 = 4096;
/// Fewer packets say nothing.
const LEAST: u64 = 64;

/// The loss of the path itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnLoss {
    lost: u64,
    of: u64,
}

impl OwnLoss {
    /// A round without congestion lost so many packets of so many.
    pub(super) fn on_calm_round(&mut self, lost: u64, of: u64) {
        if lost > of / MOST {
            return;
        }
        self.lost += lost;
        self.of += of;
        while self.of > MEMORY {
            self.lost /= 2;
            self.of /= 2;
        }
    }

    pub(super) fn rate(&self) -> f64 {
        if self.of < LEAST { 0.0 } else { self.lost as f64 / self.of as f64 }
    }

    /// Are so many packets lost of so many more than the path loses by itself?
    pub(super) fn exceeded(&self, lost: u64, of: u64) -> bool {
        let own = self.rate() * of as f64;
        // Two standard deviations of a count.
        lost as f64 > own + of as f64 / THRESHOLD as f64 + 2.0 * own.sqrt()
    }
}
