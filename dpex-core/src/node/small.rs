//! Small files, many at a time: opened and published in batches where the store gains by it.
//!
//! A batch is what came while those before it were being worked on, or a share of that. Files that are put wait a moment
//! longer while others are expected, since all of a batch are made durable by one wait for the disk; the last one expected,
//! or a single one, waits for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::disk::Task;
use super::values::BlockValues;
use crate::engine::{DiskReply, Found, WriteError};
use crate::store::{FileStore, Opened, StoreError, Whole};
use crate::transfer::{Content, DEFAULT_BLOCK_LOG2, Geometry, block_value};
use crate::types::{Digest, SharePath};

/// Files up to this size, in bytes, are read when they are opened.
const WHOLE: u64 = 64 * 1024;
/// Files in a batch at most. It is what came while the workers were busy, so that the slower a disk is, the more share a wait
/// for it; and no more than a worker's share of what is left, so that the last ones are not all one worker's.
const MOST: usize = 500;
/// Files that are not kept waiting for more, and are not worth sharing.
const FEW: usize = 128;
/// Batches at a time: one waits for the disk, one gets its names, while the next is hashed and written.
const WORKERS: usize = 3;
/// How long a batch that is not full waits for what is expected. A disk takes as long to make anything durable.
const PATIENCE: Duration = Duration::from_millis(30);
/// Bytes that are not kept waiting for more: what waits is in the credit, and with all of it nothing more would come.
const ENOUGH: usize = 2 << 20;
/// How often it looks what has come.
const GLANCE: Duration = Duration::from_millis(1);

/// A file to be opened and served.
pub(super) struct Opening {
    pub(super) path: SharePath,
    pub(super) store: Arc<dyn FileStore>,
    pub(super) values: Arc<dyn BlockValues>,
    pub(super) task: Task,
}

/// A whole file to be verified and published.
pub(super) struct Put {
    pub(super) store: Arc<dyn FileStore>,
    pub(super) whole: Whole,
    pub(super) root: Digest,
    pub(super) task: Task,
}

/// Something that can be done for many files at once.
pub(super) trait Gathered: Send + 'static {
    fn store(&self) -> &Arc<dyn FileStore>;
    /// Bytes that it holds while it waits.
    fn weight(&self) -> usize;
}

impl Gathered for Opening {
    fn store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }

    fn weight(&self) -> usize {
        0
    }
}

impl Gathered for Put {
    fn store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }

    fn weight(&self) -> usize {
        self.whole.content.len()
    }
}

/// Gathers work for as long as its workers are busy. They end with it.
pub(super) struct Gatherer<T> {
    queue: Option<mpsc::UnboundedSender<T>>,
    /// How many more may come.
    expected: Arc<AtomicUsize>,
}

impl<T> Default for Gatherer<T> {
    fn default() -> Self {
        Self { queue: None, expected: Arc::default() }
    }
}

impl<T: Gathered> Gatherer<T> {
    /// So many more may come, and are worth a moment.
    pub(super) fn expect(&self, more: usize) {
        self.expected.store(more, Ordering::Release);
    }

    /// Has `work` done for an item: in a batch with others, or alone where its store does not gain by that.
    pub(super) fn take<F>(&mut self, item: T, work: fn(Vec<T>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if !item.store().gathers() {
            tokio::spawn(work(vec![item]));
            return;
        }
        let queue = self.queue.get_or_insert_with(|| workers(work, &self.expected));
        // The workers outlive the sender.
        let _ = queue.send(item);
    }
}

fn workers<T: Gathered, F>(work: fn(Vec<T>) -> F, expected: &Arc<AtomicUsize>) -> mpsc::UnboundedSender<T>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    for _ in 0..WORKERS {
        let (receiver, expected) = (Arc::clone(&receiver), Arc::clone(expected));
        tokio::spawn(async move {
            loop {
                let batch = gather(&mut *receiver.lock().await, &expected).await;
                if batch.is_empty() {
                    return;
                }
                for run in runs(batch) {
                    work(run).await;
                }
            }
        });
    }
    sender
}

/// The next batch; empty if none will come.
async fn gather<T: Gathered>(queue: &mut mpsc::UnboundedReceiver<T>, expected: &AtomicUsize) -> Vec<T> {
    let Some(first) = queue.recv().await else { return Vec::new() };
    let begun = Instant::now();
    let left = 1 + queue.len() + expected.load(Ordering::Acquire);
    let most = if left < 2 * FEW { left } else { (left / WORKERS).clamp(FEW, MOST) };
    let mut weight = first.weight();
    let mut batch = vec![first];
    loop {
        // Before it is looked what has come, and lowered after that came: else the last one could be left behind.
        let is_expected = expected.load(Ordering::Acquire) > 0;
        while batch.len() < most {
            let Ok(item) = queue.try_recv() else { break };
            weight += item.weight();
            batch.push(item);
        }
        if batch.len() >= FEW || weight >= ENOUGH || !is_expected || begun.elapsed() >= PATIENCE {
            return batch;
        }
        // Looked at now and then, and not at each that comes: that would be a wakeup for each.
        sleep(GLANCE).await;
    }
}

/// Cuts a batch where the store changes.
fn runs<T: Gathered>(batch: Vec<T>) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = Vec::new();
    for item in batch {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| Arc::ptr_eq(last.store(), item.store())) => run.push(item),
            _ => runs.push(vec![item]),
        }
    }
    runs
}

/// Opens files of one store. Small ones are read and answered at once; each of the others goes on as a task of its own.
pub(super) async fn open_all(batch: Vec<Opening>) {
    let Some(first) = batch.first() else { return };
    let store = Arc::clone(&first.store);
    let paths: Vec<SharePath> = batch.iter().map(|opening| opening.path.clone()).collect();
    let opened = first.task.permitted(store.open_all(&paths, WHOLE)).await;
    let mut answers = Vec::with_capacity(batch.len());
    for (Opening { values, task, .. }, opened) in batch.into_iter().zip(opened.into_iter().chain(unanswered())) {
        let id = task.id;
        let result = match opened {
            Ok(Opened::File(file)) => {
                tokio::spawn(task.serve(file, values));
                continue;
            }
            Ok(Opened::Whole(meta, content)) => {
                let block = Geometry::new(meta.size, DEFAULT_BLOCK_LOG2).block(0);
                let whole = block.map(|block| {
                    let value = block_value(&block, &content);
                    (Content::of(content), value)
                });
                Ok(Found { meta, known: BTreeMap::new(), whole })
            }
            Err(error) => Err(error),
        };
        answers.push((task, DiskReply::Opened { id, result }));
    }
    // One right after the other, so that the session is woken for all of them.
    for (task, answer) in answers {
        task.reply(answer);
    }
}

/// Verifies and publishes files in one store.
pub(super) async fn put_all(batch: Vec<Put>) {
    let (mut tasks, mut files, mut contents) = (Vec::new(), Vec::new(), Vec::new());
    let Some(store) = batch.first().map(|put| Arc::clone(&put.store)) else { return };
    for Put { whole, root, task, .. } in batch {
        contents.push((whole.content.clone(), root));
        tasks.push((task, whole.content.len()));
        files.push(whole);
    }
    let verdicts = match tokio::task::spawn_blocking(move || contents.into_iter().map(is_right).collect()).await {
        Ok(verdicts) => verdicts,
        // The runtime ends; nobody listens any more.
        Err(_) => vec![false; tasks.len()],
    };
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    let mut good = Vec::new();
    for ((task, file), verdict) in tasks.into_iter().zip(files).zip(verdicts) {
        if verdict {
            right.push(task);
            good.push(file);
        } else {
            wrong.push(task);
        }
    }
    for (task, len) in wrong {
        task.reply(DiskReply::Put { id: task.id, len, result: Err(WriteError::Mismatch) });
    }
    let Some((first, _)) = right.first() else { return };
    let answers = first.permitted(store.put_all(good)).await;
    for ((task, len), answer) in right.into_iter().zip(answers.into_iter().chain(unanswered())) {
        task.reply(DiskReply::Put { id: task.id, len, result: answer.map_err(WriteError::Store) });
    }
}

/// For a store that answers for too few files.
fn unanswered<T>() -> impl Iterator<Item = Result<T, StoreError>> {
    std::iter::repeat_with(|| Err(StoreError::Io(std::io::Error::other("the store gave no answer"))))
}

fn is_right((content, root): (Bytes, Digest)) -> bool {
    *blake3::hash(&content).as_bytes() == root.0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Item(usize);

    impl Gathered for Item {
        fn store(&self) -> &Arc<dyn FileStore> {
            unreachable!("only gathered")
        }

        fn weight(&self) -> usize {
            self.0
        }
    }

    /// Gathers while an item of so many bytes comes every 3 ms, in place of others that do not come. Says how many came,
    /// and after how long.
    async fn gathered(expected: usize, items: usize, bytes: usize) -> (usize, Duration) {
        let (sender, mut queue) = mpsc::unbounded_channel();
        let expected = AtomicUsize::new(expected);
        let come = async {
            for _ in 0..items {
                let _ = sender.send(Item(bytes));
                sleep(Duration::from_millis(3)).await;
            }
            std::future::pending::<()>().await;
        };
        let begun = Instant::now();
        tokio::select! {
            batch = gather(&mut queue, &expected) => (batch.len(), begun.elapsed()),
            () = come => unreachable!("it is pending"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nothing_is_expected_after_waits_for_nothing() {
        assert_eq!(gathered(0, 3, 1).await, (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_expected_is_waited_for_a_moment_and_no_longer() {
        let (came, after) = gathered(100, 4, 1).await;
        assert_eq!(came, 4);
        assert!((PATIENCE..PATIENCE + 3 * GLANCE).contains(&after), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_bytes_are_not_kept_waiting() {
        let (came, after) = gathered(100, 9, ENOUGH / 2).await;
        assert_eq!(came, 2);
        assert!(after < PATIENCE / 2, "{after:?}");
        assert_eq!(gathered(100, 9, ENOUGH).await, (1, Duration::ZERO));
    }

    fn queue_of(items: usize) -> (mpsc::UnboundedSender<Item>, mpsc::UnboundedReceiver<Item>) {
        let (sender, queue) = mpsc::unbounded_channel();
        for _ in 0..items {
            sender.send(Item(0)).unwrap_or_else(|_| unreachable!("it is open"));
        }
        (sender, queue)
    }

    #[tokio::test(start_paused = true)]
    async fn many_files_are_not_kept_waiting_and_take_along_what_has_come() {
        for (items, taken, waits) in [(FEW - 1, FEW - 1, true), (FEW, FEW, false), (3 * MOST, MOST, false)] {
            let (_sender, mut queue) = queue_of(items);
            let begun = Instant::now();
            assert_eq!(gather(&mut queue, &AtomicUsize::new(9)).await.len(), taken);
            assert_eq!(begun.elapsed() >= PATIENCE, waits, "{items}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_workers_share_what_is_left() {
        let (_sender, mut queue) = queue_of(900);
        let expected = AtomicUsize::new(600);
        let mut taken = Vec::new();
        while taken.iter().sum::<usize>() < 900 {
            taken.push(gather(&mut queue, &expected).await.len());
            expected.store(0, Ordering::Relaxed);
        }
        assert_eq!(taken, [500, 133, 128, 139]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_has_an_end() {
        let (sender, mut queue) = queue_of(2 * FEW);
        drop(sender);
        let expected = AtomicUsize::new(9);
        assert_eq!(gather(&mut queue, &expected).await.len(), FEW);
        assert_eq!(gather(&mut queue, &expected).await.len(), FEW);
        assert!(gather(&mut queue, &expected).await.is_empty());
    }
}
