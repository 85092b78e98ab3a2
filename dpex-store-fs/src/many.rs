//! Many names in one go: looked at, or opened and read if they are small. One task for all of them, and one walk for
//! those in the same folder.

use std::sync::Arc;

use dpex_core::store::{EntryKind, Opened, StoreError};
use dpex_core::types::SharePath;
use rustix::fs::{FileType, Stat};

use crate::fence::{Folder, file_type, mtime};
use crate::links::Found;
use crate::listing::{is_forbidden, is_offered};
use crate::place::{Id, Place};
use crate::source::{FsSource, meta};
use crate::view::{Trail, View};

impl View {
    /// What has these names, as a listing would show it; for oneself, also what may not be read.
    pub(crate) fn look_all(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        let mut finder = Finder::new(self);
        let mut look = |path| match finder.find(path, |folder, name, stat| Ok(self.shown(folder, name, stat))) {
            Err(StoreError::NotFound) => Ok(None),
            Ok(Sought::Folder(stat)) => Ok(Some(EntryKind::Folder(mtime(&stat)))),
            Ok(Sought::Other(shown)) => Ok(shown),
            Err(error) => Err(error),
        };
        paths.iter().map(&mut look).collect()
    }

    fn shown(&self, folder: &Folder, name: &str, stat: &Stat) -> Option<EntryKind> {
        let is_shown = is_offered(folder, name, stat) || self.is_own && is_forbidden(folder, name, stat);
        is_shown.then(|| EntryKind::File(meta(stat, &self.secret)))
    }

    /// Opens these files, and reads those of at most `whole` bytes; those are closed again at once.
    pub(crate) fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        let mut finder = Finder::new(self);
        let mut open = |path| match finder.find(path, |folder, name, stat| self.open_one(folder, name, stat, whole)) {
            Ok(Sought::Other(opened)) => Ok(opened),
            Ok(Sought::Folder(_)) => Err(StoreError::NotFound),
            Err(error) => Err(error),
        };
        paths.iter().map(&mut open).collect()
    }

    fn open_one(&self, folder: &Folder, name: &str, stat: &Stat, whole: u64) -> Result<Opened, StoreError> {
        let source = self.open_in(folder, name, stat)?;
        match source.read_whole(whole)? {
            Some((meta, content)) => Ok(Opened::Whole(meta, content)),
            None => Ok(Opened::File(Arc::new(source))),
        }
    }

    /// Opens a file of which this was seen.
    pub(crate) fn open_in(&self, folder: &Folder, name: &str, stat: &Stat) -> Result<FsSource, StoreError> {
        if Self::shows_file(folder, name) {
            FsSource::open(folder, name, stat, &self.secret).map_err(|e| self.looking_up(e))
        } else {
            Err(StoreError::NotFound)
        }
    }
}

/// What has a name.
enum Sought<T> {
    Folder(Stat),
    /// Anything else, and what was made of it.
    Other(T),
}

/// Finds one name after the other, as [`View::find`] does. The folder of the one before is kept, so that many in one are
/// walked to once. It is as good as an open file in it: whoever moves the folder away takes the files along.
struct Finder<'a> {
    view: &'a View,
    /// `None` if it is not there, or no folder.
    last: Option<(SharePath, Option<(Place, Trail)>)>,
}

impl<'a> Finder<'a> {
    fn new(view: &'a View) -> Self {
        Self { view, last: None }
    }

    /// Finds a name, and does `work` with what is no folder.
    fn find<T>(
        &mut self,
        path: &SharePath,
        work: impl FnOnce(&Folder, &str, &Stat) -> Result<T, StoreError>,
    ) -> Result<Sought<T>, StoreError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Self::seek(self.view.find(path)?.0, work);
        };
        let view = self.view;
        if !view.shows_name(name.as_bytes()) {
            return Err(StoreError::NotFound);
        }
        let Some((place, trail)) = self.parent(parent)? else { return Err(StoreError::NotFound) };
        let stat = place.folder().stat(name).map_err(|e| view.looking_up(e))?;
        match file_type(&stat) {
            FileType::Directory | FileType::Symlink => {}
            _ => return work(place.folder(), name, &stat).map(Sought::Other),
        }
        let found = view.step(place, name).map_err(|e| view.lost(e))?;
        match &found {
            Found::Folder(_, stat) if view.links.is_some() && trail.holds(Id::of(stat)) => Err(StoreError::NotFound),
            _ => Self::seek(found, work),
        }
    }

    fn seek<T>(
        found: Found,
        work: impl FnOnce(&Folder, &str, &Stat) -> Result<T, StoreError>,
    ) -> Result<Sought<T>, StoreError> {
        match found {
            Found::Folder(_, stat) => Ok(Sought::Folder(stat)),
            Found::Other(place, name, stat) => work(place.folder(), &name, &stat).map(Sought::Other),
        }
    }

    fn parent(&mut self, parent: SharePath) -> Result<Option<&(Place, Trail)>, StoreError> {
        if self.last.as_ref().is_none_or(|(path, _)| *path != parent) {
            let place = match self.view.find(&parent) {
                Ok((Found::Folder(place, _), trail)) => Some((place, trail)),
                Ok((Found::Other(..), _)) | Err(StoreError::NotFound) => None,
                Err(error) => return Err(error),
            };
            self.last = Some((parent, place));
        }
        Ok(self.last.as_ref().and_then(|(_, place)| place.as_ref()))
    }
}
