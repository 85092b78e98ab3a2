//! Clients that keep no rule: the server ends with them, or bears with them, and goes on for everybody else.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dpex_core::engine::Limits;
use dpex_core::node::{Server, connect};
use dpex_core::testing::Scripted;
use dpex_core::testing::scripted::{Acquaintance, Victim};
use dpex_core::transport::Transport as _;
use dpex_core::types::{Digest, Secret, SharePath, Timestamp, Version};
use dpex_core::wire::codec::put_varint;
use dpex_core::wire::frame::{self, CloseCode};
use dpex_core::wire::message::{Message, Resume};
use dpex_store_fs::{FsStore, Options};
use dpex_tests::SUITE;
use dpex_transport_udp::UdpTransport;

use crate::host::{Clock, Shelves};
use crate::wire::Wire;

/// What a violation leads to.
enum End {
    /// The session is closed for it.
    Closed,
    /// It is borne: the session goes on.
    Borne,
    /// Either, as the sizes of buffers on this machine have it.
    Any,
}

use End::{Any, Borne, Closed};

fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

fn get(id: u64, name: &str) -> Message {
    Message::Get { id, path: path(name), resume: None }
}

fn list(id: u64) -> Message {
    Message::List { id, path: SharePath::ROOT, after: None, limit: u64::MAX, recursive: true, pages: 1 }
}

fn control(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_control(&mut out, offset, bytes);
    out
}

fn varints(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut out = vec![kind];
    numbers.iter().for_each(|number| put_varint(&mut out, *number));
    out
}

/// A CBOR map of one key `t` with this type, and then whatever follows.
fn cbor(kind: &str, pairs: u8, rest: &[u8]) -> Vec<u8> {
    let len = u8::try_from(kind.len()).expect("short");
    [&[0xa0 + pairs, 0x61, b't', 0x60 + len][..], kind.as_bytes(), rest].concat()
}

type Evil = fn(&mut Scripted, &mut Wire);

/// Everything that comes to mind after an honest handshake.
const EVILS: &[(&str, Evil, End)] = &[
    ("an unknown frame", |p, w| p.say(w, &[0x7f; 20]), Closed),
    ("a frame cut short", |p, w| p.say(w, &[0x12, 0]), Closed),
    ("content from a client", |p, w| p.data(w, 0, 0, b"mine"), Closed),
    ("zeros of 2^62 - 1 bytes from a client", |p, w| p.say(w, &varints(0x15, &[0, 0, (1 << 62) - 1])), Closed),
    ("an acknowledgement of what was never sent", |p, w| p.say(w, &varints(0x02, &[1 << 40, 0, 0, 1000])), Closed),
    ("an acknowledgement below zero", |p, w| p.say(w, &varints(0x02, &[3, 0, 0, 9])), Closed),
    ("256 ranges of nothing", |p, w| p.say(w, &varints(0x02, &[1 << 30, 0, 256, 0])), Closed),
    ("a stream that begins at 2^61", |p, w| p.say(w, &control(1 << 61, b"x")), Closed),
    (
        "one stream in two versions",
        |p, w| {
            p.say(w, &control(10, &[1; 500]));
            p.say(w, &control(0, &[0xff; 900]));
        },
        Closed,
    ),
    (
        "crumbs without end",
        |p, w| {
            (0..2_000).for_each(|n| {
                let packet = p.seal(&control(5 + 2 * n, b"x"));
                w.deliver(w.address(), &packet);
            })
        },
        Any,
    ),
    ("a message of 4 GiB", |p, w| p.tell_bytes(w, &[0xff, 0xff, 0xff, 0xff, 0xa0]), Closed),
    ("a map of 2^32 pairs", |p, w| p.tell_cbor(w, &[0xba, 0xff, 0xff, 0xff, 0xff]), Closed),
    (
        "arrays 10,000 deep",
        |p, w| {
            let deep = [vec![0x61, b'x'], vec![0x81; 10_000], vec![0]].concat();
            p.tell_cbor(w, &cbor("get", 2, &deep));
        },
        Closed,
    ),
    (
        "a text of 2^63 bytes",
        |p, w| {
            p.tell_cbor(w, &cbor("get", 2, &[0x64, b'p', b'a', b't', b'h', 0x7b, 0x80, 0, 0, 0, 0, 0, 0, 0]));
        },
        Closed,
    ),
    (
        "an id of 2^64 - 1",
        |p, w| p.tell_cbor(w, &cbor("cancel", 2, &[0x62, b'i', b'd', 0x1b, 255, 255, 255, 255, 255, 255, 255, 255])),
        Closed,
    ),
    (
        "a way out of the folder",
        |p, w| {
            let out = [&[0x62, b'i', b'd', 0, 0x64][..], b"path", &[0x69], b"../secret"].concat();
            p.tell_cbor(w, &cbor("get", 3, &out));
        },
        Closed,
    ),
    (
        "an absolute path",
        |p, w| {
            let out = [&[0x62, b'i', b'd', 0, 0x64][..], b"path", &[0x6b], b"/etc/passwd"].concat();
            p.tell_cbor(w, &cbor("get", 3, &out));
        },
        Closed,
    ),
    ("a name that leads out by a link", |p, w| p.tell(w, &[get(0, "link"), get(1, "folder-link/secret")]), Borne),
    ("a server's message", |p, w| p.tell(w, &[Message::Done { id: 0, root: Digest([0; 32]) }]), Closed),
    ("one id twice", |p, w| p.tell(w, &[get(0, "a"), get(0, "a")]), Closed),
    ("got, of what was not sent", |p, w| p.tell(w, &[Message::Got { id: 5, root: Digest([0; 32]) }]), Closed),
    (
        "got, with another hash",
        |p, w| {
            p.tell(w, &[get(0, "a")]);
            p.say(w, &varints(0x13, &[1 << 30]));
            p.attend(w, 10);
            p.tell(w, &[Message::Got { id: 0, root: Digest([9; 32]) }]);
        },
        Closed,
    ),
    (
        "held blocks of another file",
        |p, w| {
            let held = (0..1_000).map(|n| 2 * n..2 * n + 1).collect();
            let resume = Some(Resume { version: Version([7; 16]), held });
            p.tell(w, &[Message::Get { id: 0, path: path("big"), resume }]);
        },
        Borne,
    ),
    (
        "credit without end, and never an acknowledgement",
        |p, w| {
            p.say(w, &varints(0x13, &[(1 << 62) - 1]));
            p.tell(w, &(0..200).map(|id| get(id, "big")).collect::<Vec<_>>());
        },
        Borne,
    ),
    (
        "10,000 requests at once, never read",
        |p, w| {
            for id in 0..10_000 {
                let mut payload = Vec::new();
                let mut bytes = Vec::new();
                dpex_core::wire::message::encode(&list(id), &mut bytes);
                let offset = id * bytes.len() as u64;
                frame::put_control(&mut payload, offset, &bytes);
                let packet = p.seal(&payload);
                w.deliver(w.address(), &packet);
            }
            p.listen(w);
        },
        Any,
    ),
    (
        "requests that are given up at once",
        |p, w| {
            let both = |id| [get(id, "big"), Message::Cancel { id }];
            p.tell(w, &(0..1_000).flat_map(both).collect::<Vec<_>>());
        },
        Borne,
    ),
    (
        "a key update with every packet",
        |p, w| {
            (0..200).for_each(|_| {
                p.epoch += 1;
                p.next_pn += 1;
                p.say(w, &[0x01]);
            })
        },
        Borne,
    ),
    (
        "challenges without end",
        |p, w| {
            (0..2_000).for_each(|_| {
                let packet = p.seal(&[4; 9]);
                w.deliver(w.address(), &packet);
            })
        },
        Borne,
    ),
    (
        "ratchet steps without end",
        |p, w| (1..50).for_each(|step| p.say(w, &[&varints(6, &[step])[..], &[9; 32]].concat())),
        Closed,
    ),
    ("a share of nothing", |p, w| p.say(w, &[&varints(6, &[1])[..], &[0; 32]].concat()), Closed),
    (
        "junk under its connection id",
        |p, w| {
            let packet = p.seal(&[1; 1000]);
            for n in 0..5_000_u32 {
                let mut junk = packet.clone();
                junk[20..24].copy_from_slice(&n.to_be_bytes());
                w.deliver(w.address(), &junk);
            }
        },
        Borne,
    ),
    (
        "the same packet a thousand times",
        |p, w| {
            let packet = p.seal(&[4; 9]);
            (0..1_000).for_each(|_| w.deliver(w.address(), &packet));
        },
        Borne,
    ),
];

#[test]
fn whatever_a_client_does_the_server_goes_on_for_everybody_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let shelf = dir.path().join("shelf");
    fs::create_dir(&shelf).expect("writable");
    fs::write(shelf.join("a"), "content").expect("writable");
    fs::write(shelf.join("big"), vec![7; 20_000_000]).expect("writable");
    fs::write(dir.path().join("secret"), "secret").expect("writable");
    std::os::unix::fs::symlink(dir.path().join("secret"), shelf.join("link")).expect("writable");
    std::os::unix::fs::symlink(dir.path(), shelf.join("folder-link")).expect("writable");
    let files = FsStore::serve(&shelf, Secret::new([7; 32]), Options::default()).expect("a folder");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let friend = Acquaintance::new(&SUITE);
    // Several, since a session that was closed counts for some seconds as one of the four that somebody may have.
    let enemies: Vec<_> = (0..6).map(|_| friend.another()).collect();
    let transport = runtime.block_on(async { bind() });
    let server = transport.local_addr().expect("bound");
    let people = enemies.iter().chain([&friend]).map(Acquaintance::person).collect();
    let config = friend.endpoint(Limits::default());
    runtime.block_on(async {
        let server = Server::new(config, people, transport, Arc::new(Shelves(Arc::new(files)))).expect("a server");
        tokio::spawn(server.run(std::future::pending()));
    });
    let clocks = [Clock::default(), Clock::default()];
    let before = memory();
    for (n, (what, evil, end)) in EVILS.iter().enumerate() {
        let from = Ipv4Addr::new(127, 2, 0, u8::try_from(n + 1).expect("few"));
        let mut wire = Wire::new(from, Some(server));
        let now = || clocks[0].later(Timestamp::from_system(SystemTime::now()));
        // The friend may come once a second.
        std::thread::sleep(Duration::from_millis(500));
        let mut peer = wire.meet(&enemies[n % enemies.len()], now()).unwrap_or_else(|| panic!("{what}: no answer"));
        evil(&mut peer, &mut wire);
        peer.listen(&mut wire);
        let closed = peer.heard.close();
        match end {
            Closed => assert_eq!(closed, Some(CloseCode::Protocol), "{what}"),
            Borne => assert_eq!(closed, None, "{what}"),
            Any => {}
        }
        for data in &peer.heard.data {
            assert!(!data.bytes.starts_with(b"secret"), "{what}: the link led out");
        }
        // The friend is served at once.
        let came = runtime.block_on(visit(&friend, server, &clocks[1]));
        assert_eq!(came, Some(vec![path("a"), path("big")]), "after {what}");
    }
    let grown = memory().saturating_sub(before);
    // Some of the sessions are still there, each with a send buffer, and what the allocator keeps.
    assert!(grown < 256 << 20, "{grown} bytes");
}

fn bind() -> Arc<UdpTransport> {
    let at = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    Arc::new(UdpTransport::bind(at, &dpex_transport_udp::Options::default()).expect("loopback"))
}

/// What a well-behaved client finds.
async fn visit(who: &Acquaintance, server: SocketAddr, clock: &Clock) -> Option<Vec<SharePath>> {
    let client = connect(bind(), who.connector(server, Limits::default()), clock).await.ok()?;
    let (entries, _) = client.list(&SharePath::ROOT, true).await.ok()?;
    client.close().await;
    Some(entries.into_iter().map(|entry| entry.path).collect())
}

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = rss.and_then(|rss| rss.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
