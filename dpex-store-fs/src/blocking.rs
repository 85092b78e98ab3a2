//! The way out of the async runtime: system calls that may wait do so on a thread of their own.

use std::io;

use dpex_core::store::StoreError;

use crate::sys;

/// Runs `work` on tokio's blocking threads. A future dropped meanwhile does not stop work that has begun.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(sys::carry(work)).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(StoreError::Io(io::Error::other(cancelled))),
        },
    }
}
