//! Disk work as requests and replies. Requests of one transfer are carried out in the order they are made.

use bytes::Bytes;

use crate::store::{ListQuery, Meta, Page, StoreError};
use crate::transfer::Block;
use crate::types::{Digest, SharePath};
use crate::wire::message::RequestId;

/// Something a session wants done on a disk.
#[derive(Debug)]
pub enum DiskRequest {
    /// Server: a page of a listing. Answered by [`DiskReply::Listed`].
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
    /// The file is not needed any more; what a client has of it stays, for a later run. Not answered.
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
    },
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
        /// What the file is.
        result: Result<Meta, StoreError>,
    },
    /// Of [`DiskRequest::Read`].
    Read {
        /// The transfer.
        id: RequestId,
        /// Which block.
        block: Block,
        /// Its bytes and their value.
        result: Result<(Bytes, Digest), StoreError>,
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
    /// Of [`DiskRequest::Commit`].
    Committed {
        /// The transfer.
        id: RequestId,
        /// The name it was published under.
        result: Result<SharePath, StoreError>,
    },
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
