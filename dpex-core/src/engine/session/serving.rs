//! The server's half of a session: answers lists and gets out of a store, within fixed bounds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::event::{Closer, Event};
use super::link::{Draft, Fate, Piece, set_of};
use crate::engine::disk::{DiskReply, DiskRequest};
use crate::store::{Entry, ListQuery, Meta, Page, StoreError};
use crate::transfer::{Allowance, ControlSender, DEFAULT_BLOCK_LOG2, Geometry, Outgoing, Violation};
use crate::types::{Digest, RangeSet, SharePath};
use crate::wire::frame::{self, DATA_OVERHEAD};
use crate::wire::message::{FailCode, MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, Message, RequestId, Resume, entry_len};

/// Requests answered at once; more wait unread in the control stream (XFR-4).
const MAX_ACTIVE: usize = 1024;
/// Unacknowledged answers beyond which no further message is read (XFR-4).
const MAX_BACKLOG: usize = 256 * 1024;
/// Listings made at once. A page is in nobody's credit, so that many at once would be the memory of all of them.
const MAX_LISTINGS: usize = 8;
/// Files open at once.
const MAX_OPEN: usize = 64;
/// The smallest remainder of a packet worth a further DATA frame.
const MIN_PIECE: usize = 16;

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
    listings: usize,
    allowance: Allowance,
    memory: usize,
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
    Listing { query: ListQuery },
    Waiting { path: SharePath, resume: Option<Resume> },
    Opening { path: SharePath, resume: Option<Resume> },
    Sending(Box<Sending>),
}

#[derive(Debug)]
struct Sending {
    path: SharePath,
    meta: Meta,
    out: Outgoing,
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
            listings: 0,
            allowance: Allowance::default(),
            memory: 0,
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
        self.requests.len() < MAX_ACTIVE
            && self.unanswered < MAX_ACTIVE
            && self.listings < MAX_LISTINGS
            && control.backlog() <= MAX_BACKLOG
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.requests.is_empty()
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
            Message::List { id, path, after, limit, recursive } => {
                self.claim(id)?;
                let limit = usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, MAX_PAGE_ENTRIES);
                let query = ListQuery { path, after, limit, recursive };
                self.want(DiskRequest::List { id, query: query.clone() });
                self.listings += 1;
                self.requests.insert(id, Request::Listing { query });
            }
            Message::Get { id, path, resume } => {
                self.claim(id)?;
                self.requests.insert(id, Request::Waiting { path, resume });
                self.waiting.push_back(id);
                self.schedule();
            }
            Message::Got { id, root } => self.on_got(id, root)?,
            Message::Cancel { id } => self.on_cancel(id, FailCode::Cancelled, control)?,
            Message::Fail { id, code, .. } => self.on_cancel(id, code, control)?,
            Message::Unknown { id: Some(id) } => {
                self.claim(id)?;
                control.send(&fail(id, FailCode::Unknown, "message not understood", 0));
            }
            Message::Unknown { id: None } | Message::Notice { .. } => {}
            // MSG-7.
            Message::Page { .. } | Message::Offer { .. } | Message::Sums { .. } | Message::Done { .. } => {
                return Err(Violation("a server's message from a client"));
            }
        }
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
            Some(Request::Sending(s)) if s.done && s.out.root() == Some(root) => {
                self.events.push_back(Event::Delivered { id, path: s.path.clone(), size: s.meta.size, root });
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
            Some(Request::Listing { query }) => (query.path.clone(), 0),
            Some(Request::Waiting { path, .. } | Request::Opening { path, .. }) => (path.clone(), 0),
            Some(Request::Sending(s)) => (s.path.clone(), s.out.used()),
            None => return,
        };
        control.send(&fail(id, told, text, used));
        self.events.push_back(Event::Aborted { id, path, by, code });
        self.drop_request(id);
    }

    fn drop_request(&mut self, id: RequestId) {
        let request = self.requests.remove(&id);
        self.ready.remove(&id);
        match request {
            Some(Request::Sending(s)) => {
                self.memory -= s.out.memory();
                self.orphaned += s.out.reading();
                // Once it is done, it has been released.
                if !s.done {
                    self.release(id);
                }
            }
            Some(Request::Opening { .. }) => self.release(id),
            Some(Request::Waiting { .. } | Request::Listing { .. }) | None => {}
        }
        self.reading.retain(|&r| r != id);
        self.waiting.retain(|&r| r != id);
        self.schedule();
    }

    fn release(&mut self, id: RequestId) {
        self.open -= 1;
        self.wants.push_back(DiskRequest::Release { id });
    }

    /// Opens files and reads blocks as far as the bounds allow, in the order of the requests.
    fn schedule(&mut self) {
        while self.open < MAX_OPEN {
            let Some(id) = self.waiting.pop_front() else { break };
            let Some(request) = self.requests.get_mut(&id) else { continue };
            if let Request::Waiting { path, resume } = request {
                let (path, resume) = (path.clone(), resume.take());
                *request = Request::Opening { path: path.clone(), resume };
                self.open += 1;
                self.want(DiskRequest::Open { id, path });
            }
        }
        let mut ahead = self.ahead() + self.orphaned;
        while let Some(&id) = self.reading.front() {
            let Some(Request::Sending(s)) = self.requests.get_mut(&id) else {
                self.reading.pop_front();
                continue;
            };
            let Some(block) = s.out.peek_read() else {
                self.reading.pop_front();
                continue;
            };
            // One block is always allowed, so that no bound can be too small to move.
            let fits = ahead + block.len <= self.read_ahead && self.memory + block.len <= self.send_buffer;
            if !fits && (ahead > 0 || self.memory > 0) {
                break;
            }
            s.out.begin_read();
            ahead += block.len;
            self.memory += block.len;
            self.want(DiskRequest::Read { id, block });
        }
    }

    /// Bytes being read, or read and not yet opened. Only transfers in `reading` or `ready` can have any.
    fn ahead(&self) -> usize {
        let ids: BTreeSet<_> = self.reading.iter().chain(&self.ready).collect();
        let sending = ids.into_iter().filter_map(|id| match self.requests.get(id) {
            Some(Request::Sending(s)) => Some(s.out.ahead()),
            _ => None,
        });
        sending.sum()
    }

    pub(super) fn handle_disk(&mut self, reply: DiskReply, control: &mut ControlSender) {
        self.unanswered = self.unanswered.saturating_sub(1);
        match reply {
            DiskReply::Listed { id, result } => {
                self.listings -= 1;
                self.on_listed(id, result, control);
            }
            DiskReply::Opened { id, result } => self.on_opened(id, result, control),
            DiskReply::Read { id, block, result } => {
                let Some(Request::Sending(s)) = self.requests.get_mut(&id) else {
                    self.orphaned -= block.len;
                    return self.schedule();
                };
                match result {
                    Ok((bytes, value)) => {
                        let before = s.out.memory();
                        if s.out.on_read(&block, bytes, value) {
                            control.send(&Message::Sums { id, first: block.index, values: vec![value] });
                            self.ready.insert(id);
                        }
                        self.memory = self.memory + s.out.memory() - before;
                        self.finish_reading(id, control);
                    }
                    Err(e) => {
                        // Answered, so its bytes are not waited for any more when the request ends below.
                        s.out.on_read_failed(&block);
                        self.memory -= block.len;
                        self.on_store_error(id, &e, control);
                    }
                }
            }
            DiskReply::Ready { .. } | DiskReply::Written { .. } | DiskReply::Committed { .. } => {}
        }
        self.schedule();
    }

    fn on_store_error(&mut self, id: RequestId, error: &StoreError, control: &mut ControlSender) {
        let (code, text) = fail_code(error);
        self.fail(id, code, (Closer::Us, code), text, control);
    }

    fn on_listed(&mut self, id: RequestId, result: Result<Page, StoreError>, control: &mut ControlSender) {
        let Some(Request::Listing { query }) = self.requests.get_mut(&id) else { return };
        match result {
            Ok(Page { mut entries, mut more, skipped, named }) => {
                let fit = fitting(&entries);
                if fit < entries.len() && skipped > 0 {
                    // Only the store knows which of them stand behind the cut, and belong to the next page.
                    query.limit = fit;
                    let query = query.clone();
                    self.listings += 1;
                    return self.want(DiskRequest::List { id, query });
                }
                more |= fit < entries.len();
                entries.truncate(fit);
                let path = query.path.clone();
                self.events.push_back(Event::Listed { path, entries: entries.len(), skipped, named });
                control.send(&Message::Page { id, entries, more, skipped });
                self.requests.remove(&id);
            }
            Err(e) => self.on_store_error(id, &e, control),
        }
    }

    // XFR-1.
    fn on_opened(&mut self, id: RequestId, result: Result<Meta, StoreError>, control: &mut ControlSender) {
        let Some(Request::Opening { path, resume }) = self.requests.get_mut(&id) else { return };
        let meta = match result {
            Ok(meta) => meta,
            Err(e) => return self.on_store_error(id, &e, control),
        };
        let (path, resume) = (std::mem::take(path), resume.take());
        let geometry = Geometry::new(meta.size, DEFAULT_BLOCK_LOG2);
        let held = resume.filter(|r| r.version == meta.version).map_or_else(RangeSet::new, |r| set_of(&r.held));
        control.send(&Message::Offer { id, meta, block_log2: DEFAULT_BLOCK_LOG2 });
        self.events.push_back(Event::Started { id, path: path.clone(), size: meta.size });
        let out = Outgoing::new(geometry, held);
        self.requests.insert(id, Request::Sending(Box::new(Sending { path, meta, out, done: false })));
        self.reading.push_back(id);
        self.finish_reading(id, control);
    }

    /// Once every block is read, tells the root and lets the file go.
    fn finish_reading(&mut self, id: RequestId, control: &mut ControlSender) {
        let Some(Request::Sending(s)) = self.requests.get_mut(&id) else { return };
        let Some(root) = s.out.root().filter(|_| s.out.all_read() && !s.done) else { return };
        s.done = true;
        control.send(&Message::Done { id, root });
        self.release(id);
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
            let used = s.out.used();
            while draft.room() >= DATA_OVERHEAD + MIN_PIECE {
                let Some((offset, bytes)) = s.out.take(draft.room() - DATA_OVERHEAD, &mut self.allowance) else {
                    break;
                };
                let range: Range<u64> = offset..offset + bytes.len() as u64;
                frame::put_data(draft.out, id, offset, bytes);
                draft.note(Piece::Data { transfer: id, range });
            }
            opened |= s.out.used() > used;
            if !s.out.has_unsent() {
                idle.push(id);
            }
            if draft.room() < DATA_OVERHEAD + MIN_PIECE {
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

/// How many of these entries a page can hold, by their length; at least one.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        bytes += entry_len(entry);
        bytes <= MAX_PAGE_BYTES
    });
    fit.count().max(1)
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
