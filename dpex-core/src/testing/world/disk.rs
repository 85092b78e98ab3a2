//! A simulated disk before a store: it takes time, and verifies blocks as the real node does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{DiskReply, DiskRequest, WriteError};
use crate::store::{Existing, FileStore as _, Incoming, PartialFile, SourceFile, StoreError, Verified};
use crate::testing::{MemStore, ready};
use crate::transfer::block_value;
use crate::types::SharePath;
use crate::wire::message::RequestId;

/// How slow a disk is.
#[derive(Clone, Copy, Debug)]
pub struct DiskConfig {
    /// Time each operation takes.
    pub latency: Duration,
    /// Bytes per second on top of that, for each transfer.
    pub rate: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { latency: Duration::from_micros(200), rate: 500_000_000 }
    }
}

/// One session's open files. Requests of one transfer are carried out in order, different transfers in parallel.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<RequestId, Arc<dyn SourceFile>>,
    parts: BTreeMap<RequestId, Box<dyn PartialFile>>,
    free_at: BTreeMap<RequestId, Instant>,
    outstanding: usize,
}

impl Disk {
    /// Takes a request; returns when it is to be [`Self::run`].
    pub(super) fn submit(&mut self, now: Instant, config: DiskConfig, request: &DiskRequest) -> Instant {
        let bytes = match request {
            DiskRequest::Read { block, .. } | DiskRequest::Write { block, .. } => block.len as u64,
            _ => 0,
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(config.rate.max(1));
        let latency = match request {
            DiskRequest::Release { .. } => Duration::ZERO,
            _ => config.latency,
        };
        let takes = latency + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let free_at = self.free_at.entry(request_id(request)).or_insert(now);
        *free_at = (*free_at).max(now) + takes;
        self.outstanding += 1;
        *free_at
    }

    /// Carries a request out. `paths` says where the files of a client's requests go.
    pub(super) fn run(
        &mut self,
        store: &MemStore,
        request: DiskRequest,
        paths: Option<&BTreeMap<RequestId, SharePath>>,
    ) -> Option<DiskReply> {
        self.outstanding -= 1;
        Some(match request {
            DiskRequest::List { id, query } => {
                self.free_at.remove(&id);
                DiskReply::Listed { id, result: ready(store.list(&query)) }
            }
            DiskRequest::Open { id, path } => {
                let file = ready(store.open(&path));
                let result = file.map(|file| *self.files.entry(id).or_insert(file).meta());
                DiskReply::Opened { id, result }
            }
            DiskRequest::Read { id, block } => {
                let file = self.files.get(&id).ok_or_else(not_open);
                let bytes = file.and_then(|file| ready(file.read_at(block.offset, block.len)));
                let result = bytes.map(|bytes| {
                    let value = block_value(&block, &bytes);
                    (bytes, value)
                });
                DiskReply::Read { id, block, result }
            }
            DiskRequest::Release { id } => {
                self.files.remove(&id);
                // Not discarded: what has arrived stays for a later run.
                self.parts.remove(&id);
                self.free_at.remove(&id);
                return None;
            }
            DiskRequest::Receive { id, meta, resumed } => {
                let path = paths?.get(&id)?.clone();
                let anew = Incoming::anew(path, meta, Existing::Keep);
                let held = if resumed { ready(store.held(&anew.path, &anew.origin)) } else { Ok(None) };
                let part = held.and_then(|held| ready(store.receive(&Incoming { held, ..anew })));
                DiskReply::Ready { id, result: part.map(|part| drop(self.parts.insert(id, part))) }
            }
            DiskRequest::Write { id, block, bytes, value } => {
                let result = if block_value(&block, &bytes) == value {
                    let part = self.parts.get(&id).ok_or_else(not_open);
                    let verified = Verified { index: block.index, offset: block.offset, value };
                    part.and_then(|part| ready(part.write(verified, bytes))).map_err(WriteError::Store)
                } else {
                    Err(WriteError::Mismatch)
                };
                DiskReply::Written { id, block, result }
            }
            DiskRequest::Commit { id } => {
                let part = self.parts.remove(&id).ok_or_else(not_open);
                DiskReply::Committed { id, result: part.and_then(|part| ready(part.commit())) }
            }
            DiskRequest::Discard { id } => {
                if let Some(part) = self.parts.remove(&id) {
                    // A part that cannot be removed is a later run's to find.
                    let _ = ready(part.discard());
                }
                self.free_at.remove(&id);
                return None;
            }
        })
    }

    /// Requests taken and not yet carried out.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Files and parts open.
    pub(super) fn open(&self) -> usize {
        self.files.len() + self.parts.len()
    }
}

fn not_open() -> StoreError {
    StoreError::Io(std::io::Error::other("not open"))
}

fn request_id(request: &DiskRequest) -> RequestId {
    match request {
        DiskRequest::List { id, .. }
        | DiskRequest::Open { id, .. }
        | DiskRequest::Read { id, .. }
        | DiskRequest::Release { id }
        | DiskRequest::Receive { id, .. }
        | DiskRequest::Write { id, .. }
        | DiskRequest::Commit { id }
        | DiskRequest::Discard { id } => *id,
    }
}
