//! What a running server tells its owner, and that it never waits for the owner to read it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::site::{Site, records, summary};

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
