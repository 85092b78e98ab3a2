//! A connection is kept while the client has work of its own. Time is the runtime's, and paused.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dpex_core::engine::Limits;
use dpex_core::node::{Client, Host, Record, Server, Stamps, connect};
use dpex_core::store::FileStore;
use dpex_core::testing::scripted::Acquaintance;
use dpex_core::testing::{MemNet, MemStore, NullSuite};
use dpex_core::transport::Transport as _;
use dpex_core::types::{EnrolmentId, Timestamp};
use tokio::time::{Instant, sleep};

use crate::house::path;

/// Longer than a session in which nothing is asked lasts.
const LONG: Duration = Duration::from_secs(40);

/// A host of one shelf that keeps no log.
struct Shelf(MemStore);

#[async_trait]
impl Host for Shelf {
    fn shelf(&self, _: EnrolmentId) -> Arc<dyn FileStore> {
        Arc::new(self.0.clone())
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

/// A client of a server with nine files.
async fn connected() -> Client {
    let net = MemNet::new();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (there, here) = (net.bind(any).expect("free"), net.bind(any).expect("free"));
    let address = there.local_addr().expect("bound");
    let store = MemStore::new();
    for n in 0..9 {
        store.put(&path(&format!("file {n}")), vec![n; 1000]);
    }
    let keys = Acquaintance::new(NullSuite::leak(1));
    let (config, people) = (keys.endpoint(Limits::default()), vec![keys.person()]);
    let server = Server::new(config, people, there, Arc::new(Shelf(store))).expect("a server");
    tokio::spawn(server.run(std::future::pending()));
    connect(here, keys.connector(address, Limits::default()), &Now).await.expect("connected")
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
    let client = connected().await;
    let began = Instant::now();
    assert_eq!(client.kept_during(compared(&client)).await, 9);
    assert!(began.elapsed() < 9 * LONG + Duration::from_secs(10));
    assert!(client.ended().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_is_not_kept_connected() {
    let client = connected().await;
    assert_eq!(compared(&client).await, 0);
    assert!(client.ended().is_some());
}
