//! A cipher suite for simulations: fast, deterministic, and **without any security whatever**.
//!
//! It keeps the joint's promises towards honest mistakes and blind damage: what was changed by chance does not open or
//! verify, a wrong key does not fit, a failed open leaves zeros. It keeps none towards somebody who tries: its public
//! keys contain their private keys, and its mixing is not cryptography. Everything random comes from one seed, so that a
//! run on one thread can be repeated exactly.

mod agreement;
mod cipher;
mod identity;
mod mixer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::agreement::ToyAgreement;
use self::cipher::{ToyAead, ToyBlockCipher};
use self::identity::{ToyIdentity, ToyPublic};
use self::mixer::{GAMMA, KeyedMixer, Mixer, avalanche};
use crate::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use crate::types::Secret;

/// The suite named `null`. Each instance has its own random sequence and its own counters.
#[derive(Debug)]
pub struct NullSuite {
    core: Arc<Core>,
}

impl NullSuite {
    /// A suite for the rest of the process, whose random bytes follow from `seed`.
    #[must_use]
    pub fn leak(seed: u64) -> &'static Self {
        let core = Core { random: AtomicU64::new(avalanche(seed)), ..Core::default() };
        Box::leak(Box::new(Self { core: Arc::new(core) }))
    }

    /// How many signatures the identities of this suite have made.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.core.signatures.load(Ordering::Relaxed)
    }

    /// How many signatures the public keys of this suite have checked, whatever came of it.
    #[must_use]
    pub fn verifications(&self) -> u64 {
        self.core.verifications.load(Ordering::Relaxed)
    }
}

impl CipherSuite for NullSuite {
    fn name(&self) -> &'static str {
        "null"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.core.fill(out);
        Ok(())
    }

    fn sha256(&self) -> Box<dyn Hash> {
        Box::new(Mixer::new(b"hash"))
    }

    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        Box::new(KeyedMixer::new(key))
    }

    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(Box::new(ToyAead::new(key)))
    }

    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        Ok(Box::new(ToyBlockCipher::new(key)))
    }

    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        Ok(Box::new(ToyAgreement::new(mixer::short_word(&secret.expose()[..8]))))
    }

    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        let id = self.core.next();
        Ok(Arc::new(ToyIdentity::new(&self.core, id, bits).ok_or(CryptoError::Unsupported)?))
    }

    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(Arc::new(ToyIdentity::decode(&self.core, der).ok_or(CryptoError::BadKey)?))
    }

    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        Ok(Arc::new(ToyPublic::decode(&self.core, der).ok_or(CryptoError::BadKey)?))
    }
}

/// What a suite shares with the keys it hands out.
#[derive(Debug, Default)]
struct Core {
    random: AtomicU64,
    signatures: AtomicU64,
    verifications: AtomicU64,
}

impl Core {
    /// SplitMix64; one addition is the whole state change, so it needs no lock.
    fn next(&self) -> u64 {
        avalanche(self.random.fetch_add(GAMMA, Ordering::Relaxed))
    }

    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::kdf::{Prk, hh};

    fn bytes(suite: &dyn CipherSuite) -> [u8; 37] {
        let mut out = [0; 37];
        suite.random(&mut out).expect("the null suite has bytes");
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let (a, b, c) = (NullSuite::leak(1), NullSuite::leak(1), NullSuite::leak(2));
        let first = bytes(a);
        assert_eq!(first, bytes(b));
        assert_ne!(first, bytes(c));
        assert_ne!(first, bytes(a), "the sequence goes on");
    }

    #[test]
    fn neighbouring_seeds_share_no_part_of_their_sequences() {
        let words: Vec<u64> = (0..64)
            .flat_map(|seed| {
                let suite = NullSuite::leak(seed);
                (0..64).map(|_| suite.core.next()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    }

    #[test]
    fn no_two_threads_get_the_same_bytes() {
        let suite = NullSuite::leak(7);
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(move || (0..500).map(|_| bytes(suite)).collect::<Vec<_>>())).collect();
        let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2_000);
    }

    #[test]
    fn the_key_derivation_of_dpex_works_on_it() {
        let suite = NullSuite::leak(0);
        let prk = Prk::from_secret(suite, &Secret::new([1; 32]));
        let (a, b) = (prk.derive("a", b"ctx"), prk.derive("b", b"ctx"));
        assert_ne!(a, b);
        assert_eq!(a, Prk::from_secret(NullSuite::leak(9), &Secret::new([1; 32])).derive("a", b"ctx"));
        assert_ne!(hh(suite, "a", &[b"bc"]), hh(suite, "ab", &[b"c"]));
    }
}
