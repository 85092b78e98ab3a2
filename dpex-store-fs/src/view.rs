//! What of a folder is offered, and how a name becomes an open file.

use dpex_core::store::StoreError;
use dpex_core::types::{Secret, SharePath};

use crate::error::looking_up;
use crate::fence::Folder;
use crate::parts::{self, Owner};
use crate::portable::is_reserved;
use crate::source::FsSource;

/// What of a folder is offered.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) root: Folder,
    pub(crate) secret: Secret<32>,
    /// Also names that begin with a dot.
    pub(crate) hidden: bool,
}

impl View {
    /// May any entry of this name be offered?
    pub(crate) fn shows_name(&self, name: &[u8]) -> bool {
        (self.hidden || !name.starts_with(b".")) && !is_reserved(name)
    }

    /// May this file, of a name that [`Self::shows_name`], be offered?
    pub(crate) fn shows_file(folder: &Folder, name: &str) -> bool {
        !matches!(parts::owner(folder, name), Some(Owner::Ours | Owner::Unknown))
    }

    /// Opens a file for reading.
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
