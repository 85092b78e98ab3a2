//! One version of the zip file: its descriptor, its stamp, and what was in it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use dpex_core::types::{Secret, Timestamp};

use crate::index::Index;
use crate::store::Options;

/// The zip file as it was when its index was read.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    stamp: Stamp,
    index: Index,
}

impl Archive {
    pub(crate) fn open(path: &Path, secret: &Secret<32>, options: &Options) -> io::Result<Self> {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let index = Index::read(&file, &stamp, secret, options)?;
        let archive = Self { file, stamp, index };
        // An index read while somebody writes may be made of two.
        if archive.is_unchanged()? { Ok(archive) } else { Err(io::Error::other("the zip file is being written to")) }
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Is the file of this name still this one?
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(Stamp::of(&fs::metadata(path)?) == self.stamp)
    }

    /// Did nobody write to it? Replacing it by another file counts: that takes a name from this one.
    pub(crate) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(Stamp::of(&self.file.metadata()?) == self.stamp)
    }

    /// Reads at a position of its own, so that many may read at once.
    pub(crate) fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(out, at)
    }

    pub(crate) fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }

    /// Bytes in the whole zip file.
    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }
}

/// What the system says of the zip file and keeps across restarts; all of it changes or stays together with the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    dev: u64,
    ino: u64,
    /// None when another file took its name. Times would tell as well, and only as finely as the system's clock ticks.
    names: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The time that nobody can set: it tells also of a writer who puts the other one back.
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.size(),
            dev: meta.dev(),
            ino: meta.ino(),
            names: meta.nlink(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for number in [self.size, self.dev, self.ino] {
            hasher.update(&number.to_be_bytes());
        }
        for number in [self.modified.0, self.modified.1, self.changed.0, self.changed.1] {
            hasher.update(&number.to_be_bytes());
        }
    }

    /// When the zip file was last written to.
    pub(crate) fn mtime(&self) -> Timestamp {
        let (secs, nanos) = self.modified;
        u32::try_from(nanos).ok().and_then(|nanos| Timestamp::new(secs, nanos)).unwrap_or_default()
    }
}
