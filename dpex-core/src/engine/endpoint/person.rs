//! What an endpoint is made from, and who may come.

use std::sync::Arc;
use std::time::Duration;

use super::super::session::Limits;
use crate::seal::{Knock, PairKeys};
use crate::suite::{CipherSuite, IdentityKey, PublicKey};
use crate::types::{Secret, Timestamp};

/// What a server's endpoint is made from.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The cryptography backend.
    pub suite: &'static dyn CipherSuite,
    /// The server's key.
    pub identity: Arc<dyn IdentityKey>,
    /// The first gate.
    pub knock: Arc<Knock>,
    /// The one before it, as long as some may come with that.
    pub former_knock: Option<FormerKnock>,
    /// The largest UDP payload this side takes.
    pub max_udp_payload: u16,
    /// This side's idle time-out.
    pub idle: Duration,
    /// Memory bounds of each session.
    pub limits: Limits,
}

/// A first gate that was replaced and is still open.
#[derive(Clone, Debug)]
pub struct FormerKnock {
    /// It.
    pub knock: Arc<Knock>,
    /// The secret in its place, which those are told who come through it.
    pub successor: Secret,
}

/// A pre-shared key that waits for its first use.
#[derive(Debug)]
pub struct NextKey {
    /// Keys of the same enrolment that it gives.
    pub pair: PairKeys,
    /// The key itself, which the client is told when it comes with the one before.
    pub psk: Secret,
}

/// Somebody who is enrolled.
#[derive(Debug)]
pub struct Person {
    /// Keys of the enrolment, which also name it.
    pub pair: PairKeys,
    /// What is to take their place: from its first use on, it alone is taken (ENR-27).
    pub next: Option<NextKey>,
    /// The client's key.
    pub key: Arc<dyn PublicKey>,
    /// The last stamp accepted.
    pub last_stamp: Timestamp,
    /// The first handshake must come before this moment (ENR-24).
    pub first_use_before: Option<Timestamp>,
    /// Nothing is accepted from this moment on, and what is open ends (SES-4).
    pub not_after: Option<Timestamp>,
    /// Sessions at once, from 1 to [`MAX_SESSIONS_PER_PERSON`](super::MAX_SESSIONS_PER_PERSON).
    pub sessions: usize,
}

impl Person {
    /// The keys of the enrolment, and those that are to take their place.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &PairKeys> {
        std::iter::once(&self.pair).chain(self.next.as_ref().map(|next| &next.pair))
    }
}
