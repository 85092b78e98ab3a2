//! Programs that are killed at any moment, by a signal that cannot be caught: the same command goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Proxy, Random};
use crate::running::Running;
use crate::site::{Site, hash, put, summary, text};
use crate::support::{Ended, Machine};

/// Programs killed in all. `DPEX_KILLS=n` kills more or fewer.
const KILLS: u64 = 100;
/// The longest that a client is let run before it or the server is killed, in milliseconds.
const LONGEST: u64 = 2_000;
/// Bytes that may be sent for each that is needed, headers and all: the goal is 1.1.
const MOST_SENT: f64 = 1.1;

/// What is on offer, by name.
fn shelve(shelf: &Path) -> BTreeMap<PathBuf, blake3::Hash> {
    let mut served = BTreeMap::new();
    let mut offer = |name: String, len: usize| {
        served.insert(PathBuf::from(&name), put(&shelf.join(&name), len, &name));
    };
    offer("large".into(), 200_000_000);
    offer("middling".into(), 30_000_001);
    for n in 0..300 {
        offer(format!("tree/{}/{}/small {n}", n % 7, n % 3), n * 97 % 9_000);
    }
    served
}

/// Every file that has a final name is whole. Returns how many there are.
fn assert_whole(target: &Path, served: &BTreeMap<PathBuf, blake3::Hash>) -> usize {
    let there = served.iter().filter(|(name, _)| target.join(name).exists());
    there.inspect(|(name, want)| assert_eq!(hash(&target.join(name)), **want, "{name:?}")).count()
}

fn assert_nothing_else(target: &Path, served: &BTreeMap<PathBuf, blake3::Hash>) {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(target, &mut found);
    for path in found {
        let name = path.strip_prefix(target).expect("inside");
        // A kill between the two calls that publish a large file leaves its record, which nothing needs (README).
        let of = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".dpexpart"));
        if of.is_some_and(|of| served.contains_key(Path::new(of)) && target.join(of).exists()) {
            continue;
        }
        assert!(served.contains_key(name), "{name:?} was left behind");
    }
}

fn getall(client: &Machine) -> Running {
    client.start(&["--json", "client", "getall", "--to", "in"])
}

/// Was it refused because four sessions of those that were killed stand yet? They do for some seconds: then a moment passes.
fn comes_too_soon(ended: &Ended) -> bool {
    let refused = ended.code == Some(5);
    if refused {
        std::thread::sleep(Duration::from_secs(1));
    }
    refused
}

#[test]
fn a_hundred_kills_of_client_and_server_cost_a_tenth_of_what_is_sent_at_most() {
    let kills = std::env::var("DPEX_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut random = Random(7);
    let site = Site::new();
    let proxy = Proxy::before(site.port);
    let alice = site.enrol_through("alice", proxy.port);
    let served = shelve(&site.shelf("alice"));
    let size: u64 = served.keys().map(|name| fs::metadata(site.shelf("alice").join(name)).expect("there").len()).sum();
    let target = alice.path("in");
    let mut server = site.serve();
    let (mut needed, mut killed, mut servers, mut rounds) = (0, 0, 0, 0);
    let begun = Instant::now();
    while killed < kills {
        rounds += 1;
        assert!(begun.elapsed() < Duration::from_secs(1500), "{killed} killed, {needed} bytes whole");
        let mut client = getall(&alice);
        let span = Duration::from_millis(random.below(LONGEST));
        if client.ends_within(span) {
            let ended = client.ended();
            if comes_too_soon(&ended) {
                continue;
            }
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_eq!(assert_whole(&target, &served), served.len());
            assert_nothing_else(&target, &served);
            needed += size;
            fs::remove_dir_all(&target).expect("ours");
            continue;
        }
        killed += 1;
        if random.below(6) == 0 {
            servers += 1;
            server.signal(Signal::KILL);
            drop(server);
            server = site.serve();
        }
        client.signal(Signal::KILL);
        drop(client);
        if killed % 10 == 0 && target.exists() {
            assert_whole(&target, &served);
        }
    }
    let last = loop {
        let ended = getall(&alice).ended();
        if !comes_too_soon(&ended) {
            break ended;
        }
        assert!(begun.elapsed() < Duration::from_secs(1500), "{ended:?}");
    };
    assert_eq!(last.code, Some(0), "{last:?}");
    assert_eq!(assert_whole(&target, &served), served.len());
    assert_nothing_else(&target, &served);
    needed += size;
    let sent = proxy.bytes_to_client();
    let ratio = sent as f64 / needed as f64;
    println!("{killed} kills ({servers} of the server) in {rounds} runs: {sent} bytes sent for {needed}: {ratio:.3}");
    assert!(ratio <= MOST_SENT, "{sent} bytes sent for {needed} that were needed: {ratio:.3}");
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_found_again_by_the_running_client() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let want = put(&site.shelf("alice").join("file"), 150_000_000, "file");
    let server = site.serve();
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", "in"]);
    client.wait_for("progress", |_| true);
    server.signal(Signal::KILL);
    drop(server);
    let _server = site.serve();
    let resumed = client.wait_for("resume", |record| record["path"] == "file");
    assert!(resumed["have"].as_u64() >= Some(1 << 20), "{resumed}");
    let ended = client.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(hash(&alice.path("in").join("file")), want);
}

#[test]
fn a_server_that_does_not_come_back_is_given_up_after_the_time_that_was_set() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("file"), 150_000_000, "file");
    let server = site.serve();
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", "in", "--timeout", "8s"]);
    client.wait_for("progress", |_| true);
    server.signal(Signal::KILL);
    drop(server);
    let ended = client.ended();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("nothing came for 8 seconds"), "{ended:?}");
    assert_eq!(summary_of_failure(&ended.stdout), (0, 1));
    // What came is not lost.
    let _server = site.serve();
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", "in"]);
    client.wait_for("resume", |record| record["have"].as_u64() > Some(0));
    let ended = client.ended();
    assert_eq!(summary(&ended), (1, 0, 0), "{ended:?}");
}

fn summary_of_failure(stdout: &str) -> (u64, u64) {
    let mut records = stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an object"));
    let record = records.find(|record| record["type"] == "summary").expect("a summary");
    (record["fetched"].as_u64().expect("a number"), record["failed"].as_u64().expect("a number"))
}

#[test]
fn an_interrupted_get_goes_on_where_it_was_and_reads_nothing_again() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let want = put(&site.shelf("alice").join("file"), 150_000_000, "file");
    let _server = site.serve();
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", "in"]);
    let progress = client.wait_for("progress", |_| true);
    client.signal(Signal::INT);
    assert_eq!(client.ended().code, Some(130));
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", text(&alice.path("in"))]);
    let resumed = client.wait_for("resume", |_| true);
    assert!(resumed["have"].as_u64() >= progress["have"].as_u64(), "{resumed} after {progress}");
    assert_eq!(summary(&client.ended()), (1, 0, 0));
    assert_eq!(hash(&alice.path("in").join("file")), want);
}

#[test]
fn a_client_whose_computer_slept_for_longer_than_a_session_lasts_goes_on() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let want = put(&site.shelf("alice").join("file"), 30_000_000, "file");
    let _server = site.serve();
    site.server.ok(&["server", "set", "--limit", "6M"]);
    let mut client = alice.start(&["--json", "client", "get", "file", "--to", "in"]);
    client.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    client.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(35));
    client.signal(Signal::CONT);
    let resumed = client.wait_for("resume", |record| record["path"] == "file");
    assert!(resumed["have"].as_u64() >= Some(1 << 20), "{resumed}");
    assert_eq!(client.ended().code, Some(0));
    assert_eq!(hash(&alice.path("in").join("file")), want);
}
