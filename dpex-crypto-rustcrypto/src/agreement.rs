//! X25519 (RFC 7748), one secret for one agreement.

use dpex_core::suite::{CryptoError, KeyAgreement};
use dpex_core::types::Secret;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::error::Error;

/// An ephemeral key pair. `StaticSecret` only because the library's own ephemeral type cannot be made from given bytes;
/// `agree` consumes it and its drop erases it all the same.
pub(crate) struct Ephemeral {
    secret: StaticSecret,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn new(secret: &Secret<32>) -> Self {
        let secret = StaticSecret::from(*secret.expose());
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }
}

impl KeyAgreement for Ephemeral {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*peer));
        if !shared.was_contributory() {
            return Err(Error::LowOrderShare.into());
        }
        Ok(Secret::new(shared.to_bytes()))
    }
}
