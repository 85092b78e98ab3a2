//! A file store in memory: the promises of the joint without a disk, and faults on demand.
//!
//! Every future is ready at once, so no runtime is needed: see [`ready`]. Time stands still unless told.

mod synthetic;
mod tree;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;

pub use self::synthetic::synthetic_bytes;
use self::tree::{Content, File, Node, Part, State, broken, check_name, is_hidden};
use crate::store::{FileStore, Held, Incoming, ListQuery, Meta, Page, PartialFile, SourceFile, StoreError, Verified};
use crate::types::{Fingerprint, SharePath, Timestamp};

/// A folder tree in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemStore(Arc<Mutex<State>>);

/// A failure to be had on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::NotFound`].
    NotFound,
    /// [`StoreError::Changed`].
    Changed,
    /// [`StoreError::Full`].
    Full,
    /// [`StoreError::Io`].
    Io,
}

/// The result of a future that never waits.
///
/// # Panics
/// If it does wait.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future that should be ready at once is waiting"),
    }
}

impl MemStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file there, in place of any other, with the folders above it.
    pub fn put(&self, path: &SharePath, content: impl Into<Bytes>) {
        self.put_with(path, content, Timestamp::EPOCH, false);
    }

    /// The same with its metadata.
    pub fn put_with(&self, path: &SharePath, content: impl Into<Bytes>, mtime: Timestamp, exec: bool) {
        self.state().put(path, Content::Bytes(content.into()), mtime, exec);
    }

    /// Puts a file there whose bytes are [`synthetic_bytes`]; it costs no memory.
    pub fn put_synthetic(&self, path: &SharePath, size: u64, seed: u64) {
        self.state().put(path, Content::Synthetic { size, seed }, Timestamp::EPOCH, false);
    }

    /// Makes a folder and those above it.
    pub fn folder(&self, path: &SharePath) {
        self.state().make_folders(path);
    }

    /// Takes a file away, or a folder with all that is in it.
    pub fn remove(&self, path: &SharePath) {
        self.state().nodes.retain(|name, _| !name.starts_with(path));
    }

    /// The content of a file that has its name.
    #[must_use]
    pub fn read(&self, path: &SharePath) -> Option<Bytes> {
        let state = self.state();
        let file = state.file(path)?;
        Some(file.content.read(0, usize::try_from(file.content.size()).ok()?))
    }

    /// The metadata of a file that has its name.
    #[must_use]
    pub fn meta(&self, path: &SharePath) -> Option<Meta> {
        self.state().file(path).map(File::meta)
    }

    /// Every name, hidden ones too, in order.
    #[must_use]
    pub fn names(&self) -> Vec<SharePath> {
        self.state().nodes.keys().cloned().collect()
    }

    /// The files of which a part is there, whether or not somebody is still receiving it.
    #[must_use]
    pub fn parts(&self) -> Vec<SharePath> {
        self.state().parts.keys().cloned().collect()
    }

    /// What of a file has arrived and is verified, whether or not somebody is still receiving it.
    #[must_use]
    pub fn part(&self, path: &SharePath) -> Option<Held> {
        self.state().parts.get(path).map(Part::held).filter(|held| !held.values.is_empty())
    }

    /// Makes a file another version, as if it had been written with the same bytes.
    pub fn change(&self, path: &SharePath) {
        let mut state = self.state();
        let version = state.next_version();
        if let Some(Node::File(file)) = state.nodes.get_mut(path) {
            file.version = version;
        }
    }

    /// From now on this name is left out of listings, and counted there.
    pub fn hide_unreadable(&self, path: &SharePath) {
        self.state().unreadable.insert(path.clone());
    }

    /// From now on every read fails so; `None` heals.
    pub fn fail_reads(&self, fault: Option<Fault>) {
        self.state().read_fault = fault;
    }

    /// `n` more writes succeed, those after them fail with [`StoreError::Io`]; `None` heals.
    pub fn fail_after_writes(&self, n: Option<u64>) {
        self.state().writes_left = n;
    }

    /// Room for this many bytes in all files and parts together.
    pub fn capacity(&self, bytes: u64) {
        self.state().capacity = Some(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl FileStore for MemStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.state().list(query)
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        let file = self.state().file(path).filter(|_| !is_hidden(path)).cloned().ok_or(StoreError::NotFound)?;
        Ok(Arc::new(MemSource { store: self.clone(), path: path.clone(), meta: file.meta(), content: file.content }))
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        check_name(path)?;
        let mut state = self.state();
        if !state.is_free_for_folder(path) {
            return Err(StoreError::Exists);
        }
        state.make_folders(path);
        Ok(())
    }

    async fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        self.state().held(path, origin)
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        self.state().receive(incoming)?;
        Ok(Box::new(MemPartial { store: self.clone(), incoming: incoming.clone(), is_over: false }))
    }
}

#[derive(Debug)]
struct MemSource {
    store: MemStore,
    path: SharePath,
    meta: Meta,
    content: Content,
}

#[async_trait]
impl SourceFile for MemSource {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let state = self.store.state();
        match state.read_fault {
            Some(Fault::NotFound) => return Err(StoreError::NotFound),
            Some(Fault::Changed) => return Err(StoreError::Changed),
            Some(Fault::Full) => return Err(StoreError::Full),
            Some(Fault::Io) => return Err(broken("a fault on demand")),
            None => {}
        }
        if state.file(&self.path).is_none_or(|file| file.version != self.meta.version) {
            return Err(StoreError::Changed);
        }
        if offset.checked_add(len as u64).is_none_or(|end| end > self.meta.size) {
            return Err(broken("a read past the end of the file"));
        }
        Ok(self.content.read(offset, len))
    }
}

#[derive(Debug)]
struct MemPartial {
    store: MemStore,
    incoming: Incoming,
    is_over: bool,
}

#[async_trait]
impl PartialFile for MemPartial {
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError> {
        self.store.state().write(&self.incoming, block, &data)
    }

    /// Nothing is lost but with the store.
    async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<SharePath, StoreError> {
        let name = self.store.state().commit(&self.incoming)?;
        self.is_over = true;
        Ok(name)
    }

    async fn discard(mut self: Box<Self>) -> Result<(), StoreError> {
        self.store.state().parts.remove(&self.incoming.path);
        self.is_over = true;
        Ok(())
    }
}

impl Drop for MemPartial {
    fn drop(&mut self) {
        // After a commit the name may already be somebody else's to receive.
        if !self.is_over
            && let Some(part) = self.store.state().parts.get_mut(&self.incoming.path)
        {
            part.live = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Existing;
    use crate::types::{Digest, Version};

    fn path(text: &str) -> SharePath {
        SharePath::parse(text).expect("a valid path")
    }

    fn incoming(name: &str, size: u64) -> Incoming {
        let meta = Meta { size, mtime: Timestamp::EPOCH, exec: false, version: Version([0; 16]) };
        Incoming::anew(path(name), meta, Existing::Keep)
    }

    fn at(offset: u64) -> Verified {
        Verified { index: offset, offset, value: Digest([0; 32]) }
    }

    #[test]
    fn a_synthetic_file_of_a_terabyte_is_read_at_its_end() {
        let store = MemStore::new();
        store.put_synthetic(&path("big"), 1 << 40, 3);
        let file = ready(store.open(&path("big"))).expect("is there");
        let data = ready(file.read_at((1 << 40) - 10, 10)).expect("inside");
        assert_eq!(data, synthetic_bytes(3, (1 << 40) - 10, 10));
        assert!(ready(file.read_at((1 << 40) - 10, 11)).is_err());
    }

    #[test]
    fn a_changed_file_is_not_read_on() {
        let store = MemStore::new();
        store.put(&path("a"), "content");
        let file = ready(store.open(&path("a"))).expect("is there");
        store.change(&path("a"));
        assert!(matches!(ready(file.read_at(0, 3)), Err(StoreError::Changed)));
        assert_eq!(store.read(&path("a")).as_deref(), Some(&b"content"[..]));
    }

    #[test]
    fn read_faults_come_and_go() {
        let store = MemStore::new();
        store.put(&path("a"), "content");
        let file = ready(store.open(&path("a"))).expect("is there");
        store.fail_reads(Some(Fault::Io));
        assert!(matches!(ready(file.read_at(0, 3)), Err(StoreError::Io(_))));
        store.fail_reads(None);
        assert!(ready(file.read_at(0, 3)).is_ok());
    }

    #[test]
    fn the_disk_is_full_at_its_capacity_and_not_before() {
        let store = MemStore::new();
        store.put(&path("a"), "12345");
        store.capacity(10);
        assert!(matches!(ready(store.receive(&incoming("b", 6))), Err(StoreError::Full)));
        let part = ready(store.receive(&incoming("b", 5))).expect("there is room");
        store.capacity(9);
        assert!(matches!(ready(part.write(at(0), Bytes::from_static(b"12345"))), Err(StoreError::Full)));
        ready(part.write(at(0), Bytes::from_static(b"1234"))).expect("there is room for four");
    }

    #[test]
    fn writes_fail_after_as_many_as_were_granted() {
        let store = MemStore::new();
        let part = ready(store.receive(&incoming("b", 2))).expect("free");
        store.fail_after_writes(Some(1));
        ready(part.write(at(0), Bytes::from_static(b"1"))).expect("the first");
        assert!(ready(part.write(at(1), Bytes::from_static(b"2"))).is_err());
        store.fail_after_writes(None);
        ready(part.write(at(1), Bytes::from_static(b"2"))).expect("healed");
    }

    #[test]
    fn a_dropped_part_stays_and_a_discarded_one_does_not() {
        let store = MemStore::new();
        drop(ready(store.receive(&incoming("b", 2))).expect("free"));
        assert_eq!(store.parts(), [path("b")]);
        assert!(store.names().is_empty());
        ready(ready(store.receive(&incoming("b", 2))).expect("free again").discard()).expect("discards");
        assert!(store.parts().is_empty());
    }
}
