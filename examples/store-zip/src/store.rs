//! The store itself: one zip file, looked at again whenever somebody asks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dpex_core::store::{FileStore, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError};
use dpex_core::types::{Secret, SharePath};
use serde::Deserialize;

use crate::archive::Archive;
use crate::source::ZipSource;

/// What the owner of the zip file may choose: the heading `[store-zip]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// A deflated entry of more bytes is not offered. Reading backwards in one means to unpack it again from its start,
    /// so this bounds what one read can cost.
    pub unpack_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { unpack_limit: 1 << 30 }
    }
}

/// What is in one zip file.
///
/// Its futures must be polled inside a tokio runtime; the constructor blocks for a moment and needs none.
#[derive(Clone, Debug)]
pub struct ZipStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    secret: Secret<32>,
    options: Options,
    archive: Mutex<Arc<Archive>>,
}

impl ZipStore {
    /// Serves what is in the file `zip`. `secret` keys the version stamps: keep it, and a version means the same after a
    /// restart.
    ///
    /// # Errors
    /// If `zip` cannot be opened, is no zip file, or has too many entries.
    pub fn serve(zip: &Path, secret: Secret<32>, options: Options) -> io::Result<Self> {
        let archive = Mutex::new(Arc::new(Archive::open(zip, &secret, &options)?));
        Ok(Self(Arc::new(Shared { path: zip.to_owned(), secret, options, archive })))
    }
}

impl Shared {
    /// The zip file as it is now. Who comes while it is being read anew waits, instead of reading it a second time.
    fn now(&self) -> io::Result<Arc<Archive>> {
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        if !archive.is_at(&self.path)? {
            *archive = Arc::new(Archive::open(&self.path, &self.secret, &self.options)?);
        }
        Ok(Arc::clone(&archive))
    }
}

#[async_trait]
impl FileStore for ZipStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let (shared, query) = (Arc::clone(&self.0), query.clone());
        blocking(move || shared.now()?.index().list(&query)).await
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        let (shared, path) = (Arc::clone(&self.0), path.clone());
        let file = blocking(move || ZipSource::open(shared.now()?, &path)).await?;
        Ok(Arc::new(file))
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        if path.is_root() { Ok(()) } else { Err(read_only()) }
    }

    async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        Err(read_only())
    }
}

fn read_only() -> StoreError {
    StoreError::Io(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a zip file is only read from"))
}

/// Runs `work`, which may wait for a disk, on tokio's blocking threads.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(StoreError::Io(io::Error::other(cancelled))),
        },
    }
}
