//! Many names looked at or opened at once: the same as one after the other.

use dpex_core::store::{EntryKind, FileStore, Opened, StoreError};
use dpex_core::types::{SharePath, Timestamp};

use crate::support::{Yard, at, chmod, humble, incoming, list_all, path};

const NAMES: [&str; 12] =
    ["a", "d", "d/b", "d/e", "nothing", "a/below", ".hidden", "d/.git/x", "link", "folder-link", "big", "x.part"];

async fn yard() -> Yard {
    let yard = Yard::new();
    for name in ["a", "d/b", "d/e/c", ".hidden", "d/.git/x"] {
        yard.write(name, name);
    }
    yard.write("big", &"x".repeat(1000));
    yard.link("a", "link");
    yard.link("d", "folder-link");
    let part = yard.store.receive(&incoming("x", 1)).await.expect("free");
    part.write(at(0), "x".into()).await.expect("written");
    yard
}

#[tokio::test]
async fn a_look_shows_what_a_listing_shows_and_nothing_else() {
    let yard = yard().await;
    let store = yard.serve();
    let (entries, _) = list_all(&store, "", 100, true).await;
    let listed = |name: &str| entries.iter().find(|entry| entry.path == path(name)).map(|entry| entry.kind);
    let found = store.look(&NAMES.map(path)).await;
    assert_eq!(found.len(), NAMES.len());
    for (name, found) in NAMES.iter().zip(found) {
        assert_eq!(found.expect("looked"), listed(name), "{name}");
    }
    assert!(listed("big").is_some() && listed("d").is_some() && listed("x.part").is_none());
    let root = store.look(&[SharePath::ROOT]).await.remove(0).expect("looked");
    assert!(matches!(root, Some(EntryKind::Folder(mtime)) if mtime > Timestamp::EPOCH));
}

// NAM-6: on a shelf, what may not be read is not there.
#[tokio::test]
async fn of_a_folder_of_ones_own_it_is_told_what_may_not_be_read() {
    if !humble() {
        return;
    }
    let yard = Yard::new();
    for name in ["file", "empty", "folder/inside"] {
        yard.write(name, if name == "empty" { "" } else { name });
    }
    for name in ["file", "empty", "folder"] {
        chmod(&yard.at(name), 0);
    }
    let is_forbidden = |error: &StoreError| matches!(error, StoreError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied);
    let asked = ["file", "empty", "folder/inside"].map(path);
    let looked = yard.store.look(&asked).await;
    assert!(matches!(looked[0], Ok(Some(EntryKind::File(meta))) if meta.size == 4), "{looked:?}");
    assert!(matches!(looked[1], Ok(Some(EntryKind::File(meta))) if meta.size == 0), "{looked:?}");
    assert!(looked[2].as_ref().is_err_and(is_forbidden), "{looked:?}");
    for path in &asked {
        assert!(yard.store.open(path).await.as_ref().is_err_and(is_forbidden), "{path}");
    }
    for looked in yard.serve().look(&asked).await {
        assert!(matches!(looked, Ok(None)), "{looked:?}");
    }
    for path in &asked {
        assert!(matches!(yard.serve().open(path).await, Err(StoreError::NotFound)), "{path}");
    }
    chmod(&yard.at("folder"), 0o700);
}

#[tokio::test]
async fn small_files_are_read_and_large_ones_opened() {
    let yard = yard().await;
    let store = yard.serve();
    let opened = store.open_all(&NAMES.map(path), 999).await;
    assert_eq!(opened.len(), NAMES.len());
    for (name, opened) in NAMES.iter().zip(opened) {
        match (store.open(&path(name)).await, opened) {
            (Ok(alone), Ok(Opened::Whole(meta, content))) => {
                assert_eq!((meta, content.as_ref()), (*alone.meta(), name.as_bytes()));
            }
            (Ok(alone), Ok(Opened::File(file))) => {
                assert_eq!((*name, file.meta()), ("big", alone.meta()));
                assert_eq!(file.read_at(990, 10).await.expect("there"), "x".repeat(10));
            }
            (Err(StoreError::NotFound), Err(StoreError::NotFound)) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(store.open_all(&[path("big")], 1000).await.remove(0), Ok(Opened::Whole(..))));
    assert!(store.open_all(&[], 9).await.is_empty());
}
