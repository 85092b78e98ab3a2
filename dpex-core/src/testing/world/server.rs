//! The server in the world: its endpoint, its shelf, and the sessions of everybody who is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, DiskConfig, Values};
use crate::engine::{CloseReason, Endpoint, Event, Limits, Rejection, Session, SessionId};
use crate::suite::IdentityKey;
use crate::testing::{MemStore, NullSuite};
use crate::types::{Digest, EnrolmentId, Secret, SharePath, Timestamp};
use crate::wire::message::FailCode;

/// What the server is made from.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Memory bounds of each session.
    pub limits: Limits,
    /// The largest UDP payload it takes.
    pub max_udp_payload: u16,
    /// Its idle time-out.
    pub idle: Duration,
    /// Its disk.
    pub disk: DiskConfig,
    /// Time a public-key operation takes; there is one worker.
    pub crypto: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_udp_payload: 1472,
            idle: crate::engine::IDLE_TIMEOUT,
            disk: DiskConfig::default(),
            crypto: Duration::from_millis(5),
        }
    }
}

/// What the server's log would say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A file is being sent.
    Started(SharePath),
    /// The client has it, verified and committed.
    Delivered(SharePath, Digest),
    /// It ended otherwise.
    Aborted(SharePath, FailCode),
    /// A page with so many entries was sent.
    Listed(SharePath, usize),
    /// The client has moved there.
    Moved(SocketAddr),
}

/// The server.
pub struct ServerHost {
    pub(super) address: SocketAddr,
    pub(super) suite: &'static NullSuite,
    pub(super) identity: Arc<dyn IdentityKey>,
    pub(super) knock: Secret,
    pub(super) config: ServerConfig,
    pub(super) endpoint: Endpoint,
    pub(super) store: MemStore,
    /// Values of blocks it has read.
    pub(super) values: Values,
    pub(super) sessions: BTreeMap<SessionId, ServerSession>,
    pub(super) log: Vec<(EnrolmentId, Record)>,
    pub(super) ended: Vec<(EnrolmentId, CloseReason)>,
    pub(super) rejections: Vec<(EnrolmentId, Rejection)>,
    pub(super) stamps: BTreeMap<EnrolmentId, Timestamp>,
    pub(super) crypto_free_at: Option<Instant>,
    /// Bytes received from and sent to addresses of which no session has opened yet.
    pub(super) unproved: BTreeMap<SocketAddr, (u64, u64)>,
    /// Addresses of which a session has opened.
    pub(super) proved: BTreeSet<SocketAddr>,
    /// What it sent to addresses nobody has.
    pub(super) strays: Vec<(SocketAddr, Vec<u8>)>,
}

/// One session and its disk.
pub(super) struct ServerSession {
    pub(super) person: EnrolmentId,
    pub(super) session: Box<Session>,
    pub(super) disk: Disk,
}

impl ServerHost {
    /// What it serves, to everybody alike.
    #[must_use]
    pub fn store(&self) -> &MemStore {
        &self.store
    }

    /// What its log would say, in order.
    pub fn log(&self) -> impl Iterator<Item = &Record> {
        self.log.iter().map(|(_, record)| record)
    }

    /// The same for one person.
    pub fn log_of(&self, person: EnrolmentId) -> impl Iterator<Item = &Record> {
        self.log.iter().filter(move |(whose, _)| *whose == person).map(|(_, record)| record)
    }

    /// Why sessions ended, in order.
    #[must_use]
    pub fn ended(&self) -> &[(EnrolmentId, CloseReason)] {
        &self.ended
    }

    /// INITs under a valid secret that were dropped.
    #[must_use]
    pub fn rejections(&self) -> &[(EnrolmentId, Rejection)] {
        &self.rejections
    }

    /// Its admission.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its sessions that are not gone, half-open ones included.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().map(|s| &*s.session)
    }

    /// What it sent to addresses at which nobody listens.
    #[must_use]
    pub fn strays(&self) -> &[(SocketAddr, Vec<u8>)] {
        &self.strays
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes its disk from now on.
    pub fn disk_mut(&mut self) -> &mut DiskConfig {
        &mut self.config.disk
    }

    pub(super) fn on_event(&mut self, now: Instant, id: SessionId, person: EnrolmentId, event: Event) {
        let record = match event {
            Event::Opened => {
                self.endpoint.session_opened(now, id);
                if let Some(s) = self.sessions.get_mut(&id) {
                    self.unproved.remove(&s.session.peer());
                    self.proved.insert(s.session.peer());
                }
                return;
            }
            Event::Moved { to, .. } => {
                self.unproved.remove(&to);
                self.proved.insert(to);
                Record::Moved(to)
            }
            Event::Closed(reason) => return self.ended.push((person, reason)),
            Event::Listed { path, entries, .. } => Record::Listed(path, entries),
            Event::Started { path, .. } => Record::Started(path),
            Event::Delivered { path, root, .. } => Record::Delivered(path, root),
            Event::Aborted { path, code, .. } => Record::Aborted(path, code),
            Event::Page { .. }
            | Event::Offered { .. }
            | Event::Progress { .. }
            | Event::Finished { .. }
            | Event::Hashed { .. }
            | Event::Failed { .. }
            | Event::Endpoints(_)
            | Event::Renewed { .. }
            | Event::Notice(_) => panic!("a client's event at the server: {event:?}"),
        };
        self.log.push((person, record));
    }
}

impl fmt::Debug for ServerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Server {:?}, log of {}", self.endpoint.counters(), self.log.len())?;
        for s in self.sessions.values() {
            let (session, disk) = (&s.session, &s.disk);
            writeln!(
                f,
                "  {session:?} busy: {}, memory: {}, in flight: {}, disk: {} outstanding, {} open",
                session.is_busy(),
                session.memory(),
                session.in_flight(),
                disk.outstanding(),
                disk.open(),
            )?;
        }
        write!(f, "  ended: {:?}", self.ended)
    }
}
