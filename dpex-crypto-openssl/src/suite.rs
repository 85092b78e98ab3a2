//! The backend as one value: each method makes a keyed object of the file named after its operation.

use std::sync::Arc;

use dpex_core::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use dpex_core::types::Secret;
use openssl::rand::rand_priv_bytes;

use crate::aead::{Aes256Blocks, Gcm};
use crate::agreement::Ephemeral;
use crate::error::settled;
use crate::hash::{HmacSha256, RunningSha256};
use crate::random;
use crate::rsa::{Identity, Public};

/// The OpenSSL backend; use it through [`SUITE`].
#[derive(Clone, Copy, Debug)]
pub struct OpenSsl;

/// The one instance, for wherever a `&'static dyn CipherSuite` is wanted.
///
/// What is known of timing. Symmetric operations, X25519 and tag comparison are constant-time by the library's design,
/// with the CPU's own instructions where it has them. RSA private operations are blinded, run with constant-time
/// exponentiation, and are checked before a result leaves, so that a computation fault does not give the key away;
/// OAEP's padding check is branch-free up to its one verdict. That is the library's intent and has been attacked and
/// mended for decades; dpex keeps RSA decryption off the network all the same: only `client update` unwraps.
pub static SUITE: OpenSsl = OpenSsl;

impl CipherSuite for OpenSsl {
    fn name(&self) -> &'static str {
        "openssl"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        Ok(random::fill(rand_priv_bytes, out)?)
    }

    fn sha256(&self) -> Box<dyn Hash> {
        Box::new(RunningSha256::default())
    }

    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        Box::new(HmacSha256::new(key))
    }

    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(Box::new(settled(Gcm::new(key))?))
    }

    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        Ok(Box::new(settled(Aes256Blocks::new(key))?))
    }

    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        Ok(Box::new(settled(Ephemeral::new(secret))?))
    }

    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(Arc::new(settled(Identity::generate(bits))?))
    }

    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(Arc::new(settled(Identity::from_pkcs8(der))?))
    }

    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        Ok(Arc::new(settled(Public::from_spki(der))?))
    }
}
