//! What has come goes to the disk, and what the disk says of it.

use std::time::{Duration, Instant};

use super::super::event::{Event, Failure};
use super::{Ending, Fetching, Request, Stage};
use crate::engine::disk::{DiskReply, DiskRequest, WriteError};
use crate::store::StoreError;
use crate::transfer::{Block, ControlSender, Outcome};
use crate::types::SharePath;
use crate::wire::message::{FailCode, Message, RequestId};

/// Blocks of a file written ahead of a missing one. What a window holds is far less.
const MAX_SCATTERED: usize = 4096;

impl Fetching {
    /// Hands complete blocks to the disk.
    pub(super) fn write_complete(&mut self, id: RequestId, control: &mut ControlSender) {
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
    pub(super) fn conclude(&mut self, id: RequestId, control: &mut ControlSender) {
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

    pub(in crate::engine::session) fn handle_disk(
        &mut self,
        now: Instant,
        rtt: Duration,
        reply: DiskReply,
        control: &mut ControlSender,
    ) {
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
}
