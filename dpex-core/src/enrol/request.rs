//! Mail 1: a client's public key, signed by itself.

use std::sync::Arc;

use super::{CreateError, DisplayName, DocumentError, Uid};
use crate::suite::{CipherSuite, IdentityKey, PublicKey};
use crate::types::{Digest, Fingerprint, Timestamp};

/// An enrolment request: made here, or read and checked. Holds no secret.
#[derive(Clone, Debug)]
pub struct Request {
    uid: Uid,
    name: DisplayName,
    created: Timestamp,
    nonce: [u8; 32],
    protocols: Vec<u16>,
    suites: Vec<u16>,
    key: Arc<dyn PublicKey>,
    fingerprint: Fingerprint,
    signature: Vec<u8>,
    hash: Digest,
}

impl Request {
    /// Makes a request and signs it.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(
        suite: &dyn CipherSuite,
        identity: &dyn IdentityKey,
        uid: Uid,
        name: &str,
        now: Timestamp,
    ) -> Result<Self, CreateError> {
        let _ = (suite, identity, uid, name, now);
        Err(CreateError::Time)
    }

    /// Finds a request in a text, which may be a mail around it, and checks it.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn read(suite: &dyn CipherSuite, text: &[u8], now: Timestamp) -> Result<Self, DocumentError> {
        let _ = (suite, text, now);
        Err(DocumentError::NotFound)
    }

    /// The document, ready to be mailed: lines of at most 76 characters.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::new()
    }

    /// The client's identifier of itself. Never use it as a path.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// The person's name.
    #[must_use]
    pub fn name(&self) -> &DisplayName {
        &self.name
    }

    /// When it was made. Whole seconds.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The protocol versions the client can speak, best first; at least one is known here.
    #[must_use]
    pub fn protocols(&self) -> &[u16] {
        &self.protocols
    }

    /// The suites the client can speak, best first; at least one is known here.
    #[must_use]
    pub fn suites(&self) -> &[u16] {
        &self.suites
    }

    /// The client's public key.
    #[must_use]
    pub fn public_key(&self) -> &Arc<dyn PublicKey> {
        &self.key
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// `SHA-256(S_req)`: what an answer refers to.
    #[must_use]
    pub fn hash(&self) -> &Digest {
        &self.hash
    }
}
