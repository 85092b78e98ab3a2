//! Control messages: `u32 length || CBOR map` on the control stream (PROTOCOL.md, section 6).

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::store::{Entry, Meta};
use crate::types::{Digest, SharePath, Version};

pub use decode::{BadMessage, decode};
pub use encode::{encode, entry_len};

/// Longest encoded message, in bytes, without its length prefix (MSG-6).
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Most entries in a page.
pub const MAX_PAGE_ENTRIES: usize = 1000;
/// Most bytes of entries in a page; leaves room for the rest of the message.
pub const MAX_PAGE_BYTES: usize = 48 * 1024;
/// Most block values in one `sums`.
pub const MAX_SUMS: usize = 1024;
/// Most ranges in `held`.
pub const MAX_HELD_RANGES: usize = 1024;
/// Longest explanation in `fail` and `notice`, in bytes.
pub const MAX_TEXT: usize = 255;

/// Bytes of a secret in `renew`: a nonce, the secret, a tag.
pub const WRAPPED_LEN: usize = 12 + 32 + 16;
/// Most places in `endpoints`, and the longest host of one in bytes.
pub const MAX_PLACES: usize = 8;
/// The longest host, in bytes: a DNS name is no longer.
pub const MAX_HOST: usize = 253;

/// Names a request within a session. The client counts up from 0; a number is never used twice.
pub type RequestId = u64;

/// One control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: a subtree, please, or what of it stands on so many pages.
    List {
        /// The request.
        id: RequestId,
        /// The folder, or the file.
        path: SharePath,
        /// The last entry of the page before.
        after: Option<SharePath>,
        /// At most so many entries on a page; capped by [`MAX_PAGE_ENTRIES`].
        limit: u64,
        /// Also what is below.
        recursive: bool,
        /// At most so many pages, one after the other; 0 is read as 1.
        pages: u64,
    },
    /// Server: a page.
    Page {
        /// The request.
        id: RequestId,
        /// The entries, in order.
        entries: Vec<Entry>,
        /// Are there more?
        more: bool,
        /// Entries left out because they cannot be offered.
        skipped: u64,
    },
    /// Client: send this file.
    Get {
        /// The request, and the transfer's number in DATA frames.
        id: RequestId,
        /// The file.
        path: SharePath,
        /// To go on with: the version and its blocks that are here already.
        resume: Option<Resume>,
    },
    /// Server: this file is coming.
    Offer {
        /// The request.
        id: RequestId,
        /// Size, times, version.
        meta: Meta,
        /// Blocks are `2^block_log2` bytes; 16 to 24.
        block_log2: u8,
    },
    /// Server: BLAKE3 subtree values of consecutive blocks.
    Sums {
        /// The request.
        id: RequestId,
        /// The first block.
        first: u64,
        /// One value a block; 1 to [`MAX_SUMS`].
        values: Vec<Digest>,
    },
    /// Server: all blocks are sent; this is the file's BLAKE3 hash.
    Done {
        /// The request.
        id: RequestId,
        /// The hash.
        root: Digest,
    },
    /// Client: verified and committed.
    Got {
        /// The request.
        id: RequestId,
        /// The hash.
        root: Digest,
    },
    /// Client: what is this file's BLAKE3 hash?
    Hash {
        /// The request.
        id: RequestId,
        /// The file.
        path: SharePath,
    },
    /// Server: this is the hash of a file.
    Hashed {
        /// The request.
        id: RequestId,
        /// Size, times, version of what was hashed.
        meta: Meta,
        /// The hash.
        root: Digest,
    },
    /// Either: this request has failed. From the server it ends the request; from the client it asks for that.
    Fail {
        /// The request.
        id: RequestId,
        /// Why.
        code: FailCode,
        /// For a person; at most [`MAX_TEXT`] bytes.
        text: String,
        /// From the server: block bytes it had opened for this transfer, so that both sides' credit agrees.
        used: u64,
    },
    /// Client: stop this request. The server answers with `fail`, unless the request has ended.
    Cancel {
        /// The request.
        id: RequestId,
    },
    /// Server: something a person should know.
    Notice {
        /// What, for a person; at most [`MAX_TEXT`] bytes.
        text: String,
    },
    /// Server: from now on it is found at these places, best first.
    Endpoints {
        /// Host and port of each; 1 to [`MAX_PLACES`].
        places: Vec<(String, u16)>,
    },
    /// Server: secrets of the enrolment in place of those that the client came with, each wrapped
    /// ([`Wrap`](crate::seal::Wrap)).
    Renew {
        /// The one that the two share.
        psk: Option<[u8; WRAPPED_LEN]>,
        /// The first gate's.
        knock: Option<[u8; WRAPPED_LEN]>,
    },
    /// A well-formed message of a type this version does not know: answered with `fail` if it names a request (MSG-5).
    Unknown {
        /// The request it names.
        id: Option<RequestId>,
    },
}

/// Where an interrupted transfer goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The version that the held blocks belong to.
    pub version: Version,
    /// Block numbers, ascending, disjoint; at most [`MAX_HELD_RANGES`].
    pub held: Vec<Range<u64>>,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailCode {
    /// No such file; also: not allowed, outside, not a file.
    NotFound,
    /// The file changed while it was read.
    Changed,
    /// Too many requests at once.
    Busy,
    /// The request asks for more than can be answered.
    TooLarge,
    /// The sender's disk failed.
    Io,
    /// Not permitted.
    Refused,
    /// Cancelled by the peer.
    Cancelled,
    /// The content does not match its hash values.
    Mismatch,
    /// The message was not understood.
    Unknown,
}

impl FailCode {
    const NAMES: [(Self, &'static str); 9] = [
        (Self::NotFound, "not-found"),
        (Self::Changed, "changed"),
        (Self::Busy, "busy"),
        (Self::TooLarge, "too-large"),
        (Self::Io, "io"),
        (Self::Refused, "refused"),
        (Self::Cancelled, "cancelled"),
        (Self::Mismatch, "mismatch"),
        (Self::Unknown, "unknown"),
    ];

    /// The text on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(code, _)| *code == self).map_or("unknown", |(_, name)| name)
    }

    /// What a text on the wire means; [`Self::Unknown`] for those of a later version.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::NAMES.iter().find(|(_, n)| *n == name).map_or(Self::Unknown, |(code, _)| *code)
    }
}
