//! What the system says, in the words of the joint. Which word fits depends on what was being done.

use std::io;

use dpex_core::store::StoreError;
use rustix::io::Errno;

/// Looking a name up for somebody else: missing, forbidden, a link, not a file are all one answer.
pub(crate) fn looking_up(errno: Errno) -> StoreError {
    match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::LOOP
        | Errno::MLINK
        | Errno::ACCESS
        | Errno::PERM
        | Errno::NXIO
        | Errno::NODEV
        | Errno::NAMETOOLONG => StoreError::NotFound,
        other => StoreError::Io(other.into()),
    }
}

/// Making or writing something of our own.
pub(crate) fn writing(errno: Errno) -> StoreError {
    match errno {
        Errno::NOSPC | Errno::DQUOT => StoreError::Full,
        Errno::NAMETOOLONG => StoreError::BadName("it is too long for this disk"),
        Errno::ILSEQ => StoreError::BadName("this disk does not take all of its characters"),
        other => StoreError::Io(other.into()),
    }
}

/// Something that cannot be done, and that the system did not say.
pub(crate) fn broken(kind: io::ErrorKind, text: &'static str) -> StoreError {
    StoreError::Io(io::Error::new(kind, text))
}

/// Not a fact about the entry at hand but about this process: leaving the entry out would be a lie.
pub(crate) fn is_our_own_trouble(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// File systems without modes or times of their own (FAT, some FUSE) are no reason to refuse a file.
pub(crate) fn tolerate_unsupported(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        result => result,
    }
}
