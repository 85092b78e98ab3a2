//! Token buckets by key, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What becomes of a key that cannot be remembered because there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    Refuse,
    Allow,
}

/// Buckets that fill at one rate up to one depth.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// The time one token takes to come back.
    interval: Duration,
    depth: u32,
    max_keys: usize,
    when_full: WhenFull,
    /// When each key's bucket is full again; absent keys' are full now.
    full_at: HashMap<K, Instant>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(super) fn new(per_second: u32, depth: u32, max_keys: usize, when_full: WhenFull) -> Self {
        Self { interval: Duration::from_secs(1) / per_second, depth, max_keys, when_full, full_at: HashMap::new() }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self, now: Instant, key: K) -> bool {
        if self.full_at.len() >= self.max_keys && !self.full_at.contains_key(&key) {
            self.full_at.retain(|_, at| *at > now);
            if self.full_at.len() >= self.max_keys {
                return self.when_full == WhenFull::Allow;
            }
        }
        let at = self.full_at.entry(key).or_insert(now);
        let base = (*at).max(now);
        if base + self.interval > now + self.interval * self.depth {
            return false;
        }
        *at = base + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_up_to_the_depth_and_then_at_the_rate() {
        let mut now = Instant::now();
        let mut b = Buckets::new(20, 5, 10, WhenFull::Refuse);
        assert_eq!((0..10).filter(|_| b.take(now, 1)).count(), 5);
        now += Duration::from_millis(49);
        assert!(!b.take(now, 1));
        now += Duration::from_millis(1);
        assert!(b.take(now, 1));
        assert!(!b.take(now, 1));
        now += Duration::from_secs(60);
        assert_eq!((0..10).filter(|_| b.take(now, 1)).count(), 5);
    }

    #[test]
    fn keys_are_independent_and_bounded_in_number() {
        let now = Instant::now();
        let mut b = Buckets::new(20, 5, 10, WhenFull::Refuse);
        assert_eq!((0..20).filter(|k| b.take(now, *k)).count(), 10);
        let mut generous = Buckets::new(20, 5, 10, WhenFull::Allow);
        assert_eq!((0..20).filter(|k| generous.take(now, *k)).count(), 20);
        assert!(b.take(now, 3), "a known key keeps its bucket");
        let later = now + Duration::from_secs(1);
        assert!(b.take(later, 15), "full buckets are forgotten to make room");
        assert!(b.full_at.len() <= 10);
    }
}
