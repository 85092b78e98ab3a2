//! What is known of a few blocks, by their numbers.

use std::ops::Range;

use smallvec::SmallVec;

/// A map that takes no memory of its own for one block, which is all that most files have: a tree's node for eleven of
/// them weighs more than the rest of a small file's transfer.
///
/// Blocks usually come in order and go in order, and there are as many as fit into a window.
#[derive(Debug)]
pub(super) struct Blocks<T>(SmallVec<[(u64, T); 1]>);

impl<T> Blocks<T> {
    pub(super) fn new() -> Self {
        Self(SmallVec::new())
    }

    /// Where a block is, or would be.
    fn find(&self, index: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&index, |(index, _)| *index)
    }

    pub(super) fn get(&self, index: u64) -> Option<&T> {
        self.find(index).ok().map(|at| &self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, index: u64) -> Option<&mut T> {
        self.find(index).ok().map(|at| &mut self.0[at].1)
    }

    /// What is known of a block; else what `make` makes of it.
    pub(super) fn get_or_insert<E>(&mut self, index: u64, make: impl FnOnce() -> Result<T, E>) -> Result<&mut T, E> {
        let at = match self.find(index) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (index, make()?));
                at
            }
        };
        Ok(&mut self.0[at].1)
    }

    pub(super) fn insert(&mut self, index: u64, value: T) {
        match self.find(index) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (index, value)),
        }
    }

    pub(super) fn remove(&mut self, index: u64) -> Option<T> {
        self.find(index).ok().map(|at| self.0.remove(at).1)
    }

    /// Those of these blocks that are known, in order.
    pub(super) fn within(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &T)> {
        let [from, until] = [range.start, range.end].map(|index| self.find(index).unwrap_or_else(|at| at));
        self.0[from..until].iter().map(|(index, value)| (*index, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u8..4, 0u64..9, 0u32..99), 0..60), from in 0u64..10, until in 0u64..10) {
            let (mut blocks, mut map) = (Blocks::new(), BTreeMap::new());
            for (what, index, value) in steps {
                match what {
                    0 => {
                        blocks.insert(index, value);
                        map.insert(index, value);
                    }
                    1 => prop_assert_eq!(blocks.remove(index), map.remove(&index)),
                    2 => {
                        let made = blocks.get_or_insert(index, || Ok::<_, ()>(value)).copied();
                        prop_assert_eq!(made, Ok(*map.entry(index).or_insert(value)));
                    }
                    _ => {
                        prop_assert_eq!(blocks.get_or_insert(index, || Err(())).copied().ok(), map.get(&index).copied());
                        prop_assert_eq!(blocks.get(index), map.get(&index));
                        prop_assert_eq!(blocks.get_mut(index), map.get_mut(&index));
                    }
                }
            }
            let (from, until) = (from.min(until), from.max(until));
            let (all, part) = (blocks.within(0..99), blocks.within(from..until));
            prop_assert!(all.eq(map.iter().map(|(index, value)| (*index, value))));
            prop_assert!(part.eq(map.range(from..until).map(|(index, value)| (*index, value))));
        }
    }
}
