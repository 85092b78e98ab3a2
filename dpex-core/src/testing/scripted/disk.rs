//! Disk work of one session, done at once or when the test says so, in the order it was asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::{DiskReply, DiskRequest, Found, WriteError};
use crate::store::{Existing, FileStore as _, Incoming, Meta, PartialFile, SourceFile, StoreError, Verified, Whole};
use crate::testing::{MemStore, ready};
use crate::transfer::{Block, Content, block_value};
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

#[derive(Debug)]
pub(super) struct Disk {
    store: MemStore,
    queue: VecDeque<DiskRequest>,
    /// Nothing is done while it is set.
    pub(super) waits: bool,
    files: BTreeMap<RequestId, Arc<dyn SourceFile>>,
    parts: BTreeMap<RequestId, Box<dyn PartialFile>>,
    /// Where received files go.
    names: BTreeMap<RequestId, SharePath>,
}

impl Disk {
    pub(super) fn new(store: MemStore, waits: bool) -> Self {
        let (files, parts, names) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { store, queue: VecDeque::new(), waits, files, parts, names }
    }

    pub(super) fn name(&mut self, id: RequestId, path: SharePath) {
        self.names.insert(id, path);
    }

    pub(super) fn push(&mut self, request: DiskRequest) {
        self.queue.push_back(request);
    }

    /// Requests not carried out yet.
    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of file content in requests not carried out yet.
    pub(super) fn pending_bytes(&self) -> usize {
        let bytes = self.queue.iter().map(|request| match request {
            DiskRequest::Write { bytes, .. } | DiskRequest::Put { content: bytes, .. } => bytes.len(),
            _ => 0,
        });
        bytes.sum()
    }

    /// The next reply, if anything is to be done.
    pub(super) fn work(&mut self) -> Option<DiskReply> {
        while !self.waits {
            let request = self.queue.pop_front()?;
            if let Some(reply) = self.carry_out(request) {
                return Some(reply);
            }
        }
        None
    }

    fn carry_out(&mut self, request: DiskRequest) -> Option<DiskReply> {
        Some(match request {
            DiskRequest::List { id, query } => DiskReply::Listed { id, result: ready(self.store.list(&query)) },
            DiskRequest::Open { id, path } => DiskReply::Opened { id, result: self.open(id, &path) },
            DiskRequest::Read { id, block } => DiskReply::Read { id, block, result: self.read(id, &block) },
            DiskRequest::Release { id } => {
                self.files.remove(&id);
                return None;
            }
            DiskRequest::Receive { id, meta, .. } => DiskReply::Ready { id, result: self.receive(id, meta) },
            DiskRequest::Write { id, block, bytes, value } => {
                let result = self.write(id, &block, bytes, value);
                DiskReply::Written { id, block, result }
            }
            DiskRequest::Put { id, meta, content, root } => {
                DiskReply::Put { id, len: content.len(), result: self.put(id, meta, content, root) }
            }
            DiskRequest::Commit { id } => {
                let part = self.parts.remove(&id);
                let result = part.map_or(Err(StoreError::NotFound), |part| ready(part.commit()));
                DiskReply::Committed { id, result }
            }
            DiskRequest::Discard { id, .. } => {
                if let Some(part) = self.parts.remove(&id) {
                    ready(part.discard()).expect("parts in memory can be removed");
                }
                return None;
            }
        })
    }

    fn open(&mut self, id: RequestId, path: &SharePath) -> Result<Found, StoreError> {
        let file = ready(self.store.open(path))?;
        let meta = *file.meta();
        self.files.insert(id, file);
        Ok(Found { meta, known: BTreeMap::new(), whole: None })
    }

    fn read(&self, id: RequestId, block: &Block) -> Result<(Content, Digest), StoreError> {
        let file = self.files.get(&id).ok_or(StoreError::NotFound)?;
        let bytes = ready(file.read_at(block.offset, block.len))?;
        let value = block_value(block, &bytes);
        Ok((Content::of(bytes), value))
    }

    fn put(&self, id: RequestId, meta: Meta, content: Bytes, root: Digest) -> Result<SharePath, WriteError> {
        if *blake3::hash(&content).as_bytes() != root.0 {
            return Err(WriteError::Mismatch);
        }
        let path = self.names.get(&id).cloned().ok_or(StoreError::NotFound)?;
        let whole = Whole { incoming: Incoming::anew(path, meta, Existing::Keep), content };
        let mut answers = ready(self.store.put_all(vec![whole]));
        Ok(answers.pop().expect("one answer a file")?)
    }

    fn receive(&mut self, id: RequestId, meta: Meta) -> Result<(), StoreError> {
        let path = self.names.get(&id).cloned().ok_or(StoreError::NotFound)?;
        let part = ready(self.store.receive(&Incoming::anew(path, meta, Existing::Keep)))?;
        self.parts.insert(id, part);
        Ok(())
    }

    fn write(&self, id: RequestId, block: &Block, bytes: Bytes, value: Digest) -> Result<(), WriteError> {
        if block_value(block, &bytes) != value {
            return Err(WriteError::Mismatch);
        }
        let part = self.parts.get(&id).ok_or(StoreError::NotFound)?;
        ready(part.write(Verified { index: block.index, offset: block.offset, value }, bytes))?;
        Ok(())
    }
}
