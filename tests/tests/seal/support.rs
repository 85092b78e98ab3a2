//! Two parties that know each other, and a server written by hand from PROTOCOL.md, which can be made to misbehave.

use std::sync::Arc;

use dpex_core::kdf::hh;
use dpex_core::seal::{
    Direction, Initiator, Knock, Offer, OpenedInit, PairKeys, Peering, PendingInit, ResponseTerms, SessionSecrets,
    Verdict, open_init,
};
use dpex_core::suite::{CipherSuite, random_secret};
use dpex_core::types::{Digest, EnrolmentId, Fingerprint, Secret, Timestamp};
use dpex_core::wire::handshake::Preferences;
use dpex_tests::SUITE;

pub(crate) type Datagram = Box<[u8; 1200]>;

pub(crate) const CLIENT_SIGNATURE: [u8; 512] = [0xc5; 512];
pub(crate) const SERVER_SIGNATURE: [u8; 384] = [0x55; 384];

pub(crate) const TERMS: ResponseTerms = ResponseTerms {
    verdict: Verdict::Accept { version: 1, suite: 1 },
    max_udp_payload: 9000,
    idle_timeout: 31,
    server_time: Timestamp::EPOCH,
};

pub(crate) fn peering() -> Peering {
    Peering {
        server: Fingerprint([1; 32]),
        client: Fingerprint([2; 32]),
        enrolment: EnrolmentId([3; 16]),
        exchange: Digest([4; 32]),
    }
}

pub(crate) fn pair() -> Arc<PairKeys> {
    Arc::new(PairKeys::new(&SUITE, &Secret::new([5; 32]), &peering()))
}

pub(crate) fn knock() -> Knock {
    Knock::new(&SUITE, &Secret::new([6; 32]))
}

pub(crate) fn stamp(secs: i64) -> Timestamp {
    Timestamp::new(secs, 5).expect("five nanoseconds")
}

pub(crate) fn offer() -> Offer {
    Offer {
        versions: Preferences::new(&[1]),
        suites: Preferences::new(&[2, 1]),
        max_udp_payload: 1472,
        idle_timeout: 30,
    }
}

pub(crate) fn init() -> (Datagram, PendingInit) {
    init_with(None)
}

pub(crate) fn init_with(cookie: Option<&[u8; 16]>) -> (Datagram, PendingInit) {
    let unsigned = Initiator::start(&SUITE, &pair(), stamp(1_800_000_000), &offer()).expect("started");
    unsigned.finish(&CLIENT_SIGNATURE, &knock(), cookie).expect("finished")
}

pub(crate) fn opened(init: &[u8]) -> OpenedInit {
    open_init(&SUITE, &pair(), init).expect("authentic")
}

pub(crate) fn resp_to(init: &[u8]) -> (Datagram, Option<SessionSecrets>) {
    let unsigned = opened(init).respond(&SUITE, &TERMS).expect("a good share");
    unsigned.finish(&SERVER_SIGNATURE).expect("finished")
}

/// A whole handshake: the client's secrets and the server's.
pub(crate) fn handshake() -> (SessionSecrets, SessionSecrets) {
    let (init, mut pending) = init();
    let (resp, server) = resp_to(init.as_ref());
    let client = pending.open_resp(resp.as_ref()).expect("authentic").into_secrets();
    (client.expect("accepted"), server.expect("accepted"))
}

pub(crate) fn assert_equal(a: &SessionSecrets, b: &SessionSecrets) {
    assert_eq!(a.transcript(), b.transcript());
    assert_eq!(a.exporter(), b.exporter());
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        assert_eq!(a.traffic(direction), b.traffic(direction));
        assert_eq!(a.header_protection(direction), b.header_protection(direction));
        for index in 0..dpex_core::seal::CIDS {
            assert_eq!(a.cid(direction, index), b.cid(direction, index), "{index}");
            assert!(a.cid(direction, index).is_some());
        }
    }
}

/// What is in an INIT, its `P_init` altered by `change`, sealed and let through the gate again.
pub(crate) fn altered(init: &[u8], change: impl FnOnce(&mut [u8])) -> Datagram {
    let mut datagram: Datagram = Box::new(init.try_into().expect("an INIT"));
    let mut payload = init_payload(init);
    change(&mut payload);
    let mut aead = SUITE.aead(&pair().stage0(&SUITE, &nonce(init)).init_key()).expect("a key");
    let tag = aead.seal(&[0; 12], &init[..48], &mut payload).expect("sealed");
    datagram[48..1152].copy_from_slice(&payload);
    datagram[1152..1168].copy_from_slice(&tag);
    let mac1 = knock().mac1(&datagram[..1168]);
    datagram[1168..1184].copy_from_slice(&mac1);
    datagram
}

fn nonce(init: &[u8]) -> [u8; 32] {
    init[..32].try_into().expect("32 bytes")
}

fn init_payload(init: &[u8]) -> Vec<u8> {
    let mut payload = init[48..1152].to_vec();
    let tag = init[1152..1168].try_into().expect("16 bytes");
    let mut aead = SUITE.aead(&pair().stage0(&SUITE, &nonce(init)).init_key()).expect("a key");
    aead.open(&[0; 12], &init[..48], &mut payload, &tag).expect("authentic");
    payload
}

/// A server in the hands of somebody who has the pre-shared key: it says whatever it likes, authentically.
pub(crate) struct Handmade {
    /// Instead of an honest share.
    pub(crate) share: Option<[u8; 32]>,
    pub(crate) version: u16,
    pub(crate) suite: u16,
    pub(crate) payload: Vec<u8>,
}

impl Handmade {
    pub(crate) fn honest() -> Self {
        let mut payload = vec![0; 1092];
        payload[..4].copy_from_slice(&[0x23, 0x28, 0, 31]); // 9000 bytes, 31 seconds
        payload[16..18].copy_from_slice(&384u16.to_be_bytes());
        payload[18..18 + 384].copy_from_slice(&SERVER_SIGNATURE);
        Self { share: None, version: 1, suite: 1, payload }
    }

    pub(crate) fn refusing(code: u16) -> Self {
        let mut this = Self { version: 0, suite: 0, ..Self::honest() };
        this.payload[530..534].copy_from_slice(&[0x80, 1, 0, 2]);
        this.payload[534..536].copy_from_slice(&code.to_be_bytes());
        this
    }

    /// Sections 3.3 and 3.4 line by line: the datagram, the message to sign, and the session's `th3`.
    pub(crate) fn answer(&self, init: &[u8]) -> (Vec<u8>, Vec<u8>, Digest) {
        let p_init = init_payload(init);
        let ctx = peering().context(&SUITE);
        let th1 = hh(&SUITE, "th1", &[ctx.as_bytes(), &init[..48], &p_init]);
        let stage0 = pair().stage0(&SUITE, &nonce(init));
        let mut n_s = [0; 32];
        SUITE.random(&mut n_s).expect("randomness");
        let stage1 = stage0.stage1(&SUITE, &n_s);
        let agreement = SUITE.key_agreement(&random_secret(&SUITE).expect("randomness")).expect("a key pair");
        let share = self.share.unwrap_or_else(|| agreement.public());
        let p1 = [&share[..], &self.version.to_be_bytes(), &self.suite.to_be_bytes()].concat();
        let head = [&stage0.rid()[..], &n_s].concat();
        let c1 = gcm(&stage1.choice_key(&th1), &head, &p1);
        let th2 = hh(&SUITE, "th2", &[th1.as_bytes(), &head, &p1]);
        let e_c = p_init[..32].try_into().expect("32 bytes");
        let stage2 = stage1.stage2(&SUITE, &agreement.agree(&e_c).expect("a good share"));
        let front = [head, c1].concat();
        let c2 = gcm(&stage2.payload_key(&th2), &front, &self.payload);
        let th3 = hh(&SUITE, "th3", &[th2.as_bytes(), &self.payload]);
        let signed = hh(&SUITE, "ssig", &[th2.as_bytes(), &self.payload[..16], &self.payload[530..]]);
        let message = [&[0x20; 64][..], b"DPEX/1 server RESP\0", signed.as_bytes()].concat();
        ([front, c2].concat(), message, th3)
    }
}

fn gcm(key: &Secret, ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    let tag = SUITE.aead(key).expect("a key").seal(&[0; 12], ad, &mut buf).expect("sealed");
    [&buf[..], &tag].concat()
}

/// The message a client signs, from section 3.2.
pub(crate) fn client_message(init: &[u8]) -> Vec<u8> {
    let p_init = init_payload(init);
    let ctx = peering().context(&SUITE);
    let signed = hh(&SUITE, "csig", &[ctx.as_bytes(), &init[..48], &p_init[..132], &p_init[646..]]);
    [&[0x20; 64][..], b"DPEX/1 client INIT\0", signed.as_bytes()].concat()
}

/// The same bytes with one bit changed, for every bit in `range`.
pub(crate) fn flipped(bytes: &[u8], range: std::ops::Range<usize>) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    range.flat_map(|byte| (0..8).map(move |bit| (byte, bit))).map(|(byte, bit)| {
        let mut other = bytes.to_vec();
        other[byte] ^= 1 << bit;
        (byte, other)
    })
}

/// Positions at which all of these have the same byte.
pub(crate) fn constant_positions(datagrams: &[Vec<u8>]) -> Vec<usize> {
    let (first, rest) = datagrams.split_first().expect("at least one");
    (0..first.len()).filter(|&i| rest.iter().all(|other| other[i] == first[i])).collect()
}
