//! Servers that keep no rule: a client that fetches from one ends, with what it has kept inside its folder and nothing of
//! it under a name that was not verified.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dpex_core::engine::Limits;
use dpex_core::node::{Client, FetchEvent, Target, connect};
use dpex_core::store::{Entry, EntryKind, Existing, Meta};
use dpex_core::testing::Scripted;
use dpex_core::testing::scripted::Acquaintance;
use dpex_core::transfer::{Geometry, block_value};
use dpex_core::types::{Digest, Fingerprint, SharePath, Timestamp, Version};
use dpex_core::wire::codec::put_varint;
use dpex_core::wire::frame;
use dpex_core::wire::message::{FailCode, Message};
use dpex_store_fs::{FsStore, Options};
use dpex_tests::SUITE;
use dpex_transport_udp::UdpTransport;

use crate::host::Clock;
use crate::wire::Wire;

fn meta(size: u64) -> Meta {
    Meta { size, mtime: Timestamp::EPOCH, exec: false, version: Version([7; 16]) }
}

fn offer(size: u64, block_log2: u8) -> Message {
    Message::Offer { id: 0, meta: meta(size), block_log2 }
}

fn value(content: &[u8]) -> Digest {
    let geometry = Geometry::new(content.len() as u64, 20);
    block_value(&geometry.block(0).expect("one block"), content)
}

fn zeros(transfer: u64, offset: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0x15];
    [transfer, offset, len].iter().for_each(|number| put_varint(&mut out, *number));
    out
}

type Evil = fn(&mut Scripted, &mut Wire);

/// Answers to the request 0, a `get` of the file `f`.
const EVILS: &[(&str, Evil)] = &[
    ("silence, and then the end", |p, w| p.say(w, &[0x03, 0, 0, 0])),
    ("an unknown frame", |p, w| p.say(w, &[0x7f; 9])),
    ("a file of 2^62 - 1 bytes", |p, w| p.tell(w, &[offer((1 << 62) - 1, 20)])),
    ("blocks of a size that there is not", |p, w| p.tell(w, &[offer(10, 63)])),
    ("content beyond the file", |p, w| {
        p.tell(w, &[offer(4, 20)]);
        p.data(w, 0, 2, b"more than four");
    }),
    ("content that does not match its value", |p, w| {
        p.tell(w, &[offer(4, 20), Message::Sums { id: 0, first: 0, values: vec![Digest([1; 32])] }]);
        p.data(w, 0, 0, b"evil");
        p.attend(w, 5);
    }),
    ("a hash that is not the file's", |p, w| {
        p.tell(w, &[offer(4, 20), Message::Sums { id: 0, first: 0, values: vec![value(b"good")] }]);
        p.data(w, 0, 0, b"good");
        p.tell(w, &[Message::Done { id: 0, root: Digest([1; 32]) }]);
    }),
    ("zeros of more than a block", |p, w| {
        p.tell(w, &[offer(1 << 40, 20)]);
        p.say(w, &zeros(0, 0, 1 << 40));
    }),
    ("values of blocks that there are not", |p, w| {
        p.tell(w, &[offer(4, 20), Message::Sums { id: 0, first: 1 << 40, values: vec![Digest([1; 32]); 1_000] }]);
    }),
    ("more content than credit", |p, w| {
        p.tell(w, &[offer(1 << 40, 20)]);
        for n in 0..40 {
            p.data(w, 0, n << 20, &[1; 1_000]);
        }
    }),
    ("a file that was never asked for", |p, w| p.data(w, 77, 0, b"a gift")),
    ("a page for a file", |p, w| p.tell(w, &[Message::Page { id: 0, entries: Vec::new(), more: true, skipped: 0 }])),
    ("done before anything", |p, w| p.tell(w, &[Message::Done { id: 0, root: Digest([0; 32]) }])),
    ("failure with a terminal's control characters", |p, w| {
        let text = "\u{1b}[2J\u{7}\u{202e}".into();
        p.tell(w, &[Message::Fail { id: 0, code: FailCode::NotFound, text, used: 1 << 61 }]);
    }),
    ("a request of its own", |p, w| {
        p.tell(w, &[Message::List { id: 0, path: SharePath::ROOT, after: None, limit: 1, recursive: true, pages: 1 }])
    }),
    ("secrets that do not open", |p, w| p.tell(w, &[Message::Renew { psk: Some([1; 60]), knock: None }])),
    ("places that are none", |p, w| p.tell(w, &[Message::Endpoints { places: vec![("0.0.0.0".into(), 0)] }])),
    ("a stream of 2^61 bytes", |p, w| {
        let mut payload = Vec::new();
        frame::put_control(&mut payload, 1 << 61, b"x");
        p.say(w, &payload);
    }),
    ("a ratchet step of its own", |p, w| p.say(w, &[&[6, 1][..], &[9; 32]].concat())),
];

/// A client that has met an enemy, and where it receives.
fn met(keys: &Acquaintance, clock: &Clock, runtime: &tokio::runtime::Runtime) -> (Client, Scripted, Wire) {
    let mut wire = Wire::new(Ipv4Addr::LOCALHOST, None);
    let address = wire.address();
    std::thread::scope(|threads| {
        let server = threads.spawn(|| {
            let peer = wire.await_client(keys);
            (peer, wire)
        });
        let connected = runtime.block_on(async {
            let at = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
            let transport = UdpTransport::bind(at, &dpex_transport_udp::Options::default()).expect("loopback");
            connect(Arc::new(transport), keys.connector(address, Limits::default()), clock).await
        });
        let (peer, wire) = server.join().expect("no panic");
        (connected.expect("met"), peer, wire)
    })
}

fn names(folder: &Path) -> Vec<String> {
    let found = fs::read_dir(folder).expect("there").map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<_> = found.map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn whatever_a_server_answers_a_fetch_ends_and_nothing_unverified_has_a_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let keys = Acquaintance::new(&SUITE);
    let clock = Clock::default();
    for (n, (what, evil)) in EVILS.iter().enumerate() {
        let into = dir.path().join(n.to_string());
        let store = FsStore::receive(&into, Options::default()).expect("a folder");
        let (client, mut peer, mut wire) = met(&keys, &clock, &runtime);
        let target = Target::anew(
            Arc::new(store),
            SharePath::parse("f").expect("a name"),
            Existing::default(),
            Fingerprint([0; 32]),
        );
        let mut fetch = runtime.block_on(async { client.fetch(SharePath::parse("f").expect("a name"), target) });
        peer.attend(&mut wire, 3);
        evil(&mut peer, &mut wire);
        // Whoever says no more is given up in the end, and so is this test.
        let ended = runtime.block_on(async {
            let mut end = std::pin::pin!(async {
                loop {
                    match fetch.next().await {
                        None | Some(FetchEvent::Failed(_)) => return,
                        Some(FetchEvent::Finished { .. }) => panic!("{what}: it is finished"),
                        Some(_) => {}
                    }
                }
            });
            if tokio::time::timeout(Duration::from_secs(1), &mut end).await.is_ok() {
                return true;
            }
            client.close().await;
            tokio::time::timeout(Duration::from_secs(10), end).await.is_ok()
        });
        assert!(ended, "{what}");
        assert!(
            names(&into).iter().all(|name| name.starts_with('.') || name.ends_with(".dpexpart")),
            "{what}: {:?}",
            names(&into)
        );
    }
    assert_eq!(names(dir.path()).len(), EVILS.len(), "and nothing beside the folders");
}

#[test]
fn names_that_lead_out_are_not_listed_or_end_the_session() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let keys = Acquaintance::new(&SUITE);
    let clock = Clock::default();
    // A page that never ends, and one whose entries are out of order or below another folder.
    let file = |name: &str| Entry { path: SharePath::parse(name).expect("a name"), kind: EntryKind::File(meta(1)) };
    for entries in [vec![file("b"), file("a")], vec![file("a"), file("a")], Vec::new()] {
        let (client, mut peer, mut wire) = met(&keys, &clock, &runtime);
        let listing = client.clone();
        let listed = runtime.spawn(async move { listing.list(&SharePath::ROOT, true).await });
        peer.attend(&mut wire, 3);
        peer.tell(&mut wire, &[Message::Page { id: 0, entries: entries.clone(), more: true, skipped: 0 }]);
        let result = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), listed).await });
        let listed = result.expect("it ends").expect("no panic");
        assert!(listed.is_err(), "{entries:?}");
        runtime.block_on(client.close());
    }
    for name in ["../x", "/etc/passwd", "a//b", "a/../b", "a\u{0}b", "a\\b", "."] {
        let (client, mut peer, mut wire) = met(&keys, &clock, &runtime);
        let listing = client.clone();
        let listed = runtime.spawn(async move { listing.list(&SharePath::ROOT, true).await });
        peer.attend(&mut wire, 3);
        // The page of a good name, whose bytes are exchanged: no writer of ours makes a bad one.
        let good = "x".repeat(name.len());
        let mut bytes = Vec::new();
        let page = Message::Page { id: 0, entries: vec![file(&good)], more: false, skipped: 0 };
        dpex_core::wire::message::encode(&page, &mut bytes);
        let at = bytes.windows(good.len()).rposition(|window| window == good.as_bytes()).expect("the name");
        bytes[at..at + good.len()].copy_from_slice(name.as_bytes());
        peer.tell_bytes(&mut wire, &bytes);
        let result = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), listed).await });
        assert!(result.expect("it ends").expect("no panic").is_err(), "{name:?}");
        runtime.block_on(client.close());
    }
}
