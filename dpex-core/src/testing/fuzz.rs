//! Bodies for fuzzers: plain functions of bytes that panic if something is wrong. proptest runs them with the tests,
//! cargo-fuzz may run them for days. Nothing here is random but its input.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::engine::{Limits, Session};
use crate::seal::{Direction, Knock, Opener, open_init};
use crate::store::{ListQuery, Meta};
use crate::testing::scripted::{Acquaintance, Answer, BEGINNING, ClientHost, Couple, ServerHost, Shape, Victim};
use crate::testing::{MemStore, NullSuite, Scripted};
use crate::transfer::{Block, Geometry, block_value};
use crate::types::{Digest, SharePath, Timestamp, Version};
use crate::wire::codec::Reader;
use crate::wire::frame::{self, Frame};
use crate::wire::message::{self, FailCode, Message};
use crate::wire::packet::{self, HANDSHAKE_LEN};

/// Small bounds, so that they are met soon.
const LIMITS: Limits = Limits { window: 4 << 16, max_window: 16 << 16, send_buffer: 1 << 20, read_ahead: 1 << 19 };

/// The layout functions of packets on any bytes, and an opener that must refuse them all.
pub fn packet(bytes: &[u8]) {
    let is_long_enough = bytes.len() >= packet::MIN_RECORD;
    assert_eq!(packet::cid(bytes).is_some(), is_long_enough);
    assert_eq!(packet::sample(bytes).is_some(), is_long_enough);
    let mut copy = bytes.to_vec();
    assert_eq!(packet::split_mut(&mut copy).is_some(), is_long_enough);
    if let Some(header) = bytes.first_chunk()
        && let Ok(parsed) = packet::Header::parse(header)
    {
        assert_eq!(parsed.to_bytes(), *header);
    }
    let keys = keys();
    let (init, mut pending) = keys.init(stamp());
    let answer = Answer::honest().to(keys, &init);
    let secrets = pending.open_resp(&answer).ok().and_then(|proof| proof.into_secrets()).expect("an honest answer");
    let mut opener = Opener::new(keys.suite, &secrets, Direction::ServerToClient).expect("keys");
    assert!(opener.open(Instant::now(), &mut copy).is_err(), "a forgery was opened");
}

/// The gate and all behind it, once on the bytes as they are, and once with the bytes as INIT's plaintext, authentic.
pub fn init(bytes: &[u8]) {
    let keys = keys();
    let knock: Knock = keys.knock();
    assert!(!knock.admits(bytes), "a forgery passed the gate");
    assert!(open_init(keys.suite, &keys.pair(), bytes).is_err(), "a forgery was opened");
    let (init, _) = keys.init(stamp());
    let head = init.first_chunk().expect("longer than its head");
    let sealed = keys.sealed_init(head, bytes.to_vec());
    assert!(knock.admits(&sealed));
    let mut host = ServerHost::new(keys, &MemStore::new(), LIMITS);
    host.deliver(Couple::CLIENT, &sealed);
    assert!(host.take_sent().is_empty(), "the plaintext holds no signature of the client");
    assert_eq!(host.sessions().count(), 0);
    // What is left of an honest plaintext, if some of it is replaced and signed again.
    let (_, honest) = keys.init_payload(&init);
    let altered = keys.altered_init(&init, |p_init| replace(p_init, bytes));
    host.advance(Duration::from_secs(2));
    host.deliver(Couple::CLIENT, &altered);
    let sent: usize = host.take_sent().iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(sent <= HANDSHAKE_LEN, "at most one answer to {} bytes", honest.len());
}

/// A client's handling of answers: the bytes as they are, as RESP's second plaintext, and as the whole of it but for
/// the receiver's id.
pub fn response(bytes: &[u8]) {
    let keys = keys();
    let mut host = ClientHost::new(Instant::now(), keys, Couple::SERVER, &MemStore::new(), LIMITS);
    let init = host.take_sent().pop().expect("an INIT");
    host.deliver(Couple::SERVER, bytes);
    let honest = Answer::honest().to(keys, &init);
    let mut forged = bytes.to_vec();
    forged.resize(HANDSHAKE_LEN, 0);
    forged.splice(..8, honest.iter().copied().take(8));
    host.deliver(Couple::SERVER, &forged);
    assert!(host.session().is_none() && host.take_sent().is_empty() && host.take_handshake().is_empty());
    let mut answer = Answer::honest();
    replace(&mut answer.payload, bytes);
    let altered = answer.to(keys, &init);
    host.deliver(Couple::SERVER, &altered);
    host.advance(Duration::from_secs(60));
}

/// Writes one stretch of the bytes over `target`; the first two say where.
fn replace(target: &mut [u8], bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first_chunk() else { return };
    let at = usize::from(u16::from_be_bytes(*at)) % target.len().max(1);
    target.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Reads frames until they end or are malformed; what is read keeps its promises.
pub fn frames(bytes: &[u8]) {
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        let before = r.rest().len();
        let Ok(frame) = frame::read(&mut r) else { return };
        assert!(r.rest().len() < before, "every frame takes bytes");
        match frame {
            Frame::Ack { ranges, .. } => {
                assert!(!ranges.is_empty() && ranges.len() <= frame::MAX_ACK_RANGES);
                assert!(ranges.iter().all(|range| !range.is_empty()));
                assert!(ranges.is_sorted_by(|above, below| below.end < above.start), "disjoint, highest first");
                let mut again = Vec::new();
                frame::put_ack(&mut again, Duration::ZERO, &ranges, usize::MAX);
                let read = frame::read(&mut Reader::new(&again));
                assert_eq!(read, Ok(Frame::Ack { delay: Duration::ZERO, ranges }));
            }
            Frame::Close { text, .. } => assert!(text.len() <= frame::MAX_CLOSE_TEXT),
            Frame::Data { bytes, .. } => assert!(!bytes.is_empty()),
            Frame::Zeros { len, .. } => assert_ne!(len, 0),
            _ => {}
        }
    }
}

/// Decodes a control message; what is understood is written and read back the same.
pub fn control_message(bytes: &[u8]) {
    let Ok(message) = message::decode(bytes) else { return };
    let mut again = Vec::new();
    message::encode(&message, &mut again);
    let (prefix, body) = again.split_first_chunk().expect("a prefix");
    assert_eq!(u32::from_be_bytes(*prefix) as usize, body.len());
    assert_eq!(message::decode(body).as_ref(), Ok(&message));
}

/// A whole session against a real server or a real client, as the bytes say: the first says against whom, and each step
/// is three bytes, the first of which says what, with as many more as it needs. Memory stays inside its bounds, and what was closed stays closed.
pub fn session(bytes: &[u8]) {
    match bytes.split_first() {
        Some((first, script)) if first % 2 == 0 => against_server(script),
        Some((_, script)) => against_client(script),
        None => {}
    }
}

fn against_server(script: &[u8]) {
    let keys = keys();
    let shelf = MemStore::new();
    for (name, size) in [("a", 0), ("b", 1), ("c", 70_000), ("d/e", 3 << 20)] {
        shelf.put_synthetic(&SharePath::parse(name).expect("a name"), size, size);
    }
    let mut host = ServerHost::new(keys, &shelf, LIMITS);
    let mut peer = Scripted::client(keys, &mut host, Couple::CLIENT).expect("an answer");
    let mut r = Reader::new(script);
    let mut id = 0;
    while let Ok([step, a, b]) = r.array() {
        match step % 16 {
            0 => host.let_disk_wait(true),
            1 => host.let_disk_wait(false),
            2 => host.deliver(elsewhere(), &peer.seal(&[0x01])),
            // What an honest client may say.
            13 | 14 => {
                peer.tell(&mut host, &[asking(id, a)]);
                id += 1;
            }
            15 if id > 0 => {
                let mut credit = Vec::new();
                frame::put_max_data(&mut credit, u64::from(a) << 14);
                peer.say(&mut host, &credit);
                if b % 4 == 0 {
                    peer.tell(&mut host, &[Message::Cancel { id: u64::from(b) % id }]);
                }
            }
            step => act(&mut peer, &mut host, (step, a, b), &mut r),
        }
        assert!(host.memory() <= LIMITS.send_buffer as u64 + (1 << 20), "{} bytes", host.memory());
        assert!(host.take_sent().iter().all(|(to, _)| *to == Couple::CLIENT), "something went elsewhere");
    }
    finish(&mut peer, &mut host, |host| host.sessions().count() == 0);
    assert_eq!(host.memory(), 0);
}

fn against_client(script: &[u8]) {
    let keys = keys();
    let received = MemStore::new();
    let mut host = ClientHost::new(Instant::now(), keys, Couple::SERVER, &received, LIMITS);
    let mut peer = Scripted::server(keys, &mut host, Couple::SERVER);
    let mut r = Reader::new(script);
    let mut gets = Vec::new();
    while let Ok([step, a, b]) = r.array() {
        let is_open = host.close_reason().is_none();
        match step % 16 {
            0 => host.let_disk_wait(true),
            1 => host.let_disk_wait(false),
            2 if is_open => gets.push((host.get(&format!("f{}", gets.len())), 0)),
            13 if is_open => {
                host.list(ListQuery { path: SharePath::ROOT, after: None, limit: 10, recursive: true });
            }
            14 if a % 4 == 0 => host.cancel(u64::from(b) % 8),
            // What an honest server may say.
            14 | 15 if !gets.is_empty() => {
                let which = if a < 64 { usize::from(a) % gets.len() } else { gets.len() - 1 };
                answer(&mut peer, &mut host, &mut gets[which], b);
            }
            step => act(&mut peer, &mut host, (step, a, b), &mut r),
        }
        assert!(host.memory() <= 2 * LIMITS.max_window, "{} bytes", host.memory());
        assert!(host.disk_bytes() <= LIMITS.max_window, "{} bytes", host.disk_bytes());
    }
    finish(&mut peer, &mut host, |host| host.session().is_none_or(Session::is_gone));
    host.let_disk_wait(false);
    assert!(host.unanswered().is_empty(), "every request ends");
}

/// A request that an honest client may make.
fn asking(id: u64, what: u8) -> Message {
    let names = ["a", "b", "c", "d/e", "d", "", "x"];
    let path = SharePath::parse(names[usize::from(what) % names.len()]).expect("a name");
    match what / 64 {
        0 => Message::List { id, path, after: None, limit: u64::from(what), recursive: what.is_multiple_of(2) },
        1 => Message::Unknown { id: Some(id) },
        _ => Message::Get { id, path, resume: None },
    }
}

/// The next part of the answer to a `get` that an honest server might give, for a file of three blocks.
fn answer(peer: &mut Scripted, host: &mut ClientHost, (id, told): &mut (u64, u64), what: u8) {
    let content: Vec<u8> = (0..140_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let geometry = Geometry::new(content.len() as u64, 16);
    let meta = Meta { size: geometry.size(), mtime: Timestamp::EPOCH, exec: false, version: Version([1; 16]) };
    let bytes_of = |block: &Block| {
        let start = usize::try_from(block.offset).expect("small");
        &content[start..start + block.len]
    };
    let id = *id;
    let message = match (*told, what) {
        (0, _) => Message::Offer { id, meta, block_log2: 16 },
        (_, 250..) => {
            let used = (u64::from(what) % 4 * 65_536).min(meta.size);
            Message::Fail { id, code: FailCode::Io, text: String::new(), used }
        }
        (1..=3, 128..) => {
            let block = geometry.block(*told - 1).expect("three blocks");
            Message::Sums { id, first: block.index, values: vec![block_value(&block, bytes_of(&block))] }
        }
        (4, 128..) => Message::Done { id, root: Digest(*blake3::hash(&content).as_bytes()) },
        _ => {
            // Two of them, and over several times each.
            for index in [u64::from(what) % 3, u64::from(what) % 2] {
                let block = geometry.block(index).expect("three blocks");
                for (i, piece) in bytes_of(&block).chunks(1100).enumerate() {
                    peer.data(host, id, block.offset + i as u64 * 1100, piece);
                }
            }
            return;
        }
    };
    *told += 1;
    peer.tell(host, &[message]);
}

/// Something that either side can do.
fn act(peer: &mut Scripted, host: &mut impl Victim, (step, a, b): (u8, u8, u8), r: &mut Reader<'_>) {
    let len = usize::from(a).min(r.rest().len());
    let mut take = || r.take(len).unwrap_or_default().to_vec();
    match step {
        3 => peer.wait(host, Duration::from_millis(1 << (a % 14))),
        4 => peer.ack(host),
        5 => peer.next_pn += u64::from(a % 8),
        6 => peer.epoch += u64::from(a % 3),
        7 => peer.throw(host, &take()),
        8 => peer.tell_bytes(host, &take()),
        9 => peer.tell_cbor(host, &take()),
        10 => {
            let shape = Shape {
                pn: peer.next_pn.saturating_sub(u64::from(a % 32)),
                epoch: (peer.epoch + u64::from(b % 3)).saturating_sub(1),
                cid: u32::from(b % 64),
                flags: a & b,
            };
            let packet = peer.seal_as(&shape, &take());
            peer.throw(host, &packet);
        }
        11 => {
            let bytes = take();
            let offset = u64::from(b) << (a % 48);
            peer.data(host, u64::from(b % 4), offset, if bytes.is_empty() { &[0] } else { &bytes });
        }
        12 => peer.say(host, &take()),
        _ => peer.say(host, &[0x01]),
    }
}

/// The peer falls silent: the victim soon forgets it, and says nothing after that.
fn finish<V: Victim>(peer: &mut Scripted, host: &mut V, is_over: impl Fn(&V) -> bool) {
    peer.wait(host, Duration::from_secs(3600));
    assert!(is_over(host), "a peer that is silent for an hour is forgotten");
    let heard = peer.heard.datagrams;
    peer.say(host, &[0x01]);
    peer.wait(host, Duration::from_secs(60));
    assert_eq!(peer.heard.datagrams, heard, "what is over says nothing");
    let closes = peer.heard.closes.len();
    assert!(closes <= 1 || peer.heard.close().is_some(), "one session ends for one reason");
}

fn keys() -> &'static Acquaintance {
    static KEYS: OnceLock<Acquaintance> = OnceLock::new();
    KEYS.get_or_init(|| Acquaintance::new(NullSuite::leak(1)))
}

fn stamp() -> Timestamp {
    Timestamp::new(BEGINNING, 0).expect("whole seconds")
}

fn elsewhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 1))
}
