//! The server's half of the handshake: reads INIT, makes RESP.
//!
//! [`open_init`] → the enrolled key verifies → `OpenedInit::respond` → identity key signs → `UnsignedResp::finish`.

use std::fmt;

use crate::suite::{CipherSuite, CryptoError, random_secret};
use crate::types::{Digest, Timestamp};
use crate::wire::handshake::{
    self, CHOICE, Choice, Init, InitPayload, MIN_UDP_PAYLOAD, Preferences, RESP_HEAD, RESP_PAYLOAD, RespPayload,
};
use crate::wire::packet::{HANDSHAKE_LEN, TAG_LEN};

use super::HandshakeError;
use super::pair::PairKeys;
use super::schedule::{self, Stage0, Stage2};
use super::secrets::SessionSecrets;

/// Opens an INIT whose tag named this pair's enrolment. Uses no public-key operation.
///
/// # Errors
/// [`HandshakeError`]: drop the datagram, whatever the reason.
pub fn open_init(
    suite: &'static dyn CipherSuite,
    pair: &PairKeys,
    datagram: &[u8],
) -> Result<OpenedInit, HandshakeError> {
    let mut init = Init::parse(datagram).map_err(|_| HandshakeError::NotAuthentic)?;
    if !pair.tag_matches(&init.nonce, &init.tag) {
        return Err(HandshakeError::NotAuthentic);
    }
    let stage0 = pair.stage0(suite, &init.nonce);
    schedule::open_once(suite, &stage0.init_key(), &init.head, &mut init.body, &init.body_tag)?;
    let (payload, signed) = InitPayload::parse(&init.body)?;
    let peering = pair.peering();
    if payload.server != peering.server || payload.client != peering.client {
        return Err(HandshakeError::WrongIdentity);
    }
    if let Some(kind) = signed.extensions.unknown_critical(&[]) {
        return Err(HandshakeError::UnknownCritical(kind));
    }
    Ok(OpenedInit {
        stamp: payload.stamp,
        versions: payload.versions,
        suites: payload.suites,
        max_udp_payload: payload.max_udp_payload,
        idle_timeout: payload.idle_timeout,
        share: payload.share,
        message: schedule::init_message(suite, pair.context(), &init.head, &init.body),
        signature: signed.signature.to_vec(),
        th1: stage0.th1(suite, &init.head, &init.body),
        stage0,
    })
}

/// An INIT that is authentic under the pre-shared key. The client is proved only by [`Self::signature`].
pub struct OpenedInit {
    /// Must be later than any accepted before from this enrolment.
    pub stamp: Timestamp,
    /// Offered protocol versions.
    pub versions: Preferences,
    /// Offered suites.
    pub suites: Preferences,
    /// The largest UDP payload the client takes, at least 1200.
    pub max_udp_payload: u16,
    /// The client's, in seconds.
    pub idle_timeout: u16,
    share: [u8; 32],
    message: Vec<u8>,
    signature: Vec<u8>,
    th1: Digest,
    stage0: Stage0,
}

/// Whether the server will talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With this version and suite, both offered.
    Accept {
        /// The chosen version.
        version: u16,
        /// The chosen suite.
        suite: u16,
    },
    /// Politely not, for this reason.
    Refuse(u16),
}

/// What the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTerms {
    /// Whether, and with what.
    pub verdict: Verdict,
    /// The largest UDP payload this side takes, at least 1200.
    pub max_udp_payload: u16,
    /// Seconds.
    pub idle_timeout: u16,
    /// The server's clock.
    pub server_time: Timestamp,
}

impl OpenedInit {
    /// What the client's identity key must have signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Its signature, not verified.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Everything of RESP but its signature. Only after the client's signature was verified. Costs an X25519 operation
    /// (HS-16).
    ///
    /// # Errors
    /// [`CryptoError::AuthFailed`] for a share of low order: drop the INIT. [`CryptoError::BadLength`] if the verdict
    /// accepts what was not offered. [`CryptoError::Rng`], [`CryptoError::Internal`].
    pub fn respond(self, suite: &'static dyn CipherSuite, terms: &ResponseTerms) -> Result<UnsignedResp, CryptoError> {
        let (version, chosen, refusal) = match terms.verdict {
            Verdict::Accept { version, suite } if self.versions.contains(version) && self.suites.contains(suite) => {
                (version, suite, None)
            }
            Verdict::Accept { .. } => return Err(CryptoError::BadLength),
            Verdict::Refuse(code) => (0, 0, Some(code)),
        };
        let agreement = suite.key_agreement(&random_secret(suite)?)?;
        let choice = Choice { share: agreement.public(), version, suite: chosen }.to_bytes();
        let shared = agreement.agree(&self.share)?;
        let mut nonce = [0; 32];
        suite.random(&mut nonce)?;
        let mut head = [0; RESP_HEAD];
        head.iter_mut().zip(self.stage0.rid().into_iter().chain(nonce)).for_each(|(to, from)| *to = from);
        let stage1 = self.stage0.stage1(suite, &nonce);
        let th2 = schedule::th2(suite, &self.th1, &head, &choice);
        let mut sealed = choice;
        let sealed_tag = schedule::seal_once(suite, &stage1.choice_key(&self.th1), &head, &mut sealed)?;
        let payload = RespPayload {
            max_udp_payload: terms.max_udp_payload.max(MIN_UDP_PAYLOAD),
            idle_timeout: terms.idle_timeout,
            server_time: terms.server_time,
            refusal,
        };
        Ok(UnsignedResp {
            suite,
            stage2: stage1.stage2(suite, &shared),
            th2,
            head,
            choice: sealed,
            choice_tag: sealed_tag,
            payload: payload.to_bytes(),
            refused: refusal.is_some(),
        })
    }
}

impl fmt::Debug for OpenedInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedInit").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// RESP before the server's identity key has signed it.
pub struct UnsignedResp {
    suite: &'static dyn CipherSuite,
    stage2: Stage2,
    th2: Digest,
    head: [u8; RESP_HEAD],
    choice: [u8; CHOICE],
    choice_tag: [u8; TAG_LEN],
    payload: Box<[u8; RESP_PAYLOAD]>,
    refused: bool,
}

impl UnsignedResp {
    /// What the server's identity key must sign.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        schedule::resp_message(self.suite, &self.th2, &self.payload)
    }

    /// The datagram and the session's secrets; none for a refusal.
    ///
    /// # Errors
    /// [`CryptoError::BadLength`] for a signature that is neither 384 nor 512 bytes long; [`CryptoError::Internal`].
    pub fn finish(self, signature: &[u8]) -> Result<(Box<[u8; HANDSHAKE_LEN]>, Option<SessionSecrets>), CryptoError> {
        let Self { suite, stage2, th2, head, choice, choice_tag, mut payload, refused } = self;
        handshake::put_resp_signature(&mut payload, signature).map_err(|_| CryptoError::BadLength)?;
        let th3 = schedule::th3(suite, &th2, &payload);
        let before_c2 = [&head[..], &choice, &choice_tag].concat();
        let tag = schedule::seal_once(suite, &stage2.payload_key(&th2), &before_c2, payload.as_mut())?;
        let datagram = [&before_c2[..], payload.as_ref(), &tag].concat();
        let secrets = (!refused).then(|| stage2.session(suite, &th3));
        Ok((datagram.try_into().map_err(|_| CryptoError::BadLength)?, secrets))
    }
}

impl fmt::Debug for UnsignedResp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedResp").field("refused", &self.refused).finish_non_exhaustive()
    }
}
