//! What strangers, and what the two sides of a handshake, make of any bytes.

use std::time::{Duration, Instant};

use super::{LIMITS, keys, stamp};
use crate::seal::{Direction, Knock, Opener, open_init};
use crate::testing::MemStore;
use crate::testing::scripted::{Answer, ClientHost, Couple, ServerHost, Victim as _};
use crate::wire::packet::{self, HANDSHAKE_LEN};

/// The layout functions of packets on any bytes, and an opener that must refuse them all.
pub fn packet(bytes: &[u8]) {
    let is_long_enough = bytes.len() >= packet::MIN_RECORD;
    assert_eq!(packet::cid(bytes).is_some(), is_long_enough);
    assert_eq!(packet::sample(bytes).is_some(), is_long_enough);
    let mut copy = bytes.to_vec();
    assert_eq!(packet::split_mut(&mut copy).is_some(), is_long_enough);
    if let Some(header) = bytes.first_chunk()
        && let Ok(parsed) = packet::Header::parse(header)
    {
        assert_eq!(parsed.to_bytes(), *header);
    }
    let keys = keys();
    let (init, mut pending) = keys.init(stamp());
    let answer = Answer::honest().to(keys, &init);
    let secrets = pending.open_resp(&answer).ok().and_then(|proof| proof.into_secrets()).expect("an honest answer");
    let mut opener = Opener::new(keys.suite, &secrets, Direction::ServerToClient).expect("keys");
    assert!(opener.open(Instant::now(), &mut copy).is_err(), "a forgery was opened");
}

/// The gate and all behind it, once on the bytes as they are, and once with the bytes as INIT's plaintext, authentic.
pub fn init(bytes: &[u8]) {
    let keys = keys();
    let knock: Knock = keys.knock();
    assert!(!knock.admits(bytes), "a forgery passed the gate");
    assert!(open_init(keys.suite, &keys.pair(), bytes).is_err(), "a forgery was opened");
    let (init, _) = keys.init(stamp());
    let head = init.first_chunk().expect("longer than its head");
    let sealed = keys.sealed_init(head, bytes.to_vec());
    assert!(knock.admits(&sealed));
    let mut host = ServerHost::new(keys, &MemStore::new(), LIMITS);
    host.deliver(Couple::CLIENT, &sealed);
    assert!(host.take_sent().is_empty(), "the plaintext holds no signature of the client");
    assert_eq!(host.sessions().count(), 0);
    // What is left of an honest plaintext, if some of it is replaced and signed again.
    let (_, honest) = keys.init_payload(&init);
    let altered = keys.altered_init(&init, |p_init| replace(p_init, bytes));
    host.advance(Duration::from_secs(2));
    host.deliver(Couple::CLIENT, &altered);
    let sent: usize = host.take_sent().iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(sent <= HANDSHAKE_LEN, "at most one answer to {} bytes", honest.len());
}

/// A client's handling of answers: the bytes as they are, as RESP's second plaintext, and as the whole of it but for
/// the receiver's id.
pub fn response(bytes: &[u8]) {
    let keys = keys();
    let mut host = ClientHost::new(Instant::now(), keys, Couple::SERVER, &MemStore::new(), LIMITS);
    let init = host.take_sent().pop().expect("an INIT");
    host.deliver(Couple::SERVER, bytes);
    let honest = Answer::honest().to(keys, &init);
    let mut forged = bytes.to_vec();
    forged.resize(HANDSHAKE_LEN, 0);
    forged.splice(..8, honest.iter().copied().take(8));
    host.deliver(Couple::SERVER, &forged);
    assert!(host.session().is_none() && host.take_sent().is_empty() && host.take_handshake().is_empty());
    let mut answer = Answer::honest();
    replace(&mut answer.payload, bytes);
    let altered = answer.to(keys, &init);
    host.deliver(Couple::SERVER, &altered);
    host.advance(Duration::from_secs(60));
}

/// Writes one stretch of the bytes over `target`; the first two say where.
fn replace(target: &mut [u8], bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first_chunk() else { return };
    let at = usize::from(u16::from_be_bytes(*at)) % target.len().max(1);
    target.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}
