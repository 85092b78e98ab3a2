//! What the tests share. Everything that takes a `&dyn FileStore` would do for any store.

use std::path::Path;

use bytes::Bytes;
use dpex_core::store::{Entry, EntryKind, Existing, FileStore, Incoming, ListQuery, Meta, StoreError};
use dpex_core::types::{Secret, SharePath, Timestamp, Version};
use dpex_store_fs::{FsStore, Options};
use tempfile::TempDir;

pub(crate) fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

pub(crate) fn time(secs: i64, nanos: u32) -> Timestamp {
    Timestamp::new(secs, nanos).expect("a valid time")
}

pub(crate) fn incoming(name: &str, size: u64) -> Incoming {
    let meta = Meta { size, mtime: time(1_700_000_000, 123_456_789), exec: false, version: Version([7; 16]) };
    Incoming { path: path(name), meta, existing: Existing::Keep }
}

/// The same with another time, so that it is not the same file.
pub(crate) fn newer(name: &str, size: u64, existing: Existing) -> Incoming {
    let mut incoming = Incoming { existing, ..incoming(name, size) };
    incoming.meta.mtime = time(1_800_000_000, 0);
    incoming
}

pub(crate) async fn deliver(
    store: &dyn FileStore,
    incoming: &Incoming,
    content: &[u8],
) -> Result<SharePath, StoreError> {
    let part = store.receive(incoming).await?;
    part.write_at(0, Bytes::copy_from_slice(content)).await?;
    part.commit().await
}

pub(crate) async fn put(store: &dyn FileStore, name: &str, content: &[u8]) {
    let given = deliver(store, &incoming(name, content.len() as u64), content).await.expect("arrives");
    assert_eq!(given, path(name));
}

pub(crate) async fn fetch(store: &dyn FileStore, name: &str) -> Result<Bytes, StoreError> {
    let file = store.open(&path(name)).await?;
    let size = usize::try_from(file.meta().size).expect("small");
    file.read_at(0, size).await
}

pub(crate) fn query(folder: &str, after: Option<SharePath>, limit: usize, recursive: bool) -> ListQuery {
    ListQuery { path: path(folder), after, limit, recursive }
}

/// Every page of a listing, and how many entries were skipped.
pub(crate) async fn list_all(store: &dyn FileStore, folder: &str, limit: usize, recursive: bool) -> (Vec<Entry>, u64) {
    let (mut entries, mut skipped, mut after) = (Vec::<Entry>::new(), 0, None);
    loop {
        let page = store.list(&query(folder, after, limit, recursive)).await.expect("lists");
        assert!(page.entries.len() <= limit, "no page is longer than asked for");
        assert!(!page.more || page.entries.len() == limit, "a page with more after it is full");
        skipped += page.skipped;
        entries.extend(page.entries);
        if !page.more {
            return (entries, skipped);
        }
        after = entries.last().map(|entry| entry.path.clone());
    }
}

/// All names, folders with a `/` behind them.
pub(crate) async fn names(store: &dyn FileStore, folder: &str) -> Vec<String> {
    list_all(store, folder, 100, true).await.0.iter().map(label).collect()
}

pub(crate) fn label(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::File(_) => entry.path.to_string(),
        EntryKind::Folder(_) => format!("{}/", entry.path),
    }
}

/// A folder with a store in it and a world outside that must not notice.
pub(crate) struct Yard {
    pub(crate) around: TempDir,
    pub(crate) store: FsStore,
}

impl Yard {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let around = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(around.path().join("outside")).expect("made");
        std::fs::write(around.path().join("outside/secret"), "secret").expect("written");
        let store = FsStore::receive(&around.path().join("root"), options).expect("opens");
        Self { around, store }
    }

    /// The same folder as another process would open it, to serve from it.
    pub(crate) fn serve(&self) -> FsStore {
        FsStore::serve(&self.root(), Secret::new([5; 32]), Options::default()).expect("opens")
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.around.path().join("root")
    }

    pub(crate) fn at(&self, name: &str) -> std::path::PathBuf {
        self.root().join(name)
    }

    pub(crate) fn outside(&self) -> std::path::PathBuf {
        self.around.path().join("outside")
    }

    /// Writes a file as its owner would.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let at = self.at(name);
        std::fs::create_dir_all(at.parent().expect("below the root")).expect("made");
        std::fs::write(at, content).expect("written");
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.at(name)).expect("linked");
    }

    /// What really is in the root, unsorted by any rule of ours.
    pub(crate) fn on_disk(&self) -> Vec<String> {
        tree(&self.root())
    }

    /// Nothing but the root and what was outside from the beginning, as it was.
    pub(crate) fn assert_outside_is_untouched(&self) {
        let mut around: Vec<_> = tree(self.around.path());
        around.retain(|name| !name.starts_with("root"));
        assert_eq!(around, ["outside", "outside/secret"]);
        assert_eq!(std::fs::read(self.outside().join("secret")).expect("there"), b"secret");
    }
}

/// Everything below a folder, links not followed.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(here) = todo.pop() {
        for entry in std::fs::read_dir(here).expect("readable") {
            let entry = entry.expect("readable");
            let name = entry.path();
            found.push(name.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            if entry.file_type().expect("known").is_dir() {
                todo.push(name);
            }
        }
    }
    found.sort();
    found
}

/// Are permissions no obstacle to this process? True for root.
pub(crate) fn is_almighty() -> bool {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("locked");
    std::fs::write(&file, "x").expect("written");
    chmod(&file, 0o000);
    std::fs::read(&file).is_ok()
}

pub(crate) fn chmod(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}
