//! Identities that look like RSA from outside (sizes, who holds what, what fails how) and are nothing of the kind: the
//! public key contains all it takes to sign.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::Core;
use super::mixer::KeyedMixer;
use crate::suite::{CryptoError, IdentityKey, Mac as _, OAEP_OVERHEAD, PublicKey};

const PUBLIC_MAGIC: &[u8; 4] = b"null";
const PRIVATE_MAGIC: &[u8; 4] = b"NULL";
/// Magic, number, modulus length in bytes.
const ENCODED_LEN: usize = 4 + 8 + 2;
/// The random part at the head of a wrapped message, and the check at its end.
const WRAP_HEAD: usize = 16;
const WRAP_CHECK: usize = 32;

/// The public half: a number and a size.
#[derive(Debug)]
pub(super) struct ToyPublic {
    core: Arc<Core>,
    spki: [u8; ENCODED_LEN],
    modulus_len: u16,
}

impl ToyPublic {
    fn new(core: &Arc<Core>, id: u64, modulus_len: u16) -> Self {
        Self { core: Arc::clone(core), spki: encode(PUBLIC_MAGIC, id, modulus_len), modulus_len }
    }

    pub(super) fn decode(core: &Arc<Core>, der: &[u8]) -> Option<Self> {
        let (id, modulus_len) = decode(PUBLIC_MAGIC, der)?;
        Some(Self::new(core, id, modulus_len))
    }

    /// The MAC of the parts under this key, repeated to the length of the modulus.
    fn stretched(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mac = KeyedMixer::new(&self.spki).mac(parts);
        mac.iter().copied().cycle().take(self.modulus_len()).collect()
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.stretched(&[b"sign", message])
    }

    fn check(&self, label: &[u8], front: &[u8]) -> [u8; WRAP_CHECK] {
        KeyedMixer::new(&self.spki).mac(&[b"check", front, label])
    }

    /// Masks a body, or takes the mask off.
    fn mask(&self, label: &[u8], head: &[u8], body: &mut [u8]) {
        let mask = self.stretched(&[b"mask", head, label]);
        body.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

impl PublicKey for ToyPublic {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn modulus_len(&self) -> usize {
        usize::from(self.modulus_len)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.core.verifications.fetch_add(1, Ordering::Relaxed);
        if signature == self.signature(message) { Ok(()) } else { Err(CryptoError::AuthFailed) }
    }

    /// Head, masked body, check: as long as the modulus. The body is zeros, then 1, then the message.
    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if message.len() > self.modulus_len() - OAEP_OVERHEAD {
            return Err(CryptoError::BadLength);
        }
        let mut wrapped = vec![0; self.modulus_len()];
        let (front, check) = wrapped.split_at_mut(self.modulus_len() - WRAP_CHECK);
        let (head, body) = front.split_at_mut(WRAP_HEAD);
        self.core.fill(head);
        let start = body.len() - message.len();
        body[start - 1] = 1;
        body[start..].copy_from_slice(message);
        self.mask(label, head, body);
        check.copy_from_slice(&self.check(label, front));
        Ok(wrapped)
    }
}

/// The private half, which knows nothing more.
#[derive(Debug)]
pub(super) struct ToyIdentity {
    core: Arc<Core>,
    id: u64,
    public: Arc<ToyPublic>,
}

impl ToyIdentity {
    /// An identity of 3072 or 4096 bits, none for another size.
    pub(super) fn new(core: &Arc<Core>, id: u64, bits: usize) -> Option<Self> {
        let modulus_len = match bits {
            3072 => 384,
            4096 => 512,
            _ => return None,
        };
        Some(Self { core: Arc::clone(core), id, public: Arc::new(ToyPublic::new(core, id, modulus_len)) })
    }

    pub(super) fn decode(core: &Arc<Core>, der: &[u8]) -> Option<Self> {
        let (id, modulus_len) = decode(PRIVATE_MAGIC, der)?;
        Self::new(core, id, usize::from(modulus_len) * 8)
    }
}

impl IdentityKey for ToyIdentity {
    fn public(&self) -> Arc<dyn PublicKey> {
        Arc::clone(&self.public) as Arc<dyn PublicKey>
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(Zeroizing::new(encode(PRIVATE_MAGIC, self.id, self.public.modulus_len).to_vec()))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.core.signatures.fetch_add(1, Ordering::Relaxed);
        Ok(self.public.signature(message))
    }

    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if wrapped.len() != self.public.modulus_len() {
            return Err(CryptoError::AuthFailed);
        }
        let (front, check) = wrapped.split_at(wrapped.len() - WRAP_CHECK);
        if self.public.check(label, front) != check {
            return Err(CryptoError::AuthFailed);
        }
        let (head, body) = front.split_at(WRAP_HEAD);
        let mut body = Zeroizing::new(body.to_vec());
        self.public.mask(label, head, &mut body);
        let start = body.iter().position(|byte| *byte == 1).ok_or(CryptoError::AuthFailed)?;
        Ok(Zeroizing::new(body[start + 1..].to_vec()))
    }
}

fn encode(magic: &[u8; 4], id: u64, modulus_len: u16) -> [u8; ENCODED_LEN] {
    let mut out = [0; ENCODED_LEN];
    out[..4].copy_from_slice(magic);
    out[4..12].copy_from_slice(&id.to_be_bytes());
    out[12..].copy_from_slice(&modulus_len.to_be_bytes());
    out
}

fn decode(magic: &[u8; 4], der: &[u8]) -> Option<(u64, u16)> {
    let (id, rest) = der.strip_prefix(magic)?.split_first_chunk()?;
    let modulus_len = u16::from_be_bytes(rest.try_into().ok()?);
    matches!(modulus_len, 384 | 512).then_some((u64::from_be_bytes(*id), modulus_len))
}

#[cfg(test)]
mod tests {
    use super::super::NullSuite;
    use super::*;
    use crate::suite::CipherSuite as _;

    fn identity(bits: usize) -> (Arc<dyn IdentityKey>, Arc<dyn PublicKey>) {
        let identity = NullSuite::leak(1).generate_identity(bits).expect("made");
        let public = identity.public();
        (identity, public)
    }

    #[test]
    fn signatures_have_the_modulus_length_and_verify_under_their_key_and_message_only() {
        for (bits, length) in [(3072, 384), (4096, 512)] {
            let (identity, public) = identity(bits);
            let signature = identity.sign(b"message").expect("signed");
            assert_eq!((signature.len(), public.modulus_len()), (length, length));
            assert_eq!(public.verify(b"message", &signature), Ok(()));
            assert_eq!(public.verify(b"massage", &signature), Err(CryptoError::AuthFailed));
            assert_eq!(public.verify(b"message", &signature[1..]), Err(CryptoError::AuthFailed));
            let stranger = NullSuite::leak(2).generate_identity(bits).expect("made").public();
            assert_eq!(stranger.verify(b"message", &signature), Err(CryptoError::AuthFailed));
        }
    }

    #[test]
    fn every_flipped_byte_of_a_signature_is_refused() {
        let (identity, public) = identity(3072);
        let signature = identity.sign(b"message").expect("signed");
        for at in 0..signature.len() {
            let mut broken = signature.clone();
            broken[at] ^= 1 << (at % 8);
            assert_eq!(public.verify(b"message", &broken), Err(CryptoError::AuthFailed), "byte {at}");
        }
    }

    #[test]
    fn a_wrapped_key_opens_under_its_key_and_label_only() {
        for (bits, length) in [(3072, 384), (4096, 512)] {
            let (identity, public) = identity(bits);
            let secret = Zeroizing::new(vec![9; 32]);
            let wrapped = public.wrap(b"label", &secret).expect("wrapped");
            assert_eq!(wrapped.len(), length);
            assert_eq!(identity.unwrap(b"label", &wrapped), Ok(secret.clone()));
            assert_eq!(identity.unwrap(b"other", &wrapped), Err(CryptoError::AuthFailed));
            let stranger = NullSuite::leak(2).generate_identity(bits).expect("made");
            assert_eq!(stranger.unwrap(b"label", &wrapped), Err(CryptoError::AuthFailed));
            for at in 0..length {
                let mut broken = wrapped.clone();
                broken[at] ^= 1 << (at % 8);
                assert_eq!(identity.unwrap(b"label", &broken), Err(CryptoError::AuthFailed), "byte {at}");
            }
            for cut in [0, 15, 47, length - 1] {
                assert_eq!(identity.unwrap(b"label", &wrapped[..cut]), Err(CryptoError::AuthFailed), "cut to {cut}");
            }
            assert_ne!(public.wrap(b"label", &secret).expect("wrapped"), wrapped, "wrapping is random");
        }
    }

    #[test]
    fn keys_survive_storing_and_cross_to_another_suite() {
        let (identity, public) = identity(4096);
        let elsewhere = NullSuite::leak(99);
        let loaded = elsewhere.identity_from_pkcs8(&identity.to_pkcs8().expect("encoded")).expect("loaded");
        assert_eq!(loaded.public().spki(), public.spki());
        let signature = identity.sign(b"message").expect("signed");
        let peer = elsewhere.public_from_spki(public.spki()).expect("loaded");
        assert_eq!(peer.verify(b"message", &signature), Ok(()));
    }

    #[test]
    fn malformed_keys_are_refused() {
        let (suite, (identity, public)) = (NullSuite::leak(1), identity(3072));
        let private = identity.to_pkcs8().expect("encoded");
        let longer = [public.spki(), &[0]].concat();
        let mut small = public.spki().to_vec();
        small[12] = 0;
        for der in [&[][..], &private, &longer, &public.spki()[..13], &small] {
            assert_eq!(suite.public_from_spki(der).expect_err("refused"), CryptoError::BadKey);
        }
        assert_eq!(suite.identity_from_pkcs8(public.spki()).expect_err("refused"), CryptoError::BadKey);
        assert_eq!(suite.generate_identity(2048).expect_err("refused"), CryptoError::Unsupported);
    }

    #[test]
    fn two_identities_of_one_suite_differ() {
        let suite = NullSuite::leak(3);
        let (a, b) = (suite.generate_identity(3072).expect("made"), suite.generate_identity(3072).expect("made"));
        assert_ne!(a.public().spki(), b.public().spki());
    }

    #[test]
    fn signatures_and_verifications_are_counted_where_the_key_was_loaded() {
        let (here, there) = (NullSuite::leak(4), NullSuite::leak(5));
        let identity = here.generate_identity(3072).expect("made");
        let signature = identity.sign(b"message").expect("signed");
        let peer = there.public_from_spki(identity.public().spki()).expect("loaded");
        peer.verify(b"message", &signature).expect("verified");
        peer.verify(b"another", &signature).expect_err("refused, and counted all the same");
        assert_eq!((here.signatures(), here.verifications()), (1, 0));
        assert_eq!((there.signatures(), there.verifications()), (0, 2));
    }
}
