//! What a server needs of whoever runs it, and what it tells them.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{CloseReason, Closer, Counters, Rejection};
use crate::enrol::Endpoint;
use crate::node::values::{BlockValues, Forgetful};
use crate::store::{FileStore, Skipped};
use crate::types::{Digest, EnrolmentId, Secret, SharePath, Timestamp};
use crate::wire::message::{FailCode, RequestId};

/// What a server needs from whoever runs it: the shelves, a memory for stamps, and a log.
#[async_trait]
pub trait Host: Send + Sync {
    /// What this person is offered.
    fn shelf(&self, person: EnrolmentId) -> Arc<dyn FileStore>;

    /// What is remembered of files that were read.
    fn values(&self) -> Arc<dyn BlockValues> {
        Arc::new(Forgetful)
    }

    /// Where clients find this server from now on, best first. They are told when they connect. None: where they were told.
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    /// Remembers the last accepted stamp across restarts. Losing one costs a signature for a captured INIT, no more.
    async fn keep_stamp(&self, person: EnrolmentId, stamp: Timestamp);

    /// A client has come with these secrets, which were renewed: with the pre-shared key that waited for its first use, and
    /// through the new gate while the former one is open. What they replace need not be kept any more, if these are still
    /// the ones that replace it.
    async fn keep_renewed(&self, person: EnrolmentId, psk: Option<Secret>, knock: Option<Secret>) {
        let _ = (person, psk, knock);
    }

    /// Something worth a line in the log. Must not block.
    fn record(&self, record: Record);
}

/// Which session something happened in.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Whose.
    pub person: EnrolmentId,
    /// Its name in logs.
    pub session: [u8; 8],
    /// Where the person is.
    pub peer: SocketAddr,
}

/// Something that happened on a server.
#[derive(Clone, Debug)]
pub enum Record {
    /// What came in the last minute that nobody is told of one by one. At most once a minute, and only if there was any.
    Noise(Counters),
    /// An INIT under a valid pre-shared key was dropped. A host that keeps a log must bound how many lines these can
    /// make: whoever recorded one INIT can repeat it.
    Rejected {
        /// Whose key it was.
        person: EnrolmentId,
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        why: Rejection,
    },
    /// A client proved its keys.
    Opened(SessionInfo),
    /// A client has moved to another address.
    Moved {
        /// Which session; it says where the client is now.
        session: SessionInfo,
        /// Where it was.
        from: SocketAddr,
    },
    /// A listing was answered.
    Listed {
        /// In which session.
        session: SessionInfo,
        /// What was listed.
        path: SharePath,
        /// Entries sent.
        entries: usize,
        /// How many were left out, because they cannot be offered.
        skipped: u64,
        /// The first of those, at most [`MAX_NAMED`](crate::store::MAX_NAMED) of each reason.
        named: Vec<Skipped>,
    },
    /// A file is being sent.
    Started {
        /// In which session.
        session: SessionInfo,
        /// The request.
        id: RequestId,
        /// Which file.
        path: SharePath,
        /// Bytes.
        size: u64,
    },
    /// The client verified and committed a file.
    Delivered {
        /// In which session.
        session: SessionInfo,
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
    /// A request ended otherwise.
    Aborted {
        /// In which session.
        session: SessionInfo,
        /// The request.
        id: RequestId,
        /// Which file or folder.
        path: SharePath,
        /// Who ended it: this side, or the client.
        by: Closer,
        /// Why.
        code: FailCode,
        /// Bytes of the blocks that were begun until then.
        sent: u64,
    },
    /// A session ended.
    Closed {
        /// Which.
        session: SessionInfo,
        /// Why.
        reason: CloseReason,
    },
}
