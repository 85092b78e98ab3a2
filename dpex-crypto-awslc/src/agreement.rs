//! X25519 (RFC 7748), one secret for one agreement.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use dpex_core::suite::{CryptoError, KeyAgreement};
use dpex_core::types::Secret;

use crate::error::Error;

/// An ephemeral key pair. `PrivateKey` only because the library's own ephemeral type cannot be made from given bytes;
/// `agree` consumes it and its drop erases it all the same.
pub(crate) struct Ephemeral {
    secret: PrivateKey,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn new(secret: &Secret<32>) -> Result<Self, Error> {
        let secret = PrivateKey::from_private_key(&X25519, secret.expose()).map_err(|_| Error::Key)?;
        let public = secret.compute_public_key().map_err(|_| Error::Key)?;
        let public = public.as_ref().try_into().map_err(|_| Error::Key)?;
        Ok(Self { secret, public })
    }
}

impl KeyAgreement for Ephemeral {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        // The library refuses a result of zeros; a backend that relied on that would rest on a promise nobody repeats.
        let shared = agreement::agree(&self.secret, peer, Error::LowOrderShare, |shared| {
            Secret::try_from(shared).map_err(|_| Error::LowOrderShare)
        })?;
        if *shared.expose() == [0; 32] {
            return Err(Error::LowOrderShare.into());
        }
        Ok(shared)
    }
}
