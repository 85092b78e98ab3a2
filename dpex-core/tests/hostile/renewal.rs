//! Secrets of an enrolment that are renewed in session: who is given which, and until when the old ones work.

use std::sync::Arc;
use std::time::Duration;

use dpex_core::engine::{Event, Limits, Rejection};
use dpex_core::seal::Kind;
use dpex_core::testing::scripted::{Acquaintance, ServerHost, Victim};
use dpex_core::testing::{MemStore, NullSuite, Scripted};
use dpex_core::types::Secret;
use dpex_core::wire::message::Message;

use super::support::*;

struct Renewing {
    old: Acquaintance,
    new: Acquaintance,
    host: ServerHost,
}

impl Renewing {
    /// A server that waits for this client to take what was renewed.
    fn new(psk: bool, knock: bool) -> Self {
        let old = Acquaintance::new(NullSuite::leak(6));
        let new = old.renewed(psk, knock);
        let mut host = ServerHost::new(&old, &MemStore::new(), Limits::default());
        host.with_endpoint(|endpoint| {
            let mut person = old.person();
            person.next = psk.then(|| new.next_key());
            endpoint.enrol(person).expect("room");
            if knock {
                endpoint.set_knock(Arc::new(new.knock()), Some(old.former_knock(&new)));
            }
        });
        Self { old, new, host }
    }

    /// Somebody comes with these secrets, and is let in; what they are given.
    fn visit(&mut self, with: &Acquaintance) -> Option<(Option<Secret>, Option<Secret>)> {
        self.host.advance(Duration::from_secs(2));
        let mut peer = Scripted::client(with, &mut self.host, CLIENT)?;
        peer.say(&mut self.host, &[0x01]);
        peer.attend(&mut self.host, 10);
        let mut given = (None, None);
        for message in &peer.heard.messages {
            if let Message::Renew { psk, knock } = message {
                let open = |kind, wrapped: &Option<_>| wrapped.map(|w| peer.wrap.open(kind, &w).expect("it opens"));
                given = (open(Kind::Psk, psk), open(Kind::Knock, knock));
            }
        }
        peer.say(&mut self.host, &[0x03, 0, 0, 0]);
        Some(given)
    }
}

// ENR-26, ENR-27.
#[test]
fn who_comes_with_the_old_key_is_given_the_new_one_and_both_work_until_it_is_used() {
    let mut m = Renewing::new(true, false);
    let (old, new) = (m.old.clone(), m.new.clone());
    let told = Some((Some(new.next_key().psk), None));
    for visit in 0..3 {
        assert_eq!(m.visit(&old), told, "visit {visit}: it may not have been kept");
    }
    assert_eq!(m.host.take_renewed(), []);
    assert_eq!(m.visit(&new), Some((None, None)), "and whoever has it is told nothing");
    assert_eq!(m.host.take_renewed(), [(true, false)]);
    assert_eq!(m.visit(&old), None, "the old one is silence from then on");
    assert_eq!(m.visit(&new), Some((None, None)));
    assert_eq!(m.host.take_renewed(), []);
}

// ENR-27.
#[test]
fn what_the_owner_read_before_the_new_key_was_used_does_not_bring_the_old_one_back() {
    let mut m = Renewing::new(true, false);
    let (old, new) = (m.old.clone(), m.new.clone());
    assert!(m.visit(&new).is_some());
    m.host.with_endpoint(|endpoint| {
        let mut person = old.person();
        person.next = Some(new.next_key());
        endpoint.enrol(person).expect("room");
    });
    assert_eq!(m.host.take_renewed(), [(true, false), (true, false)], "and the owner is told again");
    assert_eq!(m.visit(&old), None);
    assert_eq!(m.visit(&new), Some((None, None)));
}

// ENR-26, ENR-27.
#[test]
fn secrets_that_are_replaced_while_a_signature_is_looked_at_are_not_taken_for_the_new_ones() {
    let mut m = Renewing::new(false, false);
    let (old, new) = (m.old.clone(), m.old.renewed(true, true));
    m.host.let_crypto_wait(true);
    let (init, _) = old.init(m.host.moment().wall);
    m.host.deliver(CLIENT, &init);
    assert_eq!(m.host.jobs(), 1);
    m.host.with_endpoint(|endpoint| {
        let mut person = old.person();
        person.next = Some(new.next_key());
        endpoint.enrol(person).expect("room");
        endpoint.set_knock(Arc::new(new.knock()), Some(old.former_knock(&new)));
    });
    m.host.let_crypto_wait(false);
    assert_eq!(m.host.take_renewed(), [], "it came with neither");
    assert_eq!(m.host.sessions().count(), 1, "and with what still works");
    m.host.advance(Duration::from_secs(11));
    let told = (Some(new.next_key().psk), Some(old.former_knock(&new).successor));
    assert_eq!(m.visit(&old), Some(told));
    // The other way round: the key it came with is dead by then.
    m.host.let_crypto_wait(true);
    let (init, _) = old.init(m.host.moment().wall.plus(Duration::from_secs(3)));
    m.host.deliver(CLIENT, &init);
    m.host.with_endpoint(|endpoint| endpoint.enrol(new.person()).expect("room"));
    m.host.let_crypto_wait(false);
    assert_eq!(m.host.take_sent_to(CLIENT), Vec::<Vec<u8>>::new());
}

// ENR-26.
#[test]
fn who_comes_through_the_old_gate_is_given_the_new_one_and_both_are_open_until_it_is_shut() {
    let mut m = Renewing::new(false, true);
    let (old, new) = (m.old.clone(), m.new.clone());
    assert_eq!(m.visit(&old), Some((None, Some(m.new.former_knock(&new).successor))));
    assert_eq!(m.host.take_renewed(), []);
    assert_eq!(m.visit(&new), Some((None, None)));
    assert_eq!(m.host.take_renewed(), [(false, true)], "so that the owner knows who has it");
    assert!(m.visit(&old).is_some(), "others may not have it yet");
    m.host.with_endpoint(|endpoint| endpoint.set_knock(Arc::new(new.knock()), None));
    assert_eq!(m.visit(&old), None);
    assert_eq!(m.visit(&new), Some((None, None)));
    assert_eq!(m.host.take_renewed(), []);
}

#[test]
fn both_may_be_renewed_at_once() {
    let mut m = Renewing::new(true, true);
    let (old, new) = (m.old.clone(), m.new.clone());
    let told = (Some(new.next_key().psk), Some(old.former_knock(&new).successor));
    assert_eq!(m.visit(&old), Some(told));
    assert_eq!(m.visit(&new), Some((None, None)));
    assert_eq!(m.host.take_renewed(), [(true, true)]);
}

// ENR-27: only a client that has proved its identity has used it.
#[test]
fn a_thief_of_the_new_key_does_not_end_the_old_one() {
    let mut m = Renewing::new(true, false);
    let (old, thief) = (m.old.clone(), m.new.stolen());
    assert_eq!(m.visit(&thief), None);
    assert_eq!(m.host.take_rejected(), [Rejection::BadSignature]);
    assert_eq!(m.host.take_renewed(), []);
    assert!(m.visit(&old).is_some());
}

// ENR-30.
#[test]
fn a_client_takes_what_opens_and_ends_the_session_over_what_does_not() {
    let secret = Secret::new([7; 32]);
    let mut good = BadServer::new();
    let psk = Some(good.peer.wrap.seal(Kind::Psk, &secret).expect("sealed"));
    good.tell(Message::Renew { psk, knock: None });
    let news = good.host.take_events().into_iter().find_map(|event| match event {
        Event::Renewed { psk, knock } => Some((psk, knock)),
        _ => None,
    });
    assert_eq!(news, Some((Some(secret.clone()), None)));
    good.assert_unharmed("secrets that open");

    for bit in [0, 11, 12, 43, 44, 59] {
        let mut bad = BadServer::new();
        let mut wrapped = bad.peer.wrap.seal(Kind::Psk, &secret).expect("sealed");
        wrapped[bit] ^= 1;
        bad.tell(Message::Renew { psk: Some(wrapped), knock: None });
        bad.assert_closed_for_violation("a changed byte");
    }
    let mut swapped = BadServer::new();
    let wrapped = swapped.peer.wrap.seal(Kind::Psk, &secret).expect("sealed");
    swapped.tell(Message::Renew { psk: None, knock: Some(wrapped) });
    swapped.assert_closed_for_violation("one secret in the place of the other");

    let mut client = BadClient::new();
    let wrapped = client.peer.wrap.seal(Kind::Psk, &secret).expect("sealed");
    client.tell(Message::Renew { psk: Some(wrapped), knock: None });
    client.assert_closed_for_violation("secrets from a client");
}
