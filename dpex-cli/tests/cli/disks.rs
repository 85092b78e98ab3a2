//! Disks that are full or read-only. Small ones are mounted for the purpose, which takes root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::site::{Site, hash, put, summary, text};

/// A disk in memory, gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a word about it, for a process that may not mount.
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir(&at).expect("writable");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "dpex-test"]).arg(&at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: this process may not mount a small disk");
        None
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("readable").map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmounted");
    }
}

#[test]
fn a_file_larger_than_the_disk_is_refused_before_a_byte_of_it_is_written() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("file"), 5 << 20, "file");
    let Some(disk) = SmallDisk::mount(alice.path("disk"), "size=4m") else { return };
    let _server = site.serve();
    let ended = alice.run(&["-q", "client", "get", "file", "--to", "disk"]);
    ended.fails(6, "the disk has room for 4.2 MB, and 5.2 MB are needed", "make room");
    assert_eq!(disk.names(), [""; 0]);
}

#[test]
fn files_that_would_not_all_fit_are_refused_before_the_first() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["docs/a", "b"] {
        put(&site.shelf("alice").join(name), 5 << 20, name);
    }
    let Some(disk) = SmallDisk::mount(alice.path("disk"), "size=8m") else { return };
    let _server = site.serve();
    // Also into a folder that is not there yet, and without leaving one.
    for to in ["disk", "disk/new/deep"] {
        let ended = alice.run(&["-q", "client", "getall", "--to", to]);
        ended.fails(6, "the disk has room for 8.4 MB, and 10 MB are needed", "fetch less at a time");
        assert_eq!(disk.names(), [""; 0]);
    }
    alice.run(&["client", "get", "b", "--to", "disk"]).ok();
    assert_eq!(disk.names(), ["b"]);
}

#[test]
fn room_for_a_file_that_was_compared_first_is_looked_for_when_it_is_known_that_it_is_fetched() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("a"), 3 << 20, "a");
    put(&site.shelf("alice").join("b"), 3 << 20, "b");
    let Some(disk) = SmallDisk::mount(alice.path("disk"), "size=8m") else { return };
    // Of the same size, so that only its content tells: until then it may need nothing.
    let other = put(&disk.0.join("b"), 3 << 20, "other");
    fs::File::open(disk.0.join("b")).and_then(|b| b.set_modified(std::time::UNIX_EPOCH)).expect("ours");
    let _server = site.serve();
    for (flag, fetched) in [("--overwrite", 1), ("--rename", 0)] {
        let ended = alice.run(&["client", "getall", flag, "--to", "disk", "--json"]);
        assert_eq!((ended.code, summary(&ended)), (Some(6), (fetched, 1 - fetched, 1)), "{ended:?}");
        let told = ended.stderr.lines().find(|line| line.starts_with("error: ")).expect("told");
        assert!(told.starts_with("error: failed to store `b`: the disk has room for "), "{ended:?}");
        assert!(told.ends_with(" MB are needed"), "{ended:?}");
        assert_eq!(disk.names(), ["a", "b"]);
        assert_eq!((hash(&disk.0.join("a")), hash(&disk.0.join("b"))), (served, other));
    }
}

#[test]
fn a_disk_that_fills_up_half_way_ends_the_command_and_with_room_made_the_file_goes_on() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("big"), 200 << 20, "big");
    let Some(disk) = SmallDisk::mount(alice.path("disk"), "size=240m") else { return };
    let _server = site.serve();
    let mut get = alice.start(&["client", "get", "big", "--to", "disk", "--json"]);
    get.wait_for("progress", |_| true);
    // It must not be done before the disk is full, however busy the machine is.
    get.signal(Signal::STOP);
    let filler = disk.0.join("filler");
    let taken = fs::File::create(&filler).expect("writable");
    let all = rustix::fs::FallocateFlags::empty();
    // Whatever is left, until there is no more.
    let mut at = 0;
    while rustix::fs::fallocate(&taken, all, at, 1 << 20).is_ok() {
        at += 1 << 20;
    }
    // As a child has it that another test forks just now, until it becomes a program of its own.
    let inherited = taken.try_clone().expect("one more");
    get.signal(Signal::CONT);
    let ended = get.ended();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("error: failed to store `big`: the disk is full\nhint: make room"), "{ended:?}");
    assert_eq!(disk.names(), [".big.dpexpart", "big.part", "filler"]);
    // The room is there at once only if the file is emptied: one that is removed lives as long as anybody has it open.
    taken.set_len(0).expect("ours");
    drop(taken);
    fs::remove_file(filler).expect("ours");
    let mut get = alice.start(&["client", "get", "big", "--to", "disk", "--json"]);
    let resumed = get.wait_for("resume", |_| true);
    assert!(resumed["have"].as_u64() > Some(0), "{resumed}");
    assert_eq!(summary(&get.ended()), (1, 0, 0));
    assert_eq!(disk.names(), ["big"]);
    assert_eq!(hash(&disk.0.join("big")), served);
    drop(inherited);
}

#[test]
fn a_read_only_target_is_a_disk_problem_and_costs_nothing_on_the_server() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("docs/file"), 1000, "file");
    let Some(disk) = SmallDisk::mount(alice.path("disk"), "ro") else { return };
    let mut server = site.serve();
    let ended = alice.run(&["-q", "client", "getall", "--to", "disk"]);
    ended.fails_after(&["docs  failed: ", "docs/file  failed: "], 6, "the disk is read-only", "target folder");
    let below = disk.0.join("below");
    alice.run(&["client", "getall", "--to", text(&below)]).fails(6, "read-only", "");
    server.wait_for("closed", |record| {
        assert_ne!(record["type"], "delivered");
        true
    });
}

#[test]
fn a_folder_that_cannot_be_written_does_not_stop_the_files_beside_it() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["a/file", "b/file", "c/file"] {
        put(&site.shelf("alice").join(name), 1000, name);
    }
    fs::create_dir(alice.path("in")).expect("writable");
    let Some(disk) = SmallDisk::mount(alice.path("in/b"), "ro") else { return };
    let _server = site.serve();
    let ended = alice.run(&["-q", "client", "getall", "--to", "in"]);
    ended.fails_after(&["b/file  failed: "], 6, "failed to store `b/file`: the disk is read-only", "target folder");
    assert_eq!(disk.names(), [""; 0]);
    assert!(alice.path("in/a/file").exists() && alice.path("in/c/file").exists());
}

#[test]
fn a_home_on_a_read_only_disk_still_tells_why_it_cannot_connect() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("file"), 1000, "file");
    let _server = site.serve();
    let home = alice.home();
    let frozen = |mode: &str| {
        let remounted = Command::new("mount").args(["-o", mode]).arg(&home).arg(&home).status();
        remounted.is_ok_and(|status| status.success())
    };
    if !frozen("bind") {
        eprintln!("SKIPPED: this process may not mount");
        return;
    }
    let bound = SmallDisk(home.clone());
    assert!(frozen("remount,bind,ro"), "read-only");
    // Without a stamp that is kept there is no handshake, else what was sent could be replayed.
    alice.run(&["-q", "client", "get", "file"]).fails(6, "read-only", "must be writable");
    assert!(!alice.path("file").exists());
    drop(bound);
    let ended = alice.run(&["client", "get", "file", "--json"]);
    assert_eq!(summary(&ended), (1, 0, 0));
}
