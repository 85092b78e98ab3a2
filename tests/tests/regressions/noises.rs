//! What strangers send is counted, and the owner is told how much, once a minute. Time is the runtime's, and paused.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dpex_core::engine::Counters;
use dpex_core::node::{Record, Server};
use dpex_core::testing::MemNet;
use dpex_core::transport::{Transmit, Transport};
use tokio::sync::oneshot;

use crate::house::{Events, config};

#[tokio::test(start_paused = true)]
async fn the_owner_is_told_once_a_minute_how_much_came_that_nobody_was_told_of() {
    let net = MemNet::new();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (home, stranger) = (net.bind(any).expect("free"), net.bind(any).expect("free"));
    let address = home.local_addr().expect("bound");
    let events = Arc::new(Events::default());
    let server = Server::new(config(), Vec::new(), home, Arc::clone(&events) as _).expect("a server");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let send = async |len: usize, times: usize| {
        for _ in 0..times {
            let payload = vec![1; len];
            stranger.send(Transmit { to: address, payload: &payload, segment: len }).await.expect("sent");
        }
    };
    let minutes = |n: u64| tokio::time::sleep(Duration::from_secs(60 * n));
    let told = || {
        let noise = |record: Record| match record {
            Record::Noise(counters) => (counters.noise, counters.bad_mac1),
            other => panic!("nothing else happened: {other:?}"),
        };
        events.all().into_iter().map(noise).collect::<Vec<_>>()
    };
    minutes(3).await;
    assert_eq!(told(), [], "there was nothing");
    // Away from the moment at which a minute of the server's ends.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..10 {
        send(100, 5).await;
        send(1200, 3).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    minutes(3).await;
    assert_eq!(told(), [(50, 30)], "one record, although minutes have passed since");
    send(100, 2).await;
    minutes(1).await;
    assert_eq!(told(), [(50, 30), (2, 0)], "only what is new");
    send(100, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.send(()).expect("it runs");
    let all = running.await.expect("no panic").expect("the socket works");
    assert_eq!(told(), [(50, 30), (2, 0), (1, 0)], "the rest at the end");
    assert_eq!(all, Counters { noise: 53, bad_mac1: 30, ..Counters::default() });
}
