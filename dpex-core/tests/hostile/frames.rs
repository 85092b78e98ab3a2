//! Authentic packets with frames in them that must not be: CLOSE 1, whoever sends them.

use std::time::Duration;

use dpex_core::wire::codec::put_varint;
use dpex_core::wire::frame;

use super::support::*;

/// Both sides must answer this payload with CLOSE 1 and nothing else.
fn is_refused_by_both(payload: &[u8], what: &str) {
    let mut client = BadClient::new();
    client.say(payload);
    client.assert_closed_for_violation(what);
    let mut server = BadServer::new();
    server.say(payload);
    server.assert_closed_for_violation(what);
}

/// Neither side minds it.
fn is_taken_by_both(payload: &[u8], what: &str) {
    let mut client = BadClient::new();
    client.say(payload);
    client.assert_unharmed(what);
    let mut server = BadServer::new();
    server.say(payload);
    server.assert_unharmed(what);
}

fn ack(largest: u64, count: u64, first: u64, rest: &[(u64, u64)]) -> Vec<u8> {
    let mut out = vec![0x02];
    for n in [largest, 0, count, first] {
        put_varint(&mut out, n);
    }
    for (gap, len) in rest {
        put_varint(&mut out, *gap);
        put_varint(&mut out, *len);
    }
    out
}

#[test]
fn every_unknown_and_every_reserved_type_closes_the_session() {
    for kind in (0x08..=0x10).chain(0x15..=0xff) {
        is_refused_by_both(&[kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &format!("type {kind:#x}"));
    }
    is_refused_by_both(&[0x40, 0x01], "a PING whose type is written in two bytes");
}

#[test]
fn a_frame_past_the_end_of_its_packet_closes_the_session() {
    let whole: [(&str, &[u8]); 10] = [
        ("ACK", &ack(0, 0, 0, &[])),
        ("CLOSE", &[0x03, 0, 0, 2, b'h', b'i']),
        ("PATH_CHALLENGE", &[0x04, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("PATH_RESPONSE", &[0x05, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("RATCHET_OFFER", &[[0x06, 1], [7; 2]].concat().repeat(9)[..34]),
        ("CONTROL", &[0x11, 0, 2, 0, 0]),
        ("DATA", &[0x12, 0, 0, 0, 2, 1, 1]),
        ("MAX_DATA", &[0x13, 0x80, 0, 0, 9]),
        ("MAX_CONTROL", &[0x14, 0x80, 0, 0, 9]),
        ("ACK with ranges", &ack(9, 1, 0, &[(3, 2)])),
    ];
    for (name, frame) in whole {
        for len in 1..frame.len() {
            is_refused_by_both(&frame[..len], &format!("{name} cut to {len} bytes"));
        }
    }
}

#[test]
fn lengths_that_are_claimed_and_not_there_close_the_session_and_cost_no_memory() {
    let huge = [0xff; 8];
    for (name, start) in [("CONTROL", &[0x11, 0][..]), ("DATA", &[0x12, 0, 0]), ("ACK", &[0x02, 5, 0])] {
        is_refused_by_both(&[start, &huge].concat(), name);
    }
    is_refused_by_both(&[0x03, 0, 0, 255, b'x'], "CLOSE");
    is_refused_by_both(&[0x11, 0, 0x80, 1, 0, 0], "CONTROL of 65,536 bytes");
}

#[test]
fn an_acknowledgement_below_packet_0_or_of_more_than_256_ranges_closes_the_session() {
    is_refused_by_both(&ack(0, 0, 1, &[]), "first range below 0");
    is_refused_by_both(&ack(3, 1, 0, &[(2, 0)]), "gap below 0");
    is_refused_by_both(&ack(3, 1, 0, &[(1, 1)]), "range below 0");
    is_refused_by_both(&ack(3, 1, 0, &[((1 << 62) - 1, (1 << 62) - 1)]), "far below 0");
    let many: Vec<_> = (0..256).map(|_| (0, 0)).collect();
    is_refused_by_both(&ack(10_000, 256, 0, &many), "257 ranges");
}

#[test]
fn a_data_frame_without_content_closes_the_session() {
    is_refused_by_both(&[0x12, 0, 0, 0, 0], "to the end of the packet, which is here");
}

#[test]
fn a_close_whose_text_is_not_utf_8_closes_the_session() {
    is_refused_by_both(&[0x03, 0, 0, 1, 0xff], "not UTF-8");
}

// FRM-8.
#[test]
fn file_content_from_a_client_and_credit_from_a_server_close_the_session() {
    let mut client = BadClient::new();
    client.say(&[0x12, 0, 0, 0, 1, 7]);
    client.assert_closed_for_violation("DATA from a client");
    let mut server = BadServer::new();
    server.say(&[0x13, 7]);
    server.assert_closed_for_violation("MAX_DATA from a server");
}

// FRM-7.
#[test]
fn padding_an_empty_packet_and_answers_to_no_challenge_harm_nobody() {
    is_taken_by_both(&[], "an empty packet");
    is_taken_by_both(&[0; 1100], "PADDING");
    is_taken_by_both(&[0x05, 1, 2, 3, 4, 5, 6, 7, 8], "PATH_RESPONSE");
    is_taken_by_both(&[0x14, 0], "an old MAX_CONTROL");
    is_taken_by_both(&[0x14, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "the largest MAX_CONTROL");
}

#[test]
fn old_credit_takes_nothing_back_and_the_largest_overflows_nothing() {
    let mut m = BadClient::new();
    m.shelf.put(&path("f"), bytes(5000));
    for limit in [u64::MAX >> 2, 0, 1] {
        let mut payload = Vec::new();
        frame::put_max_data(&mut payload, limit);
        m.say(&payload);
    }
    m.tell(get(0, "f"));
    m.peer.attend(&mut m.host, 50);
    assert_eq!(m.peer.heard.data.iter().map(|d| d.bytes.len()).sum::<usize>(), 5000);
    m.assert_unharmed("credit of 2^62 - 1");
}

#[test]
fn what_comes_before_a_bad_frame_may_take_effect_and_what_comes_after_does_not() {
    let mut m = BadClient::new();
    // A challenge, then nonsense, then another challenge.
    m.say(&[0x04, 1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0x04, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(m.peer.heard.path_responses, [] as [[u8; 8]; 0], "nothing but CLOSE is said");
    m.assert_closed_for_violation("nonsense in the middle");
}

// SES-7.
#[test]
fn after_a_close_from_the_peer_nothing_is_said_and_the_session_is_gone() {
    let mut m = BadClient::new();
    let before = m.peer.heard.datagrams;
    m.say(&[0x03, 0, 0, 0, 0x01, 0x04, 1, 2, 3, 4, 5, 6, 7, 8]);
    m.wait(Duration::from_secs(60));
    assert_eq!(m.peer.heard.datagrams, before);
    assert_eq!(m.host.sessions().count(), 0);
}
