//! Two parties that know each other, and handshake datagrams of theirs as nobody honest would make them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{ConnectorConfig, EndpointConfig, FormerKnock, Limits, MAX_SESSIONS_PER_PERSON, NextKey, Person};
use crate::kdf::hh;
use crate::seal::{Initiator, Knock, Offer, PairKeys, Peering, PendingInit};
use crate::suite::{CipherSuite, IdentityKey};
use crate::types::{Digest, EnrolmentId, Fingerprint, Secret, Timestamp};
use crate::wire::handshake::{self, INIT_HEAD, INIT_PAYLOAD, Init, Preferences, RESP_PAYLOAD};
use crate::wire::packet::HANDSHAKE_LEN;

/// A client and a server with the keys of an enrolment.
#[derive(Clone)]
pub struct Acquaintance {
    /// The backend both use.
    pub suite: &'static dyn CipherSuite,
    /// The server's key.
    pub server: Arc<dyn IdentityKey>,
    /// The client's key.
    pub client: Arc<dyn IdentityKey>,
    /// Who they are to each other.
    pub peering: Peering,
    pub(in crate::testing) psk: Secret,
    pub(in crate::testing) knock: Secret,
}

impl Acquaintance {
    /// Fresh keys for both.
    ///
    /// # Panics
    /// If the suite fails.
    #[must_use]
    pub fn new(suite: &'static dyn CipherSuite) -> Self {
        let server = suite.generate_identity(3072).expect("a suite for tests makes keys");
        Self::of(suite, server, random(suite))
    }

    /// Another client of the same server.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(self.suite, Arc::clone(&self.server), self.knock.clone())
    }

    fn of(suite: &'static dyn CipherSuite, server: Arc<dyn IdentityKey>, knock: Secret) -> Self {
        let client = suite.generate_identity(3072).expect("a suite for tests makes keys");
        let fingerprint = |key: &Arc<dyn IdentityKey>| Fingerprint(hh(suite, "identity", &[key.public().spki()]).0);
        let mut enrolment = [0; EnrolmentId::LEN];
        suite.random(&mut enrolment).expect("a suite for tests has random bytes");
        let peering = Peering {
            server: fingerprint(&server),
            client: fingerprint(&client),
            enrolment: EnrolmentId(enrolment),
            exchange: Digest([4; 32]),
        };
        Self { suite, server, client, peering, psk: random(suite), knock }
    }

    /// The same secrets in the hands of somebody who has neither identity key.
    #[must_use]
    pub fn stolen(&self) -> Self {
        let thief = self.suite.generate_identity(3072).expect("a suite for tests makes keys");
        Self { server: Arc::clone(&thief), client: thief, ..self.clone() }
    }

    /// All that the client has, in the hands of somebody who wants to be the server to it, and signs with the client's own
    /// key or with one of theirs.
    #[must_use]
    pub fn robbed_client(&self, with_its_key: bool) -> Self {
        let key = if with_its_key { Arc::clone(&self.client) } else { self.stolen().client };
        Self { server: key, ..self.clone() }
    }

    /// The same the other way round: all that the server has, and who wants to be the client to it.
    #[must_use]
    pub fn robbed_server(&self, with_its_key: bool) -> Self {
        let key = if with_its_key { Arc::clone(&self.server) } else { self.stolen().server };
        Self { client: key, ..self.clone() }
    }

    /// The keys of the enrolment.
    #[must_use]
    pub fn pair(&self) -> PairKeys {
        PairKeys::new(self.suite, &self.psk, &self.peering)
    }

    /// The server's first gate.
    #[must_use]
    pub fn knock(&self) -> Knock {
        Knock::new(self.suite, &self.knock)
    }

    /// The same two, with another pre-shared key, first gate, or both.
    ///
    /// # Panics
    /// If the suite fails.
    #[must_use]
    pub fn renewed(&self, psk: bool, knock: bool) -> Self {
        let fresh = |old: &Secret, is_new: bool| if is_new { random(self.suite) } else { old.clone() };
        Self { psk: fresh(&self.psk, psk), knock: fresh(&self.knock, knock), ..self.clone() }
    }

    /// Its pre-shared key, as what is to come after another one.
    #[must_use]
    pub fn next_key(&self) -> NextKey {
        NextKey { pair: self.pair(), psk: self.psk.clone() }
    }

    /// Its first gate, as what another one has replaced.
    #[must_use]
    pub fn former_knock(&self, successor: &Self) -> FormerKnock {
        FormerKnock { knock: Arc::new(self.knock()), successor: successor.knock.clone() }
    }

    /// The client as the server has it enrolled.
    #[must_use]
    pub fn person(&self) -> Person {
        Person {
            pair: self.pair(),
            next: None,
            key: self.client.public(),
            last_stamp: Timestamp::EPOCH,
            first_use_before: None,
            not_after: None,
            sessions: MAX_SESSIONS_PER_PERSON,
        }
    }

    /// A server that lets these two meet, once [`Self::person`] is enrolled.
    #[must_use]
    pub fn endpoint(&self, limits: Limits) -> EndpointConfig {
        EndpointConfig {
            suite: self.suite,
            identity: Arc::clone(&self.server),
            knock: Arc::new(self.knock()),
            former_knock: None,
            max_udp_payload: 1472,
            idle: Duration::from_secs(30),
            limits,
        }
    }

    /// A client that wants to meet the server.
    #[must_use]
    pub fn connector(&self, server: SocketAddr, limits: Limits) -> ConnectorConfig {
        ConnectorConfig {
            suite: self.suite,
            identity: Arc::clone(&self.client),
            server_key: self.server.public(),
            pair: Arc::new(self.pair()),
            knock: self.knock(),
            server,
            max_udp_payload: 1472,
            idle: Duration::from_secs(30),
            limits,
        }
    }

    /// An INIT of the client's.
    #[must_use]
    pub fn init(&self, stamp: Timestamp) -> (Vec<u8>, PendingInit) {
        self.init_with(stamp, &offer(1, 1), None)
    }

    /// The same with another offer, or with a cookie.
    ///
    /// # Panics
    /// If the suite fails.
    #[must_use]
    pub fn init_with(&self, stamp: Timestamp, offer: &Offer, cookie: Option<&[u8; 16]>) -> (Vec<u8>, PendingInit) {
        let unsigned = Initiator::start(self.suite, &Arc::new(self.pair()), stamp, offer).expect("a stamp after 1970");
        let signature = self.client.sign(&unsigned.message()).expect("the client's own key");
        let (datagram, pending) = unsigned.finish(&signature, &self.knock(), cookie).expect("a signature's length");
        (datagram.to_vec(), pending)
    }

    /// An INIT whose plaintext was changed before it was signed, sealed and let through the gate.
    ///
    /// # Panics
    /// If `init` is not an INIT of this client.
    #[must_use]
    pub fn altered_init(&self, init: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let (head, mut payload) = self.init_payload(init);
        change(payload.as_mut_slice());
        let [before, after] = handshake::init_signed_parts(&payload);
        let pair = self.pair();
        let signed = hh(self.suite, "csig", &[pair.context().as_bytes(), &head, before, after]);
        let message = [&[0x20; 64][..], b"DPEX/1 client INIT\0", signed.as_bytes()].concat();
        // Whatever length the change claims is kept.
        let length = [payload[132], payload[133]];
        let signature = self.client.sign(&message).expect("the client's own key");
        let is_whole = usize::from(u16::from_be_bytes(length)) == signature.len();
        if is_whole && handshake::put_init_signature(&mut payload, &signature).is_err() {
            unreachable!("it has a signature's length");
        }
        self.sealed_init(&head, payload.to_vec())
    }

    /// An INIT with any plaintext at all, authentic under both symmetric keys.
    ///
    /// # Panics
    /// If the suite fails.
    #[must_use]
    pub fn sealed_init(&self, head: &[u8; INIT_HEAD], mut payload: Vec<u8>) -> Vec<u8> {
        payload.resize(INIT_PAYLOAD, 0);
        let nonce = head.first_chunk().expect("a head begins with the nonce");
        let key = self.pair().stage0(self.suite, nonce).init_key();
        let tag = self.suite.aead(&key).and_then(|mut aead| aead.seal(&[0; 12], head, &mut payload)).expect("seals");
        let front = [&head[..], &payload, &tag].concat();
        let mac1 = self.knock().mac1(&front);
        [&front[..], &mac1, &[0; 16]].concat()
    }

    /// Head and plaintext of an INIT.
    ///
    /// # Panics
    /// If it is not one of this client.
    #[must_use]
    pub fn init_payload(&self, init: &[u8]) -> ([u8; INIT_HEAD], Box<[u8; INIT_PAYLOAD]>) {
        let init = Init::parse(init).expect("an INIT's length");
        let key = self.pair().stage0(self.suite, &init.nonce).init_key();
        let mut body = Box::new(init.body);
        let mut aead = self.suite.aead(&key).expect("a key");
        aead.open(&[0; 12], &init.head, body.as_mut_slice(), &init.body_tag).expect("an INIT of this client");
        (init.head, body)
    }
}

/// A RESP by somebody who has the pre-shared key and says what he likes, authentically: PROTOCOL.md, sections 3.3 and
/// 3.4, line by line.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Instead of an honest share.
    pub share: Option<[u8; 32]>,
    /// The version chosen.
    pub version: u16,
    /// The suite chosen.
    pub suite: u16,
    /// `P2`; the place of the signature is filled in.
    pub payload: Vec<u8>,
}

impl Answer {
    /// What an honest server would say.
    #[must_use]
    pub fn honest() -> Self {
        let mut payload = vec![0; RESP_PAYLOAD];
        payload[..4].copy_from_slice(&[0x05, 0xc0, 0, 30]); // 1472 bytes, 30 seconds
        payload[16..18].copy_from_slice(&384u16.to_be_bytes());
        Self { share: None, version: 1, suite: 1, payload }
    }

    /// The datagram that answers an INIT, signed by the server key of `keys`.
    ///
    /// # Panics
    /// If `init` is not an INIT of `keys`.
    #[must_use]
    pub fn to(&self, keys: &Acquaintance, init: &[u8]) -> Vec<u8> {
        let suite = keys.suite;
        let (init_head, p_init) = keys.init_payload(init);
        let pair = keys.pair();
        let th1 = hh(suite, "th1", &[pair.context().as_bytes(), &init_head, p_init.as_slice()]);
        let stage0 = pair.stage0(suite, init.first_chunk().expect("a nonce"));
        let mut n_s = [0; 32];
        suite.random(&mut n_s).expect("random bytes");
        let stage1 = stage0.stage1(suite, &n_s);
        let agreement = suite.key_agreement(&random(suite)).expect("a key pair");
        let share = self.share.unwrap_or_else(|| agreement.public());
        let p1 = [&share[..], &self.version.to_be_bytes(), &self.suite.to_be_bytes()].concat();
        let head = [&stage0.rid()[..], &n_s].concat();
        let c1 = sealed_once(suite, &stage1.choice_key(&th1), &head, &p1);
        let th2 = hh(suite, "th2", &[th1.as_bytes(), &head, &p1]);
        let e_c = p_init.first_chunk().expect("a share");
        let stage2 = stage1.stage2(suite, &agreement.agree(e_c).expect("an honest share"));
        let mut payload = self.payload.clone();
        payload.resize(RESP_PAYLOAD, 0);
        let signed = hh(suite, "ssig", &[th2.as_bytes(), &payload[..16], &payload[530..]]);
        let message = [&[0x20; 64][..], b"DPEX/1 server RESP\0", signed.as_bytes()].concat();
        let signature = keys.server.sign(&message).expect("the server's own key");
        if usize::from(u16::from_be_bytes([payload[16], payload[17]])) == signature.len() {
            payload[18..18 + signature.len()].copy_from_slice(&signature);
        }
        let front = [head, c1].concat();
        let c2 = sealed_once(suite, &stage2.payload_key(&th2), &front, &payload);
        let datagram = [front, c2].concat();
        debug_assert_eq!(datagram.len(), HANDSHAKE_LEN);
        datagram
    }
}

/// What a client proposes: one version, one suite.
#[must_use]
pub fn offer(version: u16, suite: u16) -> Offer {
    Offer {
        versions: Preferences::new(&[version]),
        suites: Preferences::new(&[suite]),
        max_udp_payload: 1472,
        idle_timeout: 30,
    }
}

fn sealed_once(suite: &dyn CipherSuite, key: &Secret, ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    let tag = suite.aead(key).and_then(|mut aead| aead.seal(&[0; 12], ad, &mut buf)).expect("seals");
    [&buf[..], &tag].concat()
}

fn random(suite: &dyn CipherSuite) -> Secret {
    let mut bytes = [0; 32];
    suite.random(&mut bytes).expect("a suite for tests has random bytes");
    Secret::new(bytes)
}

impl fmt::Debug for Acquaintance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquaintance").field("peering", &self.peering).finish_non_exhaustive()
    }
}
