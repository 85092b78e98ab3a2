//! What an endpoint tells its owner.

use std::net::SocketAddr;

use super::super::session::Session;
use super::SessionId;
use crate::seal::HandshakeError;
use crate::types::{EnrolmentId, Secret, Timestamp};
use crate::wire::frame::CloseCode;

/// Why an INIT that passed both gates was not answered. For the audit log; nothing of it leaves the machine (BAD-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not later than the last one accepted: replayed, or the client's clock and state went backwards.
    Stale {
        /// Its stamp.
        stamp: Timestamp,
        /// The last one accepted.
        last: Timestamp,
    },
    /// The pre-shared key was right and the signature wrong: the pre-shared key may be stolen.
    BadSignature,
    /// The tag was right and the rest was not.
    Malformed(HandshakeError),
    /// The enrolment has expired.
    Expired,
    /// Too many handshakes of this person in too short a time, or half-open.
    TooMany,
}

/// What an endpoint tells its owner.
#[derive(Debug)]
pub enum EndpointEvent {
    /// A handshake was answered: give the session its own task, and route to it.
    Session {
        /// Its name.
        id: SessionId,
        /// Whose it is.
        person: EnrolmentId,
        /// The session, half-open.
        session: Box<Session>,
    },
    /// A stamp was accepted: keep it on disk (HS-14).
    Stamp {
        /// Whose.
        person: EnrolmentId,
        /// The stamp.
        stamp: Timestamp,
    },
    /// A client has proved that it has secrets that were renewed: what they replace need not be kept any more (ENR-27).
    Renewed {
        /// Whose.
        person: EnrolmentId,
        /// The pre-shared key that was waiting, if it came with that.
        psk: Option<Secret>,
        /// The new gate's secret, if it came through that while the former one is still open.
        knock: Option<Secret>,
    },
    /// An INIT under a valid pre-shared key was dropped.
    Rejected {
        /// Whose.
        person: EnrolmentId,
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        why: Rejection,
    },
    /// A session must end.
    Evict {
        /// Which.
        id: SessionId,
        /// Why.
        code: CloseCode,
        /// The same for people: the client is told.
        why: &'static str,
    },
}

/// What came that nobody is told of: aggregated, because a stranger may send any amount of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are neither for a session nor of INIT's length.
    pub noise: u64,
    /// INIT-sized datagrams without a valid `mac1`.
    pub bad_mac1: u64,
    /// INITs that knew the knock and no enrolment.
    pub bad_tag: u64,
    /// INITs beyond their source's rate.
    pub limited: u64,
    /// COOKIEs sent.
    pub cookies: u64,
    /// INITs dropped because too many handshakes are being worked on.
    pub overload: u64,
}

impl Counters {
    /// What was counted since an earlier look.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            noise: self.noise.saturating_sub(before.noise),
            bad_mac1: self.bad_mac1.saturating_sub(before.bad_mac1),
            bad_tag: self.bad_tag.saturating_sub(before.bad_tag),
            limited: self.limited.saturating_sub(before.limited),
            cookies: self.cookies.saturating_sub(before.cookies),
            overload: self.overload.saturating_sub(before.overload),
        }
    }
}
