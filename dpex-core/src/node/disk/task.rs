//! One transfer's work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::{Answer, Job, Rest};
use crate::engine::{DiskReply, Found, WriteError};
use crate::node::values::{BlockValues, MAX_VALUES};
use crate::store::{PartialFile, SourceFile, StoreError, Verified};
use crate::transfer::{Block, Content, DEFAULT_BLOCK_LOG2, block_value};
use crate::types::Digest;
use crate::wire::message::RequestId;

/// Content that is hashed on the spot: handing it to another thread costs more.
const HASH_INLINE: usize = 16 * 1024;
/// Values of blocks that are remembered together while their file is read.
pub(super) const KEPT_TOGETHER: usize = 256;
/// Bytes written, and time passed, after which what was written is made safe.
const CHECKPOINT_BYTES: u64 = 64 << 20;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// One transfer's work.
pub(in crate::node) struct Task {
    pub(in crate::node) id: RequestId,
    pub(super) replies: mpsc::UnboundedSender<Answer>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) _at_work: mpsc::Sender<()>,
    /// Last, since fields are dropped in their order, and whoever waits for it finds the rest gone.
    pub(super) _done: oneshot::Sender<()>,
}

impl Task {
    pub(in crate::node) async fn permitted<T>(&self, work: impl Future<Output = T>) -> T {
        let _permit = self.permits.acquire().await;
        work.await
    }

    pub(in crate::node) fn reply(&self, reply: DiskReply) {
        let _ = self.replies.send(reply.into());
    }

    /// Reads blocks of an open file until it is let go, and remembers their values.
    pub(in crate::node) async fn serve(self, file: Arc<dyn SourceFile>, values: Arc<dyn BlockValues>) {
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

    pub(super) async fn write(
        self,
        received: Result<Box<dyn PartialFile>, StoreError>,
        mut jobs: mpsc::UnboundedReceiver<Job>,
    ) {
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
