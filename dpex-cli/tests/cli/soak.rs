//! Everything at once, for a while: people who fetch, are killed and come back, an owner who changes whatever can be
//! changed, a server that is killed, and a stranger who sends junk. Then all is as if nothing had been.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::Random;
use crate::site::{Site, hash, put, text};
use crate::support::Machine;

/// How long, in seconds. `DPEX_SOAK=n` makes it longer or shorter.
const SECONDS: u64 = 20;
/// Junk a second, at most.
const JUNK: u64 = 5_000;

/// What is done while it is not over.
struct Soak {
    site: Site,
    over: AtomicBool,
    /// What happened, by kind, for whoever reads the output.
    counts: [AtomicU64; 6],
}

const KINDS: [&str; 6] = ["fetches", "kills of clients", "kills of the server", "changes", "accesses ended", "junk"];

impl Soak {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn count(&self, kind: usize) {
        self.counts[kind].fetch_add(1, Ordering::Relaxed);
    }
}

fn shelve(shelf: &Path, who: &str) -> BTreeMap<PathBuf, blake3::Hash> {
    let mut served = BTreeMap::new();
    let mut offer = |name: String, len: usize| {
        served.insert(PathBuf::from(&name), put(&shelf.join(&name), len, &format!("{who} {name}")));
    };
    offer("large".into(), 40_000_000);
    for n in 0..200 {
        offer(format!("tree/{}/small {n}", n % 7), n * 97 % 9_000);
    }
    served
}

/// Every file that has its name is whole. How many there are.
fn assert_whole(target: &Path, served: &BTreeMap<PathBuf, blake3::Hash>) -> usize {
    let there = served.iter().filter(|(name, _)| target.join(name).exists());
    there.inspect(|(name, want)| assert_eq!(hash(&target.join(name)), **want, "{name:?}")).count()
}

/// Fetches again and again, and is killed now and then.
fn fetch(soak: &Soak, client: &Machine, served: &BTreeMap<PathBuf, blake3::Hash>, seed: u64) {
    let (mut random, target) = (Random(seed), client.path("in"));
    while soak.goes_on() {
        let mut running = match random.below(4) {
            0 => client.start(&["client", "ls", "--json"]),
            1 => client.start(&["--json", "client", "get", "large", "--to", "in", "--timeout", "20s"]),
            _ => client.start(&["--json", "client", "getall", "--to", "in", "--timeout", "20s"]),
        };
        if running.ends_within(Duration::from_millis(random.below(3_000))) {
            let ended = running.ended();
            soak.count(0);
            // No answer while the server is down or the access has ended; refused where ghosts of killed ones still stand.
            assert!(matches!(ended.code, Some(0 | 4 | 5)), "{ended:?}");
            if ended.code != Some(0) {
                std::thread::sleep(Duration::from_millis(500));
            }
        } else {
            running.signal(Signal::KILL);
            soak.count(1);
        }
        if random.below(5) == 0 && target.exists() {
            assert_whole(&target, served);
            fs::remove_dir_all(&target).expect("ours");
        }
    }
}

/// Ends it however its maker ends.
struct Ends<'a>(&'a Soak);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Changes what can be changed.
fn own(soak: &Soak, bob: &Machine) {
    let (mut random, server) = (Random(3), &soak.site.server);
    while soak.goes_on() {
        let limit = format!("{}M", 1 + random.below(50));
        let done = match random.below(10) {
            0 => server.run(&["server", "set", "--limit", &limit]),
            1 => server.run(&["server", "set", "alice", "--limit", &limit, "--sessions", "3"]),
            2 => server.run(&["server", "set", "--limit", "none"]),
            3 | 4 => server.run(&["server", "rekey", "--all"]),
            // Refused as long as somebody has not come since the last time.
            5 => server.run(&["server", "rekey", "--knock"]),
            6 => server.run(&["server", "status"]),
            7 => server.run(&["server", "log", "--verify"]),
            8 => server.run(&["server", "reload"]),
            _ => {
                server.ok(&["server", "revoke", "bob"]);
                soak.count(4);
                let request = server.file("again.json", &bob.ok(&["client", "init"]));
                let answer = server.ok(&["server", "add", text(&request), "--replace"]);
                let answer = bob.file("again.json", &answer);
                bob.run(&["client", "update", text(&answer)])
            }
        };
        // 4 is that no server runs just now, or ended before it answered.
        assert!(matches!(done.code, Some(0 | 2 | 4)), "{done:?}");
        soak.count(3);
        std::thread::sleep(Duration::from_millis(random.below(600)));
    }
}

/// Sends junk.
fn flood(soak: &Soak) {
    let socket = UdpSocket::bind("127.0.0.9:0").expect("loopback");
    socket.set_nonblocking(true).expect("a socket");
    let began = Instant::now();
    for n in 0_u64.. {
        if !soak.goes_on() {
            return;
        }
        if n * 1_000 / JUNK > u64::try_from(began.elapsed().as_millis()).expect("minutes") {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let mut junk = [0; 1_200];
        blake3::Hasher::new().update(&n.to_be_bytes()).finalize_xof().fill(&mut junk);
        let len = if n % 2 == 0 { 1_200 } else { usize::from(junk[0]) * 4 };
        // Nobody is there while the server is down.
        if socket.send_to(&junk[..len], ("127.0.0.1", soak.site.port)).is_ok() {
            soak.count(5);
        }
        assert!(socket.recv(&mut junk).is_err(), "a stranger was answered");
    }
}

#[test]
fn everything_at_once_and_kills_at_random_leave_all_as_it_should_be() {
    let seconds = std::env::var("DPEX_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    let hers = shelve(&site.shelf("alice"), "alice");
    let his = shelve(&site.shelf("bob"), "bob");
    let soak = Soak { site, over: AtomicBool::new(false), counts: Default::default() };
    let mut random = Random(11);
    let server = std::thread::scope(|threads| {
        let _ends = Ends(&soak);
        let mut server = soak.site.serve();
        threads.spawn(|| fetch(&soak, &alice, &hers, 1));
        threads.spawn(|| fetch(&soak, &bob, &his, 2));
        threads.spawn(|| own(&soak, &bob));
        threads.spawn(|| flood(&soak));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(2_000 + random.below(5_000)));
            server.signal(Signal::KILL);
            drop(server);
            soak.count(2);
            server = soak.site.serve();
        }
        server
    });
    // The ghosts of those that were killed give way after three seconds.
    std::thread::sleep(Duration::from_secs(4));
    let owner = &soak.site.server;
    owner.ok(&["server", "set", "--limit", "none"]);
    owner.ok(&["server", "set", "alice", "--limit", "none"]);
    for (client, served) in [(&alice, &hers), (&bob, &his)] {
        client.ok(&["client", "getall", "--to", "in"]);
        assert_eq!(assert_whole(&client.path("in"), served), served.len());
    }
    owner.ok(&["server", "log", "--verify"]);
    let memory = server.memory("VmRSS").expect("it runs");
    assert!(memory < 200 << 10, "{memory} KiB");
    let counts =
        KINDS.iter().zip(&soak.counts).map(|(kind, count)| format!("{} {kind}", count.load(Ordering::Relaxed)));
    println!("in {seconds} s: {}; the server has {memory} KiB", counts.collect::<Vec<_>>().join(", "));
}
