//! What a running server tells its owner, and that it never waits for the owner to read it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, ChildStdout, Stdio};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::site::{Site, put, records, summary};

/// A server whose output is read when the test wants to.
struct Unread {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Unread {
    fn serve(site: &Site) -> Self {
        let mut command = site.server.command(&["server", "serve", "--listen", "127.0.0.1", "--json", "-q"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program runs");
        // Small, so that what a pipe holds is filled soon.
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        assert!(line.contains("serving"), "{line}");
        Self { child, stdout }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn furnish(site: &Site, files: u64) {
    let shelf = site.shelf("alice");
    for n in 0..files {
        fs::write(shelf.join(format!("a file with quite a long name, {n:05}")), "").expect("writable");
    }
}

#[test]
fn a_reader_of_the_log_that_stalls_stops_nobody_and_is_told_how_much_it_missed() {
    const FILES: u64 = 4000;
    let site = Site::new();
    let alice = site.enrol("alice");
    furnish(&site, FILES);
    let mut server = Unread::serve(&site);
    let ended = alice.run(&["client", "getall", "--to", "in", "--json"]);
    assert_eq!(summary(&ended), (FILES, 0, 0));
    assert!(records(&ended).len() as u64 > FILES, "each is told of");

    // Now it is read, and everything queued comes, with the count of the rest.
    let (mut seen, mut lost) = (0, 0);
    while lost == 0 {
        let mut line = String::new();
        server.stdout.read_line(&mut line).expect("text");
        let record: Value = serde_json::from_str(&line).expect("one object a line");
        if record["type"] == "lost" {
            lost = record["lines"].as_u64().expect("a number");
        } else {
            seen += 1;
        }
    }
    assert!(lost > 0 && seen + lost >= 2 * FILES, "{seen} seen, {lost} lost");
    alice.ok(&["client", "ls"]);
    server.signal(Signal::TERM);
    let mut rest = String::new();
    server.stdout.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("\"type\":\"listed\"") && rest.contains("\"type\":\"closed\""), "{rest}");
    assert!(server.child.wait().expect("a child of ours").success());
}

#[test]
fn a_server_whose_log_nobody_reads_still_ends_when_it_is_told_to() {
    let site = Site::new();
    let alice = site.enrol("alice");
    furnish(&site, 1000);
    let mut server = Unread::serve(&site);
    alice.run(&["client", "getall", "--to", "in"]).ok();
    let began = std::time::Instant::now();
    server.signal(Signal::TERM);
    assert!(server.child.wait().expect("a child of ours").success());
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn what_nobody_can_be_given_is_named_to_the_owner_once_and_not_with_every_listing() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    put(&shelf.join("fine"), 10, "fine");
    put(&shelf.join("folder/clear\u{1b}[2Jscreen"), 10, "x");
    fs::write(shelf.join(OsStr::from_bytes(b"old\xff")), "x").expect("writable");
    for n in 0..150 {
        fs::write(shelf.join(format!("many {n:03}\n")), "x").expect("writable");
    }
    symlink("fine", shelf.join("a-link")).expect("linked");
    mkfifoat(CWD, shelf.join("a-pipe"), Mode::RUSR | Mode::WUSR).expect("made");
    let server = site.serve();
    for _ in 0..2 {
        let ended = alice.run(&["client", "getall", "--json", "--to", "in"]);
        assert_eq!(ended.code, Some(1));
        let summary = records(&ended).into_iter().find(|record| record["type"] == "summary").expect("a summary");
        assert_eq!(summary["left-out"], 154, "{summary}");
    }
    server.signal(Signal::TERM);
    let told: Vec<Value> = records(&server.ended()).into_iter().filter(|r| r["type"] == "left-out").collect();
    let names: Vec<&str> = told.iter().filter_map(|record| record["path"].as_str()).collect();
    assert_eq!((names.len(), told.len()), (103, 104), "{told:?}");
    assert_eq!(names[..4], ["a-link", "a-pipe", "folder/clear\u{1b}[2Jscreen", "many 000\n"]);
    assert_eq!(told[0]["why"], "it is a link, and `follow-links` is off");
    assert_eq!(told[1]["why"], "it is a pipe, a socket or a device");
    assert_eq!(names[102], "old\\xff", "many of one reason hide nothing of another");
    let last = told.last().expect("not empty");
    assert_eq!((&last["more"], &last["person"]), (&true.into(), &"alice".into()), "{last}");
}

#[test]
fn a_handshake_that_is_repeated_makes_one_line_and_a_number() {
    let site = Site::new();
    let alice = site.enrol("alice");
    // Somebody on the way takes the first datagram.
    let mut init = [0; 1500];
    {
        let recorder = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
        let ls = alice.start(&["client", "ls"]);
        let len = recorder.recv(&mut init).expect("it knocks");
        assert_eq!(len, 1200);
        drop(ls);
    }
    let server = site.serve();
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.set_read_timeout(Some(std::time::Duration::from_secs(100))).expect("a socket");
    let send = || stranger.send_to(&init[..1200], ("127.0.0.1", site.port)).expect("sent");
    send();
    stranger.recv(&mut [0; 1500]).expect("the first is answered");
    for _ in 0..4 {
        send();
    }
    stranger.send_to(b"noise", ("127.0.0.1", site.port)).expect("sent");
    // The server reads its socket in order.
    alice.ok(&["client", "ls"]);
    server.signal(Signal::TERM);
    let records = records(&server.ended());
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    let told: Vec<_> = of("rejected").iter().map(|record| record["more"].as_u64()).collect();
    assert_eq!(told, [Some(0), Some(2)], "the first at once, and the other three at the end");
    let [noise] = of("noise")[..] else { panic!("{records:?}") };
    assert_eq!(noise["noise"], 1, "{noise}");
}

#[test]
fn a_folder_that_takes_the_place_of_a_shelf_is_on_offer_at_once_and_one_that_is_gone_or_open_to_all_is_not() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    put(&shelf.join("old"), 10, "old");
    let mut server = site.serve();
    let listed = || alice.ok(&["client", "ls"]);
    assert_eq!(listed(), "old\n");

    // What was seen of a folder is believed for a moment, and what could not be served is tried again once a second.
    let becomes = |want: &str| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listed() != want {
            assert!(std::time::Instant::now() < until, "it never is {want:?}");
        }
    };
    let away = shelf.with_file_name("away");
    fs::rename(&shelf, &away).expect("moved");
    becomes("");
    let refused = server.wait_for("shelf-refused", |record| record["person"] == "alice");
    assert!(refused["hint"].as_str().expect("text").contains("mkdir"), "{refused}");
    assert_eq!(alice.run(&["client", "get", "old"]).code, Some(5));

    fs::create_dir(&shelf).expect("made");
    fs::set_permissions(&shelf, fs::Permissions::from_mode(0o700)).expect("ours");
    put(&shelf.join("new"), 10, "new");
    becomes("new\n");
    server.wait_for("shelf-served", |record| record["what"].as_str().is_some_and(|what| what.contains("again")));
    alice.ok(&["client", "get", "new"]);

    fs::set_permissions(&shelf, fs::Permissions::from_mode(0o777)).expect("ours");
    becomes("");
    let refused = server.wait_for("shelf-refused", |record| record["why"] != refused["why"]);
    assert!(refused["hint"].as_str().expect("text").contains("chmod"), "{refused}");
    fs::set_permissions(&shelf, fs::Permissions::from_mode(0o700)).expect("ours");
    becomes("new\n");

    fs::rename(&shelf, shelf.with_file_name("other")).expect("moved");
    fs::rename(&away, &shelf).expect("moved back");
    // With no request while it was away.
    becomes("old\n");
    server.wait_for("shelf-served", |record| record["what"].as_str().is_some_and(|what| what.contains("another")));
    server.signal(Signal::TERM);
    let told = records(&server.ended()).into_iter().filter(|record| record["type"] == "shelf-refused").count();
    assert_eq!(told, 2, "each time once");
}

#[test]
fn one_persons_missing_folder_keeps_nobody_else_from_being_served() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    put(&site.shelf("bob").join("a"), 10, "a");
    let missing = site.shelf("alice");
    fs::remove_dir(&missing).expect("empty");
    let server = site.serve();
    bob.ok(&["client", "get", "a"]);
    assert_eq!(alice.ok(&["client", "ls"]), "");
    server.signal(Signal::TERM);
    let records = records(&server.ended());
    let refused = records.iter().find(|record| record["type"] == "shelf-refused").expect("told");
    assert_eq!(refused["person"], "alice");
    let text = |name: &str| refused[name].as_str().expect("text").to_owned();
    assert!(text("why").contains("no such file or folder"), "{refused}");
    assert!(text("hint").contains(&format!("mkdir {}", missing.display())), "{refused}");
}
