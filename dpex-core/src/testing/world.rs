//! The network in a test tube: a server, any number of clients, a link for each direction, disks, and one clock.
//!
//! Nothing sleeps and nothing is real: [`World::step`] drains every machine and jumps to the next moment at which
//! something happens. One seed decides everything random, so that a failure can be had again: see [`sweep`].
//!
//! What must hold whatever happens is checked at every step: memory stays within the sessions' limits, no datagram
//! exceeds the agreed size, nobody unproved is sent more than came from there, and time goes on. Strangers speak with
//! [`World::send_from`]; a client in bad hands and an impostor with the server's keys, with a [`Hold`] on the path.

mod bad;
mod checks;
mod client;
mod disk;
mod link;
mod rng;
mod run;
mod server;
mod sweep;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use bad::Hold;
pub use client::{ClientConfig, ClientHost, Outcome, Standing};
pub use disk::DiskConfig;
pub use link::{Burst, LinkConfig, LinkStats};
pub use rng::Rng;
pub use server::{Record, ServerConfig, ServerHost};
pub use sweep::sweep;

use client::State;
use link::Link;
use run::Happening;
use trace::Trace;

use super::{MemStore, NullSuite};
use crate::engine::{Connector, ConnectorConfig, Endpoint, EndpointConfig, MAX_SESSIONS_PER_PERSON, Person};
use crate::kdf::hh;
use crate::seal::{Knock, PairKeys, Peering};
use crate::store::{Held, ListQuery};
use crate::suite::CipherSuite as _;
use crate::types::{Digest, EnrolmentId, Fingerprint, Secret, SharePath, Timestamp};
use crate::wire::frame::CloseCode;
use crate::wire::message::RequestId;

/// Wall-clock time at which every world begins, in seconds since the epoch.
const WALL: i64 = 1_800_000_000;

/// Names a client of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(usize);

/// A direction of a client's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A server, its clients, and what lies between.
pub struct World {
    seed: u64,
    rng: Rng,
    began: Instant,
    now: Instant,
    server: ServerHost,
    clients: Vec<ClientHost>,
    /// Up and down, for each client.
    links: Vec<[Link; 2]>,
    by_address: BTreeMap<SocketAddr, ClientId>,
    queue: BTreeMap<(Instant, u64), Happening>,
    next_happening: u64,
    trace: Trace,
    /// Steps since time last went on.
    still: u32,
    buffer: Vec<u8>,
}

impl World {
    /// A world with a server and nobody else.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_server(seed, ServerConfig::default())
    }

    /// The same with a server of one's own making.
    ///
    /// # Panics
    /// Never; the null suite does not fail.
    #[must_use]
    pub fn with_server(seed: u64, config: ServerConfig) -> Self {
        let mut rng = Rng::new(seed);
        let now = Instant::now();
        let suite = NullSuite::leak(rng.draw());
        // Clients have keys of the other size.
        let identity = suite.generate_identity(3072).expect("a size the suite has");
        let knock = Secret::new(rng.bytes());
        let endpoint_config = EndpointConfig {
            suite,
            identity: Arc::clone(&identity),
            knock: Arc::new(Knock::new(suite, &knock)),
            former_knock: None,
            max_udp_payload: config.max_udp_payload,
            idle: config.idle,
            limits: config.limits,
        };
        let server = ServerHost {
            address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9473)),
            suite,
            identity,
            knock,
            config,
            endpoint: Endpoint::new(now, endpoint_config).expect("the null suite does not fail"),
            store: MemStore::new(),
            values: BTreeMap::new(),
            sessions: BTreeMap::new(),
            log: Vec::new(),
            ended: Vec::new(),
            rejections: Vec::new(),
            stamps: BTreeMap::new(),
            crypto_free_at: None,
            unproved: BTreeMap::new(),
            proved: BTreeSet::new(),
            strays: Vec::new(),
        };
        Self {
            seed,
            rng,
            began: now,
            now,
            server,
            clients: Vec::new(),
            links: Vec::new(),
            by_address: BTreeMap::new(),
            queue: BTreeMap::new(),
            next_happening: 0,
            trace: Trace::new(),
            still: 0,
            buffer: Vec::new(),
        }
    }

    /// Somebody new, enrolled, with an address of their own and this path both ways.
    pub fn client(&mut self, path: &LinkConfig) -> ClientId {
        self.client_with(path, path, ClientConfig::default())
    }

    /// The same in full.
    ///
    /// # Panics
    /// Never; the null suite does not fail.
    pub fn client_with(&mut self, up: &LinkConfig, down: &LinkConfig, config: ClientConfig) -> ClientId {
        let id = ClientId(self.clients.len());
        let suite = NullSuite::leak(self.rng.draw());
        let identity = suite.generate_identity(4096).expect("a size the suite has");
        let psk = Secret::new(self.rng.bytes());
        let fingerprint = |spki: &[u8]| Fingerprint(hh(suite, "identity", &[spki]).0);
        let enrolment = std::array::from_fn(|_| self.rng.draw() as u8);
        let peering = Peering {
            server: fingerprint(self.server.identity.public().spki()),
            client: fingerprint(identity.public().spki()),
            enrolment: EnrolmentId(enrolment),
            exchange: Digest(self.rng.bytes()),
        };
        let key = self.server.suite.public_from_spki(identity.public().spki()).expect("a key of the same suite");
        let person = Person {
            pair: PairKeys::new(self.server.suite, &psk, &peering),
            next: None,
            key,
            last_stamp: Timestamp::EPOCH,
            first_use_before: None,
            not_after: None,
            sessions: MAX_SESSIONS_PER_PERSON,
        };
        self.server.endpoint.enrol(person).expect("few clients");
        let number = u32::try_from(id.0).expect("few clients");
        let address = SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + number), 50_000));
        self.by_address.insert(address, id);
        self.links.push([up, down].map(|config| Link::new(self.now, config.clone(), self.rng.fork())));
        self.clients.push(ClientHost {
            address,
            suite,
            identity,
            psk,
            peering,
            config,
            store: MemStore::new(),
            stamp: Timestamp::EPOCH,
            state: State::Idle,
            generation: 0,
            standing: Standing::Never,
            paths: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            pages: BTreeMap::new(),
            offers: BTreeMap::new(),
            notices: Vec::new(),
            key_warnings: 0,
            crypto_free_at: None,
            caught: None,
        });
        id
    }

    /// The client has another address from now on, and nobody has the one before. Its links stay as they are.
    pub fn moves(&mut self, client: ClientId, to: SocketAddr) {
        let before = std::mem::replace(&mut self[client].address, to);
        self.by_address.remove(&before);
        self.by_address.insert(to, client);
    }

    /// Whose records in the server's log are this client's.
    #[must_use]
    pub fn person(&self, client: ClientId) -> EnrolmentId {
        self[client].peering.enrolment
    }

    /// Begins a handshake; whatever the client had before is forgotten without a word.
    ///
    /// # Panics
    /// Never; keys of the same suite are understood.
    pub fn connect(&mut self, client: ClientId) {
        let (server_key, knock, server) =
            (self.server.identity.public().spki().to_vec(), self.server.knock.clone(), self.server.address);
        let now = self.now;
        let host = &mut self[client];
        let config = ConnectorConfig {
            suite: host.suite,
            identity: Arc::clone(&host.identity),
            server_key: host.suite.public_from_spki(&server_key).expect("a key of the same suite"),
            pair: Arc::new(PairKeys::new(host.suite, &host.psk, &host.peering)),
            knock: Knock::new(host.suite, &knock),
            server,
            max_udp_payload: host.config.max_udp_payload,
            idle: host.config.idle,
            limits: host.config.limits,
        };
        host.state = State::Connecting(Box::new(Connector::new(now, config)));
        host.generation += 1;
        host.standing = Standing::Connecting;
        host.paths.clear();
        host.outcomes.clear();
        host.offers.clear();
        host.crypto_free_at = None;
    }

    /// Connects and goes on until there is a session. Where nobody answers it tries again, as a person would: five
    /// INITs may all be lost.
    ///
    /// # Panics
    /// If that does not help.
    pub fn connected(&mut self, client: ClientId) {
        for _ in 0..5 {
            self.connect(client);
            self.run_until(Duration::from_secs(30), |world| world[client].standing != Standing::Connecting);
            if self[client].standing != Standing::TimedOut {
                break;
            }
        }
        assert_eq!(self[client].standing, Standing::Connected, "\n{self:?}");
    }

    /// Asks for a file. `None` without an open session.
    pub fn get(&mut self, client: ClientId, path: &SharePath, held: Option<Held>) -> Option<RequestId> {
        let host = &mut self[client];
        let id = host.session_mut()?.get(path.clone(), held)?;
        host.paths.insert(id, path.clone());
        Some(id)
    }

    /// Asks for the hash of a file. `None` without an open session.
    pub fn hash(&mut self, client: ClientId, path: &SharePath) -> Option<RequestId> {
        self[client].session_mut()?.hash(path.clone())
    }

    /// Asks for at most so many pages. `None` without an open session.
    pub fn list(&mut self, client: ClientId, query: ListQuery, pages: u64) -> Option<RequestId> {
        self[client].session_mut()?.list(query, pages)
    }

    /// Gives a request up.
    pub fn cancel(&mut self, client: ClientId, id: RequestId) {
        if let Some(session) = self[client].session_mut() {
            session.cancel(id);
        }
    }

    /// Has the server show a sign of life.
    pub fn probe(&mut self, client: ClientId) {
        if let Some(session) = self[client].session_mut() {
            session.probe();
        }
    }

    /// Has the server say at once what of the client's words has arrived.
    pub fn flush(&mut self, client: ClientId) {
        if let Some(session) = self[client].session_mut() {
            session.flush();
        }
    }

    /// For how long a client has heard nothing in its session.
    #[must_use]
    pub fn silence(&self, client: ClientId) -> Option<Duration> {
        Some(self.now.saturating_duration_since(self[client].session()?.heard()))
    }

    /// Ends a client's session with a word.
    pub fn close(&mut self, client: ClientId) {
        let now = self.now;
        if let Some(session) = self[client].session_mut() {
            session.close(now, CloseCode::Ok, "done");
        }
    }

    /// A client is gone without a word.
    pub fn vanish(&mut self, client: ClientId) {
        let host = &mut self[client];
        host.state = State::Idle;
        host.generation += 1;
        host.standing = Standing::Vanished;
    }

    /// In all sessions there are, who sends this way updates keys after so few packets.
    pub fn update_keys_every(&mut self, way: Way, packets: u64) {
        let server = self.server.sessions.values_mut().map(|s| &mut *s.session);
        let clients = self.clients.iter_mut().filter_map(ClientHost::session_mut);
        match way {
            Way::Up => clients.for_each(|session| session.update_keys_every(packets)),
            Way::Down => server.for_each(|session| session.update_keys_every(packets)),
        }
    }

    /// All clients that are connected agree with the server on fresh secrets after so few bytes.
    pub fn ratchet_every(&mut self, bytes: u64) {
        self.clients.iter_mut().filter_map(ClientHost::session_mut).for_each(|session| session.ratchet_every(bytes));
    }

    /// The server ends all sessions.
    pub fn shut_down(&mut self) {
        for s in self.server.sessions.values_mut() {
            s.session.close(self.now, CloseCode::Shutdown, "the server is shutting down");
        }
    }

    /// Somebody sends the server a datagram from any address; it arrives at once.
    pub fn send_from(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.happens(self.now, Happening::AtServer { from, bytes });
    }

    /// A client's link, to be changed.
    pub fn link_mut(&mut self, client: ClientId, way: Way) -> &mut LinkConfig {
        &mut self.links[client.0][way as usize].config
    }

    /// What a client's link has done.
    #[must_use]
    pub fn link_stats(&self, client: ClientId, way: Way) -> LinkStats {
        self.links[client.0][way as usize].stats
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &ServerHost {
        &self.server
    }

    /// The server, to be changed.
    pub fn server_mut(&mut self) -> &mut ServerHost {
        &mut self.server
    }

    /// Dice for the story's own choices.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    /// What happened so far, as a number: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.hash()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::new(WALL, 0).unwrap_or(Timestamp::EPOCH).plus(self.elapsed())
    }
}

impl Index<ClientId> for World {
    type Output = ClientHost;

    fn index(&self, client: ClientId) -> &ClientHost {
        &self.clients[client.0]
    }
}

impl IndexMut<ClientId> for World {
    fn index_mut(&mut self, client: ClientId) -> &mut ClientHost {
        &mut self.clients[client.0]
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the world of seed {} after {:?}", self.seed, self.elapsed())?;
        writeln!(f, "{:?}", self.server)?;
        for (client, [up, down]) in self.clients.iter().zip(&self.links) {
            writeln!(f, "{client:?}\n  up   {:?}\n  down {:?}", up.stats, down.stats)?;
        }
        write!(f, "{} things to come; the last ones were:\n{}", self.queue.len(), self.trace)
    }
}
