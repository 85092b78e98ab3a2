//! What is asked of the disk, and what it answers.

use super::super::draft::set_of;
use super::super::event::{Closer, Event};
use super::super::listings::Made;
use super::{Request, Serving, Transfer, Want, fail_code};
use crate::engine::disk::{DiskReply, DiskRequest, Found};
use crate::store::{Page, StoreError};
use crate::transfer::{Block, Content, ControlSender, DEFAULT_BLOCK_LOG2, Geometry, Outgoing};
use crate::types::{Digest, RangeSet};
use crate::wire::message::{Message, RequestId};

/// Bytes of unacknowledged answers beyond which no listing goes on (XFR-14). Fewer than
/// [`super::MAX_BACKLOG`], so that a listing keeps no other request from being taken.
const MAX_LISTED: usize = 3 * 512 * 1024;
/// Bytes of answers not even sent beyond which none goes on either: what else is said comes after them.
const MAX_UNSENT: u64 = 128 * 1024;
/// Files open at once.
const MAX_OPEN: usize = 64;

impl Serving {
    /// Opens files and reads blocks as far as the bounds allow, in the order of the requests.
    pub(super) fn schedule(&mut self) {
        while self.open < MAX_OPEN {
            let Some(id) = self.waiting.pop_front() else { break };
            let Some(request) = self.requests.get_mut(&id) else { continue };
            if let Request::Waiting { path, want } = request {
                let path = std::mem::take(path);
                let want = std::mem::replace(want, Want::Hash);
                *request = Request::Opening { path: path.clone(), want };
                self.open += 1;
                self.want(DiskRequest::Open { id, path });
            }
        }
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
            let ahead = self.ahead + self.orphaned;
            let fits = ahead + block.len <= self.read_ahead && self.memory + block.len <= self.send_buffer;
            if !fits && (ahead > 0 || self.memory > 0) {
                break;
            }
            s.out.begin_read();
            self.ahead += block.len;
            self.memory += block.len;
            self.want(DiskRequest::Read { id, block });
        }
    }

    pub(in crate::engine::session) fn handle_disk(&mut self, reply: DiskReply, control: &mut ControlSender) {
        self.unanswered = self.unanswered.saturating_sub(1);
        match reply {
            DiskReply::Listed { id, result } => self.on_listed(id, result, control),
            DiskReply::Opened { id, result } => self.on_opened(id, result, control),
            DiskReply::Read { id, block, result } => {
                let Some(Request::Sending(s)) = self.requests.get_mut(&id) else {
                    self.orphaned -= block.len;
                    return self.schedule();
                };
                match result {
                    Ok((content, value)) => self.on_read(id, block, content, value, control),
                    Err(e) => {
                        // Answered, so its bytes are not waited for any more when the request ends below.
                        s.out.on_read_failed(&block);
                        self.memory -= block.len;
                        self.ahead -= block.len;
                        self.on_store_error(id, &e, control);
                    }
                }
            }
            DiskReply::Ready { .. }
            | DiskReply::Written { .. }
            | DiskReply::Put { .. }
            | DiskReply::Committed { .. } => {}
        }
        self.schedule();
    }

    /// A block of a transfer was read, and counted when that began.
    fn on_read(&mut self, id: RequestId, block: Block, content: Content, value: Digest, control: &mut ControlSender) {
        let Some(Request::Sending(s)) = self.requests.get_mut(&id) else { return };
        let before = (s.out.memory(), s.out.ahead());
        if s.out.on_read(&block, content, value) {
            control.send(&Message::Sums { id, first: block.index, values: vec![value] });
            self.ready.insert(id);
        }
        self.memory = self.memory + s.out.memory() - before.0;
        self.ahead = self.ahead + s.out.ahead() - before.1;
        self.finish_reading(id, control);
    }

    fn on_store_error(&mut self, id: RequestId, error: &StoreError, control: &mut ControlSender) {
        let (code, text) = fail_code(error);
        self.fail(id, code, (Closer::Us, code), text, control);
    }

    fn on_listed(&mut self, id: RequestId, result: Result<Page, StoreError>, control: &mut ControlSender) {
        self.listings.on_made();
        let Some(Request::Listing(listing)) = self.requests.get_mut(&id) else { return };
        match result.map(|page| listing.take(page)) {
            Ok(Made::TooLong) => self.listings.wait(id),
            Ok(Made::Page { page: Page { entries, more, skipped, named }, is_last }) => {
                let path = listing.query.path.clone();
                self.events.push_back(Event::Listed { path, entries: entries.len(), skipped, named });
                control.send(&Message::Page { id, entries, more, skipped });
                if is_last {
                    self.drop_request(id);
                } else {
                    self.listings.wait(id);
                }
            }
            Err(e) => self.on_store_error(id, &e, control),
        }
    }

    /// Has the next pages of listings made, as far as what was said before has arrived (XFR-14).
    pub(in crate::engine::session) fn list_on(&mut self, control: &ControlSender) {
        while control.backlog() <= MAX_LISTED && control.unsent() <= MAX_UNSENT {
            let Some(id) = self.listings.next() else { return };
            let Some(Request::Listing(listing)) = self.requests.get(&id) else {
                self.listings.on_made();
                continue;
            };
            let query = listing.query.clone();
            self.want(DiskRequest::List { id, query });
        }
    }

    // XFR-1.
    fn on_opened(&mut self, id: RequestId, result: Result<Found, StoreError>, control: &mut ControlSender) {
        let Some(Request::Opening { path, want }) = self.requests.get_mut(&id) else { return };
        let Found { meta, known, whole } = match result {
            Ok(found) => found,
            Err(e) => return self.on_store_error(id, &e, control),
        };
        let path = std::mem::take(path);
        let geometry = Geometry::new(meta.size, DEFAULT_BLOCK_LOG2);
        let (held, hash_only) = match want {
            Want::Hash => (RangeSet::from(0..geometry.blocks()), true),
            Want::Content(resume) => {
                let resume = resume.take().filter(|resume| resume.version == meta.version);
                (resume.map_or_else(RangeSet::new, |resume| set_of(&resume.held)), false)
            }
        };
        if !hash_only {
            control.send(&Message::Offer { id, meta, block_log2: DEFAULT_BLOCK_LOG2 });
            self.events.push_back(Event::Started { id, path: path.clone(), size: meta.size });
        }
        let mut out = Outgoing::new(geometry, held, &known);
        let first = whole.and_then(|whole| out.begin_read().zip(Some(whole)));
        self.requests.insert(id, Request::Sending(Box::new(Transfer { path, meta, out, hash_only, done: false })));
        match first {
            Some((block, (content, value))) => {
                self.memory += block.len;
                self.ahead += block.len;
                self.on_read(id, block, content, value, control);
            }
            None => {
                self.reading.push_back(id);
                self.finish_reading(id, control);
            }
        }
    }

    /// Once every block is read, tells the root and lets the file go.
    fn finish_reading(&mut self, id: RequestId, control: &mut ControlSender) {
        let Some(Request::Sending(s)) = self.requests.get_mut(&id) else { return };
        let Some(root) = s.out.root().filter(|_| s.out.all_read() && !s.done) else { return };
        let (hash_only, meta) = (s.hash_only, s.meta);
        s.done = true;
        self.release(id);
        if hash_only {
            control.send(&Message::Hashed { id, meta, root });
            self.drop_request(id);
        } else {
            control.send(&Message::Done { id, root });
        }
    }
}
