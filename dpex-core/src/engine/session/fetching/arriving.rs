//! What the server says and sends.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::event::{Event, Failure};
use super::{Early, Ending, Fetching, Receiving, Request, Stage};
use crate::engine::disk::DiskRequest;
use crate::enrol::{Endpoint, EndpointError};
use crate::store::{Meta, Page};
use crate::transfer::{Accepted, ControlSender, Geometry, Grants, Incoming, Violation};
use crate::wire::message::{FailCode, Message, RequestId};

/// Pieces kept that came before their offer (XFR-11).
const MAX_EARLY: usize = 4096;
/// Block values kept whose blocks are not complete (SUM-7).
const MAX_PENDING_VALUES: usize = 4096;

impl Fetching {
    pub(in crate::engine::session) fn handle_data(
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
    pub(in crate::engine::session) fn handle_zeros(
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

    pub(in crate::engine::session) fn handle_message(
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
}
