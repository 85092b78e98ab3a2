//! Symbolic links, followed only into places that the owner named.
//!
//! The kernel never follows one. A link is read, and what it says is walked here, one part at a time, from an open
//! folder, with every further link read and walked in the same way:
//!
//! * an absolute target must begin with one of the roots, and is walked from that root's handle;
//! * a relative one is walked from where the link lies, and `..` ends at the root or shelf that was entered last;
//! * names that are not offered (hidden ones, sidecars) are not offered through a link either.
//!
//! So whatever a link says, and whoever exchanges it meanwhile, what is reached lies below a handle that was opened
//! when the server started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;

use crate::fence::{Folder, file_type};
use crate::place::Place;

/// Links followed to find one name; Linux follows as many.
const MOST_LINKS: u32 = 40;
/// Parts walked to find one name: `a/../a/..` must end before it is a burden.
const MOST_STEPS: u32 = 256;

/// What is at the end of a name.
#[derive(Debug)]
pub(crate) enum Found {
    /// A folder, opened.
    Folder(Place, Stat),
    /// Anything else, under this name in this folder, not opened.
    Other(Place, String, Stat),
}

/// Why a link leads to nothing that may be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Above the shelf, or to no root.
    Outside,
    /// Too many links, or too many parts.
    Endless,
    /// A part that is not offered under its own name.
    Hidden,
    /// A part that is not UTF-8, as no name is that travels.
    NotText,
    /// The system says so.
    System(Errno),
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// The places that links may lead into.
#[derive(Debug, Default)]
pub(crate) struct Links {
    roots: Vec<Root>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Root {
    /// As a link may write it: as the owner did, and as it is without links.
    pub(crate) names: Vec<PathBuf>,
    pub(crate) folder: Arc<Folder>,
}

impl Links {
    pub(crate) fn new(roots: Vec<Root>) -> Self {
        Self { roots }
    }

    /// Finds what the link `name` in this folder leads to. `shows` says which names are offered.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub(crate) fn follow(&self, from: &Place, name: &str, shows: impl Fn(&[u8]) -> bool) -> Result<Found, Lost> {
        self.walk(from.clone(), vec![name.to_owned()], shows)
    }

    /// Finds what an absolute target leads to; `None` if it is relative.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub(crate) fn find(&self, target: &Path, shows: impl Fn(&[u8]) -> bool) -> Option<Result<Found, Lost>> {
        target.is_absolute().then(|| {
            let mut todo = Vec::new();
            let root = self.enter(target, &mut todo)?;
            self.walk(root, todo, shows)
        })
    }

    /// Walks the parts of `todo`, the last of them first.
    fn walk(&self, mut here: Place, mut todo: Vec<String>, shows: impl Fn(&[u8]) -> bool) -> Result<Found, Lost> {
        let (mut links, mut steps) = (0, 0);
        while let Some(part) = todo.pop() {
            steps += 1;
            if steps > MOST_STEPS {
                return Err(Lost::Endless);
            }
            if part == ".." {
                here = here.above()?.ok_or(Lost::Outside)?;
                continue;
            }
            if !shows(part.as_bytes()) {
                return Err(Lost::Hidden);
            }
            let stat = here.folder().stat(&part)?;
            match file_type(&stat) {
                FileType::Directory => here = here.enter(&part)?,
                FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Lost::Endless);
                    }
                    let target = here.folder().link_target(&part)?;
                    let target = Path::new(OsStr::from_bytes(&target));
                    if target.is_absolute() {
                        here = self.enter(target, &mut todo)?;
                    } else {
                        put_before(&mut todo, target)?;
                    }
                }
                _ if todo.is_empty() => return Ok(Found::Other(here, part, stat)),
                _ => return Err(Lost::System(Errno::NOTDIR)),
            }
        }
        let stat = fstat(&here.folder().0)?;
        Ok(Found::Folder(here, stat))
    }

    /// The root that an absolute target begins with, the innermost of several; what is below it is put before `todo`.
    fn enter(&self, target: &Path, todo: &mut Vec<String>) -> Result<Place, Lost> {
        let below = |root: &Root| {
            let rests = root.names.iter().filter_map(|name| target.strip_prefix(name).ok());
            rests.min_by_key(|rest| rest.as_os_str().len()).map(Path::to_owned)
        };
        let fitting = self.roots.iter().filter_map(|root| Some((root, below(root)?)));
        let (root, rest) = fitting.min_by_key(|(_, rest)| rest.as_os_str().len()).ok_or(Lost::Outside)?;
        put_before(todo, &rest)?;
        Ok(Place::anchor(Arc::clone(&root.folder)))
    }
}

/// Puts the parts of a target before those that are still to be walked.
fn put_before(todo: &mut Vec<String>, target: &Path) -> Result<(), Lost> {
    for part in target.components().rev() {
        match part {
            Component::Normal(name) => todo.push(name.to_str().ok_or(Lost::NotText)?.to_owned()),
            Component::ParentDir => todo.push("..".to_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(())
}
