//! Many names in one go: looked at, or opened and read if they are small. One task for all of them.

use std::sync::Arc;

use dpex_core::store::{EntryKind, Opened, StoreError};
use dpex_core::types::SharePath;

use crate::fence::mtime;
use crate::links::Found;
use crate::listing::is_offered;
use crate::source::meta;
use crate::view::View;

impl View {
    /// What has these names, as a listing would show it.
    pub(crate) fn look_all(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        paths
            .iter()
            .map(|path| match self.look(path) {
                Err(StoreError::NotFound) => Ok(None),
                found => found,
            })
            .collect()
    }

    fn look(&self, path: &SharePath) -> Result<Option<EntryKind>, StoreError> {
        Ok(match self.find(path)?.0 {
            Found::Folder(_, stat) => Some(EntryKind::Folder(mtime(&stat))),
            Found::Other(place, name, stat) if is_offered(place.folder(), &name, &stat) => {
                Some(EntryKind::File(meta(&stat, &self.secret)))
            }
            Found::Other(..) => None,
        })
    }

    /// Opens these files, and reads those of at most `whole` bytes; those are closed again at once.
    pub(crate) fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        paths.iter().map(|path| self.open_one(path, whole)).collect()
    }

    fn open_one(&self, path: &SharePath, whole: u64) -> Result<Opened, StoreError> {
        let source = self.open(path)?;
        match source.read_whole(whole)? {
            Some((meta, content)) => Ok(Opened::Whole(meta, content)),
            None => Ok(Opened::File(Arc::new(source))),
        }
    }
}
