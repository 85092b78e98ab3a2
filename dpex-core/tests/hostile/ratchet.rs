//! Fresh secrets in the middle of a session: when they are agreed on, and what a peer that does it wrongly meets.

use std::time::Duration;

use dpex_core::suite::{CipherSuite as _, KeyAgreement};
use dpex_core::testing::NullSuite;
use dpex_core::types::Secret;
use dpex_core::wire::frame::{self, CloseCode};

use super::support::*;

const SECOND: Duration = Duration::from_secs(1);

fn secret(n: u8) -> Box<dyn KeyAgreement> {
    NullSuite::leak(77).key_agreement(&Secret::new([n; 32])).expect("a share")
}

fn offer(step: u64, share: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_ratchet_offer(&mut out, step, share);
    out
}

fn answer(step: u64, share: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_ratchet_answer(&mut out, step, share);
    out
}

/// Offers step `n` and hears the answer to it.
fn offered(m: &mut BadClient, n: u8) -> [u8; 32] {
    m.say(&offer(n.into(), &secret(n).public()));
    m.peer.ack(&mut m.host);
    let (step, share) = *m.peer.heard.answers.last().expect("an answer");
    assert_eq!(step, u64::from(n));
    share
}

/// Moves into the epoch of the step that was answered.
fn move_on(m: &mut BadClient, n: u8, theirs: &[u8; 32]) {
    m.peer.step(secret(n), theirs);
    m.peer.epoch += 1;
    m.say(&[0x01]);
    m.wait(Duration::from_millis(30));
}

// KEY-8, KEY-9, KEY-10, KEY-11.
#[test]
fn a_client_offers_a_share_after_an_hour_and_moves_on_when_it_is_answered() {
    let mut m = BadServer::new();
    let mut minutes = 0;
    while m.peer.heard.offers.is_empty() {
        for _ in 0..6 {
            m.wait(10 * SECOND);
            m.say(&[0x01]);
            m.peer.ack(&mut m.host);
        }
        minutes += 1;
        assert!(minutes <= 61, "no offer");
    }
    assert!(minutes >= 60, "after {minutes} minutes");
    let (step, share) = m.peer.heard.offers[0];
    assert_eq!((step, m.peer.epoch), (1, m.host.session().expect("a session").epoch()));
    let ours = secret(1);
    let reply = answer(1, &ours.public());
    let packet = m.peer.seal(&reply);
    m.peer.step(ours, &share);
    m.peer.throw(&mut m.host, &packet);
    m.peer.ack(&mut m.host);
    m.wait(Duration::from_millis(30));
    let session = m.host.session().expect("a session");
    assert_eq!((session.ratchet_steps(), session.epoch()), (1, m.peer.epoch), "and this side follows");
    assert_eq!(m.peer.heard.strange, 0, "what it says is under the new secrets");
    m.say(&reply);
    m.assert_unharmed("an answer that comes twice");
}

// KEY-12.
#[test]
fn a_session_without_a_step_for_two_hours_ends() {
    let mut client = BadClient::new();
    let mut server = BadServer::new();
    for round in 0..719 {
        client.wait(10 * SECOND);
        client.say(&[0x01]);
        client.peer.ack(&mut client.host);
        server.wait(10 * SECOND);
        server.say(&[0x01]);
        server.peer.ack(&mut server.host);
        assert_eq!((&client.peer.heard.closes[..], &server.peer.heard.closes[..]), (&[][..], &[][..]), "round {round}");
    }
    client.wait(20 * SECOND);
    assert_eq!(client.peer.heard.close(), Some(CloseCode::KeyLimit));
    server.wait(20 * SECOND);
    assert_eq!(server.peer.heard.close(), Some(CloseCode::KeyLimit));
}

// KEY-10, KEY-11.
#[test]
fn a_server_answers_every_step_and_follows_its_client() {
    let mut m = BadClient::new();
    for n in 1..=20 {
        let theirs = offered(&mut m, n);
        assert!(
            m.peer.heard.answers.iter().filter(|(_, share)| *share == theirs).count() == 1,
            "a fresh share each time"
        );
        move_on(&mut m, n, &theirs);
        let session = m.host.sessions().next().expect("a session");
        assert_eq!((session.ratchet_steps(), session.epoch()), (n.into(), m.peer.epoch));
        m.say(&offer(n.into(), &secret(n).public()));
        m.say(&offer(1, &[n; 32]));
        m.wait(SECOND);
        m.peer.ack(&mut m.host);
    }
    assert_eq!(m.peer.heard.strange, 0);
    m.assert_unharmed("twenty steps, and offers that come late");
}

// KEY-10.
#[test]
fn an_answer_that_is_lost_is_sent_again_and_no_key_moves_meanwhile() {
    let mut m = BadClient::new();
    m.host.sessions_mut().for_each(|session| session.update_keys_every(1));
    m.say(&offer(1, &secret(1).public()));
    assert_eq!(m.peer.heard.answers.len(), 1);
    for _ in 0..50 {
        m.wait(SECOND);
        m.say(&offer(1, &secret(1).public()));
    }
    assert!(m.peer.heard.answers.len() > 2, "nothing was acknowledged");
    m.peer.ack(&mut m.host);
    // Each is answered by a packet that is acknowledged.
    let exchange = |m: &mut BadClient| {
        m.say(&[4; 9]);
        m.peer.ack(&mut m.host);
    };
    (0..50).for_each(|_| exchange(&mut m));
    assert_eq!(m.peer.epoch, 0, "a step is under way");
    let theirs = m.peer.heard.answers[0].1;
    move_on(&mut m, 1, &theirs);
    assert_eq!(m.host.sessions().next().map(|session| session.ratchet_steps()), Some(1));
    (0..5).for_each(|_| exchange(&mut m));
    assert!(m.peer.epoch > 1, "and now it may");
    assert_eq!(m.peer.heard.strange, 0);
    m.assert_unharmed("a step that took long");
}

// KEY-10.
#[test]
fn after_a_step_nothing_opens_that_derives_from_the_secrets_of_before() {
    let mut m = BadClient::new();
    offered(&mut m, 1);
    m.peer.epoch = 1;
    m.say(&[4; 9]);
    m.wait(SECOND);
    assert!(m.peer.heard.path_responses.is_empty(), "the chain of before is dead");
    assert_eq!(m.peer.heard.closes, []);
}

// KEY-14.
#[test]
fn offers_and_answers_out_of_turn_close_the_session() {
    let good = secret(1).public();
    for (what, payloads) in [
        ("a step too far", vec![offer(2, &good)]),
        ("a share that gives nothing", vec![offer(1, &[0; 32])]),
        ("two shares in one step", vec![offer(1, &good), offer(1, &secret(2).public())]),
        ("the next step before this one is done", vec![offer(1, &good), offer(2, &good)]),
        ("an answer from a client", vec![answer(1, &good)]),
        ("an answer from a client, to nothing", vec![answer(0, &good)]),
    ] {
        let mut client = BadClient::new();
        payloads.iter().for_each(|payload| client.say(payload));
        client.assert_closed_for_violation(what);
    }
    for (what, payload) in [
        ("an offer from a server", offer(1, &good)),
        ("an answer that was not asked for", answer(1, &good)),
        ("an answer from the future", answer(9, &good)),
    ] {
        let mut server = BadServer::new();
        server.say(&payload);
        server.assert_closed_for_violation(what);
    }
}

// KEY-14.
#[test]
fn an_answer_that_gives_nothing_closes_the_session_under_the_keys_that_both_have() {
    let mut m = BadServer::new();
    m.host.ratchet_every(0);
    m.wait(2 * SECOND);
    m.peer.ack(&mut m.host);
    assert_eq!(m.peer.heard.offers.len(), 1);
    m.say(&answer(1, &[0; 32]));
    m.assert_closed_for_violation("an answer that gives nothing");
}

// KEY-14.
#[test]
fn two_steps_within_a_second_close_the_session() {
    let mut m = BadClient::new();
    let theirs = offered(&mut m, 1);
    move_on(&mut m, 1, &theirs);
    m.wait(Duration::from_millis(900));
    m.say(&offer(2, &secret(2).public()));
    m.assert_closed_for_violation("two steps within a second");
}
