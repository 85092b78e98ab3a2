//! Carries out a session's disk requests. Each transfer has a task of its own, so that its requests keep their order;
//! across transfers, a fixed number of operations runs at a time. Hashing happens here, beside the reading and writing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::client::Target;
use crate::engine::{DiskReply, DiskRequest, WriteError};
use crate::store::{FileStore, Incoming, Meta, PartialFile, SourceFile, StoreError, Verified};
use crate::transfer::{Block, block_value};
use crate::types::Digest;
use crate::wire::message::RequestId;

/// Operations at a time, over all sessions of a node.
pub(super) const PARALLEL: usize = 16;
/// Content that is hashed on the spot: handing it to another thread costs more.
const HASH_INLINE: usize = 16 * 1024;

/// What a session's requests are carried out on.
pub(super) enum Files {
    /// A server's shelf.
    Shelf(Arc<dyn FileStore>),
    /// A client's targets, by request.
    Targets(HashMap<RequestId, Target>),
}

pub(super) struct Disk {
    pub(super) files: Files,
    open: HashMap<RequestId, mpsc::UnboundedSender<Job>>,
    replies: mpsc::UnboundedSender<DiskReply>,
    permits: Arc<Semaphore>,
    /// Each task has a share of the first; the second knows when there is none left.
    at_work: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// What a transfer's task is told. The engine bounds how many there are.
enum Job {
    Read(Block),
    Write { block: Block, bytes: Bytes, value: Digest },
    Commit,
    Discard,
}

impl Disk {
    pub(super) fn new(files: Files, permits: Arc<Semaphore>) -> (Self, mpsc::UnboundedReceiver<DiskReply>) {
        let (replies, receiver) = mpsc::unbounded_channel();
        (Self { files, open: HashMap::new(), replies, permits, at_work: mpsc::channel(1) }, receiver)
    }

    /// Ready when every transfer's task that was begun so far has ended.
    pub(super) fn settled(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let (_, mut left) = std::mem::replace(&mut self.at_work, mpsc::channel(1));
        async move {
            // Nothing is ever sent.
            let _ = left.recv().await;
        }
    }

    pub(super) fn submit(&mut self, request: DiskRequest) {
        match request {
            DiskRequest::List { id, query } => {
                let Files::Shelf(store) = &self.files else { return };
                let (store, replies, permits) = (Arc::clone(store), self.replies.clone(), Arc::clone(&self.permits));
                tokio::spawn(async move {
                    let _permit = permits.acquire().await;
                    let result = store.list(&query).await;
                    let _ = replies.send(DiskReply::Listed { id, result });
                });
            }
            DiskRequest::Open { id, path } => {
                let Files::Shelf(store) = &self.files else { return };
                let (store, task) = (Arc::clone(store), self.task(id));
                tokio::spawn(async move {
                    let result = task.permitted(store.open(&path)).await;
                    task.serve(result).await;
                });
            }
            DiskRequest::Receive { id, meta, .. } => self.receive(id, meta),
            DiskRequest::Read { id, block } => self.tell(id, Job::Read(block)),
            DiskRequest::Write { id, block, bytes, value } => self.tell(id, Job::Write { block, bytes, value }),
            DiskRequest::Commit { id } => self.tell(id, Job::Commit),
            DiskRequest::Discard { id } => {
                self.tell(id, Job::Discard);
                self.forget(id);
            }
            DiskRequest::Release { id } => self.forget(id),
        }
    }

    fn receive(&mut self, id: RequestId, meta: Meta) {
        let Files::Targets(targets) = &self.files else { return };
        let Some(Target { store, path, existing }) = targets.get(&id).cloned() else { return };
        let task = self.task(id);
        tokio::spawn(async move {
            let result = task.permitted(store.receive(&Incoming::anew(path, meta, existing))).await;
            task.write(result).await;
        });
    }

    fn task(&mut self, id: RequestId) -> Task {
        let (sender, jobs) = mpsc::unbounded_channel();
        self.open.insert(id, sender);
        let (replies, permits) = (self.replies.clone(), Arc::clone(&self.permits));
        Task { id, jobs, replies, permits, _at_work: self.at_work.0.clone() }
    }

    fn tell(&mut self, id: RequestId, job: Job) {
        if let Some(sender) = self.open.get(&id) {
            let _ = sender.send(job);
        }
    }

    /// Lets a transfer's task run out of work, and so end.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.open.remove(&id);
        if let Files::Targets(targets) = &mut self.files {
            targets.remove(&id);
        }
    }
}

/// One transfer's work.
struct Task {
    id: RequestId,
    jobs: mpsc::UnboundedReceiver<Job>,
    replies: mpsc::UnboundedSender<DiskReply>,
    permits: Arc<Semaphore>,
    _at_work: mpsc::Sender<()>,
}

impl Task {
    async fn permitted<T>(&self, work: impl Future<Output = T>) -> T {
        let _permit = self.permits.acquire().await;
        work.await
    }

    fn reply(&self, reply: DiskReply) {
        let _ = self.replies.send(reply);
    }

    async fn serve(mut self, opened: Result<Arc<dyn SourceFile>, StoreError>) {
        let id = self.id;
        let file = match opened {
            Ok(file) => file,
            Err(e) => return self.reply(DiskReply::Opened { id, result: Err(e) }),
        };
        self.reply(DiskReply::Opened { id, result: Ok(*file.meta()) });
        while let Some(job) = self.jobs.recv().await {
            let Job::Read(block) = job else { continue };
            let result = self.permitted(read(&*file, block)).await;
            self.reply(DiskReply::Read { id, block, result });
        }
    }

    async fn write(mut self, received: Result<Box<dyn PartialFile>, StoreError>) {
        let id = self.id;
        let file = match received {
            Ok(file) => file,
            Err(e) => return self.reply(DiskReply::Ready { id, result: Err(e) }),
        };
        self.reply(DiskReply::Ready { id, result: Ok(()) });
        while let Some(job) = self.jobs.recv().await {
            match job {
                Job::Write { block, bytes, value } => {
                    let result = self.permitted(write(&*file, block, bytes, value)).await;
                    self.reply(DiskReply::Written { id, block, result });
                }
                Job::Commit => {
                    let result = self.permitted(file.commit()).await;
                    return self.reply(DiskReply::Committed { id, result });
                }
                Job::Discard => {
                    if let Err(e) = self.permitted(file.discard()).await {
                        tracing::warn!(error = %e, "a partial file could not be removed");
                    }
                    return;
                }
                Job::Read(_) => {}
            }
        }
    }
}

async fn read(file: &dyn SourceFile, block: Block) -> Result<(Bytes, Digest), StoreError> {
    let bytes = file.read_at(block.offset, block.len).await?;
    let value = value_of(block, bytes.clone()).await?;
    Ok((bytes, value))
}

async fn write(file: &dyn PartialFile, block: Block, bytes: Bytes, value: Digest) -> Result<(), WriteError> {
    if value_of(block, bytes.clone()).await? != value {
        return Err(WriteError::Mismatch);
    }
    Ok(file.write(Verified { index: block.index, offset: block.offset, value }, bytes).await?)
}

async fn value_of(block: Block, bytes: Bytes) -> Result<Digest, StoreError> {
    if bytes.len() <= HASH_INLINE {
        return Ok(block_value(&block, &bytes));
    }
    let hash = tokio::task::spawn_blocking(move || block_value(&block, &bytes));
    hash.await.map_err(|e| StoreError::Io(std::io::Error::other(e)))
}
