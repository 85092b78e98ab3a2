//! What cannot be offered, told to the owner: once a day each, however often it is listed, and of one person's and one
//! reason only so much that a folder full of links does not drown the log, nor hide the one file that cannot be read.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use dpex_core::store::{MAX_NAMED, Skipped};
use dpex_core::types::EnrolmentId;

const EVERY: Duration = Duration::from_hours(24);
/// Reasons that are told of one person's; there are fewer.
const MAX_REASONS: usize = 32;

/// What was told in the last day.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    people: HashMap<EnrolmentId, Told>,
    hashes: RandomState,
}

/// What was told of one person's, and when.
#[derive(Debug, Default)]
struct Told {
    /// By reason, and by the hashes of the names, which may be long. At most [`MAX_NAMED`] of each reason.
    names: HashMap<String, HashMap<u64, Instant>>,
    /// That there are more.
    more: Option<Instant>,
}

/// What to tell now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) named: Vec<Skipped>,
    /// That there are others.
    pub(super) more: bool,
}

impl LeftOut {
    /// A page left out so many entries, of which some are named.
    pub(super) fn hear(&mut self, now: Instant, person: EnrolmentId, skipped: u64, named: Vec<Skipped>) -> News {
        if skipped == 0 {
            return News::default();
        }
        if !self.people.contains_key(&person) {
            self.people.retain(|_, told| !told.is_over(now));
        }
        let told = self.people.entry(person).or_default();
        told.forget(now);
        let mut news = News { named: Vec::new(), more: skipped > named.len() as u64 };
        for skipped in named {
            match told.hear(now, self.hashes.hash_one(&skipped.name), &skipped.why) {
                Heard::New => news.named.push(skipped),
                Heard::Before => {}
                Heard::TooMany => news.more = true,
            }
        }
        news.more &= told.more.is_none();
        if news.more {
            told.more = Some(now);
        }
        news
    }
}

enum Heard {
    New,
    Before,
    TooMany,
}

impl Told {
    fn hear(&mut self, now: Instant, name: u64, why: &str) -> Heard {
        let reasons = self.names.len();
        match self.names.get_mut(why) {
            Some(names) if names.contains_key(&name) => return Heard::Before,
            Some(names) if names.len() < MAX_NAMED => drop(names.insert(name, now)),
            None if reasons < MAX_REASONS => drop(self.names.insert(why.to_owned(), HashMap::from([(name, now)]))),
            _ => return Heard::TooMany,
        }
        Heard::New
    }

    /// What was told a day ago may be told again.
    fn forget(&mut self, now: Instant) {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < EVERY;
        self.more = self.more.filter(is_fresh);
        self.names.retain(|_, names| {
            names.retain(|_, at| is_fresh(at));
            !names.is_empty()
        });
    }

    fn is_over(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.more.is_none() && self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: EnrolmentId = EnrolmentId([1; 16]);
    const BOB: EnrolmentId = EnrolmentId([2; 16]);
    const MINUTE: Duration = Duration::from_mins(1);

    fn because(why: &str, names: impl IntoIterator<Item = impl ToString>) -> Vec<Skipped> {
        names.into_iter().map(|name| Skipped { name: name.to_string(), why: why.to_owned() }).collect()
    }

    fn links(names: impl IntoIterator<Item = impl ToString>) -> Vec<Skipped> {
        because("a link", names)
    }

    fn news(named: Vec<Skipped>) -> News {
        News { named, more: false }
    }

    #[test]
    fn each_is_told_once_a_day_however_often_it_is_listed() {
        let (mut left_out, begin) = (LeftOut::default(), Instant::now());
        assert_eq!(left_out.hear(begin, ALICE, 2, links(["a", "b"])), news(links(["a", "b"])));
        let late = begin + EVERY - MINUTE;
        assert_eq!(left_out.hear(late, ALICE, 3, links(["a", "b", "c"])), news(links(["c"])));
        assert_eq!(left_out.hear(late, BOB, 1, links(["a"])), news(links(["a"])), "it is on another shelf");
        let next = left_out.hear(begin + EVERY, ALICE, 3, links(["a", "b", "c"]));
        assert_eq!(next, news(links(["a", "b"])), "the last was told a minute ago");
    }

    #[test]
    fn another_reason_is_told() {
        let (mut left_out, now) = (LeftOut::default(), Instant::now());
        left_out.hear(now, ALICE, 1, links(["a"]));
        assert_eq!(left_out.hear(now, ALICE, 1, because("gone", ["a"])), news(because("gone", ["a"])));
    }

    #[test]
    fn of_very_many_pages_of_links_the_first_are_told_and_that_there_are_more_once_a_day() {
        let (mut left_out, begin) = (LeftOut::default(), Instant::now());
        for page in 0..50 {
            let now = begin + page * MINUTE;
            let names = (0..40).map(|n| format!("{page}/{n}"));
            let told = left_out.hear(now, ALICE, 40, links(names.clone()));
            let room = [40, 40, 20].get(page as usize).copied().unwrap_or(0);
            assert_eq!(told, News { named: links(names.take(room)), more: page == 2 }, "{page}");
        }
        let unreadable = because("permission denied", ["contract.pdf"]);
        let later = begin + 60 * MINUTE;
        assert_eq!(left_out.hear(later, ALICE, 1, unreadable.clone()), news(unreadable), "links hide nothing else");
        assert_eq!(left_out.hear(later, BOB, 1, links(["a"])), news(links(["a"])));
        let tomorrow = left_out.hear(begin + EVERY + 2 * MINUTE, ALICE, 1, links(["0/0"]));
        assert_eq!(tomorrow, news(links(["0/0"])), "and all of them fit");
    }

    #[test]
    fn what_a_page_does_not_name_is_told_as_more_once_a_day_also_if_it_is_listed_every_hour() {
        let (mut left_out, begin) = (LeftOut::default(), Instant::now());
        let mut listed = |hour| left_out.hear(begin + hour * 60 * MINUTE, ALICE, 107, links(0..MAX_NAMED));
        let told: Vec<u32> = (0..72).filter(|hour| listed(*hour).more).collect();
        assert_eq!(told, [0, 24, 48]);
    }

    #[test]
    fn who_does_not_come_is_forgotten() {
        let (mut left_out, begin) = (LeftOut::default(), Instant::now());
        assert_eq!(left_out.hear(begin, BOB, 0, Vec::new()), News::default());
        assert!(left_out.people.is_empty(), "nothing was left out");
        left_out.hear(begin, ALICE, 1, links(["a"]));
        left_out.hear(begin + EVERY, BOB, 1, links(["a"]));
        assert_eq!(left_out.people.keys().collect::<Vec<_>>(), [&BOB]);
    }

    #[test]
    fn reasons_without_end_take_no_memory_without_end() {
        let (mut left_out, now) = (LeftOut::default(), Instant::now());
        let told = (0..1000).filter(|n| !left_out.hear(now, ALICE, 1, because(&n.to_string(), ["a"])).named.is_empty());
        assert_eq!(told.count(), MAX_REASONS);
    }
}
