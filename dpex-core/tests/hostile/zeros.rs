//! Zeros told instead of sent: the rules about content hold for them, too (XFR-13).

use dpex_core::engine::{Event, Limits};
use dpex_core::wire::frame;
use dpex_core::wire::message::Message;

use super::support::*;

fn zeros(m: &mut BadServer, id: u64, offset: u64, len: u64) {
    let mut payload = Vec::new();
    frame::put_zeros(&mut payload, id, offset, len);
    m.say(&payload);
}

#[test]
fn blocks_of_zeros_between_others_make_the_file() {
    let mut content = bytes(200_000);
    content[65_536..131_072].fill(0);
    let mut m = BadServer::offered(200_000, 16);
    m.tell(Message::Sums { id: 0, first: 0, values: values(&content, 16) });
    for n in [0, 2, 3] {
        let block = &content[n << 16..content.len().min((n + 1) << 16)];
        for (i, piece) in block.chunks(1100).enumerate() {
            m.data(0, ((n << 16) + i * 1100) as u64, piece);
        }
    }
    // In two pieces, one of them twice, as after a loss.
    zeros(&mut m, 0, 65_536, 65_000);
    zeros(&mut m, 0, 65_536, 65_000);
    zeros(&mut m, 0, 65_536 + 65_000, 536);
    m.tell(Message::Done { id: 0, root: root(&content) });
    assert_eq!(m.received.read(&path("f")).as_deref(), Some(&content[..]));
    m.assert_unharmed("zeros");
}

#[test]
fn a_small_file_of_zeros_arrives_even_if_they_overtake_the_offer() {
    let mut m = BadServer::asked();
    zeros(&mut m, 0, 0, 5000);
    assert!(m.is_acked());
    m.tell(offer(0, 5000, 16));
    m.tell(Message::Sums { id: 0, first: 0, values: values(&[0; 5000], 16) });
    m.tell(Message::Done { id: 0, root: root(&[0; 5000]) });
    assert_eq!(m.received.read(&path("f")).as_deref(), Some(&[0; 5000][..]));
    m.assert_unharmed("early zeros");
}

#[test]
fn zeros_outside_the_file_or_across_blocks_close_the_session() {
    let size = 3 * 65_536 + 100;
    for (offset, len) in [
        (0, 65_537),
        (65_535, 2),
        (3 * 65_536, 101),
        (size, 1),
        (1 << 40, 1),
        ((1 << 62) - 1, 1),
        (0, (1 << 62) - 1),
        ((1 << 62) - 1, (1 << 62) - 1),
    ] {
        let mut m = BadServer::offered(size, 16);
        zeros(&mut m, 0, offset, len);
        m.assert_closed_for_violation(&format!("{len} at {offset}"));
        let mut m = BadServer::asked();
        zeros(&mut m, 0, offset, len);
        m.tell(offer(0, size, 16));
        m.assert_closed_for_violation(&format!("early, {len} at {offset}"));
    }
}

#[test]
fn zeros_that_were_never_asked_for_close_the_session() {
    for id in [1, 5, (1 << 62) - 1] {
        let mut m = BadServer::asked();
        zeros(&mut m, id, 0, 1);
        m.assert_closed_for_violation(&format!("request {id}"));
    }
}

/// CRD-3.
#[test]
fn zeros_beyond_the_credit_close_the_session() {
    let limits = Limits { window: 4 << 16, max_window: 4 << 16, ..Limits::default() };
    let mut m = BadServer::with(limits);
    m.get("f");
    m.tell(offer(0, 100 << 16, 16));
    for block in 0..4 {
        zeros(&mut m, 0, block << 16, 1);
    }
    m.assert_unharmed("what was granted");
    zeros(&mut m, 0, 4 << 16, 1);
    m.assert_closed_for_violation("a fifth block");
}

#[test]
fn zeros_in_place_of_something_else_fail_the_file_only() {
    let content = bytes(100_000);
    let mut m = BadServer::offered(100_000, 16);
    m.tell(Message::Sums { id: 0, first: 0, values: values(&content, 16) });
    zeros(&mut m, 0, 0, 65_536);
    assert_eq!(m.failures().len(), 1);
    assert!(m.received.names().is_empty() && m.received.parts().is_empty());
    m.assert_unharmed("a lie");
}

/// XFR-11: each kept piece costs its bookkeeping, though it has no bytes.
#[test]
fn zeros_before_their_offer_are_kept_up_to_a_bound() {
    let mut m = BadServer::asked();
    for n in 0..4096 {
        zeros(&mut m, 0, n, 1);
    }
    assert!(m.is_acked());
    zeros(&mut m, 0, 4096, 1);
    assert!(!m.is_acked(), "one too many is not taken");
}

/// FRM-8.
#[test]
fn zeros_from_a_client_close_the_session() {
    let mut m = BadClient::new();
    let mut payload = Vec::new();
    frame::put_zeros(&mut payload, 0, 0, 1);
    m.say(&payload);
    m.assert_closed_for_violation("zeros from a client");
}

#[test]
fn zeros_of_a_request_that_has_ended_are_ignored() {
    let mut m = BadServer::offered(0, 16);
    m.tell(Message::Done { id: 0, root: root(&[]) });
    assert!(m.host.take_events().iter().any(|e| matches!(e, Event::Finished { .. })));
    zeros(&mut m, 0, 7, 9);
    m.assert_unharmed("late zeros");
}
