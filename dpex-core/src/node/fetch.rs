//! What is heard of files being fetched: of one, or of many in one place.

use tokio::sync::mpsc;

use super::client::{Client, Target};
use crate::engine::Failure;
use crate::store::Meta;
use crate::types::{Digest, SharePath};

/// What happens to a fetched file. [`Self::Finished`] or [`Self::Failed`] is the last.
#[derive(Debug)]
pub enum FetchEvent {
    /// The server has begun to send it.
    Offered {
        /// What it says of the file.
        meta: Meta,
        /// Bytes of it that are here already. 0 if what was held is of another version: the file starts over.
        held: u64,
    },
    /// So many bytes of it are verified and written.
    Progress(u64),
    /// It is verified and published.
    Finished {
        /// The name it was published under.
        path: SharePath,
        /// Its BLAKE3 hash.
        root: Digest,
        /// Bytes.
        size: u64,
    },
    /// It failed.
    Failed(Failure),
}

impl FetchEvent {
    fn is_last(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed(_))
    }
}

/// A file being fetched. Dropping it gives the file up.
#[derive(Debug)]
pub struct Fetch {
    events: mpsc::UnboundedReceiver<(u64, FetchEvent)>,
    is_over: bool,
}

impl Fetch {
    pub(super) fn new() -> (Listener, Self) {
        let (sender, events) = mpsc::unbounded_channel();
        (Listener { sender, number: 0, is_over: false }, Self { events, is_over: false })
    }

    /// The next thing that happens; `None` after the last, which is always [`FetchEvent::Finished`] or
    /// [`FetchEvent::Failed`].
    pub async fn next(&mut self) -> Option<FetchEvent> {
        if self.is_over {
            return None;
        }
        let (_, event) = self.events.recv().await?;
        self.is_over = event.is_last();
        Some(event)
    }
}

/// Any number of files being fetched, over any connections. Dropping it gives up those that are under way.
///
/// Many small files cost less this way: whoever listens is woken for all that have happened, and not for each.
#[derive(Debug)]
pub struct Fetches {
    sender: mpsc::UnboundedSender<(u64, FetchEvent)>,
    events: mpsc::UnboundedReceiver<(u64, FetchEvent)>,
}

impl Default for Fetches {
    fn default() -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self { sender, events }
    }
}

impl Fetches {
    /// Begins to fetch a file, which is called by this number when something is heard of it.
    pub fn begin(&self, client: &Client, number: u64, path: SharePath, target: Target) {
        client.get(path, target, Listener { sender: self.sender.clone(), number, is_over: false });
    }

    /// The next thing that happens to one of them. Waits for ever if none is under way; may be cancelled at will.
    pub async fn next(&mut self) -> (u64, FetchEvent) {
        match self.events.recv().await {
            Some(event) => event,
            // There is a sender: it is here.
            None => std::future::pending().await,
        }
    }

    /// What has happened already.
    pub fn try_next(&mut self) -> Option<(u64, FetchEvent)> {
        self.events.try_recv().ok()
    }
}

/// Where a session tells what happens to a file.
#[derive(Debug)]
pub(super) struct Listener {
    sender: mpsc::UnboundedSender<(u64, FetchEvent)>,
    number: u64,
    is_over: bool,
}

impl Listener {
    /// False if nobody listens any more.
    pub(super) fn tell(&mut self, event: FetchEvent) -> bool {
        self.is_over |= event.is_last();
        self.sender.send((self.number, event)).is_ok()
    }
}

impl Drop for Listener {
    /// However the session ended, and even if it never took the request up: nobody will say more.
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(FetchEvent::Failed(Failure::Disconnected));
        }
    }
}
