//! The backend as one value: each method makes a keyed object of the file named after its operation.

use std::sync::Arc;

use dpex_core::suite::{Aead, BlockCipher, CipherSuite, CryptoError, Hash, IdentityKey, KeyAgreement, Mac, PublicKey};
use dpex_core::types::Secret;

use crate::aead::{Aes256Blocks, Gcm};
use crate::agreement::Ephemeral;
use crate::hash::{HmacSha256, RunningSha256};
use crate::random;
use crate::rsa::{Identity, Public};

/// The AWS-LC backend; use it through [`SUITE`].
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

/// The one instance, for wherever a `&'static dyn CipherSuite` is wanted.
///
/// What is known of timing. The library's AES-GCM, X25519, HMAC and tag comparison are constant-time, parts of them
/// formally verified; RSA private operations are blinded and checked before a result leaves. dpex keeps RSA decryption
/// off the network all the same: only `client update` unwraps.
pub static SUITE: AwsLc = AwsLc;

impl CipherSuite for AwsLc {
    fn name(&self) -> &'static str {
        "awslc"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        Ok(random::fill(out)?)
    }

    fn sha256(&self) -> Box<dyn Hash> {
        Box::new(RunningSha256::new())
    }

    fn hmac(&self, key: &[u8]) -> Box<dyn Mac> {
        Box::new(HmacSha256::new(key))
    }

    fn aead(&self, key: &Secret<32>) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(Box::new(Gcm::new(key)?))
    }

    fn block(&self, key: &Secret<32>) -> Result<Box<dyn BlockCipher>, CryptoError> {
        Ok(Box::new(Aes256Blocks::new(key)?))
    }

    fn key_agreement(&self, secret: &Secret<32>) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        Ok(Box::new(Ephemeral::new(secret)?))
    }

    fn generate_identity(&self, bits: usize) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(Arc::new(Identity::generate(bits)?))
    }

    fn identity_from_pkcs8(&self, der: &[u8]) -> Result<Arc<dyn IdentityKey>, CryptoError> {
        Ok(Arc::new(Identity::from_pkcs8(der)?))
    }

    fn public_from_spki(&self, der: &[u8]) -> Result<Arc<dyn PublicKey>, CryptoError> {
        Ok(Arc::new(Public::from_spki(der)?))
    }
}
