//! The store itself: a folder to serve from, or one to receive into.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{
    EntryKind, FileStore, Held, Incoming, ListQuery, Opened, Page, PartialFile, SourceFile, StoreError, Whole,
};
use dpex_core::types::{Fingerprint, Secret, SharePath};
use rustix::fs::{Mode, fstat};
use serde::Deserialize;

use crate::blocking::blocking;
use crate::error::{broken, looking_up};
use crate::fence::Folder;
use crate::listing::View;
use crate::receiving;
use crate::source::FsSource;
use crate::whole::{Batch, Unsettled};

/// What the owner of the folder may choose: the heading `[store-fs]` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Offer, and accept, names that begin with a dot.
    pub hidden: bool,
}

/// One folder of the local file system.
///
/// Its futures must be polled inside a tokio runtime; the constructors block for a moment and need none.
#[derive(Clone, Debug)]
pub struct FsStore {
    view: Arc<View>,
    unsettled: Arc<Unsettled>,
}

impl FsStore {
    /// A shelf. `secret` keys the version stamps: keep it, and a version means the same after a restart.
    ///
    /// # Errors
    /// If `root` cannot be opened, is not a folder but perhaps a link to one, or can be written by everybody.
    pub fn serve(root: &Path, secret: Secret<32>, options: Options) -> io::Result<Self> {
        let root = Folder::root(root)?;
        if Mode::from_raw_mode(fstat(&root.0)?.st_mode).contains(Mode::WOTH) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "everybody can write to this folder"));
        }
        Ok(Self::new(root, secret, options))
    }

    /// A folder to receive into, made if it is missing. It may be named through a link, since whoever runs this names it.
    /// What it says of versions is for itself alone.
    ///
    /// # Errors
    /// If `root` cannot be made or opened.
    pub fn receive(root: &Path, options: Options) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self::new(Folder::root_followed(root)?, Secret::new([0; 32]), options))
    }

    fn new(root: Folder, secret: Secret<32>, options: Options) -> Self {
        Self { view: Arc::new(View { root, secret, hidden: options.hidden }), unsettled: Arc::default() }
    }
}

#[async_trait]
impl FileStore for FsStore {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let (view, query) = (Arc::clone(&self.view), query.clone());
        blocking(move || view.list(&query)).await
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        let (view, path) = (Arc::clone(&self.view), path.clone());
        blocking(move || view.open(&path)).await.map(|file| Arc::new(file) as Arc<dyn SourceFile>)
    }

    fn gathers(&self) -> bool {
        true
    }

    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        let (view, paths) = (Arc::clone(&self.view), paths.to_vec());
        all(paths.len(), move || view.open_all(&paths, whole)).await
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        let (view, paths) = (Arc::clone(&self.view), paths.to_vec());
        all(paths.len(), move || view.look_all(&paths)).await
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        let (view, path) = (Arc::clone(&self.view), path.clone());
        blocking(move || receiving::make_folder(&view.root, &path, view.hidden)).await
    }

    async fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        let (view, path, origin) = (Arc::clone(&self.view), path.clone(), *origin);
        blocking(move || receiving::held(&view.root, &path, &origin, view.hidden)).await
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        let (view, incoming) = (Arc::clone(&self.view), incoming.clone());
        let part = blocking(move || receiving::begin(&view.root, &incoming, view.hidden)).await?;
        Ok(Box::new(part))
    }

    async fn put_all(&self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        let (view, unsettled, count) = (Arc::clone(&self.view), Arc::clone(&self.unsettled), files.len());
        all(count, move || Batch::new(&view.root, view.hidden, &unsettled).put(files)).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let unsettled = Arc::clone(&self.unsettled);
        blocking(move || unsettled.settle()).await
    }

    async fn room(&self) -> Option<u64> {
        let view = Arc::clone(&self.view);
        blocking(move || receiving::room(&view.root)).await.ok().flatten()
    }
}

/// One task for many answers. If it could not be run, that is the answer to each.
async fn all<T: Send + 'static>(
    count: usize,
    work: impl FnOnce() -> Vec<Result<T, StoreError>> + Send + 'static,
) -> Vec<Result<T, StoreError>> {
    match blocking(move || Ok(work())).await {
        Ok(answers) => answers,
        Err(error) => {
            let same = || Err(broken(io::ErrorKind::Other, "the runtime is shutting down"));
            std::iter::once(Err(error)).chain(std::iter::repeat_with(same)).take(count).collect()
        }
    }
}

impl View {
    pub(crate) fn open(&self, path: &SharePath) -> Result<FsSource, StoreError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(StoreError::NotFound) };
        if !path.parts().all(|part| self.shows_name(part.as_bytes())) {
            return Err(StoreError::NotFound);
        }
        let folder = self.root.walk(parent.parts()).map_err(looking_up)?;
        if !Self::shows_file(&folder, name) {
            return Err(StoreError::NotFound);
        }
        FsSource::open(&folder, name, &self.secret)
    }
}
