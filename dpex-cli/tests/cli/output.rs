//! How the program talks: answers on stdout, two lines for an error, and nothing that a script could not read.

use std::process::Stdio;

use crate::support::{Ended, Machine};

#[test]
fn help_version_completions_and_the_manual_need_no_home() {
    let machine = Machine::new().with_env("DPEX_PROT", "an unknown setting");
    assert!(machine.ok(&["--version"]).starts_with("dpex "));
    for words in [&["--help"][..], &["client", "--help"], &["client", "get", "--help"], &["server", "add", "-h"]] {
        assert!(machine.ok(words).contains("Usage:"), "{words:?}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(machine.ok(&["completions", shell]).contains("getall"), "{shell}");
    }
    let manual = machine.ok(&["man"]);
    for page in ["dpex 1", "dpex-client-get 1", "dpex-server-add 1"] {
        assert!(manual.contains(&format!(".TH {page}")), "{page}");
    }
    let pages = machine.home().with_file_name("pages");
    machine.ok(&["man", "--to", pages.to_str().expect("text")]);
    assert!(pages.join("dpex-client-getall.1").exists());
    assert!(!machine.home().exists());
}

#[test]
fn bad_usage_is_two_lines_as_every_error() {
    let machine = Machine::new();
    machine.run(&["sevrer"]).fails(2, "sevrer", "server");
    machine.run(&["server", "init"]).fails(2, "--host", "usage: dpex server init");
    machine.run(&["client", "get"]).fails(2, "NAME", "usage: dpex client get");
    machine.run(&["client", "get", "x", "--overwrite", "--rename"]).fails(2, "cannot be used with", "usage");
    assert_eq!(machine.run(&[]).code, Some(2));
}

#[test]
fn a_flag_that_is_given_twice_means_the_same_as_once() {
    let alice = Machine::client("alice");
    for words in [["-q", "client", "init", "-q"], ["client", "init", "-qq", "--quiet"], ["-v", "client", "init", "-vq"]]
    {
        let ended = alice.run(&words);
        assert_eq!(ended.stderr, "", "{words:?}");
        assert!(ended.ok().starts_with('{'), "{words:?}");
    }
}

#[test]
fn with_json_every_line_is_an_object_with_a_version_and_a_type() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let request = alice.ok(&["client", "init"]);
    let answer = server.run_with_input(&["server", "add", "-"], &request).ok();
    alice.run_with_input(&["client", "update", "-"], &answer).ok();
    for (machine, words, kind) in [
        (&alice, vec!["client", "init"], "request"),
        (&alice, vec!["client", "servers"], "server"),
        (&alice, vec!["client", "confirm"], "confirmed"),
        (&server, vec!["server", "clients"], "client"),
        (&server, vec!["server", "confirm", "alice"], "confirmed"),
        (&server, vec!["server", "path", "alice"], "path"),
        (&server, vec!["config"], "setting"),
        (&server, vec!["server", "init", "--host", "files.example.org"], "server-identity"),
    ] {
        let printed = machine.ok(&[&words[..], &["--json"]].concat());
        assert!(!printed.is_empty(), "{words:?}");
        for line in printed.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("one object a line");
            assert_eq!((&record["v"], &record["type"]), (&1.into(), &kind.into()), "{line}");
        }
    }
    let failed = server.run(&["server", "path", "nobody", "--json"]);
    let record: serde_json::Value = serde_json::from_str(&failed.stdout).expect("one object");
    assert_eq!((&record["type"], &record["code"]), (&"error".into(), &3.into()), "{failed:?}");
    assert_eq!(failed.stderr.lines().count(), 2);
}

#[test]
fn a_document_taken_out_of_the_json_is_as_good_as_the_printed_one() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let record: serde_json::Value = serde_json::from_str(&alice.ok(&["client", "init", "--json"])).expect("one object");
    let added = server.run_with_input(&["server", "add", "-", "--json"], &record["document"].to_string()).ok();
    let record: serde_json::Value = serde_json::from_str(&added).expect("one object");
    alice.run_with_input(&["client", "update", "-"], &record["document"].to_string()).ok();
}

#[test]
fn quiet_means_answers_only() {
    let alice = Machine::client("alice");
    let ended = alice.run(&["-q", "client", "init"]);
    assert_eq!((ended.stderr.as_str(), ended.stdout.is_empty()), ("", false));
    assert_eq!(alice.run(&["-q", "client", "servers"]).stderr, "");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let machine = Machine::new();
    for words in [&["completions", "bash"][..], &["man"], &["config"], &["--help"]] {
        let mut command = machine.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        drop(child.stdout.take());
        let ended = Ended::from(child.wait_with_output().expect("it ends"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

// NAM-11.
#[test]
fn what_was_typed_cannot_steer_the_terminal_through_an_error() {
    let ended = Machine::server().run(&["server", "path", "a\u{1b}[2J\u{202e}b"]);
    assert_eq!(ended.code, Some(3));
    assert!(!ended.stderr.contains(['\u{1b}', '\u{202e}']), "{ended:?}");
}
