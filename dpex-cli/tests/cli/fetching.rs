//! Fetching over a path that is not as good as loopback.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Proxy, losing};
use crate::site::{Site, hash, put};

/// Waits until something has this name.
fn appears(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "there is no {}", path.display());
        std::thread::yield_now();
    }
}

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
fn a_connection_whose_path_is_gone_is_given_up_for_another_and_the_file_goes_on() {
    const SIZE: usize = 40 << 20;
    let site = Site::new();
    let mut passed = 0;
    // As behind a box that forgets an address: of the first one nothing passes any more, in the middle of the file.
    let proxy = Proxy::deciding_for_each(site.port, move |_, client| {
        passed += usize::from(client == 0);
        client != 0 || passed < 400
    });
    let alice = site.enrol_through("alice", proxy.port);
    let served = put(&site.shelf("alice").join("file"), SIZE, "file");
    let _server = site.serve();
    let ended = alice.run(&["client", "get", "file"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("connected again").count(), 1, "{ended:?}");
    assert_eq!(hash(&alice.path("file")), served);
}

#[test]
fn of_two_that_get_the_same_file_at_once_the_second_says_so() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("file"), 200 << 20, "file");
    let _server = site.serve();
    let first = alice.start(&["client", "get", "file"]);
    appears(&alice.path("file.part"));
    first.signal(Signal::STOP);
    let second = alice.run(&["-q", "client", "get", "file"]);
    first.signal(Signal::CONT);
    second.fails_after(&["another dpex is receiving it"], 1, "failed to get `file`: another dpex is receiving it", "");
    first.ended().ok();
    assert_eq!(hash(&alice.path("file")), served);
}

#[test]
fn a_folder_that_vanishes_while_a_file_comes_is_told() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("file"), 200 << 20, "file");
    let _server = site.serve();
    let get = alice.start(&["-q", "client", "get", "file", "--to", "in"]);
    appears(&alice.path("in/file.part"));
    get.signal(Signal::STOP);
    std::fs::remove_dir_all(alice.path("in")).expect("writable");
    get.signal(Signal::CONT);
    let ended = get.ended();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("error: "), "{ended:?}");
    assert!(!alice.path("in").exists(), "nothing is made anew in its place");
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
    appears(&alice.path("in/trees"));
    get.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(4));
    get.signal(Signal::CONT);
    get.ended().ok();
    assert!(alice.path("in/trees/299-0").is_dir());
}
