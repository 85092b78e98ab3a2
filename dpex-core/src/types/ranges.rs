//! A set of `u64` kept as sorted, disjoint, non-adjacent half-open ranges.

use std::ops::Range;

use smallvec::SmallVec;

/// A set of integers as ranges: received packet numbers, bytes still to send, blocks held.
///
/// Its memory is proportional to [`RangeSet::ranges`], and none of its own for one range, which is what most sets are.
/// Ranges come and go at the ends, nearly always; elsewhere a change costs a move of those behind it. Whoever lets a peer
/// grow a set bounds the number of its ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(SmallVec<[(u64, u64); 1]>);

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a range, joining what it touches. Returns how many integers were new.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        let Range { start, end } = range;
        if start >= end {
            return 0;
        }
        // What comes in order makes the highest range longer.
        if let Some((s, e)) = self.0.last_mut()
            && *s <= start
            && *e >= start
        {
            let before = *e;
            *e = before.max(end);
            return end.saturating_sub(before);
        }
        let from = self.0.partition_point(|&(_, e)| e < start);
        let until = self.0.partition_point(|&(s, _)| s <= end);
        let touched = &self.0[from..until];
        let (Some(first), Some(last)) = (touched.first(), touched.last()) else {
            self.0.insert(from, (start, end));
            return end - start;
        };
        let joined = (first.0.min(start), last.1.max(end));
        let known: u64 = touched.iter().map(|&(s, e)| e.min(end).saturating_sub(s.max(start))).sum();
        self.0[from] = joined;
        self.0.drain(from + 1..until);
        end - start - known
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        let Range { start, end } = range;
        if start >= end {
            return;
        }
        let mut from = self.0.partition_point(|&(_, e)| e <= start);
        let until = self.0.partition_point(|&(s, _)| s < end);
        let touched = &self.0[from..until];
        let (Some(&(s, _)), Some(&(_, e))) = (touched.first(), touched.last()) else { return };
        let (left, right) = ((s < start).then_some((s, start)), (e > end).then_some((end, e)));
        for kept in left.into_iter().chain(right) {
            if from < until {
                self.0[from] = kept;
            } else {
                self.0.insert(from, kept);
            }
            from += 1;
        }
        self.0.drain(from.min(until)..until);
    }

    /// The highest range that begins at or before this.
    fn at(&self, value: u64) -> Option<(u64, u64)> {
        let behind = self.0.partition_point(|&(s, _)| s <= value);
        self.0[..behind].last().copied()
    }

    /// Is the integer in the set?
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.at(value).is_some_and(|(_, e)| e > value)
    }

    /// Is the whole range in the set? True for an empty range.
    #[must_use]
    pub fn covers(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.at(range.start).is_some_and(|(_, e)| e >= range.end)
    }

    /// Would inserting the range join it to one that is there, or change nothing?
    #[must_use]
    pub fn touches(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.at(range.end).is_some_and(|(_, e)| e >= range.start)
    }

    /// The lowest range.
    #[must_use]
    pub fn first(&self) -> Option<Range<u64>> {
        self.0.first().map(|&(s, e)| s..e)
    }

    /// The highest range.
    #[must_use]
    pub fn last(&self) -> Option<Range<u64>> {
        self.0.last().map(|&(s, e)| s..e)
    }

    /// Takes out and returns at most `most` integers from the front of the lowest range.
    pub fn take_front(&mut self, most: u64) -> Option<Range<u64>> {
        let (s, e) = self.0.first_mut()?;
        let (start, cut) = (*s, (*e).min(s.saturating_add(most)));
        if cut < *e {
            *s = cut;
        } else {
            self.0.remove(0);
        }
        Some(start..cut)
    }

    /// The parts of `range` that are in the set, lowest first.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let from = self.0.partition_point(|&(_, e)| e <= range.start);
        let begun = self.0[from..].iter().take_while(move |(s, _)| *s < range.end);
        begun.map(move |&(s, e)| s.max(range.start)..e.min(range.end)).filter(|r| !r.is_empty())
    }

    /// The ranges, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> {
        self.0.iter().map(|&(s, e)| s..e)
    }

    /// How many ranges it takes to write the set down.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.0.len()
    }

    /// How many integers are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.iter().map(|r| r.end - r.start).sum()
    }

    /// Is it empty?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Range<u64>> for RangeSet {
    fn from(range: Range<u64>) -> Self {
        let mut set = Self::new();
        set.insert(range);
        set
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for r in ranges {
            set.insert(r);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Range<u64>),
        Remove(Range<u64>),
        Take(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let range = (0u64..60, 0u64..20).prop_map(|(s, n)| s..s + n);
        prop_oneof![range.clone().prop_map(Step::Insert), range.prop_map(Step::Remove), (1u64..9).prop_map(Step::Take)]
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_set_of_integers(steps in proptest::collection::vec(step(), 1..60)) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for s in steps {
                match s {
                    Step::Insert(r) => {
                        let (touches, before) = (set.touches(r.clone()), set.ranges());
                        let new = r.clone().filter(|v| model.insert(*v)).count() as u64;
                        prop_assert_eq!(set.insert(r), new);
                        prop_assert_eq!(set.ranges() > before, !touches);
                    }
                    Step::Remove(r) => {
                        set.remove(r.clone());
                        model.retain(|v| !r.contains(v));
                    }
                    Step::Take(n) => {
                        if let Some(r) = set.take_front(n) {
                            prop_assert!(r.end - r.start <= n);
                            prop_assert_eq!(Some(&r.start), model.first());
                            for v in r { prop_assert!(model.remove(&v)); }
                        } else {
                            prop_assert!(model.is_empty());
                        }
                    }
                }
                let flat: Vec<u64> = set.iter().flatten().collect();
                prop_assert!(flat.iter().eq(model.iter()));
                prop_assert_eq!(set.count(), model.len() as u64);
                for pair in set.iter().collect::<Vec<_>>().windows(2) {
                    prop_assert!(pair[0].end < pair[1].start, "adjacent ranges must be joined");
                }
                for v in 0..80 { prop_assert_eq!(set.contains(v), model.contains(&v)); }
                let inside: Vec<u64> = set.within(10..40).flatten().collect();
                let want: Vec<u64> = model.range(10..40).copied().collect();
                prop_assert_eq!(inside, want);
                prop_assert_eq!(set.covers(10..20), (10..20).all(|v| model.contains(&v)));
            }
        }
    }
}
