//! Where a walk through names has come to: an open folder, and the way back up to where leaving it would be leaving.

use std::sync::Arc;

use dpex_core::types::MAX_DEPTH;
use rustix::fs::{Stat, fstat};
use rustix::io::Errno;

use crate::fence::{Folder, wide};

/// Folders between an anchor and a place: as many as a name has, and as many again for what a link leads down to.
const MOST_BELOW: usize = 2 * MAX_DEPTH;

/// A folder at or below an anchor, which is the shelf or one of the roots that links may lead into.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Nothing that was reached from it leads above it.
    anchor: Arc<Folder>,
    /// The names from the anchor down to the folder.
    below: Vec<String>,
    folder: Arc<Folder>,
}

impl Place {
    /// The anchor itself.
    pub(crate) fn anchor(folder: Arc<Folder>) -> Self {
        Self { anchor: Arc::clone(&folder), below: Vec::new(), folder }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The same, for whoever keeps it.
    pub(crate) fn shared(&self) -> Arc<Folder> {
        Arc::clone(&self.folder)
    }

    /// The folder of this name directly inside; no link is followed.
    ///
    /// # Errors
    /// What the system says; `NAMETOOLONG` too far below the anchor.
    pub(crate) fn enter(&self, name: &str) -> Result<Self, Errno> {
        if self.below.len() >= MOST_BELOW {
            return Err(Errno::NAMETOOLONG);
        }
        let folder = Arc::new(self.folder.enter(name)?);
        let below = self.below.iter().cloned().chain([name.to_owned()]).collect();
        Ok(Self { anchor: Arc::clone(&self.anchor), below, folder })
    }

    /// The folder above, unless that is above the anchor.
    ///
    /// It is reached again from the anchor: `..` of a folder that was moved would lead to wherever it is now.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn above(&self) -> Result<Option<Self>, Errno> {
        let Some((_, above)) = self.below.split_last() else { return Ok(None) };
        let folder = Arc::new(self.anchor.walk(above.iter().map(String::as_str))?);
        Ok(Some(Self { anchor: Arc::clone(&self.anchor), below: above.to_vec(), folder }))
    }
}

/// Which file or folder this is, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(u64, u64);

impl Id {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self(wide(stat.st_dev), wide(stat.st_ino))
    }

    pub(crate) fn of_folder(folder: &Folder) -> Result<Self, Errno> {
        fstat(&folder.0).map(|stat| Self::of(&stat))
    }
}
