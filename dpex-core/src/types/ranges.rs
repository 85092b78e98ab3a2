//! A set of `u64` kept as sorted, disjoint, non-adjacent half-open ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of integers as ranges: received packet numbers, bytes still to send, blocks held.
///
/// Its memory is proportional to [`RangeSet::ranges`]; whoever lets a peer grow one bounds that number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a range, joining what it touches. Returns how many integers were new.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let Range { mut start, mut end } = range;
        let asked = end - start;
        // What comes in order makes the highest range longer.
        if let Some(mut last) = self.0.last_entry()
            && *last.key() <= start
            && *last.get() >= start
        {
            let before = *last.get();
            *last.get_mut() = before.max(end);
            return end.saturating_sub(before);
        }
        let mut known = 0;
        if let Some((&s, &e)) = self.0.range(..=start).next_back() {
            if e >= end {
                return 0;
            }
            if e >= start {
                start = s;
            }
        }
        while let Some((&s, &e)) = self.0.range(start..=end).next() {
            known += e.min(range.end).saturating_sub(s.max(range.start));
            end = end.max(e);
            self.0.remove(&s);
        }
        self.0.insert(start, end);
        asked - known
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some((&s, &e)) = self.0.range(..range.start).next_back()
            && e > range.start
        {
            self.0.insert(s, range.start);
            if e > range.end {
                self.0.insert(range.end, e);
            }
        }
        while let Some((&s, &e)) = self.0.range(range.start..range.end).next() {
            self.0.remove(&s);
            if e > range.end {
                self.0.insert(range.end, e);
            }
        }
    }

    /// Is the integer in the set?
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.0.range(..=value).next_back().is_some_and(|(_, &e)| e > value)
    }

    /// Is the whole range in the set? True for an empty range.
    #[must_use]
    pub fn covers(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.0.range(..=range.start).next_back().is_some_and(|(_, &e)| e >= range.end)
    }

    /// Would inserting the range join it to one that is there, or change nothing?
    #[must_use]
    pub fn touches(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.0.range(..=range.end).next_back().is_some_and(|(_, &e)| e >= range.start)
    }

    /// The lowest range.
    #[must_use]
    pub fn first(&self) -> Option<Range<u64>> {
        self.0.first_key_value().map(|(&s, &e)| s..e)
    }

    /// The highest range.
    #[must_use]
    pub fn last(&self) -> Option<Range<u64>> {
        self.0.last_key_value().map(|(&s, &e)| s..e)
    }

    /// Takes out and returns at most `most` integers from the front of the lowest range.
    pub fn take_front(&mut self, most: u64) -> Option<Range<u64>> {
        let Range { start, end } = self.first()?;
        let cut = end.min(start.saturating_add(most));
        self.0.remove(&start);
        if cut < end {
            self.0.insert(cut, end);
        }
        Some(start..cut)
    }

    /// The parts of `range` that are in the set, lowest first.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.0.range(..=range.start).next_back().map_or(range.start, |(&s, _)| s);
        self.0
            .range(first..range.end.max(first))
            .map(move |(&s, &e)| s.max(range.start)..e.min(range.end))
            .filter(|r| !r.is_empty())
    }

    /// The ranges, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> {
        self.0.iter().map(|(&s, &e)| s..e)
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
