//! What `init` makes, and homes that are missing, loose, full of leftovers, or not to be written.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;

use crate::support::{Ended, Machine};

fn chmod(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn a_command_before_init_says_what_to_run_first() {
    let machine = Machine::new();
    machine.run(&["client", "servers"]).fails(3, "there is no client in", "dpex client init");
    machine.run(&["client", "confirm"]).fails(3, "there is no client in", "dpex client init");
    machine.run(&["client", "update", "-"]).fails(3, "there is no client in", "dpex client init");
    machine.run(&["server", "clients"]).fails(2, "there is no server in", "dpex server init");
    machine.run(&["server", "add", "-"]).fails(2, "there is no server in", "dpex server init");
    machine.run(&["server", "path", "alice"]).fails(2, "there is no server in", "dpex server init");
    assert!(!machine.home().exists(), "asking makes nothing");
}

// ENR-25.
#[test]
fn everything_in_a_home_is_closed_to_others() {
    for machine in [Machine::client("alice"), Machine::server()] {
        for path in machine.snapshot().keys() {
            let mode = fs::metadata(path).expect("there").mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        }
    }
}

#[test]
fn a_private_key_is_readable_by_other_tools() {
    let pem = fs::read_to_string(Machine::client("alice").home().join("client/identity.pem")).expect("there");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{}", &pem[..40]);
    assert!(pem.ends_with("-----END PRIVATE KEY-----\n"));
}

// ENR-25.
#[test]
fn a_loose_mode_is_refused_with_the_command_that_mends_it() {
    let (client, server) = (Machine::client("alice"), Machine::server());
    let request = client.ok(&["client", "init"]);
    let request = server.file("alice.json", &request);
    let request = request.to_str().expect("text");
    server.ok(&["server", "add", request]);
    for (machine, path, loose, tight, words) in [
        (&client, "client", 0o755, "700", vec!["client", "init"]),
        (&client, "client/identity.pem", 0o644, "600", vec!["client", "init"]),
        (&server, "server", 0o750, "700", vec!["server", "clients"]),
        (&server, "server/identity.pem", 0o640, "600", vec!["server", "add", request, "--replace"]),
        (&server, "server/knock.key", 0o604, "600", vec!["server", "add", request, "--replace"]),
        (&server, "server/clients", 0o701, "700", vec!["server", "clients"]),
        (&server, "server/clients/alice", 0o710, "700", vec!["server", "clients"]),
        (&server, "server/clients/alice/client.json", 0o644, "600", vec!["server", "path", "alice"]),
    ] {
        let path = machine.home().join(path);
        chmod(&path, loose);
        let mend = format!("chmod {tight} {}", path.display());
        machine.run(&words).fails(2, "open to other users", &mend);
        chmod(&path, u32::from_str_radix(tight, 8).expect("octal"));
        machine.run(&words).ok();
    }
    chmod(&server.home(), 0o777);
    server.run(&["server", "clients"]).fails(2, "open to other users", "chmod go-w");
}

#[test]
fn a_home_that_cannot_be_written_is_a_disk_problem() {
    let machine = Machine::new();
    let file = machine.file("file", "");
    let below = file.join("home");
    let home = below.to_str().expect("text");
    machine.run(&["--home", home, "client", "init"]).fails(6, "failed to make the folder", "--home DIR");
    machine.run(&["--home", home, "server", "init", "--host", "a.example"]).fails(6, "failed to make", "--home DIR");

    let closed = machine.home();
    fs::create_dir(&closed).expect("writable");
    chmod(&closed, 0o500);
    // Root may write everywhere, so that only another user can see this one.
    if fs::write(closed.join("probe"), "").is_err() {
        machine.run(&["client", "init", "--bits", "3072"]).fails(6, "permission denied", "--home DIR");
    }
    chmod(&closed, 0o700);
}

#[test]
fn a_key_size_that_is_not_offered_is_refused() {
    let machine = Machine::new();
    for bits in ["2048", "8192", "many"] {
        let ended = machine.run(&["client", "init", "--bits", bits]);
        ended.fails(2, bits, "");
        assert!(ended.stderr.contains("3072, 4096"), "{ended:?}");
    }
    assert!(!machine.home().exists());
}

#[test]
fn an_identity_is_made_once_and_never_silently_another_one() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    let (before_alice, before_server) = (alice.snapshot(), server.snapshot());
    alice.run(&["client", "init", "--name", "carol"]).fails(2, "made already, for `alice`", "--home DIR");
    alice.run(&["client", "init", "--bits", "4096"]).fails(2, "made already, with 3072 bits", "--home DIR");
    let other = server.run(&["server", "init", "--host", "other.example.org"]);
    other.fails(2, "`host` = `files.example.org`", "dpex.toml");
    let again = server.run(&["server", "init", "--host", "files.example.org"]);
    assert!(again.stderr.contains("set up before"), "{again:?}");
    assert_eq!((alice.snapshot(), server.snapshot()), (before_alice, before_server));
}

#[test]
fn a_refused_init_leaves_nothing_behind() {
    let machine = Machine::new();
    machine.run(&["client", "init", "--name", " "]).fails(2, "cannot be a name", "--name");
    machine.run(&["server", "init", "--host", "exa mple"]).fails(2, "cannot be a host", "without a port");
    machine.run(&["server", "init", "--host", "example.org:9473"]).fails(2, "cannot be a host", "without a port");
    machine.run(&["server", "init", "--host", "example.org", "--port", "0"]).fails(2, "--port", "");
    assert!(!machine.home().exists());
}

#[test]
fn an_init_that_was_interrupted_starts_over() {
    let machine = Machine::client("alice");
    fs::remove_file(machine.home().join("client/identity.pem")).expect("there");
    fs::write(machine.home().join("client/.identity.pem.new"), "half of").expect("writable");
    let made = machine.run(&["client", "init", "--name", "anna", "--bits", "3072"]);
    assert!(made.stderr.contains("Your identity is made"), "{made:?}");
    assert!(made.stdout.contains("\"anna\""), "{made:?}");
    assert!(!machine.home().join("client/.identity.pem.new").exists());
}

#[test]
fn a_request_that_was_lost_is_made_again_for_the_same_identity() {
    let machine = Machine::client("alice");
    let identity = fs::read(machine.home().join("client/identity.pem")).expect("there");
    fs::remove_file(machine.home().join("client/request.json")).expect("there");
    let again = machine.ok(&["client", "init", "--name", "alice"]);
    assert!(again.contains("enrol-request"), "{again}");
    assert_eq!(fs::read(machine.home().join("client/identity.pem")).expect("there"), identity);
}

#[test]
fn two_inits_at_the_same_moment_make_one_identity() {
    let machine = Machine::new();
    let start = || {
        let mut command = machine.command(&["client", "init", "--bits", "3072", "--name", "alice"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
    };
    let both = [start(), start()].map(|child| Ended::from(child.wait_with_output().expect("it ends")).ok());
    assert_eq!(both[0], both[1]);
}

#[test]
fn two_enrolments_at_the_same_moment_both_take_effect() {
    let server = Machine::server();
    let requests = ["alice", "bob"].map(|name| {
        let request = Machine::client(name).ok(&["client", "init"]);
        server.file(name, &request)
    });
    let children = requests.map(|request| {
        let mut command = server.command(&["server", "add", request.to_str().expect("text")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
    });
    for child in children {
        Ended::from(child.wait_with_output().expect("it ends")).ok();
    }
    let clients = server.ok(&["server", "clients", "--json"]);
    assert_eq!(clients.lines().count(), 2, "{clients}");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_known_one() {
    let (alice, server) = (Machine::client("alice"), Machine::server());
    server.run(&["server", "confirm", "alice"]).fails(3, "nobody of the name `alice`", "dpex server add");
    alice.run(&["client", "confirm"]).fails(3, "no server yet", "dpex client update");
    let answer = server.run_with_input(&["server", "add", "-"], &alice.ok(&["client", "init"])).ok();
    alice.run_with_input(&["client", "update", "-"], &answer).ok();
    server.run(&["server", "path", "Alise"]).fails(3, "nobody of the name `Alise`", "did you mean `alice`?");
    server.run(&["server", "path", "zzz"]).fails(3, "nobody of the name `zzz`", "known are: alice");
    server.run(&["server", "path", "../server"]).fails(3, "nobody of the name", "alice");
    alice.run(&["client", "confirm", "bob-files"]).fails(3, "no server of the name", "did you mean `bobs-files`?");
}

#[test]
fn a_damaged_record_is_named() {
    let server = Machine::server();
    let request = Machine::client("alice").ok(&["client", "init"]);
    server.run_with_input(&["server", "add", "-"], &request).ok();
    let record = server.home().join("server/clients/alice/client.json");
    let whole = fs::read(&record).expect("there");
    fs::write(&record, &whole[..whole.len() / 2]).expect("writable");
    server.run(&["server", "clients"]).fails(2, "client.json is damaged", "backup");
    let identity = server.home().join("server/identity.pem");
    fs::write(&record, &whole).expect("writable");
    fs::write(&identity, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("writable");
    let again = server.run_with_input(&["server", "add", "-", "--replace"], &request);
    again.fails(2, "identity.pem cannot be used", "backup");
    assert_eq!(fs::read(&record).expect("there"), whole);
}
