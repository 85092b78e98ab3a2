//! Settings as the program reads them: their sources, and what is wrong with them.

use std::fs;

use crate::site::text;
use crate::support::Machine;

fn setting(machine: &Machine, key: &str) -> (serde_json::Value, String) {
    let listed = machine.ok(&["config", "server", "--json"]);
    let found = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one object a line"))
        .find(|record| record["key"] == key)
        .unwrap_or_else(|| panic!("no {key} in {listed}"));
    (found["value"].clone(), found["source"].as_str().expect("text").to_owned())
}

#[test]
fn each_setting_is_shown_with_its_source() {
    let server = Machine::server();
    let file = server.home().join("server/dpex.toml").display().to_string();
    assert_eq!(setting(&server, "host"), ("files.example.org".into(), file));
    assert_eq!(setting(&server, "first-use-days"), (30.into(), "the default".into()));
    assert_eq!(setting(&server, "home").0, server.home().display().to_string());
    let server = server.with_env("DPEX_TRANSPORT_UDP__SEND_BUFFER", "4096");
    let expected = (4096.into(), "the environment variable DPEX_TRANSPORT_UDP__SEND_BUFFER".into());
    assert_eq!(setting(&server, "transport-udp.send-buffer"), expected);
    let table = server.ok(&["config"]);
    assert!(table.contains("DPEX_TRANSPORT_UDP__SEND_BUFFER") && table.contains("client"), "{table}");
}

#[test]
fn another_settings_file_takes_the_place_of_the_one_in_the_home() {
    let server = Machine::server();
    server.file("other.toml", "host = \"other.example.org\"");
    let listed = server.ok(&["--config", "other.toml", "config", "server"]);
    assert!(listed.contains("other.example.org") && !listed.contains("files.example.org"), "{listed}");
    server.run(&["--config", "none.toml", "config"]).fails(2, "there is no settings file none.toml", "--config");
}

#[test]
fn an_unknown_setting_is_named_with_its_file_and_the_nearest_one() {
    let server = Machine::server();
    let file = server.home().join("server/dpex.toml");
    let text = fs::read_to_string(&file).expect("there");
    fs::write(&file, format!("hosst = \"x\"\n{text}")).expect("writable");
    let expected = format!("unknown setting `hosst` in {}", file.display());
    server.run(&["config"]).fails(2, &expected, "did you mean `host`?");
    server.run(&["server", "add", "-"]).fails(2, &expected, "did you mean `host`?");
    Machine::new().with_env("DPEX_PROT", "1").run(&["config"]).fails(2, "variable DPEX_PROT", "`port`");
}

#[test]
fn a_backend_that_this_build_lacks_is_answered_with_those_it_has() {
    let machine = Machine::new().with_env("DPEX_CRYPTO", "botan");
    let ended = machine.run(&["client", "init"]);
    ended.fails(2, "this build has no crypto backend `botan` (it has: ", "choose one of: ");
    let ended = machine.run(&["server", "init", "--host", "example.org"]);
    ended.fails(2, "this build has no crypto backend `botan` (it has: ", "choose one of: ");
    let ended = Machine::new().run(&["--crypto", "botan", "client", "init"]);
    ended.fails(2, "this build has no crypto backend `botan` (it has: ", "--crypto");
    assert!(!machine.home().exists());
    let near = Machine::new().with_env("DPEX_CRYPTO", "aut").run(&["client", "init"]);
    near.fails(2, "no crypto backend `aut`", "did you mean `auto`?");
}

#[test]
fn a_backend_that_could_be_built_is_answered_with_its_feature() {
    let version = Machine::new().ok(&["--version"]);
    let has =
        version.lines().find_map(|line| line.strip_prefix("crypto")?.split('(').next()).expect("a line of its own");
    let has: Vec<_> = has.trim().split(", ").collect();
    for name in ["awslc", "openssl", "rustcrypto"].iter().filter(|name| !has.contains(name)) {
        let ended = Machine::new().run(&["--crypto", name, "client", "init"]);
        ended.fails(2, &format!("no crypto backend `{name}`"), &format!("rebuild with `--features crypto-{name}`"));
    }
}

#[test]
fn a_backend_that_this_build_lacks_is_named_before_anything_else_is_tried() {
    let (server, client) = (Machine::server(), Machine::client("alice"));
    for (flag, joint) in [("--store", "store"), ("--transport", "transport")] {
        let ended = server.run(&[flag, "tape", "server", "serve"]);
        ended.fails(2, &format!("no {joint} backend `tape`"), "choose one of: ");
    }
    let request = server.file("request.json", &client.ok(&["client", "init"]));
    let answer = client.file("answer.json", &server.ok(&["server", "add", text(&request)]));
    client.ok(&["client", "update", text(&answer)]);
    // The server's name has no address here.
    let ended = client.run(&["--transport", "tape", "client", "ls"]);
    ended.fails(2, "no transport backend `tape`", "choose one of: ");
}

#[test]
fn the_version_says_what_this_build_has_and_what_auto_means() {
    let text = Machine::new().ok(&["--version"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("dpex "), "{text}");
    for (line, joint) in lines[1..].iter().zip(["crypto", "store", "transport"]) {
        let (has, auto) = line.strip_prefix(joint).and_then(|rest| rest.split_once("(auto: ")).expect("a joint's line");
        let first = has.trim().split(", ").next().expect("at least one");
        assert!(auto.starts_with(first), "the first is the one that `auto` means: {line}");
        let flag = format!("--{joint}");
        let listed = Machine::new().ok(&[&flag, first, "config", "client"]);
        assert!(listed.lines().any(|line| line.contains(first) && line.contains(&flag)), "{listed}");
    }
    assert_eq!(lines.len(), 4, "{text}");
}

#[test]
fn the_written_settings_file_is_the_manual_with_what_was_chosen() {
    let server = Machine::server();
    let written = fs::read_to_string(server.home().join("server/dpex.toml")).expect("there");
    let manual = server.ok(&["config", "server", "--defaults"]);
    assert_eq!(written.lines().count(), manual.lines().count());
    assert!(written.contains("\nhost = \"files.example.org\"\n") && written.contains("\nname = \"Bob's files\"\n"));
    let in_force = written.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])).count();
    assert_eq!(in_force, 3, "{written}");
}

#[test]
fn a_server_without_a_host_cannot_answer() {
    let server = Machine::server().with_env("DPEX_HOST", "");
    let request = Machine::client("alice").ok(&["client", "init"]);
    let ended = server.run_with_input(&["server", "add", "-"], &request);
    ended.fails(2, "`host` in the environment variable DPEX_HOST", "the name or address");
    assert!(!server.home().join("server/clients").exists());
}
