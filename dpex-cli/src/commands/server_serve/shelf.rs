//! What one person is offered: a store that may be exchanged for another while sessions use it.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dpex_core::enrol::Slug;
use dpex_core::store::{
    EntryKind, FileStore, Incoming, ListQuery, Opened, Page, Pages, PartialFile, SourceFile, StoreError,
};
use dpex_core::types::SharePath;

/// One person's shelf.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Whose.
    pub(super) name: Slug,
    files: RwLock<Arc<dyn FileStore>>,
}

impl Shelf {
    /// A shelf of these files.
    pub(super) fn new(name: Slug, files: Arc<dyn FileStore>) -> Self {
        Self { name, files: RwLock::new(files) }
    }

    /// From now on these files are offered. What is being sent is sent to its end.
    pub(super) fn exchange(&self, files: Arc<dyn FileStore>) {
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = files;
    }

    fn files(&self) -> Arc<dyn FileStore> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl FileStore for Shelf {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.files().list(query).await
    }

    fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
        self.files().pages(query)
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        self.files().open(path).await
    }

    fn gathers(&self) -> bool {
        self.files().gathers()
    }

    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        self.files().open_all(paths, whole).await
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        self.files().look(paths).await
    }

    async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }

    async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }
}
