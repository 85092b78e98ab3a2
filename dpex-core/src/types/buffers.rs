//! Memory for blocks of files and for what the network brings, used again and again: the system must find, clear and map
//! each fresh piece of it, which costs more than hashing what is then put there.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Smaller buffers are not worth keeping: the allocator has them at hand.
const LEAST: usize = 64 * 1024;

/// Buffers that somebody let go of, for whoever needs the next one. Clones share them.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Idle>);

#[derive(Debug)]
struct Idle {
    buffers: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Buffers {
    /// Keeps at most so many that wait for use.
    #[must_use]
    pub fn keeping(most: usize) -> Self {
        Self(Arc::new(Idle { buffers: Mutex::default(), most }))
    }

    /// A buffer of this length in bytes. It holds anything: whoever takes it must write all of it.
    #[must_use]
    pub fn take(&self, len: usize) -> Buffer {
        if len < LEAST {
            return Buffer { bytes: vec![0; len], home: Weak::new() };
        }
        let idle = self.0.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = idle.map_or_else(
            || vec![0; len],
            |mut bytes| {
                bytes.resize(len, 0);
                bytes
            },
        );
        Buffer { bytes, home: Arc::downgrade(&self.0) }
    }
}

/// A buffer on loan. As [`Bytes`] it is on loan until the last of them is gone.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Weak<Idle>,
}

impl Buffer {
    /// Keeps the first bytes only, if it has more than `len`.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// The bytes of memory it takes, used or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

impl From<&[u8]> for Buffer {
    /// A copy, on loan from nobody.
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), home: Weak::new() }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else { return };
        let mut idle = home.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < home.most {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(buffers: &Buffers) -> usize {
        buffers.0.buffers.lock().expect("no panic").len()
    }

    #[test]
    fn a_buffer_comes_back_with_the_last_of_its_bytes_and_has_the_length_that_is_asked_for() {
        let buffers = Buffers::keeping(1);
        let mut buffer = buffers.take(LEAST);
        buffer.fill(7);
        let bytes = Bytes::from(buffer);
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!((idle(&buffers), &part[..]), (0, &[7, 7][..]));
        drop(part);
        assert_eq!(idle(&buffers), 1);
        assert_eq!(buffers.take(2 * LEAST).len(), 2 * LEAST);
        assert_eq!(buffers.take(LEAST).len(), LEAST);
    }

    #[test]
    fn few_are_kept_no_small_ones_and_none_without_a_home() {
        let buffers = Buffers::keeping(8);
        drop((0..16).map(|_| buffers.take(LEAST)).collect::<Vec<_>>());
        assert_eq!(idle(&buffers), 8);
        let small = buffers.take(LEAST - 1);
        drop(small);
        assert_eq!(idle(&buffers), 8);
        let left = buffers.take(LEAST);
        drop(buffers);
        assert_eq!(left.len(), LEAST);
    }
}
