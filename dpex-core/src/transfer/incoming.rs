//! One file being received: pieces into blocks, blocks against their values, values into the root.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::blocks::Blocks;
use super::{Accepted, Block, Geometry, Grants, RootBuilder, Violation};
use crate::types::{Buffer, Buffers, Digest, RangeSet};

/// Most ranges kept of one block. A block of 2^20 bytes in the smallest datagrams has fewer than twice as many pieces,
/// so that no honest sender meets this bound, whatever the path does (LIM-5).
const MAX_BLOCK_RANGES: usize = 512;

/// One file being received, from its offer on.
#[derive(Debug)]
pub struct Incoming {
    geometry: Geometry,
    buffers: Buffers,
    partial: Blocks<Partial>,
    /// Of those, the ones whose every byte is here and whose value was told.
    complete: BTreeSet<u64>,
    /// Values told, of blocks not yet handed on.
    values: BTreeMap<u64, Digest>,
    told: RangeSet,
    /// Blocks handed on for writing.
    settled: RangeSet,
    writing: BTreeMap<u64, Digest>,
    tree: RootBuilder,
    held: u64,
    held_blocks: usize,
    written: u64,
    opened: u64,
    done: Option<Digest>,
}

/// The largest block, if it holds nothing. Never written to, so it takes no memory.
static ZEROS: [u8; 1 << 24] = [0; 1 << 24];

#[derive(Debug)]
struct Partial {
    /// Made with the first byte that came: a block of told zeros needs no buffer.
    bytes: Option<Buffer>,
    len: usize,
    have: RangeSet,
    /// How many bytes `have` has.
    count: u64,
}

impl Partial {
    fn new(len: usize) -> Self {
        Self { bytes: None, len, have: RangeSet::new(), count: 0 }
    }

    fn is_full(&self) -> bool {
        self.count == self.len as u64
    }

    /// Takes a piece that `have` and `count` know of already.
    fn put(&mut self, at: usize, piece: Piece<'_>, buffers: &Buffers) {
        match piece {
            Piece::Bytes(piece) => {
                let bytes = self.bytes.get_or_insert_with(|| {
                    let mut buffer = buffers.take(self.len);
                    // Zeros came before.
                    if self.count > piece.len() as u64 {
                        buffer.fill(0);
                    }
                    buffer
                });
                bytes[at..at + piece.len()].copy_from_slice(piece);
            }
            Piece::Zeros(len) => {
                if let Some(bytes) = &mut self.bytes {
                    bytes[at..at + len].fill(0);
                }
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        self.bytes.map_or_else(|| Bytes::from_static(&ZEROS[..self.len]), Bytes::from)
    }
}

/// A piece of a file, as it came.
#[derive(Clone, Copy, Debug)]
enum Piece<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

/// A block whose every byte is here and whose value was told: to be verified and written (SUM-5).
#[derive(Debug)]
pub struct Complete {
    /// Which.
    pub block: Block,
    /// Its bytes.
    pub bytes: Bytes,
    /// The value the sender told.
    pub value: Digest,
}

/// How a transfer ended, as far as this machine can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every block is verified and written, and the root agrees.
    Verified(Digest),
    /// The blocks' values do not merge into the root the sender told.
    Mismatch,
}

impl Incoming {
    /// Begins with nothing; blocks are gathered in these buffers.
    #[must_use]
    pub fn new(geometry: Geometry, buffers: Buffers) -> Self {
        Self {
            geometry,
            buffers,
            partial: Blocks::new(),
            complete: BTreeSet::new(),
            values: BTreeMap::new(),
            told: RangeSet::new(),
            settled: RangeSet::new(),
            writing: BTreeMap::new(),
            tree: RootBuilder::new(geometry),
            held: 0,
            held_blocks: 0,
            written: 0,
            opened: 0,
            done: None,
        }
    }

    /// A block inside the file is here from an earlier try, with this value: it is not awaited, and the sender tells no
    /// value of it. Each block once, before anything of it comes.
    pub fn hold(&mut self, index: u64, value: Digest) {
        let Some(block) = self.geometry.block(index) else { return };
        self.told.insert(index..index + 1);
        self.settled.insert(index..index + 1);
        self.tree.push(index, value);
        self.held += block.len as u64;
        self.held_blocks += 1;
    }

    /// Takes a piece of the file (XFR-9).
    ///
    /// # Errors
    /// [`Violation`] for a piece outside the file, across a block boundary, or beyond the credit.
    pub fn accept(&mut self, offset: u64, bytes: &[u8], credit: &mut Grants) -> Result<Accepted, Violation> {
        self.accept_piece(offset, bytes.len() as u64, credit, |_| Piece::Bytes(bytes))
    }

    /// Takes a piece of the file that holds nothing but zeros (XFR-13).
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn accept_zeros(&mut self, offset: u64, len: u64, credit: &mut Grants) -> Result<Accepted, Violation> {
        self.accept_piece(offset, len, credit, Piece::Zeros)
    }

    fn accept_piece<'a>(
        &mut self,
        offset: u64,
        len: u64,
        credit: &mut Grants,
        piece: impl FnOnce(usize) -> Piece<'a>,
    ) -> Result<Accepted, Violation> {
        let block = self.geometry.block_at(offset).ok_or(Violation("data outside the file"))?;
        let end = offset.checked_add(len).ok_or(Violation("data outside the file"))?;
        if end > block.range().end {
            return Err(Violation("data across a block boundary"));
        }
        if self.settled.contains(block.index) {
            return Ok(Accepted::Yes);
        }
        let opened = &mut self.opened;
        let partial = self.partial.get_or_insert(block.index, || {
            credit.open(block.len as u64)?;
            *opened += block.len as u64;
            Ok(Partial::new(block.len))
        })?;
        if partial.have.ranges() >= MAX_BLOCK_RANGES && !partial.have.touches(offset..end) {
            return Ok(Accepted::No);
        }
        partial.count += partial.have.insert(offset..end);
        if partial.is_full() && self.values.contains_key(&block.index) {
            self.complete.insert(block.index);
        }
        let place = |at: u64| usize::try_from(at - block.offset).expect("inside the block");
        partial.put(place(offset), piece(place(end) - place(offset)), &self.buffers);
        Ok(Accepted::Yes)
    }

    /// Takes block values.
    ///
    /// # Errors
    /// [`Violation`] for blocks outside the file or told before (SUM-4).
    pub fn sums(&mut self, first: u64, values: &[Digest]) -> Result<(), Violation> {
        let end = first.checked_add(values.len() as u64).filter(|&end| end <= self.geometry.blocks());
        let end = end.ok_or(Violation("value of a block outside the file"))?;
        if self.told.insert(first..end) != values.len() as u64 {
            return Err(Violation("value of a block told twice"));
        }
        self.values.extend((first..).zip(values.iter().copied()));
        let full = self.partial.within(first..end).filter(|(_, partial)| partial.is_full()).map(|(index, _)| index);
        self.complete.extend(full);
        Ok(())
    }

    /// Takes the root.
    ///
    /// # Errors
    /// [`Violation`] if it was told before.
    pub fn done(&mut self, root: Digest) -> Result<(), Violation> {
        match self.done.replace(root) {
            None => Ok(()),
            Some(_) => Err(Violation("a transfer done twice")),
        }
    }

    /// Was the root told?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// The next block that can be verified and written.
    pub fn next_complete(&mut self) -> Option<Complete> {
        let index = self.complete.pop_first()?;
        let bytes = self.partial.remove(index)?.into_bytes();
        let value = self.values.remove(&index)?;
        let block = self.geometry.block(index)?;
        self.settled.insert(index..index + 1);
        self.writing.insert(index, value);
        Some(Complete { block, bytes, value })
    }

    /// A block handed out by [`Self::next_complete`] was verified and written. Returns its length.
    pub fn on_written(&mut self, index: u64) -> u64 {
        let Some((value, block)) = self.writing.remove(&index).zip(self.geometry.block(index)) else { return 0 };
        self.tree.push(index, value);
        self.written += block.len as u64;
        block.len as u64
    }

    /// A block handed out by [`Self::next_complete`] was not written. The transfer cannot be completed any more.
    pub fn on_write_failed(&mut self, index: u64) {
        self.writing.remove(&index);
    }

    /// How it ended, if it has (SUM-6).
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        let (told, root) = (self.done?, self.tree.root()?);
        Some(if told == root { Outcome::Verified(root) } else { Outcome::Mismatch })
    }

    /// How a file of at most one block ended, of which nothing is written yet: its only value is its root.
    #[must_use]
    pub fn whole(&self) -> Option<Outcome> {
        let told = self.done?;
        let root = match self.geometry.blocks() {
            0 => self.tree.root()?,
            _ => self.complete.first().and_then(|index| self.values.get(index)).copied()?,
        };
        Some(if told == root { Outcome::Verified(root) } else { Outcome::Mismatch })
    }

    /// Bytes that were here from the start.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Blocks written while one before them is missing: each costs memory until that one comes. Those that were held
    /// from the start are this side's own and do not count.
    #[must_use]
    pub fn scattered(&self) -> usize {
        self.tree.waiting().saturating_sub(self.held_blocks)
    }

    /// Bytes verified and written since.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Block bytes counted against the credit, and of those what was not yet released by [`Self::on_written`].
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Values told whose blocks are not complete.
    #[must_use]
    pub fn pending_values(&self) -> usize {
        self.values.len()
    }

    /// Bytes of blocks handed out and not yet answered.
    #[must_use]
    pub fn writing(&self) -> u64 {
        self.writing.keys().filter_map(|index| self.geometry.block(*index)).map(|block| block.len as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::transfer::block_value;

    const LEN: usize = 65_536 + 100;

    fn geometry() -> Geometry {
        Geometry::new(LEN as u64, 16)
    }

    fn content() -> Vec<u8> {
        (0..LEN).map(|i| u8::try_from(i % 253).expect("small")).collect()
    }

    fn values(content: &[u8]) -> Vec<Digest> {
        let blocks = (0..geometry().blocks()).filter_map(|i| geometry().block(i));
        blocks.map(|b| block_value(&b, &content[usize::try_from(b.offset).expect("small")..][..b.len])).collect()
    }

    fn grants() -> Grants {
        Grants::new(1 << 20, 1 << 20)
    }

    // XFR-13.
    #[test]
    fn zeros_before_bytes_are_zeros_in_a_buffer_that_held_another_block() {
        let (data, mut credit, buffers) = (content(), grants(), Buffers::keeping(1));
        let mut first = Incoming::new(geometry(), buffers.clone());
        first.sums(0, &values(&data)[..1]).expect("in order");
        first.accept(0, &data[..65_536], &mut credit).map(drop).expect("inside");
        drop(first.next_complete().expect("a whole block"));
        let half = [vec![0; 32_768], data[32_768..65_536].to_vec()].concat();
        let value = block_value(&geometry().block(0).expect("the first"), &half);
        let mut second = Incoming::new(geometry(), buffers);
        second.sums(0, &[value]).expect("in order");
        second.accept_zeros(0, 32_768, &mut credit).map(drop).expect("inside");
        second.accept(32_768, &half[32_768..], &mut credit).map(drop).expect("inside");
        assert_eq!(second.next_complete().expect("a whole block").bytes, half);
    }

    // SUM-5.
    #[test]
    fn a_file_in_pieces_backwards_and_twice_is_whole() {
        let (data, mut credit) = (content(), grants());
        let mut incoming = Incoming::new(geometry(), Buffers::keeping(1));
        for _ in 0..2 {
            for at in (0..LEN).step_by(512).rev() {
                let end = (at + 512).min(LEN);
                assert_eq!(incoming.accept(at as u64, &data[at..end], &mut credit), Ok(Accepted::Yes));
            }
        }
        assert!(incoming.next_complete().is_none(), "no value was told yet");
        incoming.sums(0, &values(&data)).expect("inside");
        incoming.done(Digest(*blake3::hash(&data).as_bytes())).expect("once");
        let mut whole = vec![0; LEN];
        while let Some(c) = incoming.next_complete() {
            assert_eq!(incoming.outcome(), None);
            assert_eq!(block_value(&c.block, &c.bytes), c.value);
            whole[usize::try_from(c.block.offset).expect("small")..][..c.block.len].copy_from_slice(&c.bytes);
            let len = incoming.on_written(c.block.index);
            credit.release(Instant::now(), len, Duration::ZERO);
        }
        assert_eq!(whole, data);
        assert_eq!(incoming.outcome(), Some(Outcome::Verified(Digest(*blake3::hash(&data).as_bytes()))));
        assert_eq!(credit.buffered(), 0);
    }

    // XFR-9, CRD-3.
    #[test]
    fn a_block_that_is_held_is_not_awaited_and_its_value_enters_the_root() {
        let (data, mut credit) = (content(), grants());
        let values = values(&data);
        let mut incoming = Incoming::new(geometry(), Buffers::keeping(1));
        incoming.hold(0, values[0]);
        assert!(incoming.sums(0, &values[..1]).is_err(), "SUM-4");
        incoming.accept(5, &data[5..10], &mut credit).expect("harmless").is_yes();
        assert_eq!(credit.buffered(), 0, "a piece of it costs nothing");
        incoming.accept(65_536, &data[65_536..], &mut credit).expect("inside").is_yes();
        incoming.sums(1, &values[1..]).expect("the other one");
        incoming.done(Digest(*blake3::hash(&data).as_bytes())).expect("once");
        let block = incoming.next_complete().expect("the other one").block;
        assert_eq!((block.index, incoming.on_written(1)), (1, 100));
        assert!(incoming.next_complete().is_none());
        assert!(matches!(incoming.outcome(), Some(Outcome::Verified(_))));
        assert_eq!((incoming.held(), incoming.written()), (65_536, 100));
    }

    #[test]
    fn pieces_where_none_may_be_are_violations() {
        let (mut incoming, mut credit) = (Incoming::new(geometry(), Buffers::keeping(1)), grants());
        assert!(incoming.accept(LEN as u64, &[0], &mut credit).is_err());
        assert!(incoming.accept(u64::MAX, &[0], &mut credit).is_err());
        assert!(incoming.accept(LEN as u64 - 1, &[0, 0], &mut credit).is_err());
        assert!(incoming.accept(65_535, &[0, 0], &mut credit).is_err(), "across a block boundary");
        assert!(incoming.accept(65_535, &[0], &mut credit).is_ok());
        assert!(incoming.accept(65_536, &[0], &mut Grants::new(99, 99)).is_err(), "beyond the credit");
        assert!(incoming.accept(65_536, &[0], &mut Grants::new(100, 100)).is_ok());
    }

    // SUM-4.
    #[test]
    fn values_out_of_place_are_violations() {
        let mut incoming = Incoming::new(geometry(), Buffers::keeping(1));
        assert!(incoming.sums(1, &[Digest([0; 32]); 2]).is_err());
        assert!(incoming.sums(u64::MAX, &[Digest([0; 32])]).is_err());
        assert!(incoming.sums(1, &[Digest([0; 32])]).is_ok());
        assert!(incoming.sums(0, &[Digest([0; 32]); 2]).is_err(), "told twice");
    }

    // SUM-6.
    #[test]
    fn a_root_that_its_blocks_do_not_make_is_a_mismatch() {
        let (data, mut credit) = (content(), grants());
        let mut incoming = Incoming::new(geometry(), Buffers::keeping(1));
        incoming.done(Digest([7; 32])).expect("once");
        assert!(incoming.done(Digest([7; 32])).is_err());
        incoming.sums(0, &values(&data)).expect("inside");
        incoming.accept(0, &data[..65_536], &mut credit).expect("inside").is_yes();
        incoming.accept(65_536, &data[65_536..], &mut credit).expect("inside").is_yes();
        while let Some(c) = incoming.next_complete() {
            incoming.on_written(c.block.index);
        }
        assert_eq!(incoming.outcome(), Some(Outcome::Mismatch));
    }

    // LIM-5.
    #[test]
    fn a_block_of_crumbs_is_refused_and_not_lost() {
        let (mut incoming, mut credit) = (Incoming::new(geometry(), Buffers::keeping(1)), grants());
        let refused = (0..600).filter(|i| incoming.accept(i * 2, &[1], &mut credit) == Ok(Accepted::No)).count();
        assert_eq!(refused, 600 - MAX_BLOCK_RANGES);
    }

    impl Accepted {
        fn is_yes(self) {
            assert_eq!(self, Self::Yes);
        }
    }
}
