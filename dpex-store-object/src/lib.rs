//! A [`FileStore`](dpex_core::store::FileStore) over a prefix of a bucket: S3 and what speaks its protocol, Google Cloud
//! Storage, Azure, and a folder behind the same interface.
//!
//! * **Whole.** A small file is one conditional put, a larger one a multipart upload; neither has a name before it is
//!   complete. What was broken off leaves nothing, so it starts over instead of resuming.
//! * **Honest.** A file is read by ranges that hold for the version that was opened and no other (`If-Match`).
//! * **Fenced.** A name is a key below the prefix and nothing else: a bucket has no links. A folder (`file://`) has, and
//!   they are refused when they are met; against somebody who plants them meanwhile only `dpex-store-fs` is proof.
//!
//! What it refuses to do: take credentials from an address, show them, or show what a service says beyond its status and
//! its short code; make empty folders; sort a bucket that its service does not keep sorted (S3 directory buckets).

mod address;
mod attributes;
mod children;
mod complaints;
mod error;
mod gather;
mod listing;
mod local;
mod memory;
mod names;
mod options;
mod partial;
mod receiving;
mod service;
mod source;
mod store;
mod upload;

pub use options::{Hidden, Options};
pub use store::ObjectStoreShelf;
