//! A connection that ends in the middle of many requests: each of them ends too, and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, Fetch, FetchEvent, Target};
use dpex_core::store::{Existing, FileStore};
use dpex_core::types::Fingerprint;
use dpex_store_fs::FsStore;

use crate::house::{House, fetch, path};
use crate::wire::{Way, Wire};

/// More than a session takes up at once.
const MANY: usize = 20_000;

/// Asks for many files and waits for none.
fn ask(house: &House, client: &Client, many: usize) -> Vec<Fetch> {
    let store = FsStore::receive(&house.folder("in"), dpex_store_fs::Options::default()).expect("a folder");
    let store: Arc<dyn FileStore> = Arc::new(store);
    let fetch = |n: usize| {
        let path = path(&format!("file {n}"));
        let target = Target::anew(Arc::clone(&store), path.clone(), Existing::Keep, Fingerprint([0; 32]));
        client.fetch(path, target)
    };
    (0..many).map(fetch).collect()
}

/// How many ended because there was no connection. All must say how they ended, and soon.
async fn disconnected(fetches: Vec<Fetch>) -> usize {
    let mut disconnected = 0;
    for mut fetch in fetches {
        let end = loop {
            let next = tokio::time::timeout(Duration::from_secs(60), fetch.next()).await.expect("it does not hang");
            match next.expect("the last event says how it ended") {
                FetchEvent::Offered { .. } | FetchEvent::Progress(_) => {}
                end => break end,
            }
        };
        assert!(fetch.next().await.is_none(), "nothing follows: {end:?}");
        disconnected += usize::from(matches!(end, FetchEvent::Failed(Failure::Disconnected)));
    }
    disconnected
}

/// Connects a client of which nothing more is heard afterwards, so that no request is answered.
async fn muted(house: &House) -> (Client, Arc<Wire>) {
    let mute = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&mute);
    let wire = Arc::new(Wire::meddling(move |way, _| way == Way::In || !silent.load(Ordering::Relaxed)));
    let client = house.connect(0, &wire).await.expect("connected");
    // The server's session is confirmed by the first packet that arrives in it; before, it would not say goodbye.
    let end = fetch(&client, "absent", &house.folder("in")).await;
    assert!(matches!(end, FetchEvent::Failed(_)), "{end:?}");
    mute.store(true, Ordering::Relaxed);
    (client, wire)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_fails_when_the_server_stops_those_not_yet_taken_up_included() {
    let house = House::new().await;
    let (client, _wire) = muted(&house).await;
    let fetches = ask(&house, &client, MANY);
    house.stop().await;
    assert_eq!(disconnected(fetches).await, MANY, "none was answered");
    assert!(client.ended().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_fails_when_the_socket_does() {
    let house = House::new().await;
    let (client, wire) = muted(&house).await;
    let early = ask(&house, &client, MANY);
    wire.sever();
    assert_eq!(disconnected(early).await, MANY, "none was answered");
    assert_eq!(disconnected(ask(&house, &client, 10)).await, 10, "and so does what is asked for later");
    assert!(client.ended().is_some(), "it knows that it is over");
    house.stop().await;
}
