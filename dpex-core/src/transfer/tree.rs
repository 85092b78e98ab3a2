//! The hash tree: block values are BLAKE3 subtree values, and merged they give the file's plain BLAKE3 hash.

use std::collections::BTreeMap;

use blake3::Hasher;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{Block, Geometry};
use crate::types::Digest;

/// The value of a block: its BLAKE3 subtree chaining value, or the file's hash if it is the whole file (SUM-1).
#[must_use]
pub fn block_value(block: &Block, bytes: &[u8]) -> Digest {
    debug_assert_eq!(bytes.len(), block.len);
    if block.whole {
        return Digest(*blake3::hash(bytes).as_bytes());
    }
    Digest(Hasher::new().set_input_offset(block.offset).update(bytes).finalize_non_root())
}

/// Merges block values, which may come in any order, into the root. Keeps a value only until those before it are
/// here: its memory is the logarithm of the file plus what is out of order (SUM-2).
#[derive(Debug)]
pub struct RootBuilder {
    geometry: Geometry,
    /// The next block in order.
    next: u64,
    /// Values of complete, left-balanced subtrees of the blocks before `next`, largest first.
    stack: Vec<[u8; 32]>,
    waiting: BTreeMap<u64, Digest>,
    root: Option<Digest>,
}

impl RootBuilder {
    /// Begins with no value known. An empty file has its root at once.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        let root = (geometry.blocks() == 0).then(|| Digest(*blake3::hash(&[]).as_bytes()));
        Self { geometry, next: 0, stack: Vec::new(), waiting: BTreeMap::new(), root }
    }

    /// Tells the value of a block inside the file; each block once.
    pub fn push(&mut self, index: u64, value: Digest) {
        debug_assert!(index >= self.next && index < self.geometry.blocks());
        if index != self.next {
            self.waiting.insert(index, value);
            return;
        }
        self.append(value);
        while let Some(value) = self.waiting.remove(&self.next) {
            self.append(value);
        }
    }

    fn append(&mut self, Digest(mut value): Digest) {
        let index = self.next;
        self.next += 1;
        if self.next < self.geometry.blocks() {
            // As many full subtrees end here as the count of blocks has trailing zeros.
            for _ in 0..self.next.trailing_zeros() {
                let left = self.stack.pop().expect("a subtree for each bit of the count");
                value = merge_subtrees_non_root(&left, &value, Mode::Hash);
            }
            self.stack.push(value);
            return;
        }
        if index == 0 {
            self.root = Some(Digest(value));
            return;
        }
        while let Some(left) = self.stack.pop() {
            if self.stack.is_empty() {
                self.root = Some(Digest(*merge_subtrees_root(&left, &value, Mode::Hash).as_bytes()));
            } else {
                value = merge_subtrees_non_root(&left, &value, Mode::Hash);
            }
        }
    }

    /// Values that wait for others before them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The file's BLAKE3 hash, once every block's value is known.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.root
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * 7 % 251).expect("below 251")).collect()
    }

    fn root_in_order(data: &[u8], order: impl Iterator<Item = u64>) -> Option<Digest> {
        let geometry = Geometry::new(data.len() as u64, 16);
        let mut builder = RootBuilder::new(geometry);
        for i in order {
            let block = geometry.block(i).expect("inside");
            let start = usize::try_from(block.offset).expect("small");
            builder.push(i, block_value(&block, &data[start..start + block.len]));
        }
        builder.root()
    }

    // SUM-2.
    #[test]
    fn the_root_is_the_plain_blake3_hash_at_every_shape_of_tree() {
        for len in [0, 1, 1024, 65_535, 65_536, 65_537, 131_072, 131_073, 200_000, 262_144, 300_000, 458_752, 500_001] {
            let data = bytes(len);
            let blocks = Geometry::new(len as u64, 16).blocks();
            let want = Some(Digest(*blake3::hash(&data).as_bytes()));
            assert_eq!(root_in_order(&data, 0..blocks), want, "{len} bytes, in order");
            assert_eq!(root_in_order(&data, (0..blocks).rev()), want, "{len} bytes, backwards");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_blocks_does_not_matter(order in Just((0..13u64).collect::<Vec<_>>()).prop_shuffle(), cut in 1usize..65_536) {
            let data = bytes(13 * 65_536 - cut);
            let want = Some(Digest(*blake3::hash(&data).as_bytes()));
            prop_assert_eq!(root_in_order(&data, order.iter().copied()), want);
            prop_assert_eq!(root_in_order(&data, order.into_iter().skip(1)), None);
        }
    }
}
