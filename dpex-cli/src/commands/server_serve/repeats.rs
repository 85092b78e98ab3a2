//! What happens again and again, said at once and then only now and then, with its number: whoever can make a line can
//! make a million, and the log must stay readable.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What was said, by key, and what came since.
#[derive(Debug)]
pub(super) struct Repeats<K, V> {
    every: Duration,
    most: usize,
    said: HashMap<K, Said<V>>,
}

#[derive(Debug)]
struct Said<V> {
    at: Instant,
    /// How many came since, and the last of them.
    since: u64,
    last: V,
}

impl<K: Clone + Eq + Hash, V> Repeats<K, V> {
    /// Says each thing once in `every`, and remembers at most so many things.
    pub(super) fn new(every: Duration, most: usize) -> Self {
        Self { every, most, said: HashMap::new() }
    }

    /// It has happened. Is it to be said now, and how many like it were not said before? `None` if not now; what comes
    /// when too much is remembered is never said.
    pub(super) fn hear(&mut self, now: Instant, key: K, what: V) -> Option<u64> {
        if let Some(said) = self.said.get_mut(&key) {
            if now.saturating_duration_since(said.at) < self.every {
                said.since += 1;
                said.last = what;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.since));
        }
        if self.said.len() >= self.most {
            self.forget(now);
        }
        if self.said.len() >= self.most {
            return None;
        }
        self.said.insert(key, Said { at: now, since: 0, last: what });
        Some(0)
    }

    /// What has waited long enough to be said: the last of each kind, and how many came besides.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(K, &V, u64)> {
        self.forget(now);
        let every = self.every;
        let due = self.said.iter_mut().filter_map(|(key, said)| {
            if said.since == 0 || now.saturating_duration_since(said.at) < every {
                return None;
            }
            said.at = now;
            let more = std::mem::take(&mut said.since) - 1;
            Some((key.clone(), &said.last, more))
        });
        due.collect()
    }

    /// Forgets what has not happened again.
    fn forget(&mut self, now: Instant) {
        let every = self.every;
        self.said.retain(|_, said| said.since > 0 || now.saturating_duration_since(said.at) < every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_is_said_at_once_and_the_rest_once_a_minute_with_its_number() {
        let mut repeats = Repeats::new(MINUTE, 10);
        let begin = Instant::now();
        assert_eq!(repeats.hear(begin, "a", 0), Some(0));
        for n in 1..=1000 {
            assert_eq!(repeats.hear(begin + Duration::from_millis(n), "a", n), None);
        }
        assert_eq!(repeats.hear(begin, "b", 0), Some(0), "another thing is said by itself");
        let before = begin + MINUTE - Duration::from_nanos(1);
        assert!(repeats.due(before).is_empty());
        assert_eq!(repeats.due(begin + MINUTE), [("a", &1000, 999)]);
        assert!(repeats.due(begin + 10 * MINUTE).is_empty(), "nothing came since");
        assert_eq!(repeats.hear(begin + 10 * MINUTE, "a", 1), Some(0), "and then it is new");
    }

    #[test]
    fn what_comes_after_a_minute_brings_the_number_of_what_was_not_said() {
        let mut repeats = Repeats::new(MINUTE, 10);
        let begin = Instant::now();
        repeats.hear(begin, "a", ());
        repeats.hear(begin, "a", ());
        repeats.hear(begin, "a", ());
        assert_eq!(repeats.hear(begin + MINUTE, "a", ()), Some(2));
        assert!(repeats.due(begin + 2 * MINUTE).is_empty(), "they were said");
    }

    #[test]
    fn memory_is_bounded_and_free_again_when_its_minute_is_over() {
        let mut repeats = Repeats::new(MINUTE, 3);
        let begin = Instant::now();
        let said = (0..1000).filter(|n| repeats.hear(begin, *n, ()).is_some()).count();
        assert_eq!((said, repeats.said.len()), (3, 3));
        assert_eq!(repeats.hear(begin + MINUTE, 1000, ()), Some(0));
        assert_eq!(repeats.said.len(), 1);
    }
}
