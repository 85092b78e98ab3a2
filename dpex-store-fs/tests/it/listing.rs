//! Listings of real folders: large, changing, partly unreadable.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use dpex_core::store::{FileStore, MAX_NAMED, StoreError};
use dpex_core::wire::message::{MAX_PAGE_BYTES, entry_len};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::support::{Yard, chmod, humble, label, left_out, list_all, names, path, query, walk_all};

// MSG-10.
#[tokio::test]
async fn twenty_thousand_entries_are_paged_without_loss_or_repetition() {
    let yard = Yard::new();
    let want: BTreeSet<String> = (0..20_000).map(|n| format!("file-{}", n * 7919 % 20_000)).collect();
    for name in &want {
        std::fs::File::create(yard.at(name)).expect("made");
    }
    let (entries, skipped) = list_all(&yard.serve(), "", 500, true).await;
    assert_eq!(skipped, 0);
    assert_eq!(entries.len(), want.len());
    assert!(entries.iter().map(label).eq(want), "in order, each once");
}

// MSG-6.
#[tokio::test]
async fn a_page_ends_where_no_more_could_travel() {
    let yard = Yard::new();
    let long = "n".repeat(200);
    for n in 0..500 {
        std::fs::File::create(yard.at(&format!("{long}{n:03}"))).expect("made");
    }
    let store = yard.serve();
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.list(&query("", after, 1000, true)).await.expect("lists");
        let lens: Vec<usize> = page.entries.iter().map(entry_len).collect();
        let total: usize = lens.iter().sum();
        assert!(total <= MAX_PAGE_BYTES, "{total}");
        count += lens.len();
        if !page.more {
            break;
        }
        assert!(total + lens[0] > MAX_PAGE_BYTES, "a page with more after it is full: {total}");
        after = page.entries.last().map(|entry| entry.path.clone());
    }
    assert_eq!(count, 500);
}

#[tokio::test]
async fn entries_that_vanish_between_pages_do_not_disturb_the_others() {
    let yard = Yard::new();
    for n in 10..50 {
        yard.write(&format!("d{n}/f"), "x");
    }
    let store = yard.serve();
    let first = store.list(&query("", None, 21, true)).await.expect("lists");
    let last = first.entries.last().expect("full").path.clone();
    assert_eq!(last, path("d20"));
    // The cursor itself, one before it, one after it; and a new one on each side.
    for gone in ["d20", "d12", "d30"] {
        std::fs::remove_dir_all(yard.at(gone)).expect("removed");
    }
    yard.write("d205", "x");
    yard.write("d00", "x");
    let rest = store.list(&query("", Some(last), 100, true)).await.expect("lists");
    let rest: Vec<_> = rest.entries.iter().map(label).collect();
    let mut want = vec!["d205".to_owned()];
    for n in (21..50).filter(|n| *n != 30) {
        want.extend([format!("d{n}/"), format!("d{n}/f")]);
    }
    assert_eq!(rest, want);
}

#[tokio::test]
async fn a_walk_reads_each_folder_once_and_goes_on_where_it_stands_whatever_comes_and_goes() {
    let yard = Yard::new();
    for n in 10..50 {
        yard.write(&format!("d{n}/f"), "x");
    }
    let store = yard.serve();
    let mut pages = store.pages(&query("", None, 21, true)).expect("it walks");
    let first = pages.next(21).await.expect("lists");
    assert_eq!(first.entries.last().expect("full").path, path("d20"));
    // What was to be next, one long past, one to come, and the folder that the walk is about to go into.
    for gone in ["d21", "d12", "d30", "d20"] {
        std::fs::remove_dir_all(yard.at(gone)).expect("removed");
    }
    // In a folder whose names were read, and in one whose were not.
    yard.write("d205", "x");
    yard.write("d40/g", "x");
    let rest = pages.next(100).await.expect("lists");
    let rest: Vec<_> = rest.entries.iter().map(label).collect();
    let mut want = Vec::new();
    for n in (22..50).filter(|n| *n != 30) {
        want.extend([format!("d{n}/"), format!("d{n}/f")]);
    }
    want.insert(want.iter().position(|name| name == "d40/f").expect("there") + 1, "d40/g".to_owned());
    assert_eq!(rest, want);
}

#[tokio::test]
async fn entries_that_come_and_go_during_a_listing_leave_the_steady_ones_complete() {
    let yard = Yard::new();
    for n in 0..300 {
        yard.write(&format!("steady{n:03}"), "x");
    }
    let root = yard.root();
    let restless = std::thread::spawn(move || {
        for n in 0..3000 {
            let name = root.join(format!("s{}", n % 17));
            std::fs::write(&name, "x").expect("written");
            std::fs::remove_file(&name).expect("removed");
        }
    });
    let store = yard.serve();
    while !restless.is_finished() {
        let (entries, skipped) = list_all(&store, "", 50, true).await;
        let steady: Vec<_> = entries.iter().map(label).filter(|name| name.starts_with("steady")).collect();
        assert!(steady.into_iter().eq((0..300).map(|n| format!("steady{n:03}"))));
        assert!(entries.windows(2).all(|pair| pair[0].path < pair[1].path));
        assert_eq!(skipped, 0, "what is gone is not what could not be listed");
    }
    restless.join().expect("no panic");
}

#[tokio::test]
async fn what_cannot_be_offered_is_counted_once_whatever_the_page_size() {
    let yard = Yard::new();
    for name in ["a", "b", "c", "d/e", "f"] {
        yard.write(name, "x");
    }
    let bad: [&[u8]; 5] = [b"a\xff", b"b\n", b"d/\xfe\xfe", b"z\\z", "c\u{202e}".as_bytes()];
    for name in bad {
        std::fs::write(yard.root().join(OsStr::from_bytes(name)), "x").expect("written");
    }
    for silent in [&b".hidden\xff"[..], b".x.dpexpart"] {
        std::fs::write(yard.root().join(OsStr::from_bytes(silent)), "x").expect("written");
    }
    for link in ["0", "b-link", "d/f", "y", ".hidden-link"] {
        yard.link("a", link);
    }
    mkfifoat(CWD, yard.at("d/pipe"), Mode::RUSR | Mode::WUSR).expect("made");
    let store = yard.serve();
    for limit in 1..9 {
        let (entries, skipped) = list_all(&store, "", limit, true).await;
        assert_eq!(entries.iter().map(label).collect::<Vec<_>>(), ["a", "b", "c", "d/", "d/e", "f"]);
        assert_eq!(skipped, 10, "{limit}");
        assert_eq!(walk_all(&store, "", limit, true).await, Some((entries, skipped)), "{limit}");
    }
    let (not_utf8, not_allowed) = ("the name is not UTF-8", "the name holds a character that is not allowed");
    let not_followed = "it is a link, and `follow-links` is off";
    let want = [
        ("0", not_followed),
        ("a\\xff", not_utf8),
        ("b\n", not_allowed),
        ("b-link", not_followed),
        ("c\u{202e}", not_allowed),
        ("d/f", not_followed),
        ("d/pipe", "it is a pipe, a socket or a device"),
        ("d/\\xfe\\xfe", not_utf8),
        ("y", not_followed),
        ("z\\z", not_allowed),
    ];
    assert_eq!(left_out(&store).await, want.map(|(name, why)| (name.to_owned(), why.to_owned())));
}

#[tokio::test]
async fn of_very_many_that_cannot_be_offered_the_first_of_each_reason_are_named_and_all_are_counted() {
    let yard = Yard::new();
    for n in 0..300 {
        std::fs::write(yard.at(&format!("{n:03}\n")), "x").expect("written");
        yard.link("000", &format!("z{n:03}"));
    }
    let page = yard.serve().list(&query("", None, 9, true)).await.expect("lists");
    assert_eq!((page.entries.len(), page.skipped, page.named.len()), (0, 600, 2 * MAX_NAMED));
    assert_eq!((page.named[0].name.as_str(), page.named[MAX_NAMED].name.as_str()), ("000\n", "z000"));
}

// NAM-14.
#[tokio::test]
async fn nobody_finds_by_numbers_what_names_are_left_out() {
    let yard = Yard::new();
    for name in ["a", "d/a", "z"] {
        yard.write(name, "x");
    }
    for link in ["0", "d/q", "q", "zz"] {
        yard.link("a", link);
    }
    let store = yard.serve();
    let count = async |after: Option<&str>| {
        let query = query("", after.map(path), 9, true);
        let page = store.list(&query).await.expect("lists");
        assert_eq!(page.skipped, page.named.len() as u64, "nor are they named");
        let mut pages = store.pages(&query).expect("it has them");
        assert_eq!(pages.next(9).await.expect("lists"), page);
        (page.entries.len(), page.skipped)
    };
    assert_eq!(count(None).await, (4, 4));
    // What may have come on a page before.
    for (after, want) in [("a", (3, 3)), ("d", (2, 3)), ("d/a", (1, 3)), ("z", (0, 1))] {
        assert_eq!(count(Some(after)).await, want, "{after}");
    }
    // What may not: also the very name, and one on either side of it.
    for (after, want) in [
        ("!", (4, 3)),
        ("0", (4, 3)),
        ("d/p", (1, 1)),
        ("d/q", (1, 1)),
        ("d/q/x", (1, 1)),
        ("d/r", (1, 1)),
        ("d/.hidden", (2, 3)),
        ("e", (1, 1)),
        ("p", (1, 1)),
        ("q", (1, 1)),
        ("r", (1, 1)),
        ("zy", (0, 0)),
        ("zz", (0, 0)),
    ] {
        assert_eq!(count(Some(after)).await, want, "{after}");
    }
}

#[tokio::test]
async fn what_is_too_deep_to_travel_is_counted() {
    let yard = Yard::new();
    std::fs::create_dir_all(yard.at(&vec!["d"; 66].join("/"))).expect("made");
    let (entries, skipped) = list_all(&yard.serve(), "", 10, true).await;
    assert_eq!((entries.len(), skipped), (64, 1));
}

// NAM-6.
#[tokio::test]
async fn what_cannot_be_read_is_counted_and_not_found() {
    if !humble() {
        return;
    }
    let yard = Yard::new();
    for name in ["a", "b", "locked/x", "shut", "z"] {
        yard.write(name, "x");
    }
    chmod(&yard.at("shut"), 0o000);
    chmod(&yard.at("locked"), 0o000);
    let store = yard.serve();
    for limit in 1..7 {
        let (entries, skipped) = list_all(&store, "", limit, true).await;
        assert_eq!(entries.iter().map(label).collect::<Vec<_>>(), ["a", "b", "locked/", "z"], "{limit}");
        assert_eq!(skipped, 2, "{limit}: the file, and what is in the folder");
    }
    for name in ["shut", "locked/x"] {
        assert!(store.open(&path(name)).await.is_err());
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    assert!(store.list(&query("locked", None, 9, true)).await.is_err());
    chmod(&yard.at("locked"), 0o700);
}

#[tokio::test]
async fn more_is_not_said_of_what_is_never_listed() {
    let yard = Yard::new();
    yard.write("a", "x");
    yard.write(".hidden", "x");
    yard.write("b.dpexpart", "x");
    yard.link("a", "c");
    let page = yard.serve().list(&query("", None, 1, true)).await.expect("lists");
    assert_eq!((page.entries.len(), page.more, page.skipped), (1, false, 1), "the link is counted");
}

#[tokio::test]
async fn a_folder_removed_under_the_store_is_an_empty_one() {
    let yard = Yard::new();
    yard.write("d/a", "x");
    let store = yard.serve();
    std::fs::remove_dir_all(yard.at("d")).expect("removed");
    std::fs::remove_dir(yard.root()).expect("removed");
    assert!(names(&store, "").await.is_empty());
}
