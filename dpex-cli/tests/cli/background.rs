//! A server in the background: started, asked, stopped and started again, without a terminal and without a process
//! number.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::site::{Site, put};

/// A server in the background that does not outlive the test.
pub(crate) struct Background<'a>(&'a Site);

impl<'a> Background<'a> {
    /// Starts it.
    pub(crate) fn start(site: &'a Site) -> Self {
        let background = Self(site);
        site.server.ok(&["server", "start", "--listen", "127.0.0.1"]);
        background
    }

    /// What `status` says.
    pub(crate) fn status(&self) -> Value {
        let line = self.0.server.ok(&["server", "status", "--json"]);
        serde_json::from_str(&line).expect("an object")
    }

    fn pid(&self) -> Pid {
        let pid = self.status()["pid"].as_i64().expect("a number");
        Pid::from_raw(i32::try_from(pid).expect("a process number")).expect("not zero")
    }
}

impl Drop for Background<'_> {
    fn drop(&mut self) {
        self.0.server.run(&["server", "stop"]);
    }
}

#[test]
fn a_server_is_started_asked_and_stopped() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let report = put(&site.shelf("alice").join("report.pdf"), 3_000_000, "report");
    site.server.run(&["server", "status"]).fails(4, "no server runs here", "dpex server start");
    assert_eq!(site.server.ok(&["server", "stop", "--json"]), "{\"v\":1,\"type\":\"stopped\",\"ran\":false}\n");
    let background = Background::start(&site);
    site.server.run(&["server", "start"]).fails(2, "a server runs already", "dpex server status");
    site.server.run(&["server", "serve"]).fails(2, "a server runs already", "stop it first");
    #[cfg(target_os = "linux")]
    {
        let limits = fs::read_to_string(format!("/proc/{}/limits", background.pid().as_raw_pid())).expect("it runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("it is there");
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        // The table is as long as it will ever be, so that nobody waits for it to grow.
        let hard = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("it is there");
        let hard = hard.split_whitespace().nth(1).and_then(|hard| hard.parse().ok()).unwrap_or(4096_u64);
        let status = fs::read_to_string(format!("/proc/{}/status", background.pid().as_raw_pid())).expect("it runs");
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).expect("it is there");
        assert!(size.trim().parse::<u64>().expect("a number") >= hard.min(4096), "{size} of {hard}");
    }
    let status = background.status();
    assert_eq!(status["address"], format!("127.0.0.1:{}", site.port));
    assert_eq!((&status["people"], &status["running"]), (&1.into(), &true.into()));
    let fetched = alice.ok(&["client", "get", "report.pdf", "--json"]);
    assert!(fetched.contains(&report.to_string()), "{fetched}");
    assert_eq!(site.server.ok(&["server", "stop", "--json"]), "{\"v\":1,\"type\":\"stopped\",\"ran\":true}\n");
    site.server.run(&["server", "status"]).fails(4, "no server runs here", "dpex server start");
    let log = site.server.home().join("server/log");
    let own: Vec<_> = fs::read_dir(&log).expect("a log").map(|entry| entry.expect("readable").path()).collect();
    let said = own.iter().find(|path| path.extension().is_some_and(|end| end == "log")).expect("a file of today");
    let said = fs::read_to_string(said).expect("text");
    assert!(said.contains("alice: got report.pdf (3.0 MB)") && said.ends_with("stopped\n"), "{said}");
    for path in own.iter().chain([&log]) {
        let mode = fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn what_keeps_a_server_from_starting_is_said_as_if_it_ran_in_the_foreground() {
    let site = Site::new();
    let taken = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
    let start = site.server.run(&["server", "start", "--listen", "127.0.0.1"]);
    let serve = site.server.run(&["server", "serve", "--listen", "127.0.0.1"]);
    start.fails(2, "already in use", "port");
    assert_eq!((start.code, &start.stderr), (serve.code, &serve.stderr));
    drop(taken);
    let wrong = site.server.file("wrong.toml", "metrics = \"0.0.0.0:1\"\n");
    let words = ["server", "start", "--config", wrong.to_str().expect("text")];
    site.server.run(&words).fails(2, "others could reach it", "127.0.0.1:9474");
    site.server.run(&["server", "status"]).fails(4, "no server runs here", "dpex server start");
}

#[test]
fn a_restart_lets_a_transfer_go_on_by_itself() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let big = put(&site.shelf("alice").join("big"), 40_000_000, "big");
    let background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "10M"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |record| record["have"].as_u64() > Some(2_000_000));
    let before = background.pid();
    // It would let the transfer end for ten seconds; at this rate it does, or the client goes on.
    site.server.ok(&["server", "restart", "--listen", "127.0.0.1"]);
    assert_ne!(background.pid(), before);
    site.server.ok(&["server", "set", "--limit", "none"]);
    let done = fetching.wait_for("file", |_| true);
    assert_eq!(done["hash"], big.to_string());
}

#[test]
fn a_restart_with_settings_that_no_server_could_start_with_leaves_the_old_one_running() {
    let site = Site::new();
    let background = Background::start(&site);
    let before = background.pid();
    site.server.run(&["--store", "nope", "server", "restart"]).fails(2, "nope", "");
    let file = site.server.home().join("server/dpex.toml");
    let settings = fs::read_to_string(&file).expect("there");
    let broken = settings
        .replace("# follow-links = false", "follow-links = true")
        .replace("# roots = []", "roots = [\"/gone\"]");
    assert_ne!(broken, settings);
    fs::write(&file, broken).expect("writable");
    site.server.run(&["server", "restart"]).fails(2, "failed to open the root /gone", "dpex.toml");
    fs::write(&file, settings.replace("# send-buffer = 2097152", "send-buffer = -1")).expect("writable");
    site.server.run(&["server", "restart"]).fails(2, "transport-udp", "");
    fs::write(&file, settings).expect("writable");
    site.enrol("alice");
    let record = site.server.home().join("server/clients/alice/client.json");
    fs::write(record, "{").expect("writable");
    assert_eq!(site.server.run(&["server", "restart"]).code, Some(2));
    assert_eq!(background.pid(), before, "it serves on");
}

#[test]
fn stop_waits_for_what_is_under_way_and_lets_nobody_new_in() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("big"), 6_000_000, "big");
    let _background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "2M"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    site.server.ok(&["server", "stop"]);
    let done = fetching.wait_for("file", |_| true);
    assert_eq!(done["result"], "done");
    let late = alice.run(&["client", "ls", "-q"]);
    late.fails(4, "no answer", "the server may be down");
}

#[test]
fn what_a_killed_server_leaves_behind_hinders_nobody_and_concerns_no_stranger() {
    let site = Site::new();
    site.enrol("alice");
    let background = Background::start(&site);
    kill_process(background.pid(), Signal::KILL).expect("it runs");
    let socket = site.server.home().join("server/control");
    let until = Instant::now() + Duration::from_secs(60);
    while site.server.run(&["server", "status"]).code == Some(0) {
        assert!(Instant::now() < until, "it is dead");
    }
    assert!(socket.exists(), "nobody has cleared it away");
    assert_eq!(site.server.ok(&["server", "stop", "--json"]), "{\"v\":1,\"type\":\"stopped\",\"ran\":false}\n");
    let again = Background::start(&site);
    assert_eq!(again.status()["running"], true);
    let mode = fs::metadata(&socket).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may not ask");
}

#[test]
fn a_socket_that_does_not_answer_is_told_and_nothing_is_killed() {
    let site = Site::new();
    let socket = site.server.home().join("server/control");
    let _mute = UnixListener::bind(&socket).expect("a place");
    let asked = site.server.run(&["server", "status"]);
    asked.fails(4, "the server does not answer", "try again");
}

#[test]
fn a_passphrase_reaches_the_background_from_a_file_that_only_its_owner_reads() {
    let site = Site::new();
    let file = site.server.file("passphrase", "correct horse\nnot this\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    let path = file.to_str().expect("text");
    let home = site.server.path("second");
    let words = ["server", "init", "--bits", "3072", "--host", "127.0.0.1", "--passphrase", "--passphrase-file", path];
    let with_home = |words: &[&str]| {
        let mut command = site.server.command(words);
        command.env("DPEX_HOME", &home);
        crate::running::Running::start(command).ended()
    };
    with_home(&words).ok();
    let locked = with_home(&["server", "start", "--listen", "127.0.0.1"]);
    locked.fails(2, "cannot be used", "--passphrase-file");
    let started = with_home(&["server", "start", "--listen", "127.0.0.1", "--passphrase-file", path]);
    let stopped = with_home(&["server", "stop", "--json"]);
    started.ok();
    assert_eq!(stopped.ok(), "{\"v\":1,\"type\":\"stopped\",\"ran\":true}\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    with_home(&["server", "start", "--passphrase-file", path]).fails(2, "open to other users", "chmod 600");
}
