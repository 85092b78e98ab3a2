//! What cannot be offered, told to the owner: once a day each, however often it is listed, and of one person's only so
//! much that a folder full of links does not drown the log.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use dpex_core::store::Skipped;
use dpex_core::types::EnrolmentId;

const EVERY: Duration = Duration::from_hours(24);
/// Of one person's, in that time. The rest is told as a number.
const MOST: usize = 1_000;

/// What was told in the last day.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    people: HashMap<EnrolmentId, Told>,
    hashes: RandomState,
}

#[derive(Debug)]
struct Told {
    since: Instant,
    /// Hashes, for a name may be long.
    names: HashSet<u64>,
    /// Also that there are more.
    more: bool,
}

impl LeftOut {
    /// A page left out so many entries, of which some are named. Returns those that are to be told now, and how many
    /// others; 0 if that was told.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        person: EnrolmentId,
        skipped: u64,
        named: Vec<Skipped>,
    ) -> (Vec<Skipped>, u64) {
        if skipped == 0 {
            return (Vec::new(), 0);
        }
        let Self { people, hashes } = self;
        people.retain(|_, told| now.saturating_duration_since(told.since) < EVERY);
        let told = people.entry(person).or_insert_with(|| Told { since: now, names: HashSet::new(), more: false });
        let mut more = skipped.saturating_sub(named.len() as u64);
        let mut say = Vec::new();
        for skipped in named {
            let hash = hashes.hash_one((&skipped.name, &skipped.why));
            if told.names.contains(&hash) {
                continue;
            }
            if told.names.len() == MOST {
                more += 1;
                continue;
            }
            told.names.insert(hash);
            say.push(skipped);
        }
        if more == 0 || std::mem::replace(&mut told.more, true) {
            return (say, 0);
        }
        (say, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: EnrolmentId = EnrolmentId([1; 16]);
    const BOB: EnrolmentId = EnrolmentId([2; 16]);

    fn page(names: impl IntoIterator<Item = impl ToString>) -> Vec<Skipped> {
        names.into_iter().map(|name| Skipped { name: name.to_string(), why: "a link".to_owned() }).collect()
    }

    #[test]
    fn each_is_told_once_a_day_however_often_it_is_listed() {
        let (mut left_out, begin) = (LeftOut::default(), Instant::now());
        assert_eq!(left_out.hear(begin, ALICE, 2, page(["a", "b"])), (page(["a", "b"]), 0));
        let late = begin + EVERY - Duration::from_nanos(1);
        assert_eq!(left_out.hear(late, ALICE, 3, page(["a", "b", "c"])), (page(["c"]), 0));
        assert_eq!(left_out.hear(late, BOB, 1, page(["a"])), (page(["a"]), 0), "it is on another shelf");
        assert_eq!(left_out.hear(begin + EVERY, ALICE, 2, page(["a", "b"])), (page(["a", "b"]), 0));
    }

    #[test]
    fn another_reason_is_told() {
        let (mut left_out, now) = (LeftOut::default(), Instant::now());
        left_out.hear(now, ALICE, 1, page(["a"]));
        let other = vec![Skipped { name: "a".to_owned(), why: "another".to_owned() }];
        assert_eq!(left_out.hear(now, ALICE, 1, other.clone()), (other, 0));
    }

    #[test]
    fn one_persons_names_are_bounded_and_take_no_room_of_others() {
        let (mut left_out, now) = (LeftOut::default(), Instant::now());
        let most = MOST as u64;
        let (said, more) = left_out.hear(now, ALICE, most + 107, page(0..MOST + 7));
        assert_eq!((said.len(), more), (MOST, 107), "also those that the page did not name");
        assert_eq!(left_out.hear(now, ALICE, 7, page(MOST..MOST + 7)), (Vec::new(), 0), "that there are more is known");
        assert_eq!(left_out.hear(now, BOB, 1, page(["a"])), (page(["a"]), 0));
        let tomorrow = now + EVERY;
        assert_eq!(left_out.hear(tomorrow, ALICE, 7, page(MOST..MOST + 7)), (page(MOST..MOST + 7), 0));
        assert_eq!(left_out.people.len(), 1, "who did not come is forgotten");
    }

    #[test]
    fn nobody_is_remembered_from_whom_nothing_was_left_out() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.hear(Instant::now(), ALICE, 0, Vec::new()), (Vec::new(), 0));
        assert!(left_out.people.is_empty());
    }
}
