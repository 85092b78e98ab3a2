//! Pages from a bad server: not asked for, with names that escape, or with others than were asked for.

use dpex_core::engine::Event;
use dpex_core::store::{Entry, EntryKind, ListQuery};
use dpex_core::types::{SharePath, Timestamp};
use dpex_core::wire::message::{FailCode, Message};

use super::support::*;

fn file(name: &str) -> Entry {
    Entry { path: path(name), kind: EntryKind::File(meta(5)) }
}

fn folder(name: &str) -> Entry {
    Entry { path: path(name), kind: EntryKind::Folder(Timestamp::EPOCH) }
}

fn page(id: u64, entries: &[Entry]) -> Message {
    Message::Page { id, entries: entries.to_vec(), more: true, skipped: u64::MAX }
}

fn last_page(id: u64, entries: &[Entry]) -> Message {
    Message::Page { id, entries: entries.to_vec(), more: false, skipped: 0 }
}

fn query(folder: &str, recursive: bool) -> ListQuery {
    ListQuery { path: path(folder), after: None, limit: 3, recursive }
}

fn asked(query: ListQuery) -> BadServer {
    asked_for(query, 1)
}

fn asked_for(query: ListQuery, pages: u64) -> BadServer {
    let mut m = BadServer::new();
    m.host.list(query, pages);
    m.peer.listen(&mut m.host);
    m
}

fn is_taken(query: ListQuery, entries: &[Entry], what: &str) {
    let mut m = asked(query);
    m.tell(page(0, entries));
    let events = m.host.take_events();
    assert!(matches!(&events[..], [Event::Page { page, .. }] if page.entries == entries), "{what}: {events:?}");
    m.assert_unharmed(what);
}

fn is_refused(query: ListQuery, entries: &[Entry], what: &str) {
    let mut m = asked(query);
    m.tell(page(0, entries));
    let events = m.host.take_events();
    assert!(!events.iter().any(|e| matches!(e, Event::Page { .. })), "{what}: {events:?}");
    m.assert_closed_for_violation(what);
}

#[test]
fn a_page_that_was_not_asked_for_closes_the_session() {
    let mut m = BadServer::new();
    m.tell(page(0, &[]));
    m.assert_closed_for_violation("nothing was asked for");
    let mut m = asked(query("", true));
    m.tell(page(1, &[]));
    m.assert_closed_for_violation("something else was");
    let mut m = asked(query("", true));
    m.tell(page(0, &[file("a")]));
    m.tell(page(0, &[file("b")]));
    m.assert_closed_for_violation("twice");
}

#[test]
fn entries_outside_the_folder_that_was_asked_for_close_the_session() {
    is_taken(query("a", true), &[file("a/b"), folder("a/c"), file("a/c/d")], "below it");
    is_taken(query("a", false), &[file("a/b"), folder("a/c")], "in it");
    is_taken(query("a", true), &[file("a")], "the file itself");
    is_taken(query("", true), &[file("a/b/c")], "below the root");
    is_refused(query("a", true), &[file("b")], "beside it");
    is_refused(query("a", true), &[file("ab")], "beside it with a longer name");
    is_refused(query("a/b", true), &[folder("a")], "above it");
    is_refused(query("a", true), &[folder("a")], "the folder itself");
    is_refused(query("a", false), &[file("a/b/c")], "too deep");
    is_refused(query("", false), &[file("a/b")], "too deep below the root");
    is_refused(query("a", true), &[file("a/b"), file("etc/passwd")], "one of several");
}

#[test]
fn entries_out_of_order_or_again_close_the_session() {
    is_refused(query("", true), &[file("b"), file("a")], "descending");
    is_refused(query("", true), &[file("a"), file("a")], "twice");
    is_refused(query("", true), &[file("a.txt"), file("a/b")], "by bytes instead of parts");
    let after = ListQuery { after: Some(path("m")), ..query("", true) };
    is_taken(after.clone(), &[file("m/a"), file("n")], "after the last page");
    is_refused(after.clone(), &[file("m")], "the last of the last page again");
    is_refused(after, &[file("l"), file("n")], "before it");
}

#[test]
fn more_entries_than_were_asked_for_close_the_session() {
    let entries = [file("a"), file("b"), file("c"), file("d")];
    is_taken(query("", true), &entries[..3], "three");
    is_refused(query("", true), &entries, "four");
    is_taken(query("", true), &[], "none, though there are more");
    is_taken(ListQuery { limit: 0, ..query("", true) }, &entries[..1], "no limit is a limit of one");
    is_refused(ListQuery { limit: 0, ..query("", true) }, &entries[..2], "and not of two");
    let many: Vec<_> = (0..1001).map(|n| file(&format!("{n:04}"))).collect();
    let all = ListQuery { limit: usize::MAX, path: SharePath::ROOT, after: None, recursive: true };
    is_taken(all.clone(), &many[..500], "many");
    let mut m = asked(all);
    let mut cbor = Vec::new();
    dpex_core::wire::message::encode(&page(0, &many), &mut cbor);
    m.peer.tell_bytes(&mut m.host, &cbor);
    m.assert_closed_for_violation("more than any page may have");
}

#[test]
fn a_page_for_a_listing_that_was_given_up_is_its_end() {
    let mut m = asked(query("a", true));
    m.host.cancel(0);
    m.tell(page(0, &[file("elsewhere")]));
    assert!(!m.host.take_events().iter().any(|e| matches!(e, Event::Page { .. })));
    m.assert_unharmed("given up");
    m.tell(page(0, &[]));
    m.assert_closed_for_violation("a second page");
}

#[test]
fn more_pages_than_were_asked_for_close_the_session() {
    let mut m = asked_for(query("", true), 2);
    m.tell(page(0, &[file("a")]));
    m.tell(page(0, &[file("b")]));
    let last = |e: &Event| matches!(e, Event::Page { is_last, .. } if *is_last);
    assert_eq!(m.host.take_events().iter().map(last).collect::<Vec<_>>(), [false, true]);
    m.tell(page(0, &[file("c")]));
    m.assert_closed_for_violation("a third page of two");
    for (end, what) in [(page(0, &[]), "an empty one"), (last_page(0, &[file("b")]), "the last one")] {
        let mut m = asked_for(query("", true), 9);
        m.tell(page(0, &[file("a")]));
        m.tell(end);
        assert!(m.host.unanswered().is_empty(), "{what} ends it");
        m.tell(page(0, &[file("c")]));
        m.assert_closed_for_violation(&format!("a page after {what}"));
    }
}

// MSG-10.
#[test]
fn entries_that_do_not_sort_after_the_page_before_close_the_session() {
    for second in ["a", "b", "b/c"] {
        let mut m = asked_for(query("", true), 9);
        m.tell(page(0, &[file("a"), file("b/c")]));
        m.tell(page(0, &[file(second)]));
        m.assert_closed_for_violation(second);
    }
    let mut m = asked_for(query("", true), 9);
    m.tell(page(0, &[file("a"), file("b/c")]));
    m.tell(page(0, &[file("b/d")]));
    m.assert_unharmed("after it");
}

// MSG-8.
#[test]
fn pages_for_a_listing_that_was_given_up_are_passed_over_until_its_end() {
    let given_up = || {
        let mut m = asked_for(query("a", true), 4);
        m.tell(page(0, &[file("a/a")]));
        m.host.cancel(0);
        m.host.take_events();
        m.tell(page(0, &[file("a/b")]));
        m.tell(page(0, &[file("elsewhere")]));
        assert!(m.host.take_events().is_empty());
        m
    };
    let fail = Message::Fail { id: 0, code: FailCode::Cancelled, text: String::new(), used: 0 };
    for (end, what) in [
        (page(0, &[file("a/c")]), "the last that was asked for"),
        (last_page(0, &[file("a/c")]), "the last there is"),
        (page(0, &[]), "an empty one"),
        (fail, "the answer"),
    ] {
        let mut m = given_up();
        m.tell(end);
        m.tell(page(0, &[file("a/d")]));
        m.assert_closed_for_violation(&format!("a page after {what}"));
    }
    given_up().assert_unharmed("given up");
}
