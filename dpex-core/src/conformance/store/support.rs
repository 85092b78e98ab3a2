//! What the cases share, and the tests of a backend may use: short ways to receive, read and list.

use std::sync::Arc;

use bytes::Bytes;

use super::{Backend, Planted};
use crate::store::{Entry, EntryKind, Existing, FileStore, Incoming, ListQuery, Meta, StoreError, Verified};
use crate::types::{Digest, SharePath, Timestamp, Version};

/// Parses a path that is known to be valid.
#[must_use]
pub fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

/// Seconds since 1970, and nanoseconds that are known to be valid.
#[must_use]
pub fn time(secs: i64, nanos: u32) -> Timestamp {
    Timestamp::new(secs, nanos).expect("a valid time")
}

/// A file to be received, not in place of another.
#[must_use]
pub fn incoming(name: &str, size: u64) -> Incoming {
    let meta = Meta { size, mtime: time(1_700_000_000, 123_456_789), exec: false, version: Version([7; 16]) };
    Incoming::anew(path(name), meta, Existing::Keep)
}

/// The same with another time, so that it is not the same file.
#[must_use]
pub fn newer(name: &str, size: u64, existing: Existing) -> Incoming {
    let mut incoming = Incoming { existing, ..incoming(name, size) };
    incoming.meta.mtime = time(1_800_000_000, 0);
    incoming
}

/// A piece at this offset, in a case that goes on with nothing: then its value means nothing to a store.
#[must_use]
pub fn at(offset: u64) -> Verified {
    Verified { index: offset, offset, value: Digest([0; 32]) }
}

/// Receives a whole file in one write.
///
/// # Errors
/// Whatever the store says first.
pub async fn deliver(store: &dyn FileStore, incoming: &Incoming, content: &[u8]) -> Result<SharePath, StoreError> {
    let part = store.receive(incoming).await?;
    part.write(at(0), Bytes::copy_from_slice(content)).await?;
    part.commit().await
}

/// Receives a whole file under a free name.
pub async fn put(store: &dyn FileStore, name: &str, content: &[u8]) {
    let given = deliver(store, &incoming(name, content.len() as u64), content).await.expect("arrives");
    assert_eq!(given, path(name));
}

/// Reads a whole file.
///
/// # Errors
/// Whatever the store says first.
pub async fn fetch(store: &dyn FileStore, name: &str) -> Result<Bytes, StoreError> {
    let file = store.open(&path(name)).await?;
    let size = usize::try_from(file.meta().size).expect("small");
    file.read_at(0, size).await
}

/// A query for one page.
#[must_use]
pub fn query(folder: &str, after: Option<SharePath>, limit: usize, recursive: bool) -> ListQuery {
    ListQuery { path: path(folder), after, limit, recursive }
}

/// Every page of a listing, and how many entries were skipped.
pub async fn list_all(store: &dyn FileStore, folder: &str, limit: usize, recursive: bool) -> (Vec<Entry>, u64) {
    let (mut entries, mut skipped, mut after) = (Vec::<Entry>::new(), 0, None);
    loop {
        let query = query(folder, after, limit, recursive);
        let page = store.list(&query).await.expect("lists");
        assert!(page.answers(&query), "{query:?} is not answered by {page:?}");
        assert!(!page.more || page.entries.len() == limit, "a page with more after it is full");
        skipped += page.skipped;
        entries.extend(page.entries);
        if !page.more {
            return (entries, skipped);
        }
        after = entries.last().map(|entry| entry.path.clone());
    }
}

/// The same, of a store that goes on from page to page where it stands; `None` if it does not.
pub async fn walk_all(store: &dyn FileStore, folder: &str, limit: usize, recursive: bool) -> Option<(Vec<Entry>, u64)> {
    let mut query = query(folder, None, limit, recursive);
    let mut pages = store.pages(&query)?;
    let (mut entries, mut skipped) = (Vec::<Entry>::new(), 0);
    loop {
        let page = pages.next(limit).await.expect("lists");
        assert!(page.answers(&query), "{query:?} is not answered by {page:?}");
        skipped += page.skipped;
        entries.extend(page.entries);
        if !page.more {
            return Some((entries, skipped));
        }
        query.after = entries.last().map(|entry| entry.path.clone());
    }
}

/// All names, folders with a `/` behind them.
pub async fn names(store: &dyn FileStore, folder: &str) -> Vec<String> {
    list_all(store, folder, 100, true).await.0.iter().map(label).collect()
}

/// What is left out of a listing of everything, by name, and why: at most what one page names.
pub async fn left_out(store: &dyn FileStore) -> Vec<(String, String)> {
    let page = store.list(&query("", None, 1000, true)).await.expect("lists");
    assert_eq!(page.skipped, u64::try_from(page.named.len()).expect("few"));
    page.named.into_iter().map(|skipped| (skipped.name, skipped.why)).collect()
}

/// The name of an entry, a folder's with a `/` behind it.
#[must_use]
pub fn label(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::File(_) => entry.path.to_string(),
        EntryKind::Folder(_) => format!("{}/", entry.path),
    }
}

/// A file to be there from the beginning, with the metadata of [`incoming`].
#[must_use]
pub fn file(name: &str, content: &[u8]) -> Planted {
    let meta = incoming(name, 0).meta;
    Planted { path: path(name), content: Some(Bytes::copy_from_slice(content)), mtime: meta.mtime, exec: meta.exec }
}

/// A folder to be there from the beginning.
#[must_use]
pub fn folder(name: &str) -> Planted {
    Planted { content: None, ..file(name, b"") }
}

/// The store with this in it, by reception where it receives.
pub async fn planted(backend: &impl Backend, tree: &[Planted]) -> Arc<dyn FileStore> {
    if !backend.abilities().receives {
        backend.plant(tree);
        return backend.store();
    }
    let store = backend.store();
    for Planted { path, content, mtime, exec } in tree {
        let Some(content) = content else {
            store.make_folder(path).await.expect("made");
            continue;
        };
        let mut incoming = Incoming { existing: Existing::Overwrite, ..incoming(path.as_str(), content.len() as u64) };
        (incoming.meta.mtime, incoming.meta.exec) = (*mtime, *exec);
        assert_eq!(&deliver(&*store, &incoming, content).await.expect("arrives"), path);
    }
    store
}

/// The store, if it receives. If not, it is seen to refuse without harm, which is all there is to show.
pub async fn receiving(backend: &impl Backend) -> Option<Arc<dyn FileStore>> {
    if backend.abilities().receives {
        return Some(backend.store());
    }
    let store = planted(backend, &[file("there", b"is")]).await;
    for (name, existing) in [
        ("new", Existing::Keep),
        ("there", Existing::Overwrite),
        ("there", Existing::Rename),
        ("f/new", Existing::Keep),
    ] {
        match store.receive(&newer(name, 3, existing)).await {
            Err(StoreError::BadName(why)) => assert!(!why.is_empty(), "it says why"),
            Err(StoreError::Io(why)) => assert!(!why.to_string().is_empty(), "it says why"),
            other => panic!("{name} {existing:?}: not a clear refusal: {other:?}"),
        }
    }
    assert!(matches!(store.make_folder(&path("f")).await, Err(StoreError::BadName(_) | StoreError::Io(_))));
    store.make_folder(&SharePath::ROOT).await.expect("it is there already");
    assert_eq!(names(&*store, "").await, ["there"]);
    assert_eq!(fetch(&*store, "there").await.expect("is there"), "is");
    None
}

/// What may be said of a file that was received or planted, seeing what the store keeps.
pub(super) fn assert_keeps(backend: &impl Backend, meta: &Meta, given: &Meta, what: &str) {
    let can = backend.abilities();
    assert_eq!(meta.size, given.size, "{what}");
    if can.keeps_mtime {
        assert_eq!(meta.mtime, given.mtime, "{what}");
    }
    assert_eq!(meta.exec, can.keeps_exec && given.exec, "{what}");
}
