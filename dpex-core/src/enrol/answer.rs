//! Mail 2: the server's answer, its secret part readable by one client alone.

use super::{ClientGrant, CreateError, DocumentError, Request, ServerGrant, Terms, words};
use crate::suite::{CipherSuite, IdentityKey};
use crate::types::{Digest, Secret, Timestamp};

/// An enrolment answer, as the server made it.
#[derive(Clone, Debug)]
pub struct Answer {
    exchange: Digest,
}

impl Answer {
    /// Answers a request: makes the enrolment's secrets, seals them for the client, and signs.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(
        suite: &dyn CipherSuite,
        server: &dyn IdentityKey,
        request: &Request,
        knock: &Secret<32>,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<(Self, ServerGrant), CreateError> {
        let _ = (suite, server, request, knock, terms, now);
        Err(CreateError::Time)
    }

    /// Finds the answer to `own` in a text, which may be a mail around it, checks it and opens it. Whether the server is
    /// already known under another key is for the caller to see.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open(
        suite: &dyn CipherSuite,
        client: &dyn IdentityKey,
        own: &Request,
        text: &[u8],
        now: Timestamp,
    ) -> Result<ClientGrant, DocumentError> {
        let _ = (suite, client, own, text, now);
        Err(DocumentError::NotFound)
    }

    /// The document, ready to be mailed: lines of at most 76 characters.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::new()
    }

    /// The eight words both sides compare by telephone.
    #[must_use]
    pub fn exchange_code(&self) -> String {
        words(&self.exchange.0)
    }
}
