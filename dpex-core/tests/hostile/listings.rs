//! Listings for a bad client: of more pages than it takes, and more of them than are made at once.

use dpex_core::engine::Event;
use dpex_core::types::SharePath;
use dpex_core::wire::frame;
use dpex_core::wire::message::{FailCode, MAX_PAGE_BYTES, Message};

use super::support::*;

/// What may wait to be sent of listings, in bytes.
const MAX_UNSENT: usize = 131_072;

fn on_pages(id: u64, pages: u64) -> Message {
    Message::List { id, path: SharePath::ROOT, after: None, limit: u64::MAX, recursive: true, pages }
}

/// A shelf of some 3 MB of names, and a client that grants as much.
fn before_a_long_shelf() -> BadClient {
    let mut m = BadClient::new();
    for n in 0..12_000 {
        m.shelf.put(&path(&format!("{}{n:05}", "long".repeat(50))), "");
    }
    let mut payload = Vec::new();
    frame::put_max_control(&mut payload, u64::MAX >> 2);
    m.say(&payload);
    m
}

fn pages(m: &BadClient, of: u64) -> Vec<(usize, bool)> {
    let page = |message: &Message| match message {
        Message::Page { id, entries, more, .. } if *id == of => Some((entries.len(), *more)),
        _ => None,
    };
    m.peer.heard.messages.iter().filter_map(page).collect()
}

#[test]
fn so_many_pages_come_as_are_asked_for_and_no_more_than_there_are() {
    let mut m = before_a_long_shelf();
    for (id, asked) in (0..).zip([0, 1, 3, u64::MAX]) {
        m.tell(on_pages(id, asked));
        m.peer.attend(&mut m.host, 3000);
        let pages = pages(&m, id);
        let all = asked == u64::MAX;
        assert_eq!(pages.iter().filter(|(_, more)| !more).count(), usize::from(all), "{asked}: {pages:?}");
        if all {
            assert_eq!(pages.iter().map(|(len, _)| len).sum::<usize>(), 12_000);
        } else {
            assert_eq!(pages.len() as u64, asked.max(1));
        }
    }
    assert!(!m.host.sessions().any(|session| session.is_busy()));
    m.assert_unharmed("listings on many pages");
}

// XFR-14.
#[test]
fn a_client_that_acknowledges_nothing_is_listed_so_much_and_no_more() {
    let mut m = before_a_long_shelf();
    m.tell(on_pages(0, u64::MAX));
    let made = m.host.take_events().len();
    let most = MAX_UNSENT / (MAX_PAGE_BYTES - 500) + 2;
    assert!((2..=most).contains(&made), "{made} pages were made");
    m.tell(on_pages(1, 1));
    // Another request is answered meanwhile.
    m.tell(get(2, "none"));
    let events = m.host.take_events();
    assert!(matches!(&events[..], [Event::Aborted { id: 2, .. }]), "{events:?}");
    m.peer.attend(&mut m.host, 3000);
    assert_eq!(pages(&m, 0).iter().map(|(len, _)| len).sum::<usize>(), 12_000, "and all, once it listens");
    assert_eq!(pages(&m, 1).len(), 1);
    m.assert_unharmed("one that did not listen");
}

#[test]
fn listings_go_on_in_turn_eight_pages_at_a_time_and_keep_nothing_unread() {
    let mut m = before_a_long_shelf();
    m.host.let_disk_wait(true);
    for id in 0..12 {
        m.tell(on_pages(id, u64::MAX));
    }
    assert_eq!(m.host.disk_requests(), 8);
    m.tell(Message::Cancel { id: 11 });
    m.host.let_disk_wait(false);
    m.peer.attend(&mut m.host, 30_000);
    for id in 0..11 {
        assert_eq!(pages(&m, id).iter().map(|(len, _)| len).sum::<usize>(), 12_000, "{id}");
    }
    let is_page = |message: &&Message| matches!(message, Message::Page { .. });
    let firsts = m.peer.heard.messages.iter().filter(is_page).take(11).map(|message| match message {
        Message::Page { id, .. } => *id,
        other => panic!("{other:?}"),
    });
    assert_eq!(firsts.collect::<Vec<_>>(), (0..11).collect::<Vec<_>>(), "each its first page before the second of any");
    assert!(pages(&m, 11).is_empty());
    m.assert_unharmed("twelve listings");
}

#[test]
fn a_listing_that_is_given_up_ends_whether_its_next_page_is_being_made_or_waits() {
    for is_being_made in [true, false] {
        let mut m = before_a_long_shelf();
        for id in 0..20 {
            m.host.let_disk_wait(is_being_made);
            m.tell(on_pages(2 * id, u64::MAX));
            m.tell(Message::Cancel { id: 2 * id });
            m.host.let_disk_wait(false);
            m.peer.attend(&mut m.host, 3000);
            let last = m.peer.heard.messages.last();
            let is_end = matches!(last, Some(Message::Fail { id: of, code: FailCode::Cancelled, .. }) if *of == 2 * id);
            assert!(is_end, "{is_being_made}: {last:?}");
            m.tell(on_pages(2 * id + 1, 1));
            m.peer.attend(&mut m.host, 100);
            assert_eq!(pages(&m, 2 * id + 1).len(), 1, "there is room for others");
        }
        assert!(!m.host.sessions().any(|session| session.is_busy()));
        m.assert_unharmed("given up");
    }
}
