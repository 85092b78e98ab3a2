//! A bad server's messages: offers, values, roots and failures that cannot be.

use std::time::Duration;

use dpex_core::engine::{Event, Limits};
use dpex_core::types::Digest;
use dpex_core::wire::message::{FailCode, Message};

use super::support::*;

fn sums(id: u64, first: u64, count: usize) -> Message {
    Message::Sums { id, first, values: vec![Digest([0; 32]); count] }
}

fn done(id: u64) -> Message {
    Message::Done { id, root: Digest([0; 32]) }
}

fn fail(id: u64, used: u64) -> Message {
    Message::Fail { id, code: FailCode::Io, text: "\u{1b}[2J no".into(), used }
}

/// After these messages about request 0, which is a `get`, the session is closed.
fn is_refused(messages: &[Message], what: &str) {
    let mut m = BadServer::asked();
    for message in messages {
        assert!(m.peer.heard.closes.is_empty(), "{what}: too early, before {message:?}");
        m.tell(message.clone());
    }
    m.assert_closed_for_violation(what);
}

// ENR-17.
#[test]
fn places_that_are_none_close_the_session_and_one_bad_one_among_good_ones_is_enough() {
    let endpoints = |places: &[(&str, u16)]| Message::Endpoints {
        places: places.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect(),
    };
    let good = ("files.example.org", 9473);
    for bad in [
        ("", 1),
        ("files.example.org", 0),
        ("0.0.0.0", 1),
        ("224.0.0.1", 1),
        ("::", 1),
        ("::ffff:0.0.0.0", 1),
        ("127.1", 1),
        ("a/b", 1),
        ("a b", 1),
        ("\u{1b}[2J", 1),
        ("fe80::1%eth0", 1),
    ] {
        is_refused(&[endpoints(&[good, bad])], &format!("{bad:?}"));
    }
    let long = "a".repeat(254);
    is_refused(&[endpoints(&[(&long, 1)])], "a long host");
    is_refused(&[endpoints(&[])], "no place");
    is_refused(&[endpoints(&[good; 9])], "nine places");
    let mut m = BadServer::asked();
    m.tell(endpoints(&[good; 8]));
    m.assert_unharmed("eight places");
    let told = m.host.take_events().into_iter().find_map(|event| match event {
        Event::Endpoints(places) => Some(places.len()),
        _ => None,
    });
    assert_eq!(told, Some(8));
}

// MSG-8.
#[test]
fn answers_to_what_was_never_asked_close_the_session() {
    for id in [1, 7, (1 << 62) - 1] {
        for message in [offer(id, 1, 20), sums(id, 0, 1), done(id), fail(id, 0)] {
            is_refused(std::slice::from_ref(&message), &format!("{message:?}"));
        }
    }
}

// MSG-9.
#[test]
fn answers_out_of_their_order_close_the_session() {
    is_refused(&[sums(0, 0, 1)], "values before the offer");
    is_refused(&[done(0)], "done before the offer");
    is_refused(&[offer(0, 5, 20), offer(0, 5, 20)], "offered twice");
    is_refused(&[offer(0, 5, 20), done(0), done(0)], "done twice");
    is_refused(&[offer(0, 5, 20), done(0), fail(0, 0)], "failed after done");
    is_refused(&[fail(0, 0), fail(0, 0)], "failed twice");
    is_refused(&[fail(0, 0), offer(0, 5, 20)], "offered after it failed");
    is_refused(&[fail(0, 0), sums(0, 0, 1)], "values after it failed");
    is_refused(&[Message::Page { id: 0, entries: Vec::new(), more: false, skipped: 0 }], "a page for a file");
}

// MSG-9.
#[test]
fn answers_to_a_listing_that_are_for_a_file_close_the_session() {
    for message in [offer(0, 1, 20), sums(0, 0, 1), done(0)] {
        let mut m = BadServer::new();
        m.host.list(
            dpex_core::store::ListQuery {
                path: dpex_core::types::SharePath::ROOT,
                after: None,
                limit: 10,
                recursive: false,
            },
            1,
        );
        m.tell(message.clone());
        m.assert_closed_for_violation(&format!("{message:?}"));
    }
}

#[test]
fn values_of_blocks_that_are_not_there_or_were_told_close_the_session() {
    let size = 3 << 16;
    is_refused(&[offer(0, size, 16), sums(0, 3, 1)], "just past the end");
    is_refused(&[offer(0, size, 16), sums(0, 2, 2)], "across the end");
    is_refused(&[offer(0, size, 16), sums(0, (1 << 62) - 1, 1)], "far past the end");
    is_refused(&[offer(0, size, 16), sums(0, 0, 3), sums(0, 1, 1)], "told twice");
    is_refused(&[offer(0, size, 16), sums(0, 1, 1), sums(0, 0, 3)], "told twice, within others");
    is_refused(&[offer(0, 0, 16), sums(0, 0, 1)], "of an empty file");
}

// SUM-7.
#[test]
fn too_many_values_ahead_of_their_blocks_close_the_session_and_as_many_as_allowed_do_not() {
    let mut m = BadServer::offered((1 << 62) - 1, 16);
    for n in 0..4 {
        m.tell(sums(0, n * 1024, 1024));
    }
    m.assert_unharmed("4,096 values");
    m.tell(sums(0, 1 << 40, 1));
    m.assert_closed_for_violation("4,097 values");
    // Shared out over many requests they are as many.
    let mut m = BadServer::new();
    for id in 0..5 {
        m.get(&format!("f{id}"));
        m.tell(offer(id, 1 << 40, 16));
        m.tell(sums(id, 0, 1000));
    }
    m.assert_closed_for_violation("5,000 values of five files");
}

#[test]
fn an_offer_of_any_size_costs_no_memory() {
    for (size, block_log2) in [(0, 16), (1, 24), ((1 << 62) - 1, 16), ((1 << 62) - 1, 24)] {
        let mut m = BadServer::offered(size, block_log2);
        m.assert_unharmed(&format!("{size} bytes"));
        assert_eq!(m.host.memory(), 0);
    }
}

#[test]
fn a_block_size_outside_its_range_closes_the_session() {
    for block_log2 in [0, 15, 25, 62, 63, 64, 255] {
        is_refused(&[offer(0, 5, block_log2)], &format!("2^{block_log2}"));
    }
}

// CRD-6.
#[test]
fn a_failure_that_claims_what_cannot_be_closes_the_session() {
    is_refused(&[fail(0, 1)], "used without an offer");
    is_refused(&[offer(0, 1000, 20), fail(0, 1001)], "more than the file");
    is_refused(&[offer(0, (1 << 62) - 1, 20), fail(0, (8 << 20) + 1)], "more than the credit");
    is_refused(&[offer(0, (1 << 62) - 1, 20), fail(0, (1 << 62) - 1)], "far more than the credit");
    let mut m = BadServer::offered(1000, 20);
    m.data(0, 0, b"x");
    m.tell(fail(0, 0));
    m.assert_closed_for_violation("less than was seen");
    let mut m = BadServer::offered(1 << 30, 20);
    m.tell(fail(0, 8 << 20));
    m.assert_unharmed("all of the credit");
    assert_eq!(m.failures().len(), 1);
}

#[test]
fn a_failure_gives_the_credit_back_and_takes_no_more_than_it_used() {
    let mut m = BadServer::new();
    for id in 0..50 {
        m.get(&format!("f{id}"));
        m.tell(offer(id, 1 << 30, 20));
        let granted = m.peer.heard.max_data;
        m.tell(fail(id, 8 << 20));
        m.wait(Duration::from_millis(30));
        m.peer.ack(&mut m.host);
        assert!(m.peer.heard.max_data >= granted + (8 << 20), "request {id}");
        assert_eq!(m.host.memory(), 0);
    }
    m.assert_unharmed("50 failures");
}

// XFR-10.
#[test]
fn what_comes_for_a_request_that_was_given_up_is_ignored_until_its_end() {
    let mut m = BadServer::offered(1 << 30, 20);
    m.data(0, 0, &[1; 1000]);
    m.host.cancel(0);
    assert_eq!(m.failures().len(), 1, "told at once");
    for message in [offer(0, 5, 20), sums(0, 0, 1), sums(0, 1 << 50, 1024), done(0), done(0)] {
        m.tell(message);
    }
    m.data(0, 1 << 40, &[1; 1000]);
    assert!(m.is_acked());
    m.assert_unharmed("after it was given up");
    m.tell(offer(0, 1 << 30, 20));
    m.tell(fail(0, 1 << 20));
    m.assert_unharmed("its end");
    m.data(0, 1 << 40, &[1; 1000]);
    assert!(m.is_acked(), "content of an ended request is ignored and acknowledged");
    assert!(m.failures().is_empty(), "nothing is told twice");
    m.tell(fail(0, 1 << 20));
    m.assert_closed_for_violation("a second end");
}

#[test]
fn a_block_larger_than_the_window_widens_it_as_far_as_allowed_and_fails_beyond() {
    let mut m = BadServer::offered(1 << 30, 24);
    m.wait(Duration::from_millis(30));
    assert!(m.peer.heard.max_data >= 16 << 20, "a window of 8 MiB became one block");
    let limits = Limits { window: 1 << 20, max_window: 8 << 20, ..Limits::default() };
    let mut m = BadServer::with(limits);
    m.get("f");
    m.tell(offer(0, 1 << 30, 24));
    assert_eq!(m.failures().len(), 1);
    m.peer.attend(&mut m.host, 3);
    let last = m.peer.heard.messages.last();
    assert!(matches!(last, Some(Message::Fail { id: 0, code: FailCode::TooLarge, .. })), "{last:?}");
    m.tell(fail(0, 0));
    m.assert_unharmed("too large");
}

// XFR-5.
#[test]
fn requests_that_still_wait_here_cannot_be_answered() {
    for message in [None, Some(offer(4100, 5, 20)), Some(fail(4100, 0))] {
        let mut m = BadServer::new();
        for n in 0..4200 {
            m.get(&format!("f{n}"));
        }
        m.peer.attend(&mut m.host, 60);
        let asked = m.peer.heard.messages.len();
        assert_eq!(asked, 4000, "so many are outstanding at once");
        match &message {
            Some(message) => m.tell(message.clone()),
            None => m.data(4100, 0, b"x"),
        }
        m.assert_closed_for_violation(&format!("{message:?}"));
    }
}

// SES-5, SES-9.
#[test]
fn a_server_that_never_answers_is_left_after_a_while_and_every_request_ends() {
    let mut m = BadServer::new();
    for n in 0..300 {
        m.get(&format!("f{n}"));
    }
    m.wait(Duration::from_secs(31));
    assert_eq!(m.failures().len(), 300);
    assert!(m.host.session().is_some_and(dpex_core::engine::Session::is_gone));
}

// SES-6.
#[test]
fn a_client_that_waits_asks_after_ten_seconds_of_silence_whether_anybody_is_there() {
    let mut m = BadServer::asked();
    m.wait(Duration::from_secs(1));
    m.peer.ack(&mut m.host);
    let before = m.peer.heard.packets.count();
    m.wait(Duration::from_millis(8_900));
    assert_eq!(m.peer.heard.packets.count(), before);
    m.wait(Duration::from_millis(1_200));
    assert!(m.peer.heard.packets.count() > before);
    let mut idle = BadServer::new();
    idle.wait(Duration::from_secs(1));
    idle.peer.ack(&mut idle.host);
    let before = idle.peer.heard.packets.count();
    idle.wait(Duration::from_secs(28));
    assert_eq!(idle.peer.heard.packets.count(), before, "who waits for nothing lets the session end");
}

#[test]
fn a_server_that_says_nothing_but_ping_keeps_the_session_and_no_more() {
    let mut m = BadServer::offered(1 << 30, 20);
    for _ in 0..1000 {
        m.wait(Duration::from_secs(5));
        m.say(&[0x01]);
    }
    m.assert_unharmed("an hour of nothing");
    assert_eq!(m.host.memory(), 0);
    assert!(m.host.take_events().iter().all(|e| matches!(e, Event::Offered { .. })));
}
