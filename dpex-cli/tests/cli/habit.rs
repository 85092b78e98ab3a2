//! Fetching as a habit: what a second run takes for here, what is new, what differs, and one file to standard output.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::running::Running;
use crate::site::{Site, hash, put, records, summary};
use crate::support::{Ended, Machine};

fn getall(client: &Machine, more: &[&str]) -> Ended {
    client.run(&[&["--json", "client", "getall", "--to", "in"], more].concat())
}

fn new(client: &Machine) -> Vec<String> {
    let listed = client.ok(&["client", "ls", "--new", "--to", "in"]);
    listed.lines().map(str::to_owned).collect()
}

fn set_time(path: &std::path::Path, time: SystemTime) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("ours");
}

#[test]
fn a_second_run_fetches_what_is_new_or_changed_and_ls_new_tells_before() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    for name in ["a", "docs/b", "docs/deep/c"] {
        put(&shelf.join(name), 3000, name);
    }
    let _server = site.serve();
    assert_eq!(new(&alice), ["a", "docs/b", "docs/deep/c"]);
    assert_eq!(alice.ok(&["client", "ls", "docs", "--new", "--to", "in"]), "docs/b\ndocs/deep/c\n");
    assert_eq!(summary(&getall(&alice, &[])), (3, 0, 0));
    assert_eq!(new(&alice), [""; 0]);
    assert_eq!(summary(&getall(&alice, &[])), (0, 3, 0));

    put(&shelf.join("new"), 5, "new");
    let changed = put(&shelf.join("a"), 3000, "other content of the same size");
    assert_eq!(new(&alice), ["a", "new"]);
    let ended = getall(&alice, &[]);
    assert_eq!((ended.code, summary(&ended)), (Some(1), (1, 2, 1)), "what changed is kept: {ended:?}");
    assert_eq!(new(&alice), ["a"]);
    assert_eq!(summary(&getall(&alice, &["--overwrite"])), (1, 3, 0));
    assert_eq!(hash(&alice.path("in/a")), changed);
    assert_eq!(new(&alice), [""; 0]);
}

/// Else a program that sets times back, as archivers do, would hide a change for ever.
#[test]
fn a_change_within_the_size_and_the_time_of_a_file_is_found_by_its_version() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let file = site.shelf("alice").join("a");
    put(&file, 3000, "before");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    set_time(&file, time);
    let _server = site.serve();
    assert_eq!(summary(&getall(&alice, &[])), (1, 0, 0));
    let changed = put(&file, 3000, "after");
    set_time(&file, time);
    let ended = getall(&alice, &[]);
    assert_eq!((ended.code, summary(&ended)), (Some(1), (0, 0, 1)), "{ended:?}");
    assert_eq!(summary(&getall(&alice, &["--overwrite"])), (1, 0, 0), "though size and time agree");
    assert_eq!(hash(&alice.path("in/a")), changed);
    assert_eq!(summary(&getall(&alice, &[])), (0, 1, 0));
}

#[test]
fn what_was_only_touched_on_the_server_is_compared_and_not_fetched() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let file = site.shelf("alice").join("a");
    put(&file, 5_000_000, "a");
    let _server = site.serve();
    assert_eq!(summary(&getall(&alice, &[])), (1, 0, 0));
    set_time(&file, SystemTime::now() + Duration::from_secs(5));
    assert_eq!(summary(&getall(&alice, &[])), (0, 1, 0));
    assert_eq!(new(&alice), [""; 0], "and that is remembered");
}

#[test]
fn verify_names_what_differs_what_is_missing_and_nothing_else() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["a", "b", "docs/c", "docs/d"] {
        put(&site.shelf("alice").join(name), 40_000, name);
    }
    let _server = site.serve();
    assert_eq!(summary(&getall(&alice, &[])), (4, 0, 0));
    let verify = |words: &[&str]| alice.run(&[&["client", "verify", "--to", "in"], words].concat());
    assert_eq!(verify(&[]).ok(), "");

    // A flipped bit that neither size nor time tells, as disks do it.
    let before = fs::metadata(alice.path("in/docs/c")).and_then(|meta| meta.modified()).expect("there");
    let mut content = fs::read(alice.path("in/docs/c")).expect("there");
    content[20_000] ^= 1;
    fs::write(alice.path("in/docs/c"), content).expect("ours");
    set_time(&alice.path("in/docs/c"), before);
    fs::remove_file(alice.path("in/b")).expect("ours");
    assert_eq!(summary(&getall(&alice, &[])), (1, 3, 0), "a quick look does not see it");
    fs::remove_file(alice.path("in/b")).expect("ours");

    let ended = verify(&[]);
    assert_eq!((ended.code, &*ended.stdout), (Some(7), "missing  b\ndiffers  docs/c\n"), "{ended:?}");
    assert!(ended.stderr.contains("error: 1 file here differs from the server's\nhint: "), "{ended:?}");
    let only = verify(&["b"]);
    assert_eq!((only.code, &*only.stdout), (Some(1), "missing  b\n"), "{only:?}");
    assert_eq!(verify(&["docs/d"]).ok(), "");
    let told = records(&alice.run(&["--json", "client", "verify", "docs", "--to", "in"]));
    let told: Vec<_> = told.iter().filter(|record| record["type"] == "verified").collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|record| (record["result"] == "differs") == (record["path"] == "docs/c")), "{told:?}");
    let help = alice.ok(&["client", "verify", "--help"]);
    assert!(help.contains("what the server read when it last hashed that version"), "{help}");
    verify(&["nothing", "-q"]).fails(5, "failed to list `nothing`", "");

    let ended = getall(&alice, &["--verify"]);
    assert_eq!((ended.code, summary(&ended)), (Some(1), (1, 2, 1)), "{ended:?}");
    for result in [(1, 3, 0), (0, 4, 0)] {
        let ended = getall(&alice, &["--verify", "--rename"]);
        assert_eq!((ended.code, summary(&ended)), (Some(0), result), "put beside it, and found there: {ended:?}");
    }
    assert_eq!(hash(&alice.path("in/docs/c (2)")), hash(&site.shelf("alice").join("docs/c")));
    assert_eq!(verify(&["docs/c"]).code, Some(7), "what is here stays");
    assert_eq!(summary(&getall(&alice, &["--verify", "--overwrite"])), (1, 3, 0));
    assert_eq!(verify(&[]).ok(), "");
}

#[test]
fn what_is_here_already_is_counted_and_named_only_to_whoever_asked() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["a", "b", "c"] {
        put(&site.shelf("alice").join(name), 3000, name);
    }
    let _server = site.serve();
    let said = |words: &[&str]| {
        let ended = alice.run(&[&["client"], words, &["--to", "in"]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // Told only if it takes a while.
        ended.stderr.replace("connecting to bobs-files\n", "")
    };
    said(&["getall"]);
    assert_eq!(said(&["getall"]), "0 fetched (0 B), 3 already here\n");
    assert_eq!(said(&["getall", "--verify"]), "0 fetched (0 B), 3 already here\n");
    assert_eq!(said(&["getall", "-q"]), "");
    let asked = said(&["getall", "-v"]);
    assert!(asked.lines().any(|line| line == "b  already here"), "{asked}");
    assert_eq!(said(&["get", "b"]), "b  already here\n0 fetched (0 B), 1 already here\n");
    let told = records(&getall(&alice, &[]));
    assert_eq!(told.iter().filter(|record| record["result"] == "skipped").count(), 3, "{told:?}");
    // What came, or could not, is always named.
    put(&site.shelf("alice").join("b"), 2000, "another");
    fs::remove_file(alice.path("in/c")).expect("ours");
    let ended = alice.run(&["client", "getall", "--to", "in"]);
    assert!(ended.stderr.contains("b  failed: ") && ended.stderr.contains("\nc  3.0 KB  "), "{ended:?}");
    assert!(ended.stderr.contains("\n1 fetched (3.0 KB), 1 already here, 1 failed\n"), "{ended:?}");
}

#[test]
fn a_file_goes_to_standard_output_and_nothing_else_does() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for (name, len) in [("empty", 0), ("small", 5000), ("large", 40_000_000)] {
        put(&site.shelf("alice").join(name), len, name);
    }
    let _server = site.serve();
    for name in ["empty", "small", "large"] {
        let mut command = alice.command(&["client", "get", name, "--to", "-"]);
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(blake3::hash(&output.stdout), hash(&site.shelf("alice").join(name)), "{name}");
    }
    for words in [&["client", "getall", "--to", "-"][..], &["client", "get", "small", "large", "--to", "-"]] {
        alice.run(words).fails(2, "--to - takes exactly one file", "name one file");
    }
    let both = alice.run(&["--json", "client", "get", "small", "--to", "-"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(both.stderr.contains("--to - and --json would both write to standard output"), "{both:?}");
    for words in [&["client", "verify", "--to", "-"][..], &["client", "ls", "--new", "--to", "-"]] {
        alice.run(words).fails(2, "--to - holds no files to compare with", "--to DIR");
    }
    let missing = alice.run(&["-q", "client", "get", "nothing", "--to", "-"]);
    missing.fails_after(&["nothing  failed: it is not on offer"], 5, "it is not on offer", "client ls");
}

#[test]
fn whoever_has_read_enough_of_a_file_on_standard_output_ends_the_command_silently_and_with_success() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for (name, len) in [("small", 300_000), ("large", 100_000_000)] {
        put(&site.shelf("alice").join(name), len, name);
    }
    let mut server = site.serve();
    for name in ["small", "large"] {
        let mut command = alice.command(&["-q", "client", "get", name, "--to", "-"]);
        let mut get = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut beginning = [0; 5000];
        let mut stdout = get.stdout.take().expect("piped");
        stdout.read_exact(&mut beginning).expect("the file comes");
        drop(stdout);
        assert_eq!(beginning[..], fs::read(site.shelf("alice").join(name)).expect("there")[..5000]);
        let output = get.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{name}");
        let told = server.wait_for("aborted", |_| true);
        assert_eq!((&told["path"], &told["by"], &told["why"]), (&name.into(), &"peer".into(), &"cancelled".into()));
    }
}

#[test]
fn that_a_file_on_standard_output_is_not_whole_is_told_by_the_exit_code_as_the_help_says() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let file = site.shelf("alice").join("large");
    put(&file, 200_000_000, "before");
    let before = fs::read(&file).expect("there");
    let _server = site.serve();
    let mut command = alice.command(&["client", "get", "large", "--to", "-"]);
    let mut get = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut out = vec![0; 5000];
    get.stdout.as_mut().expect("piped").read_exact(&mut out).expect("the file comes");
    put(&file, 200_000_000, "after");
    let output = get.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: failed to get `large`: "), "{said}");
    out.extend(output.stdout);
    assert!(out.len() < before.len() && before.starts_with(&out), "of one version, and not all");
    let help = alice.ok(&["client", "get", "--help"]);
    assert!(help.contains("trust nothing of it before it has ended with 0"), "{help}");
}

#[test]
fn what_had_arrived_of_a_file_that_changed_since_is_replaced_or_kept() {
    for (flags, kept) in [(&[][..], 0), (&["--keep-changed-part"], 1)] {
        let site = Site::new();
        let alice = site.enrol("alice");
        let file = site.shelf("alice").join("big");
        put(&file, 150_000_000, "before");
        let _server = site.serve();
        let mut get = alice.start(&["--json", "client", "get", "big", "--to", "in"]);
        get.wait_for("progress", |_| true);
        get.signal(rustix::process::Signal::INT);
        assert_eq!(get.ended().code, Some(130));
        let changed = put(&file, 30_000_000, "after");
        let mut get: Running = alice.start(&[&["--json", "client", "get", "big", "--to", "in"], flags].concat());
        get.wait_for("note", |record| record["text"].as_str().is_some_and(|text| text.contains("changed")));
        assert_eq!(summary(&get.ended()), (1, 0, 0));
        assert_eq!(hash(&alice.path("in/big")), changed);
        let names: Vec<_> = fs::read_dir(alice.path("in")).expect("there").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names.len(), 1 + kept, "{names:?}");
        assert!(names.iter().all(|name| name == "big" || name == "big (2).part"), "{names:?}");
    }
}

#[test]
fn a_time_that_is_none_is_bad_usage() {
    let alice = Machine::client("alice");
    for time in ["soon", "", "0s", "-5s", "2 parsecs"] {
        let ended = alice.run(&["client", "getall", &format!("--timeout={time}")]);
        ended.fails(2, "is not a time of at least a second", "90s, 10m or 1h");
    }
    for time in ["90", "90s", "10m", "1h", "2 min"] {
        let ended = alice.run(&["client", "getall", "--timeout", time]);
        assert_eq!(ended.code, Some(3), "only then is a server missed: {ended:?}");
    }
}
