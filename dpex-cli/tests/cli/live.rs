//! What the owner changes while the server runs takes effect at once, for whom it concerns and for nobody else.

use std::fs;
use std::time::{Duration, Instant};

use crate::background::Background;
use crate::site::{Site, put, text};
use crate::support::Machine;

#[test]
fn who_is_added_while_it_runs_comes_in_at_once() {
    let site = Site::new();
    let _background = Background::start(&site);
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    assert_eq!(alice.ok(&["client", "ls"]), "a\n");
    let bob = site.enrol("bob");
    put(&site.shelf("bob").join("b"), 10, "b");
    assert_eq!(bob.ok(&["client", "ls"]), "b\n");
    assert_eq!(alice.ok(&["client", "ls"]), "a\n", "and nobody is disturbed");
}

#[test]
fn the_end_of_an_access_ends_a_transfer_within_a_second_with_its_reason_and_touches_nobody_else() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    for name in ["alice", "bob"] {
        put(&site.shelf(name).join("big"), 12_000_000, name);
    }
    let _background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "4M"]);
    let mut hers = alice.start(&["client", "get", "big", "--json"]);
    let mut his = bob.start(&["client", "get", "big", "--json"]);
    for fetching in [&mut hers, &mut his] {
        fetching.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    }
    site.server.ok(&["server", "revoke", "alice"]);
    let revoked = Instant::now();
    let ended = hers.ended();
    // On a machine that is busy with other tests even this takes its time; a transfer would take seconds more.
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stderr.contains("ended your access: it was revoked"), "{ended:?}");
    site.server.ok(&["server", "set", "--limit", "none"]);
    assert_eq!(his.wait_for("file", |_| true)["result"], "done");
    alice.run(&["client", "ls", "-q"]).fails(4, "no answer", "your access ended");
    // What she had is kept, and goes on when she is let in again.
    let request = site.server.file("again.json", &alice.ok(&["client", "init"]));
    let answer = site.server.ok(&["server", "add", text(&request), "--replace"]);
    let answer = alice.file("answer.json", &answer);
    alice.ok(&["client", "update", text(&answer)]);
    let again = alice.run(&["client", "get", "big", "--json"]);
    assert!(again.stdout.contains("\"resume\""), "{again:?}");
    again.ok();
}

#[test]
fn a_last_day_that_is_over_ends_an_access_and_a_later_one_gives_it_back() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("big"), 12_000_000, "big");
    let _background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "2M"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    site.server.ok(&["server", "set", "alice", "--until", "2026-01-01"]);
    let ended = fetching.ended();
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stderr.contains("ended your access: its last day is over"), "{ended:?}");
    let listed = site.server.ok(&["server", "clients"]);
    assert!(listed.contains("expired"), "{listed}");
    site.server.ok(&["server", "set", "alice", "--until", "9998-12-31"]);
    assert_eq!(alice.ok(&["client", "ls"]), "big\n");
    site.server.ok(&["server", "set", "alice", "--until", "never"]);
    assert!(site.server.ok(&["server", "clients"]).contains("active"));
    site.server.run(&["server", "set", "alice", "--until", "soon"]).fails(2, "it is a day", "--help");
    site.server.run(&["server", "set", "alice"]).fails(2, "nothing to change", "--until");
    site.server.run(&["server", "set", "--until", "never"]).fails(2, "required", "usage");
}

#[test]
fn confirming_the_words_opens_the_shelf_of_a_session_that_is_open() {
    let site = Site::new();
    fs::write(site.server.home().join("server/dpex.toml"), "require-confirmed = true\n").expect("ours");
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let _background = Background::start(&site);
    assert_eq!(alice.ok(&["client", "ls"]), "");
    site.server.ok(&["server", "confirm", "alice"]);
    assert_eq!(alice.ok(&["client", "ls"]), "a\n");
}

#[test]
fn a_cap_is_kept_is_shared_and_is_lifted_at_once() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    for name in ["alice", "bob"] {
        put(&site.shelf(name).join("big"), 3_000_000, name);
    }
    let background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "2M"]);
    let began = Instant::now();
    let fetching = [alice.start(&["client", "get", "big"]), bob.start(&["client", "get", "big"])];
    for one in fetching {
        one.ended().ok();
    }
    // It cannot be faster than this, however fast the machine is.
    assert!(began.elapsed() >= Duration::from_millis(2_900), "{:?}", began.elapsed());
    site.server.ok(&["server", "set", "--limit", "none"]);
    site.server.ok(&["server", "set", "alice", "--limit", "500K", "--sessions", "1"]);
    fs::remove_file(alice.path("big")).expect("ours");
    let mut slow = alice.start(&["client", "get", "big", "--json"]);
    slow.wait_for("start", |_| true);
    let status = background.status();
    let rate = status["sessions"][0]["rate"].as_u64().expect("a rate");
    assert!(rate < 1_500_000, "{status}");
    assert_eq!(status["sessions"][0]["person"], "alice");
    fs::remove_file(bob.path("big")).expect("ours");
    bob.ok(&["client", "get", "big"]);
    // The one place is taken by somebody who speaks.
    alice.run(&["client", "ls"]).fails(5, "too many connections", "end one");
    site.server.ok(&["server", "set", "alice", "--limit", "none"]);
    assert_eq!(slow.wait_for("file", |_| true)["result"], "done");
    let listed = site.server.ok(&["server", "clients", "--json"]);
    assert!(listed.contains("\"sessions\":1"), "{listed}");
    for wrong in ["20MB", "8-18 2M", "fast"] {
        site.server.run(&["server", "set", "--limit", wrong]).fails(2, "is not a limit", "--help");
    }
}

#[test]
fn an_edited_limit_is_taken_by_reload_and_a_wrong_one_is_refused_and_changes_nothing() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    site.server.run(&["server", "reload"]).fails(4, "no server runs here", "dpex server start");
    let _background = Background::start(&site);
    let settings = site.server.home().join("server/dpex.toml");
    fs::write(&settings, "limit = [\"1M\", \"08:00-18:00 2M\"]\n").expect("ours");
    site.server.ok(&["server", "reload"]);
    fs::write(&settings, "limit = [\"quick\"]\n").expect("ours");
    site.server.run(&["server", "reload"]).fails(2, "is not a limit", "dpex config");
    fs::write(&settings, "").expect("ours");
    site.server.ok(&["server", "reload"]);
    assert_eq!(alice.ok(&["client", "ls"]), "a\n");
}

#[test]
fn a_server_that_moves_tells_those_who_connect_and_they_find_it_at_its_new_place() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let new_port = crate::site::free_port();
    let settings = site.server.home().join("server/dpex.toml");
    {
        let _background = Background::start(&site);
        fs::write(&settings, format!("also = [\"127.0.0.1:{new_port}\"]\n")).expect("ours");
        site.server.ok(&["server", "reload"]);
        let listed = alice.run(&["client", "ls"]);
        assert!(listed.stderr.contains(&format!("127.0.0.1:{new_port} from now on")), "{listed:?}");
        assert_eq!(listed.ok(), "a\n");
        assert!(!alice.run(&["client", "ls"]).stderr.contains("from now on"), "it is no news any more");
        fs::write(&settings, "also = [\"not a place\"]\n").expect("ours");
        site.server.run(&["server", "reload"]).fails(2, "`also`", "dpex config");
    }
    fs::write(&settings, "").expect("ours");
    // The old place is silent now.
    site.server.ok(&["server", "start", "--listen", "127.0.0.1", "--port", &new_port.to_string()]);
    let listed = alice.run(&["client", "ls"]);
    site.server.ok(&["server", "stop"]);
    assert_eq!(listed.ok(), "a\n");
}

#[test]
fn a_revocation_reaches_a_running_server_whose_settings_are_broken_and_what_it_cut_off_is_written_down() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("big"), 12_000_000, "big");
    let _background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "2M"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    let settings = site.server.home().join("server/dpex.toml");
    let whole = fs::read_to_string(&settings).expect("text");
    fs::write(&settings, format!("hots = 3\n{whole}")).expect("ours");
    let revoked = site.server.run(&["server", "revoke", "alice"]);
    assert_eq!(revoked.code, Some(4), "it is not known to have been taken: {revoked:?}");
    let ended = fetching.ended();
    assert_eq!(ended.code, Some(5), "{ended:?}");
    fs::write(&settings, whole).expect("ours");
    site.server.ok(&["server", "revoke", "alice"]);
    site.server.ok(&["server", "stop"]);
    let log = site.server.ok(&["server", "log", "alice"]);
    assert!(log.contains("did not get big: disconnected (by us)"), "{log}");
}

#[test]
fn a_folder_that_was_replaced_is_offered_after_a_reload() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    put(&shelf.join("old"), 10, "old");
    let _background = Background::start(&site);
    assert_eq!(alice.ok(&["client", "ls"]), "old\n");
    fs::rename(&shelf, shelf.with_file_name("before")).expect("ours");
    fs::create_dir(&shelf).expect("ours");
    put(&shelf.join("new"), 10, "new");
    site.server.ok(&["server", "reload"]);
    assert_eq!(alice.ok(&["client", "ls"]), "new\n");
}

#[test]
fn a_disk_that_takes_nothing_does_not_keep_anybody_in() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    put(&site.shelf("alice").join("big"), 12_000_000, "big");
    let background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "2M"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |record| record["have"].as_u64() > Some(0));
    // As if there were no room: a folder stands where the new record would be written.
    let in_the_way = site.server.home().join("server/clients/alice/.client.json.new");
    fs::create_dir(&in_the_way).expect("writable");
    fs::write(in_the_way.join("x"), "").expect("writable");
    site.server.run(&["server", "revoke", "alice"]).fails(
        6,
        "out of the running server, but not for good",
        "make room",
    );
    assert_eq!(fetching.ended().code, Some(5));
    site.server.ok(&["server", "reload"]);
    alice.run(&["client", "ls", "-q"]).fails(4, "no answer", "your access ended");
    bob.ok(&["client", "ls"]);
    drop(background);
    // Without a server there is nobody to tell.
    site.server.run(&["server", "revoke", "alice"]).fails(6, "failed to write", "");
    fs::remove_dir_all(&in_the_way).expect("ours");
    site.server.ok(&["server", "revoke", "alice"]);
}

#[test]
fn a_limit_is_written_through_a_link_and_written_down() {
    let site = Site::new();
    let (settings, kept) = (site.server.home().join("server/dpex.toml"), site.server.path("kept.toml"));
    fs::rename(&settings, &kept).expect("ours");
    std::os::unix::fs::symlink(&kept, &settings).expect("ours");
    site.server.ok(&["server", "set", "--limit", "2M"]);
    assert!(fs::symlink_metadata(&settings).expect("there").is_symlink());
    assert!(fs::read_to_string(&kept).expect("text").contains("limit = [\"2M\"]"));
    assert!(site.server.ok(&["server", "log"]).contains("the limit for all was changed"));
}

#[test]
fn places_that_were_told_once_are_taken_back() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let _background = Background::start(&site);
    let settings = site.server.home().join("server/dpex.toml");
    let known = || fs::read_to_string(alice.home().join("client/servers").join(server_file(&alice))).expect("text");
    alice.ok(&["client", "ls"]);
    fs::write(&settings, "also = [\"127.0.0.1:9999\"]\n").expect("ours");
    site.server.ok(&["server", "reload"]);
    alice.ok(&["client", "ls"]);
    assert!(known().contains(":9999"), "{}", known());
    fs::write(&settings, "").expect("ours");
    site.server.ok(&["server", "reload"]);
    alice.ok(&["client", "ls"]);
    assert!(!known().contains(":9999"), "{}", known());
}

fn server_file(client: &Machine) -> std::ffi::OsString {
    let mut files = fs::read_dir(client.home().join("client/servers")).expect("there");
    files.next().expect("one").expect("readable").file_name()
}
