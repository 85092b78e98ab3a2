//! A file that is served: one descriptor, one version.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Meta, SourceFile, StoreError};
use dpex_core::types::{Buffers, Secret, Timestamp, Version};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, Stat, fstat};
use rustix::io::{Errno, pread};

use crate::blocking::blocking;
use crate::error::looking_up;
use crate::fence::{Folder, ctime, mtime, size, wide};
use crate::made_up;

/// Buffers of blocks kept for the next ones.
const IDLE_BUFFERS: usize = 8;

/// The open file. Every read is followed by a look at whether it is still the version that was opened (XFR-12).
#[derive(Debug)]
pub(crate) struct FsSource(Arc<Open>);

#[derive(Debug)]
struct Open {
    file: OwnedFd,
    meta: Meta,
    marks: Marks,
    buffers: Buffers,
}

/// All that `meta` is made of.
type Marks = (u64, u64, Timestamp, Timestamp, bool);

fn marks(stat: &Stat) -> Marks {
    (wide(stat.st_ino), size(stat), mtime(stat), ctime(stat), is_executable(stat))
}

fn is_executable(stat: &Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode).contains(Mode::XUSR)
}

impl FsSource {
    /// Opens a regular file directly inside `folder`, of which this was seen.
    pub(crate) fn open(folder: &Folder, name: &str, seen: &Stat, secret: &Secret<32>) -> Result<Self, Errno> {
        let (file, stat) = folder.open_seen(name, seen)?;
        made_up::check(&file, &stat)?;
        let open =
            Open { file, meta: meta(&stat, secret), marks: marks(&stat), buffers: Buffers::keeping(IDLE_BUFFERS) };
        Ok(Self(Arc::new(open)))
    }

    /// All of it, at the version that was opened; `None` if it is more than `most` bytes.
    pub(crate) fn read_whole(&self, most: u64) -> Result<Option<(Meta, Bytes)>, StoreError> {
        let meta = self.0.meta;
        match usize::try_from(meta.size) {
            Ok(len) if meta.size <= most => Ok(Some((meta, self.0.read_at(0, len)?))),
            _ => Ok(None),
        }
    }
}

/// What a listing or an offer says of a file.
pub(crate) fn meta(stat: &Stat, secret: &Secret<32>) -> Meta {
    Meta { size: size(stat), mtime: mtime(stat), exec: is_executable(stat), version: version(stat, secret) }
}

/// Keyed, so that it tells a peer nothing; of what is on the disk itself, so that it survives a restart (NAM-4).
///
/// The number of the disk is not: some get another at every mount. Files on two disks that agree in all of the rest, to
/// the tick of a clock that nobody can set back unseen, are copies by the block unless somebody means them not to be; and
/// even then no file of mixed content comes of it, since what has arrived must match the hash of all of it.
fn version(stat: &Stat, secret: &Secret<32>) -> Version {
    let mut hasher = blake3::Hasher::new_keyed(secret.expose());
    for number in [wide(stat.st_ino), size(stat)] {
        hasher.update(&number.to_be_bytes());
    }
    for time in [mtime(stat), ctime(stat)] {
        hasher.update(&time.secs().to_be_bytes()).update(&time.nanos().to_be_bytes());
    }
    let mut version = [0; Version::LEN];
    hasher.finalize_xof().fill(&mut version);
    Version(version)
}

#[async_trait]
impl SourceFile for FsSource {
    fn meta(&self) -> &Meta {
        &self.0.meta
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let open = Arc::clone(&self.0);
        blocking(move || open.read_at(offset, len)).await
    }
}

impl Open {
    fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let inside =
            u64::try_from(len).ok().and_then(|len| offset.checked_add(len)).is_some_and(|e| e <= self.meta.size);
        if !inside {
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::InvalidInput, "a read past the end of the file")));
        }
        let mut data = self.buffers.take(len);
        let mut done = 0;
        while let Some(rest) = data.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match pread(&self.file, rest, offset + done as u64) {
                Ok(0) => return Err(StoreError::Changed),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(StoreError::Io(errno.into())),
            }
        }
        // After the read, so that what was read is of the version if this says so.
        if marks(&fstat(&self.file).map_err(looking_up)?) != self.marks {
            return Err(StoreError::Changed);
        }
        Ok(Bytes::from(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Stat);

    // NAM-4.
    #[test]
    fn a_version_outlives_a_mount_that_numbers_the_disk_anew_and_no_change_of_the_file() {
        let stat = fstat(tempfile::tempfile().expect("a temporary file")).expect("open");
        let version = |change: Change| {
            let mut changed = stat;
            change(&mut changed);
            version(&changed, &Secret::new([1; 32]))
        };
        let before = version(|_| ());
        assert_eq!(version(|stat| stat.st_dev += 1), before, "another number of the disk");
        let changes: [(&str, Change); 6] = [
            ("another file", |stat| stat.st_ino += 1),
            ("longer", |stat| stat.st_size += 1),
            ("later", |stat| stat.st_mtime += 1),
            ("a little later", |stat| stat.st_mtime_nsec ^= 1),
            ("changed later", |stat| stat.st_ctime += 1),
            ("changed a little later", |stat| stat.st_ctime_nsec ^= 1),
        ];
        for (kind, change) in changes {
            assert_ne!(version(change), before, "{kind}");
        }
    }
}
