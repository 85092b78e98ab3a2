//! A file that changes while it is read is an error, never new bytes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use dpex_core::store::{FileStore, StoreError};
use dpex_core::types::Secret;
use dpex_store_fs::{FsStore, Options};

use crate::support::{Yard, path};

// NAM-4, XFR-12.
#[tokio::test]
async fn every_kind_of_change_is_noticed_and_nothing_else() {
    let yard = Yard::new();
    yard.write("a", "0123456789");
    yard.write("other", "9876543210");
    let store = yard.serve();
    let at = yard.at("a");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("longer", &|| OpenOptions::new().append(true).open(&at).and_then(|mut f| f.write_all(b"x")).expect("written")),
        ("shorter", &|| OpenOptions::new().write(true).open(&at).and_then(|f| f.set_len(4)).expect("cut")),
        ("rewritten", &|| rewrite(&at)),
        ("emptied and written again", &|| std::fs::write(&at, "abcdefghij").expect("written")),
        ("replaced", &|| std::fs::rename(yard.at("other"), &at).expect("renamed")),
        ("removed", &|| std::fs::remove_file(&at).expect("removed")),
    ];
    for (kind, change) in changes {
        let file = store.open(&path("a")).await.expect("is there");
        let size = usize::try_from(file.meta().size).expect("small");
        for _ in 0..2 {
            file.read_at(0, size).await.expect("nothing changed yet");
        }
        change();
        assert!(matches!(file.read_at(0, 1).await, Err(StoreError::Changed)), "{kind}");
        assert!(matches!(file.read_at(0, size).await, Err(StoreError::Changed)), "{kind}");
    }
}

/// The same length at the same place, until the file system's clock has ticked.
fn rewrite(at: &std::path::Path) {
    use std::os::unix::fs::MetadataExt as _;

    let stamp = || std::fs::metadata(at).map(|m| (m.mtime(), m.mtime_nsec())).expect("there");
    let before = stamp();
    let file = OpenOptions::new().write(true).open(at).expect("opens");
    for _ in 0..1_000_000 {
        file.write_all_at(b"ABCD", 0).expect("written");
        if stamp() != before {
            return;
        }
    }
    panic!("the clock of this file system stands still");
}

#[tokio::test]
async fn another_file_under_the_same_name_is_not_what_was_opened() {
    let yard = Yard::new();
    yard.write("a", "old");
    let store = yard.serve();
    let file = store.open(&path("a")).await.expect("is there");
    std::fs::remove_file(yard.at("a")).expect("removed");
    yard.write("a", "new");
    assert!(!matches!(file.read_at(0, 3).await, Ok(bytes) if bytes == "new"));
}

// NAM-4.
#[tokio::test]
async fn a_version_outlives_the_store_and_depends_on_its_secret() {
    let yard = Yard::new();
    yard.write("a", "x");
    let version = async |secret: [u8; 32]| {
        let store = FsStore::serve(&yard.root(), Secret::new(secret), Options::default()).expect("opens");
        store.open(&path("a")).await.expect("is there").meta().version
    };
    let before = version([1; 32]).await;
    assert_eq!(version([1; 32]).await, before);
    assert_ne!(version([2; 32]).await, before);
}

#[tokio::test]
async fn a_sparse_file_past_four_gigabytes_is_read_at_its_end() {
    let yard = Yard::new();
    let size = (1 << 32) + 10;
    let file = std::fs::File::create(yard.at("big")).expect("made");
    file.set_len(size).expect("sparse");
    file.write_all_at(b"end", size - 3).expect("written");
    let file = yard.serve().open(&path("big")).await.expect("is there");
    assert_eq!(file.meta().size, size);
    assert_eq!(file.read_at(size - 4, 4).await.expect("inside"), "\0end");
}

#[tokio::test]
async fn many_reads_of_one_file_go_on_at_once() {
    let yard = Yard::new();
    let content: String = (0..100_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    yard.write("a", &content);
    let file = yard.serve().open(&path("a")).await.expect("is there");
    let reads: Vec<_> = (0..50)
        .map(|n| {
            let file = std::sync::Arc::clone(&file);
            tokio::spawn(async move { (n, file.read_at(n * 2000, 2000).await) })
        })
        .collect();
    for read in reads {
        let (n, data) = read.await.expect("no panic");
        let at = usize::try_from(n * 2000).expect("small");
        assert_eq!(data.expect("unchanged"), content[at..at + 2000]);
    }
}
