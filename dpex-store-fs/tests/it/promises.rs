//! What every store promises, run against the file system and against memory.

use bytes::Bytes;
use dpex_core::store::{EntryKind, Existing, FileStore, StoreError};
use dpex_core::testing::MemStore;
use dpex_core::types::{MAX_DEPTH, SharePath};

use crate::support::{Yard, deliver, fetch, incoming, label, list_all, names, newer, path, put, query};

macro_rules! promises {
    ($($name:ident,)*) => {
        mod fs {
            $(
                #[tokio::test]
                async fn $name() {
                    let yard = super::Yard::new();
                    super::$name(&yard.store).await;
                    yard.assert_outside_is_untouched();
                }
            )*
        }

        mod mem {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&super::MemStore::new()).await;
                }
            )*
        }
    };
}

promises! {
    a_valid_name_arrives_or_is_refused_by_name,
    no_name_appears_before_commit,
    a_discarded_part_leaves_nothing,
    a_dropped_part_leaves_no_name_and_is_begun_again,
    an_incomplete_part_cannot_be_committed,
    a_part_takes_no_byte_past_its_size,
    bytes_may_come_in_any_order_and_twice,
    an_existing_file_is_kept,
    the_same_file_is_recognised_whatever_is_asked_for,
    an_overwritten_file_is_replaced_at_commit_and_not_before,
    a_renamed_file_takes_the_first_free_number,
    a_renaming_second_run_finds_what_the_first_wrote,
    a_name_taken_meanwhile_is_not_replaced,
    one_file_is_received_once_at_a_time,
    a_folder_in_the_way_is_in_the_way_in_every_mode,
    a_file_in_the_way_of_a_folder_is_in_the_way,
    the_root_is_no_file,
    empty_files_and_folders_arrive,
    time_and_executable_bit_are_kept,
    pages_of_every_size_make_the_same_listing,
    a_listing_goes_on_after_any_path,
    a_file_lists_itself,
    what_is_not_there_is_not_found,
    hidden_names_are_neither_shown_nor_taken,
    a_read_gives_exactly_the_range,
    a_replaced_file_never_gives_new_bytes,
    a_version_is_the_same_while_the_file_is,
    the_deepest_tree_arrives,
}

/// Names of every kind that a sender may have.
fn corpus() -> Vec<String> {
    let mut names: Vec<String> = [
        "a",
        "A",
        "a b",
        " a",
        "a.b.c",
        "ä",
        "a\u{308}",
        "日本語",
        "👍",
        "-rf",
        "*",
        "?",
        "\"",
        "'",
        "$HOME",
        "%s",
        "~",
        "#",
        "a|b",
        "<a>",
        "con",
        "NUL.txt",
        "com1",
        "LPT².log",
        "COM10",
        "a:b",
        "a.",
        "a ",
        "a.part",
        "a.part.part",
        "x.dpexpart",
        "..a",
        "...",
        "a..b",
        "a/b",
        "a/b/c d/ e",
        "a\u{200b}b",
        "a\u{feff}",
        "ﬁ",
        "İ",
        "\u{fffd}",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(255));
    names.push("é".repeat(127));
    names.push(format!("{}.txt", "y".repeat(251)));
    names.push(vec!["z".repeat(250); 4].join("/"));
    names
}

async fn a_valid_name_arrives_or_is_refused_by_name(store: &dyn FileStore) {
    let mut refused = 0;
    for (n, name) in corpus().iter().enumerate() {
        // Each in a folder of its own, so that none is in the way of another.
        let Ok(inside) = SharePath::parse(&format!("{n}/{name}")) else { panic!("{name:?} is valid") };
        let content = format!("content of {n}");
        match deliver(store, &incoming(inside.as_str(), content.len() as u64), content.as_bytes()).await {
            Ok(given) => {
                assert_eq!(given, inside);
                assert_eq!(fetch(store, inside.as_str()).await.expect("is there"), content, "{name:?}");
                assert!(names(store, &n.to_string()).await.contains(&inside.to_string()), "{name:?} is listed");
            }
            Err(StoreError::BadName(reason)) => {
                assert!(!reason.is_empty());
                assert!(fetch(store, inside.as_str()).await.is_err(), "{name:?}");
                refused += 1;
            }
            Err(other) => panic!("{name:?}: {other}"),
        }
    }
    assert!(refused < corpus().len() / 2, "a store that refuses most names is none");
}

async fn no_name_appears_before_commit(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("written");
    assert!(names(store, "").await.is_empty());
    for name in ["a", "a.part", ".a.dpexpart"] {
        assert!(matches!(fetch(store, name).await, Err(StoreError::NotFound)), "{name}");
    }
    part.commit().await.expect("committed");
    assert_eq!(names(store, "").await, ["a"]);
}

async fn a_discarded_part_leaves_nothing(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("written");
    part.discard().await.expect("discarded");
    assert!(names(store, "").await.is_empty());
    put(store, "a", b"other").await;
}

async fn a_dropped_part_leaves_no_name_and_is_begun_again(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("written");
    drop(part);
    assert!(names(store, "").await.is_empty());
    let again = store.receive(&incoming("a", 3)).await.expect("nobody holds it");
    assert!(again.commit().await.is_err(), "nothing was written into this one");
    put(store, "a", b"xyz").await;
    assert_eq!(fetch(store, "a").await.expect("is there"), "xyz");
}

async fn an_incomplete_part_cannot_be_committed(store: &dyn FileStore) {
    for (offset, data) in [(0, "ab"), (1, "bc"), (0, "")] {
        let part = store.receive(&incoming("a", 3)).await.expect("free");
        part.write_at(offset, Bytes::from_static(data.as_bytes())).await.expect("written");
        assert!(matches!(part.commit().await, Err(StoreError::Io(_))), "{offset} {data}");
        assert!(names(store, "").await.is_empty());
    }
}

async fn a_part_takes_no_byte_past_its_size(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    assert!(part.write_at(1, Bytes::from_static(b"abc")).await.is_err());
    assert!(part.write_at(3, Bytes::from_static(b"a")).await.is_err());
    assert!(part.write_at(u64::MAX, Bytes::from_static(b"a")).await.is_err());
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("all of it fits");
    part.commit().await.expect("committed");
    assert_eq!(fetch(store, "a").await.expect("is there"), "abc");
}

async fn bytes_may_come_in_any_order_and_twice(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 6)).await.expect("free");
    for (offset, data) in [(4, "ef"), (0, "ab"), (2, "cd"), (1, "bcd")] {
        part.write_at(offset, Bytes::from_static(data.as_bytes())).await.expect("written");
    }
    part.commit().await.expect("committed");
    assert_eq!(fetch(store, "a").await.expect("is there"), "abcdef");
}

async fn an_existing_file_is_kept(store: &dyn FileStore) {
    put(store, "a", b"old").await;
    assert!(matches!(store.receive(&newer("a", 3, Existing::Keep)).await, Err(StoreError::Exists)));
    assert!(matches!(store.receive(&incoming("a", 4)).await, Err(StoreError::Exists)));
    assert_eq!(fetch(store, "a").await.expect("is there"), "old");
}

async fn the_same_file_is_recognised_whatever_is_asked_for(store: &dyn FileStore) {
    put(store, "a", b"old").await;
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        let same = dpex_core::store::Incoming { existing, ..incoming("a", 3) };
        assert!(matches!(store.receive(&same).await, Err(StoreError::Same)), "{existing:?}");
    }
    assert_eq!(names(store, "").await, ["a"]);
}

async fn an_overwritten_file_is_replaced_at_commit_and_not_before(store: &dyn FileStore) {
    put(store, "a", b"old").await;
    let part = store.receive(&newer("a", 6, Existing::Overwrite)).await.expect("may be replaced");
    part.write_at(0, Bytes::from_static(b"newnew")).await.expect("written");
    assert_eq!(fetch(store, "a").await.expect("is there"), "old");
    assert_eq!(part.commit().await.expect("committed"), path("a"));
    assert_eq!(fetch(store, "a").await.expect("is there"), "newnew");
    assert_eq!(names(store, "").await, ["a"]);
}

async fn a_renamed_file_takes_the_first_free_number(store: &dyn FileStore) {
    put(store, "d/a.txt", b"one").await;
    put(store, "d/a (3).txt", b"three").await;
    let given = deliver(store, &newer("d/a.txt", 3, Existing::Rename), b"two").await.expect("arrives");
    assert_eq!(given, path("d/a (2).txt"));
    let given = deliver(store, &newer("d/a.txt", 4, Existing::Rename), b"four").await.expect("arrives");
    assert_eq!(given, path("d/a (4).txt"));
    assert_eq!(fetch(store, "d/a.txt").await.expect("is there"), "one");
    assert_eq!(fetch(store, "d/a (2).txt").await.expect("is there"), "two");
    let given = deliver(store, &newer("d/b", 1, Existing::Rename), b"b").await.expect("arrives");
    assert_eq!(given, path("d/b"), "a free name is taken as it is");
}

async fn a_renaming_second_run_finds_what_the_first_wrote(store: &dyn FileStore) {
    put(store, "a", b"one").await;
    deliver(store, &newer("a", 3, Existing::Rename), b"two").await.expect("arrives");
    assert!(matches!(store.receive(&newer("a", 3, Existing::Rename)).await, Err(StoreError::Same)));
}

async fn a_name_taken_meanwhile_is_not_replaced(store: &dyn FileStore) {
    // The second name is only known to the store as a part, and is taken by renaming another file onto it.
    let part = store.receive(&incoming("a (2)", 3)).await.expect("free");
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("written");
    put(store, "a", b"one").await;
    let given = deliver(store, &newer("a", 3, Existing::Rename), b"two").await.expect("arrives");
    assert_eq!(given, path("a (2)"));
    assert!(matches!(part.commit().await, Err(StoreError::Exists)));
    assert_eq!(fetch(store, "a (2)").await.expect("is there"), "two");
}

async fn one_file_is_received_once_at_a_time(store: &dyn FileStore) {
    let part = store.receive(&incoming("a", 3)).await.expect("free");
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        assert!(matches!(store.receive(&newer("a", 5, existing)).await, Err(StoreError::Busy)), "{existing:?}");
    }
    let other = store.receive(&incoming("b", 3)).await.expect("another file is free");
    part.write_at(0, Bytes::from_static(b"abc")).await.expect("it was not disturbed");
    part.commit().await.expect("committed");
    other.discard().await.expect("discarded");
}

async fn a_folder_in_the_way_is_in_the_way_in_every_mode(store: &dyn FileStore) {
    store.make_folder(&path("d")).await.expect("made");
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        assert!(matches!(store.receive(&newer("d", 1, existing)).await, Err(StoreError::Exists)), "{existing:?}");
    }
    let late = store.receive(&newer("e", 1, Existing::Overwrite)).await.expect("free");
    late.write_at(0, Bytes::from_static(b"x")).await.expect("written");
    store.make_folder(&path("e")).await.expect("made");
    assert!(matches!(late.commit().await, Err(StoreError::Exists)));
    assert_eq!(names(store, "").await, ["d/", "e/"]);
}

async fn a_file_in_the_way_of_a_folder_is_in_the_way(store: &dyn FileStore) {
    put(store, "f", b"file").await;
    assert!(matches!(store.receive(&incoming("f/x", 1)).await, Err(StoreError::Exists)));
    assert!(matches!(store.receive(&incoming("f/x/y", 1)).await, Err(StoreError::Exists)));
    assert!(matches!(store.make_folder(&path("f")).await, Err(StoreError::Exists)));
    assert!(matches!(store.make_folder(&path("f/x")).await, Err(StoreError::Exists)));
}

async fn the_root_is_no_file(store: &dyn FileStore) {
    assert!(matches!(store.receive(&incoming("", 1)).await, Err(StoreError::Exists)));
    assert!(matches!(store.open(&SharePath::ROOT).await, Err(StoreError::NotFound)));
    store.make_folder(&SharePath::ROOT).await.expect("it is there already");
}

async fn empty_files_and_folders_arrive(store: &dyn FileStore) {
    let part = store.receive(&incoming("d/empty", 0)).await.expect("free");
    part.commit().await.expect("nothing is missing");
    for _ in 0..2 {
        store.make_folder(&path("e/f")).await.expect("made, or there already");
    }
    assert_eq!(names(store, "").await, ["d/", "d/empty", "e/", "e/f/"]);
    let file = store.open(&path("d/empty")).await.expect("is there");
    assert_eq!(file.meta().size, 0);
    assert_eq!(file.read_at(0, 0).await.expect("nothing to read"), "");
}

async fn time_and_executable_bit_are_kept(store: &dyn FileStore) {
    for (name, secs, nanos, exec) in [
        ("a", 1_700_000_000, 123_456_789, false),
        ("b", 0, 0, true),
        ("c", -5, 1, false),
        ("d", 5_000_000_000, 999_999_999, true),
    ] {
        let mut given = incoming(name, 1);
        given.meta.mtime = crate::support::time(secs, nanos);
        given.meta.exec = exec;
        deliver(store, &given, b"x").await.expect("arrives");
        let meta = *store.open(&path(name)).await.expect("is there").meta();
        assert_eq!((meta.size, meta.mtime, meta.exec), (1, given.meta.mtime, exec), "{name}");
    }
}

/// A tree in which the order of paths is not the order of their texts.
async fn plant(store: &dyn FileStore) -> Vec<String> {
    for name in ["a", "b.txt", "b/1", "b/2/x", "b/2/y/z", "b/3", "b-c", "c/d/e/f", "z", "ä"] {
        put(store, name, name.as_bytes()).await;
    }
    store.make_folder(&path("b/empty")).await.expect("made");
    let all = [
        "a", "b/", "b/1", "b/2/", "b/2/x", "b/2/y/", "b/2/y/z", "b/3", "b/empty/", "b-c", "b.txt", "c/", "c/d/",
        "c/d/e/", "c/d/e/f", "z", "ä",
    ];
    all.map(String::from).into()
}

async fn pages_of_every_size_make_the_same_listing(store: &dyn FileStore) {
    let all = plant(store).await;
    for limit in 1..=all.len() + 1 {
        let listed = |(entries, skipped): (Vec<_>, u64)| {
            assert_eq!(skipped, 0);
            entries.iter().map(label).collect::<Vec<_>>()
        };
        assert_eq!(listed(list_all(store, "", limit, true).await), all, "{limit}");
        assert_eq!(
            listed(list_all(store, "", limit, false).await),
            ["a", "b/", "b-c", "b.txt", "c/", "z", "ä"],
            "{limit}"
        );
        assert_eq!(listed(list_all(store, "b", limit, true).await), all[2..9], "{limit}");
        assert_eq!(listed(list_all(store, "b", limit, false).await), ["b/1", "b/2/", "b/3", "b/empty/"], "{limit}");
        assert!(listed(list_all(store, "b/empty", limit, true).await).is_empty());
    }
}

async fn a_listing_goes_on_after_any_path(store: &dyn FileStore) {
    let all = plant(store).await;
    let after =
        ["a", "a/x", "b", "b/0", "b/2", "b/2/x", "b/2/xx", "b/2/y/zz/k", "b/9", "b-", "c", "c/d/e/f/g", "zz", "ää"];
    for after in after.map(path) {
        for folder in ["", "b", "b/2", "c/d"] {
            let page = store.list(&query(folder, Some(after.clone()), 100, true)).await.expect("lists");
            let want: Vec<_> = all
                .iter()
                .filter(|name| {
                    let name = path(name.trim_end_matches('/'));
                    name > after && name.starts_with(&path(folder)) && name != path(folder)
                })
                .cloned()
                .collect();
            assert_eq!(page.entries.iter().map(label).collect::<Vec<_>>(), want, "{folder:?} after {after}");
            assert!(!page.more);
        }
    }
}

async fn a_file_lists_itself(store: &dyn FileStore) {
    plant(store).await;
    let page = store.list(&query("b/1", None, 1, true)).await.expect("lists");
    assert_eq!(page.entries.iter().map(label).collect::<Vec<_>>(), ["b/1"]);
    assert!(!page.more);
    let EntryKind::File(listed) = page.entries[0].kind else { panic!("it is a file") };
    assert_eq!(listed, *store.open(&path("b/1")).await.expect("is there").meta());
    let page = store.list(&query("b/1", Some(path("b/1")), 1, true)).await.expect("lists");
    assert!(page.entries.is_empty());
}

async fn what_is_not_there_is_not_found(store: &dyn FileStore) {
    put(store, "d/a", b"x").await;
    for name in ["x", "d/x", "d/a/x", "x/y/z"] {
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    assert!(matches!(store.open(&path("d")).await, Err(StoreError::NotFound)), "a folder cannot be read");
}

async fn hidden_names_are_neither_shown_nor_taken(store: &dyn FileStore) {
    for name in [".profile", "d/.git/config", ".d/a"] {
        assert!(matches!(store.receive(&incoming(name, 1)).await, Err(StoreError::BadName(_))), "{name}");
        assert!(matches!(store.make_folder(&path(name)).await, Err(StoreError::BadName(_))), "{name}");
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    assert!(names(store, "").await.is_empty());
}

async fn a_read_gives_exactly_the_range(store: &dyn FileStore) {
    put(store, "a", b"0123456789").await;
    let file = store.open(&path("a")).await.expect("is there");
    for (offset, len, want) in [(0, 10, "0123456789"), (3, 4, "3456"), (9, 1, "9"), (10, 0, ""), (0, 0, "")] {
        assert_eq!(file.read_at(offset, len).await.expect("inside"), want, "{offset} {len}");
    }
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1)] {
        assert!(file.read_at(offset, len).await.is_err(), "{offset} {len}");
    }
}

async fn a_replaced_file_never_gives_new_bytes(store: &dyn FileStore) {
    put(store, "a", b"old").await;
    let file = store.open(&path("a")).await.expect("is there");
    deliver(store, &newer("a", 3, Existing::Overwrite), b"new").await.expect("arrives");
    match file.read_at(0, 3).await {
        Ok(bytes) => assert_eq!(bytes, "old"),
        Err(StoreError::Changed) => {}
        Err(other) => panic!("{other}"),
    }
    assert_eq!(fetch(store, "a").await.expect("is there"), "new");
}

async fn a_version_is_the_same_while_the_file_is(store: &dyn FileStore) {
    put(store, "a", b"old").await;
    put(store, "b", b"old").await;
    let version = async |name: &str| store.open(&path(name)).await.expect("is there").meta().version;
    let before = version("a").await;
    fetch(store, "a").await.expect("is there");
    assert_eq!(version("a").await, before);
    assert_ne!(version("b").await, before, "another file is another version");
    deliver(store, &newer("a", 3, Existing::Overwrite), b"new").await.expect("arrives");
    assert_ne!(version("a").await, before);
}

async fn the_deepest_tree_arrives(store: &dyn FileStore) {
    let deepest = vec!["d"; MAX_DEPTH].join("/");
    put(store, &deepest, b"deep").await;
    let listed = names(store, "").await;
    assert_eq!(listed.len(), MAX_DEPTH);
    assert_eq!(listed.last(), Some(&deepest));
    assert_eq!(fetch(store, &deepest).await.expect("is there"), "deep");
}
