//! A peer with valid keys that says and does what the bytes say.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::{LIMITS, keys};
use crate::engine::Session;
use crate::store::{ListQuery, Meta};
use crate::testing::scripted::{ClientHost, Couple, ServerHost, Shape, Victim};
use crate::testing::{MemStore, Scripted};
use crate::transfer::{Block, Geometry, block_value};
use crate::types::{Digest, SharePath, Timestamp, Version};
use crate::wire::codec::Reader;
use crate::wire::frame;
use crate::wire::message::{FailCode, Message};

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
    let (mut given, mut gone) = (0, 0);
    while let Ok([step, a, b]) = r.array() {
        match step % 16 {
            0 => host.let_disk_wait(true),
            1 => host.let_disk_wait(false),
            2 => {
                let packet = peer.seal(&[0x01]);
                given += packet.len();
                host.deliver(elsewhere(), &packet);
            }
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
        // PTH-3.
        let stray = host.take_sent().into_iter().filter(|(to, _)| *to != Couple::CLIENT);
        gone += stray.map(|(_, datagram)| datagram.len()).sum::<usize>();
        assert!(gone <= 3 * given, "{gone} bytes went elsewhere, from where {given} came");
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
                let query = ListQuery { path: SharePath::ROOT, after: None, limit: 10, recursive: true };
                host.list(query, u64::from(b) % 4);
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
        0 => {
            Message::List { id, path, after: None, limit: u64::from(what), recursive: what.is_multiple_of(2), pages: 1 }
        }
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

fn elsewhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 1))
}
