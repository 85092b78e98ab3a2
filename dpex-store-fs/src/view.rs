//! What of a folder is offered, and how a name becomes an open file.

use std::sync::Arc;

use dpex_core::store::StoreError;
use dpex_core::types::{Secret, SharePath};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use crate::error::looking_up;
use crate::fence::{Folder, file_type};
use crate::links::{Found, Links, Lost};
use crate::parts::{self, Owner};
use crate::place::{Id, Place};
use crate::portable::is_reserved;
use crate::source::FsSource;

/// Why a link is not offered if no link is.
pub(crate) const NOT_FOLLOWED: &str = "it is a link, and `follow-links` is off";

/// Why something is not offered that is neither a file nor a folder nor a link.
pub(crate) const NO_FILE: &str = "it is a pipe, a socket or a device";

/// What of a folder is offered.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) root: Place,
    pub(crate) secret: Secret<32>,
    /// Also names that begin with a dot.
    pub(crate) hidden: bool,
    /// Also what links lead to; `None` if none is followed.
    pub(crate) links: Option<Arc<Links>>,
    /// A folder to receive into, of which whoever runs this asks for themselves: they may know what they may not read.
    pub(crate) is_own: bool,
}

impl View {
    /// May any entry of this name be offered?
    pub(crate) fn shows_name(&self, name: &[u8]) -> bool {
        shows_name(name, self.hidden)
    }

    /// Why nothing of this kind is offered, if that is so.
    pub(crate) fn why_never(&self, kind: FileType) -> Option<&'static str> {
        match kind {
            FileType::Symlink => self.links.is_none().then_some(NOT_FOLLOWED),
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => Some(NO_FILE),
            FileType::Directory | FileType::RegularFile | FileType::Unknown => None,
        }
    }

    /// May this file, of a name that [`Self::shows_name`], be offered?
    pub(crate) fn shows_file(folder: &Folder, name: &str) -> bool {
        !matches!(parts::owner(folder, name), Some(Owner::Ours | Owner::Unknown))
    }

    /// Opens a file for reading.
    pub(crate) fn open(&self, path: &SharePath) -> Result<FsSource, StoreError> {
        match self.find(path)?.0 {
            Found::Other(place, name, stat) => self.open_in(place.folder(), &name, &stat),
            Found::Folder(..) => Err(StoreError::NotFound),
        }
    }

    /// What failed when somebody looked something up. NAM-6: for others, what is forbidden is not there.
    pub(crate) fn looking_up(&self, errno: Errno) -> StoreError {
        match errno {
            Errno::ACCESS | Errno::PERM if self.is_own => StoreError::Io(errno.into()),
            errno => looking_up(errno),
        }
    }

    /// The same of a link on the way: one that leads nowhere is no name.
    pub(crate) fn lost(&self, lost: Lost) -> StoreError {
        match lost {
            Lost::System(errno) => self.looking_up(errno),
            Lost::Outside | Lost::Endless | Lost::Hidden | Lost::NotText => StoreError::NotFound,
        }
    }

    /// Finds what has this name, and the folders on the way to it.
    pub(crate) fn find(&self, path: &SharePath) -> Result<(Found, Trail), StoreError> {
        if !path.parts().all(|part| self.shows_name(part.as_bytes())) {
            return Err(StoreError::NotFound);
        }
        let mut trail = Trail::default();
        let mut parts = path.parts();
        let stat = fstat(&self.root.folder().0).map_err(|e| self.looking_up(e))?;
        let mut found = Found::Folder(self.root.clone(), stat);
        while let Found::Folder(place, stat) = &found {
            if !trail.enter(Id::of(stat)) && self.links.is_some() {
                return Err(StoreError::NotFound);
            }
            let Some(part) = parts.next() else { return Ok((found, trail)) };
            found = self.step(place, part).map_err(|e| self.lost(e))?;
        }
        if parts.next().is_none() { Ok((found, trail)) } else { Err(StoreError::NotFound) }
    }

    /// Finds what has this name in this folder, through a link only if links are followed.
    pub(crate) fn step(&self, place: &Place, name: &str) -> Result<Found, Lost> {
        match place.enter(name) {
            Ok(inside) => {
                let stat = fstat(&inside.folder().0)?;
                return Ok(Found::Folder(inside, stat));
            }
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {}
            Err(errno) => return Err(Lost::System(errno)),
        }
        let stat = place.folder().stat(name)?;
        match (&self.links, file_type(&stat)) {
            (Some(_), FileType::Symlink) => self.follow(place, name),
            _ => Ok(Found::Other(place.clone(), name.to_owned(), stat)),
        }
    }

    /// Finds what a link leads to.
    pub(crate) fn follow(&self, place: &Place, name: &str) -> Result<Found, Lost> {
        match &self.links {
            Some(links) => links.follow(place, name, |part| self.shows_name(part)),
            None => Err(Lost::Hidden),
        }
    }
}

/// May an entry of this name be offered?
pub(crate) fn shows_name(name: &[u8], hidden: bool) -> bool {
    (hidden || !name.starts_with(b".")) && !is_reserved(name)
}

/// The folders from the shelf down to where a walk is, each inside of the one before: with links, one of them could be
/// inside of itself, and a walk without end.
#[derive(Debug, Default)]
pub(crate) struct Trail(Vec<Id>);

impl Trail {
    /// Goes into a folder; false if the walk was in it already.
    pub(crate) fn enter(&mut self, folder: Id) -> bool {
        let is_new = !self.holds(folder);
        self.0.push(folder);
        is_new
    }

    pub(crate) fn holds(&self, folder: Id) -> bool {
        self.0.contains(&folder)
    }

    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }
}
