//! Who got what: the owner's log, what watches it, and what is told to others.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::background::Background;
use crate::site::{Site, put};

fn log(site: &Site, words: &[&str]) -> Vec<Value> {
    let printed = site.server.ok(&[&["server", "log", "--json"], words].concat());
    printed.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().expect("a type")).collect()
}

#[test]
fn the_log_says_who_got_what_and_how_it_ended() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    let hash = put(&site.shelf("alice").join("report.pdf"), 3_000_000, "report");
    put(&site.shelf("bob").join("odd\u{202e}name"), 10, "odd");
    {
        let _background = Background::start(&site);
        alice.ok(&["client", "get", "report.pdf"]);
        alice.run(&["client", "get", "nothing"]);
        bob.run(&["client", "getall"]);
        site.server.ok(&["server", "confirm", "alice"]);
        site.server.ok(&["server", "set", "alice", "--limit", "5M"]);
        site.server.ok(&["server", "revoke", "bob"]);
        site.server.ok(&["server", "stop"]);
    }
    let hers = log(&site, &["alice"]);
    let got = hers.iter().find(|line| line["type"] == "got").expect("she got it");
    assert_eq!((&got["path"], &got["hash"]), (&"report.pdf".into(), &hash.to_string().into()));
    assert_eq!((&got["size"], &got["sent"]), (&3_000_000.into(), &3_000_000.into()));
    assert!(got["seconds"].is_f64());
    for kind in ["enrolled", "connected", "listed", "started", "got", "confirmed", "changed", "disconnected"] {
        assert!(kinds(&hers).contains(&kind), "{kind}: {hers:?}");
    }
    assert!(hers.iter().all(|line| line["person"] == "alice"));
    assert!(kinds(&log(&site, &["bob"])).contains(&"revoked"));
    let all = log(&site, &[]);
    assert!(kinds(&all).contains(&"server-started") && kinds(&all).ends_with(&["server-stopped"]), "{all:?}");
    let words = site.server.ok(&["server", "log", "-v"]);
    assert!(words.contains("alice: got report.pdf (3.0 MB") && !words.contains('\u{202e}'), "{words}");
    assert_eq!(site.server.ok(&["server", "log", "--since", "9998-01-01"]), "");
    assert_eq!(log(&site, &["--since", "1d"]).len(), all.len());
    site.server.run(&["server", "log", "--since", "yesterdayish"]).fails(2, "it is a day", "--help");
    let clients = site.server.ok(&["server", "clients", "--json"]);
    assert!(clients.contains("\"fetched\":3000000"), "{clients}");
}

#[test]
fn a_line_that_was_changed_is_found() {
    let site = Site::new();
    site.enrol("alice");
    site.server.ok(&["server", "confirm", "alice"]);
    let whole = site.server.ok(&["server", "log", "--verify"]);
    assert!(whole.contains("2 lines, unbroken"), "{whole}");
    let file = site.server.home().join("server/log/audit.jsonl");
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, text.replacen("alice", "bob", 1)).expect("ours");
    let found = site.server.run(&["server", "log", "--verify"]);
    assert_eq!(found.code, Some(7), "{found:?}");
    assert!(found.stdout.contains("line 2: the line before, number 1, was changed"), "{found:?}");
    assert!(found.stderr.contains("not as it was written"), "{found:?}");
    fs::write(&file, text.lines().next().expect("a line").to_owned() + "\n").expect("ours");
    let found = site.server.run(&["server", "log", "--verify"]);
    assert!(found.stdout.contains("lines 2 to 2 are missing after it"), "{found:?}");
}

#[test]
fn the_owners_command_hears_of_each_delivery_and_cannot_hold_it_up() {
    let site = Site::new();
    let heard = site.server.path("heard");
    let script = site.server.file("hook", &format!("#!/bin/sh\ncat >> {}\nsleep 600\n", heard.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("ours");
    let settings = format!("on-delivered = [{:?}]\n", script.to_str().expect("text"));
    fs::write(site.server.home().join("server/dpex.toml"), settings).expect("ours");
    let alice = site.enrol("alice");
    for n in 0..10 {
        put(&site.shelf("alice").join(n.to_string()), 10, &n.to_string());
    }
    let _background = Background::start(&site);
    alice.ok(&["client", "getall"]);
    let until = Instant::now() + Duration::from_secs(60);
    let lines = loop {
        let text = fs::read_to_string(&heard).unwrap_or_default();
        if text.lines().count() >= 4 || Instant::now() > until {
            break text;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // All four places are taken by commands that hang; the transfers are long over.
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(events.len(), 4, "{lines}");
    assert!(events.iter().all(|event| event["type"] == "got" && event["person"] == "alice" && event["size"] == 10));
}

#[test]
fn numbers_are_served_on_loopback_if_asked_for() {
    let site = Site::new();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let settings = format!("metrics = \"127.0.0.1:{port}\"\n");
    fs::write(site.server.home().join("server/dpex.toml"), settings).expect("ours");
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 1000, "a");
    let _background = Background::start(&site);
    alice.ok(&["client", "get", "a"]);
    let scrape = |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        text
    };
    let text = scrape("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for line in ["dpex_people 1\n", "dpex_files_delivered_total 1\n", "dpex_content_bytes_total 1000\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(scrape("GET /secrets HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
}

#[test]
fn the_log_of_somebody_nobody_knows_is_refused_and_of_somebody_who_did_nothing_is_empty() {
    let site = Site::new();
    site.enrol("alice");
    let nothing = site.server.run(&["server", "log", "alice", "--since", "2090-01-01"]);
    assert_eq!((nothing.code, &nothing.stdout[..]), (Some(0), ""), "{nothing:?}");
    site.server.run(&["server", "log", "alise"]).fails(3, "`alise`", "alice");
}
