//! Names that are two here and one on another disk.

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, StoreError, Whole};
use dpex_store_fs::Options;

use crate::support::{Yard, deliver, incoming, newer, path, put};

const PAIRS: [(&str, &str); 4] =
    [("README", "readme"), ("caf\u{e9}", "cafe\u{301}"), ("CAF\u{c9}", "cafe\u{301}"), ("stra\u{df}e", "STRASSE")];

fn is_refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    match result {
        Err(StoreError::BadName(why)) => why.contains("only in case"),
        other => panic!("{other:?}"),
    }
}

// NAM-12.
#[tokio::test]
async fn of_two_names_that_some_disk_takes_for_one_the_second_is_refused() {
    for (first, second) in PAIRS.into_iter().chain(PAIRS.map(|(a, b)| (b, a))) {
        let yard = Yard::new();
        put(&yard.store, &format!("d/{first}"), b"x").await;
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
            assert!(is_refused(yard.store.receive(&newer(&format!("d/{second}"), 1, existing)).await));
            assert!(is_refused(yard.store.receive(&newer(&format!("d/{second}/below"), 1, existing)).await));
        }
        assert!(is_refused(yard.store.make_folder(&path(&format!("d/{second}"))).await));
        let [one, other] = [first, second].map(|name| format!("f/{name}"));
        let below = [&one, &other].map(|folder| path(&format!("{folder}/below")));
        let many = yard.store.make_folders(&[path(&one), path(&other), below[1].clone(), below[0].clone()]).await;
        let refused: Vec<bool> = many.into_iter().map(|made| made.is_err() && is_refused(made)).collect();
        assert_eq!(refused, [false, true, true, false]);
        put(&yard.store, &format!("e/{second}"), b"another folder is another matter").await;
        put(&yard.store, &format!("d/{second}-other"), b"x").await;
        assert_eq!(yard.on_disk().len(), 8);
    }
}

// NAM-12.
#[tokio::test]
async fn what_was_there_before_counts_as_what_was_received() {
    let yard = Yard::new();
    yard.write("Photos/one", "x");
    yard.write("Notes", "x");
    for name in ["photos/two", "photos", "Photos/ONE", "notes"] {
        assert!(is_refused(yard.store.receive(&incoming(name, 1)).await), "{name}");
    }
    put(&yard.store, "Photos/two", b"x").await;
    assert_eq!(yard.on_disk(), ["Notes", "Photos", "Photos/one", "Photos/two"]);
}

#[tokio::test]
async fn a_name_that_its_owner_has_beside_its_like_is_received_as_ever() {
    let yard = Yard::new();
    for name in ["a", "A"] {
        yard.write(name, "mine");
    }
    deliver(&yard.store, &newer("a", 3, Existing::Overwrite), b"new").await.expect("arrives");
    assert_eq!(std::fs::read(yard.at("a")).expect("there"), b"new");
    assert_eq!(std::fs::read(yard.at("A")).expect("there"), b"mine");
}

// NAM-12.
#[tokio::test]
async fn two_that_are_received_at_once_are_told_apart_too() {
    let yard = Yard::new();
    let first = yard.store.receive(&incoming("D/a", 0)).await.expect("free");
    assert!(is_refused(yard.store.receive(&incoming("D/A", 0)).await));
    assert!(is_refused(yard.store.receive(&incoming("d/b", 0)).await));
    first.discard().await.expect("discarded");
    assert!(is_refused(yard.store.receive(&incoming("d/b", 0)).await), "the folder stays");
    put(&yard.store, "D/A", b"x").await;
    assert_eq!(yard.on_disk(), ["D", "D/A"]);
}

#[tokio::test]
async fn a_name_that_was_removed_is_in_nobodys_way() {
    let yard = Yard::new();
    put(&yard.store, "README", b"x").await;
    std::fs::remove_file(yard.at("README")).expect("removed");
    put(&yard.store, "readme", b"x").await;
    assert!(is_refused(yard.store.receive(&incoming("README", 1)).await));
    // Nor is a folder that was, however well it is remembered.
    put(&yard.store, "D/e/one", b"x").await;
    put(&yard.store, "D/e/two", b"x").await;
    std::fs::remove_dir_all(yard.at("D")).expect("removed");
    put(&yard.store, "d/e/three", b"x").await;
    assert!(is_refused(yard.store.receive(&incoming("D/e/four", 1)).await));
    assert_eq!(yard.on_disk(), ["d", "d/e", "d/e/three", "readme"]);
}

// NAM-12.
#[tokio::test]
async fn a_number_that_is_put_on_makes_no_such_name_either() {
    let yard = Yard::new();
    yard.write("a.txt", "x");
    yard.write("A (2).txt", "x");
    assert!(is_refused(yard.store.receive(&newer("a.txt", 1, Existing::Rename)).await));
    yard.write("b.txt", "x");
    put(&yard.store, "B (3).txt", b"x").await;
    let given = deliver(&yard.store, &newer("b.txt", 3, Existing::Rename), b"two").await.expect("arrives");
    assert_eq!(given, path("b (2).txt"));
    assert!(is_refused(yard.store.receive(&incoming("B (2).txt", 1)).await), "it counts under the name it got");
}

// NAM-12.
#[tokio::test]
async fn many_whole_files_are_told_apart_among_themselves() {
    let yard = Yard::new();
    let whole = |name: &str| Whole { incoming: incoming(name, 1), content: Bytes::from_static(b"x") };
    let answers = yard.store.put_all(["a", "A", "d/x", "D/y", "b"].map(whole).into()).await;
    let is_there: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(is_there, [true, false, true, false, true]);
    assert_eq!(yard.on_disk(), ["a", "b", "d", "d/x"]);
}

#[tokio::test]
async fn any_names_are_taken_when_they_are_asked_for() {
    for (first, second) in PAIRS {
        let yard = Yard::with(Options { any_names: true, ..Options::default() });
        for name in [first, second, "a:b", "end.", "nul.txt"] {
            put(&yard.store, name, b"x").await;
        }
        assert_eq!(yard.on_disk().len(), 5);
        let forged = yard.store.receive(&incoming(".x.dpexpart", 1)).await;
        assert!(matches!(forged, Err(StoreError::BadName(_))), "never the record of a part");
        assert!(matches!(yard.store.receive(&incoming(".x", 1)).await, Err(StoreError::BadName(_))));
    }
}

#[tokio::test]
async fn a_folder_is_read_once_so_that_what_its_owner_adds_meanwhile_is_not_seen() {
    let yard = Yard::new();
    put(&yard.store, "first", b"x").await;
    yard.write("README", "mine");
    put(&yard.store, "readme", b"x").await;
    let another_run = dpex_store_fs::FsStore::receive(&yard.root(), Options::default()).expect("opens");
    yard.write("Notes", "mine");
    assert!(is_refused(another_run.receive(&incoming("notes", 1)).await));
}
