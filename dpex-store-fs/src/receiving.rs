//! The beginning of a reception: may the name be taken, is there room, who else is at it.

use std::io;

use dpex_core::store::{Existing, Incoming, StoreError};
use dpex_core::types::SharePath;
use rustix::fs::fstatvfs;
use rustix::io::Errno;

use crate::error::writing;
use crate::fence::{Folder, is_file, mtime, size};
use crate::partial::FsPartial;
use crate::parts::{self, Claim, Owner, front};
use crate::portable::Rules;

/// Names tried beside a taken one.
const MOST_SIBLINGS: u32 = 10_000;
const MAX_NAME: usize = 255;

/// Checks what can be checked before the first byte, and makes the part.
pub(crate) fn begin(root: &Folder, incoming: &Incoming, rules: Rules) -> Result<FsPartial, StoreError> {
    rules.check(&incoming.path)?;
    let (Some(parent), Some(name)) = (incoming.path.parent(), incoming.path.file_name()) else {
        return Err(StoreError::Exists);
    };
    let folder = make_folders(root, &parent)?;
    check_target(&folder, name, incoming)?;
    let claim = Claim::take(folder, name, incoming.meta.size)?;
    // Again, now that nobody else can: another reception may have ended between the look and the claim.
    let checked =
        check_target(&claim.folder, name, incoming).and_then(|()| check_room(&claim.folder, incoming.meta.size));
    if let Err(refused) = checked {
        let _ = claim.release();
        return Err(refused);
    }
    Ok(FsPartial::new(claim, incoming.clone()))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(root: &Folder, path: &SharePath, rules: Rules) -> Result<(), StoreError> {
    rules.check(path)?;
    make_folders(root, path).map(drop)
}

fn make_folders(root: &Folder, path: &SharePath) -> Result<Folder, StoreError> {
    root.make(path.parts()).map_err(|errno| match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::EXIST => StoreError::Exists,
        errno => writing(errno),
    })
}

/// May the reception begin, seeing what has the name now?
fn check_target(folder: &Folder, name: &str, incoming: &Incoming) -> Result<(), StoreError> {
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
    if size(&stat) == incoming.meta.size && mtime(&stat) == incoming.meta.mtime {
        return Err(StoreError::Same);
    }
    Ok(Target::Other)
}

fn check_room(folder: &Folder, size: u64) -> Result<(), StoreError> {
    let disk = match fstatvfs(&folder.0) {
        // A disk that cannot say is asked by writing.
        Err(Errno::NOSYS | Errno::NOTSUP) => return Ok(()),
        disk => disk.map_err(|errno| StoreError::Io(io::Error::from(errno)))?,
    };
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    if size > room { Err(StoreError::Full) } else { Ok(()) }
}

/// `report (2).pdf`, `report (3).pdf` and so on.
pub(crate) fn siblings(name: &str) -> impl Iterator<Item = String> {
    let dot = name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    (2..MOST_SIBLINGS).map(move |n| {
        let number = format!(" ({n})");
        // An extension as long as the name leaves no stem to shorten.
        let extension = front(extension, MAX_NAME - number.len());
        let stem = front(stem, MAX_NAME - number.len() - extension.len());
        format!("{stem}{number}{extension}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(name: &str) -> String {
        siblings(name).next().expect("there are many")
    }

    #[test]
    fn a_number_goes_before_the_extension() {
        assert_eq!(first("report.pdf"), "report (2).pdf");
        assert_eq!(first("README"), "README (2)");
        assert_eq!(first(".profile"), ".profile (2)");
        assert_eq!(siblings("a.b.c").nth(8), Some("a.b (10).c".to_owned()));
    }

    #[test]
    fn a_long_name_is_shortened_in_whole_characters() {
        for name in ["x".repeat(255), format!("{}.txt", "é".repeat(125)), format!("a.{}", "y".repeat(253))] {
            let sibling = first(&name);
            assert!(sibling.len() <= MAX_NAME && sibling.len() > 240, "{sibling}");
            assert!(SharePath::parse(&sibling).is_ok());
        }
    }
}
