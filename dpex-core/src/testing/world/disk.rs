//! A simulated disk before a store: it takes time, and verifies blocks as the real node does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{DiskReply, DiskRequest, Found, WriteError};
use crate::store::{Existing, FileStore as _, Incoming, Opened, PartialFile, SourceFile, StoreError, Verified, Whole};
use crate::testing::{MemStore, ready};
use crate::transfer::{Content, DEFAULT_BLOCK_LOG2, Geometry, block_value};
use crate::types::{Digest, SharePath, Version};
use crate::wire::message::RequestId;

/// How slow a disk is.
#[derive(Clone, Copy, Debug)]
pub struct DiskConfig {
    /// Time each operation takes.
    pub latency: Duration,
    /// Bytes per second on top of that, for each transfer.
    pub rate: u64,
    /// A server's: it keeps the values of blocks it has read.
    pub remembers: bool,
}

/// What a disk knows beside its store.
pub(super) enum Knowledge<'a> {
    /// A server: values of the blocks of versions it has read.
    Server(&'a mut Values),
    /// A client: where the files of requests go.
    Client(&'a BTreeMap<RequestId, SharePath>),
}

/// Block values by version and number.
pub(super) type Values = BTreeMap<Version, BTreeMap<u64, Digest>>;

/// Files up to this size are read when they are opened.
const WHOLE: u64 = 64 * 1024;

impl Default for DiskConfig {
    fn default() -> Self {
        Self { latency: Duration::from_micros(200), rate: 500_000_000, remembers: true }
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
            DiskRequest::Put { content, .. } => content.len() as u64,
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

    /// Carries a request out.
    pub(super) fn run(
        &mut self,
        store: &MemStore,
        request: DiskRequest,
        knowledge: Knowledge<'_>,
    ) -> Option<DiskReply> {
        self.outstanding -= 1;
        Some(match request {
            DiskRequest::List { id, query } => {
                self.free_at.remove(&id);
                DiskReply::Listed { id, result: ready(store.list(&query)) }
            }
            DiskRequest::Open { id, path } => {
                let opened = ready(store.open_all(&[path], WHOLE)).pop().expect("one answer a path");
                let result = opened.map(|opened| match opened {
                    Opened::Whole(meta, content) => {
                        let block = Geometry::new(meta.size, DEFAULT_BLOCK_LOG2).block(0);
                        let whole = block.map(|block| {
                            let value = block_value(&block, &content);
                            (Content::of(content), value)
                        });
                        Found { meta, known: BTreeMap::new(), whole }
                    }
                    Opened::File(file) => {
                        let meta = *file.meta();
                        self.files.insert(id, file);
                        let known = match knowledge {
                            Knowledge::Server(values) => values.get(&meta.version).cloned().unwrap_or_default(),
                            Knowledge::Client(_) => BTreeMap::new(),
                        };
                        Found { meta, known, whole: None }
                    }
                });
                DiskReply::Opened { id, result }
            }
            DiskRequest::Read { id, block } => {
                let file = self.files.get(&id).ok_or_else(not_open);
                let result = file.and_then(|file| {
                    let bytes = ready(file.read_at(block.offset, block.len))?;
                    let value = block_value(&block, &bytes);
                    if let Knowledge::Server(values) = knowledge {
                        values.entry(file.meta().version).or_default().insert(block.index, value);
                    }
                    Ok((Content::of(bytes), value))
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
            DiskRequest::Put { id, meta, content, root } => {
                let Knowledge::Client(paths) = knowledge else { return None };
                let path = paths.get(&id)?.clone();
                let len = content.len();
                let result = if *blake3::hash(&content).as_bytes() == root.0 {
                    let whole = Whole { incoming: Incoming::anew(path, meta, Existing::Keep), content };
                    let answer = ready(store.put_all(vec![whole])).pop().expect("one answer a file");
                    answer.map_err(WriteError::Store)
                } else {
                    Err(WriteError::Mismatch)
                };
                DiskReply::Put { id, len, result }
            }
            DiskRequest::Receive { id, meta, resumed, .. } => {
                let Knowledge::Client(paths) = knowledge else { return None };
                let path = paths.get(&id)?.clone();
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
            DiskRequest::Discard { id, .. } => {
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
        | DiskRequest::Put { id, .. }
        | DiskRequest::Commit { id }
        | DiskRequest::Discard { id, .. } => *id,
    }
}
