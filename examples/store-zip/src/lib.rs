//! A [`FileStore`](dpex_core::store::FileStore) that serves what is in one zip file: the example of
//! `docs/write-your-own-backend.md`.
//!
//! * **Whole.** It only serves; every reception is refused.
//! * **Honest.** The zip file may be replaced at any time: who asks anew gets the new content, and a file that is being
//!   read gives [`Changed`](dpex_core::store::StoreError::Changed), never bytes of both. What cannot be seen is an
//!   overwrite in place that leaves the size as it was and falls into the same tick of the system's clock. An entry that
//!   cannot be given as it is (encrypted, of a rare compression, of two meanings, too large to unpack) is not offered,
//!   and counted.
//! * **Fenced.** Names are keys of a list in memory; none is ever given to the system. What is no harmless relative path
//!   (`..`, absolute, with a backslash) is not offered, and counted.
//!
//! What it refuses to do: receive, follow links inside the zip, guess the encoding of a name, hold an unpacked entry in
//! memory or on disk.

#[cfg(not(unix))]
compile_error!("dpex-store-zip needs a Unix: it tells versions of the zip file apart by inode and change time");

mod archive;
mod index;
mod source;
mod store;

pub use store::{Options, ZipStore};
