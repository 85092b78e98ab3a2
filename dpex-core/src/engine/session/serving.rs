//! The server's half of a session: answers lists and gets out of a store, within fixed bounds.

mod reading;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::draft::{Draft, Fate, Piece};
use super::event::{Closer, Event};
use super::listings::{Listing, Listings};
use crate::engine::disk::DiskRequest;
use crate::store::{ListQuery, Meta, StoreError};
use crate::transfer::{Allowance, ControlSender, Outgoing, Portion, Violation};
use crate::types::{Digest, SharePath};
use crate::wire::frame::{self, SCRAP, ZEROS_LEN};
use crate::wire::message::{FailCode, Message, RequestId, Resume};

/// Requests answered at once; more wait unread in the control stream (XFR-4).
const MAX_ACTIVE: usize = 4096;
/// Bytes of unacknowledged answers beyond which no further message is read (XFR-4).
const MAX_BACKLOG: usize = 2 * 1024 * 1024;
// What is worth a DATA frame has room for a ZEROS frame, too.
const _: () = assert!(ZEROS_LEN <= SCRAP);

/// A file that is being sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// Which.
    pub path: &'a SharePath,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of the blocks that were begun, without those that the client had.
    pub begun: u64,
}

#[derive(Debug)]
pub(super) struct Serving {
    requests: BTreeMap<RequestId, Request>,
    /// Every request so far had a lower number.
    next_id: RequestId,
    /// Gets that wait for a free place among the open files, in order.
    waiting: VecDeque<RequestId>,
    /// Open transfers with blocks still to be read, in order.
    reading: VecDeque<RequestId>,
    /// Transfers that may have something to send.
    ready: BTreeSet<RequestId>,
    open: usize,
    listings: Listings,
    allowance: Allowance,
    memory: usize,
    /// Of those, bytes of blocks being read, or read and not yet opened.
    ahead: usize,
    /// Disk requests not yet answered, and of those the bytes of reads whose transfer has ended.
    unanswered: usize,
    orphaned: usize,
    send_buffer: usize,
    read_ahead: usize,
    pub(super) wants: VecDeque<DiskRequest>,
    pub(super) events: VecDeque<Event>,
}

#[derive(Debug)]
enum Request {
    Listing(Listing),
    Waiting { path: SharePath, want: Want },
    Opening { path: SharePath, want: Want },
    Sending(Box<Transfer>),
}

/// What a client wants of a file.
#[derive(Debug)]
enum Want {
    /// Its content, without what it has already.
    Content(Option<Resume>),
    /// Its hash alone.
    Hash,
}

#[derive(Debug)]
struct Transfer {
    path: SharePath,
    meta: Meta,
    out: Outgoing,
    /// Only its hash was asked for.
    hash_only: bool,
    done: bool,
}

impl Serving {
    pub(super) fn new(send_buffer: usize, read_ahead: usize) -> Self {
        Self {
            requests: BTreeMap::new(),
            next_id: 0,
            waiting: VecDeque::new(),
            reading: VecDeque::new(),
            ready: BTreeSet::new(),
            open: 0,
            listings: Listings::default(),
            allowance: Allowance::default(),
            memory: 0,
            ahead: 0,
            unanswered: 0,
            orphaned: 0,
            send_buffer,
            read_ahead,
            wants: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// May another message be read?
    pub(super) fn has_room(&self, control: &ControlSender) -> bool {
        self.requests.len() < MAX_ACTIVE && self.unanswered < MAX_ACTIVE && control.backlog() <= MAX_BACKLOG
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(super) fn sending(&self) -> impl Iterator<Item = Sending<'_>> {
        self.requests.values().filter_map(|request| match request {
            Request::Sending(s) if !s.hash_only => {
                Some(Sending { path: &s.path, size: s.meta.size, begun: s.out.used() })
            }
            _ => None,
        })
    }

    /// Bytes of file content held or being read.
    pub(super) fn memory(&self) -> u64 {
        (self.memory + self.orphaned) as u64
    }

    /// Asks for disk work that will be answered.
    fn want(&mut self, request: DiskRequest) {
        self.unanswered += 1;
        self.wants.push_back(request);
    }

    pub(super) fn raise_credit(&mut self, limit: u64) {
        self.allowance.raise(limit);
    }

    pub(super) fn handle_message(&mut self, message: Message, control: &mut ControlSender) -> Result<(), Violation> {
        match message {
            Message::List { id, path, after, limit, recursive, pages } => {
                self.claim(id)?;
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let listing = Listing::new(ListQuery { path, after, limit, recursive }, pages);
                self.requests.insert(id, Request::Listing(listing));
                self.listings.wait(id);
                self.list_on(control);
            }
            Message::Get { id, path, resume } => self.wait(id, path, Want::Content(resume))?,
            Message::Hash { id, path } => self.wait(id, path, Want::Hash)?,
            Message::Got { id, root } => self.on_got(id, root)?,
            Message::Cancel { id } => self.on_cancel(id, FailCode::Cancelled, control)?,
            Message::Fail { id, code, .. } => self.on_cancel(id, code, control)?,
            Message::Unknown { id: Some(id) } => {
                self.claim(id)?;
                control.send(&fail(id, FailCode::Unknown, "message not understood", 0));
            }
            Message::Unknown { id: None } | Message::Notice { .. } => {}
            // MSG-7.
            Message::Page { .. }
            | Message::Offer { .. }
            | Message::Sums { .. }
            | Message::Done { .. }
            | Message::Endpoints { .. }
            | Message::Renew { .. }
            | Message::Hashed { .. } => {
                return Err(Violation("a server's message from a client"));
            }
        }
        Ok(())
    }

    fn wait(&mut self, id: RequestId, path: SharePath, want: Want) -> Result<(), Violation> {
        self.claim(id)?;
        self.requests.insert(id, Request::Waiting { path, want });
        self.waiting.push_back(id);
        self.schedule();
        Ok(())
    }

    /// A new request's number must be above all before it (XFR-3).
    fn claim(&mut self, id: RequestId) -> Result<(), Violation> {
        if id < self.next_id {
            return Err(Violation("request number used twice"));
        }
        self.next_id = id + 1;
        Ok(())
    }

    // MSG-9, XFR-6.
    fn on_got(&mut self, id: RequestId, root: Digest) -> Result<(), Violation> {
        match self.requests.get(&id) {
            Some(Request::Sending(s)) if s.done && !s.hash_only && s.out.root() == Some(root) => {
                let (path, size, sent) = (s.path.clone(), s.meta.size, s.out.used());
                self.events.push_back(Event::Delivered { id, path, size, root, sent });
                self.drop_request(id);
                Ok(())
            }
            _ => Err(Violation("receipt for a file that was not sent")),
        }
    }

    // MSG-8, XFR-7.
    fn on_cancel(&mut self, id: RequestId, code: FailCode, control: &mut ControlSender) -> Result<(), Violation> {
        if id >= self.next_id {
            return Err(Violation("cancelling a request that was never made"));
        }
        if self.requests.contains_key(&id) {
            self.fail(id, FailCode::Cancelled, (Closer::Peer, code), "", control);
        }
        Ok(())
    }

    /// Ends a request: tells the client `told`, and the owner who ended it and why.
    fn fail(
        &mut self,
        id: RequestId,
        told: FailCode,
        (by, code): (Closer, FailCode),
        text: &str,
        control: &mut ControlSender,
    ) {
        let (path, used) = match self.requests.get(&id) {
            Some(Request::Listing(listing)) => (listing.query.path.clone(), 0),
            Some(Request::Waiting { path, .. } | Request::Opening { path, .. }) => (path.clone(), 0),
            Some(Request::Sending(s)) => (s.path.clone(), s.out.used()),
            None => return,
        };
        control.send(&fail(id, told, text, used));
        self.events.push_back(Event::Aborted { id, path, by, code, sent: used });
        self.drop_request(id);
    }

    fn drop_request(&mut self, id: RequestId) {
        let request = self.requests.remove(&id);
        self.ready.remove(&id);
        match request {
            Some(Request::Sending(s)) => {
                self.memory -= s.out.memory();
                self.ahead -= s.out.ahead();
                self.orphaned += s.out.reading();
                // Once it is done, it has been released.
                if !s.done {
                    self.release(id);
                }
            }
            Some(Request::Opening { .. }) => self.release(id),
            Some(Request::Listing(_)) => {
                self.listings.drop_request(id);
                self.wants.push_back(DiskRequest::Release { id });
            }
            Some(Request::Waiting { .. }) | None => {}
        }
        // Numbers are never used again, so those left in `waiting` and `reading` are passed over when their turn comes.
        self.schedule();
    }

    fn release(&mut self, id: RequestId) {
        self.open -= 1;
        self.wants.push_back(DiskRequest::Release { id });
    }

    pub(super) fn settle(&mut self, piece: Piece, fate: Fate) {
        let Piece::Data { transfer, range } = piece else { return };
        let Some(Request::Sending(s)) = self.requests.get_mut(&transfer) else { return };
        match fate {
            Fate::Arrived => {
                let before = s.out.memory();
                s.out.on_acked(range);
                let freed = before - s.out.memory();
                self.memory -= freed;
                if freed > 0 {
                    self.schedule();
                }
            }
            Fate::Lost => {
                s.out.on_lost(range);
                self.ready.insert(transfer);
            }
        }
    }

    /// Might [`Self::fill`] write anything?
    pub(super) fn has_data(&self) -> bool {
        self.ready.iter().any(|id| match self.requests.get(id) {
            Some(Request::Sending(s)) => s.out.can_send(&self.allowance),
            _ => false,
        })
    }

    /// Writes DATA frames into a packet, first requests first.
    pub(super) fn fill(&mut self, draft: &mut Draft<'_>) {
        let mut opened = false;
        let mut idle = Vec::new();
        for &id in &self.ready {
            let Some(Request::Sending(s)) = self.requests.get_mut(&id) else { continue };
            let before = s.out.ahead();
            while let Some(offset) = s.out.next_offset().filter(|_| draft.room() >= SCRAP) {
                let most = draft.room() - frame::data_overhead(id, offset);
                let Some(portion) = s.out.take(most, &mut self.allowance) else { break };
                match &portion {
                    Portion::Bytes(offset, bytes) => frame::put_data(draft.out, id, *offset, bytes),
                    Portion::Zeros(range) => frame::put_zeros(draft.out, id, range.start, range.end - range.start),
                }
                draft.note(Piece::Data { transfer: id, range: portion.range() });
            }
            let newly = before - s.out.ahead();
            self.ahead -= newly;
            opened |= newly > 0;
            if !s.out.has_unsent() {
                idle.push(id);
            }
            if draft.room() < SCRAP {
                break;
            }
        }
        for id in idle {
            self.ready.remove(&id);
        }
        if opened {
            self.schedule();
        }
    }
}

fn fail(id: RequestId, code: FailCode, text: &str, used: u64) -> Message {
    Message::Fail { id, code, text: text.to_owned(), used }
}

/// What a client is told of a store's error: never a system's text.
fn fail_code(error: &StoreError) -> (FailCode, &'static str) {
    match error {
        StoreError::NotFound => (FailCode::NotFound, "no such file"),
        StoreError::Changed => (FailCode::Changed, "the file changed while it was read"),
        _ => (FailCode::Io, "the server's disk failed"),
    }
}
