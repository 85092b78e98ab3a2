//! Much at once: large files, many files, long listings, several people; and how much memory that takes.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::running::Running;
use crate::site::{Site, hash, put, records, summary, text};

/// The promise: 64 MiB, whatever the size of the file.
const MOST_KIB: u64 = 64 * 1024;

fn report(what: &str, began: Instant, bytes: u64) {
    let took = began.elapsed().as_secs_f64();
    eprintln!("{what}: {took:.1} s, {:.0} MB/s", bytes as f64 / took / 1e6);
}

/// The most memory that a program had while it printed, in KiB.
fn most_memory(program: &mut Running) -> u64 {
    let mut most = 0;
    while program.line().is_some() {
        // It may have ended since the line was written.
        most = most.max(program.memory("VmHWM").unwrap_or_default());
    }
    most
}

#[test]
fn two_people_fetch_large_files_at_the_same_time_and_both_are_whole() {
    const SIZE: usize = 200 << 20;
    let site = Site::new();
    let people = ["alice", "bob"].map(|name| {
        let client = site.enrol(name);
        (client, put(&site.shelf(name).join("large"), SIZE, name))
    });
    let server = site.serve();
    let began = Instant::now();
    let gets = people.each_ref().map(|(client, _)| client.start(&["client", "get", "large", "--json"]));
    for get in gets {
        get.ended().ok();
    }
    report("two files of 200 MB at once", began, 2 * SIZE as u64);
    eprintln!("memory at most: server {} KiB", server.memory("VmHWM").expect("it runs"));
    for (client, served) in people {
        assert_eq!(hash(&client.path("large")), served);
    }
}

#[test]
fn five_thousand_small_files_arrive_in_one_session() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    for folder in 0..50 {
        for file in 0..100 {
            let name = format!("{folder:02}/{file:02}");
            put(&shelf.join(&name), 4096, &name);
        }
    }
    let mut server = site.serve();
    let began = Instant::now();
    let mut get = alice.start(&["client", "getall", "--to", "all", "--json"]);
    let client = most_memory(&mut get);
    let ended = get.ended();
    report("5,000 files of 4 KiB", began, 5000 * 4096);
    assert_eq!(summary(&ended), (5000, 0, 0));
    let served = server.memory("VmHWM").expect("it runs");
    eprintln!("memory at most: client {client} KiB, server {served} KiB");
    assert!(client > 0 && client < MOST_KIB && served < MOST_KIB, "client {client} KiB, server {served} KiB");
    for folder in 0..50 {
        for file in 0..100 {
            let name = format!("{folder:02}/{file:02}");
            let path = alice.path("all").join(&name);
            assert!(fs::read(&path).expect("there") == fs::read(shelf.join(&name)).expect("there"), "{name}");
        }
    }
    let opened = server.wait_for("opened", |_| true);
    let closed = server.wait_for("closed", |_| true);
    assert_eq!(opened["session"], closed["session"], "one session did it all");
}

#[test]
fn a_server_that_stops_in_the_middle_of_twenty_thousand_files_leaves_nobody_waiting() {
    const FILES: u64 = 20_000;
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    for n in 0..FILES {
        fs::write(shelf.join(format!("{n:05}")), "").expect("writable");
    }
    for round in 0..3 {
        let server = site.serve();
        let mut get = alice.start(&["client", "getall", "--to", &format!("in-{round}"), "--json", "--timeout", "3s"]);
        get.wait_for("file", |_| true);
        server.signal(Signal::TERM);
        let began = Instant::now();
        let (stopped, ended) = (server.ended(), get.ended());
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        assert_eq!(stopped.code, Some(0), "{stopped:?}");
        assert_eq!(ended.code, Some(4), "{}", ended.stderr);
        let records = records(&ended);
        let summary = records.iter().find(|record| record["type"] == "summary").expect("a summary");
        let count = |name: &str| summary[name].as_u64().expect("a number");
        // None may have failed: all that were begun may just have been here.
        assert!(count("not-begun") > 0, "{summary}");
        assert_eq!(count("fetched") + count("failed") + count("not-begun"), FILES, "{summary}");
        let told = format!(
            "error: the server was stopped; nothing came for 3 seconds; {} files were not begun\n",
            count("not-begun")
        );
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
}

#[test]
fn a_listing_of_twenty_thousand_names_comes_in_pages_and_is_complete() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    let names: Vec<String> = (0..20_000).map(|n| format!("a file with quite a long name, number {n:05}.txt")).collect();
    for name in &names {
        fs::write(shelf.join(name), "").expect("writable");
    }
    let mut server = site.serve();
    let began = Instant::now();
    let ended = alice.run(&["client", "ls", "--json"]);
    eprintln!("20,000 names: {:.1} s", began.elapsed().as_secs_f64());
    let records = records(&ended);
    let listed: Vec<&str> = records.iter().map(|record| record["path"].as_str().expect("a path")).collect();
    assert!(listed == names, "{} names", listed.len());
    let mut pages = 0;
    let mut entries = 0;
    while entries < names.len() as u64 {
        entries += server.wait_for("listed", |_| true)["entries"].as_u64().expect("a number");
        pages += 1;
    }
    assert!(pages > 10 && entries == names.len() as u64, "{entries} names on {pages} pages");
    let plain = alice.ok(&["client", "ls"]);
    assert_eq!(plain.lines().count(), names.len());
}

#[test]
fn a_gigabyte_passes_through_less_than_64_mebibytes_of_memory_on_both_sides() {
    const SIZE: u64 = 1 << 30;
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let free = rustix::fs::statvfs(dir.path()).expect("a disk");
    if free.f_bavail * free.f_frsize < 3 << 30 {
        eprintln!("SKIPPED: less than 3 GB are free in {}", dir.path().display());
        return;
    }
    let site = Site::new();
    let alice = site.enrol("alice");
    let mut source = fs::File::create(site.shelf("alice").join("huge")).expect("writable");
    let mut content = blake3::Hasher::new().finalize_xof();
    let mut piece = vec![0; 1 << 20];
    for _ in 0..SIZE >> 20 {
        content.fill(&mut piece);
        source.write_all(&piece).expect("writable");
    }
    let server = site.serve();
    let began = Instant::now();
    let mut get = alice.start(&["client", "get", "huge", "--json", "--to", text(dir.path())]);
    let most = most_memory(&mut get);
    let ended = get.ended();
    let told = records(&ended).into_iter().find(|record| record["type"] == "file").expect("told of");
    report("1 GiB", began, SIZE);
    let served = server.memory("VmHWM").expect("it runs");
    eprintln!("memory at most: client {} KiB, server {} KiB", most, served);
    assert!(most > 0 && most < MOST_KIB, "client: {most} KiB");
    assert!(served < MOST_KIB, "server: {served} KiB");
    let sent = hash(&site.shelf("alice").join("huge"));
    assert_eq!(hash(&dir.path().join("huge")), sent);
    assert_eq!(told["hash"], sent.to_string());
}

#[test]
fn four_connections_of_one_person_are_served_at_once() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("file"), 20 << 20, "file");
    let _server = site.serve();
    let get = |n: usize| alice.start(&["client", "get", "file", "--json", "--to", &format!("to-{n}")]);
    let gets: Vec<_> = (0..4).map(get).collect();
    for (n, get) in gets.into_iter().enumerate() {
        get.ended().ok();
        assert_eq!(hash(&alice.path(&format!("to-{n}/file"))), served);
    }
}
