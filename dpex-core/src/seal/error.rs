//! Why a handshake datagram was not accepted. For the local log only: nothing of this leaves the machine.

use crate::suite::CryptoError;
use crate::wire::codec::Malformed;

/// A handshake datagram was not accepted (BAD-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not made with the keys of this peering, for this handshake, or altered on the way.
    #[error("not authentic")]
    NotAuthentic,
    /// Authentic, but a field is out of range or a reserved byte is set.
    #[error("authentic but malformed")]
    Malformed,
    /// Authentic, but it names another server or client.
    #[error("meant for other identities")]
    WrongIdentity,
    /// Authentic, but it demands an extension that this version does not know.
    #[error("unknown critical extension {0}")]
    UnknownCritical(u16),
    /// The server chose a version or suite that was not offered.
    #[error("version {version} and suite {suite} were not offered")]
    NotOffered {
        /// The version it chose.
        version: u16,
        /// The suite it chose.
        suite: u16,
    },
    /// The key share of this INIT has been used up by another answer.
    #[error("this handshake was already answered")]
    Spent,
    /// The cryptography backend failed.
    #[error("cryptography failed")]
    Crypto(#[source] CryptoError),
}

impl From<Malformed> for HandshakeError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<CryptoError> for HandshakeError {
    fn from(e: CryptoError) -> Self {
        match e {
            CryptoError::AuthFailed => Self::NotAuthentic,
            other => Self::Crypto(other),
        }
    }
}
