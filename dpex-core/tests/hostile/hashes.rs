//! Hashes asked for and told: only as an answer, only once, and nothing else for it.

use dpex_core::engine::Event;
use dpex_core::types::Digest;
use dpex_core::wire::message::{FailCode, Message};

use super::support::*;

fn hashed(id: u64) -> Message {
    Message::Hashed { id, meta: meta(5), root: Digest([9; 32]) }
}

fn hash(id: u64, name: &str) -> Message {
    Message::Hash { id, path: path(name) }
}

fn asking() -> BadServer {
    let mut m = BadServer::new();
    m.host.hash("f");
    m.peer.listen(&mut m.host);
    m
}

#[test]
fn a_hash_is_told_once() {
    let mut m = asking();
    m.tell(hashed(0));
    let events = m.host.take_events();
    assert!(matches!(&events[..], [Event::Hashed { id: 0, root: Digest([9, ..]), .. }]), "{events:?}");
    m.assert_unharmed("the control");
    m.tell(hashed(0));
    m.assert_closed_for_violation("again");
}

#[test]
fn a_refused_hash_is_a_failure_and_no_more() {
    let mut m = asking();
    m.tell(Message::Fail { id: 0, code: FailCode::NotFound, text: String::new(), used: 0 });
    assert_eq!(m.failures().len(), 1);
    m.assert_unharmed("a refusal");
}

/// MSG-8, MSG-9.
#[test]
fn a_hash_for_another_request_or_another_answer_for_a_hash_closes_the_session() {
    let mut m = BadServer::asked();
    m.tell(hashed(0));
    m.assert_closed_for_violation("for a get");
    let mut m = BadServer::offered(5, 16);
    m.tell(hashed(0));
    m.assert_closed_for_violation("for a get that was offered");
    let mut m = BadServer::new();
    m.tell(hashed(0));
    m.assert_closed_for_violation("for nothing");
    for (what, message) in [
        ("offer", offer(0, 5, 16)),
        ("sums", Message::Sums { id: 0, first: 0, values: vec![Digest([1; 32])] }),
        ("done", Message::Done { id: 0, root: Digest([1; 32]) }),
        ("page", Message::Page { id: 0, entries: Vec::new(), more: false, skipped: 0 }),
    ] {
        let mut m = asking();
        m.tell(message);
        m.assert_closed_for_violation(what);
    }
    let mut m = asking();
    m.data(0, 0, b"x");
    m.assert_closed_for_violation("content");
}

#[test]
fn a_hash_that_was_given_up_may_still_come() {
    let mut m = asking();
    m.host.cancel(0);
    m.tell(hashed(0));
    m.assert_unharmed("it crossed the cancel");
}

/// MSG-7, MSG-9.
#[test]
fn a_client_tells_no_hash_and_thanks_for_none() {
    let mut m = BadClient::new();
    m.tell(hashed(0));
    m.assert_closed_for_violation("hashed from a client");
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), &b"hello"[..]);
    m.tell(hash(0, "f"));
    let root = root(b"hello");
    let told = m.peer.heard.messages.iter().any(|m| matches!(m, Message::Hashed { id: 0, root: r, .. } if *r == root));
    assert!(told, "{:?}", m.peer.heard.messages);
    assert!(m.peer.heard.data.is_empty(), "and nothing of the content");
    m.tell(Message::Got { id: 0, root });
    m.assert_closed_for_violation("got for a hash");
}

/// XFR-3, and what is not there.
#[test]
fn a_hash_is_a_request_like_others() {
    let mut m = BadClient::new();
    m.tell(hash(0, "missing"));
    let refused = |m: &Message| matches!(m, Message::Fail { id: 0, code: FailCode::NotFound, .. });
    assert!(m.peer.heard.messages.iter().any(refused));
    m.assert_unharmed("a file that is not there");
    m.tell(hash(0, "f"));
    m.assert_closed_for_violation("a number used twice");
}
