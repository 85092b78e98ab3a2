//! Carries out a session's disk requests. Each transfer has a task of its own, so that its requests keep their order;
//! across transfers, a fixed number of operations runs at a time. Hashing happens here, beside the reading and writing.

mod task;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::client::Target;
use super::small::{self, Gatherer, Opening, Put};
use super::values::BlockValues;
use crate::engine::{DiskReply, DiskRequest, Useless};
use crate::store::{FileStore, Leftover, ListQuery, Meta, Whole};
use crate::transfer::{Block, DEFAULT_BLOCK_LOG2};
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

use walk::{Walk, list};

pub(super) use task::Task;

/// Operations at a time, over all sessions of a node.
pub(super) const PARALLEL: usize = 16;

/// Listings that may stand at a time, over all sessions of a node: each holds open folders, and the names in them.
pub(super) const WALKS: usize = 16;

/// What a session's requests are carried out on.
pub(super) enum Files {
    /// A server's shelf, and what is remembered of the files on it.
    Shelf {
        /// The files.
        store: Arc<dyn FileStore>,
        /// The values of their blocks.
        values: Arc<dyn BlockValues>,
        /// Room for [`WALKS`].
        walks: Arc<Semaphore>,
    },
    /// A client's targets, by request.
    Targets(HashMap<RequestId, Target>),
}

pub(super) struct Disk {
    pub(super) files: Files,
    /// Where the task of an open file is told what to do; none before that has opened it.
    open: HashMap<RequestId, Option<mpsc::UnboundedSender<Job>>>,
    /// Where listings stand that go on; none while a page is being made.
    walks: HashMap<RequestId, Option<Walk>>,
    /// A client's: resolves when the task of a transfer has ended, and let go of its part.
    ends: HashMap<RequestId, oneshot::Receiver<()>>,
    replies: mpsc::UnboundedSender<Answer>,
    permits: Arc<Semaphore>,
    openings: Gatherer<Opening>,
    puts: Gatherer<Put>,
    /// Each task has a share of the first; the second knows when there is none left.
    at_work: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// What a task has to say.
pub(super) struct Answer {
    reply: DiskReply,
    /// For those that come after it. Small files need nothing of that, and it is not little.
    rest: Option<(RequestId, Rest)>,
}

/// What is kept of a request for what more there is to do.
enum Rest {
    /// Where its task is told.
    Jobs(mpsc::UnboundedSender<Job>),
    Walk(Walk),
}

impl From<DiskReply> for Answer {
    fn from(reply: DiskReply) -> Self {
        Self { reply, rest: None }
    }
}

/// What a transfer's task is told. The engine bounds how many there are.
pub(super) enum Job {
    Read(Block),
    Write { block: Block, bytes: Bytes, value: Digest },
    Commit,
    Discard,
}

impl Disk {
    pub(super) fn new(files: Files, permits: Arc<Semaphore>) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (replies, receiver) = mpsc::unbounded_channel();
        let disk = Self {
            files,
            open: HashMap::new(),
            walks: HashMap::new(),
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

    /// Takes up what a task has to say. The reply in it is the session's.
    pub(super) fn hear(&mut self, answer: Answer) -> DiskReply {
        // One that was let go of meanwhile has no place any more, and no more to do.
        match answer.rest {
            Some((id, Rest::Jobs(jobs))) => {
                if let Some(place) = self.open.get_mut(&id) {
                    *place = Some(jobs);
                }
            }
            Some((id, Rest::Walk(walk))) => {
                if let Some(place) = self.walks.get_mut(&id) {
                    *place = Some(walk);
                }
            }
            None => {}
        }
        answer.reply
    }

    pub(super) fn submit(&mut self, request: DiskRequest) {
        match request {
            DiskRequest::List { id, query } => self.list(id, query),
            DiskRequest::Open { id, path } => self.open(id, path),
            DiskRequest::Receive { id, meta, block_log2, resumed } => self.receive(id, meta, block_log2, resumed),
            DiskRequest::Put { id, meta, content, root } => self.put(id, meta, content, root),
            DiskRequest::Read { id, block } => self.tell(id, Job::Read(block)),
            DiskRequest::Write { id, block, bytes, value } => self.tell(id, Job::Write { block, bytes, value }),
            DiskRequest::Commit { id } => self.tell(id, Job::Commit),
            DiskRequest::Discard { id, why } => {
                if why == Useless::Wrong || !self.keeps_outdated(id) {
                    self.tell(id, Job::Discard);
                }
                self.forget(id);
            }
            DiskRequest::Release { id } => self.forget(id),
        }
    }

    fn list(&mut self, id: RequestId, query: ListQuery) {
        let Files::Shelf { store, walks, .. } = &self.files else { return };
        let (store, replies, permits) = (Arc::clone(store), self.replies.clone(), Arc::clone(&self.permits));
        let (walk, room) = (self.walks.insert(id, None).flatten(), Arc::clone(walks));
        tokio::spawn(async move {
            let _permit = permits.acquire().await;
            let (result, walk) = list(&*store, &query, walk, &room).await;
            let rest = walk.map(|walk| (id, Rest::Walk(walk)));
            let _ = replies.send(Answer { reply: DiskReply::Listed { id, result }, rest });
        });
    }

    fn open(&mut self, id: RequestId, path: SharePath) {
        let Files::Shelf { store, values, .. } = &self.files else { return };
        let (store, values) = (Arc::clone(store), Arc::clone(values));
        self.open.insert(id, None);
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
        let more = targets.len();
        let incoming = target.incoming(meta, DEFAULT_BLOCK_LOG2, false);
        let (whole, task) = (Whole { incoming, content }, self.task(id));
        self.puts.take(Put { store: target.store, whole, root, task }, small::put_all);
        self.puts.expect(more);
    }

    fn receive(&mut self, id: RequestId, meta: Meta, block_log2: u8, resumed: bool) {
        let Files::Targets(targets) = &self.files else { return };
        let Some(target) = targets.get(&id) else { return };
        let (store, incoming) = (Arc::clone(&target.store), target.incoming(meta, block_log2, resumed));
        let (sender, jobs) = mpsc::unbounded_channel();
        self.open.insert(id, Some(sender));
        let task = self.task(id);
        tokio::spawn(async move {
            let result = task.permitted(store.receive(&incoming)).await;
            task.write(result, jobs).await;
        });
    }

    fn keeps_outdated(&self, id: RequestId) -> bool {
        let Files::Targets(targets) = &self.files else { return false };
        targets.get(&id).is_some_and(|target| target.leftover == Leftover::Keep)
    }

    fn task(&mut self, id: RequestId) -> Task {
        let (replies, permits) = (self.replies.clone(), Arc::clone(&self.permits));
        let (done, end) = oneshot::channel();
        if let Files::Targets(_) = &self.files {
            self.ends.insert(id, end);
        }
        Task { id, replies, permits, _at_work: self.at_work.0.clone(), _done: done }
    }

    fn tell(&mut self, id: RequestId, job: Job) {
        if let Some(Some(sender)) = self.open.get(&id) {
            let _ = sender.send(job);
        }
    }

    /// Lets go of listings that have stood for too long.
    pub(super) fn tidy(&mut self) {
        for place in self.walks.values_mut() {
            place.take_if(|walk| !walk.is_fresh());
        }
    }

    /// Lets the tasks of all transfers run out of work.
    pub(super) fn forget_all(&mut self) {
        self.open.clear();
        self.walks.clear();
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
        self.walks.remove(&id);
        if let Files::Targets(targets) = &mut self.files
            && targets.remove(&id).is_some()
        {
            self.puts.expect(targets.len());
        }
    }
}
