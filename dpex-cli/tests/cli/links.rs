//! One folder for several people, by links into a root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::process::Signal;

use crate::site::{Site, hash, put, records, text};
use crate::support::Machine;

fn following(server: Machine, roots: &str) -> Machine {
    server.with_env("DPEX_STORE_FS__FOLLOW_LINKS", "true").with_env("DPEX_STORE_FS__ROOTS", roots)
}

// NAM-3.
#[test]
fn one_folder_is_fetched_by_two_people_and_a_link_elsewhere_is_named_in_the_log() {
    let site = Site::new();
    let people = ["alice", "bob"].map(|name| (name, site.enrol(name)));
    let media = site.server.path("media");
    let served = put(&media.join("films/one"), 100_000, "one");
    let roots = format!("[{:?}]", text(&media));
    let site = Site { server: following(site.server, &roots), ..site };
    for (name, _) in &people {
        symlink(media.join("films"), site.shelf(name).join("films")).expect("linked");
        symlink(site.server.home().join("server/identity.pem"), site.shelf(name).join("key")).expect("linked");
    }
    let mut server = site.serve();
    for (name, client) in people {
        let ended = client.run(&["client", "getall"]);
        assert_eq!(ended.code, Some(1), "the server left one out: {ended:?}");
        assert_eq!(hash(&client.path("films/one")), served);
        assert!(!client.path("key").exists());
        let left_out = server.wait_for("left-out", |record| record["person"] == name);
        assert_eq!(left_out["path"], "key");
        let why = left_out["why"].as_str().expect("text");
        assert!(why.contains("into none of the roots"), "{why}");
    }
}

#[test]
fn roots_that_must_not_be_offered_end_the_command_before_it_serves() {
    let server = Machine::server();
    let loose = server.path("loose");
    fs::create_dir(&loose).expect("writable");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o777)).expect("ours");
    let file = server.home().join("server/dpex.toml");
    let settings = fs::read_to_string(&file).expect("there");
    let home = server.home();
    for (root, error, hint) in [
        (text(&loose), "everybody can write to the root", "chmod o-w"),
        (text(&home), "where the keys are", "choose a folder beside it"),
        ("state", "where the keys are", "dpex.toml"),
        ("../..", "where the keys are", "dpex.toml"),
        ("/gone", "failed to open the root /gone: no such file or folder", "dpex.toml"),
    ] {
        let with_root = settings.replace("# follow-links = false", "follow-links = true");
        let with_root = with_root.replace("# roots = []", &format!("roots = [{root:?}]"));
        fs::write(&file, with_root).expect("writable");
        server.run(&["server", "serve", "--listen", "127.0.0.1"]).fails(2, error, hint);
    }
}

#[test]
fn a_shelf_that_is_a_link_is_refused_with_what_would_let_it_be_one() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let shelf = site.shelf("alice");
    let media = site.server.path("media");
    put(&media.join("one"), 10, "one");
    fs::remove_dir(&shelf).expect("empty");
    symlink(&media, &shelf).expect("linked");
    let server = site.serve();
    assert_eq!(alice.ok(&["client", "ls"]), "");
    server.signal(Signal::TERM);
    let records = records(&server.ended());
    let refused = records.iter().find(|record| record["type"] == "shelf-refused").expect("told");
    assert!(refused["why"].as_str().expect("text").contains("`follow-links` is off"), "{refused}");
    assert!(refused["hint"].as_str().expect("text").contains("`roots`"), "{refused}");
    let site = Site { server: following(site.server, &format!("[{:?}]", text(&media))), ..site };
    let _server = site.serve();
    assert_eq!(alice.ok(&["client", "ls"]).trim(), "one");
}
