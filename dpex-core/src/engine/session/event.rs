//! What a session tells its owner.

use std::net::SocketAddr;

use crate::enrol::Endpoint;
use crate::store::{Meta, Page, Skipped, StoreError};
use crate::types::{Digest, Secret, SharePath};
use crate::wire::frame::CloseCode;
use crate::wire::message::{FailCode, RequestId};

/// Something happened in a session.
#[derive(Debug)]
pub enum Event {
    /// Server: the client has proved its keys; the session is open.
    Opened,
    /// Server: the client has moved to another address, which has answered a challenge.
    Moved {
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
    /// Client: a page of a listing arrived.
    Page {
        /// The request.
        id: RequestId,
        /// The entries.
        page: Page,
        /// No more pages come for this request.
        is_last: bool,
    },
    /// Client: the server began to send a file.
    Offered {
        /// The request.
        id: RequestId,
        /// What the server says of it.
        meta: Meta,
        /// Bytes of it that are here already. 0 if blocks were held of another version: the file starts over.
        held: u64,
    },
    /// Client: the hash of a file on the server.
    Hashed {
        /// The request.
        id: RequestId,
        /// What the server says of it.
        meta: Meta,
        /// Its BLAKE3 hash.
        root: Digest,
    },
    /// Client: so many bytes of a file are verified and written.
    Progress {
        /// The request.
        id: RequestId,
        /// Bytes in all.
        written: u64,
    },
    /// Client: a file is verified and published.
    Finished {
        /// The request.
        id: RequestId,
        /// The name it was published under.
        path: SharePath,
        /// Its BLAKE3 hash.
        root: Digest,
        /// Bytes.
        size: u64,
    },
    /// Client: a request failed.
    Failed {
        /// The request.
        id: RequestId,
        /// Why.
        why: Failure,
    },
    /// Client: the server says something to the person.
    Notice(String),
    /// Client: the server says where it is found from now on, best first.
    Endpoints(Vec<Endpoint>),
    /// Client: the server gives secrets in place of those that this client came with. They are used from the next connection
    /// on, once they are kept (ENR-29).
    Renewed {
        /// The one that the two share.
        psk: Option<Secret>,
        /// The first gate's.
        knock: Option<Secret>,
    },
    /// Server: a page of a listing was made.
    Listed {
        /// What was listed.
        path: SharePath,
        /// How many entries the page has.
        entries: usize,
        /// How many it should have besides, and cannot.
        skipped: u64,
        /// The first of those.
        named: Vec<Skipped>,
    },
    /// Server: a file is being sent.
    Started {
        /// The request.
        id: RequestId,
        /// Which file.
        path: SharePath,
        /// Bytes.
        size: u64,
    },
    /// Server: the client has verified and committed a file.
    Delivered {
        /// The request.
        id: RequestId,
        /// Which file.
        path: SharePath,
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Digest,
        /// Bytes of the blocks that were sent for it: what the client had already is not among them.
        sent: u64,
    },
    /// Server: a request ended otherwise.
    Aborted {
        /// The request.
        id: RequestId,
        /// Which file or folder.
        path: SharePath,
        /// Who ended it.
        by: Closer,
        /// Why.
        code: FailCode,
        /// Bytes of the blocks that were begun until then.
        sent: u64,
    },
    /// The session has ended; nothing follows.
    Closed(CloseReason),
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// Who ended it.
    pub by: Closer,
    /// Why.
    pub code: CloseCode,
    /// For a log. From the peer it is untrusted text.
    pub text: String,
}

/// Who ended a session or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// This side.
    Us,
    /// The other side.
    Peer,
}

/// Why a client's request failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server refused or failed. The text is the server's and untrusted.
    #[error("the server: {}{}", code.name(), if text.is_empty() { String::new() } else { format!(" ({text})") })]
    Refused {
        /// Why.
        code: FailCode,
        /// Its explanation.
        text: String,
    },
    /// The receiving store refused or failed.
    #[error(transparent)]
    Store(StoreError),
    /// The content does not match its hash values.
    #[error("verification failed: the content does not match its hash")]
    Mismatch,
    /// The server wants more of it to be held in memory than this side allows.
    #[error("the server's blocks are larger than this side may hold in memory")]
    TooLarge,
    /// Cancelled by this side.
    #[error("cancelled")]
    Cancelled,
    /// The session ended before the request did.
    #[error("the connection ended")]
    Disconnected,
}
