//! The place to receive into. A folder is made when the first thing is received, so that a command that gets nothing leaves nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{
    EntryKind, FileStore, Held, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError, Whole,
};
use dpex_core::types::{Fingerprint, SharePath};
use rustix::fs::{Access, access, statvfs};
use tokio::sync::OnceCell;

use crate::backends::{Receive, is_url};
use crate::error::{CliError, CliResult, reason};

/// A folder that may not be there yet.
pub(super) struct Target {
    root: PathBuf,
    open: Arc<Receive>,
    store: OnceCell<Arc<dyn FileStore>>,
}

impl Target {
    /// Opens the folder if it is there, and else looks whether it can be made, so that a bad one is told before the
    /// server is asked for anything.
    pub(super) fn new(root: PathBuf, open: Receive) -> CliResult<Self> {
        let store =
            if root.exists() || is_url(&root) { open(&root).map(Some) } else { may_be_made(&root).map(|()| None) };
        let store = store.map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput if is_url(&root) => {
                CliError::usage(format!("failed to receive into {}: {}", root.display(), reason(&e)))
                    .hint("write it as s3://bucket/prefix, or name a folder")
            }
            _ => CliError::disk("receive into", &root, &e).hint("choose a folder that you may write to, with --to DIR"),
        })?;
        Ok(Self { root, open: Arc::new(open), store: OnceCell::new_with(store) })
    }

    /// The folder, which is made now if it was not before.
    async fn made(&self) -> Result<&Arc<dyn FileStore>, StoreError> {
        let make = async || {
            let (root, open) = (self.root.clone(), Arc::clone(&self.open));
            tokio::task::spawn_blocking(move || open(&root)).await.map_err(io::Error::other)?
        };
        Ok(self.store.get_or_try_init(make).await?)
    }
}

/// The nearest of a path and those above it that is there. A link that leads nowhere is there, and in the way.
fn above(root: &Path) -> &Path {
    let here = Path::new(".");
    let mut above = root.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    above.find(|path| path.symlink_metadata().is_ok()).unwrap_or(here)
}

/// Could a folder of this name be made? Whether it will be, only making it shows.
fn may_be_made(root: &Path) -> io::Result<()> {
    let above = above(root);
    if !above.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(above, Access::WRITE_OK | Access::EXEC_OK)?)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("root", &self.root).field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl FileStore for Target {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        match self.store.get() {
            Some(store) => store.list(query).await,
            None => Err(StoreError::NotFound),
        }
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        match self.store.get() {
            Some(store) => store.open(path).await,
            None => Err(StoreError::NotFound),
        }
    }

    fn gathers(&self) -> bool {
        // Asked while files are under way: then it is there, or each file of a batch is told why not.
        self.store.get().is_none_or(|store| store.gathers())
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        match self.store.get() {
            Some(store) => store.look(paths).await,
            None => paths.iter().map(|_| Ok(None)).collect(),
        }
    }

    async fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        match self.store.get() {
            Some(store) => store.held(path, origin).await,
            None => Ok(None),
        }
    }

    async fn put_all(&self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        match self.made().await {
            Ok(store) => store.put_all(files).await,
            Err(error) => to_each(error, files.len()),
        }
    }

    async fn settle(&self) -> Result<(), StoreError> {
        match self.store.get() {
            Some(store) => store.settle().await,
            None => Ok(()),
        }
    }

    async fn room(&self) -> Option<u64> {
        match self.store.get() {
            Some(store) => store.room().await,
            // It will be made on the disk of what is above it.
            None => {
                let root = self.root.clone();
                let asked = tokio::task::spawn_blocking(move || statvfs(above(&root)));
                let disk = asked.await.ok()?.ok()?;
                Some(disk.f_bavail.saturating_mul(disk.f_frsize))
            }
        }
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        self.made().await?.make_folder(path).await
    }

    async fn make_folders(&self, paths: &[SharePath]) -> Vec<Result<(), StoreError>> {
        match self.made().await {
            Ok(store) => store.make_folders(paths).await,
            Err(error) => to_each(error, paths.len()),
        }
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        self.made().await?.receive(incoming).await
    }
}

/// The same answer to each of so many: the first gets the system's error, the others its text.
fn to_each<T>(error: StoreError, count: usize) -> Vec<Result<T, StoreError>> {
    let text = error.to_string();
    let others = std::iter::repeat_with(|| Err(StoreError::Io(io::Error::other(text.clone()))));
    std::iter::once(Err(error)).chain(others).take(count).collect()
}
