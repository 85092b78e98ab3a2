//! How much received content may wait in memory, over all files of one store.
//!
//! A node carries out the requests of one transfer one after the other, and a fixed number over all transfers. So a
//! write must not wait for another write: the one it waits for may stand behind it. It may wait for an upload that is
//! under way, which needs nobody. When nothing is under way and there still is no room, it fails.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpex_core::store::StoreError;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Memory {
    most: u64,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    /// Uploads under way; each frees its share when it ends.
    uploads: usize,
}

/// Bytes that are accounted for until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: u64,
    /// Is it being uploaded?
    is_leaving: bool,
}

impl Memory {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default(), freed: Notify::new() })
    }

    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    pub(crate) fn nothing(self: &Arc<Self>) -> Share {
        Share { memory: Arc::clone(self), bytes: 0, is_leaving: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Makes it larger, waiting for uploads that are under way if need be.
    pub(crate) async fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        loop {
            let freed = self.memory.freed.notified();
            {
                let mut state = self.memory.state();
                if state.used.saturating_add(bytes) <= self.memory.most {
                    state.used += bytes;
                    self.bytes += bytes;
                    return Ok(());
                }
                if state.uploads == 0 {
                    let most = self.memory.most >> 20;
                    return Err(StoreError::Io(io::Error::new(
                        io::ErrorKind::OutOfMemory,
                        format!("more than {most} MiB would wait for blocks that lie before them (`memory-mib`)"),
                    )));
                }
            }
            freed.await;
        }
    }

    /// Divides it.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: Arc::clone(&self.memory), bytes, is_leaving: false }
    }

    /// It is being uploaded from now on, and will be free when that ends.
    pub(crate) fn leave(mut self) -> Self {
        if !std::mem::replace(&mut self.is_leaving, true) {
            self.memory.state().uploads += 1;
        }
        self
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        state.used -= self.bytes;
        state.uploads -= usize::from(self.is_leaving);
        drop(state);
        self.memory.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_fails_when_nothing_is_on_its_way_out() {
        let memory = Memory::new(10);
        let mut one = memory.nothing();
        one.grow(10).await.expect("it fits exactly");
        let mut other = memory.nothing();
        assert!(matches!(other.grow(1).await, Err(StoreError::Io(_))));
        drop(one);
        other.grow(10).await.expect("there is room again");
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_for_an_upload_and_no_longer() {
        let memory = Memory::new(10);
        let mut share = memory.nothing();
        share.grow(10).await.expect("it fits");
        let leaving = share.split(8).leave();
        let mut other = memory.nothing();
        {
            let mut growing = pin!(other.grow(5));
            let is_pending = poll_fn(|cx| Poll::Ready(growing.as_mut().poll(cx).is_pending())).await;
            assert!(is_pending, "an upload will end");
            drop(leaving);
            growing.await.expect("it ended");
        }
        assert!(other.grow(4).await.is_err(), "7 of 10 are used, and nothing is on its way out");
        other.grow(3).await.expect("3 are free");
    }
}
