//! The hash of a file that is here.

use std::io;

use blake3::Hasher;

use crate::store::{SourceFile, StoreError};
use crate::types::Digest;

/// Bytes read at a time.
const PIECE: u64 = 1 << 20;

/// The BLAKE3 hash of a file, read from its beginning to its end.
///
/// # Errors
/// Those of [`SourceFile::read_at`].
pub async fn hash_of(file: &dyn SourceFile) -> Result<Digest, StoreError> {
    let size = file.meta().size;
    let (mut hasher, mut at) = (Hasher::new(), 0);
    while at < size {
        let len = PIECE.min(size - at);
        let bytes = file.read_at(at, usize::try_from(len).unwrap_or(usize::MAX)).await?;
        at += len;
        let hashed = tokio::task::spawn_blocking(move || {
            hasher.update(&bytes);
            hasher
        });
        hasher = hashed.await.map_err(|e| StoreError::Io(io::Error::other(e)))?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}
