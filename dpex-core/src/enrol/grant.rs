//! What each side keeps of an enrolment. Both hold secrets: store them where only their owner can read.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{DisplayName, Endpoint, Policy, StoredError, Uid, fingerprint, words};
use crate::suite::{CipherSuite, CryptoError, PublicKey};
use crate::types::{Digest, EnrolmentId, Fingerprint, Secret, Timestamp};

/// What a server stores per person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerGrant {
    /// The client's identifier of itself.
    pub uid: Uid,
    /// The person's name, as the request had it.
    pub name: DisplayName,
    /// This enrolment.
    pub enrolment: EnrolmentId,
    /// The client's public key, DER `SubjectPublicKeyInfo`.
    pub client_spki: Vec<u8>,
    /// Its fingerprint.
    pub client: Fingerprint,
    /// The secret shared with this client alone.
    pub psk: Secret<32>,
    /// `EH`: what both documents hash to; enters every handshake.
    pub exchange: Digest,
    /// SHA-256 of what the request signed.
    pub request_hash: Digest,
    /// When the answer was made. Whole seconds.
    pub created: Timestamp,
    /// When it lapses unless used before. Whole seconds.
    pub first_use_before: Timestamp,
    /// The protocol versions the client can speak.
    pub protocols: Vec<u16>,
    /// The suites the client can speak.
    pub suites: Vec<u16>,
    /// How the two are to speak with each other.
    pub policy: Policy,
}

/// What a client stores per server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientGrant {
    /// What the server calls itself.
    pub server_name: DisplayName,
    /// Where it is reached, best first; never empty.
    pub endpoints: Vec<Endpoint>,
    /// The server's public key, DER `SubjectPublicKeyInfo`.
    pub server_spki: Vec<u8>,
    /// Its fingerprint.
    pub server: Fingerprint,
    /// This enrolment.
    pub enrolment: EnrolmentId,
    /// The secret shared with this server alone.
    pub psk: Secret<32>,
    /// The secret that opens the server's first gate.
    pub knock: Secret<32>,
    /// `EH`: what both documents hash to; enters every handshake.
    pub exchange: Digest,
    /// The fingerprint of the client's own key.
    pub client: Fingerprint,
    /// The client's identifier of itself.
    pub uid: Uid,
    /// When the answer was made. Whole seconds.
    pub created: Timestamp,
    /// When it lapses unless used before. Whole seconds.
    pub first_use_before: Timestamp,
    /// The protocol versions the server can speak.
    pub protocols: Vec<u16>,
    /// The suites the server can speak.
    pub suites: Vec<u16>,
    /// How the two are to speak with each other.
    pub policy: Policy,
}

impl ServerGrant {
    /// The eight words both sides compare by telephone.
    #[must_use]
    pub fn exchange_code(&self) -> String {
        words(&self.exchange.0)
    }

    /// The client's public key, checked against its fingerprint.
    ///
    /// # Errors
    /// [`CryptoError::BadKey`].
    pub fn client_key(&self, suite: &dyn CipherSuite) -> Result<Arc<dyn PublicKey>, CryptoError> {
        checked_key(suite, &self.client_spki, &self.client)
    }

    /// The stored form. It holds the secret.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        super::stored::to_json(self)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn from_json(text: &[u8]) -> Result<Self, StoredError> {
        super::stored::from_json(text)
    }
}

impl ClientGrant {
    /// The eight words both sides compare by telephone.
    #[must_use]
    pub fn exchange_code(&self) -> String {
        words(&self.exchange.0)
    }

    /// The server's public key, checked against its fingerprint.
    ///
    /// # Errors
    /// [`CryptoError::BadKey`].
    pub fn server_key(&self, suite: &dyn CipherSuite) -> Result<Arc<dyn PublicKey>, CryptoError> {
        checked_key(suite, &self.server_spki, &self.server)
    }

    /// The stored form. It holds the secrets.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        super::stored::to_json(self)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn from_json(text: &[u8]) -> Result<Self, StoredError> {
        super::stored::from_json(text)
    }
}

fn checked_key(
    suite: &dyn CipherSuite,
    spki: &[u8],
    expected: &Fingerprint,
) -> Result<Arc<dyn PublicKey>, CryptoError> {
    if fingerprint(suite, spki) != *expected {
        return Err(CryptoError::BadKey);
    }
    suite.public_from_spki(spki)
}
