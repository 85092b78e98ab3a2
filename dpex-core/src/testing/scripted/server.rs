//! A real server without sockets and threads: endpoint, sessions and disk, driven by plain calls and a clock that the
//! test turns.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::keys::Acquaintance;
use super::{Victim, patience};
use crate::engine::{
    CloseReason, CryptoJob, Endpoint, EndpointEvent, Event, Limits, Moment, Rejection, Session, SessionId,
};
use crate::suite::CipherSuite;
use crate::testing::MemStore;
use crate::types::{EnrolmentId, Timestamp};

/// A server and its sessions.
#[derive(Debug)]
pub struct ServerHost {
    suite: &'static dyn CipherSuite,
    now: Moment,
    endpoint: Endpoint,
    store: MemStore,
    guests: BTreeMap<SessionId, Guest>,
    jobs: VecDeque<CryptoJob>,
    crypto_waits: bool,
    disk_waits: bool,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    rejected: Vec<(EnrolmentId, Rejection)>,
    events: Vec<(SessionId, Event)>,
    ended: Vec<(SessionId, CloseReason)>,
    renewed: Vec<(bool, bool)>,
    stamps: u64,
}

#[derive(Debug)]
struct Guest {
    session: Box<Session>,
    disk: Disk,
}

/// The wall clock when a host begins.
pub const BEGINNING: i64 = 1_800_000_000;

impl ServerHost {
    /// A server with one person enrolled.
    ///
    /// # Panics
    /// If the suite fails.
    #[must_use]
    pub fn new(keys: &Acquaintance, store: &MemStore, limits: Limits) -> Self {
        let wall = Timestamp::new(BEGINNING, 0).expect("whole seconds");
        let now = Moment { at: Instant::now(), wall };
        let mut endpoint = Endpoint::new(now.at, keys.endpoint(limits)).expect("a suite for tests has random bytes");
        endpoint.enrol(keys.person()).expect("room for one");
        Self {
            suite: keys.suite,
            now,
            endpoint,
            store: store.clone(),
            guests: BTreeMap::new(),
            jobs: VecDeque::new(),
            crypto_waits: false,
            disk_waits: false,
            sent: Vec::new(),
            rejected: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
            renewed: Vec::new(),
            stamps: 0,
        }
    }

    /// A number higher than all before, so that no two INITs have one stamp.
    pub(super) fn fresh(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }

    /// The admission machine.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Does something to the admission machine, and what follows from it.
    pub fn with_endpoint(&mut self, change: impl FnOnce(&mut Endpoint)) {
        change(&mut self.endpoint);
        self.settle();
    }

    /// Both clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.now
    }

    /// Lets public-key operations wait, or lets those that waited be done.
    pub fn let_crypto_wait(&mut self, waits: bool) {
        self.crypto_waits = waits;
        self.settle();
    }

    /// Public-key operations that wait.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Does one public-key operation, the latest or the earliest that waits.
    pub fn do_job(&mut self, latest: bool) {
        let job = if latest { self.jobs.pop_back() } else { self.jobs.pop_front() };
        if let Some(job) = job {
            let done = job.run(self.suite);
            self.endpoint.handle_crypto(self.now, done);
        }
        self.settle();
    }

    /// Lets disk requests of all sessions wait, or lets those that waited be done.
    pub fn let_disk_wait(&mut self, waits: bool) {
        self.disk_waits = waits;
        for guest in self.guests.values_mut() {
            guest.disk.waits = waits;
        }
        self.settle();
    }

    /// Disk requests that wait.
    #[must_use]
    pub fn disk_requests(&self) -> usize {
        self.guests.values().map(|guest| guest.disk.pending()).sum()
    }

    /// The sessions there are, half-open ones included, oldest first.
    pub fn sessions(&self) -> impl DoubleEndedIterator<Item = &Session> {
        self.guests.values().map(|guest| &*guest.session)
    }

    /// With what renewed secrets, a pre-shared key or a gate, somebody came since this was asked last.
    pub fn take_renewed(&mut self) -> Vec<(bool, bool)> {
        std::mem::take(&mut self.renewed)
    }

    /// Its sessions, to be changed.
    pub fn sessions_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.guests.values_mut().map(|guest| &mut *guest.session)
    }

    /// What the sessions told since this was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events).into_iter().map(|(_, event)| event).collect()
    }

    /// INITs that were dropped behind both gates, since this was asked last.
    pub fn take_rejected(&mut self) -> Vec<Rejection> {
        std::mem::take(&mut self.rejected).into_iter().map(|(_, why)| why).collect()
    }

    /// Why sessions ended, since this was asked last.
    pub fn take_ended(&mut self) -> Vec<CloseReason> {
        std::mem::take(&mut self.ended).into_iter().map(|(_, reason)| reason).collect()
    }

    /// Everything sent since this was asked last.
    pub fn take_sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// Bytes of file content that the sessions hold.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.guests.values().map(|guest| guest.session.memory()).sum()
    }

    fn settle(&mut self) {
        let mut steps = patience("the server");
        while self.step() {
            steps();
        }
    }

    /// Does something that is wanted; `false` if nothing is.
    fn step(&mut self) -> bool {
        if let Some(event) = self.endpoint.poll_event() {
            self.on_endpoint(event);
            return true;
        }
        if let Some(datagram) = self.endpoint.poll_transmit() {
            self.sent.push(datagram);
            return true;
        }
        if let Some(job) = self.endpoint.poll_crypto() {
            self.jobs.push_back(job);
            return true;
        }
        if !self.crypto_waits
            && let Some(job) = self.jobs.pop_front()
        {
            let done = job.run(self.suite);
            self.endpoint.handle_crypto(self.now, done);
            return true;
        }
        let ids: Vec<_> = self.guests.keys().copied().collect();
        ids.into_iter().any(|id| self.step_session(id))
    }

    fn on_endpoint(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::Session { id, session, .. } => {
                let disk = Disk::new(self.store.clone(), self.disk_waits);
                self.guests.insert(id, Guest { session, disk });
            }
            EndpointEvent::Stamp { .. } => {}
            EndpointEvent::Renewed { psk, knock, .. } => self.renewed.push((psk.is_some(), knock.is_some())),
            EndpointEvent::Rejected { person, why, .. } => self.rejected.push((person, why)),
            EndpointEvent::Evict { id, code, why } => {
                if let Some(guest) = self.guests.get_mut(&id) {
                    guest.session.close(self.now.at, code, why);
                }
            }
        }
    }

    fn step_session(&mut self, id: SessionId) -> bool {
        let now = self.now.at;
        let Some(Guest { session, disk }) = self.guests.get_mut(&id) else { return false };
        if let Some(event) = session.poll_event() {
            match &event {
                Event::Opened => self.endpoint.session_opened(now, id),
                Event::Closed(reason) => self.ended.push((id, reason.clone())),
                _ => {}
            }
            self.events.push((id, event));
            return true;
        }
        if let Some(request) = session.poll_disk() {
            disk.push(request);
            return true;
        }
        if let Some(reply) = disk.work() {
            session.handle_disk(now, reply);
            return true;
        }
        let mut buffer = Vec::new();
        if let Some(transmit) = session.poll_transmit(now, 16, &mut buffer) {
            self.sent.extend(buffer.chunks(transmit.segment).map(|d| (transmit.to, d.to_vec())));
            return true;
        }
        if session.is_gone() {
            self.guests.remove(&id);
            self.endpoint.session_closed(id);
            return true;
        }
        false
    }
}

impl Victim for ServerHost {
    fn now(&self) -> Instant {
        self.now.at
    }

    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        if let Some(id) = self.endpoint.handle_datagram(self.now, from, datagram)
            && let Some(guest) = self.guests.get_mut(&id)
        {
            guest.session.handle_datagram(self.now.at, from, &mut datagram.to_vec());
        }
        self.settle();
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now.at + time;
        let mut steps = patience("the server's timers");
        loop {
            let timers = self.guests.iter().filter_map(|(id, guest)| Some((guest.session.poll_timeout()?, *id)));
            let Some((at, id)) = timers.min().filter(|(at, _)| *at <= end) else { break };
            self.turn_clock(at);
            if let Some(guest) = self.guests.get_mut(&id) {
                guest.session.handle_timeout(self.now.at);
            }
            self.settle();
            steps();
        }
        self.turn_clock(end);
        self.endpoint.handle_timeout(self.now);
        self.settle();
    }

    fn take_sent_to(&mut self, to: SocketAddr) -> Vec<Vec<u8>> {
        let (mine, others) = std::mem::take(&mut self.sent).into_iter().partition(|(address, _)| *address == to);
        self.sent = others;
        let mine: Vec<(SocketAddr, Vec<u8>)> = mine;
        mine.into_iter().map(|(_, datagram)| datagram).collect()
    }
}

impl ServerHost {
    fn turn_clock(&mut self, to: Instant) {
        let passed = to.saturating_duration_since(self.now.at);
        self.now = Moment { at: self.now.at + passed, wall: self.now.wall.plus(passed) };
    }
}
