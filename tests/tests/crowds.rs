//! A server on a real socket among crowds: thousands of sessions that come and go, and a flood of junk and of packets that
//! were recorded. Its memory and its handles stay as they are, and people get in and on.
#![cfg(target_os = "linux")]

#[path = "support/host.rs"]
mod host;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dpex_core::engine::Limits;
use dpex_core::node::{Client, FetchEvent, Server, Target, connect};
use dpex_core::store::Existing;
use dpex_core::testing::scripted::Acquaintance;
use dpex_core::testing::{MemStore, NullSuite};
use dpex_core::transport::Transport as _;
use dpex_core::types::{Fingerprint, SharePath, Timestamp};
use dpex_transport_udp::{Options, UdpTransport};
use tokio::sync::Semaphore;

use host::{Clock, Shelves};

/// A server for these people, and where it is.
fn serve(people: &[Acquaintance], shelf: &MemStore) -> SocketAddr {
    let transport = bind(Ipv4Addr::LOCALHOST);
    let address = transport.local_addr().expect("bound");
    let config = people[0].endpoint(Limits::default());
    let persons = people.iter().map(Acquaintance::person).collect();
    let server = Server::new(config, persons, transport, Arc::new(Shelves(Arc::new(shelf.clone())))).expect("a server");
    tokio::spawn(server.run(std::future::pending()));
    address
}

fn bind(at: Ipv4Addr) -> Arc<UdpTransport> {
    Arc::new(UdpTransport::bind(SocketAddr::new(IpAddr::V4(at), 0), &Options::default()).expect("loopback"))
}

async fn visit(who: &Acquaintance, from: Ipv4Addr, server: SocketAddr, clock: &Clock) -> Option<Client> {
    connect(bind(from), who.connector(server, Limits::default()), clock).await.ok()
}

/// Bytes of memory that are in use.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("linux");
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    let kib: u64 = rss.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

/// Descriptors that are open.
fn handles() -> usize {
    fs::read_dir("/proc/self/fd").expect("linux").count()
}

/// Descriptors that are open when no more than `bound` are, or after ten seconds. A client that has said goodbye keeps its
/// socket and its buffers until its session has drained, and the clients here are in the same process.
async fn settled(bound: usize) -> usize {
    let began = Instant::now();
    while handles() > bound && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    handles()
}

#[test]
fn ten_thousand_sessions_leave_memory_and_handles_as_they_were() {
    const PEOPLE: usize = 400;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let first = Acquaintance::new(NullSuite::leak(1));
        let people: Vec<_> = (1..PEOPLE).map(|_| first.another()).chain([first.clone()]).collect();
        let shelf = MemStore::new();
        let server = serve(&people, &shelf);
        let usual = handles();
        let clocks: Vec<_> = (0..PEOPLE).map(|_| Clock::default()).collect();
        let (people, clocks) = (Arc::new(people), Arc::new(clocks));
        // Few at a time, those that drain among them: each client here has half a mebibyte to receive into, and is not what
        // is measured.
        let places = Arc::new(Semaphore::new(16));
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for round in 0..25_usize {
            let began = Instant::now();
            let visits = (0..PEOPLE).map(|n| {
                let (people, clocks, places) = (Arc::clone(&people), Arc::clone(&clocks), Arc::clone(&places));
                // From another place each time: one source may not come so often.
                let [high, low] = u16::try_from(round * PEOPLE + n).expect("small").to_be_bytes();
                tokio::spawn(async move {
                    let _place = places.acquire().await;
                    settled(usual + 64).await;
                    let from = Ipv4Addr::new(127, 1, high, low);
                    let client = visit(&people[n], from, server, &clocks[n]).await.expect("let in");
                    let listed = client.list(&SharePath::ROOT, true).await.expect("answered");
                    client.close().await;
                    listed.0.len()
                })
            });
            for visit in visits.collect::<Vec<_>>() {
                assert_eq!(visit.await.expect("no panic"), 0);
            }
            // One person may come five times a second.
            tokio::time::sleep(Duration::from_millis(250).saturating_sub(began.elapsed())).await;
            match round {
                6..13 => early.push(memory()),
                18.. => late.push(memory()),
                _ => {}
            }
        }
        // The least of seven looks, since what the allocator keeps for later goes up and down. A session that was kept would
        // be tens of kibibytes; what is remembered of each source is a hundred bytes.
        let (Some(before), Some(now)) = (early.iter().min(), late.iter().min()) else { panic!("no look") };
        assert!(*now <= before + (16 << 20), "{early:?}, {late:?}");
        assert!(settled(usual).await <= usual, "{usual} handles were open at first, now {}", handles());
    });
}

#[test]
fn beside_a_flood_of_junk_and_of_recorded_packets_people_get_in_and_on_and_nobody_is_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let alice = Acquaintance::new(NullSuite::leak(2));
    let shelf = MemStore::new();
    let file = SharePath::parse("file").expect("a name");
    shelf.put_synthetic(&file, 20_000_000, 1);
    let server = runtime.block_on(async { serve(std::slice::from_ref(&alice), &shelf) });
    // An INIT of hers, as a listener may have recorded it.
    let clock = Clock::default();
    let recorded = alice.init(clock.later(Timestamp::from_system(SystemTime::now()))).0;
    let (over, sent, answers) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let before = memory();
    let fetched = std::thread::scope(|threads| {
        threads.spawn(|| flood(server, &over, &sent, &answers, &recorded));
        let (began, mut fetched) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(3) {
            fetched.push(runtime.block_on(fetch(&alice, server, &clock, &file)));
        }
        over.store(true, Ordering::Relaxed);
        fetched
    });
    let whole = |end: &FetchEvent| matches!(end, FetchEvent::Finished { size: 20_000_000, .. });
    assert!(fetched.iter().all(whole), "{fetched:?}");
    assert!(sent.load(Ordering::Relaxed) > 30_000, "it was a flood");
    // The recorded INIT is answered once, if it comes before its owner's next.
    assert!(answers.load(Ordering::Relaxed) <= 1);
    // The file is received into memory.
    let grown = memory().saturating_sub(before);
    assert!(grown < 20_000_000 + (48 << 20), "{grown} bytes");
}

/// Fetches the file as soon as it is let in.
async fn fetch(who: &Acquaintance, server: SocketAddr, clock: &Clock, file: &SharePath) -> FetchEvent {
    let mut tries = 0;
    let client = loop {
        if let Some(client) = visit(who, Ipv4Addr::new(127, 0, 0, 2), server, clock).await {
            break client;
        }
        tries += 1;
        assert!(tries < 5, "kept out");
    };
    let received = MemStore::new();
    let target = Target::anew(Arc::new(received), file.clone(), Existing::default(), Fingerprint([0; 32]));
    let mut fetch = client.fetch(file.clone(), target);
    loop {
        let event = fetch.next().await.expect("a fetch has an end");
        if matches!(event, FetchEvent::Finished { .. } | FetchEvent::Failed(_)) {
            return event;
        }
    }
}

/// Sends as fast as one thread can, for a minute at most: every kind of length, and what was recorded.
fn flood(server: SocketAddr, over: &AtomicBool, sent: &AtomicU64, answers: &AtomicU64, recorded: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.3:0").expect("loopback");
    socket.set_nonblocking(true).expect("a socket");
    let (mut junk, mut answer) = ([0; 1500], [0; 1500]);
    let began = Instant::now();
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) || began.elapsed() > Duration::from_secs(60) {
            break;
        }
        let seed = blake3::hash(&round.to_be_bytes());
        junk[..32].copy_from_slice(seed.as_bytes());
        let len = [1200, 1200, usize::from(seed.as_bytes()[0]) * 5, 1472][usize::try_from(round % 4).expect("small")];
        for packet in [&junk[..len], recorded] {
            sent.fetch_add(u64::from(socket.send_to(packet, server).is_ok()), Ordering::Relaxed);
        }
        answers.fetch_add(u64::from(socket.recv(&mut answer).is_ok()), Ordering::Relaxed);
    }
}
