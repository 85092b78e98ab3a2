//! What a server does with INITs that it should not answer, row by row: silence, and no public-key operation before
//! both gates are passed.

use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer, Limits, Rejection};
use dpex_core::seal::HandshakeError;
use dpex_core::testing::scripted::{Acquaintance, BEGINNING, ServerHost, Victim, offer};
use dpex_core::testing::{CountingSuite, Counts, MemStore, NullSuite, Scripted};
use dpex_core::types::Timestamp;
use dpex_core::wire::frame::CloseCode;

use super::support::*;

/// A server that counts its public-key operations. The client's are counted elsewhere.
struct Gate {
    counting: &'static CountingSuite,
    keys: Acquaintance,
    host: ServerHost,
}

impl Gate {
    fn new() -> Self {
        let counting = CountingSuite::leak(NullSuite::leak(3));
        let keys = Acquaintance::new(counting);
        let host = ServerHost::new(&keys, &MemStore::new(), Limits::default());
        Self { counting, keys, host }
    }

    fn stamp(secs: i64) -> Timestamp {
        Timestamp::new(BEGINNING + secs, 0).expect("whole seconds")
    }

    fn init(&self, secs: i64) -> Vec<u8> {
        self.keys.init(Self::stamp(secs)).0
    }

    /// What the server's machines did in answer to a datagram: public-key operations, and datagrams sent.
    fn cost(&mut self, datagram: &[u8]) -> (u64, usize) {
        let before = sum(self.counting.counts());
        self.host.deliver(CLIENT, datagram);
        (sum(self.counting.counts()) - before, self.host.take_sent().len())
    }

    fn assert_ignored(&mut self, datagram: &[u8], what: &str) {
        assert_eq!(self.cost(datagram), (0, 0), "{what}");
        assert_eq!(self.host.sessions().count(), 0, "{what}");
    }

    /// A second passes, so that no bucket is empty.
    fn rest(&mut self) {
        self.host.advance(Duration::from_secs(2));
    }
}

fn sum(counts: Counts) -> u64 {
    counts.signs + counts.verifies + counts.shares + counts.agrees + counts.wraps + counts.unwraps
}

// COO-1, HS-15, SES-2.
#[test]
fn a_good_init_costs_a_verification_an_agreement_and_a_signature_and_is_answered_once() {
    let mut gate = Gate::new();
    let init = gate.init(0);
    let before = gate.counting.counts();
    gate.host.deliver(CLIENT, &init);
    let after = gate.counting.counts();
    assert_eq!((after.verifies - before.verifies, after.signs - before.signs), (1, 1));
    assert_eq!((after.shares - before.shares, after.agrees - before.agrees), (1, 1));
    assert_eq!(gate.host.take_sent().iter().map(|(to, d)| (*to, d.len())).collect::<Vec<_>>(), [(CLIENT, 1200)]);
    gate.host.advance(Duration::from_secs(9));
    assert!(gate.host.take_sent().is_empty(), "RESP is never repeated");
    assert_eq!(gate.host.sessions().count(), 1);
    gate.host.advance(Duration::from_secs(2));
    assert_eq!(gate.host.sessions().count(), 0, "a half-open session is forgotten after 10 s");
    assert!(gate.host.take_sent().is_empty());
}

#[test]
fn datagrams_of_every_length_are_ignored() {
    let mut gate = Gate::new();
    let mut dice = Dice::new(1);
    let init = gate.init(0);
    for len in 0..=1500 {
        gate.assert_ignored(&dice.bytes(len), "random bytes");
        gate.assert_ignored(&vec![0; len], "zeros");
        if len != init.len() {
            let cut: Vec<_> = init.iter().copied().cycle().take(len).collect();
            gate.assert_ignored(&cut, "an INIT of another length");
        }
    }
    let counters = gate.host.endpoint().counters();
    assert_eq!(counters.noise, 1500 * 3);
    assert_eq!(counters.bad_mac1, 2);
    assert_eq!(gate.cost(&init).1, 1, "the INIT itself is still good");
}

// HS-11, HS-12.
#[test]
fn every_flipped_bit_before_mac2_is_ignored() {
    let mut gate = Gate::new();
    let init = gate.init(0);
    for bit in 0..1184 * 8 {
        let mut other = init.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        gate.assert_ignored(&other, &format!("bit {bit}"));
    }
    assert_eq!(gate.host.endpoint().counters().bad_mac1, 1184 * 8);
    assert_eq!(gate.host.take_rejected(), []);
    assert_eq!(gate.cost(&init).1, 1);
}

// HS-11, HS-12.
#[test]
fn who_knows_the_knock_and_no_enrolment_is_ignored() {
    let mut gate = Gate::new();
    let stranger = gate.keys.another();
    let init = stranger.init(Gate::stamp(0)).0;
    gate.assert_ignored(&init, "an enrolment that this server does not have");
    assert_eq!(gate.host.endpoint().counters().bad_tag, 1);
    let mut host = gate.host;
    host.with_endpoint(|e| e.enrol(stranger.person()).expect("room"));
    host.advance(Duration::from_secs(1));
    host.deliver(CLIENT, &init);
    assert_eq!(host.take_sent().len(), 1, "the control");
}

// BAD-2, HS-11, HS-12.
#[test]
fn an_authentic_init_that_is_malformed_is_ignored_and_noted() {
    type Change = fn(&mut [u8]);
    let malformed: [(&str, Change); 12] = [
        ("seconds beyond time", |p| p[32] = 0x80),
        ("a whole second of nanoseconds", |p| p[40..44].copy_from_slice(&1_000_000_000u32.to_be_bytes())),
        ("1199 bytes accepted", |p| p[124..126].copy_from_slice(&1199u16.to_be_bytes())),
        ("first flag", |p| p[128] = 0x80),
        ("last flag", |p| p[131] = 1),
        ("signature of 0", |p| p[132..134].fill(0)),
        ("signature of 65535", |p| p[132..134].fill(0xff)),
        ("bytes after the signature", |p| p[134 + 511] = 1),
        ("last padding byte", |p| p[1103] = 1),
        ("extension past the end", |p| p[646..650].copy_from_slice(&[0, 5, 0xff, 0xff])),
        ("extension of kind 0", |p| p[646..650].copy_from_slice(&[0x80, 0, 0, 0])),
        ("one extension twice", |p| p[646..654].copy_from_slice(&[0, 5, 0, 0, 0x80, 5, 0, 0])),
    ];
    let mut gate = Gate::new();
    let mut secs = 0;
    let mut next = |gate: &mut Gate, change: Change| {
        secs += 2;
        gate.rest();
        let init = gate.init(secs);
        let head = *init.first_chunk().expect("a head");
        let mut payload = gate.keys.init_payload(&init).1.to_vec();
        change(&mut payload);
        gate.keys.sealed_init(&head, payload)
    };
    for (name, change) in malformed {
        let init = next(&mut gate, change);
        gate.assert_ignored(&init, name);
        assert_eq!(gate.host.take_rejected(), [Rejection::Malformed(HandshakeError::Malformed)], "{name}");
    }
    for byte in [60, 91, 92, 123] {
        let init = next(&mut gate, |_| ());
        let init = gate.keys.altered_init(&init, |p| p[byte] ^= 1);
        gate.assert_ignored(&init, "other identities");
        assert_eq!(gate.host.take_rejected(), [Rejection::Malformed(HandshakeError::WrongIdentity)], "byte {byte}");
    }
    let critical = next(&mut gate, |_| ());
    let critical = gate.keys.altered_init(&critical, |p| p[646..650].copy_from_slice(&[0x80, 9, 0, 0]));
    gate.assert_ignored(&critical, "an unknown critical extension");
    assert_eq!(gate.host.take_rejected(), [Rejection::Malformed(HandshakeError::UnknownCritical(9))]);
    let harmless = next(&mut gate, |_| ());
    let harmless = gate.keys.altered_init(&harmless, |p| p[646..650].copy_from_slice(&[0, 9, 0, 0]));
    gate.rest();
    assert_eq!(gate.cost(&harmless).1, 1, "an unknown extension that is not critical is skipped: the control");
}

#[test]
fn a_bad_gcm_tag_behind_a_good_mac_is_ignored() {
    let mut gate = Gate::new();
    let init = gate.init(0);
    for byte in [48, 600, 1151, 1152, 1167] {
        let mut front = init[..1168].to_vec();
        front[byte] ^= 1;
        let mac1 = gate.keys.knock().mac1(&front);
        gate.assert_ignored(&[&front[..], &mac1, &[0; 16]].concat(), &format!("byte {byte}"));
        assert_eq!(gate.host.take_rejected(), [Rejection::Malformed(HandshakeError::NotAuthentic)], "byte {byte}");
        gate.rest();
    }
}

// HS-12, HS-13.
#[test]
fn a_replayed_init_is_ignored_from_wherever_it_comes_and_noted() {
    let mut gate = Gate::new();
    let init = gate.init(5);
    assert_eq!(gate.cost(&init).1, 1);
    for n in 0..50 {
        gate.rest();
        let before = gate.counting.counts();
        gate.host.deliver(elsewhere(n), &init);
        gate.host.deliver(CLIENT, &init);
        assert_eq!(gate.counting.counts(), before);
        assert!(gate.host.take_sent().is_empty());
        let stale = Rejection::Stale { stamp: Gate::stamp(5), last: Gate::stamp(5) };
        assert_eq!(gate.host.take_rejected(), [stale.clone(), stale]);
    }
    for secs in [-1_000_000, 4] {
        gate.rest();
        let old = gate.init(secs);
        assert_eq!(gate.cost(&old).1, 0, "an older stamp");
    }
    gate.rest();
    let later = gate.keys.init(Gate::stamp(5).successor()).0;
    assert_eq!(gate.cost(&later).1, 1, "one nanosecond later");
}

// HS-15.
#[test]
fn a_copy_that_is_verified_at_the_same_time_is_answered_once() {
    let mut gate = Gate::new();
    let init = gate.init(0);
    gate.host.let_crypto_wait(true);
    for _ in 0..3 {
        gate.host.deliver(CLIENT, &init);
    }
    gate.host.let_crypto_wait(false);
    assert_eq!(gate.host.take_sent().len(), 1);
    assert_eq!(gate.host.sessions().count(), 1);
}

#[test]
fn who_robbed_the_server_cannot_be_a_client_to_it() {
    for with_its_key in [true, false] {
        let mut gate = Gate::new();
        let init = gate.keys.robbed_server(with_its_key).init(Gate::stamp(100)).0;
        gate.host.deliver(CLIENT, &init);
        assert!(gate.host.take_sent().is_empty());
        assert_eq!(gate.host.take_rejected(), [Rejection::BadSignature]);
        gate.rest();
        let init = gate.init(3);
        assert_eq!(gate.cost(&init).1, 1, "and the client still can");
    }
}

#[test]
fn the_secrets_without_the_client_key_give_silence_and_an_alarm() {
    let mut gate = Gate::new();
    let thief = gate.keys.stolen();
    let init = thief.init(Gate::stamp(100)).0;
    let before = gate.counting.counts();
    gate.host.deliver(CLIENT, &init);
    let after = gate.counting.counts();
    assert_eq!((after.verifies - before.verifies, after.signs - before.signs), (1, 0));
    assert!(gate.host.take_sent().is_empty());
    assert_eq!(gate.host.take_rejected(), [Rejection::BadSignature]);
    gate.rest();
    let init = gate.init(3);
    assert_eq!(gate.cost(&init).1, 1, "the thief's stamp, though later, was not taken for the client's");
}

// HS-9.
#[test]
fn who_has_no_version_or_suite_in_common_is_refused_and_signed_so() {
    for (version, suite) in [(2, 1), (1, 2), (0xffff, 0xffff), (0, 0)] {
        let mut gate = Gate::new();
        let (init, mut pending) = gate.keys.init_with(Gate::stamp(0), &offer(version, suite), None);
        gate.host.deliver(CLIENT, &init);
        let resp = gate.host.take_sent().pop().expect("a refusal").1;
        let proof = pending.open_resp(&resp).expect("for this INIT");
        gate.keys.server.public().verify(proof.message(), proof.signature()).expect("signed");
        assert_eq!(proof.params.refusal, Some(1));
        assert!(proof.into_secrets().is_none());
        assert_eq!(gate.host.sessions().count(), 0, "no session comes of it");
    }
    let mut gate = Gate::new();
    let thief = gate.keys.stolen();
    let init = thief.init_with(Gate::stamp(0), &offer(2, 2), None).0;
    gate.host.deliver(CLIENT, &init);
    assert!(gate.host.take_sent().is_empty(), "nobody is refused before they are proved");
}

// ENR-23.
#[test]
fn who_was_expelled_or_has_expired_gets_silence() {
    let mut gate = Gate::new();
    let person = gate.keys.peering.enrolment;
    gate.host.with_endpoint(|e| e.expel(person));
    let init = gate.init(0);
    gate.assert_ignored(&init, "expelled");
    assert_eq!(gate.host.endpoint().counters().bad_tag, 1);

    let mut gate = Gate::new();
    let mut person = gate.keys.person();
    person.not_after = Some(Gate::stamp(10));
    gate.host.with_endpoint(|e| e.enrol(person).expect("room"));
    let init = gate.init(0);
    assert_eq!(gate.cost(&init).1, 1, "before it expires");
    gate.host.advance(Duration::from_secs(11));
    let init = gate.init(11);
    gate.assert_ignored(&init, "expired");
    assert_eq!(gate.host.take_rejected(), [Rejection::Expired]);
}

// SES-4.
#[test]
fn whose_time_is_over_is_out_with_the_next_look_at_the_clock_and_is_told_why() {
    let mut gate = Gate::new();
    let mut person = gate.keys.person();
    person.not_after = Some(Gate::stamp(10));
    gate.host.with_endpoint(|e| e.enrol(person).expect("room"));
    let mut peer = Scripted::client(&gate.keys, &mut gate.host, CLIENT).expect("an answer");
    // PING: the session is open.
    peer.say(&mut gate.host, &[1]);
    gate.host.advance(Duration::from_secs(1));
    assert_eq!((gate.host.sessions().count(), gate.host.take_ended().len()), (1, 0));
    gate.host.advance(Duration::from_secs(10));
    let reasons = gate.host.take_ended();
    let [CloseReason { by: Closer::Us, code: CloseCode::Revoked, text }] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!(text, "its last day is over");
}

// ENR-23.
#[test]
fn who_is_expelled_while_the_answer_is_signed_gets_no_session() {
    for jobs_done in 0..2 {
        let mut gate = Gate::new();
        let init = gate.init(0);
        gate.host.let_crypto_wait(true);
        gate.host.deliver(CLIENT, &init);
        for _ in 0..jobs_done {
            gate.host.do_job(false);
        }
        let person = gate.keys.peering.enrolment;
        gate.host.with_endpoint(|e| e.expel(person));
        gate.host.let_crypto_wait(false);
        assert!(gate.host.take_sent().is_empty(), "after {jobs_done} jobs");
        assert_eq!(gate.host.sessions().count(), 0, "after {jobs_done} jobs");
    }
}

#[test]
fn a_share_of_low_order_is_dropped() {
    let mut gate = Gate::new();
    let init = gate.init(0);
    let zero = gate.keys.altered_init(&init, |p| p[..32].fill(0));
    gate.host.deliver(CLIENT, &zero);
    assert!(gate.host.take_sent().is_empty());
    assert_eq!(gate.host.sessions().count(), 0);
    gate.rest();
    let init = gate.init(1);
    let control = gate.keys.altered_init(&init, |_| ());
    assert_eq!(gate.cost(&control).1, 1, "the control: what the test makes is otherwise good");
}

#[test]
fn one_person_has_at_most_four_half_open_sessions_however_their_signatures_are_timed() {
    for together in [false, true] {
        let mut gate = Gate::new();
        gate.host.let_crypto_wait(together);
        for secs in 0..5 {
            let init = gate.init(secs);
            gate.host.deliver(elsewhere(u16::try_from(secs).expect("small")), &init);
        }
        gate.host.let_crypto_wait(false);
        assert_eq!(gate.host.take_sent().len(), 4, "at the same time: {together}");
        assert_eq!(gate.host.sessions().count(), 4, "at the same time: {together}");
        gate.host.advance(Duration::from_secs(11));
        assert_eq!(gate.host.sessions().count(), 0);
        let init = gate.init(100);
        assert_eq!(gate.cost(&init).1, 1, "later there is room again");
    }
}

// LIM-4, SES-3.
#[test]
fn a_fifth_session_is_turned_away_unless_one_of_the_four_is_idle() {
    let keys = Acquaintance::new(NullSuite::leak(4));
    let mut host = ServerHost::new(&keys, &MemStore::new(), Limits::default());
    let open = |host: &mut ServerHost, n: u16| {
        let mut peer = Scripted::client(&keys, host, elsewhere(n)).expect("an answer");
        peer.say(host, &[0x01]);
        host.advance(Duration::from_secs(1));
        peer
    };
    let mut peers: Vec<_> = (0..4).map(|n| open(&mut host, n)).collect();
    for peer in &mut peers {
        peer.say(&mut host, &[0x01]);
    }
    let fifth = open(&mut host, 4);
    assert_eq!(fifth.heard.close().map(|c| c.number()), Some(6), "too many sessions");
    host.advance(Duration::from_secs(2));
    for peer in peers.iter_mut().skip(1) {
        peer.say(&mut host, &[0x01]);
        assert_eq!(peer.heard.closes, []);
    }
    host.advance(Duration::from_secs(2));
    let mut sixth = open(&mut host, 5);
    sixth.say(&mut host, &[0x01]);
    assert_eq!(sixth.heard.closes, [], "it took the place of the one that was idle");
    let idle = &mut peers[0];
    idle.listen(&mut host);
    assert_eq!(idle.heard.close().map(|c| c.number()), Some(6));
    host.advance(Duration::from_secs(5));
    assert_eq!(host.sessions().count(), 4);
}

// LIM-2. Whose signature is wrong never has a session, so that nothing but the rate limits what is verified.
#[test]
fn one_person_takes_no_more_than_its_share_of_verifications() {
    for (sources, most) in [(1000, 5 + 5 * 10), (1, 5 + 10)] {
        let mut gate = Gate::new();
        let thief = gate.keys.stolen();
        let before = gate.counting.counts();
        for tick in 0..1000u16 {
            let init = thief.init(Gate::stamp(i64::from(tick))).0;
            gate.host.deliver(elsewhere(tick % sources), &init);
            gate.host.advance(Duration::from_millis(10));
        }
        let verified = gate.counting.counts().verifies - before.verifies;
        assert!((most - 2..=most).contains(&verified), "{verified} in ten seconds from {sources} sources");
        assert!(gate.host.take_sent().is_empty());
    }
}

// LIM-3.
#[test]
fn there_are_at_most_256_half_open_sessions_whoever_knocks() {
    let mut gate = Gate::new();
    let mut answered = 0;
    for n in 0..70 {
        let person = gate.keys.another();
        gate.host.with_endpoint(|e| e.enrol(person.person()).expect("room"));
        for knock in 0..4 {
            let init = person.init(Gate::stamp(i64::from(knock))).0;
            gate.host.deliver(elsewhere(4 * n + knock), &init);
            answered += gate.host.take_sent().len();
        }
    }
    assert_eq!((answered, gate.host.sessions().count()), (256, 256));
    gate.host.advance(Duration::from_secs(11));
    assert_eq!(gate.host.sessions().count(), 0);
}

// LIM-4.
#[test]
fn there_are_at_most_1024_people_and_sessions() {
    let mut gate = Gate::new();
    let people: Vec<_> = (0..1023).map(|_| gate.keys.another()).collect();
    for person in &people {
        gate.host.with_endpoint(|e| e.enrol(person.person()).expect("room"));
    }
    let one_more = gate.keys.another();
    gate.host.with_endpoint(|e| assert!(e.enrol(one_more.person()).is_err(), "with the first that is 1,025"));
    let mut peers = Vec::new();
    for (n, person) in (0..).zip(people.iter().chain([&gate.keys])) {
        let mut peer = Scripted::client(person, &mut gate.host, elsewhere(n)).expect("room");
        peer.say(&mut gate.host, &[0x01]);
        peers.push(peer);
    }
    assert_eq!(gate.host.sessions().count(), 1024);
    assert!(Scripted::client(&people[0], &mut gate.host, elsewhere(2000)).is_none());
    assert!(peers.iter().all(|peer| peer.heard.closes.is_empty()), "nobody had to go");
}

// ENR-23, SES-4.
#[test]
fn who_is_expelled_is_told_so_at_once_in_every_session() {
    let mut gate = Gate::new();
    let person = gate.keys.peering.enrolment;
    let mut peers: Vec<_> = (0..2)
        .map(|n| {
            let mut peer = Scripted::client(&gate.keys, &mut gate.host, elsewhere(n)).expect("room");
            peer.say(&mut gate.host, &[0x01]);
            peer
        })
        .collect();
    gate.host.with_endpoint(|e| e.expel(person));
    for peer in &mut peers {
        peer.listen(&mut gate.host);
        assert_eq!(peer.heard.close().map(|c| c.number()), Some(4), "revoked");
    }
    gate.host.advance(Duration::from_secs(5));
    assert_eq!(gate.host.sessions().count(), 0);
}

// HS-14. That a server writes them down and reads them again is proved where its home is.
#[test]
fn the_last_stamp_holds_in_a_server_that_was_started_again() {
    let mut gate = Gate::new();
    let mut person = gate.keys.person();
    person.last_stamp = Gate::stamp(5);
    gate.host.with_endpoint(|e| e.enrol(person).expect("room"));
    let init = gate.init(5);
    gate.assert_ignored(&init, "the last one that was accepted before");
    gate.rest();
    let later = gate.init(6);
    assert_eq!(gate.cost(&later).1, 1);
}

// LIM-1.
#[test]
fn a_source_takes_no_more_than_its_share_of_tags() {
    let mut gate = Gate::new();
    let stranger = gate.keys.another();
    for tick in 0..1000 {
        let init = stranger.init(Gate::stamp(tick)).0;
        gate.host.deliver(CLIENT, &init);
        gate.host.advance(Duration::from_millis(1));
    }
    let counters = gate.host.endpoint().counters();
    assert!(counters.bad_tag <= 5 + 20, "{counters:?}");
    assert_eq!(counters.bad_tag + counters.limited, 1000);
}
