//! How a name is given: in one step, and over nothing that should stay (NAM-9, NAM-10).

use dpex_core::store::{Existing, Incoming, StoreError};
use dpex_core::types::SharePath;
use rustix::io::Errno;

use crate::error::writing;
use crate::fence::{Folder, is_file, mtime, size};
use crate::names::siblings;
use crate::parts::{self, Owner};
use crate::sys::{self, Sys};

/// A complete file that waits for its name.
pub(crate) trait Finished {
    /// Gives it a name that nothing has.
    ///
    /// # Errors
    /// `Exists`, or what [`writing`] makes of the system's.
    fn take(&self, name: &str) -> Result<(), StoreError>;

    /// Gives it a name in place of the file that has it.
    ///
    /// # Errors
    /// As [`Self::take`].
    fn replace(&self, name: &str) -> Result<(), StoreError>;
}

/// Gives a file the name it came for, or the one its [`Existing`] says. Returns which.
pub(crate) fn publish(folder: &Folder, incoming: &Incoming, file: &impl Finished) -> Result<SharePath, StoreError> {
    let path = &incoming.path;
    let name = path.file_name().ok_or(StoreError::Exists)?;
    match incoming.existing {
        Existing::Keep => file.take(name)?,
        Existing::Overwrite => match target(folder, name, incoming) {
            Ok(Target::Free) => file.take(name)?,
            Ok(Target::Other) | Err(StoreError::Same) => file.replace(name)?,
            Err(StoreError::Busy) => return Err(StoreError::Exists),
            Err(error) => return Err(error),
        },
        Existing::Rename => return beside(path, name, file),
    }
    Ok(path.clone())
}

fn beside(path: &SharePath, name: &str, file: &impl Finished) -> Result<SharePath, StoreError> {
    let parent = path.parent().unwrap_or_default();
    for name in std::iter::once(name.to_owned()).chain(siblings(name)) {
        // First, so that no file gets a name under which it could not be told of.
        let path = parent.join(&name).map_err(|_| StoreError::BadName("a number does not fit on it"))?;
        match file.take(&name) {
            Ok(()) => return Ok(path),
            Err(StoreError::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Exists)
}

/// May the reception begin, seeing what has the name now?
///
/// # Errors
/// As [`target`], and `Exists`.
pub(crate) fn check_target(folder: &Folder, name: &str, incoming: &Incoming) -> Result<(), StoreError> {
    match target(folder, name, incoming)? {
        Target::Free => Ok(()),
        Target::Other if incoming.existing == Existing::Overwrite => Ok(()),
        Target::Other if incoming.existing == Existing::Rename => check_siblings(folder, name, incoming),
        Target::Other => Err(StoreError::Exists),
    }
}

/// A second run that renames must find what the first one wrote.
fn check_siblings(folder: &Folder, name: &str, incoming: &Incoming) -> Result<(), StoreError> {
    for sibling in siblings(name) {
        match target(folder, &sibling, incoming) {
            Ok(Target::Free) => break,
            Err(StoreError::Same) => return Err(StoreError::Same),
            _ => {}
        }
    }
    Ok(())
}

/// What has a name, when it is not in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Free,
    /// A regular file with other content.
    Other,
}

/// # Errors
/// `Same`; `Exists` for what is no file; `Busy` for the part of another reception.
pub(crate) fn target(folder: &Folder, name: &str, incoming: &Incoming) -> Result<Target, StoreError> {
    let stat = match folder.stat(name) {
        Err(Errno::NOENT) => return Ok(Target::Free),
        found => found.map_err(writing)?,
    };
    if !is_file(&stat) {
        return Err(StoreError::Exists);
    }
    if matches!(parts::owner(folder, name), Some(Owner::Ours | Owner::Unknown)) {
        return Err(StoreError::Busy);
    }
    if incoming.seems_here(name, size(&stat), mtime(&stat)) { Err(StoreError::Same) } else { Ok(Target::Other) }
}

/// Moves a file to a name that nothing has, in one step.
///
/// # Errors
/// `Exists`, or what [`writing`] makes of the system's.
pub(crate) fn rename_to_free(folder: &Folder, from: &str, to: &str) -> Result<(), StoreError> {
    match sys::rename_to_free(folder, from, to) {
        // Not every file system knows how; then a second link does.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_and_unlink(folder, from, to),
        result => result,
    }
    .map_err(naming)
}

fn link_and_unlink(folder: &Folder, from: &str, to: &str) -> Sys {
    sys::link(folder, from, to)?;
    sys::remove(folder, from)
}

/// What is in the way of a name is `Exists`.
pub(crate) fn naming(errno: Errno) -> StoreError {
    match errno {
        Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => StoreError::Exists,
        errno => writing(errno),
    }
}
