//! The client's half of the handshake: makes INIT, accepts RESP.
//!
//! `Initiator::start` → identity key signs → `UnsignedInit::finish` → datagram out, datagrams in → `PendingInit` →
//! the pinned key verifies → `ServerProof::into_secrets`.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use crate::suite::{CipherSuite, CryptoError, KeyAgreement, random_secret};
use crate::types::{Digest, Timestamp};
use crate::wire::handshake::{
    self, Choice, INIT_HEAD, INIT_PAYLOAD, InitPayload, Preferences, RESP_BEFORE_C2, Resp, RespPayload, extensions,
};
use crate::wire::packet::HANDSHAKE_LEN;

use super::HandshakeError;
use super::knock::Knock;
use super::pair::PairKeys;
use super::schedule::{self, Stage0, Stage2};
use super::secrets::SessionSecrets;

/// What the client proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Protocol versions, most preferred first.
    pub versions: Preferences,
    /// Suites, most preferred first.
    pub suites: Preferences,
    /// The largest UDP payload this side takes, at least 1200.
    pub max_udp_payload: u16,
    /// Seconds.
    pub idle_timeout: u16,
}

/// Starts handshakes.
#[derive(Debug)]
pub struct Initiator;

impl Initiator {
    /// Everything of INIT but its signature. `stamp` must be later than any used before under these keys, and kept
    /// on disk before the INIT is sent (HS-3, HS-4).
    ///
    /// # Errors
    /// [`CryptoError::Rng`] and [`CryptoError::Internal`] of the suite; [`CryptoError::Unsupported`] for a stamp before
    /// 1970.
    pub fn start(
        suite: &'static dyn CipherSuite,
        pair: &Arc<PairKeys>,
        stamp: Timestamp,
        offer: &Offer,
    ) -> Result<UnsignedInit, CryptoError> {
        let agreement = suite.key_agreement(&random_secret(suite)?)?;
        let share = agreement.public();
        let stamp_bytes = handshake::stamp_bytes(stamp).ok_or(CryptoError::Unsupported)?;
        let mut random = [0; 32];
        suite.random(&mut random)?;
        let nonce = pair.nonce(&random, &stamp_bytes, &share);
        let mut head = [0; INIT_HEAD];
        head.iter_mut().zip(nonce.into_iter().chain(pair.tag(&nonce))).for_each(|(to, from)| *to = from);
        let payload = InitPayload {
            share,
            stamp,
            versions: offer.versions,
            suites: offer.suites,
            server: pair.peering().server,
            client: pair.peering().client,
            max_udp_payload: offer.max_udp_payload.max(handshake::MIN_UDP_PAYLOAD),
            idle_timeout: offer.idle_timeout,
        };
        let payload = payload.to_bytes().ok_or(CryptoError::Unsupported)?;
        Ok(UnsignedInit {
            suite,
            stage0: pair.stage0(suite, &nonce),
            pair: Arc::clone(pair),
            agreement,
            head,
            payload,
            offer: *offer,
        })
    }
}

/// INIT before the client's identity key has signed it.
pub struct UnsignedInit {
    suite: &'static dyn CipherSuite,
    pair: Arc<PairKeys>,
    stage0: Stage0,
    agreement: Box<dyn KeyAgreement>,
    head: [u8; INIT_HEAD],
    payload: Box<[u8; INIT_PAYLOAD]>,
    offer: Offer,
}

impl UnsignedInit {
    /// What the client's identity key must sign.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        schedule::init_message(self.suite, self.pair.context(), &self.head, &self.payload)
    }

    /// The datagram, and what waits for its answer. `cookie` is the one this server last gave to this address, if
    /// it is not older than [`super::COOKIE_LIFETIME`].
    ///
    /// # Errors
    /// [`CryptoError::BadLength`] for a signature that is neither 384 nor 512 bytes long; [`CryptoError::Rng`],
    /// [`CryptoError::Internal`].
    pub fn finish(
        self,
        signature: &[u8],
        knock: &Knock,
        cookie: Option<&[u8; 16]>,
    ) -> Result<(Box<[u8; HANDSHAKE_LEN]>, PendingInit), CryptoError> {
        let Self { suite, stage0, agreement, head, mut payload, offer, pair: _ } = self;
        handshake::put_init_signature(&mut payload, signature).map_err(|_| CryptoError::BadLength)?;
        let th1 = stage0.th1(suite, &head, &payload);
        let tag = schedule::seal_once(suite, &stage0.init_key(), &head, payload.as_mut())?;
        let mut datagram = Vec::with_capacity(HANDSHAKE_LEN);
        datagram.extend_from_slice(&head);
        datagram.extend_from_slice(payload.as_ref());
        datagram.extend_from_slice(&tag);
        let (datagram, mac1) = knock.put_macs(datagram, cookie)?;
        let share = Share::Fresh(agreement);
        Ok((datagram, PendingInit { suite, rid: stage0.rid(), stage0, th1, mac1, offer, share }))
    }
}

impl fmt::Debug for UnsignedInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedInit").field("pair", &self.pair).finish_non_exhaustive()
    }
}

/// An INIT that was sent and waits for RESP or COOKIE. Holds secrets of the handshake: drop it, and its siblings, once
/// one of them led to a session.
pub struct PendingInit {
    suite: &'static dyn CipherSuite,
    stage0: Stage0,
    rid: [u8; 8],
    th1: Digest,
    mac1: [u8; 16],
    offer: Offer,
    share: Share,
}

/// The ephemeral secret can be used once, but a RESP may have to be looked at twice: somebody beside the path can
/// copy one, spoil its second ciphertext and be faster. What the first ciphertext led to is therefore kept.
enum Share {
    Fresh(Box<dyn KeyAgreement>),
    Agreed { before_c2: [u8; RESP_BEFORE_C2], stage2: Stage2, th2: Digest },
    Spent,
}

impl PendingInit {
    /// The first eight bytes of the RESP that answers this INIT.
    #[must_use]
    pub fn rid(&self) -> [u8; 8] {
        self.rid
    }

    /// The cookie in this datagram, if it answers this INIT and is authentic. Send a new INIT with it (COO-4).
    #[must_use]
    pub fn open_cookie(&self, knock: &Knock, datagram: &[u8]) -> Option<[u8; 16]> {
        knock.open_cookie(&self.mac1, datagram)
    }

    /// Opens RESP. Any error leaves this pending: go on waiting. What it returns proves nothing before the pinned key
    /// has verified [`ServerProof::signature`] (HS-18).
    ///
    /// # Errors
    /// [`HandshakeError`]; [`HandshakeError::Spent`] only for an answer by somebody who has the pre-shared key.
    pub fn open_resp(&mut self, datagram: &[u8]) -> Result<ServerProof, HandshakeError> {
        let suite = self.suite;
        let mut resp = Resp::parse(datagram).map_err(|_| HandshakeError::NotAuthentic)?;
        if !bool::from(resp.rid.ct_eq(&self.rid)) {
            return Err(HandshakeError::NotAuthentic);
        }
        let choice = self.open_choice(&mut resp)?;
        let (stage2, th2) = self.agree(&resp, &choice)?;
        let key = stage2.payload_key(th2);
        schedule::open_once(suite, &key, &resp.before_c2, &mut resp.body, &resp.body_tag)?;
        let (payload, signed) = RespPayload::parse(&resp.body)?;
        if let Some(kind) = signed.extensions.unknown_critical(&[extensions::ERROR]) {
            return Err(HandshakeError::UnknownCritical(kind));
        }
        if payload.refusal.is_some() != (choice.version == 0) {
            return Err(HandshakeError::Malformed);
        }
        let secrets = match payload.refusal {
            Some(_) => None,
            None => Some(stage2.session(suite, &schedule::th3(suite, th2, &resp.body))),
        };
        Ok(ServerProof {
            params: Negotiated {
                version: choice.version,
                suite: choice.suite,
                max_udp_payload: payload.max_udp_payload,
                idle_timeout: payload.idle_timeout,
                server_time: payload.server_time,
                refusal: payload.refusal,
            },
            message: schedule::resp_message(suite, th2, &resp.body),
            signature: signed.signature.to_vec(),
            secrets,
        })
    }

    /// Opens the first ciphertext in place and checks that what the server chose was offered.
    fn open_choice(&self, resp: &mut Resp) -> Result<Choice, HandshakeError> {
        let key = self.stage0.stage1(self.suite, &resp.nonce).choice_key(&self.th1);
        schedule::open_once(self.suite, &key, &resp.head, &mut resp.choice, &resp.choice_tag)?;
        let choice = Choice::parse(&resp.choice)?;
        let Choice { version, suite, .. } = choice;
        let offered = self.offer.versions.contains(version) && self.offer.suites.contains(suite);
        let refusal = version == 0 && suite == 0;
        if offered || refusal { Ok(choice) } else { Err(HandshakeError::NotOffered { version, suite }) }
    }

    /// Uses the ephemeral secret, or what it gave for these very bytes before.
    fn agree(&mut self, resp: &Resp, choice: &Choice) -> Result<(&Stage2, &Digest), HandshakeError> {
        if let Share::Fresh(_) = self.share
            && let Share::Fresh(agreement) = std::mem::replace(&mut self.share, Share::Spent)
        {
            let shared = agreement.agree(&choice.share)?;
            let stage2 = self.stage0.stage1(self.suite, &resp.nonce).stage2(self.suite, &shared);
            let th2 = schedule::th2(self.suite, &self.th1, &resp.head, &resp.choice);
            self.share = Share::Agreed { before_c2: resp.before_c2, stage2, th2 };
        }
        match &self.share {
            Share::Agreed { before_c2, stage2, th2 } if *before_c2 == resp.before_c2 => Ok((stage2, th2)),
            _ => Err(HandshakeError::Spent),
        }
    }
}

impl fmt::Debug for PendingInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingInit").field("rid", &self.rid).finish_non_exhaustive()
    }
}

/// What the two sides settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// 0 in a refusal.
    pub version: u16,
    /// 0 in a refusal.
    pub suite: u16,
    /// The largest UDP payload the server takes, at least 1200.
    pub max_udp_payload: u16,
    /// The server's, in seconds.
    pub idle_timeout: u16,
    /// The server's clock, whole seconds.
    pub server_time: Timestamp,
    /// The server knows this client and will not talk to it: why.
    pub refusal: Option<u16>,
}

/// A RESP that is authentic under the pre-shared key. The server is proved only by [`Self::signature`].
#[derive(Debug)]
pub struct ServerProof {
    /// What it says. Act on it after the signature was verified.
    pub params: Negotiated,
    message: Vec<u8>,
    signature: Vec<u8>,
    secrets: Option<SessionSecrets>,
}

impl ServerProof {
    /// What the server's identity key must have signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Its signature, not verified.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The session's secrets, once the signature was verified; `None` for a refusal.
    #[must_use]
    pub fn into_secrets(self) -> Option<SessionSecrets> {
        self.secrets
    }
}
