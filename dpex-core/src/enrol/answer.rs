//! Mail 2: the server's answer, its secret part readable by one client alone.

use super::document::{ANSWER_COMMENT, ANSWER_FORMAT, FORMAT, dated, in_common, moment, name, public_key, read};
use super::document::{same_words, verify};
use super::encoding::{AnswerContent, answer_signed, sha256, wrap_label};
use super::payload::{Payload, check_len};
use super::writer::Writer;
use super::{ClientGrant, CreateError, DocumentError, Kind, MAX_ENDPOINTS, PROTOCOLS, PostQuantum, Request, SUITES};
use super::{ServerGrant, Terms, fingerprint, stamp, words};
use crate::kdf::hh;
use crate::suite::{CipherSuite, CryptoError, IdentityKey, random_secret};
use crate::types::{Digest, EnrolmentId, Secret, Timestamp};

/// The suite with ML-KEM-768 (PROTOCOL.md, section 3.6).
const POST_QUANTUM_SUITE: u16 = 2;

/// An enrolment answer, as the server made it.
#[derive(Clone, Debug)]
pub struct Answer {
    content: AnswerContent,
    sealed: Vec<u8>,
    signature: Vec<u8>,
    fingerprint_words: String,
    exchange: Digest,
}

impl Answer {
    /// Answers a request: makes the enrolment's secrets, seals them for the client, and signs (ENR-16).
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
        let created = stamp::whole(now).ok_or(CreateError::Time)?;
        let first_use_before = stamp::whole(terms.first_use_before).ok_or(CreateError::Time)?;
        let key = server.public();
        if first_use_before <= created {
            return Err(CreateError::Time);
        }
        if terms.endpoints.is_empty() || terms.endpoints.len() > MAX_ENDPOINTS {
            return Err(CreateError::EndpointCount);
        }
        if terms.policy.pq == PostQuantum::Require && !post_quantum(request.suites()) {
            return Err(CreateError::PostQuantum);
        }
        if key.spki() == request.public_key().spki() {
            return Err(CreateError::OwnKey);
        }
        let mut enrolment = [0; EnrolmentId::LEN];
        suite.random(&mut enrolment)?;
        let (psk, cek) = (random_secret(suite)?, random_secret(suite)?);
        let content = AnswerContent {
            uid: request.uid().clone(),
            server_name: terms.server_name.clone(),
            created,
            first_use_before,
            enrolment: EnrolmentId(enrolment),
            request_hash: *request.hash(),
            protocols: PROTOCOLS.to_vec(),
            suites: SUITES.to_vec(),
            spki: key.spki().to_vec(),
            wrapped_key: request.public_key().wrap(&wrap_label(request.hash()), cek.expose())?,
        };
        let header = content.header();
        let payload = Payload {
            endpoints: terms.endpoints.clone(),
            psk: psk.clone(),
            knock: knock.clone(),
            policy: terms.policy,
        };
        let sealed = payload.seal(suite, &cek, &header)?;
        let signed = answer_signed(header, &sealed);
        let exchange = exchange(suite, request.hash(), &signed);
        let grant = ServerGrant {
            uid: content.uid.clone(),
            name: request.name().clone(),
            enrolment: content.enrolment,
            client_spki: request.public_key().spki().to_vec(),
            client: *request.fingerprint(),
            psk,
            exchange,
            request_hash: content.request_hash,
            created,
            first_use_before,
            protocols: request.protocols().to_vec(),
            suites: request.suites().to_vec(),
            policy: terms.policy,
        };
        let answer = Self {
            signature: server.sign(&signed)?,
            fingerprint_words: words(&fingerprint(suite, &content.spki).0),
            content,
            sealed,
            exchange,
        };
        Ok((answer, grant))
    }

    /// Finds the answer to `own` in a text, which may be a mail around it, checks it and opens it. Whether the server is
    /// already known under another key is for the caller to see (ENR-19).
    ///
    /// # Errors
    /// [`DocumentError`]; nothing was decrypted unless the signature was right.
    pub fn open(
        suite: &dyn CipherSuite,
        client: &dyn IdentityKey,
        own: &Request,
        text: &[u8],
        now: Timestamp,
    ) -> Result<ClientGrant, DocumentError> {
        let Received { content, sealed, signature, fingerprint_words, code } = Received::read(text)?;
        let key = public_key(suite, &content.spki)?;
        let header = content.header();
        let signed = answer_signed(header.clone(), &sealed);
        if content.request_hash != *own.hash() {
            // Not ours to open. A damaged one must not be blamed on whoever sent it.
            verify(&*key, &signed, &signature)?;
            let same_person = content.uid == *own.uid();
            return Err(if same_person { DocumentError::OlderRequest } else { DocumentError::SomebodyElse });
        }
        if content.uid != *own.uid() {
            verify(&*key, &signed, &signature)?;
            return Err(DocumentError::SomebodyElse);
        }
        verify(&*key, &signed, &signature)?;
        let server = fingerprint(suite, &content.spki);
        let exchange = exchange(suite, own.hash(), &signed);
        same_words(&fingerprint_words, &server)?;
        if code != words(&exchange.0) {
            return Err(DocumentError::Inconsistent("exchangeCode"));
        }
        if server == *own.fingerprint() {
            return Err(DocumentError::OwnKey);
        }
        dated(content.created, now)?;
        if content.first_use_before <= now {
            return Err(DocumentError::Expired(stamp::format(content.first_use_before).unwrap_or_default()));
        }
        in_common(&content.protocols, &content.suites)?;
        if content.wrapped_key.len() != client.public().modulus_len() {
            return Err(DocumentError::BadField { field: "wrappedKey", expected: "of the right length" });
        }
        check_len(&sealed)?;
        let cek = client.unwrap(&wrap_label(own.hash()), &content.wrapped_key).map_err(|error| match error {
            CryptoError::Internal | CryptoError::Rng => DocumentError::Crypto(error),
            _ => DocumentError::NotReadable,
        })?;
        let cek = Secret::try_from(cek.as_slice()).map_err(|_| DocumentError::NotReadable)?;
        let Payload { endpoints, psk, knock, policy } = Payload::open(suite, &cek, &header, &sealed)?;
        if policy.pq == PostQuantum::Require && !post_quantum(&content.suites) {
            return Err(DocumentError::NothingInCommon("suites"));
        }
        Ok(ClientGrant {
            server_name: content.server_name,
            endpoints,
            server_spki: content.spki,
            server,
            enrolment: content.enrolment,
            psk,
            knock,
            exchange,
            client: *own.fingerprint(),
            uid: content.uid,
            created: content.created,
            first_use_before: content.first_use_before,
            protocols: content.protocols,
            suites: content.suites,
            policy,
        })
    }

    /// The document, ready to be mailed: lines of at most 76 characters.
    #[must_use]
    pub fn to_json(&self) -> String {
        let content = &self.content;
        let moment = |moment| stamp::format(moment).expect("checked when it entered");
        Writer::new()
            .text(FORMAT, ANSWER_FORMAT)
            .text("comment", ANSWER_COMMENT)
            .text("uid", content.uid.as_str())
            .text("serverName", content.server_name.as_str())
            .text("created", &moment(content.created))
            .text("firstUseBefore", &moment(content.first_use_before))
            .bytes("enrolmentId", &content.enrolment.0)
            .bytes("requestHash", &content.request_hash.0)
            .numbers("protocols", &content.protocols)
            .numbers("suites", &content.suites)
            .lines("publicKey", &content.spki)
            .text("fingerprint", &self.fingerprint_words)
            .lines("wrappedKey", &content.wrapped_key)
            .lines("encData", &self.sealed)
            .text("exchangeCode", &self.exchange_code())
            .lines("signature", &self.signature)
            .finish()
    }

    /// The eight words both sides compare by telephone.
    #[must_use]
    pub fn exchange_code(&self) -> String {
        words(&self.exchange.0)
    }
}

/// An answer as it came, not yet checked.
struct Received {
    content: AnswerContent,
    sealed: Vec<u8>,
    signature: Vec<u8>,
    fingerprint_words: String,
    code: String,
}

impl Received {
    fn read(text: &[u8]) -> Result<Self, DocumentError> {
        read(text, Kind::Answer, |fields| {
            let content = AnswerContent {
                uid: fields.token("uid", "a lower-case uuid of version 4", |text| text.parse().ok())?,
                server_name: name(fields, "serverName")?,
                created: moment(fields, "created")?,
                first_use_before: moment(fields, "firstUseBefore")?,
                enrolment: EnrolmentId(*fields.array("enrolmentId")?),
                request_hash: Digest(*fields.array("requestHash")?),
                protocols: fields.numbers("protocols")?,
                suites: fields.numbers("suites")?,
                spki: fields.lines("publicKey")?,
                wrapped_key: fields.lines("wrappedKey")?,
            };
            Ok(Self {
                content,
                sealed: fields.lines("encData")?,
                signature: fields.lines("signature")?,
                fingerprint_words: fields.words("fingerprint")?,
                code: fields.words("exchangeCode")?,
            })
        })
    }
}

/// `EH = hh("exchange", SHA-256(S_req), SHA-256(S_resp))`.
fn exchange(suite: &dyn CipherSuite, request_hash: &Digest, answer: &[u8]) -> Digest {
    hh(suite, "exchange", &[&request_hash.0, &sha256(suite, answer).0])
}

/// Do both this build and the other side have the post-quantum suite? (ENR-18)
fn post_quantum(theirs: &[u16]) -> bool {
    theirs.contains(&POST_QUANTUM_SUITE) && SUITES.contains(&POST_QUANTUM_SUITE)
}
