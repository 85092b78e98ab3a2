//! A file on its way in: written as a part, published by one rename.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Existing, Incoming, PartialFile, StoreError, Verified};
use dpex_core::types::{RangeSet, SharePath};
use rustix::fs::{Mode, Nsecs, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, fsync, futimens, renameat};
use rustix::io::{Errno, pwrite, retry_on_intr};

use crate::blocking::blocking;
use crate::error::{tolerate_unsupported, writing};
use crate::fence::size;
use crate::parts::Claim;
use crate::receiving::{Target, siblings, target};

/// The part, its lock, and what was written so far. Work that was begun and then abandoned keeps it, and with it the
/// lock, until it ends.
#[derive(Debug)]
pub(crate) struct FsPartial(Arc<Part>);

#[derive(Debug)]
struct Part {
    claim: Claim,
    incoming: Incoming,
    written: Mutex<RangeSet>,
}

impl FsPartial {
    pub(crate) fn new(claim: Claim, incoming: Incoming) -> Self {
        Self(Arc::new(Part { claim, incoming, written: Mutex::new(RangeSet::new()) }))
    }
}

#[async_trait]
impl PartialFile for FsPartial {
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError> {
        let part = Arc::clone(&self.0);
        blocking(move || part.write_at(block.offset, &data)).await
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
        blocking(move || self.0.commit()).await
    }

    async fn discard(self: Box<Self>) -> Result<(), StoreError> {
        blocking(move || self.0.claim.release().map_err(writing)).await
    }
}

impl Part {
    fn write_at(&self, offset: u64, mut data: &[u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(data.len() as u64);
        if end > self.incoming.meta.size {
            return Err(broken(io::ErrorKind::InvalidInput, "a write past the announced size"));
        }
        let mut at = offset;
        while !data.is_empty() {
            match pwrite(&self.claim.part, data, at) {
                Ok(0) => return Err(broken(io::ErrorKind::WriteZero, "the disk took no bytes")),
                Ok(n) => {
                    at += n as u64;
                    data = data.get(n..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(writing(errno)),
            }
        }
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(offset..end);
        Ok(())
    }

    fn commit(&self) -> Result<SharePath, StoreError> {
        self.check_complete()?;
        self.set_metadata().map_err(writing)?;
        retry_on_intr(|| fsync(&self.claim.part)).map_err(writing)?;
        if !self.claim.is_in_place() {
            return Err(broken(io::ErrorKind::NotFound, "somebody took the part away"));
        }
        let name = self.publish()?;
        // After the rename, so that a crash leaves a sidecar without a part and never the reverse.
        self.claim.drop_sidecar().map_err(writing)?;
        self.claim.folder.sync().map_err(writing)?;
        Ok(name)
    }

    fn check_complete(&self) -> Result<(), StoreError> {
        let announced = self.incoming.meta.size;
        let covered = self.written.lock().unwrap_or_else(PoisonError::into_inner).covers(0..announced);
        let stat = fstat(&self.claim.part).map_err(writing)?;
        if covered && size(&stat) == announced {
            return Ok(());
        }
        Err(broken(io::ErrorKind::InvalidData, "the part is not complete"))
    }

    /// What a program would have got that made the file here, and the sender's time; never set-id bits.
    fn set_metadata(&self) -> Result<(), Errno> {
        let meta = &self.incoming.meta;
        let asked = Mode::from_raw_mode(if meta.exec { 0o777 } else { 0o666 });
        tolerate_unsupported(fchmod(&self.claim.part, asked & self.claim.full_mode))?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: Nsecs::from(UTIME_OMIT) },
            last_modification: Timespec { tv_sec: meta.mtime.secs(), tv_nsec: meta.mtime.nanos().into() },
        };
        tolerate_unsupported(futimens(&self.claim.part, &times))
    }

    // NAM-9.
    fn publish(&self) -> Result<SharePath, StoreError> {
        let path = &self.incoming.path;
        let name = path.file_name().ok_or(StoreError::Exists)?;
        match self.incoming.existing {
            Existing::Keep => self.rename_to_free(name)?,
            Existing::Overwrite | Existing::Replace => self.replace(name)?,
            Existing::Rename => return self.rename_beside(path, name),
        }
        Ok(path.clone())
    }

    fn replace(&self, name: &str) -> Result<(), StoreError> {
        let claim = &self.claim;
        match target(&claim.folder, name, &self.incoming) {
            Ok(Target::Free) => return self.rename_to_free(name),
            Ok(Target::Other) | Err(StoreError::Same) => {}
            Err(StoreError::Busy) => return Err(StoreError::Exists),
            Err(error) => return Err(error),
        }
        renameat(&claim.folder.0, &claim.part_name, &claim.folder.0, name).map_err(renaming)
    }

    fn rename_beside(&self, path: &SharePath, name: &str) -> Result<SharePath, StoreError> {
        let parent = path.parent().unwrap_or_default();
        for name in std::iter::once(name.to_owned()).chain(siblings(name)) {
            match self.rename_to_free(&name) {
                Ok(()) => {
                    return parent.join(&name).map_err(|_| StoreError::BadName("a number does not fit on it"));
                }
                Err(StoreError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Exists)
    }

    /// Publishes without replacing anything, in one step.
    fn rename_to_free(&self, name: &str) -> Result<(), StoreError> {
        match self.rename_noreplace(name) {
            // Not every file system knows how; then a second link does.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_and_unlink(name),
            result => result,
        }
        .map_err(renaming)
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_noreplace(&self, name: &str) -> Result<(), Errno> {
        let Claim { folder, part_name, .. } = &self.claim;
        rustix::fs::renameat_with(&folder.0, part_name, &folder.0, name, rustix::fs::RenameFlags::NOREPLACE)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_noreplace(&self, _: &str) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    fn link_and_unlink(&self, name: &str) -> Result<(), Errno> {
        use rustix::fs::{AtFlags, linkat, unlinkat};

        let Claim { folder, part_name, .. } = &self.claim;
        linkat(&folder.0, part_name, &folder.0, name, AtFlags::empty())?;
        unlinkat(&folder.0, part_name, AtFlags::empty())
    }
}

fn renaming(errno: Errno) -> StoreError {
    match errno {
        Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => StoreError::Exists,
        errno => writing(errno),
    }
}

fn broken(kind: io::ErrorKind, text: &'static str) -> StoreError {
    StoreError::Io(io::Error::new(kind, text))
}
