//! What a server remembers of the files it has read: the values of their blocks, so that it reads nothing again when a
//! client goes on with a file, or asks for its hash.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::types::{Digest, Version};

/// The most values that are kept of one version.
pub const MAX_VALUES: usize = 1 << 16;

/// A memory of block values. It may forget at any time, and never be wrong: a version names one content.
#[async_trait]
pub trait BlockValues: Debug + Send + Sync {
    /// What is known of a version: values by block number, of the usual block size.
    async fn load(&self, version: &Version) -> BTreeMap<u64, Digest>;

    /// Adds to what is known of a version.
    async fn keep(&self, version: &Version, values: &BTreeMap<u64, Digest>);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug)]
pub struct Forgetful;

#[async_trait]
impl BlockValues for Forgetful {
    async fn load(&self, _: &Version) -> BTreeMap<u64, Digest> {
        BTreeMap::new()
    }

    async fn keep(&self, _: &Version, _: &BTreeMap<u64, Digest>) {}
}
