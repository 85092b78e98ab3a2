//! Requests in bad hands: a client asks for too much, answers what was not said, and never listens.

use std::time::Duration;

use dpex_core::engine::{Limits, Session};
use dpex_core::store::ListQuery;
use dpex_core::testing::scripted::Victim;
use dpex_core::testing::{Fault, Scripted};
use dpex_core::types::{Digest, SharePath, Version};
use dpex_core::wire::frame;
use dpex_core::wire::message::{FailCode, Message, Resume};

use super::support::*;

/// Lets the server's control stream run as long as it likes.
fn listen_forever(m: &mut BadClient) {
    let mut payload = Vec::new();
    frame::put_max_control(&mut payload, u64::MAX >> 2);
    m.say(&payload);
}

fn credit(m: &mut BadClient, limit: u64) {
    let mut payload = Vec::new();
    frame::put_max_data(&mut payload, limit);
    m.say(&payload);
}

// XFR-3.
#[test]
fn a_request_number_that_is_not_higher_than_all_before_closes_the_session() {
    for (first, second) in [(0, 0), (5, 5), (5, 4), (u64::MAX >> 2, 0), (u64::MAX >> 2, u64::MAX >> 2)] {
        for again in [get(second, "f"), list(second), Message::Unknown { id: Some(second) }] {
            let mut m = BadClient::new();
            m.tell(list(first));
            m.tell(again);
            m.assert_closed_for_violation(&format!("{second} after {first}"));
        }
    }
    let mut m = BadClient::new();
    m.tell(list(5));
    m.tell(list(1000));
    m.tell(list((1 << 62) - 1));
    m.assert_unharmed("numbers may be left out");
}

// MSG-8, MSG-9.
#[test]
fn a_receipt_for_what_was_not_sent_closes_the_session() {
    let mut m = BadClient::new();
    m.tell(Message::Got { id: 0, root: Digest([0; 32]) });
    m.assert_closed_for_violation("of a request that was never made");

    let served = |log: bool| {
        let mut m = BadClient::new();
        m.shelf.put(&path("f"), bytes(1000));
        if log {
            credit(&mut m, 1 << 30);
        }
        m.tell(get(0, "f"));
        m.peer.attend(&mut m.host, 20);
        m
    };
    let mut m = served(true);
    assert!(matches!(m.peer.heard.messages.last(), Some(Message::Done { .. })));
    m.tell(Message::Got { id: 0, root: Digest([0; 32]) });
    m.assert_closed_for_violation("with another root");
    let mut m = served(true);
    m.tell(Message::Got { id: 0, root: root(&bytes(1000)) });
    m.assert_unharmed("with the right root");
    m.tell(Message::Got { id: 0, root: root(&bytes(1000)) });
    m.assert_closed_for_violation("twice");
    let mut m = served(true);
    m.tell(list(1));
    m.tell(Message::Got { id: 1, root: root(&bytes(1000)) });
    m.assert_closed_for_violation("of a listing");

    let mut m = BadClient::new();
    m.shelf.put(&path("f"), bytes(1000));
    m.host.let_disk_wait(true);
    m.tell(get(0, "f"));
    m.tell(Message::Got { id: 0, root: root(&bytes(1000)) });
    m.assert_closed_for_violation("before it was sent");
}

// MSG-8, XFR-7.
#[test]
fn cancelling_what_was_never_asked_closes_the_session_and_what_has_ended_does_not() {
    for message in
        [Message::Cancel { id: 0 }, Message::Fail { id: 0, code: FailCode::Io, text: String::new(), used: 0 }]
    {
        let mut m = BadClient::new();
        m.tell(message.clone());
        m.assert_closed_for_violation("never asked");
        let mut m = BadClient::new();
        m.tell(get(0, "no such file"));
        m.peer.attend(&mut m.host, 5);
        assert!(matches!(m.peer.heard.messages[..], [Message::Fail { code: FailCode::NotFound, .. }]));
        for _ in 0..10 {
            m.tell(message.clone());
        }
        m.peer.attend(&mut m.host, 5);
        assert_eq!(m.peer.heard.messages.len(), 1, "what has ended is not answered again");
        m.assert_unharmed("ended");
    }
}

// XFR-6, XFR-7.
#[test]
fn cancelling_at_every_moment_lets_go_of_everything() {
    for moment in 0..8 {
        let mut m = BadClient::new();
        m.shelf.put_synthetic(&path("f"), 10 * MIB, 1);
        m.shelf.put(&path("g"), bytes(5000));
        credit(&mut m, 1 << 40);
        m.host.let_disk_wait(moment % 2 == 0);
        m.tell(get(0, "f"));
        for _ in 0..moment {
            m.wait(Duration::from_millis(3));
            m.peer.ack(&mut m.host);
        }
        m.tell(Message::Cancel { id: 0 });
        m.host.let_disk_wait(false);
        m.peer.attend(&mut m.host, 200);
        let fail = m.peer.heard.messages.last();
        assert!(matches!(fail, Some(Message::Fail { id: 0, code: FailCode::Cancelled, .. })), "{moment}: {fail:?}");
        assert_eq!(m.host.memory(), 0, "{moment}");
        m.tell(get(1, "g"));
        m.peer.attend(&mut m.host, 50);
        assert!(matches!(m.peer.heard.messages.last(), Some(Message::Done { id: 1, .. })), "{moment}: it goes on");
        m.assert_unharmed("cancelled");
    }
}

// XFR-4.
#[test]
fn a_million_requests_are_taken_four_thousand_at_a_time_or_not_at_all() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), "x");
    m.host.let_disk_wait(true);
    let mut told = 0;
    // The disk never answers: the server must stop reading, and the stream's limit then ends the session.
    for id in 0..1_000_000 {
        m.tell(get(id, "f"));
        told = id;
        if !m.peer.heard.closes.is_empty() {
            break;
        }
        assert!(m.host.disk_requests() <= 64, "files open at once");
    }
    assert!(told < 20_000, "{told} requests fit into the window");
    m.assert_closed_for_violation("requests without end");
}

#[test]
fn a_client_that_keeps_to_the_limits_may_ask_without_end_and_costs_the_same() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), "");
    listen_forever(&mut m);
    let mut asked = 0u64;
    for _ in 0..60 {
        let messages: Vec<_> = (asked..asked + 500).map(|id| get(id, "f")).collect();
        asked += 500;
        m.peer.tell(&mut m.host, &messages);
        m.peer.attend(&mut m.host, 100);
        let done = m.peer.heard.messages.iter().filter(|m| matches!(m, Message::Done { .. })).count() as u64;
        assert_eq!(done, asked);
        let empty = root(&[]);
        let receipts: Vec<_> = (asked - 500..asked).map(|id| Message::Got { id, root: empty }).collect();
        m.peer.tell(&mut m.host, &receipts);
        m.peer.attend(&mut m.host, 100);
    }
    assert!(!m.host.sessions().any(Session::is_busy));
    m.assert_unharmed("30,000 requests");
}

#[test]
fn a_thousand_listings_at_once_are_answered_a_few_at_a_time() {
    let mut m = BadClient::new();
    for n in 0..300 {
        m.shelf.put(&path(&format!("{}{n:04}", "long".repeat(50))), "x");
    }
    listen_forever(&mut m);
    m.host.let_disk_wait(true);
    let messages: Vec<_> = (0..900).map(list).collect();
    m.peer.tell(&mut m.host, &messages);
    // A page has up to 48 KiB and stays in memory until it is acknowledged.
    assert!(m.host.disk_requests() <= 8, "{} pages are being made", m.host.disk_requests());
    m.host.let_disk_wait(false);
    for _ in 0..2000 {
        m.wait(Duration::from_millis(20));
        m.peer.ack(&mut m.host);
    }
    assert_eq!(m.peer.heard.messages.len(), 900, "all are answered in the end");
    m.assert_unharmed("900 listings");
}

#[test]
fn files_that_cannot_be_read_do_not_wear_the_session_out() {
    let mut m = BadClient::new();
    for n in 0..20 {
        m.shelf.put_synthetic(&path(&format!("f{n}")), 10 * MIB, n);
    }
    m.shelf.put(&path("good"), bytes(5000));
    credit(&mut m, 1 << 40);
    m.shelf.fail_reads(Some(Fault::Changed));
    for n in 0..20 {
        m.tell(get(n, &format!("f{n}")));
        m.peer.attend(&mut m.host, 20);
        let fail = m.peer.heard.messages.last();
        assert!(matches!(fail, Some(Message::Fail { code: FailCode::Changed, .. })), "{n}: {fail:?}");
        assert_eq!(m.host.memory(), 0, "{n}");
    }
    m.shelf.fail_reads(None);
    m.tell(get(20, "good"));
    m.peer.attend(&mut m.host, 50);
    assert!(matches!(m.peer.heard.messages.last(), Some(Message::Done { id: 20, .. })));
    m.assert_unharmed("after 20 files that changed");
}

// XFR-1.
#[test]
fn claims_to_hold_what_is_not_there_are_harmless() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), bytes(3 * 1024 * 1024 + 5));
    let version = m.shelf.meta(&path("f")).expect("is there").version;
    credit(&mut m, 1 << 30);
    let far: Vec<_> = (0..1024).map(|n| (1 << 50) + 2 * n..(1 << 50) + 2 * n + 1).collect();
    let everything: Vec<_> = std::iter::once(0..(1 << 62) - 1).collect();
    for (id, (version, held)) in (0..).zip([
        (version, far),
        (version, everything.clone()),
        (Version([9; 16]), everything),
        (version, vec![1..2, 3..1_000_000]),
    ]) {
        let before = m.peer.heard.data.len();
        m.tell(Message::Get { id, path: path("f"), resume: Some(Resume { version, held }) });
        m.peer.attend(&mut m.host, 400);
        let done = m.peer.heard.messages.last();
        assert!(matches!(done, Some(Message::Done { id: n, .. }) if *n == id), "{id}: {done:?}");
        let sent: usize = m.peer.heard.data[before..].iter().map(|d| d.bytes.len()).sum();
        let all = 3 * 1024 * 1024 + 5;
        assert_eq!(sent, [all, 0, all, 2 * 1024 * 1024][usize::try_from(id).expect("small")], "{id}");
    }
    m.assert_unharmed("claims");
}

// XFR-2.
#[test]
fn one_version_is_always_offered_in_the_same_blocks() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), bytes(3 * 1024 * 1024 + 5));
    let version = m.shelf.meta(&path("f")).expect("is there").version;
    m.tell(get(0, "f"));
    m.tell(Message::Get {
        id: 1,
        path: path("f"),
        resume: Some(Resume { version, held: std::iter::once(0..2).collect() }),
    });
    credit(&mut m, 1 << 30);
    m.tell(get(2, "f"));
    m.peer.attend(&mut m.host, 400);
    let offers = m.peer.heard.messages.iter().filter_map(|m| match m {
        Message::Offer { meta, block_log2, .. } => Some((meta.version, *block_log2)),
        _ => None,
    });
    assert_eq!(offers.collect::<Vec<_>>(), [(version, 20); 3]);
}

#[test]
fn without_credit_no_byte_is_sent_and_with_some_no_block_beyond_it() {
    let mut m = BadClient::new();
    m.shelf.put_synthetic(&path("f"), 3 * MIB + 7, 1);
    m.tell(get(0, "f"));
    m.peer.attend(&mut m.host, 50);
    assert!(m.peer.heard.data.is_empty());
    for (limit, sent) in [(MIB - 1, 0), (MIB, MIB), (3 * MIB + 6, 3 * MIB), (3 * MIB + 7, 3 * MIB + 7)] {
        credit(&mut m, limit);
        m.peer.attend(&mut m.host, 200);
        let got: usize = m.peer.heard.data.iter().map(|d| d.bytes.len()).sum();
        assert_eq!(got as u64, sent, "credit of {limit}");
    }
    m.assert_unharmed("credit");
}

#[test]
fn four_sessions_that_never_read_cost_four_send_buffers_and_no_more() {
    let mut m = BadClient::new();
    m.shelf.put_synthetic(&path("long"), 1 << 40, 1);
    let mut sessions: Vec<_> =
        (1..4).map(|n| Scripted::client(&m.keys, &mut m.host, elsewhere(n)).expect("room")).collect();
    sessions.push(m.peer);
    for peer in &mut sessions {
        let mut payload = Vec::new();
        frame::put_max_data(&mut payload, u64::MAX >> 2);
        peer.say(&mut m.host, &payload);
        let gets: Vec<_> = (0..500).map(|id| get(id, "long")).collect();
        peer.tell(&mut m.host, &gets);
    }
    for _ in 0..60 {
        m.host.advance(Duration::from_secs(1));
        for peer in &mut sessions {
            peer.say(&mut m.host, &[0x01]);
        }
    }
    assert_eq!(m.host.sessions().count(), 4);
    assert!(m.host.memory() <= 4 * Limits::default().send_buffer as u64, "{}", m.host.memory());
    // Once they fall silent all is given back.
    m.host.advance(Duration::from_secs(31));
    assert_eq!((m.host.sessions().count(), m.host.memory()), (0, 0));
}

#[test]
fn listings_and_files_outside_the_shelf_are_not_found() {
    let mut m = BadClient::new();
    m.shelf.put(&path("a/b"), "x");
    m.shelf.put(&path(".hidden"), "x");
    for (id, name) in (0..).zip(["nothing", "a", "a/b/c", ".hidden", "A/B"]) {
        m.tell(get(id, name));
        m.peer.attend(&mut m.host, 5);
        let fail = m.peer.heard.messages.last();
        assert!(matches!(fail, Some(Message::Fail { code: FailCode::NotFound, .. })), "{name}: {fail:?}");
    }
    let query = ListQuery { path: path("nothing"), after: Some(path("zzz")), limit: 1, recursive: true };
    m.tell(Message::List { id: 9, path: query.path, after: query.after, limit: 1, recursive: true, pages: 1 });
    m.tell(Message::List {
        id: 10,
        path: SharePath::ROOT,
        after: Some(path("zzz")),
        limit: 1,
        recursive: true,
        pages: 1,
    });
    m.peer.attend(&mut m.host, 5);
    assert!(matches!(m.peer.heard.messages.last(), Some(Message::Page { entries, .. }) if entries.is_empty()));
    m.assert_unharmed("names");
}
