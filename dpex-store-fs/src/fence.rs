//! Directory handles that cannot be left.
//!
//! A path is walked one part at a time, each part opened relative to the handle before it with `O_NOFOLLOW`. The parts
//! come from a [`SharePath`](dpex_core::types::SharePath), so none is `..` or holds a `/`; what is left for an attacker
//! is a link in the place of a part, and the kernel refuses that in the same call that would have followed it. One way
//! for every Unix, instead of `openat2` with a second way for where it is missing. Where links are to be followed,
//! [`links`](crate::links) reads them and walks what they say in the same steps.

use std::ffi::CString;
use std::io;
use std::path::Path;

use dpex_core::types::Timestamp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat, readlinkat};
use rustix::io::{Errno, retry_on_intr};

use crate::error::tolerate_unsupported;
use crate::sys;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// A new folder's mode, of which the umask takes its part.
const ANYBODY: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);
/// `NONBLOCK`, because whatever the name was a moment ago, it may be a FIFO now.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What a directory says of what is in it.
pub(crate) type RawNames = Vec<(Vec<u8>, FileType)>;

/// An open folder: the root, or one reached from it without the system following a link (NAM-3, NAM-8).
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) OwnedFd);

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// When folders that were made are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Before anything is done in them.
    Now,
    /// When whoever made them makes all of the disk durable, or [`Folder::sync_down`] is called.
    Later,
}

impl Folder {
    /// Opens the root, which itself must not be a link. Links above it are the owner's business.
    pub(crate) fn root(path: &Path) -> io::Result<Self> {
        // Without a trailing slash: `link/` would be followed.
        let path: std::path::PathBuf = path.components().collect();
        Ok(Self(sys::open_root(&path, FOLDER)?))
    }

    /// Opens a root that may be reached through a link: a folder that the person at this machine named.
    pub(crate) fn root_followed(path: &Path) -> io::Result<Self> {
        Ok(Self(sys::open_root(path, FOLDER.difference(OFlags::NOFOLLOW))?))
    }

    /// The same, and makes the folder and those above it that are missing. A file committed in it is only as durable as
    /// they are: each new name is made durable, and that of the folder in which the first is made, which an earlier run may
    /// have left behind; that of the folder itself is when something is committed ([`Self::sync_name`]).
    pub(crate) fn root_made(path: &Path) -> io::Result<Self> {
        match Self::root_followed(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let above = match path.parent() {
            None => return Self::root_followed(path),
            Some(above) if above.as_os_str().is_empty() => Path::new("."),
            Some(above) => above,
        };
        let above = match Self::root_followed(above) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::root_made(above)?,
            // Where one may write and not read, nothing can be made durable but by the disk as a whole.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                std::fs::create_dir(path)?;
                return Self::root_followed(path);
            }
            found => {
                let found = found?;
                found.sync_name()?;
                found
            }
        };
        // It has none if it ends with `..`, and then is one of those above.
        if let Some(name) = path.file_name() {
            match sys::make_folder(&above, name, ANYBODY) {
                Err(Errno::EXIST) => {}
                made => made?,
            }
            above.sync()?;
        }
        Self::root_followed(path)
    }

    /// Makes this folder's own name durable, as far as the folder above may be read.
    pub(crate) fn sync_name(&self) -> Result<(), Errno> {
        match self.enter("..") {
            Err(Errno::ACCESS | Errno::PERM) => Ok(()),
            above => above?.sync(),
        }
    }

    /// Opens a folder directly inside this one; `.` is this one again.
    pub(crate) fn enter(&self, part: &str) -> Result<Self, Errno> {
        sys::open(self, part, FOLDER).map(Self)
    }

    /// Opens a folder below this one.
    pub(crate) fn walk<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Result<Self, Errno> {
        let mut here = None;
        for part in parts {
            here = Some(here.as_ref().unwrap_or(self).enter(part)?);
        }
        here.map_or_else(|| self.enter("."), Ok)
    }

    /// Opens a folder below this one and makes what is missing.
    ///
    /// `NOTDIR` or `LOOP` means that something else has the name.
    pub(crate) fn make<'a>(&self, parts: impl Iterator<Item = &'a str>, durable: Durable) -> Result<Self, Errno> {
        let mut here = self.enter(".")?;
        for part in parts {
            here = here.enter_or_make(part, durable)?;
        }
        Ok(here)
    }

    /// Opens a folder directly inside this one and makes it if it is missing. Errors as of [`Self::make`].
    pub(crate) fn enter_or_make(&self, part: &str, durable: Durable) -> Result<Self, Errno> {
        match self.enter(part) {
            Err(Errno::NOENT) => self.make_one(part, durable),
            found => found,
        }
    }

    fn make_one(&self, part: &str, durable: Durable) -> Result<Self, Errno> {
        match (sys::make_folder(self, part, ANYBODY), durable) {
            // Somebody else was faster, with a folder or with something that `enter` refuses.
            (Err(Errno::EXIST), _) => {}
            // A file committed below is only as durable as the folders above it.
            (made, Durable::Now) => made.and_then(|()| self.sync())?,
            (made, Durable::Later) => made?,
        }
        self.enter(part)
    }

    /// Makes the names of folders below this one durable, each in the one it is in. What the last of them holds is not
    /// looked at. Where one has no such name any more, whoever moved it answers for the rest.
    pub(crate) fn sync_down<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Result<(), Errno> {
        let mut above = self.enter(".")?;
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            above.sync()?;
            if parts.peek().is_none() {
                break;
            }
            above = match above.enter(part) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => break,
                found => found?,
            };
        }
        Ok(())
    }

    /// Makes what names are in it durable.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        tolerate_unsupported(sys::sync(self))
    }

    /// What is directly inside under this name, itself, not what it points at.
    pub(crate) fn stat(&self, name: &str) -> Result<Stat, Errno> {
        sys::stat(self, name)
    }

    /// What the link of this name directly inside says.
    pub(crate) fn link_target(&self, name: &str) -> Result<Vec<u8>, Errno> {
        retry_on_intr(|| readlinkat(&self.0, name, Vec::new())).map(CString::into_bytes)
    }

    /// Opens a regular file directly inside for reading; `NXIO` if it is anything else (NAM-5).
    pub(crate) fn open_file(&self, name: &str) -> Result<(OwnedFd, Stat), Errno> {
        self.open_seen(name, &self.stat(name)?)
    }

    /// The same, of which this was seen a moment ago.
    pub(crate) fn open_seen(&self, name: &str, seen: &Stat) -> Result<(OwnedFd, Stat), Errno> {
        // Asked before opening, since opening a device may already do something; asked again after, since only that counts.
        if !is_file(seen) {
            return Err(Errno::NXIO);
        }
        let file = sys::open(self, name, FILE)?;
        let stat = sys::fstat(&file)?;
        if is_file(&stat) { Ok((file, stat)) } else { Err(Errno::NXIO) }
    }

    /// The names directly inside, unordered, each with what the directory says it is (possibly unknown).
    pub(crate) fn names(&self) -> Result<RawNames, Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.to_vec(), entry.file_type()));
            }
        }
        Ok(names)
    }
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(crate) fn is_file(stat: &Stat) -> bool {
    file_type(stat) == FileType::RegularFile
}

pub(crate) fn size(stat: &Stat) -> u64 {
    wide(stat.st_size)
}

pub(crate) fn mtime(stat: &Stat) -> Timestamp {
    timestamp(stat.st_mtime, stat.st_mtime_nsec)
}

pub(crate) fn ctime(stat: &Stat) -> Timestamp {
    timestamp(stat.st_ctime, stat.st_ctime_nsec)
}

fn timestamp(secs: impl TryInto<i64>, nanos: impl TryInto<u32>) -> Timestamp {
    let (secs, nanos) = (secs.try_into().unwrap_or_default(), nanos.try_into().unwrap_or_default());
    Timestamp::new(secs, nanos).unwrap_or_default()
}

/// The fields of `stat` have another integer type on each platform; none of them is negative here.
pub(crate) fn wide(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or_default()
}
