//! What was wrong with DataPeerExchange, which dpex replaces, each as a sentence that must stay true.
//! In short: a gate without a secret, replay, forged mails, escapes, no
//! authentication of the ciphertext, crashes on folders and long listings, one client at a time.

#[path = "regressions/house.rs"]
mod house;
#[path = "regressions/kept.rs"]
mod kept;
#[path = "regressions/noises.rs"]
mod noises;
#[path = "regressions/severed.rs"]
mod severed;
#[path = "regressions/wire.rs"]
mod wire;

use std::collections::HashSet;
use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dpex_core::engine::{Failure, Rejection};
use dpex_core::enrol::{Answer, Request};
use dpex_core::node::{FetchEvent, Record};
use dpex_core::store::{Entry, EntryKind, StoreError};
use dpex_core::types::{Fingerprint, SharePath, Timestamp};
use dpex_core::wire::message::{FailCode, Message, decode, encode};

use house::{House, alice, answer, bob, fetch, fetched, mallory, noise, now, opened, path, request, suite};
use wire::{Way, Wire};

/// A socket of somebody who was never heard of.
fn stranger() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

/// What a stranger got back, once a friend has been served after everything the stranger sent. The server reads its
/// socket in order, so that it has seen all of it by then.
async fn replies(house: &House, stranger: &UdpSocket) -> usize {
    let friend = house.client(1).await;
    friend.list(&SharePath::ROOT, false).await.expect("listed");
    friend.close().await;
    let mut buffer = [0; 65_536];
    std::iter::from_fn(|| stranger.recv(&mut buffer).ok()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_empty_datagram_from_anybody_does_not_kill_the_server() {
    let house = House::new().await;
    house.offer("a.txt", "a");
    let stranger = stranger();
    for _ in 0..3 {
        stranger.send_to(&[], house.address).expect("sent");
    }
    assert_eq!(replies(&house, &stranger).await, 0);
    let client = house.client(0).await;
    fetched(&client, "a.txt", &house.folder("in")).await;
    client.close().await;
    assert_eq!(house.stop().await.noise, 3, "all of them were looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_request_is_answered_with_nothing() {
    let house = House::new().await;
    house.offer("large", noise(3_700_000, "large"));
    let wire = Arc::new(Wire::new());
    let client = house.connect(0, &wire).await.expect("connected");
    client.list(&SharePath::ROOT, true).await.expect("listed");
    fetched(&client, "large", &house.folder("in")).await;
    let stranger = stranger();
    let replay = || {
        let sent = wire.seen(Way::Out);
        assert!(sent.len() > 10 && sent[0].len() == 1200, "a handshake and what followed");
        for datagram in sent {
            stranger.send_to(&datagram, house.address).expect("sent");
        }
    };
    replay();
    assert_eq!(replies(&house, &stranger).await, 0, "while the session lives");
    client.close().await;
    replay();
    assert_eq!(replies(&house, &stranger).await, 0, "when it is gone");
    let served = |record: &Record| matches!(record, Record::Started { .. } | Record::Delivered { .. });
    assert_eq!(house.events.count(served), 2, "once begun, once delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_stamp_that_is_not_newer_than_the_last_one_is_dropped() {
    let house = House::new().await;
    // The first knock is taken off the wire, before the server has seen it.
    let taken = AtomicBool::new(false);
    let wire = Arc::new(Wire::meddling(move |way, _| way == Way::In || taken.swap(true, Ordering::Relaxed)));
    let client = house.connect(0, &wire).await.expect("the second knock is heard");
    client.close().await;
    let stranger = stranger();
    stranger.send_to(&wire.seen(Way::Out)[0], house.address).expect("sent");
    assert_eq!(replies(&house, &stranger).await, 0);
    let stale = |record: &Record| matches!(record, Record::Rejected { why: Rejection::Stale { .. }, .. });
    assert_eq!(house.events.count(stale), 1);
    let opened = |record: &Record| matches!(record, Record::Opened(_));
    assert_eq!(house.events.count(opened), 2, "the client's session and the friend's");
}

#[test]
fn a_request_that_was_touched_on_its_way_is_refused() {
    let mail = request(&*alice(), 0).to_json();
    Request::read(suite(), mail.as_bytes(), now()).expect("untouched, it is good");
    // Every letter of every value: none may be another.
    let mut touched = 0;
    for at in (0..mail.len()).filter(|at| mail.as_bytes()[*at].is_ascii_alphanumeric()).step_by(7) {
        let mut other = mail.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        let text = String::from_utf8(other).expect("still text");
        if in_comment(&mail, at) {
            continue;
        }
        assert!(Request::read(suite(), text.as_bytes(), now()).is_err(), "byte {at}: {text}");
        touched += 1;
    }
    assert!(touched > 50, "{touched}");
}

/// The comment is for people, and the only thing that is not signed.
fn in_comment(mail: &str, at: usize) -> bool {
    let begin = mail.find("\"comment\"").expect("there is one");
    let value = begin + mail[begin..].find(": \"").expect("a text") + 3;
    (value..value + mail[value..].find('"').expect("its end")).contains(&at)
}

#[test]
fn an_exchange_that_somebody_else_answered_or_asked_shows_other_words() {
    let asked = request(&*alice(), 0);
    let (honest, at_server) = answer(&*bob(), &asked);
    let at_client = opened(&*alice(), &asked, &honest);
    assert_eq!(at_client.exchange_code(), at_server.exchange_code());

    // Mallory answers in Bob's place.
    let (forged, _) = answer(&*mallory(), &asked);
    assert_ne!(opened(&*alice(), &asked, &forged).exchange_code(), at_server.exchange_code());

    // Mallory asks in Alice's place, under her uid; what Bob answers is of no use to Alice.
    let (for_mallory, at_server) = answer(&*bob(), &request(&*mallory(), 0));
    assert_ne!(at_client.exchange_code(), at_server.exchange_code());
    assert!(Answer::open(suite(), &*alice(), &asked, for_mallory.to_json().as_bytes(), now()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sides_that_saw_different_mails_cannot_connect() {
    let asked = request(&*alice(), 0);
    let (first, _) = answer(&*bob(), &asked);
    // The server answered twice and believes in the second, the client in the first.
    let (_, second) = answer(&*bob(), &asked);
    let friend = request(&*mallory(), 1);
    let (for_friend, grant) = answer(&*bob(), &friend);
    let house = House::with(vec![
        (second, opened(&*alice(), &asked, &first), alice()),
        (grant, opened(&*mallory(), &friend, &for_friend), mallory()),
    ])
    .await;
    let wire = Arc::new(Wire::new());
    let patience = tokio::time::timeout(Duration::from_secs(4), house.connect(0, &wire)).await;
    assert!(patience.is_err(), "still waiting: {patience:?}");
    assert_eq!(replies(&house, &stranger()).await, 0);
    assert_eq!(wire.seen(Way::In).len(), 0, "not a word");
    assert!(house.stop().await.bad_tag >= 2, "they passed the first gate and not the second");
}

const ESCAPE: &str = "../../serverKey/id_rsa";
/// Of the same length, and harmless.
const HARMLESS: &str = "aa/bb/serverKey/id_rsa";

/// A message with the harmless name, and then the same with the other.
fn both(message: &Message) -> [Vec<u8>; 2] {
    let mut good = Vec::new();
    encode(message, &mut good);
    let good = good.split_off(4);
    let at = good.windows(HARMLESS.len()).position(|w| w == HARMLESS.as_bytes()).expect("the name is in it");
    let mut bad = good.clone();
    bad[at..at + ESCAPE.len()].copy_from_slice(ESCAPE.as_bytes());
    [good, bad]
}

#[test]
fn a_name_that_leaves_its_folder_cannot_be_said_on_the_wire() {
    assert!(SharePath::parse(ESCAPE).is_err());
    let harmless = path(HARMLESS);
    let entry = Entry { path: harmless.clone(), kind: EntryKind::Folder(Timestamp::EPOCH) };
    for message in [
        Message::Get { id: 1, path: harmless.clone(), resume: None },
        Message::List { id: 1, path: harmless.clone(), after: None, limit: 1, recursive: true, pages: 1 },
        Message::List { id: 1, path: SharePath::ROOT, after: Some(harmless), limit: 1, recursive: true, pages: 1 },
        Message::Page { id: 1, entries: vec![entry], more: false, skipped: 0 },
    ] {
        let [good, bad] = both(&message);
        assert_eq!(decode(&good).expect("well-formed"), message);
        assert!(decode(&bad).is_err(), "{message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_a_shelf_is_not_served_and_one_out_of_the_target_is_not_written_through() {
    let house = House::new().await;
    let keys = house.folder("serverKey");
    fs::create_dir(&keys).expect("writable");
    fs::write(keys.join("id_rsa"), "secret").expect("writable");
    for (link, to) in [("key", "../serverKey/id_rsa"), ("keys", "../serverKey")] {
        std::os::unix::fs::symlink(to, house.folder("shelf-0").join(link)).expect("writable");
    }
    house.offer("out/id_rsa", "planted");
    let target = house.folder("in");
    fs::create_dir(&target).expect("writable");
    std::os::unix::fs::symlink("../serverKey", target.join("out")).expect("writable");

    let client = house.client(0).await;
    let (entries, _) = client.list(&SharePath::ROOT, true).await.expect("listed");
    let names: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(names, ["out", "out/id_rsa"]);
    for name in ["key", "keys/id_rsa"] {
        let end = fetch(&client, name, &target).await;
        let refused = matches!(end, FetchEvent::Failed(Failure::Refused { code: FailCode::NotFound, .. }));
        assert!(refused, "{name}: {end:?}");
    }
    let end = fetch(&client, "out/id_rsa", &target).await;
    assert!(matches!(end, FetchEvent::Failed(Failure::Store(StoreError::Exists))), "{end:?}");
    assert_eq!(fs::read_to_string(keys.join("id_rsa")).expect("there"), "secret");
    assert_eq!(fs::read_dir(&keys).expect("readable").count(), 1);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_of_ciphertext_is_a_lost_datagram_and_never_other_content() {
    let house = House::new().await;
    let content = noise(12_000_000, "content");
    house.offer("file", &content);
    let count = Arc::new(AtomicUsize::new(0));
    let flipped = Arc::clone(&count);
    let wire = Arc::new(Wire::meddling(move |_, datagram| {
        // One in ten, at another place each time, both ways. The handshake passes first.
        let n = flipped.fetch_add(1, Ordering::Relaxed);
        if n > 10 && n.is_multiple_of(10) {
            let at = n * 7919 % datagram.len();
            datagram[at] ^= 1 << (n / 10 % 8);
        }
        true
    }));
    let client = house.connect(0, &wire).await.expect("connected");
    fetched(&client, "file", &house.folder("in")).await;
    client.close().await;
    assert!(fs::read(house.folder("in/file")).expect("there") == content);
    let count = count.load(Ordering::Relaxed);
    assert!(count > 150, "there were some to flip: {count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_listings_of_two_hundred_files_arrive() {
    let house = House::new().await;
    for n in 0..200 {
        house.offer(&format!("folder/below/file {n:03}"), format!("{n}"));
    }
    let client = house.client(0).await;
    let (entries, skipped) = client.list(&path("folder/below"), false).await.expect("listed");
    assert_eq!((entries.len(), skipped), (200, 0));
    for entry in &entries {
        fetched(&client, entry.path.as_str(), &house.folder("in")).await;
    }
    client.close().await;
    for n in 0..200 {
        let file = house.folder("in").join(format!("folder/below/file {n:03}"));
        assert_eq!(fs::read_to_string(file).expect("there"), format!("{n}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_was_interrupted_leaves_no_name_and_succeeds_when_it_is_asked_for_again() {
    let house = House::new().await;
    let content = noise(20_000_000, "content");
    house.offer("file", &content);
    let into = house.folder("in");
    let client = house.client(0).await;
    let store = dpex_store_fs::FsStore::receive(&into, dpex_store_fs::Options::default()).expect("a folder");
    let target = dpex_core::node::Target::anew(
        Arc::new(store),
        path("file"),
        dpex_core::store::Existing::Keep,
        Fingerprint([0; 32]),
    );
    let mut half = client.fetch(path("file"), target);
    while !matches!(half.next().await, Some(FetchEvent::Progress(_))) {}
    client.leave().await;
    while half.next().await.is_some() {}
    assert!(!into.join("file").exists());

    let client = house.client(0).await;
    fetched(&client, "file", &into).await;
    client.close().await;
    assert!(fs::read(into.join("file")).expect("there") == content);
    assert_eq!(fs::read_dir(&into).expect("readable").count(), 1, "and nothing beside it");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_clients_are_served_at_once() {
    let house = House::new().await;
    let content = noise(2_000_000, "content");
    house.offer("file", &content);
    let clients = [house.client(0).await, house.client(0).await, house.client(0).await];
    for client in &clients {
        assert_eq!(client.list(&SharePath::ROOT, false).await.expect("listed").0.len(), 1);
    }
    let into = [house.folder("in-0"), house.folder("in-1"), house.folder("in-2")];
    let [a, b, c] = &clients;
    tokio::join!(fetched(a, "file", &into[0]), fetched(b, "file", &into[1]), fetched(c, "file", &into[2]));
    for folder in into {
        assert!(fs::read(folder.join("file")).expect("there") == content);
    }
    let opened = house.events.count(|record| matches!(record, Record::Opened(_)));
    let closed = house.events.count(|record| matches!(record, Record::Closed { .. }));
    assert_eq!((opened, closed), (3, 0), "none had to make room for another");
    for client in clients {
        client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_session_is_seen_in_another() {
    /// As long as the names of sessions; by chance this many windows share none.
    const WINDOW: usize = 8;
    let house = House::new().await;
    house.offer("file", noise(50_000, "the same content"));
    let mut sessions = Vec::new();
    for n in 0..2 {
        let wire = Arc::new(Wire::new());
        let client = house.connect(0, &wire).await.expect("connected");
        fetched(&client, "file", &house.folder(&format!("in-{n}"))).await;
        client.close().await;
        let datagrams = [wire.seen(Way::Out), wire.seen(Way::In)].concat();
        assert!(datagrams.len() > 40, "{}", datagrams.len());
        sessions.push(datagrams);
    }
    let windows = |session: &[Vec<u8>]| -> HashSet<Vec<u8>> {
        session.iter().flat_map(|datagram| datagram.windows(WINDOW).map(<[u8]>::to_vec)).collect()
    };
    let shared: Vec<Vec<u8>> = windows(&sessions[0]).intersection(&windows(&sessions[1])).cloned().collect();
    assert!(shared.is_empty(), "{shared:02x?}");
}
