//! Disk work as requests and replies. Requests of one transfer are carried out in the order they are made.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::store::{ListQuery, Meta, Page, StoreError};
use crate::transfer::{Block, Content};
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

/// Something a session wants done on a disk.
#[derive(Debug)]
pub enum DiskRequest {
    /// Server: a page of a listing, the next one if `id` has had some. Answered by [`DiskReply::Listed`].
    List {
        /// The request it belongs to.
        id: RequestId,
        /// What to list.
        query: ListQuery,
    },
    /// Server: open a file. Answered by [`DiskReply::Opened`].
    Open {
        /// The transfer.
        id: RequestId,
        /// The file.
        path: SharePath,
    },
    /// Server: read a block and compute its value. Answered by [`DiskReply::Read`].
    Read {
        /// The transfer.
        id: RequestId,
        /// Which block.
        block: Block,
    },
    /// The file, or the listing, is not needed any more; what a client has of a file stays, for a later run. Not answered.
    Release {
        /// The transfer.
        id: RequestId,
    },
    /// Client: begin a partial file. Answered by [`DiskReply::Ready`].
    Receive {
        /// The transfer.
        id: RequestId,
        /// What the server says of the file.
        meta: Meta,
        /// Its blocks are `2^block_log2` bytes each.
        block_log2: u8,
        /// It is the version of which blocks are held: the part that has them goes on. Else it begins anew.
        resumed: bool,
    },
    /// Client: verify a block against its value, and write it. Answered by [`DiskReply::Written`].
    Write {
        /// The transfer.
        id: RequestId,
        /// Which block.
        block: Block,
        /// Its bytes.
        bytes: Bytes,
        /// What its value must be.
        value: Digest,
    },
    /// Client: verify, write and publish a file of at most one block. Answered by [`DiskReply::Put`].
    Put {
        /// The transfer.
        id: RequestId,
        /// What the server says of the file.
        meta: Meta,
        /// All of its bytes.
        content: Bytes,
        /// What its hash must be.
        root: Digest,
    },
    /// Client: publish the file. Answered by [`DiskReply::Committed`].
    Commit {
        /// The transfer.
        id: RequestId,
    },
    /// Client: what has arrived is of no use; remove it. Not answered, but the requests before it still are: what they
    /// hold is counted until then.
    Discard {
        /// The transfer.
        id: RequestId,
        /// Why it is of no use.
        why: Useless,
    },
}

/// Why what has arrived of a file is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Useless {
    /// It cannot become the file.
    Wrong,
    /// The server has another version by now. Who receives it may want to keep it all the same.
    Outdated,
}

/// What came of a request.
#[derive(Debug)]
pub enum DiskReply {
    /// Of [`DiskRequest::List`].
    Listed {
        /// The request.
        id: RequestId,
        /// The page.
        result: Result<Page, StoreError>,
    },
    /// Of [`DiskRequest::Open`].
    Opened {
        /// The transfer.
        id: RequestId,
        /// What was found.
        result: Result<Found, StoreError>,
    },
    /// Of [`DiskRequest::Read`].
    Read {
        /// The transfer.
        id: RequestId,
        /// Which block.
        block: Block,
        /// What it holds, and its value.
        result: Result<(Content, Digest), StoreError>,
    },
    /// Of [`DiskRequest::Receive`].
    Ready {
        /// The transfer.
        id: RequestId,
        /// Whether it may be written.
        result: Result<(), StoreError>,
    },
    /// Of [`DiskRequest::Write`].
    Written {
        /// The transfer.
        id: RequestId,
        /// Which block.
        block: Block,
        /// Whether it was right and is written.
        result: Result<(), WriteError>,
    },
    /// Of [`DiskRequest::Put`].
    Put {
        /// The transfer.
        id: RequestId,
        /// Its size, in bytes: they are not held any more.
        len: usize,
        /// The name it was published under.
        result: Result<SharePath, WriteError>,
    },
    /// Of [`DiskRequest::Commit`].
    Committed {
        /// The transfer.
        id: RequestId,
        /// The name it was published under.
        result: Result<SharePath, StoreError>,
    },
}

/// A file that was opened to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub meta: Meta,
    /// Values of its blocks that are known from an earlier reading of the same version, by number.
    pub known: BTreeMap<u64, Digest>,
    /// All of a small file, and its value: it need not be read, and is not open.
    pub whole: Option<(Content, Digest)>,
}

/// Why a block was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its bytes do not have the value the server told.
    #[error("the content does not match its hash")]
    Mismatch,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
