//! A file being received.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{Existing, Incoming, PartialFile, StoreError, Verified};
use dpex_core::types::SharePath;
use object_store::{Error, PutMode, PutOptions, PutPayload};
use tokio::sync::Mutex;

use crate::attributes::attributes;
use crate::error::writing;
use crate::gather::{Gather, part_size};
use crate::memory::Share;
use crate::names::{key, siblings};
use crate::receiving::{Claim, Found, look};
use crate::store::Shared;
use crate::upload::Upload;

/// A file up to this size is kept until it is complete and put in one request. Larger ones go out in parts, so that
/// what waits for its commit is bounded by the number of files and this.
const MOST_AT_ONCE: u64 = 1 << 20;

/// What has arrived of one file. Dropping it leaves nothing of it in the bucket.
#[derive(Debug)]
pub(crate) struct ObjectPartial {
    shared: Arc<Shared>,
    incoming: Incoming,
    /// The name it will have, which differs from the one asked for only under [`Existing::Rename`].
    target: SharePath,
    state: Mutex<State>,
    _claims: Vec<Claim>,
}

#[derive(Debug)]
struct State {
    gather: Gather,
    /// Of the content that is gathered and not handed over.
    share: Share,
    /// Begun with the first part that is complete.
    upload: Option<Upload>,
    /// A write failed, or was given up: a part of the content may be nowhere.
    is_broken: bool,
}

impl ObjectPartial {
    pub(crate) fn new(
        shared: Arc<Shared>,
        incoming: Incoming,
        target: SharePath,
        claims: Vec<Claim>,
    ) -> Result<Self, StoreError> {
        let size = incoming.meta.size;
        let part = if size <= MOST_AT_ONCE { size } else { part_size(size, shared.part) };
        let share = shared.memory.nothing();
        if part > shared.memory.most() / 2 {
            let text = format!("a file this large goes in parts of {} MiB: raise `memory-mib`", part >> 20);
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::OutOfMemory, text)));
        }
        let state = State { gather: Gather::new(size, part), share, upload: None, is_broken: false };
        Ok(Self { shared, incoming, target, state: Mutex::new(state), _claims: claims })
    }

    fn is_small(&self) -> bool {
        self.incoming.meta.size <= MOST_AT_ONCE
    }

    async fn begin(&self) -> Result<Upload, StoreError> {
        let service = &self.shared.service;
        let key = key(&service.prefix, &self.target).ok_or(StoreError::BadName("it is no key"))?;
        Upload::begin(service, key, self.attributes(), Arc::clone(&self.shared.slots)).await
    }

    fn attributes(&self) -> object_store::Attributes {
        let keeps = self.shared.service.keeps_attributes;
        if keeps { attributes(&self.incoming.meta) } else { object_store::Attributes::new() }
    }

    /// Publishes a file that was not uploaded in parts.
    async fn put(&self, content: PutPayload) -> Result<SharePath, StoreError> {
        match self.put_as(&self.target, content.clone()).await {
            Err(StoreError::Exists) if self.incoming.existing == Existing::Rename => {}
            put => return put.map(|()| self.target.clone()),
        }
        for other in siblings(&self.incoming.path) {
            // What somebody is receiving under is not free.
            let Ok(_claim) = self.shared.names.claim(&other) else { continue };
            match self.put_as(&other, content.clone()).await {
                Err(StoreError::Exists) => {}
                put => return put.map(|()| other),
            }
        }
        Err(StoreError::Exists)
    }

    async fn put_as(&self, target: &SharePath, content: PutPayload) -> Result<(), StoreError> {
        let service = &self.shared.service;
        let key = key(&service.prefix, target).ok_or(StoreError::BadName("it is no key"))?;
        self.check_target(target, !service.puts_conditionally).await?;
        let mode = match self.incoming.existing {
            Existing::Keep | Existing::Rename if service.puts_conditionally => PutMode::Create,
            _ => PutMode::Overwrite,
        };
        let options = PutOptions { mode, attributes: self.attributes(), ..PutOptions::default() };
        match service.objects.put_opts(&key, content, options).await {
            Err(Error::Precondition { .. }) => Err(StoreError::Exists),
            put => put.map(drop).map_err(|e| writing(&e)),
        }
    }

    /// Is the name still free? A folder is always in the way; a file, unless it may be replaced or the service itself
    /// will look.
    async fn check_target(&self, target: &SharePath, looks_at_files: bool) -> Result<(), StoreError> {
        match look(&self.shared.service, target, None).await? {
            Found::Folder => Err(StoreError::Exists),
            Found::File if looks_at_files && self.incoming.existing != Existing::Overwrite => Err(StoreError::Exists),
            _ => Ok(()),
        }
    }

    /// Hands over parts that are complete.
    async fn send(&self, state: &mut State, complete: Vec<u64>) -> Result<(), StoreError> {
        for index in complete {
            let part = state.gather.take(index);
            let upload = match &mut state.upload {
                Some(upload) => upload,
                none => none.insert(self.begin().await?),
            };
            let share = state.share.split(part.content_length() as u64);
            upload.put(index, part, share).await?;
        }
        Ok(())
    }

    async fn publish(&self, state: &mut State) -> Result<SharePath, StoreError> {
        if state.is_broken {
            return Err(broken());
        }
        if !state.gather.is_complete() {
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "bytes are missing")));
        }
        if self.is_small() {
            // Others may wait for its memory, as they do for that of parts.
            let _leaving = std::mem::replace(&mut state.share, self.shared.memory.nothing()).leave();
            return self.put(state.gather.take(0)).await;
        }
        let Some(upload) = &mut state.upload else {
            return Err(StoreError::Io(io::Error::other("a part of the file was not uploaded")));
        };
        upload.settle().await?;
        // The services do not offer "only if there is none" for parts, or the library does not: so one looks first.
        self.check_target(&self.target, true).await?;
        upload.complete().await?;
        Ok(self.target.clone())
    }
}

fn broken() -> StoreError {
    StoreError::Io(io::Error::other("an earlier write of this file failed"))
}

#[async_trait]
impl PartialFile for ObjectPartial {
    async fn write(&self, Verified { offset, .. }: Verified, data: Bytes) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let Some(range) = state.gather.range(offset, data.len()) else {
            return Err(StoreError::Io(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a write past the end of the file",
            )));
        };
        if state.is_broken {
            return Err(broken());
        }
        state.share.grow(state.gather.missing(&range)).await?;
        let complete = state.gather.add(offset, &data);
        if self.is_small() {
            return Ok(());
        }
        // Until it is known that nothing failed; whoever gives up waiting never knows.
        state.is_broken = true;
        self.send(state, complete).await?;
        state.is_broken = false;
        Ok(())
    }

    /// A bucket keeps nothing of a file that is not complete: there is no coming back to it.
    async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
        let mut state = self.state.lock().await;
        let published = self.publish(&mut state).await;
        match &published {
            Ok(path) => self.shared.names.is_file(path),
            Err(_) => {
                // There is no coming back to it, so nothing of it is left to be paid for.
                if let Some(upload) = state.upload.take() {
                    let _ = upload.abort().await;
                }
            }
        }
        published
    }

    async fn discard(self: Box<Self>) -> Result<(), StoreError> {
        match self.state.lock().await.upload.take() {
            Some(upload) => upload.abort().await,
            None => Ok(()),
        }
    }
}
