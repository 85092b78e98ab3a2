//! Joint 1: what dpex needs from a cryptography library, and no more.
//!
//! Nonces, the key schedule, replay and records are dpex's own and live in [`crate::kdf`] and [`crate::seal`], so two
//! backends cannot disagree about them. A backend supplies the operations below on bytes; PROTOCOL.md, section 9,
//! lists them with their known pitfalls.

mod identity;

use std::fmt::Debug;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::types::{Digest, Secret};

pub use identity::check_identity;

/// Length of an AES-GCM tag in bytes.
pub const TAG_LEN: usize = 16;
/// What RSAES-OAEP with SHA-256 takes of a modulus for itself, in bytes: two hashes and two bytes.
pub const OAEP_OVERHEAD: usize = 66;

/// Why an operation failed. Opaque on purpose: authentication fails one way and no library text reaches a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A tag, signature, ciphertext or key share was not authentic.
    #[error("authentication failed")]
    AuthFailed,
    /// A key is malformed, of an unsupported size or exponent, or inconsistent.
    #[error("the key is not usable")]
    BadKey,
    /// An input has a length the operation cannot take.
    #[error("an input has the wrong length")]
    BadLength,
    /// The system's random source failed.
    #[error("no random bytes could be had")]
    Rng,
    /// The backend does not offer this.
    #[error("not supported by this cryptography backend")]
    Unsupported,
    /// The library failed for a reason of its own.
    #[error("the cryptography library failed")]
    Internal,
}

/// A cryptography backend. All methods may be called from any thread.
pub trait CipherSuite: Debug + Send + Sync {
    /// The name by which configuration chooses it, such as `rustcrypto`.
    fn name(&self) -> &'static str;

    /// Fills `out` from a cryptographically secure source.
    ///
    /// # Errors
    /// [`CryptoError::Rng`]; `out` must not be used then.
    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError>;

    /// A fresh SHA-256 computation.
    fn sha256(&self) -> Box<dyn Hash>;

    /// HMAC-SHA-256 under a key of any length, with the key's two mid-states computed once.
    fn hmac(&self, key: &[u8]) -> Box<dyn Mac>;

    /// AES-256-GCM under one key, with 12-byte nonces.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError>;

    /// AES-256 on single blocks, for header protection.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError>;

    /// The X25519 key pair of a secret: 32 bytes that [`random_secret`] gave and that serve nothing else (RFC 7748 clamps
    /// them).
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError>;

    /// Makes an RSA identity of `bits` (3072 or 4096), e = 65537. Slow: seconds.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] for another size, [`CryptoError::Rng`], [`CryptoError::Internal`].
    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError>;

    /// Loads an RSA identity from a PKCS#8 DER `PrivateKeyInfo`, checking size, exponent, that its parts fit together,
    /// and what [`check_identity`] does. The DER must be the canonical form, the one [`IdentityKey::to_pkcs8`] returns.
    ///
    /// # Errors
    /// [`CryptoError::BadKey`]; [`CryptoError::Rng`] where the check signs.
    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError>;

    /// Loads an RSA public key from a DER `SubjectPublicKeyInfo` (rsaEncryption), checking size (3072 or 4096) and
    /// exponent (65537). The DER must be the canonical form, the one [`PublicKey::spki`] returns.
    ///
    /// # Errors
    /// [`CryptoError::BadKey`].
    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError>;
}

/// Thirty-two random bytes.
///
/// # Errors
/// [`CryptoError::Rng`].
pub fn random_secret(suite: &dyn CipherSuite) -> Result<Secret<32>, CryptoError> {
    let mut bytes = Zeroizing::new([0; 32]);
    suite.random(&mut *bytes)?;
    Ok(Secret::new(*bytes))
}

/// A running SHA-256.
pub trait Hash: Send {
    /// Appends bytes.
    fn update(&mut self, bytes: &[u8]);
    /// A second computation that starts from the same state.
    fn fork(&self) -> Box<dyn Hash>;
    /// The hash of everything appended.
    fn finish(self: Box<Self>) -> Digest;
}

/// HMAC-SHA-256 under one key.
pub trait Mac: Send + Sync {
    /// The full 32-byte MAC of the concatenation of `parts`.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// AES-256-GCM under one key: in place, detached tag, no allocation.
pub trait Aead: Send + Sync {
    /// Encrypts `buf` in place and returns the tag.
    ///
    /// # Errors
    /// [`CryptoError::Internal`]; `buf` must not be sent then.
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError>;

    /// Decrypts `buf` in place if `tag` is right. On failure `buf` holds zeros, never unverified plaintext.
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`]; [`CryptoError::Internal`], [`CryptoError::Unsupported`] where the library fails.
    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError>;
}

/// AES-256 on independent 16-byte blocks (ECB), many in one call. Header protection encrypts; only key files under a
/// passphrase are decrypted.
pub trait BlockCipher: Send + Sync {
    /// Encrypts each block in place.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    fn encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError>;

    /// Decrypts each block in place.
    ///
    /// # Errors
    /// [`CryptoError::Internal`], [`CryptoError::Unsupported`].
    fn decrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError>;
}

/// An ephemeral X25519 secret, usable once.
pub trait KeyAgreement: Send + Sync {
    /// The public share.
    fn public(&self) -> [u8; 32];
    /// The shared secret with a peer's public share. Consumes and erases the secret (HS-1).
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`] if the result would be all zero (a low-order share).
    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError>;
}

/// An RSA public key. Every operation takes up to a millisecond: the engine never calls one inline.
pub trait PublicKey: Debug + Send + Sync {
    /// DER `SubjectPublicKeyInfo`, byte-identical in every backend.
    fn spki(&self) -> &[u8];
    /// Modulus length in bytes: 384 or 512, the length of its signatures and OAEP ciphertexts.
    fn modulus_len(&self) -> usize;
    /// RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32 bytes exactly.
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`], also for a signature of the wrong length.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError>;
    /// RSAES-OAEP, SHA-256, MGF1-SHA-256, of a message of at most `modulus_len -` [`OAEP_OVERHEAD`] bytes. dpex's
    /// labels are never empty; a backend takes an empty one all the same.
    ///
    /// # Errors
    /// [`CryptoError::BadLength`] for a longer message, [`CryptoError::Rng`].
    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// An RSA private key. Every operation takes tens of milliseconds: the engine never calls one inline.
pub trait IdentityKey: Debug + Send + Sync {
    /// The public half.
    fn public(&self) -> Arc<dyn PublicKey>;
    /// PKCS#8 DER `PrivateKeyInfo`, for storing.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
    /// RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32 bytes, blinded.
    ///
    /// # Errors
    /// [`CryptoError::Rng`], [`CryptoError::Internal`].
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;
    /// Opens what [`PublicKey::wrap`] made under the same label. Offline use only (`client update`): no
    /// network peer ever feeds a ciphertext to this (ENR-3).
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`] for every way the ciphertext can be wrong; [`CryptoError::Rng`] where blinding
    /// needs it.
    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
}
