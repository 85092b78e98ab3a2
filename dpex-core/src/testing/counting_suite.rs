//! A cipher suite that counts another's public-key operations, for tests of the form "this costs no RSA".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use crate::types::Secret;

/// How many public-key operations were asked for, whether they succeeded or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`IdentityKey::sign`].
    pub signs: u64,
    /// [`PublicKey::verify`].
    pub verifies: u64,
    /// [`PublicKey::wrap`].
    pub wraps: u64,
    /// [`IdentityKey::unwrap`].
    pub unwraps: u64,
    /// [`CipherSuite::key_agreement`].
    pub shares: u64,
    /// [`KeyAgreement::agree`].
    pub agrees: u64,
}

/// Passes everything on to another suite and counts what is slow. The keys it hands out count as well.
#[derive(Debug)]
pub struct CountingSuite {
    inner: &'static dyn CipherSuite,
    tally: Arc<Tally>,
}

impl CountingSuite {
    /// A counting suite around `inner`, for the rest of the process.
    #[must_use]
    pub fn leak(inner: &'static dyn CipherSuite) -> &'static Self {
        Box::leak(Box::new(Self { inner, tally: Arc::default() }))
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            signs: read(&self.tally.signs),
            verifies: read(&self.tally.verifies),
            wraps: read(&self.tally.wraps),
            unwraps: read(&self.tally.unwraps),
            shares: read(&self.tally.shares),
            agrees: read(&self.tally.agrees),
        }
    }

    fn identity(&self, inner: Arc<dyn IdentityKey>) -> Arc<dyn IdentityKey> {
        Arc::new(CountingIdentity { inner, tally: Arc::clone(&self.tally) })
    }
}

impl CipherSuite for CountingSuite {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.inner.random(out)
    }

    fn sha256(&self) -> Box<dyn Hash> {
        self.inner.sha256()
    }

    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        self.inner.hmac(key)
    }

    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        self.inner.aead(key)
    }

    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        self.inner.block(key)
    }

    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        count(&self.tally.shares);
        Ok(Box::new(CountingAgreement { inner: self.inner.key_agreement(secret)?, tally: Arc::clone(&self.tally) }))
    }

    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(self.identity(self.inner.generate_identity(bits)?))
    }

    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(self.identity(self.inner.identity_from_pkcs8(der)?))
    }

    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        Ok(Arc::new(CountingPublic { inner: self.inner.public_from_spki(der)?, tally: Arc::clone(&self.tally) }))
    }
}

#[derive(Debug, Default)]
struct Tally {
    signs: AtomicU64,
    verifies: AtomicU64,
    wraps: AtomicU64,
    unwraps: AtomicU64,
    shares: AtomicU64,
    agrees: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

struct CountingAgreement {
    inner: Box<dyn KeyAgreement>,
    tally: Arc<Tally>,
}

impl KeyAgreement for CountingAgreement {
    fn public(&self) -> [u8; 32] {
        self.inner.public()
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        count(&self.tally.agrees);
        self.inner.agree(peer)
    }
}

#[derive(Debug)]
struct CountingPublic {
    inner: Arc<dyn PublicKey>,
    tally: Arc<Tally>,
}

impl PublicKey for CountingPublic {
    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn modulus_len(&self) -> usize {
        self.inner.modulus_len()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        count(&self.tally.verifies);
        self.inner.verify(message, signature)
    }

    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        count(&self.tally.wraps);
        self.inner.wrap(label, message)
    }
}

#[derive(Debug)]
struct CountingIdentity {
    inner: Arc<dyn IdentityKey>,
    tally: Arc<Tally>,
}

impl IdentityKey for CountingIdentity {
    fn public(&self) -> Arc<dyn PublicKey> {
        Arc::new(CountingPublic { inner: self.inner.public(), tally: Arc::clone(&self.tally) })
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        self.inner.to_pkcs8()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        count(&self.tally.signs);
        self.inner.sign(message)
    }

    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        count(&self.tally.unwraps);
        self.inner.unwrap(label, wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NullSuite;
    use super::*;

    #[test]
    fn nothing_symmetric_is_counted() {
        let suite = CountingSuite::leak(NullSuite::leak(1));
        let key = Secret::new([1; 32]);
        suite.random(&mut [0; 8]).expect("random");
        suite.sha256().update(b"bytes");
        suite.hmac(b"key").mac(&[b"bytes"]);
        suite.aead(&key).expect("a key").seal(&[0; 12], b"", &mut [0; 8]).expect("sealed");
        suite.block(&key).expect("a key").encrypt(&mut [[0; 16]]).expect("encrypted");
        let identity = suite.generate_identity(3072).expect("made");
        identity.to_pkcs8().expect("encoded");
        assert_eq!(suite.counts(), Counts::default());
    }

    #[test]
    fn every_way_to_a_key_leads_to_one_that_counts() {
        let suite = CountingSuite::leak(NullSuite::leak(1));
        let made = suite.generate_identity(3072).expect("made");
        let loaded = suite.identity_from_pkcs8(&made.to_pkcs8().expect("encoded")).expect("loaded");
        let peer = suite.public_from_spki(made.public().spki()).expect("loaded");
        let secret = Secret::new([2; 32]);
        for identity in [&made, &loaded] {
            let signature = identity.sign(b"message").expect("signed");
            for public in [&identity.public(), &peer] {
                public.verify(b"message", &signature).expect("verified");
                let wrapped = public.wrap(b"label", secret.expose()).expect("wrapped");
                assert_eq!(identity.unwrap(b"label", &wrapped), Ok(Zeroizing::new(secret.expose().to_vec())));
            }
        }
        let expected = Counts { signs: 2, verifies: 4, wraps: 4, unwraps: 4, ..Counts::default() };
        assert_eq!(suite.counts(), expected);
    }

    #[test]
    fn failures_count_and_agreements_count_on_both_ends() {
        let suite = CountingSuite::leak(NullSuite::leak(1));
        let identity = suite.generate_identity(3072).expect("made");
        identity.public().verify(b"message", b"no signature").expect_err("refused");
        identity.unwrap(b"label", b"nothing wrapped").expect_err("refused");
        let key = Secret::new([1; 32]);
        let (a, b) = (suite.key_agreement(&key).expect("a key"), suite.key_agreement(&key).expect("a key"));
        let (share, peer) = (a.public(), b.public());
        assert_eq!(a.agree(&peer), b.agree(&share));
        let expected = Counts { verifies: 1, unwraps: 1, shares: 2, agrees: 2, ..Counts::default() };
        assert_eq!(suite.counts(), expected);
    }
}
