//! What a name must pass before anything is made under it, and the hold on it while it is being made.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Existing, PartialFile, StoreError, Verified};
use dpex_core::types::SharePath;

use crate::collisions::{Admitted, Collisions};
use crate::fence::Folder;
use crate::portable::Rules;

/// The rules of one store for names, and what it knows of those it has.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub(crate) rules: Rules,
    collisions: Option<Arc<Collisions>>,
}

impl Admission {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, collisions: (!rules.any).then(Arc::default) }
    }

    /// Admits a name to be made in the folder of this store (NAM-7, NAM-12).
    ///
    /// # Errors
    /// [`StoreError::BadName`]; [`StoreError::Io`] if this process has no descriptors left.
    pub(crate) fn admit(&self, root: &Folder, path: &SharePath, existing: Existing) -> Result<Hold, StoreError> {
        self.rules.check(path)?;
        self.collisions.as_ref().map(|known| known.check(root, path, existing)).transpose().map(Hold)
    }
}

/// While it lives, no name is admitted that some disk would take for the one admitted.
#[derive(Debug)]
pub(crate) struct Hold(Option<Admitted>);

impl Hold {
    /// This has been made, with the folders above it.
    pub(crate) fn made(&self, path: &SharePath) {
        if let Some(admitted) = &self.0 {
            admitted.made(path);
        }
    }

    /// The same of a folder.
    pub(crate) fn made_folder(&self, path: &SharePath) {
        if let Some(admitted) = &self.0 {
            admitted.made_folder(path);
        }
    }

    /// Keeps the hold for as long as the file is being received.
    pub(crate) fn until_received(self, part: Box<dyn PartialFile>) -> Box<dyn PartialFile> {
        Box::new(Holding { part, hold: self })
    }
}

#[derive(Debug)]
struct Holding {
    part: Box<dyn PartialFile>,
    hold: Hold,
}

#[async_trait]
impl PartialFile for Holding {
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError> {
        self.part.write(block, data).await
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        self.part.checkpoint().await
    }

    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
        let Self { part, hold } = *self;
        let name = part.commit().await?;
        hold.made(&name);
        Ok(name)
    }

    async fn discard(self: Box<Self>) -> Result<(), StoreError> {
        self.part.discard().await
    }
}
