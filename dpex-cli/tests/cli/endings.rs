//! How commands that speak to the other side end when something is wrong, and what they leave behind.

use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::site::{Site, free_port, hash, put, summary, text};
use crate::support::Machine;

/// What is in a folder, in order.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn a_client_without_a_server_is_told_what_makes_one_known() {
    let alice = Machine::client("alice");
    for words in [&["client", "ls"][..], &["client", "getall"], &["client", "get", "x"]] {
        alice.run(words).fails(3, "knows no server yet", "dpex client update");
    }
    let site = Site::new();
    let alice = site.enrol("alice");
    alice.run(&["client", "ls", "--server", "files"]).fails(3, "no server of the name `files`", "bobs-files");
}

#[test]
fn a_silent_port_is_given_up_after_twenty_seconds_with_everything_it_may_mean() {
    let site = Site::new();
    let alice = site.enrol("alice");
    // Bound and never read: silent, as opposed to closed.
    let _silent = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
    let began = Instant::now();
    let ended = alice.run(&["-q", "client", "get", "x", "--to", "in"]);
    let took = began.elapsed();
    ended.fails(4, "no answer", "port not forwarded");
    assert!((Duration::from_secs(19)..Duration::from_secs(25)).contains(&took), "{took:?}");
    let began = Instant::now();
    let ended = alice.run(&["-q", "client", "get", "x", "--to", "in", "--timeout", "2s"]);
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&began.elapsed()), "{:?}", began.elapsed());
    ended.fails(4, "no answer", "port not forwarded");
}

#[test]
fn what_is_not_on_offer_is_refused_by_name_and_the_rest_arrives() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a.txt"), 10, "a");
    let _server = site.serve();
    for words in [["client", "get", "b.txt"], ["client", "get", "*.pdf"], ["client", "get", "a.txt/b"]] {
        let ended = alice.run(&[&["-q"][..], &words, &["--to", "in"]].concat());
        let failed = format!("{}  failed: it is not on offer", words[2]);
        ended.fails_after(
            &[&failed],
            5,
            &format!("failed to get `{}`: it is not on offer", words[2]),
            "dpex client ls",
        );
        assert!(!alice.path("in").exists(), "what gets nothing leaves nothing");
    }
    alice.run(&["client", "ls", "b"]).fails(5, "failed to list `b`: no such file", "dpex client ls");
    alice.run(&["client", "get", "../up"]).fails(2, "`../up` is not a name on a server", "relative");
    alice.run(&["client", "get", "[a"]).fails(2, "`[a` is not a pattern", "backslash");

    let some = alice.run(&["-q", "client", "get", "b.txt", "a.txt", "c.*", "--to", "in"]);
    let failed = ["b.txt  failed: it is not on offer", "c.*  failed: it is not on offer"];
    some.fails_after(&failed, 1, "failed to get 2 files; the first, `b.txt`: it is not on offer", "dpex client ls");
    assert_eq!(names(&alice.path("in")), ["a.txt"]);
}

#[test]
fn names_that_cannot_be_stored_here_fail_by_name_and_do_not_stop_the_others() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    for name in ["a:b", "NUL.txt", "fine.txt", "folder/dot.", "folder/fine.txt", ".hidden", "clear\u{1b}[2Jscreen"] {
        put(&shelf.join(name), 10, name);
    }
    let _server = site.serve();
    let listed = alice.run(&["client", "ls"]);
    assert_eq!(listed.stdout, "NUL.txt\na:b\nfine.txt\nfolder/\n");
    let left_out = "the server left out 1 name that it cannot offer";
    assert_eq!((listed.code, listed.stderr.lines().next()), (Some(1), Some(&*format!("error: {left_out}"))));
    let ended = alice.run(&["-q", "client", "getall", "--to", "in"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for line in [
        "NUL.txt  failed: the name cannot be stored here: it is the name of a device on Windows\n",
        "a:b  failed: the name cannot be stored here: it holds a colon\n",
        "folder/dot.  failed: the name cannot be stored here: it ends with a dot or a space\n",
        "error: failed to get 3 files; the first, `",
        &format!("; {left_out}\nhint: "),
    ] {
        assert!(ended.stderr.contains(line), "{line} {ended:?}");
    }
    assert_eq!(names(&alice.path("in")), ["fine.txt", "folder"]);
    assert_eq!(names(&alice.path("in/folder")), ["fine.txt"]);
    // Also if all the rest is here, and nobody wants to hear a word.
    let ended = alice.run(&["-q", "client", "get", "fine.txt", "[f]ine.txt", "--to", "in"]);
    ended.fails(1, left_out, "its log names them");
    assert_eq!(alice.run(&["-q", "client", "get", "fine.txt", "--to", "in"]).stderr, "", "nothing of it was left out");
}

#[test]
fn a_fetch_that_fails_makes_no_folder_and_one_that_succeeds_makes_all_of_it() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a.txt"), 10, "a");
    let get = ["-q", "client", "get", "a.txt", "--to", "new/sub"];
    {
        // Bound and never read: nobody answers.
        let _silent = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
        assert_eq!(alice.run(&get).code, Some(4));
        assert!(!alice.path("new").exists());
    }
    let _server = site.serve();
    alice.run(&["-q", "client", "get", "b.txt", "--to", "new/sub"]).fails_after(&["b.txt"], 5, "not on offer", "");
    assert!(!alice.path("new").exists());
    alice.ok(&get);
    assert_eq!(names(&alice.path("new/sub")), ["a.txt"]);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_never_replaced_and_the_hint_does_not_promise_it() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let mut server = site.serve();
    fs::create_dir(alice.path("a")).expect("writable");
    for words in [&["-q", "client", "get", "a"][..], &["-q", "client", "get", "a", "--overwrite"]] {
        let ended = alice.run(words);
        ended.fails_after(&["a  failed: a folder"], 1, "failed to get `a`: a folder", "move away what has the name");
        assert!(!ended.stderr.contains("--overwrite"), "{ended:?}");
        let aborted = server.wait_for("aborted", |_| true);
        assert_eq!((&aborted["why"], &aborted["by"]), (&"refused".into(), &"peer".into()), "{aborted}");
    }
}

#[test]
fn a_file_of_another_time_is_compared_by_its_content() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a"), 10, "a");
    let _server = site.serve();
    alice.ok(&["client", "get", "a"]);
    let touched = fs::File::options().write(true).open(alice.path("a")).expect("there");
    touched.set_modified(std::time::SystemTime::now()).expect("ours");
    let here = alice.run(&["client", "get", "a", "--json"]);
    assert_eq!(summary(&here), (0, 1, 0), "only touched");
    assert_eq!(summary(&alice.run(&["client", "get", "a", "--json"])), (0, 1, 0), "and known from now on");
    fs::write(alice.path("a"), "0123456789").expect("ours");
    let ended = alice.run(&["-q", "client", "get", "a"]);
    ended.fails_after(&["a  failed: the file here differs"], 1, "the file here differs", "--overwrite");
    assert_eq!(fs::read(alice.path("a")).expect("there"), b"0123456789");
    let renamed = alice.run(&["client", "get", "a", "--rename", "--json"]);
    assert_eq!(summary(&renamed), (1, 0, 0));
    assert_eq!(hash(&alice.path("a (2)")), hash(&site.shelf("alice").join("a")));
    alice.ok(&["client", "get", "a", "--overwrite"]);
    assert_eq!(hash(&alice.path("a")), hash(&site.shelf("alice").join("a")));
}

#[test]
fn a_dot_and_nothing_mean_everything_to_get_as_they_do_to_ls() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for name in ["a", "folder/b"] {
        put(&site.shelf("alice").join(name), 10, name);
    }
    let _server = site.serve();
    for (n, word) in [".", "", "./"].into_iter().enumerate() {
        let ended = alice.run(&["client", "get", word, "--to", &format!("in-{n}"), "--json"]);
        assert_eq!(summary(&ended), (2, 0, 0), "{word:?}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_told_and_fetched_again() {
    for (flags, left) in [(&[][..], &["big"][..]), (&["--keep-changed-part"], &["big", "big (2).part"])] {
        let site = Site::new();
        let alice = site.enrol("alice");
        let big = site.shelf("alice").join("big");
        put(&big, 100 << 20, "big");
        let _server = site.serve();
        let mut get = alice.start(&[&["client", "get", "big", "--to", "in", "--json"], flags].concat());
        get.wait_for("progress", |record| record["have"].as_u64() > Some(0));
        fs::File::options().append(true).open(&big).and_then(|mut file| file.write_all(b"more")).expect("ours");
        get.wait_for("note", |record| {
            record["text"].as_str().is_some_and(|text| text.contains("changed on the server"))
        });
        let ended = get.ended();
        assert_eq!(summary(&ended), (1, 0, 0));
        assert_eq!(names(&alice.path("in")), left);
        assert_eq!(hash(&alice.path("in/big")), hash(&big), "all of it is of one moment");
    }
}

#[test]
fn a_file_that_is_called_as_the_part_of_another_arrives_as_well() {
    for (whole, part) in [(30 << 20, 3 << 20), (30 << 20, 500), (3 << 20, 30 << 20)] {
        let site = Site::new();
        let alice = site.enrol("alice");
        let files = [("x", whole), ("x.part", part), ("y", 500)];
        let served = files.map(|(name, len)| put(&site.shelf("alice").join(name), len, name));
        let _server = site.serve();
        let ended = alice.run(&["client", "getall", "--to", "in", "--json"]);
        assert_eq!((ended.code, summary(&ended)), (Some(0), (3, 0, 0)), "{ended:?}");
        assert_eq!(names(&alice.path("in")), ["x", "x.part", "y"]);
        assert_eq!(files.map(|(name, _)| hash(&alice.path("in").join(name))), served);
    }
}

#[test]
fn a_file_that_never_stops_changing_is_given_up_and_leaves_nothing() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let big = site.shelf("alice").join("big");
    put(&big, 100 << 20, "big");
    let _server = site.serve();
    let over = std::sync::atomic::AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&big).expect("ours");
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"more").expect("ours");
                std::thread::yield_now();
            }
        });
        let ended = alice.run(&["-q", "client", "get", "big", "--to", "in"]);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        ended
    });
    let why = "it changed on the server while it was sent";
    ended.fails_after(&[&format!("big  failed: {why}")], 5, &format!("failed to get `big`: {why}"), "again");
    assert_eq!(names(&alice.path("in")), [""; 0], "half of an old version is of no use");
}

#[test]
fn a_port_in_use_and_a_home_in_use_are_told_apart() {
    let site = Site::new();
    let taken = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
    let serve = ["server", "serve", "--listen", "127.0.0.1"];
    site.server.run(&serve).fails(2, &format!("failed to listen on 127.0.0.1:{}", site.port), "another port");
    drop(taken);
    let _server = site.serve();
    let other = free_port().to_string();
    let twice = site.server.run(&[&serve[..], &["--port", &other]].concat());
    twice.fails(2, "a server runs already", "stop it first");
    site.server.run(&["server", "serve", "--listen", "203.0.113.9"]).fails(2, "a server runs already", "stop it first");
}

#[test]
fn a_server_that_was_not_set_up_or_cannot_listen_there_does_not_start() {
    let machine = Machine::new();
    machine.run(&["server", "serve"]).fails(2, "there is no server in", "dpex server init");
    assert!(!machine.home().exists());
    let site = Site::new();
    // An address kept for examples: no machine has it.
    let ended = site.server.run(&["server", "serve", "--listen", "203.0.113.9"]);
    ended.fails(2, "failed to listen on 203.0.113.9", "an address that this machine has");
}

#[test]
fn ctrl_c_leaves_the_part_and_no_name_and_the_same_command_then_succeeds() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("big"), 200 << 20, "big");
    let mut server = site.serve();
    for signal in [Signal::INT, Signal::TERM] {
        let mut get = alice.start(&["client", "get", "big", "--to", "in", "--json"]);
        get.wait_for("progress", |record| record["have"].as_u64() > Some(0));
        let began = Instant::now();
        get.signal(signal);
        let ended = get.ended();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(ended.stderr, "error: interrupted\nhint: run the same command again\n");
        assert_eq!(names(&alice.path("in")), [".big.dpexpart", "big.part"]);
        let began = Instant::now();
        let closed = server.wait_for("closed", |_| true);
        assert_eq!(closed["by"], "peer", "the client said goodbye: {closed}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let ended = alice.run(&["client", "get", "big", "--to", "in", "--json"]);
    assert_eq!(summary(&ended), (1, 0, 0));
    assert_eq!(names(&alice.path("in")), ["big"]);
    assert_eq!(hash(&alice.path("in/big")), served);
}

#[test]
fn ctrl_c_ends_a_client_that_waits_for_a_silent_server() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let silent = UdpSocket::bind(("127.0.0.1", site.port)).expect("free");
    silent.set_read_timeout(Some(Duration::from_secs(100))).expect("a socket");
    let get = alice.start(&["client", "ls", "--json"]);
    silent.recv(&mut [0; 1500]).expect("it knocks");
    let began = Instant::now();
    get.signal(Signal::INT);
    let ended = get.ended();
    assert_eq!((ended.code, &*ended.stderr), (Some(130), "error: interrupted\nhint: run the same command again\n"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn many_commands_that_were_interrupted_lock_nobody_out() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("big"), 50 << 20, "big");
    let _server = site.serve();
    // More than the sessions that a person may have, in less than the time after which an idle one is evicted.
    for _ in 0..6 {
        let mut get = alice.start(&["client", "get", "big", "--to", "in", "--json"]);
        get.wait_for("progress", |_| true);
        get.signal(Signal::INT);
        assert_eq!(get.ended().code, Some(130));
    }
    alice.ok(&["client", "ls"]);
}

#[test]
fn a_server_that_is_stopped_says_so_to_those_who_are_fetching() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("big"), 200 << 20, "big");
    for signal in [Signal::TERM, Signal::INT] {
        let server = site.serve();
        let mut get = alice.start(&["client", "get", "big", "--to", "in", "--json", "--timeout", "3s"]);
        get.wait_for("progress", |record| record["have"].as_u64() > Some(0));
        let began = Instant::now();
        server.signal(signal);
        let (stopped, ended) = (server.ended(), get.ended());
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        assert_eq!(stopped.code, Some(0), "{stopped:?}");
        assert!(stopped.stderr.ends_with("stopped\n"), "{stopped:?}");
        assert_eq!(ended.code, Some(4), "{ended:?}");
        let told = "error: the server was stopped; nothing came for 3 seconds\nhint: run the same command again when";
        assert!(ended.stderr.contains(told), "{ended:?}");
        assert_eq!(names(&alice.path("in")), [".big.dpexpart", "big.part"]);
    }
    let _server = site.serve();
    alice.ok(&["client", "getall", "--to", "in"]);
    assert_eq!(hash(&alice.path("in/big")), served);
}

#[test]
fn an_unwritable_target_is_told_before_anything_is_asked_of_the_server() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let file = alice.file("file", "");
    // Nobody serves: a command that asked first would wait for an answer.
    let began = Instant::now();
    let ended = alice.run(&["client", "getall", "--to", text(&file.join("in"))]);
    ended.fails(6, "failed to receive into", "");
    let ended = alice.run(&["client", "getall", "--to", text(&file)]);
    ended.fails(6, "failed to receive into", "");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_person_whose_words_were_not_compared_is_offered_nothing_where_that_is_asked_for() {
    let site = Site::new();
    let alice = site.enrol("alice");
    put(&site.shelf("alice").join("a.txt"), 10, "a");
    let server = site.server.command(&["server", "serve", "--listen", "127.0.0.1", "--json"]);
    let start = |mut server: std::process::Command| {
        server.env("DPEX_REQUIRE_CONFIRMED", "true");
        let mut running = crate::running::Running::start(server);
        running.wait_for("serving", |_| true);
        running
    };
    let unconfirmed = start(server);
    assert_eq!(alice.ok(&["client", "ls"]), "");
    alice.run(&["-q", "client", "get", "a.txt"]).fails_after(&["a.txt"], 5, "not on offer", "dpex client ls");
    drop(unconfirmed);
    site.server.ok(&["server", "confirm", "alice"]);
    let _confirmed = start(site.server.command(&["server", "serve", "--listen", "127.0.0.1", "--json"]));
    assert_eq!(alice.ok(&["client", "ls"]), "a.txt\n");
}
