//! The client's half of a session: asks for listings and files, and takes what comes, within what it granted.

mod arriving;
mod keeping;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::draft::{Draft, Piece};
use super::event::{Event, Failure};
use crate::engine::disk::{DiskRequest, Useless};
use crate::store::{Held, ListQuery, Meta};
use crate::transfer::{ControlSender, Grants, Incoming};
use crate::types::{Buffers, Digest, SharePath};
use crate::wire::frame;
use crate::wire::message::{FailCode, MAX_PAGE_ENTRIES, Message, RequestId};

/// Requests outstanding at once; more wait here (XFR-5).
const MAX_OUTSTANDING: usize = 4000;
/// Buffers of blocks kept for the next ones.
const IDLE_BUFFERS: usize = 8;

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

    fn take_if(&mut self, id: RequestId, test: impl FnOnce(&Request) -> bool) -> Option<Request> {
        let found = self.requests.get(&id).is_some_and(test);
        found.then(|| self.requests.remove(&id)).flatten()
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
