//! A real client without sockets and threads: connector, session and disk, driven by plain calls and a clock that the
//! test turns.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::keys::Acquaintance;
use super::server::BEGINNING;
use super::{Victim, patience};
use crate::engine::{CloseReason, Connector, ConnectorEvent, Event, Limits, Session};
use crate::store::ListQuery;
use crate::suite::CipherSuite;
use crate::testing::MemStore;
use crate::types::{SharePath, Timestamp};
use crate::wire::message::RequestId;

/// A client and, once it has one, its session.
#[derive(Debug)]
pub struct ClientHost {
    suite: &'static dyn CipherSuite,
    now: Instant,
    stamp: Timestamp,
    server: SocketAddr,
    connector: Connector,
    session: Option<Box<Session>>,
    disk: Disk,
    sent: Vec<Vec<u8>>,
    events: Vec<Event>,
    handshake: Vec<ConnectorEvent>,
    close: Option<CloseReason>,
    unanswered: BTreeSet<RequestId>,
}

impl ClientHost {
    /// A client that has just sent its first INIT to `server`, and will receive into `store`.
    #[must_use]
    pub fn new(now: Instant, keys: &Acquaintance, server: SocketAddr, store: &MemStore, limits: Limits) -> Self {
        let mut host = Self {
            suite: keys.suite,
            now,
            stamp: Timestamp::new(BEGINNING, 0).expect("whole seconds"),
            server,
            connector: Connector::new(now, keys.connector(server, limits)),
            session: None,
            disk: Disk::new(store.clone(), false),
            sent: Vec::new(),
            events: Vec::new(),
            handshake: Vec::new(),
            close: None,
            unanswered: BTreeSet::new(),
        };
        host.settle();
        host
    }

    /// The session, if there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_deref()
    }

    /// It agrees on fresh secrets after so few bytes.
    pub fn ratchet_every(&mut self, bytes: u64) {
        if let Some(session) = self.session.as_mut() {
            session.ratchet_every(bytes);
        }
    }

    /// Its machine has another address now.
    pub fn rebound(&mut self) {
        if let Some(session) = self.session.as_mut() {
            session.rebound();
        }
        self.settle();
    }

    /// Asks for a file, which will be stored under the same path.
    ///
    /// # Panics
    /// If there is no open session.
    pub fn get(&mut self, path: &str) -> RequestId {
        let path = SharePath::parse(path).expect("a valid path");
        let session = self.session.as_mut().expect("a session");
        let id = session.get(path.clone(), None).expect("the session is open");
        self.disk.name(id, path);
        self.unanswered.insert(id);
        self.settle();
        id
    }

    /// Asks for the hash of a file.
    ///
    /// # Panics
    /// If there is no open session, or the path is not one.
    pub fn hash(&mut self, path: &str) -> RequestId {
        let path = SharePath::parse(path).expect("a valid path");
        let session = self.session.as_mut().expect("a session");
        let id = session.hash(path).expect("the session is open");
        self.unanswered.insert(id);
        self.settle();
        id
    }

    /// Asks for at most so many pages.
    ///
    /// # Panics
    /// If there is no open session.
    pub fn list(&mut self, query: ListQuery, pages: u64) -> RequestId {
        let session = self.session.as_mut().expect("a session");
        let id = session.list(query, pages).expect("the session is open");
        self.unanswered.insert(id);
        self.settle();
        id
    }

    /// Requests of which no end was told yet.
    #[must_use]
    pub fn unanswered(&self) -> &BTreeSet<RequestId> {
        &self.unanswered
    }

    /// Gives a request up.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(session) = &mut self.session {
            session.cancel(id);
        }
        self.settle();
    }

    /// Lets disk requests wait, or lets those that waited be done.
    pub fn let_disk_wait(&mut self, waits: bool) {
        self.disk.waits = waits;
        self.settle();
    }

    /// Disk requests that wait.
    #[must_use]
    pub fn disk_requests(&self) -> usize {
        self.disk.pending()
    }

    /// Bytes of file content that the session says it holds.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.memory())
    }

    /// Bytes of file content that wait to be written.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.disk.pending_bytes() as u64
    }

    /// What the session told since this was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the handshake told since this was asked last, but for its success.
    pub fn take_handshake(&mut self) -> Vec<ConnectorEvent> {
        std::mem::take(&mut self.handshake)
    }

    /// Why the session ended, if it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.close.as_ref()
    }

    /// Everything sent since this was asked last.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    fn settle(&mut self) {
        let mut steps = patience("the client");
        while self.step_handshake() || self.step_session() {
            steps();
        }
    }

    fn step_handshake(&mut self) -> bool {
        if self.connector.wants_stamp() {
            self.stamp = self.stamp.successor();
            self.connector.attempt(self.now, self.stamp);
            return true;
        }
        if let Some(job) = self.connector.poll_crypto() {
            let done = job.run(self.suite);
            self.connector.handle_crypto(self.now, done);
            return true;
        }
        if let Some(datagram) = self.connector.poll_transmit() {
            self.sent.push(datagram.to_vec());
            return true;
        }
        match self.connector.poll_event() {
            Some(ConnectorEvent::Connected { session, .. }) => self.session = Some(session),
            Some(other) => self.handshake.push(other),
            None => return false,
        }
        true
    }

    fn step_session(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        if let Some(event) = session.poll_event() {
            match &event {
                Event::Closed(reason) => self.close = Some(reason.clone()),
                Event::Page { id, is_last: true, .. }
                | Event::Hashed { id, .. }
                | Event::Finished { id, .. }
                | Event::Failed { id, .. } => {
                    assert!(self.unanswered.remove(id), "request {id} ended twice");
                }
                _ => {}
            }
            self.events.push(event);
            return true;
        }
        if let Some(request) = session.poll_disk() {
            self.disk.push(request);
            return true;
        }
        if let Some(reply) = self.disk.work() {
            session.handle_disk(self.now, reply);
            return true;
        }
        let mut buffer = Vec::new();
        let Some(transmit) = session.poll_transmit(self.now, 16, &mut buffer) else { return false };
        self.sent.extend(buffer.chunks(transmit.segment).map(<[u8]>::to_vec));
        true
    }
}

impl Victim for ClientHost {
    fn now(&self) -> Instant {
        self.now
    }

    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        match &mut self.session {
            Some(session) => session.handle_datagram(self.now, from, &mut datagram.to_vec()),
            None => self.connector.handle_datagram(self.now, datagram),
        }
        self.settle();
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = patience("the client's timers");
        loop {
            let session = self.session.as_ref().and_then(|session| session.poll_timeout());
            let timers = [self.connector.poll_timeout(), session];
            let Some(at) = timers.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.connector.handle_timeout(self.now);
            if let Some(session) = &mut self.session {
                session.handle_timeout(self.now);
            }
            self.settle();
            steps();
        }
        self.now = end;
    }

    fn take_sent_to(&mut self, to: SocketAddr) -> Vec<Vec<u8>> {
        if to == self.server { self.take_sent() } else { Vec::new() }
    }
}
