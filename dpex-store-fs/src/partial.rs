//! A file on its way in: written as a part, published by one rename.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Incoming, Meta, PartialFile, StoreError, Verified};
use dpex_core::transfer::{Block, Geometry};
use dpex_core::types::{RangeSet, SharePath};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, Nsecs, Timespec, Timestamps, UTIME_OMIT};

use crate::blocking::blocking;
use crate::error::{broken, tolerate_unsupported, writing};
use crate::fence::{Folder, size};
use crate::journal::Journal;
use crate::parts::Claim;
use crate::publish::{Finished, naming, publish, rename_to_free};
use crate::sys::{self, Sys};

/// What is compared with zeros at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// The part, its lock, and what was written so far. Work that was begun and then abandoned keeps it, and with it the
/// lock, until it ends.
#[derive(Debug)]
pub(crate) struct FsPartial(Arc<Part>);

#[derive(Debug)]
struct Part {
    /// The store's folder.
    root: Arc<Folder>,
    claim: Claim,
    incoming: Incoming,
    geometry: Geometry,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    /// Bytes that are here, from this run or an earlier one.
    here: RangeSet,
    /// The names of part and sidecar are on the disk, and those of the folders they are in.
    is_named: bool,
}

impl FsPartial {
    /// With the blocks here that the journal holds.
    pub(crate) fn new(
        root: Arc<Folder>,
        claim: Claim,
        journal: Journal,
        incoming: Incoming,
        geometry: Geometry,
    ) -> Self {
        let mut here = RangeSet::new();
        for block in journal.held().keys().filter_map(|&index| geometry.block(index)) {
            here.insert(block.range());
        }
        let state = Mutex::new(State { journal, here, is_named: false });
        Self(Arc::new(Part { root, claim, incoming, geometry, state }))
    }
}

#[async_trait]
impl PartialFile for FsPartial {
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError> {
        let part = Arc::clone(&self.0);
        blocking(move || part.write(block, &data)).await
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        let part = Arc::clone(&self.0);
        blocking(move || part.checkpoint().map_err(writing)).await
    }

    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
        blocking(move || self.0.commit()).await
    }

    async fn discard(self: Box<Self>) -> Result<(), StoreError> {
        blocking(move || self.0.claim.release().map_err(writing)).await
    }
}

impl Part {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, block: Verified, data: &[u8]) -> Result<(), StoreError> {
        let end = block.offset.saturating_add(data.len() as u64);
        if end > self.incoming.meta.size {
            return Err(broken(io::ErrorKind::InvalidInput, "a write past the announced size"));
        }
        let is_block = self.geometry.block(block.index).is_some_and(|b| is_exactly(&b, block.offset, data.len()));
        {
            let mut state = self.state();
            let recorded = state.journal.value(block.index);
            if !is_block || recorded.is_some_and(|value| value != block.value) {
                // Not what the records are about, or against one of them.
                state.journal.forget().map_err(writing)?;
            }
        }
        if !(is_zero(data) && self.reads_zero(block.offset, data.len()).map_err(writing)?) {
            sys::write_at(&self.claim.part, data, block.offset).map_err(writing)?;
        }
        let mut state = self.state();
        if is_block {
            state.journal.append(block).map_err(writing)?;
        }
        state.here.insert(block.offset..end);
        Ok(())
    }

    /// Is nothing but zeros there? A hole is not filled with what it reads as.
    fn reads_zero(&self, offset: u64, len: usize) -> Sys<bool> {
        let mut there = vec![0; len];
        Ok(sys::read_at(&self.claim.part, &mut there, offset)? == len && is_zero(&there))
    }

    fn checkpoint(&self) -> Sys {
        let mut state = self.state();
        if !state.is_named {
            self.sync_above()?;
            self.claim.folder.sync()?;
            state.is_named = true;
        }
        state.journal.checkpoint(&self.claim.part)
    }

    fn commit(&self) -> Result<SharePath, StoreError> {
        self.check_complete()?;
        self.set_metadata().map_err(writing)?;
        self.state().journal.synced(sys::sync(&self.claim.part)).map_err(writing)?;
        if !self.state().is_named {
            self.sync_above().map_err(writing)?;
        }
        if !self.claim.is_in_place().map_err(writing)? {
            return Err(broken(io::ErrorKind::NotFound, "somebody took the part away"));
        }
        let name = publish(&self.claim.folder, &self.incoming, &self.claim)?;
        // After the rename, so that a crash leaves a sidecar without a part and never the reverse.
        self.claim.drop_sidecar().map_err(writing)?;
        self.claim.folder.sync().map_err(writing)?;
        Ok(name)
    }

    /// The folders the file is in may have been made by a batch of small files that has not settled, or by a run that was
    /// killed: whoever made them, the file is only as durable as they are.
    fn sync_above(&self) -> Sys {
        let parent = self.incoming.path.parent().unwrap_or_default();
        self.root.sync_name()?;
        self.root.sync_down(parent.parts())
    }

    fn check_complete(&self) -> Result<(), StoreError> {
        let announced = self.incoming.meta.size;
        let stat = sys::fstat(&self.claim.part).map_err(writing)?;
        if self.state().here.covers(0..announced) && size(&stat) == announced {
            return Ok(());
        }
        Err(broken(io::ErrorKind::InvalidData, "the part is not complete"))
    }

    fn set_metadata(&self) -> Sys {
        let mode = granted(&self.incoming.meta) & self.claim.deed.full_mode;
        tolerate_unsupported(sys::set_mode(&self.claim.part, mode))?;
        set_mtime(&self.claim.part, &self.incoming.meta)
    }
}

/// What a program asks for that makes such a file; never set-id bits.
pub(crate) fn granted(meta: &Meta) -> Mode {
    Mode::from_raw_mode(if meta.exec { 0o777 } else { 0o666 })
}

/// The sender's time.
pub(crate) fn set_mtime(file: &OwnedFd, meta: &Meta) -> Sys {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: Nsecs::from(UTIME_OMIT) },
        last_modification: Timespec { tv_sec: meta.mtime.secs(), tv_nsec: meta.mtime.nanos().into() },
    };
    tolerate_unsupported(sys::set_times(file, &times))
}

fn is_exactly(block: &Block, offset: u64, len: usize) -> bool {
    (block.offset, block.len) == (offset, len)
}

pub(crate) fn is_zero(data: &[u8]) -> bool {
    data.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

impl Finished for Claim {
    fn take(&self, name: &str) -> Result<(), StoreError> {
        rename_to_free(&self.folder, &self.part_name, name)
    }

    fn replace(&self, name: &str) -> Result<(), StoreError> {
        sys::rename(&self.folder, &self.part_name, name).map_err(naming)
    }
}
