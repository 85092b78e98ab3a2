//! The engine: sans-IO state machines without clock, socket, disk or randomness of their own.
//!
//! Methods are of four kinds. *Told*: `handle_datagram`, `handle_disk`, `handle_crypto`, `handle_timeout`; each takes
//! `now`. *Asked*: `list`, `get`, `cancel`, `close`. *Wants*: `poll_transmit`, `poll_disk`, `poll_crypto`, `poll_event`,
//! `poll_timeout`. *Shows*: getters. After each call of the first two kinds, drain every `poll_*`.
//!
//! [`Endpoint`] owns admission (who may speak, the handshake, which session a datagram belongs to), [`Connector`] is
//! the client's side of the handshake, and [`Session`] owns one peer (records, loss, transfers).
//! The engine asks, it never does: RSA and disk work leave as requests and come back as replies.

mod connector;
mod crypto;
mod disk;
mod endpoint;
mod session;

pub use connector::{Connector, ConnectorConfig, ConnectorEvent};
pub use crypto::{CryptoDone, CryptoJob, JobId};
pub use disk::{DiskReply, DiskRequest, Found, Useless, WriteError};
pub use endpoint::{
    Counters, Crowded, Endpoint, EndpointConfig, EndpointEvent, FormerKnock, MAX_PEOPLE, MAX_SESSIONS_PER_PERSON,
    NextKey, Person, Rejection, SessionId,
};
pub use session::{
    CloseReason, Closer, Event, Failure, IDLE_TIMEOUT, Limits, Role, Sending, Session, SessionConfig, SessionTransmit,
};

use std::time::Instant;

use crate::types::Timestamp;

/// One moment on both clocks: the steady one for timers, the wall's for stamps and expiry.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The steady clock.
    pub at: Instant,
    /// The wall clock.
    pub wall: Timestamp,
}
