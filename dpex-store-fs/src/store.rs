//! The store itself: a folder to serve from, or one to receive into.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{FileStore, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError};
use dpex_core::types::{Secret, SharePath};
use rustix::fs::{Mode, fstat};
use serde::Deserialize;

use crate::blocking::blocking;
use crate::fence::Folder;
use crate::receiving;
use crate::view::View;

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
        Self { view: Arc::new(View { root, secret, hidden: options.hidden }) }
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

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        let (view, path) = (Arc::clone(&self.view), path.clone());
        blocking(move || receiving::make_folder(&view.root, &path, view.hidden)).await
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        let (view, incoming) = (Arc::clone(&self.view), incoming.clone());
        let part = blocking(move || receiving::begin(&view.root, &incoming, view.hidden)).await?;
        Ok(Box::new(part))
    }
}
