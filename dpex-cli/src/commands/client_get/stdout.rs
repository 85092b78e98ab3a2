//! Standard output as a place to receive one file into: its blocks are written in order, each as soon as it is verified.
//! Who reads it may stop when they have seen enough; that is no failure.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use dpex_core::store::{FileStore, Held, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError, Verified};
use dpex_core::types::{Digest, Fingerprint, SharePath, Version};

use crate::error::{Blame, CliError};

/// Bytes that may wait for a block before them. What a path reorders is far less.
const MOST_WAITING: usize = 256 << 20;

/// Takes one file. A second try goes on where the first one ended, as long as it is of the same version.
#[derive(Clone, Debug, Default)]
pub(super) struct Stdout {
    state: Arc<Mutex<State>>,
    is_closed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    /// What is being written, once it has begun: another version cannot follow.
    version: Option<(Version, u8)>,
    /// Values of the blocks taken, written or waiting.
    values: BTreeMap<u64, Digest>,
    waiting: BTreeMap<u64, Bytes>,
    waiting_bytes: usize,
    written: u64,
    done: bool,
}

impl Stdout {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the command ends, if nobody reads any more.
    pub(super) fn closed(&self) -> Option<CliError> {
        let closed = || CliError::new(Blame::OutputClosed, "the output was closed");
        self.is_closed.load(Ordering::Relaxed).then(closed)
    }

    /// What a failed write means. Of a file whose reader is gone as much is there as is wanted: that is what the server is
    /// told, and nobody hears of a disk.
    fn refused(&self, error: io::Error) -> StoreError {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return error.into();
        }
        self.is_closed.store(true, Ordering::Relaxed);
        StoreError::Same
    }
}

impl State {
    fn write(&mut self, block: Verified, data: Bytes, out: &mut impl io::Write) -> io::Result<()> {
        if self.waiting_bytes + data.len() > MOST_WAITING {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "too much came out of order"));
        }
        self.values.insert(block.index, block.value);
        self.waiting_bytes += data.len();
        self.waiting.insert(block.offset, data);
        while let Some(data) = self.waiting.remove(&self.written) {
            self.waiting_bytes -= data.len();
            self.written += data.len() as u64;
            out.write_all(&data)?;
        }
        out.flush()
    }
}

#[async_trait]
impl FileStore for Stdout {
    async fn list(&self, _: &ListQuery) -> Result<Page, StoreError> {
        Err(StoreError::NotFound)
    }

    async fn open(&self, _: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        Err(StoreError::NotFound)
    }

    async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
        Err(StoreError::BadName("standard output takes a single file"))
    }

    async fn held(&self, _: &SharePath, _: &Fingerprint) -> Result<Option<Held>, StoreError> {
        let state = self.state();
        let held =
            state.version.map(|(version, block_log2)| Held { version, block_log2, values: state.values.clone() });
        Ok(held.filter(|held| !held.values.is_empty()))
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        let mut state = self.state();
        let version = (incoming.meta.version, incoming.block_log2);
        if state.done || state.version.is_some_and(|begun| begun != version && !state.values.is_empty()) {
            // Its beginning is out already and cannot be taken back.
            return Err(StoreError::Changed);
        }
        state.version = Some(version);
        Ok(Box::new(Out { stdout: self.clone(), incoming: incoming.clone() }))
    }
}

#[derive(Debug)]
struct Out {
    stdout: Stdout,
    incoming: Incoming,
}

#[async_trait]
impl PartialFile for Out {
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError> {
        let stdout = self.stdout.clone();
        let written = tokio::task::spawn_blocking(move || stdout.state().write(block, data, &mut io::stdout().lock()));
        written.await.map_err(io::Error::other)?.map_err(|e| self.stdout.refused(e))
    }

    /// What is out is out.
    async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError> {
        io::stdout().lock().flush().map_err(|e| self.stdout.refused(e))?;
        let mut state = self.stdout.state();
        if state.written != self.incoming.meta.size {
            return Err(StoreError::Io(io::Error::new(io::ErrorKind::InvalidData, "bytes are missing")));
        }
        state.done = true;
        Ok(self.incoming.path)
    }

    async fn discard(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(index: u64) -> Verified {
        Verified { index, offset: index * 3, value: Digest([7; 32]) }
    }

    #[test]
    fn blocks_come_out_in_their_order_whatever_order_they_came_in() {
        let (mut state, mut out) = (State::default(), Vec::new());
        for (index, data) in [(2, "ghi"), (0, "abc"), (3, "j"), (1, "def")] {
            state.write(block(index), Bytes::from_static(data.as_bytes()), &mut out).expect("memory");
        }
        assert_eq!((out.as_slice(), state.written, state.waiting_bytes), (&b"abcdefghij"[..], 10, 0));
        assert_eq!(state.values.len(), 4);
    }

    #[test]
    fn what_waits_for_a_block_before_it_is_bounded() {
        let (mut state, mut out) = (State::default(), Vec::new());
        let half = Bytes::from(vec![1; MOST_WAITING / 2]);
        for index in 1..3 {
            state.write(block(index), half.clone(), &mut out).expect("it fits");
        }
        assert!(state.write(block(3), Bytes::from_static(b"x"), &mut out).is_err());
        assert!(out.is_empty());
    }
}
