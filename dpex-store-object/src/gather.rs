//! Blocks of any order become the parts of an upload. Nothing is copied: a part is the list of the blocks in it.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use dpex_core::types::RangeSet;
use object_store::PutPayload;

/// S3's own limit, and the least of the three.
const MOST_PARTS: u64 = 10_000;
const MIB: u64 = 1 << 20;

/// The size of all parts but the last: as asked for, or larger if the file needs it.
pub(crate) fn part_size(size: u64, asked: u64) -> u64 {
    asked.max(size.div_ceil(MOST_PARTS).next_multiple_of(MIB))
}

/// What has arrived of one file and is not yet taken.
#[derive(Debug)]
pub(crate) struct Gather {
    size: u64,
    part: u64,
    /// All that ever arrived.
    held: RangeSet,
    /// By offset; none crosses the border of a part, none overlaps another.
    pieces: BTreeMap<u64, Bytes>,
    /// By part: bytes that arrived.
    filled: BTreeMap<u64, u64>,
}

impl Gather {
    pub(crate) fn new(size: u64, part: u64) -> Self {
        Self { size, part: part.max(1), held: RangeSet::new(), pieces: BTreeMap::new(), filled: BTreeMap::new() }
    }

    /// The range of a block, if it lies inside the file.
    pub(crate) fn range(&self, offset: u64, len: usize) -> Option<Range<u64>> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.size)?;
        Some(offset..end)
    }

    /// How many bytes of a range are new.
    pub(crate) fn missing(&self, range: &Range<u64>) -> u64 {
        let held: u64 = self.held.within(range.clone()).map(|r| r.end - r.start).sum();
        range.end - range.start - held
    }

    /// Keeps what is new of a block that lies inside the file, and says which parts it completed.
    pub(crate) fn add(&mut self, offset: u64, data: &Bytes) -> Vec<u64> {
        let Some(range) = self.range(offset, data.len()) else { return Vec::new() };
        let mut completed = Vec::new();
        for gap in self.gaps(&range) {
            let mut at = gap.start;
            while at < gap.end {
                let index = at / self.part;
                let bounds = self.bounds(index);
                let end = gap.end.min(bounds.end);
                self.pieces.insert(at, slice(data, at - offset, end - offset));
                let filled = self.filled.entry(index).or_default();
                *filled += end - at;
                if *filled == bounds.end - bounds.start {
                    completed.push(index);
                }
                at = end;
            }
        }
        self.held.insert(range);
        completed
    }

    fn gaps(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for held in self.held.within(range.clone()) {
            if at < held.start {
                gaps.push(at..held.start);
            }
            at = held.end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    fn bounds(&self, index: u64) -> Range<u64> {
        let start = index * self.part;
        start..(start + self.part).min(self.size)
    }

    /// Takes a complete part away.
    pub(crate) fn take(&mut self, index: u64) -> PutPayload {
        let bounds = self.bounds(index);
        let mut part = self.pieces.split_off(&bounds.start);
        let mut behind = part.split_off(&bounds.end);
        self.pieces.append(&mut behind);
        part.into_values().collect()
    }

    /// Has everything arrived?
    pub(crate) fn is_complete(&self) -> bool {
        self.held.count() == self.size
    }
}

fn slice(data: &Bytes, from: u64, to: u64) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
    data.slice(at(from)..at(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &PutPayload) -> String {
        payload.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    fn add(gather: &mut Gather, offset: u64, data: &'static str) -> Vec<u64> {
        gather.add(offset, &Bytes::from_static(data.as_bytes()))
    }

    #[test]
    fn ten_thousand_parts_are_enough_for_any_size() {
        const GIB: u64 = 1 << 30;
        for size in [0, 1, 5 << 20, 50 * GIB, 80 * GIB, 100 * GIB, 5 * 1024 * GIB, 48 * 1024 * GIB] {
            let part = part_size(size, 8 << 20);
            assert!(part >= 8 << 20 && size.div_ceil(part) <= MOST_PARTS, "{size} {part}");
            assert!(part == 8 << 20 || size.div_ceil(part - (1 << 20)) > MOST_PARTS, "no larger than needed");
        }
    }

    #[test]
    fn a_part_is_complete_when_its_last_byte_is_there_whatever_the_order() {
        let mut gather = Gather::new(10, 4);
        assert!(add(&mut gather, 3, "de").is_empty());
        assert_eq!(add(&mut gather, 8, "ij"), [2]);
        assert_eq!(add(&mut gather, 0, "abc"), [0]);
        assert!(!gather.is_complete());
        assert_eq!(text(&gather.take(0)), "abcd");
        assert_eq!(add(&mut gather, 5, "fgh"), [1]);
        assert!(gather.is_complete());
        assert_eq!(text(&gather.take(1)), "efgh");
        assert_eq!(text(&gather.take(2)), "ij");
    }

    #[test]
    fn a_block_may_fill_several_parts_at_once() {
        let mut gather = Gather::new(10, 4);
        assert_eq!(add(&mut gather, 0, "abcdefghij"), [0, 1, 2]);
        assert_eq!(text(&gather.take(1)), "efgh");
        assert_eq!(text(&gather.take(0)), "abcd");
    }

    #[test]
    fn what_comes_again_is_not_kept_again_even_after_its_part_was_taken() {
        let mut gather = Gather::new(8, 4);
        assert_eq!(add(&mut gather, 0, "abcd"), [0]);
        assert_eq!(text(&gather.take(0)), "abcd");
        assert_eq!(gather.missing(&(2..6)), 2);
        assert!(add(&mut gather, 2, "cdef").is_empty());
        assert_eq!(gather.missing(&(0..6)), 0);
        assert!(add(&mut gather, 0, "abcdef").is_empty());
        assert_eq!(add(&mut gather, 5, "fgh"), [1]);
        assert_eq!(text(&gather.take(1)), "efgh");
    }

    #[test]
    fn no_byte_lies_past_the_end() {
        let gather = Gather::new(8, 4);
        assert_eq!(gather.range(8, 0), Some(8..8));
        assert_eq!(gather.range(8, 1), None);
        assert_eq!(gather.range(u64::MAX, 1), None);
        assert!(Gather::new(0, 4).is_complete());
    }
}
