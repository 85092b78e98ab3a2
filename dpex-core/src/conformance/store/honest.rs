//! **Honest**: what a store lists, reads and says of versions is what is there.

use std::sync::Arc;

use super::support::{deliver, fetch, file, folder, label, list_all, newer, path, planted, query, walk_all};
use super::{Backend, Planted};
use crate::store::{EntryKind, Existing, FileStore, StoreError};

/// A tree in which the order of paths is not the order of their texts.
fn tree(backend: &impl Backend) -> (Vec<Planted>, Vec<String>) {
    let files = ["a", "b.txt", "b/1", "b/2/x", "b/2/y/z", "b/3", "b-c", "c/d/e/f", "z", "ä"];
    let mut tree: Vec<_> = files.iter().map(|name| file(name, name.as_bytes())).collect();
    tree.push(folder("b/empty"));
    let all = [
        "a", "b/", "b/1", "b/2/", "b/2/x", "b/2/y/", "b/2/y/z", "b/3", "b/empty/", "b-c", "b.txt", "c/", "c/d/",
        "c/d/e/", "c/d/e/f", "z", "ä",
    ];
    let has_empty = backend.abilities().keeps_empty_folders;
    (tree, all.into_iter().filter(|name| has_empty || *name != "b/empty/").map(String::from).collect())
}

/// Recursive or not, from the root or below.
pub async fn pages_of_every_size_make_the_same_listing(backend: &impl Backend) {
    let (tree, all) = tree(backend);
    let store = planted(backend, &tree).await;
    let below = |folder: &str| all.iter().filter(|name| name.starts_with(folder)).cloned().collect::<Vec<_>>();
    let is_direct = |name: &String, depth| name.trim_end_matches('/').split('/').count() == depth;
    for limit in 1..=all.len() + 1 {
        let listed = async |folder, recursive| {
            let (entries, skipped) = list_all(&*store, folder, limit, recursive).await;
            assert_eq!(skipped, 0);
            if let Some(walked) = walk_all(&*store, folder, limit, recursive).await {
                assert!(walked == (entries.clone(), skipped), "{folder} {limit}: {walked:?}");
            }
            entries.iter().map(label).collect::<Vec<_>>()
        };
        assert_eq!(listed("", true).await, all, "{limit}");
        let flat: Vec<_> = all.iter().filter(|name| is_direct(name, 1)).cloned().collect();
        assert_eq!(listed("", false).await, flat, "{limit}");
        assert_eq!(listed("b", true).await, below("b/")[1..], "{limit}");
        let flat: Vec<_> = below("b/")[1..].iter().filter(|name| is_direct(name, 2)).cloned().collect();
        assert_eq!(listed("b", false).await, flat, "{limit}");
        if backend.abilities().keeps_empty_folders {
            assert!(listed("b/empty", true).await.is_empty());
        } else {
            let empty = store.list(&query("b/empty", None, limit, true)).await;
            assert!(matches!(empty, Err(StoreError::NotFound)), "{empty:?}");
        }
    }
}

/// Also after one that is not there, or not below the folder.
pub async fn a_listing_goes_on_after_any_path(backend: &impl Backend) {
    let (tree, all) = tree(backend);
    let store = planted(backend, &tree).await;
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
            if let Some(mut pages) = store.pages(&query(folder, Some(after.clone()), 100, true)) {
                assert_eq!(pages.next(100).await.expect("lists"), page, "{folder:?} after {after}, to go on");
            }
        }
    }
}

/// Size and version always; time and executable bit as far as the store's listing knows them.
pub async fn a_listing_says_what_an_open_file_says(backend: &impl Backend) {
    let (tree, _) = tree(backend);
    let store = planted(backend, &tree).await;
    for entry in list_all(&*store, "", 5, true).await.0 {
        let EntryKind::File(listed) = entry.kind else { continue };
        let opened = *store.open(&entry.path).await.expect("is there").meta();
        assert_eq!((listed.size, listed.version), (opened.size, opened.version), "{}", entry.path);
        if backend.abilities().lists_as_opened {
            assert_eq!(listed, opened, "{}", entry.path);
        }
    }
}

/// Alone, and not after itself.
pub async fn a_file_lists_itself(backend: &impl Backend) {
    let (tree, _) = tree(backend);
    let store = planted(backend, &tree).await;
    let page = store.list(&query("b/1", None, 1, true)).await.expect("lists");
    assert_eq!(page.entries.iter().map(label).collect::<Vec<_>>(), ["b/1"]);
    assert!(!page.more);
    let EntryKind::File(listed) = page.entries[0].kind else { panic!("it is a file") };
    let opened = *store.open(&path("b/1")).await.expect("is there").meta();
    assert_eq!((listed.size, listed.version), (opened.size, opened.version));
    if backend.abilities().lists_as_opened {
        assert_eq!(listed, opened);
    }
    let page = store.list(&query("b/1", Some(path("b/1")), 1, true)).await.expect("lists");
    assert!(page.entries.is_empty());
}

/// Nor is what lies below a file, nor a folder that is to be read.
pub async fn what_is_not_there_is_not_found(backend: &impl Backend) {
    let store = planted(backend, &[file("d/a", b"x")]).await;
    for name in ["x", "d/x", "d/a/x", "x/y/z"] {
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    assert!(matches!(store.open(&path("d")).await, Err(StoreError::NotFound)), "a folder cannot be read");
}

/// Also the empty one at the end; never a byte past it.
pub async fn a_read_gives_exactly_the_range(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"0123456789")]).await;
    let file = store.open(&path("a")).await.expect("is there");
    for (offset, len, want) in [(0, 10, "0123456789"), (3, 4, "3456"), (9, 1, "9"), (10, 0, ""), (0, 0, "")] {
        assert_eq!(file.read_at(offset, len).await.expect("inside"), want, "{offset} {len}");
    }
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1)] {
        assert!(file.read_at(offset, len).await.is_err(), "{offset} {len}");
    }
}

/// Puts another content of the same size in the place of `a`, and gives the store that has it.
async fn replace(backend: &impl Backend, store: &Arc<dyn FileStore>) -> Arc<dyn FileStore> {
    let newer = newer("a", 3, Existing::Overwrite);
    if backend.abilities().receives {
        deliver(&**store, &newer, b"new").await.expect("arrives");
        return Arc::clone(store);
    }
    planted(backend, &[Planted { mtime: newer.meta.mtime, ..file("a", b"new") }, file("b", b"old")]).await
}

/// The old ones, or none.
pub async fn a_replaced_file_never_gives_new_bytes(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"old"), file("b", b"old")]).await;
    let file = store.open(&path("a")).await.expect("is there");
    let store = replace(backend, &store).await;
    match file.read_at(0, 3).await {
        Ok(bytes) => assert_eq!(bytes, "old"),
        Err(StoreError::Changed) => {}
        Err(other) => panic!("{other}"),
    }
    assert_eq!(fetch(&*store, "a").await.expect("is there"), "new");
}

/// And another one for another file, or other content.
pub async fn a_version_is_the_same_while_the_file_is(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"old"), file("b", b"old")]).await;
    let version =
        async |store: &dyn FileStore, name: &str| store.open(&path(name)).await.expect("is there").meta().version;
    let before = version(&*store, "a").await;
    fetch(&*store, "a").await.expect("is there");
    assert_eq!(version(&*store, "a").await, before);
    assert_ne!(version(&*store, "b").await, before, "another file is another version");
    let store = replace(backend, &store).await;
    assert_ne!(version(&*store, "a").await, before);
}
