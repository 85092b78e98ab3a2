//! Carries out a session's disk requests. Each transfer has a task of its own, so that its requests keep their order;
//! across transfers, a fixed number of operations runs at a time. Hashing happens here, beside the reading and writing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::client::Target;
use super::small::{self, Gatherer, Opening, Put};
use super::values::{BlockValues, MAX_VALUES};
use crate::engine::{DiskReply, DiskRequest, Found, Useless, WriteError};
use crate::store::{
    FileStore, Leftover, ListQuery, Meta, Page, Pages, PartialFile, SourceFile, StoreError, Verified, Whole,
};
use crate::transfer::{Block, Content, DEFAULT_BLOCK_LOG2, block_value};
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

/// Operations at a time, over all sessions of a node.
pub(super) const PARALLEL: usize = 16;
/// Content that is hashed on the spot: handing it to another thread costs more.
const HASH_INLINE: usize = 16 * 1024;

/// A listing that was begun longer ago is begun anew behind its last name: it may stand in a folder that was taken away.
const WALK_LASTS: Duration = Duration::from_secs(5);
/// Listings that may stand at a time, over all sessions of a node: each holds open folders, and the names in them.
pub(super) const WALKS: usize = 16;

/// Values of blocks that are remembered together while their file is read.
const KEPT_TOGETHER: usize = 256;

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

/// Where a listing stands.
struct Walk {
    /// Behind this name.
    after: Option<SharePath>,
    /// Begun then.
    since: Instant,
    pages: Box<dyn Pages>,
    _room: OwnedSemaphorePermit,
}

impl Walk {
    /// Begins one, if the store walks and there is room for it.
    fn begin(store: &dyn FileStore, query: &ListQuery, room: &Arc<Semaphore>) -> Option<Self> {
        let room = Arc::clone(room).try_acquire_owned().ok()?;
        let pages = store.pages(query)?;
        Some(Self { after: query.after.clone(), since: Instant::now(), pages, _room: room })
    }

    fn is_fresh(&self) -> bool {
        self.since.elapsed() < WALK_LASTS
    }
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
        self.puts.expect(targets.len());
        let incoming = target.incoming(meta, DEFAULT_BLOCK_LOG2, false);
        let (whole, task) = (Whole { incoming, content }, self.task(id));
        self.puts.take(Put { store: target.store, whole, root, task }, small::put_all);
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

/// One transfer's work.
pub(super) struct Task {
    pub(super) id: RequestId,
    replies: mpsc::UnboundedSender<Answer>,
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
        let _ = self.replies.send(reply.into());
    }

    /// Reads blocks of an open file until it is let go, and remembers their values.
    pub(super) async fn serve(self, file: Arc<dyn SourceFile>, values: Arc<dyn BlockValues>) {
        let id = self.id;
        let meta = *file.meta();
        // Of a file of one block, reading it is as quick.
        let is_worth_it = meta.size > 1 << DEFAULT_BLOCK_LOG2;
        let known = if is_worth_it { values.load(&meta.version).await } else { BTreeMap::new() };
        let mut room = MAX_VALUES.saturating_sub(known.len()) * usize::from(is_worth_it);
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let reply = DiskReply::Opened { id, result: Ok(Found { meta, known, whole: None }) };
        let _ = self.replies.send(Answer { reply, rest: Some((id, Rest::Jobs(sender))) });
        let mut new = BTreeMap::new();
        while let Some(job) = jobs.recv().await {
            let Job::Read(block) = job else { continue };
            let result = self.permitted(read(&*file, block)).await;
            if let (Ok((_, value)), true) = (&result, room > 0) {
                room -= 1;
                new.insert(block.index, *value);
            }
            self.reply(DiskReply::Read { id, block, result });
            // Not only at the end, which of a long file may never come.
            if new.len() >= KEPT_TOGETHER {
                values.keep(&meta.version, &std::mem::take(&mut new)).await;
            }
        }
        if !new.is_empty() {
            values.keep(&meta.version, &new).await;
        }
    }

    async fn write(self, received: Result<Box<dyn PartialFile>, StoreError>, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let id = self.id;
        let file = match received {
            Ok(file) => file,
            Err(e) => return self.reply(DiskReply::Ready { id, result: Err(e) }),
        };
        self.reply(DiskReply::Ready { id, result: Ok(()) });
        let (mut unsafe_bytes, mut safe) = (0, Instant::now());
        while let Some(job) = jobs.recv().await {
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

/// The page that `query` asks for, from where a walk stands if that is there. Also where that leads, if it goes on.
async fn list(
    store: &dyn FileStore,
    query: &ListQuery,
    walk: Option<Walk>,
    room: &Arc<Semaphore>,
) -> (Result<Page, StoreError>, Option<Walk>) {
    let walk = walk.filter(|walk| walk.after == query.after && walk.is_fresh());
    let Some(mut walk) = walk.or_else(|| Walk::begin(store, query, room)) else {
        return (store.list(query).await, None);
    };
    let result = walk.pages.next(query.limit).await;
    let last = result.as_ref().ok().filter(|page| page.more).and_then(|page| page.entries.last());
    walk.after = last.map(|last| last.path.clone());
    let goes_on = walk.after.is_some();
    (result, goes_on.then_some(walk))
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::store::{Entry, EntryKind, Incoming};
    use crate::transfer::Geometry;
    use crate::types::{Timestamp, Version};

    /// A file of nothing but zeros.
    #[derive(Debug)]
    struct Zeros(Meta);

    #[async_trait]
    impl SourceFile for Zeros {
        fn meta(&self) -> &Meta {
            &self.0
        }

        async fn read_at(&self, _: u64, len: usize) -> Result<Bytes, StoreError> {
            Ok(Bytes::from(vec![0; len]))
        }
    }

    /// How many values were kept each time.
    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<usize>>);

    #[async_trait]
    impl BlockValues for Kept {
        async fn load(&self, _: &Version) -> BTreeMap<u64, Digest> {
            BTreeMap::new()
        }

        async fn keep(&self, _: &Version, values: &BTreeMap<u64, Digest>) {
            self.0.lock().expect("no panic").push(values.len());
        }
    }

    impl Kept {
        fn all(&self) -> Vec<usize> {
            self.0.lock().expect("no panic").clone()
        }
    }

    #[tokio::test]
    async fn what_was_read_of_a_long_file_is_remembered_while_it_is_read() {
        let (replies, mut answers) = mpsc::unbounded_channel();
        let (done, end) = oneshot::channel();
        let (_at_work, permits) = (mpsc::channel(1).0, Arc::new(Semaphore::new(1)));
        let task = Task { id: 0, replies, permits, _at_work, _done: done };
        let (meta, kept) = (meta(), Arc::new(Kept::default()));
        tokio::spawn(task.serve(Arc::new(Zeros(meta)), Arc::clone(&kept) as _));
        let opened = answers.recv().await.expect("an answer");
        let Some((_, Rest::Jobs(tell))) = opened.rest else { panic!("no place to be told what to read") };
        let blocks = 2 * KEPT_TOGETHER + 10;
        for n in 0..blocks {
            let _ = tell.send(Job::Read(Block { index: n as u64, offset: 0, len: 1, whole: false }));
        }
        for _ in 0..blocks {
            answers.recv().await.expect("an answer");
        }
        assert_eq!(kept.all(), [KEPT_TOGETHER, KEPT_TOGETHER]);
        drop(tell);
        let _ = end.await;
        assert_eq!(kept.all(), [KEPT_TOGETHER, KEPT_TOGETHER, 10]);
    }

    fn meta() -> Meta {
        Meta { size: 1 << 30, mtime: Timestamp::EPOCH, exec: false, version: Version([1; 16]) }
    }

    /// A shelf of ten names, one on a page. It counts how many listings were begun, and how many pages of them made.
    #[derive(Debug, Default)]
    struct Counting {
        begun: AtomicUsize,
        made: AtomicUsize,
        goes_on: bool,
    }

    #[derive(Debug)]
    struct CountingPages(Arc<Counting>, u8);

    fn named(n: u8) -> SharePath {
        SharePath::parse(&n.to_string()).expect("a name")
    }

    fn page(n: u8) -> Page {
        let entries = vec![Entry { path: named(n), kind: EntryKind::Folder(Timestamp::EPOCH) }];
        Page { entries, more: n < 9, ..Page::default() }
    }

    #[async_trait]
    impl Pages for CountingPages {
        async fn next(&mut self, _: usize) -> Result<Page, StoreError> {
            self.1 += 1;
            self.0.made.fetch_add(1, Ordering::Relaxed);
            Ok(page(self.1 - 1))
        }
    }

    #[derive(Clone, Debug)]
    struct CountingShelf(Arc<Counting>);

    #[async_trait]
    impl FileStore for CountingShelf {
        async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
            self.0.begun.fetch_add(1, Ordering::Relaxed);
            Ok(page(behind(query)))
        }

        fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
            self.0.goes_on.then(|| {
                self.0.begun.fetch_add(1, Ordering::Relaxed);
                Box::new(CountingPages(Arc::clone(&self.0), behind(query))) as Box<dyn Pages>
            })
        }

        async fn open(&self, _: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
            Err(StoreError::NotFound)
        }

        async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
            Err(StoreError::NotFound)
        }

        async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
            Err(StoreError::NotFound)
        }
    }

    fn behind(query: &ListQuery) -> u8 {
        query.after.as_ref().map_or(0, |after| after.as_str().parse::<u8>().expect("a number") + 1)
    }

    #[derive(Debug)]
    struct NoValues;

    #[async_trait]
    impl BlockValues for NoValues {
        async fn load(&self, _: &Version) -> BTreeMap<u64, Digest> {
            BTreeMap::new()
        }

        async fn keep(&self, _: &Version, _: &BTreeMap<u64, Digest>) {}
    }

    /// Asks for the page after each of these, with so much time before, and perhaps lets go before the last one. Every
    /// answer must be right. Says how many listings were begun.
    async fn listed(goes_on: bool, behind: &[Option<u8>], pause: Duration, let_go: bool, room: usize) -> usize {
        let counting = Arc::new(Counting { goes_on, ..Counting::default() });
        let store = Arc::new(CountingShelf(Arc::clone(&counting)));
        let walks = Arc::new(Semaphore::new(room));
        let files = Files::Shelf { store, values: Arc::new(NoValues), walks: Arc::clone(&walks) };
        let (mut disk, mut answers) = Disk::new(files, Arc::new(Semaphore::new(1)));
        for (turn, after) in behind.iter().enumerate() {
            if let_go && turn + 1 == behind.len() {
                disk.submit(DiskRequest::Release { id: 3 });
            }
            tokio::time::sleep(pause).await;
            disk.tidy();
            let is_held = disk.walks.get(&3).is_some_and(Option::is_some);
            assert_eq!(room - walks.available_permits(), usize::from(is_held), "what does not stand takes no room");
            assert!(!is_held || pause < WALK_LASTS);
            let query = ListQuery { path: SharePath::ROOT, after: after.map(named), limit: 1, recursive: true };
            disk.submit(DiskRequest::List { id: 3, query });
            let answer = answers.recv().await.expect("an answer");
            let DiskReply::Listed { id: 3, result: Ok(listed) } = disk.hear(answer) else { panic!("no page") };
            assert_eq!(listed, page(after.map_or(0, |n| n + 1)));
        }
        if let_go {
            disk.submit(DiskRequest::Release { id: 3 });
            assert!(disk.walks.is_empty());
        }
        counting.begun.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_goes_on_where_it_stands_if_it_is_asked_to_and_has_not_stood_for_long() {
        let forward = [None, Some(0), Some(1), Some(2), Some(3)];
        assert_eq!(listed(true, &forward, Duration::ZERO, false, 1).await, 1);
        assert_eq!(listed(false, &forward, Duration::ZERO, false, 1).await, 5, "a store that cannot");
        assert_eq!(listed(true, &forward, Duration::ZERO, false, 0).await, 5, "no room");
        assert_eq!(listed(true, &forward, WALK_LASTS / 5, false, 1).await, 1);
        assert_eq!(listed(true, &forward, WALK_LASTS / 2, false, 1).await, 3, "anew after a while, however it went on");
        assert_eq!(listed(true, &forward, WALK_LASTS, false, 1).await, 5, "too late");
        // The page before was too long to travel, and was cut or is made again.
        assert_eq!(listed(true, &[None, Some(0), Some(0), Some(1), None], Duration::ZERO, false, 1).await, 3);
        assert_eq!(listed(true, &forward, Duration::ZERO, true, 1).await, 2, "let go of");
    }

    #[test]
    fn a_file_that_was_let_go_of_before_it_was_open_is_not_kept_open() {
        for is_let_go in [false, true] {
            let (mut disk, _replies) = Disk::new(Files::Targets(HashMap::new()), Arc::new(Semaphore::new(1)));
            disk.open.insert(7, None);
            if is_let_go {
                disk.submit(DiskRequest::Release { id: 7 });
            }
            let (sender, mut jobs) = mpsc::unbounded_channel();
            let reply = DiskReply::Opened { id: 7, result: Err(StoreError::NotFound) };
            disk.hear(Answer { reply, rest: Some((7, Rest::Jobs(sender))) });
            let block = Geometry::new(1, DEFAULT_BLOCK_LOG2).block(0).expect("one block");
            disk.submit(DiskRequest::Read { id: 7, block });
            assert_eq!(matches!(jobs.try_recv(), Ok(Job::Read(_))), !is_let_go);
            assert_eq!(matches!(jobs.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)), is_let_go);
        }
    }
}
