//! What derives keys does not outlive them. A suite counts its keyed objects that are still alive: every pseudo-random
//! key of the schedule is one while it exists, and so is every ephemeral secret and every record key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dpex_core::seal::{Direction, Initiator, Knock, Opener, PairKeys, Sealer, open_init};
use dpex_core::suite::{
    Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey, TAG_LEN,
};
use dpex_core::types::Secret;
use dpex_tests::SUITE;

use crate::support::{CLIENT_SIGNATURE, SERVER_SIGNATURE, TERMS, handshake, offer, peering, stamp};

/// Keyed objects alive: MACs (pseudo-random keys among them), ephemeral secrets, record keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alive {
    macs: usize,
    agreements: usize,
    aeads: usize,
}

#[derive(Debug, Default)]
struct Census {
    macs: Arc<AtomicUsize>,
    agreements: Arc<AtomicUsize>,
    aeads: Arc<AtomicUsize>,
}

/// Something counted for as long as it lives.
struct Counted<T: ?Sized> {
    count: Arc<AtomicUsize>,
    inner: Option<Box<T>>,
}

impl<T: ?Sized> Counted<T> {
    fn new(count: &Arc<AtomicUsize>, inner: Box<T>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self { count: Arc::clone(count), inner: Some(inner) }
    }

    fn inner(&self) -> &T {
        self.inner.as_deref().expect("there until it is consumed")
    }

    fn inner_mut(&mut self) -> &mut T {
        self.inner.as_deref_mut().expect("there until it is consumed")
    }
}

impl<T: ?Sized> Drop for Counted<T> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Census {
    fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    fn alive(&self) -> Alive {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Alive { macs: read(&self.macs), agreements: read(&self.agreements), aeads: read(&self.aeads) }
    }
}

impl Mac for Counted<dyn Mac> {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.inner().mac(parts)
    }
}

impl KeyAgreement for Counted<dyn KeyAgreement> {
    fn public(&self) -> [u8; 32] {
        self.inner().public()
    }

    fn agree(mut self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        self.inner.take().expect("agreed once").agree(peer)
    }
}

impl Aead for Counted<dyn Aead> {
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError> {
        self.inner_mut().seal(nonce, aad, buf)
    }

    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        self.inner_mut().open(nonce, aad, buf, tag)
    }
}

impl CipherSuite for Census {
    fn name(&self) -> &'static str {
        "census"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        SUITE.random(out)
    }

    fn sha256(&self) -> Box<dyn Hash> {
        SUITE.sha256()
    }

    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        Box::new(Counted::new(&self.macs, SUITE.hmac(key)))
    }

    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(Box::new(Counted::new(&self.aeads, SUITE.aead(key)?)))
    }

    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        SUITE.block(key)
    }

    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        Ok(Box::new(Counted::new(&self.agreements, SUITE.key_agreement(secret)?)))
    }

    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        SUITE.generate_identity(bits)
    }

    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        SUITE.identity_from_pkcs8(der)
    }

    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        SUITE.public_from_spki(der)
    }
}

/// A handshake of a client and a server who count together, down to the client's sealer and the server's opener.
fn met(suite: &'static Census, now: Instant, pair: &Arc<PairKeys>, knock: &Knock) -> (Sealer, Opener) {
    let unsigned = Initiator::start(suite, pair, stamp(1_800_000_000), &offer()).expect("started");
    assert_eq!(suite.alive().agreements, 1, "the client's ephemeral secret waits for the answer");
    let (init, mut pending) = unsigned.finish(&CLIENT_SIGNATURE, knock, None).expect("finished");
    let opened = open_init(suite, pair, init.as_ref()).expect("authentic");
    let (resp, server) = opened.respond(suite, &TERMS).and_then(|r| r.finish(&SERVER_SIGNATURE)).expect("answered");
    assert_eq!(suite.alive().agreements, 1, "the server's is gone as soon as it has answered");
    let client = pending.open_resp(resp.as_ref()).expect("authentic").into_secrets();
    assert_eq!(suite.alive().agreements, 0);
    let (client, server) = (client.expect("accepted"), server.expect("accepted"));
    let sealer = Sealer::new(now, suite, &client, Direction::ClientToServer).expect("keyed");
    let opener = Opener::new(suite, &server, Direction::ClientToServer).expect("keyed");
    (sealer, opener)
}

fn parties(suite: &'static Census) -> (Arc<PairKeys>, Knock) {
    let pair = PairKeys::new(suite, &Secret::new([5; 32]), &peering());
    (Arc::new(pair), Knock::new(suite, &Secret::new([6; 32])))
}

// HS-10.
#[test]
fn nothing_that_derived_the_session_keys_is_alive_when_they_exist() {
    let suite = Census::leak();
    let (pair, knock) = parties(suite);
    let before = suite.alive();
    let (_sealer, _opener) = met(suite, Instant::now(), &pair, &knock);
    assert_eq!(suite.alive(), Alive { aeads: 2, ..before }, "one record key on each side, and no other new key");
}

// KEY-7.
#[test]
fn the_secret_of_an_epoch_is_gone_when_the_next_one_exists() {
    let suite = Census::leak();
    let (pair, knock) = parties(suite);
    let now = Instant::now();
    let (mut sealer, mut opener) = met(suite, now, &pair, &knock);
    let before = suite.alive();
    for pn in 0..5 {
        let mut packet = [7; 60];
        sealer.seal_in_place(&[1; 8], pn, &mut packet).expect("sealed");
        let opened = opener.open(now, &mut packet).expect("authentic");
        assert_eq!(opened.key_phase_changed, pn > 0);
        opener.discard_previous_at(now);
        opener.handle_timeout(now + Duration::from_millis(1));
        sealer.on_ack(pn);
        sealer.update(now).expect("confirmed");
        assert_eq!(suite.alive(), before, "after epoch {pn}");
    }
}

// KEY-13.
#[test]
fn nothing_that_derived_the_secrets_of_a_ratchet_step_is_alive_when_they_exist() {
    let suite = Census::leak();
    let mut chain = handshake().0.chain();
    let before = suite.alive();
    let [ours, theirs] = [1, 2].map(|n| suite.key_agreement(&Secret::new([n; 32])).expect("a share"));
    let (offer, answer) = (ours.public(), theirs.public());
    let shared = ours.agree(&answer).expect("good shares");
    drop(theirs);
    let _stepped = chain.step(suite, &shared, &offer, &answer);
    assert_eq!(suite.alive(), before);
}

// HS-10, KEY-7 and KEY-13: what is dropped is overwritten.
#[test]
fn secrets_are_overwritten_when_they_are_dropped() {
    fn is_erased<T: zeroize::ZeroizeOnDrop>() {}
    is_erased::<Secret<32>>();
    is_erased::<Secret<12>>();
    let mut secret = Secret::new([0x5a; 32]);
    zeroize::Zeroize::zeroize(&mut secret);
    assert_eq!(secret.expose(), &[0; 32]);
}
