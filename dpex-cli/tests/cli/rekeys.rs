//! New secrets in place of those that travelled in the answer: handed over in session, with an overlap, and then alone.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::background::Background;
use crate::site::{Site, put, text};
use crate::support::Machine;

/// What a server keeps of somebody.
fn record(site: &Site, name: &str) -> (PathBuf, Value) {
    let path = site.server.home().join("server/clients").join(name).join("client.json");
    let read = serde_json::from_slice(&fs::read(&path).expect("there")).expect("json");
    (path, read)
}

fn secrets(client: &Machine) -> (Value, Value) {
    let folder = client.home().join("client/servers");
    let file = fs::read_dir(folder).expect("there").next().expect("one").expect("readable").path();
    let known: Value = serde_json::from_slice(&fs::read(file).expect("there")).expect("json");
    (known["grant"]["psk"].clone(), known["grant"]["knock"].clone())
}

/// Does the gate's former secret still work?
fn is_former_open(site: &Site) -> bool {
    site.server.home().join("server/knock.former").exists()
}

/// Waits for what the server does a moment after it has answered.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: not so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// ENR-26, ENR-27, ENR-28, ENR-29.
#[test]
fn a_client_is_given_a_new_secret_and_the_old_one_works_until_it_is_used() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let _background = Background::start(&site);
    alice.ok(&["client", "ls"]);
    let (before, thief) = (secrets(&alice), alice.copy());
    site.server.ok(&["server", "rekey", "alice"]);
    let again = site.server.ok(&["server", "rekey", "alice", "--json"]);
    assert!(again.contains("\"state\":\"waiting\""), "one that she may hold is not replaced: {again}");
    thief.ok(&["client", "ls", "--json"]);
    alice.ok(&["client", "ls"]);
    let now = secrets(&alice);
    assert_ne!(now.0, before.0);
    assert_eq!(now.1, before.1, "the gate is as it was");
    assert_eq!(record(&site, "alice").1["grant"]["psk"], before.0, "not used yet");
    let older = thief.copy();
    alice.ok(&["client", "get", "a"]);
    eventually("what was replaced is forgotten", || record(&site, "alice").1["grant"]["psk"] == now.0);
    let (_, kept) = record(&site, "alice");
    assert_eq!((&kept["next_psk"], &kept["answer"]), (&Value::Null, &Value::from("")));
    // This copy was told the new one, too; what is left of the old one is in nobody's hands but a thief's.
    older.ok(&["client", "ls"]);
    let log = || site.server.ok(&["server", "log", "--json"]);
    assert!(log().contains("\"rekeyed\""), "{}", log());
    eventually("it is written down", || log().contains("\"renewed\""));
}

// ENR-27.
#[test]
fn who_has_only_the_old_secret_is_met_with_silence_once_the_new_one_was_used() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let request = site.server.file("same.json", &alice.ok(&["client", "init"]));
    let answer = alice.file("same-answer.json", &site.server.ok(&["server", "add", text(&request)]));
    let stale = alice.copy();
    // Without a server: it is taken when one starts.
    site.server.ok(&["server", "rekey", "--all"]);
    let _background = Background::start(&site);
    alice.ok(&["client", "ls"]);
    alice.ok(&["client", "ls"]);
    eventually("it was used", || record(&site, "alice").1["next_psk"].is_null());
    stale.run(&["client", "ls", "-q"]).fails(4, "no answer", "your access ended");
    let refused = site.server.run(&["server", "add", text(&request)]);
    refused.fails(2, "renewed since", "--replace");
    // The old answer, stored once more, does not bring the old secrets back.
    let same = alice.ok(&["client", "update", text(&answer), "--json"]);
    assert!(same.contains("\"state\":\"same\""), "{same}");
    alice.ok(&["client", "ls"]);
}

// ENR-26.
#[test]
fn the_gates_secret_is_renewed_and_the_old_one_works_until_everybody_has_the_new_one() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    let _background = Background::start(&site);
    let (before, stale) = (secrets(&alice), bob.copy());
    site.server.ok(&["server", "rekey", "--knock"]);
    for _ in 0..2 {
        alice.ok(&["client", "ls"]);
    }
    let now = secrets(&alice);
    assert_eq!(now.0, before.0);
    assert_ne!(now.1, before.1);
    site.server.run(&["server", "rekey", "--knock"]).fails(2, "have not come since", "--anyway");
    bob.ok(&["client", "ls"]);
    assert!(is_former_open(&site), "told is not come");
    assert!(site.server.run(&["server", "clients"]).stderr.contains("until these have come: `bob`"));
    bob.ok(&["client", "ls"]);
    eventually("the former gate is gone", || !is_former_open(&site));
    // And the running server knows it, without being told.
    let silent = stale.start(&["client", "ls", "-q"]);
    alice.ok(&["client", "ls"]);
    site.server.ok(&["server", "rekey", "--knock"]);
    // Somebody who stays away.
    alice.ok(&["client", "ls"]);
    alice.ok(&["client", "ls"]);
    site.server.run(&["server", "rekey", "--knock"]).fails(2, "last time: `bob`", "enrolled again");
    site.server.ok(&["server", "rekey", "--knock", "--anyway"]);
    bob.run(&["client", "ls", "-q"]).fails(4, "no answer", "your access ended");
    alice.ok(&["client", "ls"]);
    silent.ended().fails(4, "no answer", "your access ended");
}

// ENR-29.
#[test]
fn a_long_fetch_keeps_what_it_was_told_at_once_and_never_in_place_of_something_newer() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("big"), 12_000_000, "big");
    let _background = Background::start(&site);
    site.server.ok(&["server", "set", "--limit", "1M"]);
    let before = secrets(&alice);
    site.server.ok(&["server", "rekey", "alice", "--knock"]);
    let mut fetching = alice.start(&["client", "get", "big", "--json"]);
    fetching.wait_for("progress", |_| true);
    eventually("it is kept", || secrets(&alice) != before);
    // Another command uses it, and is given the next.
    alice.ok(&["client", "ls"]);
    eventually("it was used", || record(&site, "alice").1["next_psk"].is_null() && !is_former_open(&site));
    site.server.ok(&["server", "rekey", "alice", "--knock"]);
    alice.ok(&["client", "ls"]);
    let newest = secrets(&alice);
    alice.ok(&["client", "ls"]);
    eventually("it was used", || record(&site, "alice").1["next_psk"].is_null() && !is_former_open(&site));
    site.server.ok(&["server", "set", "--limit", "none"]);
    fetching.wait_for("file", |record| record["result"] == "done");
    assert_eq!(fetching.ended().code, Some(0));
    assert_eq!(secrets(&alice), newest);
    alice.ok(&["client", "ls"]);
}

#[test]
fn an_old_secret_is_renewed_unasked() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    {
        let _background = Background::start(&site);
        alice.ok(&["client", "ls"]);
    }
    for name in ["alice", "bob"] {
        let (path, mut kept) = record(&site, name);
        kept["grant"]["created"] = "2026-01-01T00:00:00Z".into();
        fs::write(path, kept.to_string()).expect("writable");
    }
    let _background = Background::start(&site);
    assert!(record(&site, "alice").1["next_psk"].is_string());
    assert!(record(&site, "bob").1["next_psk"].is_null(), "he may still hold the answer and nothing else");
    alice.ok(&["client", "ls"]);
    alice.ok(&["client", "ls"]);
    eventually("it was used", || record(&site, "alice").1["psk_since"].is_string());
    bob.ok(&["client", "ls"]);
}

#[test]
fn whom_to_rekey_must_be_said_and_known() {
    let site = Site::new();
    site.enrol("alice");
    site.server.run(&["server", "rekey"]).fails(2, "required", "--all");
    site.server.run(&["server", "rekey", "alice", "--all"]).fails(2, "cannot be used", "usage");
    site.server.run(&["server", "rekey", "--all", "--anyway"]).fails(2, "--knock", "usage");
    site.server.run(&["server", "rekey", "alise"]).fails(3, "`alise`", "alice");
    site.server.ok(&["server", "set", "alice", "--until", "2026-01-01"]);
    site.server.run(&["server", "rekey", "alice"]).fails(2, "last day of `alice` is over", "--until");
    site.server.ok(&["server", "revoke", "alice"]);
    site.server.run(&["server", "rekey", "alice"]).fails(2, "was ended", "--replace");
    assert_eq!(site.server.ok(&["server", "rekey", "--all", "--json"]), "");
}
