//! Admission: who may speak, and which session a datagram belongs to. A server's socket talks to strangers through
//! this machine alone, and it answers none of them.
//!
//! The order of checks is that of PROTOCOL.md, section 3.5: cheapest first, no public-key operation before both
//! symmetric gates, the stamp and the buckets are passed.

mod buckets;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Moment;
use super::crypto::{CryptoDone, CryptoJob, JobId, Outcome, Response, Task};
use super::session::{Limits, Role, Session, SessionConfig};
use crate::seal::{Cookies, HandshakeError, Knock, OpenedInit, PairKeys, ResponseTerms, Verdict, open_init};
use crate::suite::{CipherSuite, CryptoError, IdentityKey, PublicKey};
use crate::types::{EnrolmentId, Secret, Timestamp};
use crate::wire::frame::CloseCode;
use crate::wire::handshake::{Init, MIN_UDP_PAYLOAD, SUITE_1, VERSION_1};
use crate::wire::packet::HANDSHAKE_LEN;

use buckets::{Buckets, WhenFull};
use sessions::Sessions;

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
/// The refusal for "no version or suite in common".
const NO_COMMON_SUITE: u16 = 1;

/// There are [`MAX_PEOPLE`] enrolments already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server takes {MAX_PEOPLE} enrolments and no more")]
pub struct Crowded;

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
    /// Sessions at once, from 1 to [`MAX_SESSIONS_PER_PERSON`].
    pub sessions: usize,
}

impl Person {
    /// The keys of the enrolment, and those that are to take their place.
    fn pairs(&self) -> impl Iterator<Item = &PairKeys> {
        std::iter::once(&self.pair).chain(self.next.as_ref().map(|next| &next.pair))
    }
}

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

    /// Told: a job is done.
    pub fn handle_crypto(&mut self, now: Moment, done: CryptoDone) {
        let Some(Working { person, from, with, step }) = self.working.remove(&done.id) else { return };
        // Expelled meanwhile: silence, and above all no session.
        if self.shut || !self.people.contains_key(&person) {
            return;
        }
        match (step, done.outcome) {
            (Step::Verifying(init), Outcome::Verified(true)) => {
                if let Err(why) = self.respond(now, person, from, with, init) {
                    self.events.push_back(EndpointEvent::Rejected { person, from, why });
                }
            }
            (Step::Verifying(_), Outcome::Verified(false)) => {
                self.events.push_back(EndpointEvent::Rejected { person, from, why: Rejection::BadSignature });
            }
            (Step::Responding { max_udp_payload, idle_timeout }, Outcome::Responded(Ok(response))) => {
                self.begin(now, person, from, with, (max_udp_payload, idle_timeout), response);
            }
            // A failing backend or a share of low order: silence.
            _ => {}
        }
    }

    /// The client is proved: accept its stamp and prepare the answer (HS-9).
    fn respond(
        &mut self,
        now: Moment,
        id: EnrolmentId,
        from: SocketAddr,
        with: Credentials,
        init: Box<OpenedInit>,
    ) -> Result<(), Rejection> {
        let Some(person) = self.people.get_mut(&id) else { return Ok(()) };
        // Again, because a copy of the same INIT may have been verified meanwhile.
        check_stamp(person, init.stamp)?;
        // Its key was replaced while its signature was looked at: silence, as if it had come later.
        if !person.pairs().any(|pair| pair.id() == with.psk) {
            return Ok(());
        }
        person.last_stamp = init.stamp;
        self.events.push_back(EndpointEvent::Stamp { person: id, stamp: init.stamp });
        let psk = person.next.take_if(|next| next.pair.id() == with.psk).map(|NextKey { pair, psk }| {
            person.pair = pair;
            psk
        });
        let is_current = with.knock == self.config.knock.id();
        let former = self.config.former_knock.as_ref().filter(|_| is_current);
        let knock = former.map(|former| former.successor.clone());
        if psk.is_some() || knock.is_some() {
            self.events.push_back(EndpointEvent::Renewed { person: id, psk, knock });
        }
        let common = init.versions.first_in(&[VERSION_1]).zip(init.suites.first_in(&[SUITE_1]));
        let verdict =
            common.map_or(Verdict::Refuse(NO_COMMON_SUITE), |(version, suite)| Verdict::Accept { version, suite });
        let terms = ResponseTerms {
            verdict,
            max_udp_payload: self.config.max_udp_payload,
            idle_timeout: u16::try_from(self.config.idle.as_secs()).unwrap_or(u16::MAX),
            server_time: now.wall,
        };
        let step = Step::Responding { max_udp_payload: init.max_udp_payload, idle_timeout: init.idle_timeout };
        let key = Arc::clone(&self.config.identity);
        self.work(Task::Respond { key, init, terms }, Working { person: id, from, with, step });
        Ok(())
    }

    /// The answer is signed: send it, and hand out the session (HS-15).
    fn begin(
        &mut self,
        now: Moment,
        person: EnrolmentId,
        from: SocketAddr,
        with: Credentials,
        (max_udp_payload, idle_timeout): (u16, u16),
        (datagram, secrets): Response,
    ) {
        if let Some(secrets) = secrets {
            let config = SessionConfig {
                suite: self.config.suite,
                role: Role::Server,
                peer: from,
                max_datagram: usize::from(max_udp_payload.min(self.config.max_udp_payload)),
                idle: Duration::from_secs(u64::from(idle_timeout.max(1))).min(self.config.idle),
                limits: self.config.limits,
            };
            let Ok(mut session) = Session::new(now.at, &config, &secrets) else { return };
            let psk = self.people.get(&person).and_then(|person| person.next.as_ref()).map(|next| &next.psk);
            let is_current = with.knock == self.config.knock.id();
            let former = self.config.former_knock.as_ref().filter(|_| !is_current);
            // Without random bytes it is told the next time.
            let _ = session.renew(psk, former.map(|former| &former.successor));
            let Some(id) = self.sessions.insert(now.at, person, &secrets) else { return };
            self.events.push_back(EndpointEvent::Session { id, person, session: Box::new(session) });
        }
        self.datagrams.push_back((from, datagram.to_vec()));
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

// HS-13.
fn check_stamp(person: &Person, stamp: Timestamp) -> Result<(), Rejection> {
    if stamp > person.last_stamp { Ok(()) } else { Err(Rejection::Stale { stamp, last: person.last_stamp }) }
}

/// IPv4 addresses one by one, IPv6 by the network that one host can have all of.
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
