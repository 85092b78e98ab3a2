//! Carries out a session's disk requests. Each transfer has a task of its own, so that its requests keep their order;
//! across transfers, a fixed number of operations runs at a time. Hashing happens here, beside the reading and writing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::client::Target;
use super::small::{self, Gatherer, Opening, Put};
use super::values::{BlockValues, MAX_VALUES};
use crate::engine::{DiskReply, DiskRequest, Found, WriteError};
use crate::store::{FileStore, Meta, PartialFile, SourceFile, StoreError, Verified, Whole};
use crate::transfer::{Block, Content, DEFAULT_BLOCK_LOG2, block_value};
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

/// Operations at a time, over all sessions of a node.
pub(super) const PARALLEL: usize = 16;
/// Content that is hashed on the spot: handing it to another thread costs more.
const HASH_INLINE: usize = 16 * 1024;

/// Bytes written, and time passed, after which what was written is made safe.
const CHECKPOINT_BYTES: u64 = 64 << 20;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// What a session's requests are carried out on.
pub(super) enum Files {
    /// A server's shelf, and what is remembered of the files on it.
    Shelf {
        /// The files.
        store: Arc<dyn FileStore>,
        /// The values of their blocks.
        values: Arc<dyn BlockValues>,
    },
    /// A client's targets, by request.
    Targets(HashMap<RequestId, Target>),
}

pub(super) struct Disk {
    pub(super) files: Files,
    open: HashMap<RequestId, mpsc::UnboundedSender<Job>>,
    /// A client's: resolves when the task of a transfer has ended, and let go of its part.
    ends: HashMap<RequestId, oneshot::Receiver<()>>,
    replies: mpsc::UnboundedSender<DiskReply>,
    permits: Arc<Semaphore>,
    openings: Gatherer<Opening>,
    puts: Gatherer<Put>,
    /// Each task has a share of the first; the second knows when there is none left.
    at_work: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// What a transfer's task is told. The engine bounds how many there are.
pub(super) enum Job {
    Read(Block),
    Write { block: Block, bytes: Bytes, value: Digest },
    Commit,
    Discard,
}

impl Disk {
    pub(super) fn new(files: Files, permits: Arc<Semaphore>) -> (Self, mpsc::UnboundedReceiver<DiskReply>) {
        let (replies, receiver) = mpsc::unbounded_channel();
        let disk = Self {
            files,
            open: HashMap::new(),
            ends: HashMap::new(),
            replies,
            permits,
            openings: Gatherer::default(),
            puts: Gatherer::default(),
            at_work: mpsc::channel(1),
        };
        (disk, receiver)
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
                let Files::Shelf { store, .. } = &self.files else { return };
                let (store, replies, permits) = (Arc::clone(store), self.replies.clone(), Arc::clone(&self.permits));
                tokio::spawn(async move {
                    let _permit = permits.acquire().await;
                    let result = store.list(&query).await;
                    let _ = replies.send(DiskReply::Listed { id, result });
                });
            }
            DiskRequest::Open { id, path } => self.open(id, path),
            DiskRequest::Receive { id, meta, block_log2, resumed } => self.receive(id, meta, block_log2, resumed),
            DiskRequest::Put { id, meta, content, root } => self.put(id, meta, content, root),
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

    fn open(&mut self, id: RequestId, path: SharePath) {
        let Files::Shelf { store, values } = &self.files else { return };
        let (store, values) = (Arc::clone(store), Arc::clone(values));
        let opening = Opening { path, store, values, task: self.task(id) };
        self.openings.take(opening, small::open_all);
    }

    /// Says where a file goes that the server was asked for.
    pub(super) fn aim(&mut self, id: RequestId, target: Target) {
        if let Files::Targets(targets) = &mut self.files {
            targets.insert(id, target);
            self.puts.expect(targets.len());
        }
    }

    fn put(&mut self, id: RequestId, meta: Meta, content: Bytes, root: Digest) {
        let Files::Targets(targets) = &mut self.files else { return };
        // It is all there is to do for this request.
        let Some(target) = targets.remove(&id) else { return };
        self.puts.expect(targets.len());
        let incoming = target.incoming(meta, DEFAULT_BLOCK_LOG2, false);
        let (whole, task) = (Whole { incoming, content }, self.task(id));
        self.puts.take(Put { store: target.store, whole, root, task }, small::put_all);
    }

    fn receive(&mut self, id: RequestId, meta: Meta, block_log2: u8, resumed: bool) {
        let Files::Targets(targets) = &self.files else { return };
        let Some(target) = targets.get(&id) else { return };
        let (store, incoming) = (Arc::clone(&target.store), target.incoming(meta, block_log2, resumed));
        let task = self.task(id);
        tokio::spawn(async move {
            let result = task.permitted(store.receive(&incoming)).await;
            task.write(result).await;
        });
    }

    fn task(&mut self, id: RequestId) -> Task {
        let (sender, jobs) = mpsc::unbounded_channel();
        self.open.insert(id, sender);
        let (replies, permits) = (self.replies.clone(), Arc::clone(&self.permits));
        let (done, end) = oneshot::channel();
        if let Files::Targets(_) = &self.files {
            self.ends.insert(id, end);
        }
        Task { id, jobs, replies, permits, _at_work: self.at_work.0.clone(), _done: done }
    }

    fn tell(&mut self, id: RequestId, job: Job) {
        if let Some(sender) = self.open.get(&id) {
            let _ = sender.send(job);
        }
    }

    /// Lets a transfer's task run out of work, as [`Self::forget`] does, and is ready when it has ended.
    pub(super) fn end(&mut self, id: RequestId) -> impl Future<Output = ()> + Send + use<> {
        self.forget(id);
        let end = self.ends.remove(&id);
        async move {
            if let Some(end) = end {
                // Nothing is ever sent; the sender goes with the task.
                let _ = end.await;
            }
        }
    }

    /// Lets a transfer's task run out of work, and so end.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.open.remove(&id);
        if let Files::Targets(targets) = &mut self.files
            && targets.remove(&id).is_some()
        {
            self.puts.expect(targets.len());
        }
    }
}

/// One transfer's work.
pub(super) struct Task {
    pub(super) id: RequestId,
    jobs: mpsc::UnboundedReceiver<Job>,
    replies: mpsc::UnboundedSender<DiskReply>,
    permits: Arc<Semaphore>,
    _at_work: mpsc::Sender<()>,
    /// Last, since fields are dropped in their order, and whoever waits for it finds the rest gone.
    _done: oneshot::Sender<()>,
}

impl Task {
    pub(super) async fn permitted<T>(&self, work: impl Future<Output = T>) -> T {
        let _permit = self.permits.acquire().await;
        work.await
    }

    pub(super) fn reply(&self, reply: DiskReply) {
        let _ = self.replies.send(reply);
    }

    /// Reads blocks of an open file until it is let go, and remembers their values.
    pub(super) async fn serve(mut self, file: Arc<dyn SourceFile>, values: Arc<dyn BlockValues>) {
        let id = self.id;
        let meta = *file.meta();
        // Of a file of one block, reading it is as quick.
        let is_worth_it = meta.size > 1 << DEFAULT_BLOCK_LOG2;
        let known = if is_worth_it { values.load(&meta.version).await } else { BTreeMap::new() };
        let mut room = MAX_VALUES.saturating_sub(known.len()) * usize::from(is_worth_it);
        self.reply(DiskReply::Opened { id, result: Ok(Found { meta, known, whole: None }) });
        let mut new = BTreeMap::new();
        while let Some(job) = self.jobs.recv().await {
            let Job::Read(block) = job else { continue };
            let result = self.permitted(read(&*file, block)).await;
            if let (Ok((_, value)), true) = (&result, room > 0) {
                room -= 1;
                new.insert(block.index, *value);
            }
            self.reply(DiskReply::Read { id, block, result });
        }
        if !new.is_empty() {
            values.keep(&meta.version, &new).await;
        }
    }

    async fn write(mut self, received: Result<Box<dyn PartialFile>, StoreError>) {
        let id = self.id;
        let file = match received {
            Ok(file) => file,
            Err(e) => return self.reply(DiskReply::Ready { id, result: Err(e) }),
        };
        self.reply(DiskReply::Ready { id, result: Ok(()) });
        let (mut unsafe_bytes, mut safe) = (0, Instant::now());
        while let Some(job) = self.jobs.recv().await {
            match job {
                Job::Write { block, bytes, value } => {
                    let mut result = self.permitted(write(&*file, block, bytes, value)).await;
                    unsafe_bytes += block.len as u64;
                    if result.is_ok() && (unsafe_bytes >= CHECKPOINT_BYTES || safe.elapsed() >= CHECKPOINT_EVERY) {
                        result = self.permitted(file.checkpoint()).await.map_err(WriteError::Store);
                        (unsafe_bytes, safe) = (0, Instant::now());
                    }
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
        // Let go of before it was whole: what is here is for the next try.
        if unsafe_bytes > 0
            && let Err(e) = self.permitted(file.checkpoint()).await
        {
            tracing::warn!(error = %e, "what was received of a file could not be made safe");
        }
    }
}

async fn read(file: &dyn SourceFile, block: Block) -> Result<(Content, Digest), StoreError> {
    let bytes = file.read_at(block.offset, block.len).await?;
    let value = value_of(block, bytes.clone()).await?;
    Ok((Content::of(bytes), value))
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
