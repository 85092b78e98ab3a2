//! The whole way from two mails to verified files, as the manual tells it, for two people at one server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::site::{Site, hash, put, records, summary, text};

/// 2020-02-02T02:02:02.123456789Z.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_580_608_922, 123_456_789)
}

fn set_mtime(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("ours");
}

/// Something of every kind.
fn furnish(shelf: &Path) {
    put(&shelf.join("report.pdf"), 300_000, "report");
    put(&shelf.join("empty"), 0, "");
    put(&shelf.join("run.sh"), 100, "run");
    put(&shelf.join("grüße, Welt.txt"), 11, "umlauts and a space");
    put(&shelf.join("docs/a.txt"), 1, "a");
    put(&shelf.join("docs/deep/down/b.bin"), 3 << 20, "b");
    put(&shelf.join("photos/1.jpg"), 50_000, "1");
    put(&shelf.join("photos/2.jpg"), 1 << 20, "2");
    put(&shelf.join("photos/notes.txt"), 7, "notes");
    fs::create_dir_all(shelf.join("nothing/inside")).expect("writable");
    fs::set_permissions(shelf.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("ours");
    set_mtime(&shelf.join("report.pdf"), then());
}

/// What must be the same of a file on both sides: content, time, and whether it may be run.
type Kept = (blake3::Hash, SystemTime, bool);

/// Every path below a folder; `None` for folders.
fn tree(root: &Path) -> Vec<(String, Option<Kept>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let name = text(path.strip_prefix(root).expect("below")).to_owned();
            if path.is_dir() {
                found.push((name, None));
                folders.push(path);
            } else {
                let meta = fs::metadata(&path).expect("there");
                let exec = meta.permissions().mode() & 0o100 != 0;
                found.push((name, Some((hash(&path), meta.modified().expect("known"), exec))));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn two_people_get_their_own_files_from_one_server() {
    let site = Site::new();
    let (alice, bob) = (site.enrol("alice"), site.enrol("bob"));
    for (client, name) in [(&alice, "alice"), (&bob, "bob")] {
        client.ok(&["client", "confirm"]);
        site.server.ok(&["server", "confirm", name]);
    }
    assert!(!site.server.ok(&["server", "clients"]).contains("unconfirmed"));
    furnish(&site.shelf("alice"));
    put(&site.shelf("bob").join("bob's.txt"), 1000, "bob's");
    let _server = site.serve();

    let listed = "docs/\nempty\ngrüße, Welt.txt\nnothing/\nphotos/\nreport.pdf\nrun.sh\n";
    assert_eq!(alice.ok(&["client", "ls"]), listed);
    assert_eq!(alice.ok(&["client", "ls", "photos"]), "photos/1.jpg\nphotos/2.jpg\nphotos/notes.txt\n");
    let long = alice.ok(&["client", "ls", "-l"]);
    let report = long.lines().find(|line| line.ends_with("  report.pdf")).expect("a line of its own");
    assert!(report.contains("300 KB") && report.contains("2020-02-02 02:02"), "{report}");
    assert_eq!(bob.ok(&["client", "ls"]), "bob's.txt\n", "and nothing of hers");

    let got = alice.run(&["client", "get", "report.pdf"]);
    assert_eq!(hash(&alice.path("report.pdf")), hash(&site.shelf("alice").join("report.pdf")));
    assert!(got.stderr.contains(&hash(&alice.path("report.pdf")).to_string()), "the hash is shown: {got:?}");
    assert_eq!(got.ok(), "", "what is fetched is no answer");

    alice.ok(&["client", "get", "photos/*.jpg", "docs", "grüße, Welt.txt", "--to", "some"]);
    let names: Vec<String> = tree(&alice.path("some")).into_iter().map(|(name, _)| name).collect();
    let wanted =
        ["docs", "docs/a.txt", "docs/deep", "docs/deep/down", "docs/deep/down/b.bin", "grüße, Welt.txt", "photos"];
    assert_eq!(names, [&wanted[..], &["photos/1.jpg", "photos/2.jpg"]].concat());

    alice.ok(&["client", "getall", "--to", "all"]);
    assert_eq!(tree(&alice.path("all")), tree(&site.shelf("alice")));
    bob.ok(&["client", "getall", "--to", "all"]);
    assert_eq!(tree(&bob.path("all")), tree(&site.shelf("bob")));
}

#[test]
fn a_second_getall_fetches_what_is_new_or_changed_and_nothing_else() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    furnish(&shelf);
    let mut server = site.serve();
    let getall = ["client", "getall", "--json", "--to", "all"];
    assert_eq!(summary(&alice.run(&getall)), (9, 0, 0));
    assert_eq!(summary(&alice.run(&getall)), (0, 9, 0));
    server.wait_for("closed", |_| true);
    server.wait_for("closed", |record| {
        assert_ne!(record["type"], "started");
        true
    });

    put(&shelf.join("docs/new.txt"), 5, "new");
    fs::remove_file(alice.path("all/run.sh")).expect("there");
    let ended = alice.run(&getall);
    assert_eq!(summary(&ended), (2, 8, 0));
    ended.ok();
    assert_eq!(tree(&alice.path("all")), tree(&shelf));
}

#[test]
fn a_name_that_is_taken_is_kept_unless_a_flag_says_otherwise() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let served = put(&site.shelf("alice").join("a.txt"), 2000, "hers");
    let _server = site.serve();
    let mine = alice.file("a.txt", "mine");

    let kept = alice.run(&["-q", "client", "get", "a.txt"]);
    kept.fails_after(&["a.txt  failed: "], 1, "failed to get `a.txt`: the file here differs", "--overwrite");
    assert_eq!(fs::read_to_string(&mine).expect("there"), "mine");

    for (n, fetched) in [(1, (1, 0, 0)), (2, (0, 1, 0))] {
        let ended = alice.run(&["client", "get", "a.txt", "--rename", "--json"]);
        assert_eq!(summary(&ended), fetched, "run {n}: what was renamed is found again");
        ended.ok();
    }
    assert_eq!(fs::read_to_string(&mine).expect("there"), "mine");
    assert_eq!(hash(&alice.path("a (2).txt")), served);
    assert!(!alice.path("a (3).txt").exists());

    alice.ok(&["client", "get", "a.txt", "--overwrite"]);
    assert_eq!(hash(&mine), served);
}

#[test]
fn programs_get_records_and_with_q_nobody_gets_a_word() {
    let site = Site::new();
    let alice = site.enrol("alice");
    furnish(&site.shelf("alice"));
    let mut server = site.serve();
    let quiet = alice.run(&["-q", "client", "getall", "--to", "quiet"]);
    assert_eq!((quiet.code, &*quiet.stdout, &*quiet.stderr), (Some(0), "", ""));

    let ended = alice.run(&["client", "getall", "--to", "json", "--json"]);
    assert_eq!(ended.stderr, "");
    let records = records(&ended);
    let of = |kind: &str| records.iter().filter(|record| record["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("start").len(), of("file").len(), of("summary").len()), (9, 9, 1));
    assert!(!of("progress").is_empty());
    for file in of("file") {
        let path = file["path"].as_str().expect("text");
        assert_eq!(file["result"], "done");
        assert_eq!(file["hash"], hash(&alice.path("json").join(path)).to_string());
        let delivered = server.wait_for("delivered", |_| true);
        assert_eq!(delivered["person"], "alice");
    }
    let listed = alice.run(&["client", "ls", "--json"]);
    assert_eq!(self::records(&listed).len(), 7);
}
