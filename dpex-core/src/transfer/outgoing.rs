//! One file being sent: which blocks are read, what of them is still to be sent, and which may be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;

use super::blocks::Blocks;
use super::{Allowance, Block, Geometry, RootBuilder};
use crate::types::{Digest, RangeSet};

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// Nothing but zeros: it is told in one frame instead of being sent.
    Zeros,
}

impl Content {
    /// Looks at the bytes of a block.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        let (words, rest) = bytes.as_chunks::<64>();
        // Nearly every other block shows it with its first bytes.
        let is_zero = words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0);
        if is_zero { Self::Zeros } else { Self::Bytes(bytes) }
    }
}

/// A piece of a file to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Portion<'a> {
    /// From this position on, these bytes.
    Bytes(u64, &'a [u8]),
    /// These positions hold zeros.
    Zeros(Range<u64>),
}

impl Portion<'_> {
    /// Its positions in the file.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        match self {
            Self::Bytes(offset, bytes) => *offset..*offset + bytes.len() as u64,
            Self::Zeros(range) => range.clone(),
        }
    }
}

/// One file being sent. Blocks are read in order, opened in order, and kept until the peer has all of each.
#[derive(Debug)]
pub struct Outgoing {
    geometry: Geometry,
    /// Block numbers the peer has already: not sent, and read for their value only if it is not known.
    held: RangeSet,
    /// Of those, the ones whose value is known.
    known: RangeSet,
    tree: RootBuilder,
    next_read: u64,
    reading: usize,
    kept: Blocks<Kept>,
    /// Of those, the ones with something to send. Each packet asks, and many more may be kept.
    unsent: BTreeSet<u64>,
    /// Bytes of blocks that are kept, and of those not yet opened. Zeros count as if they were kept.
    kept_bytes: usize,
    unopened: usize,
    used: u64,
}

#[derive(Debug)]
struct Kept {
    content: Content,
    len: usize,
    opened: bool,
    /// Positions in the file.
    unsent: RangeSet,
    acked: RangeSet,
}

impl Outgoing {
    /// Begins a transfer of all blocks but `held`. Of those, the ones in `values` need not be read either.
    #[must_use]
    pub fn new(geometry: Geometry, held: RangeSet, values: &BTreeMap<u64, Digest>) -> Self {
        let mut tree = RootBuilder::new(geometry);
        let mut known = RangeSet::new();
        for (&index, &value) in values.range(..geometry.blocks()).filter(|(index, _)| held.contains(**index)) {
            tree.push(index, value);
            known.insert(index..index + 1);
        }
        let mut out = Self {
            geometry,
            held,
            known,
            tree,
            next_read: 0,
            reading: 0,
            kept: Blocks::new(),
            unsent: BTreeSet::new(),
            kept_bytes: 0,
            unopened: 0,
            used: 0,
        };
        out.skip_known();
        out
    }

    /// The next block to read, if any is left.
    #[must_use]
    pub fn peek_read(&self) -> Option<Block> {
        self.geometry.block(self.next_read)
    }

    /// Takes the next block to read.
    pub fn begin_read(&mut self) -> Option<Block> {
        let block = self.peek_read()?;
        self.next_read += 1;
        self.skip_known();
        self.reading += block.len;
        Some(block)
    }

    fn skip_known(&mut self) {
        if let Some(known) = self.known.iter().find(|known| known.contains(&self.next_read)) {
            self.next_read = known.end;
        }
    }

    /// A block was read. Returns whether the peer needs its value (SUM-3).
    pub fn on_read(&mut self, block: &Block, content: Content, value: Digest) -> bool {
        self.reading -= block.len;
        self.tree.push(block.index, value);
        if self.held.contains(block.index) {
            return false;
        }
        self.kept_bytes += block.len;
        self.unopened += block.len;
        let unsent = RangeSet::from_iter([block.range()]);
        let kept = Kept { content, len: block.len, opened: false, unsent, acked: RangeSet::new() };
        self.kept.insert(block.index, kept);
        self.unsent.insert(block.index);
        true
    }

    /// A block could not be read. What of it is left to read is not asked for again.
    pub fn on_read_failed(&mut self, block: &Block) {
        self.reading -= block.len;
    }

    /// Where the next piece to send begins, if there is one.
    #[must_use]
    pub fn next_offset(&self) -> Option<u64> {
        self.next_unsent()?.unsent.first().map(|range| range.start)
    }

    /// Takes the next piece to send, of at most `most` bytes and inside one block; opens a block if the credit covers it
    /// (XFR-8).
    pub fn take(&mut self, most: usize, credit: &mut Allowance) -> Option<Portion<'_>> {
        let index = *self.unsent.first()?;
        let kept = self.kept.get_mut(index)?;
        if !kept.opened {
            if !credit.open(kept.len) {
                return None;
            }
            kept.opened = true;
            self.unopened -= kept.len;
            self.used += kept.len as u64;
        }
        let most = if matches!(kept.content, Content::Zeros) { u64::MAX } else { most as u64 };
        let range = kept.unsent.take_front(most)?;
        if kept.unsent.is_empty() {
            self.unsent.remove(&index);
        }
        let Content::Bytes(bytes) = &kept.content else { return Some(Portion::Zeros(range)) };
        let start = usize::try_from(range.start - (index << self.geometry.block_log2())).expect("inside the block");
        let len = usize::try_from(range.end - range.start).expect("inside the block");
        Some(Portion::Bytes(range.start, &bytes[start..start + len]))
    }

    fn next_unsent(&self) -> Option<&Kept> {
        self.kept.get(*self.unsent.first()?)
    }

    /// Is anything waiting to be sent?
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Would [`Self::take`] give anything?
    #[must_use]
    pub fn can_send(&self, credit: &Allowance) -> bool {
        self.next_unsent().is_some_and(|k| k.opened || credit.covers(k.len))
    }

    /// A piece arrived.
    pub fn on_acked(&mut self, range: Range<u64>) {
        let index = range.start >> self.geometry.block_log2();
        let Some(kept) = self.kept.get_mut(index) else { return };
        kept.unsent.remove(range.clone());
        if kept.unsent.is_empty() {
            self.unsent.remove(&index);
        }
        kept.acked.insert(range);
        if kept.acked.count() == kept.len as u64 {
            self.kept_bytes -= kept.len;
            self.kept.remove(index);
        }
    }

    /// A piece was lost: what of it has not arrived otherwise is sent again (LOS-8).
    pub fn on_lost(&mut self, range: Range<u64>) {
        let index = range.start >> self.geometry.block_log2();
        let Some(kept) = self.kept.get_mut(index) else { return };
        kept.unsent.insert(range.clone());
        for arrived in kept.acked.within(range).collect::<Vec<_>>() {
            kept.unsent.remove(arrived);
        }
        if !kept.unsent.is_empty() {
            self.unsent.insert(index);
        }
    }

    /// Has every block been read?
    #[must_use]
    pub fn all_read(&self) -> bool {
        self.next_read == self.geometry.blocks() && self.reading == 0
    }

    /// Has everything been sent at least once, with nothing waiting to be sent again?
    #[must_use]
    pub fn all_sent(&self) -> bool {
        self.all_read() && !self.has_unsent()
    }

    /// The file's hash, once every block is read.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.tree.root()
    }

    /// Block bytes opened so far: what the peer's credit has been charged (CRD-5).
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Bytes of blocks being read.
    #[must_use]
    pub fn reading(&self) -> usize {
        self.reading
    }

    /// Bytes of blocks being read or kept.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.reading + self.kept_bytes
    }

    /// Bytes of blocks being read or read and not yet opened.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.reading + self.unopened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::block_value;

    const LEN: usize = 3 * 65_536 + 10;

    fn read_all(out: &mut Outgoing) {
        while let Some(b) = out.begin_read() {
            let bytes = Bytes::from(vec![u8::try_from(b.index).expect("few blocks"); b.len]);
            let value = block_value(&b, &bytes);
            out.on_read(&b, Content::Bytes(bytes), value);
        }
    }

    fn outgoing(held: RangeSet) -> Outgoing {
        Outgoing::new(Geometry::new(LEN as u64, 16), held, &BTreeMap::new())
    }

    // CRD-1, CRD-5, XFR-8.
    #[test]
    fn pieces_tile_the_file_and_stay_inside_blocks() {
        let mut out = outgoing(RangeSet::new());
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(LEN as u64);
        let mut at = 0;
        while let Some(Portion::Bytes(offset, bytes)) = out.take(1000, &mut credit) {
            assert_eq!(offset, at);
            assert!(bytes.iter().all(|&b| u64::from(b) == offset >> 16));
            assert_eq!(offset >> 16, (offset + bytes.len() as u64 - 1) >> 16);
            at += bytes.len() as u64;
        }
        assert_eq!(at, LEN as u64);
        assert!(out.all_sent());
        assert_eq!(out.used(), LEN as u64);
    }

    // CRD-2.
    #[test]
    fn a_block_is_opened_only_when_the_credit_covers_all_of_it() {
        let mut out = outgoing(RangeSet::new());
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(65_535);
        assert!(out.take(1, &mut credit).is_none());
        credit.raise(65_536);
        assert!(out.take(65_536, &mut credit).is_some());
        assert!(out.take(1, &mut credit).is_none());
    }

    // LOS-8.
    #[test]
    fn what_was_lost_is_sent_again_and_what_arrived_is_not() {
        let mut out = outgoing(RangeSet::new());
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(LEN as u64);
        while out.take(1000, &mut credit).is_some() {}
        out.on_acked(500..700);
        out.on_lost(0..1000);
        assert!(!out.all_sent());
        assert_eq!(out.take(5000, &mut credit).map(|piece| piece.range()), Some(0..500));
        assert_eq!(out.take(5000, &mut credit).map(|piece| piece.range()), Some(700..1000));
        assert!(out.all_sent());
    }

    #[test]
    fn a_block_is_kept_until_the_last_byte_of_it_arrived() {
        let mut out = outgoing(RangeSet::new());
        read_all(&mut out);
        assert_eq!(out.memory(), LEN);
        out.on_acked(0..65_535);
        assert_eq!(out.memory(), LEN);
        out.on_acked(65_535..65_536);
        assert_eq!(out.memory(), LEN - 65_536);
        out.on_lost(0..65_536);
        assert_eq!(out.kept.within(0..9).count(), 3, "an old loss does not bring it back");
    }

    // SUM-3.
    #[test]
    fn held_blocks_are_hashed_and_not_sent() {
        let mut out = outgoing(RangeSet::from_iter([0..2, 3..4]));
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(u64::MAX >> 2);
        let piece = out.take(usize::MAX >> 1, &mut credit).map(|piece| piece.range());
        assert_eq!(piece, Some(2 * 65_536..3 * 65_536));
        assert!(out.all_sent());
        let mut plain = outgoing(RangeSet::new());
        read_all(&mut plain);
        assert_eq!(out.root(), plain.root());
        assert!(out.root().is_some());
    }

    #[test]
    fn held_blocks_whose_values_are_known_are_not_even_read() {
        let mut plain = outgoing(RangeSet::new());
        let mut values = BTreeMap::new();
        while let Some(b) = plain.begin_read() {
            let bytes = Bytes::from(vec![u8::try_from(b.index).expect("few blocks"); b.len]);
            values.insert(b.index, block_value(&b, &bytes));
            plain.on_read(&b, Content::Bytes(bytes), values[&b.index]);
        }
        // What is known of blocks that are not held, or past the end, is of no use.
        values.remove(&0);
        values.insert(99, Digest([9; 32]));
        let geometry = Geometry::new(LEN as u64, 16);
        let mut out = Outgoing::new(geometry, RangeSet::from_iter([0..2, 3..4]), &values);
        let read: Vec<u64> = std::iter::from_fn(|| out.peek_read().map(|b| (out.begin_read(), b.index).1)).collect();
        assert_eq!(read, [0, 2]);
        let mut all = Outgoing::new(
            geometry,
            RangeSet::from(0..4),
            &BTreeMap::from_iter((0..4).map(|index| (index, Digest([u8::try_from(index).expect("few"); 32])))),
        );
        assert!(all.begin_read().is_none() && all.all_read());
        for b in [0, 2].map(|index| geometry.block(index).expect("inside")) {
            let bytes = Bytes::from(vec![u8::try_from(b.index).expect("few blocks"); b.len]);
            let value = block_value(&b, &bytes);
            out.on_read(&b, Content::of(bytes), value);
        }
        assert_eq!(out.root(), plain.root());
    }

    // XFR-13.
    #[test]
    fn a_block_of_zeros_is_one_piece_whatever_the_room_and_is_lost_and_found_like_any_other() {
        let mut out = outgoing(RangeSet::new());
        let zeros = out.begin_read().expect("the first");
        let value = block_value(&zeros, &vec![0; zeros.len]);
        assert!(out.on_read(&zeros, Content::of(vec![0; zeros.len].into()), value));
        assert_eq!((out.memory(), out.ahead()), (65_536, 65_536));
        let mut credit = Allowance::default();
        assert!(out.take(1, &mut credit).is_none(), "it costs its credit");
        credit.raise(65_536);
        assert_eq!(out.take(1, &mut credit), Some(Portion::Zeros(0..65_536)));
        assert_eq!((out.memory(), out.ahead(), out.used()), (65_536, 0, 65_536));
        out.on_lost(0..65_536);
        assert_eq!(out.take(1, &mut credit), Some(Portion::Zeros(0..65_536)));
        out.on_acked(0..65_536);
        assert_eq!(out.memory(), 0);
        let mut nearly = vec![0; 1000];
        nearly[999] = 1;
        assert!(matches!(Content::of(nearly.into()), Content::Bytes(_)));
    }

    #[test]
    fn an_empty_file_is_all_sent_from_the_start() {
        let out = Outgoing::new(Geometry::new(0, 20), RangeSet::new(), &BTreeMap::new());
        assert!(out.all_sent());
        assert_eq!(out.root(), Some(Digest(*blake3::hash(&[]).as_bytes())));
    }
}
