//! Admission: who may speak, and which session a datagram belongs to. A server's socket talks to strangers through
//! this machine alone, and it answers none of them.
//!
//! The order of checks is that of PROTOCOL.md, section 3.5: cheapest first, no public-key operation before both
//! symmetric gates, the stamp and the buckets are passed.

mod buckets;
mod event;
mod handshake;
mod person;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Moment;
use super::crypto::{CryptoJob, JobId, Task};
use crate::seal::{Cookies, Knock, OpenedInit, open_init};
use crate::suite::CryptoError;
use crate::types::{EnrolmentId, Timestamp};
use crate::wire::frame::CloseCode;
use crate::wire::handshake::{Init, MIN_UDP_PAYLOAD};
use crate::wire::packet::HANDSHAKE_LEN;

use buckets::{Buckets, WhenFull};
use sessions::Sessions;

pub use event::{Counters, EndpointEvent, Rejection};
pub use person::{EndpointConfig, FormerKnock, NextKey, Person};
pub use sessions::{MAX_SESSIONS_PER_PERSON, SessionId};

/// Handshakes being worked on at once.
const MAX_JOBS: usize = 64;
/// Handshakes being worked on from which on the endpoint is under load.
const LOADED: usize = MAX_JOBS / 8;
/// How long it stays under load.
const STICKY: Duration = Duration::from_secs(1);
/// Sources remembered at once.
const MAX_SOURCES: usize = 65_536;
/// Enrolments at once (LIM-4).
pub const MAX_PEOPLE: usize = 1024;

/// There are [`MAX_PEOPLE`] enrolments already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server takes {MAX_PEOPLE} enrolments and no more")]
pub struct Crowded;

/// A server's admission.
pub struct Endpoint {
    config: EndpointConfig,
    cookies: Cookies,
    people: BTreeMap<EnrolmentId, Person>,
    sessions: Sessions,
    sources: Buckets<Source>,
    /// For COOKIEs, whose receivers are not proved to exist: spoofed ones must not crowd out true ones.
    cookie_sources: Buckets<Source>,
    by_person_and_source: Buckets<(EnrolmentId, Source)>,
    by_person: Buckets<EnrolmentId>,
    working: BTreeMap<JobId, Working>,
    loaded_until: Option<Instant>,
    shut: bool,
    next_job: u64,
    counters: Counters,
    jobs: VecDeque<CryptoJob>,
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<EndpointEvent>,
}

/// A /32 or a /64.
type Source = u64;

struct Working {
    person: EnrolmentId,
    from: SocketAddr,
    with: Credentials,
    step: Step,
}

/// What somebody came with: the ids of both keys. What is current may be another by the time it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Credentials {
    psk: [u8; 16],
    knock: [u8; 16],
}

enum Step {
    Verifying(Box<OpenedInit>),
    Responding { max_udp_payload: u16, idle_timeout: u16 },
}

impl Endpoint {
    /// Begins with nobody enrolled.
    ///
    /// # Errors
    /// [`CryptoError::Rng`].
    pub fn new(now: Instant, config: EndpointConfig) -> Result<Self, CryptoError> {
        Ok(Self {
            cookies: Cookies::new(now, config.suite)?,
            config,
            people: BTreeMap::new(),
            sessions: Sessions::default(),
            // LIM-1.
            sources: Buckets::new(20, 5, MAX_SOURCES, WhenFull::Refuse),
            cookie_sources: Buckets::new(20, 5, MAX_SOURCES, WhenFull::Allow),
            // LIM-2.
            by_person_and_source: Buckets::new(1, 5, MAX_SOURCES, WhenFull::Refuse),
            by_person: Buckets::new(5, 5, MAX_SOURCES, WhenFull::Refuse),
            working: BTreeMap::new(),
            loaded_until: None,
            shut: false,
            next_job: 0,
            counters: Counters::default(),
            jobs: VecDeque::new(),
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Told: somebody is enrolled, or what is known of them has changed. A stamp that was accepted stays accepted.
    ///
    /// # Errors
    /// [`Crowded`] beyond [`MAX_PEOPLE`]: every INIT that knows the knock is compared with every enrolment (LIM-4).
    pub fn enrol(&mut self, mut person: Person) -> Result<(), Crowded> {
        let enrolment = person.pair.peering().enrolment;
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(&enrolment) {
            return Err(Crowded);
        }
        if let Some(before) = self.people.get(&enrolment) {
            person.last_stamp = person.last_stamp.max(before.last_stamp);
            // What was read before the key was used says that it waits still (ENR-27).
            if let Some(NextKey { pair, psk }) = person.next.take_if(|next| next.pair.id() == before.pair.id()) {
                person.pair = pair;
                // Once more: the first time it could not be kept, or is being kept just now.
                self.events.push_back(EndpointEvent::Renewed { person: enrolment, psk: Some(psk), knock: None });
            }
        }
        self.people.insert(enrolment, person);
        Ok(())
    }

    /// Told: this is the first gate from now on, and perhaps the one before it is open for a while.
    pub fn set_knock(&mut self, knock: Arc<Knock>, former: Option<FormerKnock>) {
        self.config.knock = knock;
        self.config.former_knock = former;
    }

    /// Told: somebody is not enrolled any more. Their sessions must end (ENR-23, SES-4).
    pub fn expel(&mut self, person: EnrolmentId) {
        self.people.remove(&person);
        self.evict(person, "it was revoked");
    }

    fn evict(&mut self, person: EnrolmentId, why: &'static str) {
        for id in self.sessions.of(person) {
            self.events.push_back(EndpointEvent::Evict { id, code: CloseCode::Revoked, why });
        }
    }

    /// Told: time passed. Whose time is over is out within the second, if this is called every half (SES-4).
    pub fn handle_timeout(&mut self, now: Moment) {
        let is_over = |person: &Person| person.not_after.is_some_and(|at| now.wall >= at);
        let over: Vec<_> = self.people.iter().filter(|(_, person)| is_over(person)).map(|(id, _)| *id).collect();
        for id in over {
            self.evict(id, "its last day is over");
        }
    }

    /// Told: from now on nobody new is let in. Who is in stays.
    pub fn shut(&mut self) {
        self.shut = true;
    }

    /// Told: a datagram came. Returns the session that it is for (HS-11).
    pub fn handle_datagram(&mut self, now: Moment, from: SocketAddr, datagram: &[u8]) -> Option<SessionId> {
        if datagram.len() > usize::from(self.config.max_udp_payload.max(MIN_UDP_PAYLOAD)) {
            self.counters.noise += 1;
            return None;
        }
        if let Some(id) = self.sessions.route(now.at, datagram) {
            return Some(id);
        }
        if datagram.len() != HANDSHAKE_LEN || self.shut {
            self.counters.noise += 1;
            return None;
        }
        let former = self.config.former_knock.as_ref().map(|former| &former.knock);
        let mut gates = std::iter::once(&self.config.knock).chain(former);
        match gates.find(|knock| knock.admits(datagram)).map(Arc::clone) {
            Some(knock) => self.handle_knock(now, from, datagram, &knock),
            None => self.counters.bad_mac1 += 1,
        }
        None
    }

    /// An INIT of somebody who knows the knock (COO-1, COO-2).
    fn handle_knock(&mut self, now: Moment, from: SocketAddr, datagram: &[u8], knock: &Knock) {
        // Without fresh random bytes old cookies stay valid a little longer; nothing else depends on it.
        let _ = self.cookies.rotate(now.at);
        if self.is_loaded(now.at) && !self.cookies.valid(now.at, datagram, from) {
            return self.send_cookie(now.at, from, datagram, knock);
        }
        if !self.sources.take(now.at, source(from)) {
            self.counters.limited += 1;
            return;
        }
        let Some((person, psk)) = self.person_of(datagram) else {
            self.counters.bad_tag += 1;
            return;
        };
        let with = Credentials { psk, knock: knock.id() };
        if let Err(why) = self.admit(now, from, datagram, person, with) {
            self.events.push_back(EndpointEvent::Rejected { person, from, why });
        }
    }

    fn send_cookie(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], knock: &Knock) {
        if !self.cookie_sources.take(now, source(from)) {
            self.counters.limited += 1;
        } else if let Ok(reply) = self.cookies.reply(knock, datagram, from) {
            self.counters.cookies += 1;
            self.datagrams.push_back((from, reply.to_vec()));
        }
    }

    /// Whose tag is it, and with which key was it made? Every enrolment is tried, so that the time taken does not tell.
    fn person_of(&self, datagram: &[u8]) -> Option<(EnrolmentId, [u8; 16])> {
        let init = Init::parse(datagram).ok()?;
        let mut found = None;
        for (id, person) in &self.people {
            for pair in person.pairs() {
                if pair.tag_matches(&init.nonce, &init.tag) {
                    found = Some((*id, pair.id()));
                }
            }
        }
        found
    }

    // HS-12.
    fn admit(
        &mut self,
        now: Moment,
        from: SocketAddr,
        datagram: &[u8],
        id: EnrolmentId,
        with: Credentials,
    ) -> Result<(), Rejection> {
        let Some(person) = self.people.get(&id) else { return Ok(()) };
        let Some(pair) = person.pairs().find(|pair| pair.id() == with.psk) else { return Ok(()) };
        let init = open_init(self.config.suite, pair, datagram).map_err(Rejection::Malformed)?;
        check_stamp(person, init.stamp)?;
        let unused = person.last_stamp == Timestamp::EPOCH;
        let ends = [person.not_after, person.first_use_before.filter(|_| unused)];
        if ends.into_iter().flatten().any(|at| now.wall >= at) {
            return Err(Rejection::Expired);
        }
        let in_rate = self.by_person_and_source.take(now.at, (id, source(from))) && self.by_person.take(now.at, id);
        // What is being worked on will be half-open if all goes well, so it has its place already.
        let coming = (self.working.len(), self.working.values().filter(|w| w.person == id).count());
        if !in_rate || !self.sessions.has_room(id, coming) {
            return Err(Rejection::TooMany);
        }
        if self.working.len() >= MAX_JOBS {
            self.counters.overload += 1;
            return Ok(());
        }
        let key = Arc::clone(&person.key);
        let (message, signature) = (init.message().to_vec(), init.signature().to_vec());
        let task = Task::Verify { key, message, signature };
        self.work(task, Working { person: id, from, with, step: Step::Verifying(Box::new(init)) });
        if self.working.len() >= LOADED {
            self.loaded_until = Some(now.at + STICKY);
        }
        Ok(())
    }

    fn is_loaded(&self, now: Instant) -> bool {
        self.working.len() >= LOADED || self.loaded_until.is_some_and(|until| now < until)
    }

    fn work(&mut self, task: Task, working: Working) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.working.insert(id, working);
        self.jobs.push_back(CryptoJob { id, task });
    }

    /// Told: a session's client proved its keys.
    pub fn session_opened(&mut self, now: Instant, id: SessionId) {
        let Some(person) = self.sessions.person(id) else { return };
        let most = self.people.get(&person).map_or(0, |person| person.sessions);
        if let Some(id) = self.sessions.open(now, id, most) {
            let (code, why) = (CloseCode::TooManySessions, "too many connections at once");
            self.events.push_back(EndpointEvent::Evict { id, code, why });
        }
    }

    /// Told: a session has ended.
    pub fn session_closed(&mut self, id: SessionId) {
        self.sessions.remove(id);
    }

    /// Wants: a datagram sent.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.datagrams.pop_front()
    }

    /// Wants: a job done.
    pub fn poll_crypto(&mut self) -> Option<CryptoJob> {
        self.jobs.pop_front()
    }

    /// Wants: its owner to know.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// Shows: what came that nobody is told of.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Shows: sessions, half-open ones included.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

/// IPv4 addresses one by one, IPv6 by the network that one host can have all of.
// HS-13.
fn check_stamp(person: &Person, stamp: Timestamp) -> Result<(), Rejection> {
    if stamp > person.last_stamp { Ok(()) } else { Err(Rejection::Stale { stamp, last: person.last_stamp }) }
}

fn source(from: SocketAddr) -> Source {
    match from.ip().to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        // No network in use is below ::1:0:0:0:0, where it could meet an IPv4 address.
        IpAddr::V6(v6) => u64::try_from(u128::from(v6) >> 64).unwrap_or(u64::MAX),
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("people", &self.people.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}
