//! The client's half of a session: asks for listings and files, and takes what comes, within what it granted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::draft::{Draft, Piece};
use super::event::{Event, Failure};
use crate::engine::disk::{DiskReply, DiskRequest, Useless, WriteError};
use crate::enrol::{Endpoint, EndpointError};
use crate::store::{Held, ListQuery, Meta, Page, StoreError};
use crate::transfer::{Accepted, Block, ControlSender, Geometry, Grants, Incoming, Outcome, Violation};
use crate::types::{Buffers, Digest, SharePath};
use crate::wire::frame;
use crate::wire::message::{FailCode, MAX_PAGE_ENTRIES, Message, RequestId};

/// Requests outstanding at once; more wait here (XFR-5).
const MAX_OUTSTANDING: usize = 4000;
/// Buffers of blocks kept for the next ones.
const IDLE_BUFFERS: usize = 8;
/// Pieces kept that came before their offer (XFR-11).
const MAX_EARLY: usize = 4096;
/// Block values kept whose blocks are not complete (SUM-7).
const MAX_PENDING_VALUES: usize = 4096;
/// Blocks of a file written ahead of a missing one. What a window holds is far less.
const MAX_SCATTERED: usize = 4096;

#[derive(Debug)]
pub(super) struct Fetching {
    next_id: RequestId,
    /// Every request sent so far has a lower number.
    unasked: RequestId,
    /// Asked for and not yet sent.
    queue: VecDeque<Message>,
    requests: BTreeMap<RequestId, Request>,
    /// What is here already of files whose offer has not come.
    held: BTreeMap<RequestId, Held>,
    grants: Grants,
    /// For the blocks of all files.
    buffers: Buffers,
    early_pieces: usize,
    early_bytes: u64,
    pending_values: usize,
    max_data_due: bool,
    pub(super) wants: VecDeque<DiskRequest>,
    pub(super) events: VecDeque<Event>,
}

#[derive(Debug)]
enum Request {
    Listing {
        /// What must be on the next page.
        query: ListQuery,
        /// How many pages may still come.
        pages: u64,
    },
    Hashing,
    /// Asked for; its offer has not come. Pieces that overtook it wait here.
    Asked {
        early: Vec<(u64, Early)>,
    },
    Receiving(Box<Receiving>),
    /// Given up by this side; the server's `fail` is awaited, which settles the credit.
    Ending(Ending),
}

/// What is left of a request that was given up.
#[derive(Debug, Default)]
struct Ending {
    size: u64,
    opened: u64,
    /// Of those, what is written, and what the disk still holds.
    written: u64,
    writing: u64,
    /// How many pages of a listing may still come.
    pages: u64,
}

/// A piece that came before the offer.
#[derive(Debug)]
enum Early {
    Bytes(Bytes),
    Zeros(u64),
}

impl Early {
    /// What it takes of memory, in bytes.
    fn weight(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(_) => 0,
        }
    }
}

#[derive(Debug)]
struct Receiving {
    meta: Meta,
    incoming: Incoming,
    stage: Stage,
}

/// How a file is brought to the disk.
#[derive(Debug)]
enum Stage {
    /// A file of at most one block, of which nothing is on the disk before all of it is here.
    Whole,
    /// The disk was told to begin a part.
    Beginning,
    /// The part takes blocks.
    Writing,
    /// Everything is verified; the disk publishes the file of this hash.
    Publishing(Digest),
}

impl Fetching {
    pub(super) fn new(window: u64, max_window: u64) -> Self {
        Self {
            next_id: 0,
            unasked: 0,
            queue: VecDeque::new(),
            requests: BTreeMap::new(),
            held: BTreeMap::new(),
            grants: Grants::new(window, max_window),
            buffers: Buffers::keeping(IDLE_BUFFERS),
            early_pieces: 0,
            early_bytes: 0,
            pending_values: 0,
            // CRD-4.
            max_data_due: true,
            wants: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) fn list(&mut self, query: ListQuery, pages: u64, control: &mut ControlSender) -> RequestId {
        let ListQuery { path, after, limit, recursive } = query;
        let limit = limit.min(MAX_PAGE_ENTRIES) as u64;
        self.ask(control, |id| Message::List { id, path, after, limit, recursive, pages: pages.max(1) })
    }

    pub(super) fn get(&mut self, path: SharePath, held: Option<Held>, control: &mut ControlSender) -> RequestId {
        let (held, resume) = held.and_then(Held::trimmed).unzip();
        self.held.extend(held.map(|held| (self.next_id, held)));
        self.ask(control, |id| Message::Get { id, path, resume })
    }

    pub(super) fn hash(&mut self, path: SharePath, control: &mut ControlSender) -> RequestId {
        self.ask(control, |id| Message::Hash { id, path })
    }

    fn ask(&mut self, control: &mut ControlSender, message: impl FnOnce(RequestId) -> Message) -> RequestId {
        let id = self.next_id;
        self.next_id += 1;
        self.queue.push_back(message(id));
        self.pump(control);
        id
    }

    /// Sends what may be outstanding.
    fn pump(&mut self, control: &mut ControlSender) {
        while self.requests.len() < MAX_OUTSTANDING {
            let Some(message) = self.queue.pop_front() else { return };
            let (id, request) = match &message {
                Message::List { id, path, after, limit, recursive, pages } => {
                    let limit = usize::try_from(*limit).unwrap_or(MAX_PAGE_ENTRIES);
                    let query = ListQuery { path: path.clone(), after: after.clone(), limit, recursive: *recursive };
                    (*id, Request::Listing { query, pages: *pages })
                }
                Message::Get { id, .. } => (*id, Request::Asked { early: Vec::new() }),
                Message::Hash { id, .. } => (*id, Request::Hashing),
                _ => continue,
            };
            control.send(&message);
            self.unasked = id + 1;
            self.requests.insert(id, request);
        }
    }

    pub(super) fn cancel(&mut self, id: RequestId, control: &mut ControlSender) {
        if let Some(at) = self.queue.iter().position(|message| queued_id(message) == Some(id)) {
            self.queue.remove(at);
            self.held.remove(&id);
            self.events.push_back(Event::Failed { id, why: Failure::Cancelled });
            return;
        }
        self.give_up(id, FailCode::Cancelled, Failure::Cancelled, control);
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.requests.is_empty() || !self.queue.is_empty()
    }

    /// Bytes of file content held at most.
    pub(super) fn memory(&self) -> u64 {
        self.grants.buffered() + self.early_bytes
    }

    /// Ends a request on this side and tells the server, whose `fail` then settles the credit.
    fn give_up(&mut self, id: RequestId, code: FailCode, why: Failure, control: &mut ControlSender) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let ending = match request {
            Request::Ending(_) => return,
            Request::Listing { pages, .. } => Ending { pages: *pages, ..Ending::default() },
            Request::Hashing | Request::Asked { .. } => Ending::default(),
            Request::Receiving(r) => Ending {
                size: r.meta.size,
                opened: r.incoming.opened(),
                written: r.incoming.written(),
                writing: r.incoming.writing(),
                pages: 0,
            },
        };
        let before = std::mem::replace(request, Request::Ending(ending));
        self.forget(id, before, &why);
        control.send(&match code {
            FailCode::Cancelled => Message::Cancel { id },
            code => Message::Fail { id, code, text: String::new(), used: 0 },
        });
        self.events.push_back(Event::Failed { id, why });
    }

    /// Lets go of what a request held. What has arrived is kept for a later run, unless it is wrong or out of date.
    fn forget(&mut self, id: RequestId, request: Request, why: &Failure) {
        match request {
            Request::Asked { early } => {
                self.held.remove(&id);
                self.early_pieces -= early.len();
                self.early_bytes -= early.iter().map(|(_, piece)| piece.weight()).sum::<u64>();
            }
            Request::Receiving(r) => {
                self.pending_values -= r.incoming.pending_values();
                self.wants.push_back(match useless(why) {
                    Some(why) => DiskRequest::Discard { id, why },
                    None => DiskRequest::Release { id },
                });
            }
            Request::Listing { .. } | Request::Hashing | Request::Ending(_) => {}
        }
    }

    /// Every request ends with the session.
    pub(super) fn abandon(&mut self) {
        let queued: Vec<_> = std::mem::take(&mut self.queue).iter().filter_map(queued_id).collect();
        for (id, request) in std::mem::take(&mut self.requests) {
            let told = matches!(request, Request::Ending(_));
            self.forget(id, request, &Failure::Disconnected);
            if !told {
                self.events.push_back(Event::Failed { id, why: Failure::Disconnected });
            }
        }
        self.events.extend(queued.into_iter().map(|id| Event::Failed { id, why: Failure::Disconnected }));
    }

    pub(super) fn handle_data(
        &mut self,
        id: RequestId,
        offset: u64,
        bytes: &[u8],
        control: &mut ControlSender,
    ) -> Result<Accepted, Violation> {
        let len = bytes.len() as u64;
        self.handle_piece(
            id,
            len,
            control,
            |incoming, grants| incoming.accept(offset, bytes, grants),
            || (offset, Early::Bytes(Bytes::copy_from_slice(bytes))),
        )
    }

    // XFR-13.
    pub(super) fn handle_zeros(
        &mut self,
        id: RequestId,
        offset: u64,
        len: u64,
        control: &mut ControlSender,
    ) -> Result<Accepted, Violation> {
        self.handle_piece(
            id,
            0,
            control,
            |incoming, grants| incoming.accept_zeros(offset, len, grants),
            || (offset, Early::Zeros(len)),
        )
    }

    /// A piece of a file that takes `weight` bytes to keep: `accept`ed, or `kept` until its offer comes.
    // XFR-10.
    fn handle_piece(
        &mut self,
        id: RequestId,
        weight: u64,
        control: &mut ControlSender,
        accept: impl FnOnce(&mut Incoming, &mut Grants) -> Result<Accepted, Violation>,
        kept: impl FnOnce() -> (u64, Early),
    ) -> Result<Accepted, Violation> {
        if id >= self.unasked {
            return Err(Violation("data that was never asked for"));
        }
        match self.requests.get_mut(&id) {
            Some(Request::Receiving(r)) => {
                let accepted = accept(&mut r.incoming, &mut self.grants)?;
                self.write_complete(id, control);
                Ok(accepted)
            }
            Some(Request::Asked { early }) => {
                if self.early_pieces >= MAX_EARLY || self.early_bytes + weight > self.grants.window() {
                    return Ok(Accepted::No);
                }
                self.early_pieces += 1;
                self.early_bytes += weight;
                early.push(kept());
                Ok(Accepted::Yes)
            }
            Some(Request::Listing { .. } | Request::Hashing) => Err(Violation("data for a request of none")),
            Some(Request::Ending(_)) | None => Ok(Accepted::Yes),
        }
    }

    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        rtt: Duration,
        message: Message,
        control: &mut ControlSender,
    ) -> Result<(), Violation> {
        match message {
            Message::Page { id, entries, more, skipped } => {
                self.on_page(id, Page { entries, more, skipped, named: Vec::new() })?;
            }
            Message::Offer { id, meta, block_log2 } => self.on_offer(id, meta, block_log2, control)?,
            Message::Sums { id, first, values } => {
                let Some(Request::Receiving(r)) = self.requests.get_mut(&id) else { return self.unexpected(id) };
                r.incoming.sums(first, &values)?;
                self.pending_values += values.len();
                self.write_complete(id, control);
                if self.pending_values > MAX_PENDING_VALUES {
                    return Err(Violation("too many block values ahead of their blocks"));
                }
            }
            Message::Done { id, root } => {
                let Some(Request::Receiving(r)) = self.requests.get_mut(&id) else { return self.unexpected(id) };
                r.incoming.done(root)?;
                self.conclude(id, control);
            }
            Message::Hashed { id, meta, root } => {
                match self.requests.get(&id) {
                    Some(Request::Hashing) => self.events.push_back(Event::Hashed { id, meta, root }),
                    // A hash also answers a request that was given up: nothing else will.
                    Some(Request::Ending(Ending { opened: 0, .. })) => {}
                    _ => return Err(Violation("a hash that was not asked for")),
                }
                self.requests.remove(&id);
            }
            Message::Fail { id, code, text, used } => self.on_fail(now, rtt, id, code, text, used)?,
            Message::Endpoints { places } => {
                // ENR-17, before anything is looked up.
                let read = places.into_iter().map(|(host, port)| Endpoint::new(host.parse()?, port));
                let read: Result<Vec<Endpoint>, EndpointError> = read.collect();
                self.events.push_back(Event::Endpoints(read.map_err(|_| Violation("a place that is none"))?));
            }
            Message::Notice { text } => self.events.push_back(Event::Notice(text)),
            Message::Unknown { id: Some(id) } => {
                let why = Failure::Refused { code: FailCode::Unknown, text: "message not understood".into() };
                self.give_up(id, FailCode::Unknown, why, control);
            }
            // The session has taken secrets before they come here.
            Message::Unknown { id: None } | Message::Renew { .. } => {}
            Message::List { .. }
            | Message::Get { .. }
            | Message::Hash { .. }
            | Message::Got { .. }
            | Message::Cancel { .. } => {
                return Err(Violation("a client's message from a server"));
            }
        }
        self.pump(control);
        Ok(())
    }

    fn take_if(&mut self, id: RequestId, test: impl FnOnce(&Request) -> bool) -> Option<Request> {
        let found = self.requests.get(&id).is_some_and(test);
        found.then(|| self.requests.remove(&id)).flatten()
    }

    /// A message that fits no request: harmless while the server may not know that the request was given up
    /// (MSG-8, MSG-9).
    fn unexpected(&self, id: RequestId) -> Result<(), Violation> {
        match self.requests.get(&id) {
            Some(Request::Ending(_)) => Ok(()),
            _ => Err(Violation("an answer that fits no request")),
        }
    }

    /// The last page also answers a listing that was given up: nothing else will.
    fn on_page(&mut self, id: RequestId, page: Page) -> Result<(), Violation> {
        let last = page.entries.last().filter(|_| page.more).map(|last| last.path.clone());
        let is_last = match self.requests.get_mut(&id) {
            Some(Request::Listing { query, pages }) => {
                if !page.answers(query) {
                    return Err(Violation("a page with entries that were not asked for"));
                }
                *pages -= 1;
                let is_last = last.is_none() || *pages == 0;
                query.after = last;
                self.events.push_back(Event::Page { id, page, is_last });
                is_last
            }
            Some(Request::Ending(Ending { opened: 0, pages, .. })) => {
                *pages = pages.saturating_sub(1);
                last.is_none() || *pages == 0
            }
            _ => return Err(Violation("a page that was not asked for")),
        };
        if is_last {
            self.requests.remove(&id);
        }
        Ok(())
    }

    fn on_offer(
        &mut self,
        id: RequestId,
        meta: Meta,
        block_log2: u8,
        control: &mut ControlSender,
    ) -> Result<(), Violation> {
        if let Some(Request::Ending(Ending { size, .. })) = self.requests.get_mut(&id) {
            *size = meta.size;
            return Ok(());
        }
        let Some(Request::Asked { early }) = self.take_if(id, |r| matches!(r, Request::Asked { .. })) else {
            return self.unexpected(id);
        };
        self.early_pieces -= early.len();
        self.early_bytes -= early.iter().map(|(_, piece)| piece.weight()).sum::<u64>();
        // Another version than the one that is here means to start over.
        let held = self.held.remove(&id).filter(|held| held.version == meta.version);
        let is_cut_otherwise = held.as_ref().is_some_and(|held| held.block_log2 != block_log2);
        let geometry = Geometry::new(meta.size, block_log2);
        let resumed = held.is_some();
        let mut incoming = Incoming::new(geometry, self.buffers.clone());
        for (index, value) in held.into_iter().flat_map(|held| held.inside(geometry)) {
            incoming.hold(index, value);
        }
        // Acknowledged long ago, so a refusal cannot ask for it again; it was contiguous enough to be accepted, or the
        // sender scattered crumbs and fails its own transfer.
        let mut early = early.iter();
        let grants = &mut self.grants;
        let accepted = early.try_for_each(|(at, piece)| match piece {
            Early::Bytes(bytes) => incoming.accept(*at, bytes, grants).map(drop),
            Early::Zeros(len) => incoming.accept_zeros(*at, *len, grants).map(drop),
        });
        let held = incoming.held();
        let is_whole = geometry.blocks() <= 1 && !resumed;
        let stage = if is_whole { Stage::Whole } else { Stage::Beginning };
        self.requests.insert(id, Request::Receiving(Box::new(Receiving { meta, incoming, stage })));
        accepted?;
        if !is_whole {
            self.wants.push_back(DiskRequest::Receive { id, meta, block_log2, resumed });
        }
        self.events.push_back(Event::Offered { id, meta, held });
        // A window smaller than a block would never let it through (CRD-7).
        let block = geometry.block(0).map_or(0, |block| block.len as u64);
        match self.grants.widen(block) {
            Some(news) => self.max_data_due |= news,
            None => self.give_up(id, FailCode::TooLarge, Failure::TooLarge, control),
        }
        if is_cut_otherwise {
            // XFR-2.
            self.give_up(id, FailCode::Mismatch, Failure::Mismatch, control);
        }
        self.write_complete(id, control);
        Ok(())
    }

    // CRD-6.
    fn on_fail(
        &mut self,
        now: Instant,
        rtt: Duration,
        id: RequestId,
        code: FailCode,
        text: String,
        used: u64,
    ) -> Result<(), Violation> {
        let Some(request) = self.requests.get(&id) else { return self.unexpected(id) };
        // What the disk still holds is released when it is written.
        let (size, opened, settled, told) = match request {
            Request::Listing { .. } | Request::Hashing | Request::Asked { .. } => (0, 0, 0, false),
            Request::Receiving(r) if r.incoming.is_done() => {
                return Err(Violation("a transfer failed after it was done"));
            }
            Request::Receiving(r) => {
                let Receiving { meta, incoming, .. } = &**r;
                (meta.size, incoming.opened(), incoming.written() + incoming.writing(), false)
            }
            Request::Ending(Ending { size, opened, written, writing, .. }) => (*size, *opened, written + writing, true),
        };
        if used < opened || used > size {
            return Err(Violation("credit accounts differ"));
        }
        self.grants.open(used - opened)?;
        self.max_data_due |= self.grants.release(now, used - settled, rtt);
        let why = Failure::Refused { code, text };
        if let Some(request) = self.requests.remove(&id) {
            self.forget(id, request, &why);
        }
        if !told {
            self.events.push_back(Event::Failed { id, why });
        }
        Ok(())
    }

    /// Hands complete blocks to the disk.
    fn write_complete(&mut self, id: RequestId, control: &mut ControlSender) {
        let Some(Request::Receiving(r)) = self.requests.get_mut(&id) else { return };
        if matches!(r.stage, Stage::Writing) {
            while let Some(c) = r.incoming.next_complete() {
                self.pending_values -= 1;
                self.wants.push_back(DiskRequest::Write { id, block: c.block, bytes: c.bytes, value: c.value });
            }
        }
        self.conclude(id, control);
    }

    /// Publishes a transfer that is complete, or fails one whose root is wrong.
    fn conclude(&mut self, id: RequestId, control: &mut ControlSender) {
        let Some(Request::Receiving(r)) = self.requests.get_mut(&id) else { return };
        let outcome = match r.stage {
            Stage::Beginning | Stage::Publishing(_) => return,
            Stage::Whole => r.incoming.whole(),
            Stage::Writing => r.incoming.outcome(),
        };
        let root = match outcome {
            Some(Outcome::Verified(root)) => root,
            Some(Outcome::Mismatch) => return self.give_up(id, FailCode::Mismatch, Failure::Mismatch, control),
            None => return,
        };
        if let Stage::Whole = std::mem::replace(&mut r.stage, Stage::Publishing(root)) {
            let complete = r.incoming.next_complete();
            self.pending_values -= usize::from(complete.is_some());
            let content = complete.map(|complete| complete.bytes).unwrap_or_default();
            self.wants.push_back(DiskRequest::Put { id, meta: r.meta, content, root });
        } else {
            self.wants.push_back(DiskRequest::Commit { id });
        }
    }

    pub(super) fn handle_disk(&mut self, now: Instant, rtt: Duration, reply: DiskReply, control: &mut ControlSender) {
        match reply {
            DiskReply::Ready { id, result: Ok(()) } => {
                if let Some(Request::Receiving(r)) = self.requests.get_mut(&id) {
                    r.stage = Stage::Writing;
                    self.write_complete(id, control);
                }
            }
            DiskReply::Put { id, len, result } => self.on_put(now, rtt, id, len, result, control),
            DiskReply::Written { id, block, result } => self.on_written(now, rtt, id, block, result, control),
            DiskReply::Ready { id, result: Err(e) } | DiskReply::Committed { id, result: Err(e) } => {
                self.on_store_error(id, e, control);
            }
            DiskReply::Committed { id, result: Ok(path) } => self.on_committed(id, path, control),
            DiskReply::Listed { .. } | DiskReply::Opened { .. } | DiskReply::Read { .. } => {}
        }
        self.pump(control);
    }

    fn on_written(
        &mut self,
        now: Instant,
        rtt: Duration,
        id: RequestId,
        block: Block,
        result: Result<(), WriteError>,
        control: &mut ControlSender,
    ) {
        let len = block.len as u64;
        match (self.requests.get_mut(&id), result) {
            (Some(Request::Receiving(r)), Ok(())) => {
                let len = r.incoming.on_written(block.index);
                let written = r.incoming.held() + r.incoming.written();
                self.max_data_due |= self.grants.release(now, len, rtt);
                let scattered = r.incoming.scattered();
                self.events.push_back(Event::Progress { id, written });
                if scattered > MAX_SCATTERED {
                    return self.give_up(id, FailCode::TooLarge, Failure::TooLarge, control);
                }
                self.conclude(id, control);
            }
            (Some(Request::Receiving(r)), Err(e)) => {
                r.incoming.on_write_failed(block.index);
                match e {
                    WriteError::Mismatch => self.give_up(id, FailCode::Mismatch, Failure::Mismatch, control),
                    WriteError::Store(e) => self.on_store_error(id, e, control),
                }
            }
            // Written for nothing, and no longer held.
            (Some(Request::Ending(Ending { written, writing, .. })), _) => {
                *writing -= len;
                *written += len;
                self.max_data_due |= self.grants.release(now, len, rtt);
            }
            _ => self.max_data_due |= self.grants.release(now, len, rtt),
        }
    }

    /// A file that came whole was published, or not. Either way its only block is not held any more.
    fn on_put(
        &mut self,
        now: Instant,
        rtt: Duration,
        id: RequestId,
        len: usize,
        result: Result<SharePath, WriteError>,
        control: &mut ControlSender,
    ) {
        let released = match self.requests.get_mut(&id) {
            Some(Request::Receiving(r)) if result.is_ok() => r.incoming.on_written(0),
            Some(Request::Receiving(r)) => {
                r.incoming.on_write_failed(0);
                0
            }
            Some(Request::Ending(Ending { written, writing, .. })) => {
                *written += *writing;
                std::mem::take(writing)
            }
            // Given up, and the server has answered that meanwhile.
            _ => len as u64,
        };
        self.max_data_due |= self.grants.release(now, released, rtt);
        match result {
            Ok(path) => self.on_committed(id, path, control),
            Err(WriteError::Mismatch) => self.give_up(id, FailCode::Mismatch, Failure::Mismatch, control),
            Err(WriteError::Store(e)) => self.on_store_error(id, e, control),
        }
    }

    fn on_store_error(&mut self, id: RequestId, error: StoreError, control: &mut ControlSender) {
        let code = match error {
            StoreError::Same => FailCode::Cancelled,
            StoreError::BadName(_) | StoreError::Exists | StoreError::Busy => FailCode::Refused,
            StoreError::NotFound | StoreError::Changed | StoreError::Gone | StoreError::Full | StoreError::Io(_) => {
                FailCode::Io
            }
        };
        self.give_up(id, code, Failure::Store(error), control);
    }

    fn on_committed(&mut self, id: RequestId, path: SharePath, control: &mut ControlSender) {
        // If it was cancelled while it was being committed, the file is here all the same, and whole.
        let publishing = |r: &Request| matches!(r, Request::Receiving(r) if matches!(r.stage, Stage::Publishing(_)));
        let Some(Request::Receiving(r)) = self.take_if(id, publishing) else { return };
        let Stage::Publishing(root) = r.stage else { return };
        control.send(&Message::Got { id, root });
        self.events.push_back(Event::Finished { id, path, root, size: r.meta.size });
    }

    pub(super) fn has_frames(&self) -> bool {
        self.max_data_due
    }

    pub(super) fn on_max_data_lost(&mut self) {
        self.max_data_due = true;
    }

    /// Writes MAX_DATA into a packet.
    pub(super) fn fill(&mut self, draft: &mut Draft<'_>) {
        if self.max_data_due && draft.room() > 8 {
            self.max_data_due = false;
            frame::put_max_data(draft.out, self.grants.limit());
            draft.note(Piece::MaxData);
        }
    }
}

/// Is what has arrived of a file of no use after such a failure? After any other, a later run goes on with it: what a
/// server cannot read now it may read then.
fn useless(why: &Failure) -> Option<Useless> {
    match why {
        Failure::Mismatch | Failure::TooLarge => Some(Useless::Wrong),
        Failure::Refused { code: FailCode::Changed, .. } => Some(Useless::Outdated),
        Failure::Refused { .. } | Failure::Store(_) | Failure::Cancelled | Failure::Disconnected => None,
    }
}

/// The request that a message not yet sent will make.
fn queued_id(message: &Message) -> Option<RequestId> {
    match message {
        Message::List { id, .. } | Message::Get { id, .. } | Message::Hash { id, .. } => Some(*id),
        _ => None,
    }
}
