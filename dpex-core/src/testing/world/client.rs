//! A client in the world: its key, its folder, and the handshake or session it is in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bad::Caught;
use super::disk::{Disk, DiskConfig};
use crate::engine::{CloseReason, Connector, Event, Failure, Limits, Session};
use crate::seal::Peering;
use crate::store::{Held, Meta, Page};
use crate::suite::IdentityKey;
use crate::testing::{MemStore, NullSuite};
use crate::types::{Digest, Secret, SharePath, Timestamp};
use crate::wire::message::RequestId;

/// What a client is made from.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Memory bounds.
    pub limits: Limits,
    /// The largest UDP payload it takes.
    pub max_udp_payload: u16,
    /// Its idle time-out.
    pub idle: Duration,
    /// Its disk.
    pub disk: DiskConfig,
    /// Time a public-key operation takes.
    pub crypto: Duration,
}

impl Default for ClientConfig {
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

/// How a handshake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was tried.
    Never,
    /// A connector is at work.
    Connecting,
    /// There is a session.
    Connected,
    /// The server refused, with this code.
    Refused(u16),
    /// Nobody answered.
    TimedOut,
    /// The session ended.
    Ended(CloseReason),
    /// The client vanished.
    Vanished,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// A file is published.
    Finished {
        /// Under which name.
        path: SharePath,
        /// Its hash.
        root: Digest,
        /// Its size.
        size: u64,
    },
    /// A listing: its pages as one.
    Page(Page),
    /// A file has this hash on the server.
    Hashed {
        /// What the file is.
        meta: Meta,
        /// Its hash.
        root: Digest,
    },
    /// It failed.
    Failed(Failure),
}

/// One client.
pub struct ClientHost {
    pub(super) address: SocketAddr,
    pub(super) suite: &'static NullSuite,
    pub(super) identity: Arc<dyn IdentityKey>,
    pub(super) psk: Secret,
    pub(super) peering: Peering,
    pub(super) config: ClientConfig,
    pub(super) store: MemStore,
    pub(super) stamp: Timestamp,
    pub(super) state: State,
    /// Counts connectors, so that what an older one asked for is not given to a newer.
    pub(super) generation: u64,
    pub(super) standing: Standing,
    pub(super) paths: BTreeMap<RequestId, SharePath>,
    pub(super) outcomes: BTreeMap<RequestId, Outcome>,
    pub(super) offers: BTreeMap<RequestId, Meta>,
    /// What has come so far of listings.
    pub(super) pages: BTreeMap<RequestId, Page>,
    pub(super) notices: Vec<String>,
    pub(super) key_warnings: u64,
    pub(super) crypto_free_at: Option<std::time::Instant>,
    /// What came to whoever has seized one end of its path.
    pub(super) caught: Option<Caught>,
}

/// What a client has of the engine.
pub(super) enum State {
    Idle,
    Connecting(Box<Connector>),
    Connected { session: Box<Session>, disk: Disk },
}

impl ClientHost {
    /// What it has received.
    #[must_use]
    pub fn store(&self) -> &MemStore {
        &self.store
    }

    /// How its handshake or session stands.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// How a request of the present or last session ended, if it has.
    #[must_use]
    pub fn outcome(&self, id: RequestId) -> Option<&Outcome> {
        self.outcomes.get(&id)
    }

    /// How many requests have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.outcomes.len()
    }

    /// What the server offered for a request.
    #[must_use]
    pub fn offer(&self, id: RequestId) -> Option<&Meta> {
        self.offers.get(&id)
    }

    /// Its session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Connected { session, .. } => Some(session),
            _ => None,
        }
    }

    /// Its present address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the server had to say.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// How often somebody with the right secret and the wrong key answered.
    #[must_use]
    pub fn key_warnings(&self) -> u64 {
        self.key_warnings
    }

    /// What of a file is on its disk, verified, from an earlier try, or from one that still goes on.
    #[must_use]
    pub fn held(&self, path: &SharePath) -> Option<Held> {
        self.store.part(path)
    }

    /// Changes how it behaves; limits and time-outs count from the next connection on.
    pub fn config_mut(&mut self) -> &mut ClientConfig {
        &mut self.config
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Connected { session, .. } => Some(session),
            _ => None,
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Page { id, page, is_last } => {
                let listed = self.pages.entry(id).or_default();
                listed.entries.extend(page.entries);
                listed.skipped += page.skipped;
                listed.more = page.more;
                if is_last {
                    let listed = std::mem::take(listed);
                    self.pages.remove(&id);
                    self.end(id, Outcome::Page(listed));
                }
            }
            Event::Finished { id, path, root, size } => self.end(id, Outcome::Finished { path, root, size }),
            Event::Failed { id, why } => self.end(id, Outcome::Failed(why)),
            Event::Hashed { id, meta, root } => self.end(id, Outcome::Hashed { meta, root }),
            Event::Offered { id, meta, .. } => {
                self.offers.insert(id, meta);
            }
            Event::Notice(text) => self.notices.push(text),
            Event::Closed(reason) => self.standing = Standing::Ended(reason),
            Event::Progress { .. } | Event::Endpoints(_) | Event::Renewed { .. } => {}
            Event::Opened
            | Event::Moved { .. }
            | Event::Listed { .. }
            | Event::Started { .. }
            | Event::Delivered { .. }
            | Event::Aborted { .. } => panic!("a server's event at a client: {event:?}"),
        }
    }

    fn end(&mut self, id: RequestId, outcome: Outcome) {
        let before = self.outcomes.insert(id, outcome);
        assert!(before.is_none(), "request {id} ended twice: first {before:?}, then {:?}", self.outcomes.get(&id));
    }
}

impl fmt::Debug for ClientHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Client");
        out.field("standing", &self.standing).field("asked", &self.paths.len()).field("ended", &self.outcomes.len());
        if let State::Connected { session, disk } = &self.state {
            out.field("session", session)
                .field("busy", &session.is_busy())
                .field("memory", &session.memory())
                .field("in_flight", &session.in_flight())
                .field("disk", &disk.outstanding());
        }
        out.finish()
    }
}
