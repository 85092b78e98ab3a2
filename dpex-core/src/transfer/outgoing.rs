//! One file being sent: which blocks are read, what of them is still to be sent, and which may be forgotten.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::{Allowance, Block, Geometry, RootBuilder};
use crate::types::{Digest, RangeSet};

/// One file being sent. Blocks are read in order, opened in order, and kept until the peer has all of each.
#[derive(Debug)]
pub struct Outgoing {
    geometry: Geometry,
    /// Block numbers the peer has already: read for their value, not sent.
    held: RangeSet,
    tree: RootBuilder,
    next_read: u64,
    reading: usize,
    kept: BTreeMap<u64, Kept>,
    kept_bytes: usize,
    used: u64,
}

#[derive(Debug)]
struct Kept {
    bytes: Bytes,
    opened: bool,
    /// Positions in the file.
    unsent: RangeSet,
    acked: RangeSet,
}

impl Outgoing {
    /// Begins a transfer of all blocks but `held`.
    #[must_use]
    pub fn new(geometry: Geometry, held: RangeSet) -> Self {
        Self {
            geometry,
            held,
            tree: RootBuilder::new(geometry),
            next_read: 0,
            reading: 0,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            used: 0,
        }
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
        self.reading += block.len;
        Some(block)
    }

    /// A block was read. Returns whether the peer needs its value (SUM-3).
    pub fn on_read(&mut self, block: &Block, bytes: Bytes, value: Digest) -> bool {
        self.reading -= block.len;
        self.tree.push(block.index, value);
        if self.held.contains(block.index) {
            return false;
        }
        self.kept_bytes += block.len;
        let unsent = RangeSet::from_iter([block.range()]);
        self.kept.insert(block.index, Kept { bytes, opened: false, unsent, acked: RangeSet::new() });
        true
    }

    /// A block could not be read. What of it is left to read is not asked for again.
    pub fn on_read_failed(&mut self, block: &Block) {
        self.reading -= block.len;
    }

    /// Takes the next piece to send, of at most `most` bytes and inside one block; opens a block if the credit covers it
    /// (XFR-8).
    pub fn take(&mut self, most: usize, credit: &mut Allowance) -> Option<(u64, &[u8])> {
        let (&index, kept) = self.kept.iter_mut().find(|(_, k)| !k.unsent.is_empty())?;
        if !kept.opened {
            if !credit.open(kept.bytes.len()) {
                return None;
            }
            kept.opened = true;
            self.used += kept.bytes.len() as u64;
        }
        let range = kept.unsent.take_front(most as u64)?;
        let start = usize::try_from(range.start - (index << self.geometry.block_log2())).expect("inside the block");
        let len = usize::try_from(range.end - range.start).expect("inside the block");
        Some((range.start, &kept.bytes[start..start + len]))
    }

    /// Is anything waiting to be sent?
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.kept.values().any(|k| !k.unsent.is_empty())
    }

    /// Would [`Self::take`] give anything?
    #[must_use]
    pub fn can_send(&self, credit: &Allowance) -> bool {
        let next = self.kept.values().find(|k| !k.unsent.is_empty());
        next.is_some_and(|k| k.opened || credit.covers(k.bytes.len()))
    }

    /// A piece arrived.
    pub fn on_acked(&mut self, range: Range<u64>) {
        let index = range.start >> self.geometry.block_log2();
        let Some(kept) = self.kept.get_mut(&index) else { return };
        kept.unsent.remove(range.clone());
        kept.acked.insert(range);
        if kept.acked.count() == kept.bytes.len() as u64 {
            self.kept_bytes -= kept.bytes.len();
            self.kept.remove(&index);
        }
    }

    /// A piece was lost: what of it has not arrived otherwise is sent again (LOS-8).
    pub fn on_lost(&mut self, range: Range<u64>) {
        let index = range.start >> self.geometry.block_log2();
        let Some(kept) = self.kept.get_mut(&index) else { return };
        kept.unsent.insert(range.clone());
        for arrived in kept.acked.within(range).collect::<Vec<_>>() {
            kept.unsent.remove(arrived);
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
        self.reading + self.kept.values().filter(|k| !k.opened).map(|k| k.bytes.len()).sum::<usize>()
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
            out.on_read(&b, bytes, value);
        }
    }

    fn outgoing(held: RangeSet) -> Outgoing {
        Outgoing::new(Geometry::new(LEN as u64, 16), held)
    }

    // CRD-1, CRD-5, XFR-8.
    #[test]
    fn pieces_tile_the_file_and_stay_inside_blocks() {
        let mut out = outgoing(RangeSet::new());
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(LEN as u64);
        let mut at = 0;
        while let Some((offset, bytes)) = out.take(1000, &mut credit) {
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
        assert_eq!(out.take(5000, &mut credit).map(|(o, b)| (o, b.len())), Some((0, 500)));
        assert_eq!(out.take(5000, &mut credit).map(|(o, b)| (o, b.len())), Some((700, 300)));
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
        assert_eq!(out.kept.len(), 3, "an old loss does not bring it back");
    }

    // SUM-3.
    #[test]
    fn held_blocks_are_hashed_and_not_sent() {
        let mut out = outgoing(RangeSet::from_iter([0..2, 3..4]));
        read_all(&mut out);
        let mut credit = Allowance::default();
        credit.raise(u64::MAX >> 2);
        let piece = out.take(usize::MAX >> 1, &mut credit).map(|(o, b)| (o, b.len()));
        assert_eq!(piece, Some((2 * 65_536, 65_536)));
        assert!(out.all_sent());
        let mut plain = outgoing(RangeSet::new());
        read_all(&mut plain);
        assert_eq!(out.root(), plain.root());
        assert!(out.root().is_some());
    }

    #[test]
    fn an_empty_file_is_all_sent_from_the_start() {
        let out = Outgoing::new(Geometry::new(0, 20), RangeSet::new());
        assert!(out.all_sent());
        assert_eq!(out.root(), Some(Digest(*blake3::hash(&[]).as_bytes())));
    }
}
