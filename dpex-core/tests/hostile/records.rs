//! Packets that are not authentic, not new or not in order: silence, or at most the end of a session.

use std::time::{Duration, Instant};

use dpex_core::engine::{Closer, Event, Limits, Role, Session, SessionConfig};
use dpex_core::seal::Direction;
use dpex_core::testing::NullSuite;
use dpex_core::testing::scripted::{Acquaintance, Shape, Victim};
use dpex_core::types::{Digest, Secret};
use dpex_core::wire::frame::CloseCode;

use super::support::*;

const CHALLENGE: &[u8] = &[0x04, 1, 2, 3, 4, 5, 6, 7, 8];

// BAD-3.
#[test]
fn random_packets_under_a_true_connection_id_are_ignored_at_every_length() {
    let mut m = BadClient::new();
    let mut dice = Dice::new(1);
    let cid = m.peer.seal(&[])[..8].to_vec();
    let before = m.peer.heard.datagrams;
    for len in 0..=1500 {
        m.peer.throw(&mut m.host, &[&cid[..], &dice.bytes(len)].concat());
    }
    assert_eq!(m.peer.heard.datagrams, before);
    m.assert_unharmed("after that");
}

// BAD-3.
#[test]
fn every_flipped_bit_of_a_packet_is_ignored_and_the_packet_still_taken() {
    let mut m = BadClient::new();
    let packet = m.peer.seal(CHALLENGE);
    let before = m.peer.heard.datagrams;
    for bit in 0..packet.len() * 8 {
        let mut other = packet.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        m.peer.throw(&mut m.host, &other);
    }
    for len in 0..packet.len() {
        m.peer.throw(&mut m.host, &packet[..len]);
    }
    m.peer.throw(&mut m.host, &[&packet[..], &[0]].concat());
    assert_eq!(m.peer.heard.datagrams, before);
    m.peer.throw(&mut m.host, &packet);
    assert_eq!(m.peer.heard.path_responses, [[1, 2, 3, 4, 5, 6, 7, 8]]);
}

#[test]
fn a_packet_counts_once_from_wherever_it_is_repeated() {
    let mut m = BadClient::new();
    let packet = m.peer.seal(CHALLENGE);
    m.peer.throw(&mut m.host, &packet);
    let before = m.peer.heard.datagrams;
    for n in 0..100 {
        m.peer.throw(&mut m.host, &packet);
        m.host.deliver(elsewhere(n), &packet);
    }
    m.wait(Duration::from_secs(1));
    assert_eq!(m.peer.heard.datagrams, before);
    assert_eq!(m.peer.heard.path_responses.len(), 1);
    assert!(m.host.take_sent().is_empty(), "nor was anything sent elsewhere");
}

#[test]
fn another_packet_under_a_used_number_is_ignored() {
    let mut m = BadClient::new();
    m.say(&[0x01]);
    let pn = m.peer.next_pn - 1;
    let again = m.peer.seal_as(&Shape { pn, ..Shape::default() }, CHALLENGE);
    m.peer.throw(&mut m.host, &again);
    assert!(m.peer.heard.path_responses.is_empty());
    m.assert_unharmed("a number twice");
}

#[test]
fn a_packet_too_old_for_the_window_is_ignored_and_one_just_inside_is_not() {
    let mut m = BadClient::new();
    m.peer.next_pn = 100_000;
    m.say(&[0x01]);
    for (pn, taken) in [(100_000 - 8128, false), (100_000 - 8127, true)] {
        let packet = m.peer.seal_as(&Shape { pn, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
        assert_eq!(m.peer.heard.path_responses.len(), usize::from(taken), "{pn}");
    }
}

#[test]
fn reserved_bits_are_ignored_even_if_they_are_authentic() {
    let mut m = BadClient::new();
    for bit in 1..8 {
        let pn = m.peer.next_pn;
        let packet = m.peer.seal_as(&Shape { pn, flags: 1 << bit, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
    }
    assert!(m.peer.heard.path_responses.is_empty());
    m.assert_unharmed("reserved bits");
}

// REC-2.
#[test]
fn all_connection_ids_of_a_session_lead_here() {
    let mut m = BadClient::new();
    for cid in 0..64 {
        let pn = m.peer.next_pn;
        m.peer.next_pn += 1;
        let packet = m.peer.seal_as(&Shape { pn, cid, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
        m.wait(Duration::from_millis(30));
        assert_eq!(m.peer.heard.path_responses.len(), usize::try_from(cid + 1).expect("small"), "id {cid}");
    }
    // The id is authenticated: exchanging it spoils the packet.
    let (a, mut b) =
        (m.peer.seal_as(&Shape { pn: 999, cid: 1, ..Shape::default() }, CHALLENGE), m.peer.seal(CHALLENGE));
    b[..8].copy_from_slice(&a[..8]);
    let before = m.peer.heard.path_responses.len();
    m.peer.throw(&mut m.host, &b);
    assert_eq!(m.peer.heard.path_responses.len(), before);
}

// REC-13.
#[test]
fn a_server_speaks_under_another_id_at_another_address() {
    let mut m = BadClient::new();
    let id =
        |datagrams: Vec<Vec<u8>>| -> Vec<Vec<u8>> { datagrams.iter().map(|packet| packet[..8].to_vec()).collect() };
    let packet = m.peer.seal(CHALLENGE);
    m.host.deliver(CLIENT, &packet);
    let mut used = vec![id(m.host.take_sent_to(CLIENT))[0].clone()];
    for n in 1..70 {
        let big = m.peer.seal(&[1; 500]);
        m.host.deliver(elsewhere(n), &big);
        m.host.advance(Duration::from_millis(30));
        let there = id(m.host.take_sent_to(elsewhere(n)));
        assert_eq!(there.len(), 1, "a challenge");
        assert_eq!(used.contains(&there[0]), n > 63, "address {n}");
        used.extend(there);
        m.host.advance(Duration::from_secs(20));
        m.host.take_sent();
    }
}

// REC-12.
#[test]
fn a_client_speaks_under_another_id_from_another_address_and_when_nothing_comes_back() {
    let mut m = BadServer::new();
    let id = |m: &mut BadServer| m.host.take_sent().last().map(|packet| packet[..8].to_vec());
    let get = |m: &mut BadServer| m.host.get("f");
    get(&mut m);
    let first = id(&mut m);
    m.peer.ack(&mut m.host);
    m.host.take_sent();
    m.host.rebound();
    let second = id(&mut m);
    assert!(first.is_some() && second.is_some() && first != second, "and it speaks at once");
    get(&mut m);
    assert_eq!(id(&mut m), second);
    // Nothing is heard of the server any more.
    m.host.advance(Duration::from_secs(25));
    let third = id(&mut m);
    assert!(third.is_some() && third != second && third != first);
}

// REC-2.
#[test]
fn a_client_goes_by_the_first_of_its_connection_ids() {
    let suite = NullSuite::leak(9);
    let keys = Acquaintance::new(suite);
    let stage1 = keys.pair().stage0(suite, &[0; 32]).stage1(suite, &[1; 32]);
    let secrets = stage1.stage2(suite, &Secret::new([2; 32])).session(suite, &Digest([3; 32]));
    let idle = Duration::from_secs(30);
    let limits = Limits::default();
    let config = SessionConfig { suite, role: Role::Client, peer: SERVER, max_datagram: 1200, idle, limits };
    let now = Instant::now();
    let mut session = Session::new(now, &config, &secrets).expect("keys");
    let mut sent = Vec::new();
    session.poll_transmit(now, 1, &mut sent).expect("a client speaks first");
    let first = secrets.cid(Direction::ClientToServer, 0).expect("the first of many");
    assert_eq!(sent[..8], first);
}

#[test]
fn a_packet_longer_than_was_announced_is_ignored_and_one_as_long_is_not() {
    let mut m = BadClient::new();
    for (len, taken) in [(1473, 0), (1472, 1)] {
        let mut payload = CHALLENGE.to_vec();
        payload.resize(len - 33, 0);
        m.say(&payload);
        assert_eq!(m.peer.heard.path_responses.len(), taken, "{len} bytes");
    }
}

#[test]
fn an_authentic_packet_number_that_must_not_be_ends_the_session_in_silence() {
    for pn in [1 << 62, u64::MAX] {
        let mut m = BadClient::new();
        let before = m.peer.heard.datagrams;
        let packet = m.peer.seal_as(&Shape { pn, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
        assert_eq!(m.peer.heard.datagrams, before);
        let ended = m.host.take_ended();
        assert!(ended.iter().all(|e| e.by == Closer::Us && e.code == CloseCode::KeyLimit) && ended.len() == 1);
        assert_eq!(m.host.sessions().count(), 0);
    }
    let mut m = BadClient::new();
    let packet = m.peer.seal_as(&Shape { pn: (1 << 62) - 1, ..Shape::default() }, CHALLENGE);
    m.peer.throw(&mut m.host, &packet);
    assert_eq!(m.peer.heard.path_responses.len(), 1, "the last number is good");
    assert!(m.peer.heard.acked.contains((1 << 62) - 1));
}

#[test]
fn the_other_sides_packets_do_not_open_here() {
    let mut m = BadClient::new();
    m.peer.throw(&mut m.host, &[]);
    let mut own = Vec::new();
    for _ in 0..10 {
        let packet = m.peer.seal(CHALLENGE);
        m.host.deliver(CLIENT, &packet);
        own.extend(m.host.take_sent());
    }
    assert!(!own.is_empty());
    for (_, packet) in own {
        m.host.deliver(CLIENT, &packet);
    }
    assert!(m.host.take_sent().is_empty());
    m.assert_unharmed("its own packets");
}

// PTH-1, PTH-2.
#[test]
fn before_the_session_is_open_packets_from_elsewhere_are_dropped() {
    let mut m = BadClient::half_open(Limits::default());
    for n in 0..20 {
        let packet = m.peer.seal(CHALLENGE);
        m.host.deliver(elsewhere(n), &packet);
    }
    assert!(m.host.take_sent().is_empty());
    assert!(m.host.take_events().is_empty(), "it is not open");
    m.say(CHALLENGE);
    assert_eq!(m.peer.heard.path_responses.len(), 1);
}

// PTH-2, PTH-3, PTH-4.
#[test]
fn an_open_session_answers_where_it_was_and_asks_the_new_address_three_times_for_three_times_what_came() {
    let mut m = BadClient::new();
    let packet = m.peer.seal(CHALLENGE);
    m.host.deliver(elsewhere(1), &packet);
    m.wait(Duration::from_millis(30));
    assert_eq!(m.peer.heard.path_responses.len(), 1, "the answer went where RESP went");
    m.wait(Duration::from_secs(20));
    let there: Vec<usize> = m.host.take_sent_to(elsewhere(1)).iter().map(Vec::len).collect();
    assert!((1..=3).contains(&there.len()), "{there:?}");
    assert!(there.iter().sum::<usize>() <= 3 * packet.len(), "{there:?} for {}", packet.len());
    assert!(m.host.take_sent().is_empty(), "nothing went anywhere else");
    // A second packet from there, older than the newest, moves nothing.
    let old = m.peer.seal(CHALLENGE);
    m.say(CHALLENGE);
    m.host.deliver(elsewhere(2), &old);
    m.wait(Duration::from_secs(5));
    assert!(m.host.take_sent_to(elsewhere(2)).is_empty());
}

// PTH-2.
#[test]
fn a_challenge_that_is_answered_from_another_address_or_wrongly_moves_nothing() {
    let mut m = BadClient::new();
    let big = m.peer.seal(&[1; 500]);
    m.host.deliver(elsewhere(1), &big);
    m.wait(Duration::from_millis(30));
    assert_eq!(m.host.take_sent_to(elsewhere(1)).len(), 1);
    // Nobody but whoever is there has read the token.
    let mut dice = Dice::new(7);
    for n in 0..50 {
        let mut response = vec![5];
        response.extend_from_slice(&dice.bytes(8));
        let packet = m.peer.seal(&response);
        m.host.deliver(elsewhere(n % 3), &packet);
    }
    assert!(m.host.sessions().all(|session| session.peer() == CLIENT));
    assert!(m.host.take_events().iter().all(|event| !matches!(event, Event::Moved { .. })));
}

// SES-1, SES-2.
#[test]
fn a_half_open_session_says_nothing_and_is_forgotten() {
    let mut m = BadClient::half_open(Limits::default());
    let mut dice = Dice::new(2);
    for _ in 0..1000 {
        let mut junk = m.peer.seal(&dice.bytes(20));
        let last = junk.len() - 1;
        junk[last] ^= 1;
        m.peer.throw(&mut m.host, &junk);
    }
    m.wait(Duration::from_millis(9_999));
    assert_eq!(m.host.sessions().count(), 1);
    m.wait(Duration::from_millis(2));
    assert_eq!(m.host.sessions().count(), 0);
    assert_eq!(m.peer.heard.datagrams, 0);
}

// SES-5.
#[test]
fn a_session_without_an_authentic_packet_ends_in_silence_however_much_is_forged() {
    let mut m = BadClient::new();
    let before = m.peer.heard.datagrams;
    for _ in 0..31 {
        m.wait(Duration::from_secs(1));
        let mut forged = m.peer.seal(CHALLENGE);
        forged[20] ^= 1;
        m.peer.throw(&mut m.host, &forged);
    }
    assert_eq!(m.host.sessions().count(), 0);
    assert_eq!(m.peer.heard.datagrams, before);
}

#[test]
fn a_key_update_with_every_packet_is_followed_and_costs_nothing_lasting() {
    let mut m = BadClient::new();
    for _ in 0..2000 {
        m.peer.epoch += 1;
        // A hole, so that it is acknowledged at once: who never hears the other's epoch loses it.
        m.peer.next_pn += 1;
        m.say(&[0x01]);
    }
    assert_eq!(m.peer.heard.acked.count(), 2001);
    assert_eq!(m.peer.heard.strange, 0, "the server follows");
    m.assert_unharmed("after 2,000 key updates");
}

#[test]
fn packets_of_the_epoch_before_last_and_of_the_one_after_next_are_ignored() {
    let mut m = BadClient::new();
    for epoch in [2, 3, 4, 100] {
        let pn = m.peer.next_pn;
        let packet = m.peer.seal_as(&Shape { pn, epoch, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
    }
    assert!(m.peer.heard.path_responses.is_empty());
    m.peer.next_pn = 10;
    for epoch in 1..=3 {
        m.peer.epoch = epoch;
        m.say(&[0x01]);
        m.wait(Duration::from_millis(30));
    }
    for (epoch, pn) in [(0, 20), (1, 21), (0, 5), (1, 6), (5, 22)] {
        let packet = m.peer.seal_as(&Shape { pn, epoch, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &packet);
        assert!(m.peer.heard.path_responses.is_empty(), "epoch {epoch}, packet {pn}");
    }
    let late = m.peer.seal_as(&Shape { pn: 7, epoch: 2, ..Shape::default() }, CHALLENGE);
    m.peer.throw(&mut m.host, &late);
    assert_eq!(m.peer.heard.path_responses.len(), 1, "the epoch before may still come");
    m.assert_unharmed("epochs out of order");
}

#[test]
fn forged_key_updates_change_nothing() {
    let mut m = BadClient::new();
    for _ in 0..1000 {
        let pn = m.peer.next_pn;
        // Key phase 1 in the header, the key of epoch 0 behind it.
        let forged = m.peer.seal_as(&Shape { pn, flags: 1, ..Shape::default() }, CHALLENGE);
        m.peer.throw(&mut m.host, &forged);
    }
    assert!(m.peer.heard.path_responses.is_empty());
    m.assert_unharmed("forged key updates");
    m.peer.epoch = 1;
    m.assert_unharmed("and a true one");
}

// FRM-6.
#[test]
fn three_hundred_challenges_are_answered_with_one_packet_each_at_most() {
    let mut m = BadClient::new();
    let challenges: Vec<u8> = (0..130u8).flat_map(|n| [4, n, n, n, n, n, n, n, n]).collect();
    m.say(&challenges);
    assert_eq!(m.peer.heard.path_responses, [[129; 8]], "the latest of a packet is enough");
    let before = (m.peer.heard.datagrams, m.peer.heard.bytes);
    let sent: usize = (0..300)
        .map(|_| {
            let packet = m.peer.seal(CHALLENGE);
            m.peer.throw(&mut m.host, &packet);
            packet.len()
        })
        .sum();
    m.wait(Duration::from_secs(2));
    assert!(m.peer.heard.datagrams - before.0 <= 320, "{}", m.peer.heard.datagrams);
    assert!(m.peer.heard.bytes - before.1 <= 2 * sent as u64);
    assert!(m.host.sessions().all(|s| s.in_flight() < 20_000), "the window holds for answers, too");
    m.assert_unharmed("300 challenges");
}

// SES-7, SES-8, SES-9.
#[test]
fn a_storm_of_closes_and_packets_after_a_close_draws_one_answer_a_second() {
    let mut m = BadClient::new();
    m.say(&[0xff]);
    assert_eq!(m.peer.heard.closes.len(), 1);
    let before = m.peer.heard.datagrams;
    for _ in 0..1000 {
        m.say(&[0x03, 0, 0, 0]);
        m.say(&[0x01]);
    }
    assert_eq!(m.peer.heard.datagrams, before);
    // Without a sample three probe timeouts are three seconds and a little.
    m.wait(Duration::from_secs(4));
    assert_eq!(m.host.sessions().count(), 0);
    m.say(&[0x01]);
    assert_eq!(m.peer.heard.datagrams, before);

    let mut m = BadClient::new();
    for _ in 0..1000 {
        m.say(&[0x03, 0, 0, 0]);
    }
    assert!(m.peer.heard.closes.is_empty(), "a CLOSE is not answered");
}

#[test]
fn a_client_ignores_what_does_not_open_as_well() {
    let mut m = BadServer::asked();
    let mut dice = Dice::new(3);
    let packet = m.peer.seal(CHALLENGE);
    let before = m.peer.heard.datagrams;
    for bit in 0..packet.len() * 8 {
        let mut other = packet.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        m.peer.throw(&mut m.host, &other);
        let len = dice.below(1500);
        m.peer.throw(&mut m.host, &dice.bytes(len));
    }
    assert_eq!(m.peer.heard.datagrams, before);
    for _ in 0..3 {
        m.peer.throw(&mut m.host, &packet);
    }
    assert_eq!(m.peer.heard.path_responses.len(), 1);
    m.assert_unharmed("after that");
}
