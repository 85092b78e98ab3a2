//! X25519 (RFC 7748), one secret for one agreement.

use dpex_core::suite::{CryptoError, KeyAgreement};
use dpex_core::types::Secret;
use openssl::derive::Deriver;
use openssl::pkey::{Id, PKey, Private};
use zeroize::Zeroizing;

use crate::error::{Error, settled};

/// An ephemeral key pair. `agree` consumes it, and the library erases a key that it frees.
pub(crate) struct Ephemeral {
    secret: PKey<Private>,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn new(secret: &Secret<32>) -> Result<Self, Error> {
        let secret = PKey::private_key_from_raw_bytes(secret.expose(), Id::X25519)?;
        let public = secret.raw_public_key()?.try_into().map_err(|_| Error::ShareLength)?;
        Ok(Self { secret, public })
    }

    fn share(&self, peer: &[u8; 32]) -> Result<Secret<32>, Error> {
        let peer = PKey::public_key_from_raw_bytes(peer, Id::X25519)?;
        let mut deriver = Deriver::new(&self.secret)?;
        deriver.set_peer(&peer)?;
        let mut shared = Zeroizing::new([0; 32]);
        // With both keys accepted, an all-zero result is the one thing the library refuses here.
        if deriver.derive(&mut *shared).map_err(|_| Error::LowOrderShare)? != shared.len() {
            return Err(Error::ShareLength);
        }
        let shared = Secret::new(*shared);
        // Not every version of the library refuses it.
        if shared == Secret::new([0; 32]) {
            return Err(Error::LowOrderShare);
        }
        Ok(shared)
    }
}

impl KeyAgreement for Ephemeral {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        Ok(settled(self.share(peer))?)
    }
}
