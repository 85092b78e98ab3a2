//! How a file is cut into blocks.

use std::ops::Range;

/// The usual block size: 2^20 bytes (XFR-2).
pub const DEFAULT_BLOCK_LOG2: u8 = 20;

/// A file's size and its block size; all else about blocks follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    size: u64,
    block_log2: u8,
}

/// One block of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number, from 0.
    pub index: u64,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Its length in bytes; only the last block is shorter than the block size.
    pub len: usize,
    /// It is the whole file, so that its value is the file's hash.
    pub whole: bool,
}

impl Block {
    /// Its bytes' positions in the file.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.len as u64
    }
}

impl Geometry {
    /// A file of `size` bytes in blocks of `2^block_log2`, 16 to 24.
    #[must_use]
    pub fn new(size: u64, block_log2: u8) -> Self {
        debug_assert!((16..=24).contains(&block_log2));
        Self { size, block_log2 }
    }

    /// The file's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The binary logarithm of the block size.
    #[must_use]
    pub fn block_log2(&self) -> u8 {
        self.block_log2
    }

    /// The number of blocks; none for an empty file.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.size.div_ceil(1 << self.block_log2)
    }

    /// A block by its number; `None` past the end.
    #[must_use]
    pub fn block(&self, index: u64) -> Option<Block> {
        if index >= self.blocks() {
            return None;
        }
        let offset = index << self.block_log2;
        let len = (self.size - offset).min(1 << self.block_log2);
        let len = usize::try_from(len).expect("a block is at most 2^24 bytes");
        Some(Block { index, offset, len, whole: self.blocks() == 1 })
    }

    /// The block that holds a position; `None` past the end.
    #[must_use]
    pub fn block_at(&self, position: u64) -> Option<Block> {
        self.block(position >> self.block_log2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_tile_the_file_exactly() {
        for size in [0, 1, 65_535, 65_536, 65_537, 3 * 65_536, 3 * 65_536 + 7] {
            let g = Geometry::new(size, 16);
            let mut at = 0;
            for i in 0..g.blocks() {
                let b = g.block(i).expect("inside");
                assert_eq!(b.range().start, at);
                assert!(b.len > 0);
                assert_eq!(g.block_at(at), Some(b));
                assert_eq!(g.block_at(b.range().end - 1), Some(b));
                assert_eq!(b.whole, g.blocks() == 1);
                at = b.range().end;
            }
            assert_eq!(at, size);
            assert_eq!(g.block(g.blocks()), None);
        }
    }

    #[test]
    fn the_largest_size_that_can_travel_does_not_overflow() {
        let g = Geometry::new((1 << 62) - 1, 16);
        let last = g.block(g.blocks() - 1).expect("inside");
        assert_eq!(last.range().end, (1 << 62) - 1);
    }
}
