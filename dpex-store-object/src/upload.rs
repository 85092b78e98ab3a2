//! A multipart upload: parts go out as they become complete, and nothing has a name until all are there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use dpex_core::store::StoreError;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Attributes, MultipartUpload, PutMultipartOptions, PutPayload};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::error::writing;
use crate::memory::Share;
use crate::service::Service;

type Sent = object_store::Result<(u64, Option<PartId>)>;

/// An upload under way. Dropping it aborts it.
#[derive(Debug)]
pub(crate) struct Upload {
    key: Path,
    /// Taken by its end.
    kind: Option<Kind>,
    /// Parts at a time, over all uploads of a store.
    slots: Arc<Semaphore>,
    tasks: JoinSet<Sent>,
    sent: BTreeMap<u64, PartId>,
}

enum Kind {
    /// Parts are handed over as they come.
    Numbered { store: Arc<dyn MultipartStore>, id: String },
    /// Parts are handed over in their order; those that are early wait.
    InOrder { upload: Box<dyn MultipartUpload>, next: u64, early: BTreeMap<u64, (PutPayload, Share)> },
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Numbered { .. } => f.write_str("Numbered"),
            Self::InOrder { next, .. } => write!(f, "InOrder({next})"),
        }
    }
}

impl Upload {
    pub(crate) async fn begin(
        service: &Service,
        key: Path,
        attributes: Attributes,
        slots: Arc<Semaphore>,
    ) -> Result<Self, StoreError> {
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let kind = match &service.parts {
            Some(store) => {
                let id = store.create_multipart_opts(&key, options).await.map_err(|e| writing(&e))?;
                Kind::Numbered { store: Arc::clone(store), id }
            }
            None => {
                let upload = service.objects.put_multipart_opts(&key, options).await.map_err(|e| writing(&e))?;
                Kind::InOrder { upload, next: 0, early: BTreeMap::new() }
            }
        };
        Ok(Self { key, kind: Some(kind), slots, tasks: JoinSet::new(), sent: BTreeMap::new() })
    }

    /// Hands over a part; waits only for other parts to have gone out. `share` covers its memory and is kept until then.
    pub(crate) async fn put(&mut self, index: u64, part: PutPayload, share: Share) -> Result<(), StoreError> {
        match &mut self.kind {
            Some(Kind::Numbered { store, id }) => {
                let (store, id, key) = (Arc::clone(store), id.clone(), self.key.clone());
                let number = usize::try_from(index).unwrap_or(usize::MAX);
                let slot = slot(&self.slots).await?;
                let leaving = share.leave();
                self.tasks.spawn(async move {
                    let sent = store.put_part(&key, &id, number, part).await;
                    drop((slot, leaving));
                    Ok((index, Some(sent?)))
                });
            }
            Some(Kind::InOrder { upload, next, early }) => {
                early.insert(index, (part, share));
                while let Some((part, share)) = early.remove(next) {
                    let slot = slot(&self.slots).await?;
                    let (index, leaving) = (*next, share.leave());
                    let sending = upload.put_part(part);
                    *next += 1;
                    self.tasks.spawn(async move {
                        let sent = sending.await;
                        drop((slot, leaving));
                        sent.map(|()| (index, None))
                    });
                }
            }
            None => return Err(over()),
        }
        while let Some(sent) = self.tasks.try_join_next() {
            self.note(sent)?;
        }
        Ok(())
    }

    fn note(&mut self, sent: Result<Sent, tokio::task::JoinError>) -> Result<(), StoreError> {
        let (index, id) = sent.map_err(|e| StoreError::Io(io::Error::other(e)))?.map_err(|e| writing(&e))?;
        self.sent.extend(id.map(|id| (index, id)));
        Ok(())
    }

    /// Waits until every part handed over is there.
    pub(crate) async fn settle(&mut self) -> Result<(), StoreError> {
        while let Some(sent) = self.tasks.join_next().await {
            self.note(sent)?;
        }
        Ok(())
    }

    /// Gives the object its name.
    pub(crate) async fn complete(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        let done = match self.kind.as_mut() {
            Some(Kind::Numbered { store, id }) => {
                let parts = std::mem::take(&mut self.sent).into_values().collect();
                store.complete_multipart(&self.key, id, parts).await
            }
            Some(Kind::InOrder { upload, .. }) => upload.complete().await,
            None => return Err(over()),
        };
        done.map_err(|e| writing(&e))?;
        self.kind = None;
        Ok(())
    }

    /// Removes all that was sent.
    pub(crate) async fn abort(mut self) -> Result<(), StoreError> {
        let Some(kind) = self.kind.take() else { return Ok(()) };
        abort(kind, std::mem::take(&mut self.key), std::mem::take(&mut self.tasks)).await.map_err(|e| writing(&e))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(kind), Ok(runtime)) = (self.kind.take(), Handle::try_current()) else { return };
        let (key, tasks) = (std::mem::take(&mut self.key), std::mem::take(&mut self.tasks));
        runtime.spawn(async move {
            if abort(kind, key, tasks).await.is_err() {
                tracing::warn!("an unfinished upload could not be removed; it is invisible, and may cost money");
            }
        });
    }
}

async fn abort(kind: Kind, key: Path, mut tasks: JoinSet<Sent>) -> object_store::Result<()> {
    // A part that arrives after the end would stay.
    tasks.shutdown().await;
    match kind {
        Kind::Numbered { store, id } => store.abort_multipart(&key, &id).await,
        Kind::InOrder { mut upload, .. } => upload.abort().await,
    }
}

async fn slot(slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    Arc::clone(slots).acquire_owned().await.map_err(|e| StoreError::Io(io::Error::other(e)))
}

fn over() -> StoreError {
    StoreError::Io(io::Error::other("this upload is over"))
}
