//! Acknowledgements that lie, that never come, and packets that are made to be acknowledged.

use std::time::Duration;

use dpex_core::engine::Limits;
use dpex_core::wire::frame;

use super::support::*;

fn ack(ranges: &[std::ops::Range<u64>]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_ack(&mut out, Duration::from_secs(1_000_000), ranges, 1100);
    out
}

fn ack_one(range: std::ops::Range<u64>) -> Vec<u8> {
    ack(&[range])
}

/// The client asked for a long file and granted all the credit there is.
fn wanting(size: u64) -> BadClient {
    let mut m = BadClient::new();
    m.shelf.put_synthetic(&path("long"), size, 1);
    let mut credit = Vec::new();
    frame::put_max_data(&mut credit, u64::MAX >> 2);
    m.say(&credit);
    m.tell(get(0, "long"));
    m
}

#[test]
fn acknowledging_what_was_not_sent_closes_the_session() {
    let next = |m: &BadClient| m.peer.heard.packets.last().expect("it has spoken").end;
    for beyond in [0, 1, 1000, (1 << 62) - 10] {
        let mut m = BadClient::new();
        let largest = next(&m) + beyond;
        m.say(&ack_one(largest..largest + 1));
        m.assert_closed_for_violation(&format!("{beyond} beyond"));
    }
    let mut m = BadClient::new();
    let end = next(&m);
    m.say(&ack_one(0..end + 1));
    m.assert_closed_for_violation("one of several");
    let mut m = BadClient::new();
    let end = next(&m);
    m.say(&ack_one(0..end));
    m.assert_unharmed("all that was sent");
    let mut m = BadServer::new();
    m.say(&ack_one(50..51));
    m.assert_closed_for_violation("to a client");
}

// LOS-10.
#[test]
fn a_server_whose_data_is_never_acknowledged_sends_little_and_keeps_little() {
    let mut m = wanting(1 << 40);
    let limits = Limits::default();
    for _ in 0..600 {
        m.wait(Duration::from_secs(1));
        m.say(&[0x01]);
        assert!(m.host.memory() <= limits.send_buffer as u64);
        assert!(m.host.sessions().all(|s| s.in_flight() < 200_000));
    }
    assert_eq!(m.host.sessions().count(), 1, "the client is still there, so the session is");
    assert!(m.peer.heard.bytes < 2_000_000, "{} bytes in ten minutes", m.peer.heard.bytes);
}

#[test]
fn acknowledging_without_end_does_not_raise_what_a_server_holds() {
    let mut m = wanting(1 << 40);
    let limits = Limits::default();
    let mut most = 0;
    for _ in 0..40 {
        m.wait(Duration::from_millis(10));
        m.peer.heard.data.clear();
        m.peer.ack(&mut m.host);
        assert!(m.host.memory() <= limits.send_buffer as u64 + (1 << 20));
        most = most.max(m.host.sessions().map(dpex_core::engine::Session::in_flight).sum());
    }
    assert!(m.peer.heard.bytes > 4 * MIB, "it does send: {}", m.peer.heard.bytes);
    assert!(most <= 2 * limits.send_buffer as u64, "{most} bytes in flight");
}

#[test]
fn acknowledgements_of_what_is_still_on_its_way_do_no_more_than_true_ones() {
    // The peer acknowledges each packet the moment it leaves: a round trip of nothing.
    let mut m = wanting(64 * MIB);
    let limits = Limits::default();
    for _ in 0..2000 {
        m.peer.ack(&mut m.host);
        m.wait(Duration::from_micros(100));
        assert!(m.host.memory() <= limits.send_buffer as u64);
    }
    m.assert_unharmed("a round trip of nothing");
}

#[test]
fn acknowledging_every_second_packet_again_and_again_is_survived() {
    let mut m = wanting(16 * MIB);
    for round in 0..300u64 {
        m.wait(Duration::from_millis(10));
        let end = m.peer.heard.packets.last().expect("it speaks").end;
        let every_second: Vec<_> = (0..end).rev().step_by(2).take(256).map(|n| n..n + 1).collect();
        let payload = ack(&every_second);
        for _ in 0..=round % 3 {
            m.say(&payload);
        }
    }
    assert!(m.host.memory() <= Limits::default().send_buffer as u64);
    m.assert_unharmed("acknowledgements with holes");
}

#[test]
fn a_packet_full_of_acknowledgements_is_taken() {
    let mut m = wanting(MIB);
    m.wait(Duration::from_millis(100));
    let one = ack_one(0..1);
    m.say(&one.repeat(1100 / one.len()));
    m.assert_unharmed("a hundred ACK frames");
}

#[test]
fn packet_numbers_with_holes_are_remembered_in_bounded_memory() {
    let mut m = BadClient::new();
    for _ in 0..2000 {
        m.peer.next_pn += 1;
        m.say(&[0x01]);
    }
    assert_eq!(m.peer.heard.most_ranges, 256);
    m.assert_unharmed("2,000 holes");
    let before = m.peer.heard.bytes;
    m.say(&[0x01]);
    m.wait(Duration::from_millis(30));
    assert!(m.peer.heard.bytes - before <= 1200, "an acknowledgement is one packet");
}

#[test]
fn what_elicits_nothing_draws_nothing() {
    let mut m = BadClient::new();
    m.wait(Duration::from_secs(1));
    m.peer.ack(&mut m.host);
    m.wait(Duration::from_secs(1));
    let before = m.peer.heard.datagrams;
    for _ in 0..1000 {
        m.say(&[]);
        m.say(&[0]);
        m.peer.ack(&mut m.host);
        m.peer.next_pn += 3;
    }
    m.wait(Duration::from_secs(1));
    assert_eq!(m.peer.heard.datagrams, before);
}
