//! Many names in one go: looked at, or opened and read if they are small. One task for all of them.

use std::sync::Arc;

use dpex_core::store::{EntryKind, Opened, StoreError};
use dpex_core::types::SharePath;
use rustix::fs::FileType;

use crate::error::looking_up;
use crate::fence::{file_type, mtime};
use crate::listing::{View, is_readable};
use crate::source::meta;
use crate::sys;

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
        if !path.parts().all(|part| self.shows_name(part.as_bytes())) {
            return Ok(None);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            let stat = sys::fstat(&self.root).map_err(looking_up)?;
            return Ok(Some(EntryKind::Folder(mtime(&stat))));
        };
        let folder = self.root.walk(parent.parts()).map_err(looking_up)?;
        let stat = folder.stat(name).map_err(looking_up)?;
        Ok(match file_type(&stat) {
            FileType::Directory => Some(EntryKind::Folder(mtime(&stat))),
            FileType::RegularFile if Self::shows_file(&folder, name) && is_readable(&folder, name, &stat) => {
                Some(EntryKind::File(meta(&stat, &self.secret)))
            }
            _ => None,
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
