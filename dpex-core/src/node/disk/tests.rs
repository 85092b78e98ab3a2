use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::task::KEPT_TOGETHER;
use super::walk::WALK_LASTS;
use super::*;
use crate::store::{Entry, EntryKind, Incoming, Page, Pages, PartialFile, SourceFile, StoreError};
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
