//! What lies in a folder that is served from, or received into: links, pipes, sockets, devices, parts, folders in the
//! place of files.

use std::os::unix::net::UnixListener;

use dpex_core::store::{FileStore, StoreError};
use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};

use super::{Receiving, Serving, is_documented, receives, serves};
use crate::support::{Yard, chmod, humble, is_almighty, names, path};

use Receiving::{Arrives, Taken};
use Serving::{Exchanged, Folder, LeftOut, Offered, Silent};

struct Row {
    what: &'static str,
    /// Makes it; false, and a word about it, where this process cannot.
    plant: fn(&Yard) -> bool,
    /// What lies on the shelf.
    lies: &'static str,
    serving: Serving,
    /// What is received.
    received: &'static str,
    receiving: Receiving,
}

const fn row(
    what: &'static str,
    plant: fn(&Yard) -> bool,
    (lies, serving): (&'static str, Serving),
    (received, receiving): (&'static str, Receiving),
) -> Row {
    Row { what, plant, lies, serving, received, receiving }
}

fn link(yard: &Yard, target: &str, name: &str) -> bool {
    let outside = yard.outside().to_str().expect("text").to_owned();
    yard.link(target.replace("OUTSIDE", &outside), name);
    true
}

fn mode() -> Mode {
    Mode::RUSR | Mode::WUSR
}

/// With what lies below them.
const LINK: Serving = LeftOut("it is a link, and `follow-links` is off");
const NO_FILE: Serving = LeftOut("it is a pipe, a socket or a device");

const ROWS: &[Row] = &[
    row(
        "a link to a file beside it",
        |y| {
            y.write("real", "real");
            link(y, "real", "x")
        },
        ("x", LINK),
        ("x", Taken),
    ),
    row("a link to a file elsewhere", |y| link(y, "OUTSIDE/secret", "x"), ("x", LINK), ("x", Taken)),
    row("a relative link out", |y| link(y, "../outside/secret", "x"), ("x", LINK), ("x", Taken)),
    row("a link to a folder", |y| link(y, "OUTSIDE", "x"), ("x", LINK), ("x", Taken)),
    row("below a link to a folder", |y| link(y, "OUTSIDE", "x"), ("x/secret", LINK), ("x/new", Taken)),
    row("far below a link to a folder", |y| link(y, "OUTSIDE", "x"), ("x/secret", LINK), ("x/new/file", Taken)),
    row("a link that leads nowhere", |y| link(y, "gone", "x"), ("x", LINK), ("x", Taken)),
    row("a link to nothing elsewhere", |y| link(y, "OUTSIDE/new", "x"), ("x", LINK), ("x", Taken)),
    row("a link to itself", |y| link(y, "x", "x"), ("x", LINK), ("x", Taken)),
    row("a link to the folder it lies in", |y| link(y, ".", "x"), ("x", LINK), ("x/y", Taken)),
    row("a link to a device", |y| link(y, "/dev/zero", "x"), ("x", LINK), ("x", Taken)),
    row(
        "a link to the whole disk, as the system makes it",
        |y| link(y, "/proc/self/root", "x"),
        ("x", LINK),
        ("x/tmp/y", Taken),
    ),
    row("a link in the part's place", |y| link(y, "OUTSIDE/secret", "x.part"), ("x.part", LINK), ("x", Arrives)),
    row(
        "a link to nothing in the part's place",
        |y| link(y, "OUTSIDE/new", "x.part"),
        ("x.part", LINK),
        ("x", Arrives),
    ),
    row(
        "a link in the sidecar's place",
        |y| link(y, "OUTSIDE/secret", ".x.dpexpart"),
        (".x.dpexpart", Silent),
        ("x", Arrives),
    ),
    row(
        "a link to nothing in the sidecar's place",
        |y| link(y, "OUTSIDE/new", ".x.dpexpart"),
        (".x.dpexpart", Silent),
        ("x", Arrives),
    ),
    row(
        "a folder in the part's place",
        |y| {
            y.write("x.part/y", "y");
            true
        },
        ("x.part", Folder(&["y"])),
        ("x", Arrives),
    ),
    row(
        "a folder in the sidecar's place",
        |y| {
            y.write(".x.dpexpart/y", "y");
            true
        },
        (".x.dpexpart", Silent),
        ("x", Arrives),
    ),
    row(
        "somebody's own file in the part's place",
        |y| {
            y.write("x.part", "mine");
            true
        },
        ("x.part", Offered),
        ("x", Arrives),
    ),
    row(
        "somebody's own file in the sidecar's place",
        |y| {
            y.write(".x.dpexpart", "mine");
            true
        },
        (".x.dpexpart", Silent),
        ("x", Arrives),
    ),
    row("a pipe", |y| mkfifoat(CWD, y.at("x"), mode()).is_ok(), ("x", NO_FILE), ("x", Taken)),
    row(
        "a pipe in the part's place",
        |y| mkfifoat(CWD, y.at("x.part"), mode()).is_ok(),
        ("x.part", NO_FILE),
        ("x", Arrives),
    ),
    row(
        "a pipe in the sidecar's place",
        |y| mkfifoat(CWD, y.at(".x.dpexpart"), mode()).is_ok(),
        (".x.dpexpart", Silent),
        ("x", Arrives),
    ),
    row("below a pipe", |y| mkfifoat(CWD, y.at("x"), mode()).is_ok(), ("x/y", NO_FILE), ("x/y", Taken)),
    row("a socket", |y| UnixListener::bind(y.at("x")).is_ok(), ("x", NO_FILE), ("x", Taken)),
    row(
        "a device",
        |y| mknodat(CWD, y.at("x"), FileType::CharacterDevice, mode(), makedev(1, 5)).is_ok(),
        ("x", NO_FILE),
        ("x", Taken),
    ),
    row(
        "a file where a folder is needed",
        |y| {
            y.write("x", "x");
            true
        },
        ("x", Offered),
        ("x/y", Taken),
    ),
    row(
        "a folder where a file is needed",
        |y| {
            y.write("x/y", "y");
            true
        },
        ("x", Folder(&["y"])),
        ("x", Taken),
    ),
    row(
        "a file with another name elsewhere (hard link)",
        |y| std::fs::hard_link(y.outside().join("secret"), y.at("x")).is_ok(),
        ("x", Offered),
        ("x", Arrives),
    ),
    row(
        "a file that may not be read",
        |y| {
            y.write("x", "x");
            chmod(&y.at("x"), 0);
            !is_almighty()
        },
        ("x", LeftOut("permission denied")),
        ("x", Arrives),
    ),
    row(
        "an empty file",
        |y| {
            y.write("x", "");
            true
        },
        ("x", Offered),
        ("x", Arrives),
    ),
];

/// What it is called, and what does it.
type Exchange = (&'static str, fn(&Yard));

/// What is exchanged between the listing and the opening.
const EXCHANGES: &[Exchange] = &[
    ("a file that becomes a link", |y| assert!(link(y, "OUTSIDE/secret", "d/x"))),
    ("a file that becomes a link to another beside it", |y| assert!(link(y, "y", "d/x"))),
    ("a file that becomes a pipe", |y| mkfifoat(CWD, y.at("d/x"), mode()).expect("made")),
    ("a file that becomes a folder", |y| std::fs::create_dir(y.at("d/x")).expect("made")),
    ("a folder that becomes a link", |y| {
        std::fs::remove_dir_all(y.at("d")).expect("removed");
        assert!(link(y, "OUTSIDE", "d"));
    }),
];

// NAM-3, NAM-5, NAM-6.
#[tokio::test]
async fn every_thing_on_a_shelf_is_offered_or_left_out_as_the_table_says() {
    humble();
    for Row { what, plant, lies, serving, .. } in ROWS {
        let yard = Yard::new();
        yard.write("fine", "fine");
        if !plant(&yard) {
            eprintln!("skipped: {what}");
            continue;
        }
        serves(&yard.serve(), lies.as_bytes(), *serving, what).await;
        yard.assert_outside_is_untouched();
    }
}

// NAM-8, NAM-10.
#[tokio::test]
async fn every_thing_in_the_way_of_a_reception_is_left_alone() {
    humble();
    for Row { what, plant, received, receiving, .. } in ROWS {
        let yard = Yard::new();
        if !plant(&yard) {
            eprintln!("skipped: {what}");
            continue;
        }
        receives(&yard, received.as_bytes(), *receiving, what).await;
    }
}

// NAM-3, NAM-5.
#[tokio::test]
async fn what_is_exchanged_between_listing_and_opening_is_not_found() {
    for (what, exchange) in EXCHANGES {
        let yard = Yard::new();
        yard.write("d/x", "x");
        yard.write("d/y", "y");
        let store = yard.serve();
        assert_eq!(names(&store, "").await, ["d/", "d/x", "d/y"]);
        std::fs::remove_file(yard.at("d/x")).expect("removed");
        exchange(&yard);
        let opened = store.open(&path("d/x")).await;
        assert!(matches!(opened, Err(StoreError::NotFound)), "{what}: {opened:?}");
        yard.assert_outside_is_untouched();
    }
}

#[test]
fn the_situations_are_documented() {
    let lasting = ROWS.iter().map(|row| format!("| {} | {} | {} |", row.what, row.serving, row.receiving));
    let exchanged =
        EXCHANGES.iter().map(|(what, _)| format!("| {what}, between listing and opening | {Exchanged} | |"));
    let rows: Vec<String> = lasting.chain(exchanged).collect();
    eprintln!("{} situations", rows.len());
    is_documented("situations", &rows);
}
