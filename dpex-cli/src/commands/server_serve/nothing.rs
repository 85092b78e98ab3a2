//! The shelf of somebody whose eight words must be compared first: there is nothing on it.

use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{FileStore, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError};
use dpex_core::types::SharePath;

/// An empty shelf that takes nothing.
#[derive(Debug)]
pub(super) struct Nothing;

#[async_trait]
impl FileStore for Nothing {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        if query.path.is_root() { Ok(Page::default()) } else { Err(StoreError::NotFound) }
    }

    async fn open(&self, _: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        Err(StoreError::NotFound)
    }

    async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }

    async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }
}
