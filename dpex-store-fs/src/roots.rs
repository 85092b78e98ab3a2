//! The places that links may lead into, opened and checked before anything is offered.
//!
//! A root is refused if it is, holds, or lies in the folder with the server's keys, and if everybody may write to it:
//! whoever can plant a link in a root, or a file, offers what is in the roots to everyone who is let into that root.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, fstat};

use crate::fence::Folder;
use crate::links::{Links, Root};
use crate::place::Id;

/// Why a root is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// It cannot be opened, or is no folder.
    #[error("the root {} cannot be opened: {error}", .root.display())]
    Unusable {
        /// As it was written.
        root: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Everybody may write to it.
    #[error("everybody can write to the root {}", .0.display())]
    Open(PathBuf),
    /// It is the folder with the keys, holds it, or lies in it.
    #[error("the root {} and {}, where the keys are, lie in one another", .root.display(), .keys.display())]
    NearKeys {
        /// As it was written.
        root: PathBuf,
        /// The folder with the keys.
        keys: PathBuf,
    },
}

/// Opens every root. `keys` is a folder that none of them may have to do with.
pub(crate) fn open(roots: &[PathBuf], keys: Option<&Path>) -> Result<Links, RootError> {
    roots.iter().map(|root| open_one(root, keys)).collect::<Result<_, _>>().map(Links::new)
}

fn open_one(root: &Path, keys: Option<&Path>) -> Result<Root, RootError> {
    let unusable = |error| RootError::Unusable { root: root.to_owned(), error };
    let written = std::path::absolute(root).map_err(unusable)?;
    // The owner names it, so that a link on the way to it is the owner's word.
    let folder = Folder::root_followed(&written).map_err(unusable)?;
    let stat = fstat(&folder.0).map_err(|errno| unusable(errno.into()))?;
    if Mode::from_raw_mode(stat.st_mode).contains(Mode::WOTH) {
        return Err(RootError::Open(root.to_owned()));
    }
    let real = written.canonicalize().map_err(unusable)?;
    if let Some(keys) = keys {
        let are_near = (|| {
            let real_keys = keys.canonicalize()?;
            let id = Id::of_folder(&Folder::root_followed(keys)?)?;
            Ok::<_, io::Error>(has_above(&real_keys, Id::of(&stat))? || has_above(&real, id)?)
        })();
        if are_near.map_err(unusable)? {
            return Err(RootError::NearKeys { root: root.to_owned(), keys: keys.to_owned() });
        }
    }
    Ok(Root { names: vec![written, real], folder: Arc::new(folder) })
}

/// Is the path that folder, or inside it? By what it is, since one folder may be mounted under several names.
fn has_above(path: &Path, folder: Id) -> io::Result<bool> {
    for above in path.ancestors() {
        // A folder that may not be read may still be looked at from above.
        if Id::of(&rustix::fs::stat(above)?) == folder {
            return Ok(true);
        }
    }
    Ok(false)
}
