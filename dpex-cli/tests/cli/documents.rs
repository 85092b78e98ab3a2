//! The two mails: what they enrol, and every way in which one is refused.

use std::fs;

use crate::support::{Ended, Machine};

/// Adds a request at the server: how it ended.
fn add(server: &Machine, request: &str, more: &[&str]) -> Ended {
    let file = server.file("request.txt", request);
    let mut words = vec!["server", "add", file.to_str().expect("text")];
    words.extend(more);
    server.run(&words)
}

/// Gives an answer to the client: how it ended.
fn update(client: &Machine, answer: &str, more: &[&str]) -> Ended {
    let file = client.file("answer.txt", answer);
    let mut words = vec!["client", "update", file.to_str().expect("text")];
    words.extend(more);
    client.run(&words)
}

/// Alice's request, the server's answer, and both machines.
fn exchanged() -> (Machine, Machine, String, String) {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let request = alice.ok(&["client", "init"]);
    let answer = add(&server, &request, &[]).ok();
    (alice, server, request, answer)
}

/// The document with one letter of its field's value changed.
fn with_changed_byte(document: &str, field: &str) -> String {
    let start = document.find(&format!("\"{field}\"")).expect("the field is there") + field.len() + 2;
    let value = start + document[start..].find('"').expect("a text value") + 1;
    // The fourth letter: never padding, and always among the letters of base64.
    let at = value + 4;
    let other = if &document[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &document[..at], &document[at + 1..])
}

#[test]
fn two_mails_enrol_a_person_and_both_sides_see_the_same_words() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let request = alice.ok(&["client", "init"]);
    let added = add(&server, &request, &[]);
    let words = added.words();
    assert!(added.stdout.starts_with('{') && added.stdout.trim_end().ends_with('}'), "only the document: {added:?}");
    let updated = update(&alice, &added.stdout, &[]);
    assert_eq!(updated.words(), words);
    assert_eq!(updated.ok(), "");

    for (machine, list, confirm) in [
        (&alice, ["client", "servers"], vec!["client", "confirm"]),
        (&server, ["server", "clients"], vec!["server", "confirm", "alice"]),
    ] {
        assert!(machine.ok(&list).contains("unconfirmed"));
        machine.ok(&confirm);
        assert!(!machine.ok(&list).contains("unconfirmed"));
    }
    let outgoing = server.ok(&["server", "path", "alice"]);
    assert!(fs::metadata(outgoing.trim_end()).expect("there").is_dir(), "{outgoing}");
    let known = fs::read_dir(alice.home().join("client/servers")).expect("there").count();
    assert_eq!(known, 1, "one server");
}

#[test]
fn the_same_request_and_the_same_answer_are_printed_again() {
    let (alice, server, request, answer) = exchanged();
    let identity = fs::read(alice.home().join("client/identity.pem")).expect("there");
    let again = alice.run(&["client", "init", "--name", "alice", "--bits", "3072"]);
    assert!(again.stderr.contains("same request again"), "{again:?}");
    assert_eq!(again.ok(), request);
    assert_eq!(fs::read(alice.home().join("client/identity.pem")).expect("there"), identity);

    let before = server.snapshot();
    let again = add(&server, &request, &[]);
    assert!(again.stderr.contains("same answer again"), "{again:?}");
    assert_eq!(again.ok(), answer);
    assert_eq!(server.snapshot(), before);

    update(&alice, &answer, &[]).ok();
    alice.ok(&["client", "confirm"]);
    let before = alice.snapshot();
    assert!(update(&alice, &answer, &[]).stderr.contains("stored before"));
    assert_eq!(alice.snapshot(), before, "and it stays confirmed");
}

#[test]
fn documents_survive_being_quoted_in_a_mail() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let mailed = |document: &str| {
        let quoted: String = document.lines().map(|line| format!("> {line}\r\n")).collect();
        format!("Hi,\r\n\r\nhere it is:\r\n\r\n{quoted}\r\n-- \r\nme\r\n")
    };
    let answer = add(&server, &mailed(&alice.ok(&["client", "init"])), &[]).ok();
    update(&alice, &mailed(&answer), &[]).ok();
}

#[test]
fn a_dash_reads_standard_input() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let request = alice.ok(&["client", "init"]);
    let answer = server.run_with_input(&["server", "add", "-"], &request).ok();
    alice.run_with_input(&["client", "update", "-"], &answer).ok();
}

#[test]
fn a_document_cut_short_is_refused_and_changes_nothing() {
    let (alice, server, request, answer) = exchanged();
    let (before_alice, before_server) = (alice.snapshot(), server.snapshot());
    add(&server, &request[..request.len() / 2], &[]).fails(7, "cut short", "ask for it again");
    update(&alice, &answer[..answer.len() / 2], &[]).fails(7, "cut short", "ask for it again");
    assert_eq!((alice.snapshot(), server.snapshot()), (before_alice, before_server));
}

// ENR-21.
#[test]
fn a_document_with_a_changed_byte_is_refused_and_changes_nothing() {
    let (alice, server, request, answer) = exchanged();
    let (before_alice, before_server) = (alice.snapshot(), server.snapshot());
    for field in ["nonce", "signature", "name"] {
        let ended = add(&server, &with_changed_byte(&request, field), &[]);
        ended.fails(7, "failed to add", "ask for it again");
    }
    for field in ["wrappedKey", "encData", "signature", "serverName"] {
        let ended = update(&alice, &with_changed_byte(&answer, field), &[]);
        ended.fails(7, "failed to accept", "ask for it again");
    }
    assert_eq!((alice.snapshot(), server.snapshot()), (before_alice, before_server));
}

#[test]
fn an_answer_for_somebody_else_is_refused() {
    let (_, _, _, answer) = exchanged();
    let bob = Machine::client("bob");
    let before = bob.snapshot();
    update(&bob, &answer, &[]).fails(7, "somebody else", "--home");
    assert_eq!(bob.snapshot(), before);
}

#[test]
fn each_document_says_when_it_was_given_to_the_wrong_command() {
    let (alice, server, request, answer) = exchanged();
    update(&alice, &request, &[]).fails(2, "request (mail 1)", "dpex server add");
    add(&server, &answer, &[]).fails(2, "answer (mail 2)", "dpex client update");
}

#[test]
fn two_documents_in_one_text_are_refused_and_change_nothing() {
    let (alice, server, request, answer) = exchanged();
    let (before_alice, before_server) = (alice.snapshot(), server.snapshot());
    let twice = |document: &str| format!("Here:\n{document}\nand again:\n{document}");
    add(&server, &twice(&request), &[]).fails(2, "failed to add", "leave one of them");
    update(&alice, &twice(&answer), &[]).fails(2, "failed to accept", "leave one of them");
    assert_eq!((alice.snapshot(), server.snapshot()), (before_alice, before_server));
}

#[test]
fn what_is_no_document_is_refused() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    add(&server, "Hello Bob, where is my file?", &[]).fails(2, "no dpex document", "the file that came by mail");
    update(&alice, "", &[]).fails(2, "no dpex document", "the file that came by mail");
    server.run(&["server", "add", "nowhere.json"]).fails(2, "there is no file nowhere.json", "`-`");
    server.run(&["server", "add", "."]).fails(2, "it is a folder", "the path of the document");
    server.run(&["server", "add", "nowhere/x"]).fails(2, "there is no file", "the path of the document");
    alice.run(&["client", "update", "."]).fails(2, "it is a folder", "the path of the document");
}

// ENR-22.
#[test]
fn another_key_under_a_known_name_needs_a_word_and_keeps_the_files() {
    let (_, server, _, old) = exchanged();
    let shelf = server.ok(&["server", "path", "alice"]);
    fs::write(format!("{}/report.pdf", shelf.trim_end()), "x").expect("writable");
    server.ok(&["server", "confirm", "alice"]);
    let request = Machine::client("bob").ok(&["client", "init"]);
    let before = server.snapshot();
    add(&server, &request, &["--name", "alice"]).fails(2, "another key is enrolled as `alice`", "--replace");
    assert_eq!(server.snapshot(), before);

    let answer = add(&server, &request, &["--name", "alice", "--replace"]).ok();
    assert_ne!(answer, old);
    assert!(server.ok(&["server", "clients"]).contains("unconfirmed"), "another key is another comparison");
    assert!(fs::exists(format!("{}/report.pdf", shelf.trim_end())).expect("readable"));
}

#[test]
fn a_person_has_one_name_at_a_server() {
    let (_, server, request, _) = exchanged();
    let ended = add(&server, &request, &["--name", "alicia"]);
    ended.fails(2, "enrolled already, as `alice` and not as `alicia`", "leave --name out");
    add(&server, &request, &["--name", "../alice"]).fails(2, "folder name", "");
}

#[test]
fn a_server_that_answers_anew_with_the_same_key_is_renewed_without_a_question() {
    let (alice, server, request, first) = exchanged();
    update(&alice, &first, &["--as", "bob"]).ok();
    alice.ok(&["client", "confirm", "bob"]);
    let second = add(&server, &request, &["--replace"]).ok();
    assert_ne!(first, second);
    update(&alice, &second, &["--as", "other"]).fails(2, "known already, as `bob`", "leave --as out");
    update(&alice, &second, &[]).ok();
    let servers = alice.ok(&["client", "servers"]);
    assert!(servers.contains("bob") && servers.contains("unconfirmed"), "{servers}");
}

#[test]
fn a_second_server_of_the_same_name_needs_a_name_of_its_own_or_a_word() {
    let (alice, _, request, answer) = exchanged();
    update(&alice, &answer, &[]).ok();
    let impostor = Machine::new();
    impostor.ok(&["server", "init", "--bits", "3072", "--host", "evil.example.org", "--name", "Bob's files"]);
    let other = add(&impostor, &request, &[]).ok();
    let before = alice.snapshot();
    update(&alice, &other, &[]).fails(2, "another key, is known as `bobs-files`", "--as NAME");
    assert_eq!(alice.snapshot(), before);
    update(&alice, &other, &["--as", "second"]).ok();
    alice.run(&["client", "confirm"]).fails(2, "there are 2 servers", "bobs-files, second");
    assert_eq!(alice.ok(&["client", "servers", "--json"]).lines().count(), 2);
}
