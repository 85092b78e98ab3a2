//! Mail 1: a client's public key, signed by itself.

use std::sync::Arc;

use super::document::{
    FORMAT, REQUEST_COMMENT, REQUEST_FORMAT, dated, in_common, moment, name, public_key, same_words,
};
use super::document::{read, verify};
use super::encoding::{RequestContent, sha256};
use super::writer::Writer;
use super::{CreateError, DisplayName, DocumentError, Kind, PROTOCOLS, SUITES, Uid, fingerprint, stamp, words};
use crate::suite::{CipherSuite, IdentityKey, PublicKey};
use crate::types::{Digest, Fingerprint, Timestamp};

/// An enrolment request: made here, or read and checked. Holds no secret.
#[derive(Clone, Debug)]
pub struct Request {
    content: RequestContent,
    signature: Vec<u8>,
    key: Arc<dyn PublicKey>,
    fingerprint: Fingerprint,
    hash: Digest,
}

impl Request {
    /// Makes a request and signs it.
    ///
    /// # Errors
    /// [`CreateError::Name`], [`CreateError::Time`], [`CreateError::Crypto`].
    pub fn create(
        suite: &dyn CipherSuite,
        identity: &dyn IdentityKey,
        uid: Uid,
        name: &str,
        now: Timestamp,
    ) -> Result<Self, CreateError> {
        let mut nonce = [0; 32];
        suite.random(&mut nonce)?;
        let key = identity.public();
        let content = RequestContent {
            uid,
            name: name.parse()?,
            created: stamp::whole(now).ok_or(CreateError::Time)?,
            nonce,
            protocols: PROTOCOLS.to_vec(),
            suites: SUITES.to_vec(),
            spki: key.spki().to_vec(),
        };
        let signed = content.signed();
        Ok(Self {
            signature: identity.sign(&signed)?,
            fingerprint: fingerprint(suite, &content.spki),
            hash: sha256(suite, &signed),
            key,
            content,
        })
    }

    /// Finds a request in a text, which may be a mail around it, and checks it.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn read(suite: &dyn CipherSuite, text: &[u8], now: Timestamp) -> Result<Self, DocumentError> {
        let (content, shown, signature) = read(text, Kind::Request, |fields| {
            let content = RequestContent {
                uid: fields.token("uid", "a lower-case uuid of version 4", |text| text.parse().ok())?,
                name: name(fields, "name")?,
                created: moment(fields, "created")?,
                nonce: *fields.array("nonce")?,
                protocols: fields.numbers("protocols")?,
                suites: fields.numbers("suites")?,
                spki: fields.lines("publicKey")?,
            };
            Ok((content, fields.words("fingerprint")?, fields.lines("signature")?))
        })?;
        let key = public_key(suite, &content.spki)?;
        let signed = content.signed();
        verify(&*key, &signed, &signature)?;
        dated(content.created, now)?;
        in_common(&content.protocols, &content.suites)?;
        let fingerprint = fingerprint(suite, &content.spki);
        same_words(&shown, &fingerprint)?;
        Ok(Self { hash: sha256(suite, &signed), content, signature, key, fingerprint })
    }

    /// The document, ready to be mailed: lines of at most 76 characters.
    #[must_use]
    pub fn to_json(&self) -> String {
        let content = &self.content;
        Writer::new()
            .text(FORMAT, REQUEST_FORMAT)
            .text("comment", REQUEST_COMMENT)
            .text("uid", content.uid.as_str())
            .text("name", content.name.as_str())
            .text("created", &stamp::format(content.created).expect("checked when it entered"))
            .bytes("nonce", &content.nonce)
            .numbers("protocols", &content.protocols)
            .numbers("suites", &content.suites)
            .lines("publicKey", &content.spki)
            .text("fingerprint", &words(&self.fingerprint.0))
            .lines("signature", &self.signature)
            .finish()
    }

    /// The client's identifier of itself. Never use it as a path.
    #[must_use]
    pub fn uid(&self) -> &Uid {
        &self.content.uid
    }

    /// The person's name.
    #[must_use]
    pub fn name(&self) -> &DisplayName {
        &self.content.name
    }

    /// When it was made. Whole seconds.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.content.created
    }

    /// The protocol versions the client can speak, best first; at least one is known here.
    #[must_use]
    pub fn protocols(&self) -> &[u16] {
        &self.content.protocols
    }

    /// The suites the client can speak, best first; at least one is known here.
    #[must_use]
    pub fn suites(&self) -> &[u16] {
        &self.content.suites
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
