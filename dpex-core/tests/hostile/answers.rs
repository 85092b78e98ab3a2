//! What a client does with answers to its INIT that it should not believe: nothing, and it goes on waiting.

use std::time::{Duration, Instant};

use dpex_core::engine::{ConnectorEvent, Limits};
use dpex_core::testing::scripted::{Acquaintance, Answer, ClientHost, Victim};
use dpex_core::testing::{MemStore, NullSuite, Scripted};

use super::support::*;

struct Waiting {
    keys: Acquaintance,
    host: ClientHost,
    init: Vec<u8>,
}

impl Waiting {
    fn new() -> Self {
        let keys = Acquaintance::new(NullSuite::leak(7));
        let mut host = ClientHost::new(Instant::now(), &keys, SERVER, &MemStore::new(), Limits::default());
        let init = host.take_sent().pop().expect("an INIT");
        Self { keys, host, init }
    }

    /// An answer to the INIT changes nothing at all.
    fn assert_ignored(&mut self, answer: &[u8], what: &str) {
        self.host.deliver(SERVER, answer);
        assert!(self.host.session().is_none(), "{what}");
        assert!(self.host.take_handshake().is_empty(), "{what}");
        assert!(self.host.take_sent().is_empty(), "{what}");
    }

    /// After all that, the true server's answer to the same INIT is taken.
    fn assert_still_waiting(&mut self) {
        let answer = Answer::honest().to(&self.keys, &self.init);
        self.host.deliver(SERVER, &answer);
        assert!(self.host.session().is_some(), "the INIT is still pending");
    }
}

#[test]
fn any_other_datagram_is_ignored() {
    let mut m = Waiting::new();
    let mut dice = Dice::new(1);
    let answer = Answer::honest().to(&m.keys, &m.init);
    for len in 0..=1500 {
        m.assert_ignored(&dice.bytes(len), "random bytes");
        if len != answer.len() {
            let cut: Vec<_> = answer.iter().copied().cycle().take(len).collect();
            m.assert_ignored(&cut, "a RESP of another length");
        }
    }
    let init = m.init.clone();
    m.assert_ignored(&init, "its own INIT");
    m.host.deliver(SERVER, &answer);
    assert!(m.host.session().is_some());
}

#[test]
fn every_flipped_bit_of_an_answer_is_ignored_and_the_true_answer_taken_after() {
    let mut m = Waiting::new();
    let answer = Answer::honest().to(&m.keys, &m.init);
    for bit in 0..1200 * 8 {
        let mut other = answer.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        m.assert_ignored(&other, &format!("bit {bit}"));
    }
    m.host.deliver(SERVER, &answer);
    assert!(m.host.session().is_some());
}

#[test]
fn an_answer_to_another_init_is_ignored() {
    let mut m = Waiting::new();
    let mut others = Waiting { keys: m.keys.clone(), ..Waiting::new() };
    others.host = ClientHost::new(Instant::now(), &m.keys, SERVER, &MemStore::new(), Limits::default());
    let other = others.host.take_sent().pop().expect("an INIT");
    let answer = Answer::honest().to(&m.keys, &other);
    m.assert_ignored(&answer, "another INIT's");
    let mut forced = answer;
    let own = Answer::honest().to(&m.keys, &m.init);
    forced[..8].copy_from_slice(&own[..8]);
    m.assert_ignored(&forced, "another INIT's under this one's rid");
    m.assert_still_waiting();
}

#[test]
fn an_answer_with_a_choice_that_was_not_offered_is_ignored() {
    for (version, suite) in [(1, 2), (2, 1), (2, 2), (0, 1), (1, 0), (0xffff, 1)] {
        let mut m = Waiting::new();
        let answer = Answer { version, suite, ..Answer::honest() }.to(&m.keys, &m.init);
        m.assert_ignored(&answer, &format!("version {version}, suite {suite}"));
        m.assert_still_waiting();
    }
}

#[test]
fn who_robbed_the_client_cannot_be_the_server_to_it() {
    for with_its_key in [true, false] {
        let mut m = Waiting::new();
        let answer = Answer::honest().to(&m.keys.robbed_client(with_its_key), &m.init);
        m.host.deliver(SERVER, &answer);
        assert!(m.host.session().is_none());
        assert!(matches!(m.host.take_handshake()[..], [ConnectorEvent::ServerKeyDiffers]));
        m.host.advance(Duration::from_secs(2));
        m.init = m.host.take_sent().pop().expect("the next INIT");
        m.assert_still_waiting();
    }
}

// HS-19.
#[test]
fn the_secrets_without_the_server_key_give_a_warning_and_no_session() {
    let mut m = Waiting::new();
    let thief = m.keys.stolen();
    for _ in 0..10 {
        let answer = Answer::honest().to(&thief, &m.init);
        m.host.deliver(SERVER, &answer);
        assert!(m.host.session().is_none());
    }
    let warnings = m.host.take_handshake();
    assert!(matches!(warnings[..], [ConnectorEvent::ServerKeyDiffers]), "one share is agreed upon once: {warnings:?}");
    m.host.advance(Duration::from_secs(2));
    m.init = m.host.take_sent().pop().expect("the next INIT");
    m.assert_still_waiting();
}

#[test]
fn an_authentic_answer_that_is_malformed_is_ignored() {
    type Change = fn(&mut [u8]);
    let malformed: [(&str, Change); 9] = [
        ("1199 bytes accepted", |p| p[..2].copy_from_slice(&1199u16.to_be_bytes())),
        ("first flag", |p| p[4] = 0x80),
        ("last flag", |p| p[7] = 1),
        ("a clock beyond time", |p| p[8] = 0x80),
        ("signature of 0", |p| p[16..18].fill(0)),
        ("signature of 65535", |p| p[16..18].fill(0xff)),
        ("bytes after the signature", |p| p[18 + 511] = 1),
        ("an unknown critical extension", |p| p[530..534].copy_from_slice(&[0x80, 9, 0, 0])),
        ("a refusal that chooses", |p| p[530..536].copy_from_slice(&[0x80, 1, 0, 2, 0, 1])),
    ];
    for (name, change) in malformed {
        let mut m = Waiting::new();
        let mut answer = Answer::honest();
        change(&mut answer.payload);
        let answer = answer.to(&m.keys, &m.init);
        m.assert_ignored(&answer, name);
    }
    let mut m = Waiting::new();
    let choice_of_nothing = Answer { version: 0, suite: 0, ..Answer::honest() }.to(&m.keys, &m.init);
    m.assert_ignored(&choice_of_nothing, "a choice of nothing that is no refusal");
}

#[test]
fn a_share_of_low_order_is_ignored() {
    let mut m = Waiting::new();
    let answer = Answer { share: Some([0; 32]), ..Answer::honest() }.to(&m.keys, &m.init);
    m.assert_ignored(&answer, "zero");
}

// HS-19.
#[test]
fn only_the_true_server_can_refuse() {
    let mut refusal = Answer { version: 0, suite: 0, ..Answer::honest() };
    refusal.payload[530..536].copy_from_slice(&[0x80, 1, 0, 2, 0, 3]);
    let mut m = Waiting::new();
    let forged = refusal.to(&m.keys.stolen(), &m.init);
    m.host.deliver(SERVER, &forged);
    assert!(matches!(m.host.take_handshake()[..], [ConnectorEvent::ServerKeyDiffers]));
    m.host.advance(Duration::from_secs(2));
    m.init = m.host.take_sent().pop().expect("it goes on");
    let true_one = refusal.to(&m.keys, &m.init);
    m.host.deliver(SERVER, &true_one);
    assert!(matches!(m.host.take_handshake()[..], [ConnectorEvent::Refused { code: 3 }]));
    m.host.advance(Duration::from_secs(30));
    assert!(m.host.take_sent().is_empty(), "it does not ask again");
}

// HS-20.
#[test]
fn an_answer_that_comes_twice_makes_one_session() {
    let mut m = Waiting::new();
    let answer = Answer::honest().to(&m.keys, &m.init);
    m.host.deliver(SERVER, &answer);
    let first = m.host.session().expect("a session").id();
    let sent = m.host.take_sent().len();
    assert_eq!(sent, 1, "the client proves its keys at once");
    for _ in 0..10 {
        m.host.deliver(SERVER, &answer);
    }
    assert_eq!(m.host.session().expect("a session").id(), first);
    assert!(m.host.take_sent().is_empty());
}

// HS-17.
#[test]
fn nobody_answers_and_the_client_gives_up_after_a_few_inits() {
    let mut m = Waiting::new();
    let mut inits = vec![m.init.clone()];
    m.host.advance(Duration::from_secs(25));
    inits.extend(m.host.take_sent());
    assert!((4..=5).contains(&inits.len()), "{}", inits.len());
    inits.sort();
    inits.dedup();
    assert!(inits.len() >= 4, "each is a new one");
    assert!(matches!(m.host.take_handshake()[..], [ConnectorEvent::TimedOut]));
}

/// A server, or somebody else who has the knock, answers every INIT with a COOKIE.
fn cookie_for(keys: &Acquaintance, init: &[u8]) -> Vec<u8> {
    let cookies = dpex_core::seal::Cookies::new(Instant::now(), keys.suite).expect("random bytes");
    cookies.reply(&keys.knock(), init, CLIENT).expect("an INIT").to_vec()
}

#[test]
fn a_cookie_for_every_init_neither_crashes_the_client_nor_makes_it_flood() {
    let mut m = Waiting::new();
    let mut waiting = vec![m.init.clone()];
    let mut inits = 1;
    for _ in 0..2500 {
        for init in std::mem::take(&mut waiting) {
            let cookie = cookie_for(&m.keys, &init);
            m.host.deliver(SERVER, &cookie);
        }
        m.host.advance(Duration::from_millis(10));
        waiting = m.host.take_sent();
        inits += waiting.len();
    }
    assert!(inits <= 10, "{inits} INITs in 20 s");
    assert!(matches!(m.host.take_handshake()[..], [ConnectorEvent::TimedOut]));
}

// COO-5. A handshake has one server address and ends after 20 s, and the next one begins without a cookie.
#[test]
fn a_cookie_from_somebody_else_does_not_keep_the_answer_out() {
    let mut m = Waiting::new();
    let cookies = dpex_core::seal::Cookies::new(Instant::now(), m.keys.suite).expect("random bytes");
    let cookie = cookies.reply(&m.keys.knock(), &m.init, CLIENT).expect("an INIT");
    assert!(!cookies.valid(Instant::now(), &m.init, CLIENT), "the first one has none");
    m.host.deliver(SERVER, cookie.as_slice());
    let [new] = &m.host.take_sent()[..] else { panic!("one INIT") };
    assert!(cookies.valid(Instant::now(), new, CLIENT), "with the cookie");
    assert_ne!(new[..32], m.init[..32], "a new INIT");
    m.assert_still_waiting();
}

// COO-6.
#[test]
fn a_cookie_that_comes_again_moves_nothing() {
    let mut m = Waiting::new();
    let cookie = cookie_for(&m.keys, &m.init);
    m.host.deliver(SERVER, &cookie);
    assert_eq!(m.host.take_sent().len(), 1);
    for _ in 0..10 {
        m.assert_ignored(&cookie, "the same COOKIE");
    }
    for bit in 0..72 * 8 {
        let mut m = Waiting::new();
        let mut other = cookie_for(&m.keys, &m.init);
        other[bit / 8] ^= 1 << (bit % 8);
        m.assert_ignored(&other, &format!("bit {bit}"));
    }
}

#[test]
fn a_client_that_was_answered_sends_no_further_init() {
    let mut m = Waiting::new();
    let mut host = m.host;
    let mut peer = {
        // Scripted answers the last INIT; give it that one back.
        let answer = Answer::honest().to(&m.keys, &m.init);
        host.deliver(SERVER, &answer);
        host.take_sent()
    };
    host.advance(Duration::from_secs(60));
    peer.extend(host.take_sent());
    assert!(peer.iter().all(|d| d.len() < 1200), "only records follow");
    m.keys = Acquaintance::new(NullSuite::leak(8));
    let mut fresh = ClientHost::new(Instant::now(), &m.keys, SERVER, &MemStore::new(), Limits::default());
    let _ = Scripted::server(&m.keys, &mut fresh, SERVER);
    assert!(fresh.session().is_some());
}
