//! What a client has of a file from an earlier try: where it goes on.

use crate::store::Held;
use crate::transfer::Geometry;
use crate::types::{Digest, RangeSet};
use crate::wire::message::{MAX_HELD_RANGES, Resume};

impl Held {
    /// What of it fits in a `get`: the first [`MAX_HELD_RANGES`] ranges. Nothing if nothing is held.
    pub(super) fn trimmed(mut self) -> Option<(Self, Resume)> {
        let blocks: RangeSet = self.values.keys().map(|&index| index..index + 1).collect();
        let held: Vec<_> = blocks.iter().take(MAX_HELD_RANGES).collect();
        let end = held.last()?.end;
        self.values.split_off(&end);
        let resume = Resume { version: self.version, held };
        Some((self, resume))
    }

    /// Those of its values that lie inside the file.
    pub(super) fn inside(self, geometry: Geometry) -> impl Iterator<Item = (u64, Digest)> {
        self.values.into_iter().take_while(move |(index, _)| *index < geometry.blocks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Version;

    fn held(blocks: impl Iterator<Item = u64>) -> Held {
        let values = blocks.map(|index| (index, Digest([1; 32]))).collect();
        Held { version: Version([7; 16]), block_log2: 20, values }
    }

    #[test]
    fn blocks_in_a_row_are_one_range_and_nothing_is_nothing() {
        let (kept, resume) = held([0, 1, 2, 9].into_iter()).trimmed().expect("something");
        assert_eq!(resume.held, [0..3, 9..10]);
        assert_eq!(kept.values.len(), 4);
        assert!(held(std::iter::empty()).trimmed().is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_claimed_and_not_kept() {
        let blocks = 2 * MAX_HELD_RANGES as u64 + 2;
        let (kept, resume) = held((0..blocks).step_by(2)).trimmed().expect("something");
        assert_eq!(resume.held.len(), MAX_HELD_RANGES);
        assert_eq!(kept.values.len(), MAX_HELD_RANGES);
        assert_eq!(kept.values.keys().next_back(), resume.held.last().map(|last| last.start).as_ref());
    }

    #[test]
    fn blocks_past_the_end_of_the_file_are_ignored() {
        let inside: Vec<_> = held(0..9).inside(Geometry::new((3 << 20) + 1, 20)).map(|(index, _)| index).collect();
        assert_eq!(inside, [0, 1, 2, 3]);
    }
}
