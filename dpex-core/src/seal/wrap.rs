//! Secrets of an enrolment on their way to a client (PROTOCOL.md, section 2.5). They are sealed once more below the record
//! layer, so that no buffer of the control stream ever holds one.

use std::fmt;

use zeroize::Zeroizing;

use crate::kdf::Prk;
use crate::suite::{CipherSuite, CryptoError, TAG_LEN};
use crate::types::Secret;
use crate::wire::message::WRAPPED_LEN;

use super::secrets::SessionSecrets;

const NONCE_LEN: usize = 12;
const _: () = assert!(WRAPPED_LEN == NONCE_LEN + 32 + TAG_LEN);

/// Which secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one that a client shares with the server alone.
    Psk,
    /// The one of the first gate.
    Knock,
}

impl Kind {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Psk => b"psk",
            Self::Knock => b"knock",
        }
    }
}

/// Wraps and unwraps secrets within one session.
pub struct Wrap {
    suite: &'static dyn CipherSuite,
    key: Secret,
}

impl Wrap {
    /// For the session with these secrets.
    #[must_use]
    pub fn new(suite: &'static dyn CipherSuite, secrets: &SessionSecrets) -> Self {
        let key = Prk::from_secret(suite, secrets.exporter()).derive("renew", secrets.transcript().as_bytes());
        Self { suite, key }
    }

    /// Wraps a secret.
    ///
    /// # Errors
    /// [`CryptoError::Rng`], [`CryptoError::Internal`].
    pub fn seal(&self, kind: Kind, secret: &Secret) -> Result<[u8; WRAPPED_LEN], CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        self.suite.random(&mut nonce)?;
        let mut body = Zeroizing::new(*secret.expose());
        let tag = self.suite.aead(&self.key)?.seal(&nonce, kind.name(), &mut *body)?;
        [&nonce[..], &body[..], &tag].concat().try_into().map_err(|_| CryptoError::BadLength)
    }

    /// Unwraps what [`Self::seal`] made for a secret of this kind.
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`] for anything else; [`CryptoError::Internal`].
    pub fn open(&self, kind: Kind, wrapped: &[u8; WRAPPED_LEN]) -> Result<Secret, CryptoError> {
        let (nonce, rest) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::BadLength)?;
        let (body, tag) = rest.split_first_chunk::<32>().ok_or(CryptoError::BadLength)?;
        let tag = tag.try_into().map_err(|_| CryptoError::BadLength)?;
        let mut body = Zeroizing::new(*body);
        self.suite.aead(&self.key)?.open(nonce, kind.name(), &mut *body, tag)?;
        Ok(Secret::new(*body))
    }
}

impl fmt::Debug for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrap").finish_non_exhaustive()
    }
}
