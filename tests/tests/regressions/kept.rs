//! What is kept: a connection while the client has work of its own, and what a server has read when it is stopped. Time
//! is the runtime's, and paused.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dpex_core::engine::{Counters, Limits};
use dpex_core::node::{BlockValues, Client, FetchEvent, Host, Record, Server, Stamps, Target, connect};
use dpex_core::store::{Existing, FileStore};
use dpex_core::testing::scripted::Acquaintance;
use dpex_core::testing::{MemNet, MemStore, NullSuite};
use dpex_core::transport::Transport as _;
use dpex_core::types::{Digest, EnrolmentId, Fingerprint, Timestamp, Version};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::house::path;

/// Longer than a session in which nothing is asked lasts.
const LONG: Duration = Duration::from_secs(40);

/// A host of one shelf that keeps no log.
struct Shelf {
    store: MemStore,
    values: Arc<Values>,
}

/// A memory of block values that takes a while to write.
#[derive(Debug, Default)]
struct Values(Mutex<BTreeMap<u64, Digest>>);

#[async_trait]
impl BlockValues for Values {
    async fn load(&self, _: &Version) -> BTreeMap<u64, Digest> {
        BTreeMap::new()
    }

    async fn keep(&self, _: &Version, values: &BTreeMap<u64, Digest>) {
        sleep(Duration::from_millis(500)).await;
        self.0.lock().expect("no panic").extend(values);
    }
}

#[async_trait]
impl Host for Shelf {
    fn shelf(&self, _: EnrolmentId) -> Arc<dyn FileStore> {
        Arc::new(self.store.clone())
    }

    fn values(&self) -> Arc<dyn BlockValues> {
        Arc::clone(&self.values) as _
    }

    async fn keep_stamp(&self, _: EnrolmentId, _: Timestamp) {}

    fn record(&self, _: Record) {}
}

struct Now;

#[async_trait]
impl Stamps for Now {
    async fn next(&self, now: Timestamp) -> io::Result<Timestamp> {
        Ok(now)
    }
}

/// A server with a large file and nine small ones, and its client.
struct Pair {
    client: Client,
    values: Arc<Values>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<Counters>>,
}

async fn connected() -> Pair {
    let net = MemNet::new();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (there, here) = (net.bind(any).expect("free"), net.bind(any).expect("free"));
    let address = there.local_addr().expect("bound");
    let (store, values) = (MemStore::new(), Arc::new(Values::default()));
    store.put_synthetic(&path("large"), 100 << 20, 7);
    for n in 0..9 {
        store.put(&path(&format!("file {n}")), vec![n; 1000]);
    }
    let keys = Acquaintance::new(NullSuite::leak(1));
    let (config, people) = (keys.endpoint(Limits::default()), vec![keys.person()]);
    let shelf = Shelf { store, values: Arc::clone(&values) };
    let server = Server::new(config, people, there, Arc::new(shelf)).expect("a server");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let client = connect(here, keys.connector(address, Limits::default()), &Now).await.expect("connected");
    Pair { client, values, stop, running }
}

/// Reads nine files here, which takes long, and asks for the hash of each.
async fn compared(client: &Client) -> usize {
    let mut compared = 0;
    for n in 0..9 {
        sleep(LONG).await;
        compared += usize::from(client.hash(path(&format!("file {n}"))).await.is_ok());
    }
    compared
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_its_own_disk_for_minutes_is_still_connected_when_it_asks_again() {
    let Pair { client, stop: _stop, .. } = connected().await;
    let began = Instant::now();
    assert_eq!(client.kept_during(compared(&client)).await, 9);
    assert!(began.elapsed() < 9 * LONG + Duration::from_secs(10));
    assert!(client.ended().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_is_not_kept_connected() {
    let Pair { client, stop: _stop, .. } = connected().await;
    assert_eq!(compared(&client).await, 0);
    assert!(client.ended().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_server_has_read_of_a_file_when_it_is_stopped_is_remembered() {
    let Pair { client, values, stop, running } = connected().await;
    let target = Target::anew(Arc::new(MemStore::new()), path("large"), Existing::Keep, Fingerprint([0; 32]));
    let mut fetch = client.fetch(path("large"), target);
    let written = loop {
        match fetch.next().await.expect("it goes on") {
            FetchEvent::Progress(written) if written > 3 << 20 => break written,
            FetchEvent::Offered { .. } | FetchEvent::Progress(_) => {}
            other => panic!("{other:?}"),
        }
    };
    stop.send(()).expect("it runs");
    running.await.expect("no panic").expect("the socket works");
    let kept = values.0.lock().expect("no panic").len() as u64;
    assert!(kept >= written >> 20, "{kept} values of {written} bytes");
}
