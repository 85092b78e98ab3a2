//! Small files, many at a time: opened and published in batches where the store gains by it.
//!
//! A batch is whatever came while the one before it was being worked on, so nothing waits to be gathered, and an idle disk
//! gets a single file at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::disk::Task;
use super::values::BlockValues;
use crate::engine::{DiskReply, Found, WriteError};
use crate::store::{FileStore, Opened, StoreError, Whole};
use crate::transfer::{Content, DEFAULT_BLOCK_LOG2, Geometry, block_value};
use crate::types::{Digest, SharePath};

/// Files up to this size, in bytes, are read when they are opened.
const WHOLE: u64 = 64 * 1024;
/// Files in a batch.
const MOST: usize = 256;
/// Batches at a time: one waits for the disk while the next is hashed and written.
const WORKERS: usize = 2;

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
}

impl Gathered for Opening {
    fn store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }
}

impl Gathered for Put {
    fn store(&self) -> &Arc<dyn FileStore> {
        &self.store
    }
}

/// Gathers work for as long as its workers are busy. They end with it.
pub(super) struct Gatherer<T> {
    queue: Option<mpsc::UnboundedSender<T>>,
}

impl<T> Default for Gatherer<T> {
    fn default() -> Self {
        Self { queue: None }
    }
}

impl<T: Gathered> Gatherer<T> {
    /// Has `work` done for an item: in a batch with others, or alone where its store does not gain by that.
    pub(super) fn take<F>(&mut self, item: T, work: fn(Vec<T>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if !item.store().gathers() {
            tokio::spawn(work(vec![item]));
            return;
        }
        let queue = self.queue.get_or_insert_with(|| workers(work));
        // The workers outlive the sender.
        let _ = queue.send(item);
    }
}

fn workers<T: Gathered, F>(work: fn(Vec<T>) -> F) -> mpsc::UnboundedSender<T>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    for _ in 0..WORKERS {
        let receiver = Arc::clone(&receiver);
        tokio::spawn(async move {
            loop {
                let mut batch = Vec::new();
                if receiver.lock().await.recv_many(&mut batch, MOST).await == 0 {
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
        task.reply(DiskReply::Opened { id, result });
    }
}

/// Verifies and publishes files in one store.
pub(super) async fn put_all(batch: Vec<Put>) {
    let (mut tasks, mut files, mut contents) = (Vec::new(), Vec::new(), Vec::new());
    let Some(store) = batch.first().map(|put| Arc::clone(&put.store)) else { return };
    for Put { whole, root, task, .. } in batch {
        contents.push((whole.content.clone(), root));
        tasks.push(task);
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
    for task in wrong {
        task.reply(DiskReply::Put { id: task.id, result: Err(WriteError::Mismatch) });
    }
    let Some(first) = right.first() else { return };
    let answers = first.permitted(store.put_all(good)).await;
    for (task, answer) in right.into_iter().zip(answers.into_iter().chain(unanswered())) {
        task.reply(DiskReply::Put { id: task.id, result: answer.map_err(WriteError::Store) });
    }
}

/// For a store that answers for too few files.
fn unanswered<T>() -> impl Iterator<Item = Result<T, StoreError>> {
    std::iter::repeat_with(|| Err(StoreError::Io(std::io::Error::other("the store gave no answer"))))
}

fn is_right((content, root): (Bytes, Digest)) -> bool {
    *blake3::hash(&content).as_bytes() == root.0
}
