//! Fetching over a path that is not as good as loopback.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Proxy, losing};
use crate::site::{Site, hash, put};

#[test]
fn a_file_arrives_whole_over_a_path_that_loses_a_tenth_both_ways() {
    const SIZE: usize = 5_000_000;
    let site = Site::new();
    let proxy = Proxy::deciding(site.port, losing(10, 1));
    let alice = site.enrol_through("alice", proxy.port);
    let served = put(&site.shelf("alice").join("file"), SIZE, "file");
    let _server = site.serve();
    let began = Instant::now();
    alice.ok(&["client", "get", "file"]);
    let took = began.elapsed().as_secs_f64();
    eprintln!("5 MB at 10 % loss: {took:.1} s, {:.1} MB/s", SIZE as f64 / took / 1e6);
    assert_eq!(hash(&alice.path("file")), served);
}

#[test]
fn a_path_that_is_dead_for_three_seconds_delays_a_file_and_no_more() {
    let site = Site::new();
    let (mut passed, mut died) = (0, None::<Instant>);
    let proxy = Proxy::deciding(site.port, move |_| {
        passed += 1;
        // In the middle of the file, however large the datagrams are.
        if passed == 200 {
            died = Some(Instant::now());
        }
        died.is_none_or(|at| at.elapsed() > Duration::from_secs(3))
    });
    let alice = site.enrol_through("alice", proxy.port);
    let served = put(&site.shelf("alice").join("file"), 20 << 20, "file");
    let _server = site.serve();
    let began = Instant::now();
    alice.ok(&["client", "get", "file"]);
    let took = began.elapsed();
    eprintln!("20 MiB with 3 s of nothing in between: {:.1} s", took.as_secs_f64());
    assert_eq!(hash(&alice.path("file")), served);
    assert!(took > Duration::from_secs(3), "{took:?}");
}

#[test]
fn folders_that_take_longer_to_make_than_one_waits_for_a_server_are_no_silence_of_it() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for tree in 0..300 {
        let folder =
            (0..30).fold(site.shelf("alice").join("trees"), |path, level| path.join(format!("{tree}-{level}")));
        std::fs::create_dir_all(&folder).expect("writable");
        put(&folder.join("leaf"), 1, "leaf");
    }
    let _server = site.serve();
    let get = alice.start(&["client", "getall", "--to", "in", "--timeout", "2s"]);
    // Nine thousand folders are made one after the other; it is stopped at the first of them.
    let began = Instant::now();
    while !alice.path("in/trees").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "it makes no folder");
        std::thread::yield_now();
    }
    get.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(4));
    get.signal(Signal::CONT);
    get.ended().ok();
    assert!(alice.path("in/trees/299-0").is_dir());
}
