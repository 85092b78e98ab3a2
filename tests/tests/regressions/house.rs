//! A server and its people on loopback: the real node, socket, disk and cryptography.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dpex_core::conformance::suite as conformance;
use dpex_core::engine::{
    ConnectorConfig, Counters, EndpointConfig, IDLE_TIMEOUT, Limits, MAX_SESSIONS_PER_PERSON, Person,
};
use dpex_core::enrol::{Answer, ClientGrant, Policy, Request, ServerGrant, Terms};
use dpex_core::node::{Client, ConnectError, FetchEvent, Host, Record, Server, Stamps, Target, connect};
use dpex_core::seal::{Knock, PairKeys, Peering};
use dpex_core::store::{Existing, FileStore};
use dpex_core::suite::{CipherSuite, IdentityKey};
use dpex_core::transport::Transport;
use dpex_core::types::{EnrolmentId, Fingerprint, Secret, SharePath, Timestamp};
use dpex_store_fs::FsStore;
use dpex_tests::SUITE;
use dpex_transport_udp::UdpTransport;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::wire::Wire;

const KNOCK: [u8; 32] = [0x55; 32];
const UIDS: [&str; 2] = ["b9e72d87-ac05-4563-bc32-9c2bf2738f93", "0c2a4a3c-1f0e-4f43-9d2b-3a1f5a6b7c8d"];

/// A key that is known to the whole world. Loading checks its factors, so it is loaded once.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident: $der:ident) => {
        $(#[$doc])*
        pub(crate) fn $name() -> Arc<dyn IdentityKey> {
            static KEY: LazyLock<Arc<dyn IdentityKey>> = LazyLock::new(|| {
                suite().identity_from_pkcs8(conformance::$der).expect("a good key")
            });
            KEY.clone()
        }
    };
}

key! {
    /// The client: 4096 bits.
    alice: RSA4096
}
key! {
    /// The server: 3072 bits.
    bob: RSA3072
}
key! {
    /// Whoever else is about.
    mallory: RSA3072_OTHER
}

pub(crate) fn suite() -> &'static dyn CipherSuite {
    &SUITE
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

pub(crate) fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a name")
}

/// The first mail of one of the two people that there are.
pub(crate) fn request(key: &dyn IdentityKey, number: usize) -> Request {
    let uid = UIDS[number].parse().expect("valid");
    Request::create(suite(), key, uid, "somebody", now()).expect("made")
}

/// The second mail, by the owner of a key.
pub(crate) fn answer(server: &dyn IdentityKey, request: &Request) -> (Answer, ServerGrant) {
    let terms = Terms {
        server_name: "Bob's files".parse().expect("valid"),
        endpoints: vec!["127.0.0.1:9473".parse().expect("valid")],
        first_use_before: now().plus(Duration::from_secs(86_400)),
        policy: Policy::default(),
    };
    Answer::create(suite(), server, request, &Secret::new(KNOCK), &terms, now()).expect("made")
}

/// What the client makes of it.
pub(crate) fn opened(key: &dyn IdentityKey, request: &Request, answer: &Answer) -> ClientGrant {
    Answer::open(suite(), key, request, answer.to_json().as_bytes(), now()).expect("for this client")
}

/// A running server.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    pub(crate) events: Arc<Events>,
    people: Vec<(ClientGrant, Arc<dyn IdentityKey>)>,
    stamps: Clock,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<Counters>>,
}

/// What the server tells, and the shelves it asks for.
#[derive(Default)]
pub(crate) struct Events {
    shelves: HashMap<EnrolmentId, Arc<dyn FileStore>>,
    records: Mutex<Vec<Record>>,
}

impl Events {
    /// The records so far.
    pub(crate) fn all(&self) -> Vec<Record> {
        self.records.lock().expect("no panic").clone()
    }

    /// How many records so far are like that.
    pub(crate) fn count(&self, like: impl Fn(&Record) -> bool) -> usize {
        self.records.lock().expect("no panic").iter().filter(|record| like(record)).count()
    }
}

#[async_trait]
impl Host for Events {
    fn shelf(&self, person: EnrolmentId) -> Arc<dyn FileStore> {
        Arc::clone(&self.shelves[&person])
    }

    async fn keep_stamp(&self, _: EnrolmentId, _: Timestamp) {}

    fn record(&self, record: Record) {
        self.records.lock().expect("no panic").push(record);
    }
}

/// Stamps, each later than all before.
#[derive(Default)]
struct Clock(Mutex<Option<Timestamp>>);

#[async_trait]
impl Stamps for Clock {
    async fn next(&self, now: Timestamp) -> io::Result<Timestamp> {
        let mut last = self.0.lock().expect("no panic");
        let next = last.map_or(now, |last| now.max(last.successor()));
        *last = Some(next);
        Ok(next)
    }
}

impl House {
    /// With two people enrolled, whose shelves are `shelf-0` and `shelf-1`.
    pub(crate) async fn new() -> Self {
        let keys = [alice(), mallory()];
        let exchanges = keys.each_ref().map(|key| {
            let request = request(&**key, usize::from(key.public().spki() != alice().public().spki()));
            let (answer, grant) = answer(&*bob(), &request);
            (grant, opened(&**key, &request, &answer))
        });
        let people = exchanges.into_iter().zip(keys).map(|((grant, own), key)| (grant, own, key)).collect();
        Self::with(people).await
    }

    /// With people whose two sides may have seen different documents.
    pub(crate) async fn with(people: Vec<(ServerGrant, ClientGrant, Arc<dyn IdentityKey>)>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut events = Events::default();
        let mut enrolled = Vec::new();
        let server = dpex_core::enrol::fingerprint(suite(), bob().public().spki());
        for (number, (grant, _, _)) in people.iter().enumerate() {
            let shelf = dir.path().join(format!("shelf-{number}"));
            fs::create_dir(&shelf).expect("writable");
            let files = FsStore::serve(&shelf, Secret::new([7; 32]), dpex_store_fs::Options::default());
            events.shelves.insert(grant.enrolment, Arc::new(files.expect("a shelf")));
            let peering =
                Peering { server, client: grant.client, enrolment: grant.enrolment, exchange: grant.exchange };
            enrolled.push(Person {
                pair: PairKeys::new(suite(), &grant.psk, &peering),
                next: None,
                key: grant.client_key(suite()).expect("a good key"),
                last_stamp: Timestamp::EPOCH,
                first_use_before: Some(grant.first_use_before),
                not_after: None,
                sessions: MAX_SESSIONS_PER_PERSON,
            });
        }
        let config = config();
        let transport: Arc<dyn Transport> = Arc::new(bound());
        let address = transport.local_addr().expect("bound");
        let events = Arc::new(events);
        let server = Server::new(config, enrolled, transport, Arc::clone(&events) as _).expect("a server");
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let people = people.into_iter().map(|(_, own, key)| (own, key)).collect();
        Self { address, dir, events, people, stamps: Clock::default(), stop, running }
    }

    /// A folder in which there is room for what a test needs.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a file on a shelf.
    pub(crate) fn offer(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.folder("shelf-0").join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        fs::write(file, content).expect("writable");
    }

    /// Connects as one of the people, over this wire.
    pub(crate) async fn connect(&self, person: usize, wire: &Arc<Wire>) -> Result<Client, ConnectError> {
        let (grant, identity) = &self.people[person];
        let peering = Peering {
            server: grant.server,
            client: grant.client,
            enrolment: grant.enrolment,
            exchange: grant.exchange,
        };
        let config = ConnectorConfig {
            suite: suite(),
            identity: Arc::clone(identity),
            server_key: grant.server_key(suite()).expect("a good key"),
            pair: Arc::new(PairKeys::new(suite(), &grant.psk, &peering)),
            knock: Knock::new(suite(), &grant.knock),
            server: self.address,
            max_udp_payload: 65_000,
            idle: IDLE_TIMEOUT,
            limits: Limits::default(),
        };
        connect(Arc::clone(wire) as _, config, &self.stamps).await
    }

    /// Connects over a wire without faults.
    pub(crate) async fn client(&self, person: usize) -> Client {
        self.connect(person, &Arc::new(Wire::new())).await.expect("connected")
    }

    /// Stops the server, which must have run until now, and returns what it counted.
    pub(crate) async fn stop(self) -> Counters {
        self.stop.send(()).expect("the server still runs");
        self.running.await.expect("no panic").expect("the socket works")
    }
}

/// The server's side of things.
pub(crate) fn config() -> EndpointConfig {
    EndpointConfig {
        suite: suite(),
        identity: bob(),
        knock: Arc::new(Knock::new(suite(), &Secret::new(KNOCK))),
        former_knock: None,
        max_udp_payload: 65_000,
        idle: IDLE_TIMEOUT,
        limits: Limits::default(),
    }
}

pub(crate) fn bound() -> UdpTransport {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    UdpTransport::bind(any, &dpex_transport_udp::Options::default()).expect("a free port")
}

/// Fetches one file into a folder, under its own name: its end.
pub(crate) async fn fetch(client: &Client, name: &str, into: &Path) -> FetchEvent {
    let store = FsStore::receive(into, dpex_store_fs::Options::default()).expect("a folder");
    let target = Target::anew(Arc::new(store), path(name), Existing::Keep, Fingerprint([0; 32]));
    let mut fetch = client.fetch(path(name), target);
    while let Some(event) = fetch.next().await {
        if matches!(event, FetchEvent::Finished { .. } | FetchEvent::Failed(_)) {
            return event;
        }
    }
    panic!("a fetch without an end");
}

/// The same; it must succeed.
pub(crate) async fn fetched(client: &Client, name: &str, into: &Path) {
    let end = fetch(client, name, into).await;
    assert!(matches!(end, FetchEvent::Finished { .. }), "{name}: {end:?}");
}

/// Bytes that look random.
pub(crate) fn noise(len: usize, seed: &str) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut content);
    content
}
