//! What strangers get out of a serving machine, whatever they send: nothing.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use crate::proxy::{Proxy, Random, Way};
use crate::running::Running;
use crate::site::{Site, hash, put};

const DATAGRAMS: u64 = 100_000;
/// Sent before the sender waits until the server has read them.
const BATCH: u64 = 64;
/// How far the server's memory may move.
const FLAT_KIB: u64 = 4 * 1024;

/// Somebody with a socket of their own.
struct Stranger {
    socket: UdpSocket,
    server: SocketAddr,
    random: Random,
}

impl Stranger {
    fn new(port: u16, seed: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, server: (Ipv4Addr::LOCALHOST, port).into(), random: Random(seed) }
    }

    /// Random, cut short, drawn out, with a flipped bit, or just as it was: in turns.
    fn make(&mut self, n: u64, captured: &[Vec<u8>]) -> Vec<u8> {
        let pick = usize::try_from(self.random.below(captured.len() as u64)).expect("small");
        let mut datagram = captured[pick].clone();
        let len = datagram.len() as u64;
        let below = |random: &mut Random, bound: u64| usize::try_from(random.below(bound)).expect("small");
        match n % 6 {
            // Every length up to 1,500 in turn.
            0 => datagram = self.bytes(usize::try_from(n / 6 % 1_501).expect("small")),
            1 => datagram.truncate(below(&mut self.random, len)),
            2 => {
                let at = below(&mut self.random, len);
                datagram[at] ^= 1 << self.random.below(8);
            }
            3 => {
                let more = below(&mut self.random, 100) + 1;
                let more = self.bytes(more);
                datagram.extend(more);
            }
            // A known beginning with a strange end.
            4 => {
                let keep = below(&mut self.random, len.min(60));
                let strange = self.bytes(datagram.len() - keep);
                datagram[keep..].copy_from_slice(&strange);
            }
            _ => {}
        }
        datagram
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.random.next().to_le_bytes()[3]).collect()
    }

    /// Sends them all, no faster than the server reads.
    fn flood(&mut self, count: u64, captured: &[Vec<u8>]) {
        for n in 0..count {
            let datagram = self.make(n, captured);
            self.socket.send_to(&datagram, self.server).expect("loopback");
            if n % BATCH == 0 {
                while socket_line(self.server.port()).waiting > 0 {
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Everything that ever came back.
    fn replies(&self) -> usize {
        let mut buffer = [0; 65_536];
        let mut count = 0;
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok(_) => count += 1,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return count,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

/// What the system says of the server's socket.
struct SocketLine {
    /// Bytes not read yet.
    waiting: u64,
    /// Datagrams thrown away because nobody read them in time.
    dropped: u64,
}

fn socket_line(port: u16) -> SocketLine {
    let table = fs::read_to_string("/proc/net/udp").expect("Linux has this");
    let local = format!("0100007F:{port:04X}");
    let line = table.lines().find(|line| line.contains(&local)).expect("the server is bound");
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, waiting) = fields[4].split_once(':').expect("two queues");
    SocketLine {
        waiting: u64::from_str_radix(waiting, 16).expect("a number"),
        dropped: fields[fields.len() - 1].parse().expect("a number"),
    }
}

/// Waits until the server has read what was sent, and then until it has dealt with it: it answers a friend after that.
fn settled(port: u16) {
    while socket_line(port).waiting > 0 {
        std::thread::yield_now();
    }
}

fn memory(server: &Running) -> u64 {
    server.memory("VmRSS").expect("it runs")
}

#[test]
fn a_hundred_thousand_datagrams_of_strangers_draw_not_one_reply() {
    let site = Site::new();
    let proxy = Proxy::before(site.port);
    let alice = site.enrol_through("alice", proxy.port);
    let served = put(&site.shelf("alice").join("file"), 20 << 20, "file");
    let server = site.serve();
    let get = |to: &str| alice.start(&["client", "get", "file", "--json", "--to", to]);
    get("before").ended().ok();

    // Both directions of a whole session: handshake, listing, the beginning of a file.
    let captured: Vec<Vec<u8>> = proxy.seen().into_iter().map(|(_, datagram)| datagram).collect();
    let ways: BTreeSet<Way> = proxy.seen().into_iter().map(|(way, _)| way).collect();
    assert!(captured.len() > 300 && ways.len() == 2, "{}", captured.len());

    // While nobody is there.
    let mut stranger = Stranger::new(site.port, 1);
    stranger.flood(1_000, &captured);
    settled(site.port);
    let (before, dropped) = (memory(&server), socket_line(site.port).dropped);
    let began = Instant::now();
    stranger.flood(DATAGRAMS, &captured);
    settled(site.port);
    let after = memory(&server);
    let took = began.elapsed().as_secs_f64();
    eprintln!("{DATAGRAMS} datagrams of strangers: {took:.1} s; memory {before} KiB, then {after} KiB");
    assert_eq!(socket_line(site.port).dropped, dropped, "each one was looked at");
    assert!(after.abs_diff(before) < FLAT_KIB, "{before} KiB, then {after} KiB");
    assert_eq!(stranger.replies(), 0);

    // While somebody is fetching, whose own datagrams are replayed at once.
    let mut during = get("during");
    during.wait_for("start", |_| true);
    for _ in 0..20 {
        stranger.flood(500, &proxy.seen_last());
    }
    during.ended().ok();
    get("after").ended().ok();
    assert_eq!(stranger.replies(), 0);
    for to in ["before", "during", "after"] {
        assert_eq!(hash(&alice.path(to).join("file")), served, "{to}");
    }
}
