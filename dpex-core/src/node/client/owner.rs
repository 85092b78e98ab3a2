//! A client's session, as the task that runs it sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::{Command, FAREWELL, Listed, News};
use crate::engine::{CloseReason, Event, Failure, Session};
use crate::node::disk::Disk;
use crate::node::fetch::{FetchEvent, Listener};
use crate::node::listing::{Listing, MAX_LISTING, MAX_LISTING_BYTES};
use crate::node::session::Owner;
use crate::store::{ListQuery, Meta, Page};
use crate::types::Digest;
use crate::wire::frame::CloseCode;
use crate::wire::message::{MAX_PAGE_ENTRIES, RequestId};

/// Pages of a listing that are asked for: one more than as many as may have an entry each, so that it ends before they do.
const MOST_PAGES: u64 = MAX_LISTING as u64 + 1;

/// A client's session as its owner.
pub(super) struct ClientSession {
    waiting: HashMap<RequestId, Waiter>,
    /// Until when what was said last may take to be heard.
    closing: Option<(Instant, oneshot::Sender<()>)>,
    /// The session is closed; its last word is to be sent.
    leaving: Option<oneshot::Sender<()>>,
    ended: Arc<Mutex<Option<CloseReason>>>,
    heard: Arc<Mutex<Instant>>,
    news: Arc<Mutex<News>>,
}

enum Waiter {
    List(Listing, oneshot::Sender<Listed>),
    Hash(oneshot::Sender<Result<(Meta, Digest), Failure>>),
    Fetch(Listener),
}

impl ClientSession {
    pub(super) fn new(
        ended: Arc<Mutex<Option<CloseReason>>>,
        heard: Arc<Mutex<Instant>>,
        news: Arc<Mutex<News>>,
    ) -> Self {
        Self { waiting: HashMap::new(), closing: None, leaving: None, ended, heard, news }
    }

    fn tell(&mut self, session: &mut Session, id: RequestId, event: FetchEvent) {
        if let Some(Waiter::Fetch(listener)) = self.waiting.get_mut(&id)
            && !listener.tell(event)
        {
            self.waiting.remove(&id);
            session.cancel(id);
        }
    }
}

impl ClientSession {
    /// Gathers a page. A listing that nobody waits for, or that is not as it should be, is given up.
    fn on_page(&mut self, session: &mut Session, id: RequestId, page: Page, is_last: bool) {
        let Some(Waiter::List(listing, reply)) = self.waiting.get_mut(&id) else { return };
        let added = if reply.is_closed() { Ok(false) } else { listing.add(page) };
        if matches!(added, Ok(true)) && !is_last {
            return;
        }
        let Some(Waiter::List(listing, reply)) = self.waiting.remove(&id) else { return };
        if !is_last {
            session.cancel(id);
        }
        let _ = reply.send(added.map(|_| listing.finish()));
    }
}

impl Owner for ClientSession {
    type Command = Command;

    fn on_event(&mut self, session: &mut Session, disk: &mut Disk, event: Event) {
        // Before anybody is told that a request failed with it.
        if let Some(reason) = session.close_reason() {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.clone());
        }
        match event {
            Event::Page { id, page, is_last } => self.on_page(session, id, page, is_last),
            Event::Offered { id, meta, held } => self.tell(session, id, FetchEvent::Offered { meta, held }),
            Event::Hashed { id, meta, root } => {
                if let Some(Waiter::Hash(reply)) = self.waiting.remove(&id) {
                    let _ = reply.send(Ok((meta, root)));
                }
            }
            Event::Progress { id, written } => self.tell(session, id, FetchEvent::Progress(written)),
            Event::Finished { id, path, root, size } => {
                self.tell(session, id, FetchEvent::Finished { path, root, size });
                self.waiting.remove(&id);
                drop(disk.end(id));
            }
            Event::Failed { id, why } => {
                match self.waiting.remove(&id) {
                    Some(Waiter::List(_, reply)) => {
                        let _ = reply.send(Err(why.into()));
                    }
                    Some(Waiter::Hash(reply)) => {
                        let _ = reply.send(Err(why));
                    }
                    Some(Waiter::Fetch(mut listener)) => {
                        // Whoever asks for the file again must not find its part in this one's hands.
                        let end = disk.end(id);
                        tokio::spawn(async move {
                            end.await;
                            listener.tell(FetchEvent::Failed(why));
                        });
                    }
                    None => drop(disk.end(id)),
                }
            }
            Event::Endpoints(places) => {
                self.news.lock().unwrap_or_else(PoisonError::into_inner).endpoints = Some(places);
            }
            Event::Renewed { psk, knock } => {
                let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
                news.psk = psk.or(news.psk.take());
                news.knock = knock.or(news.knock.take());
            }
            Event::Notice(text) => tracing::info!(text = ?text, "the server says"),
            _ => {}
        }
    }

    fn on_command(&mut self, now: Instant, session: &mut Session, disk: &mut Disk, command: Option<Command>) {
        match command {
            Some(Command::List(path, recursive, reply)) => {
                let query = ListQuery { path: path.clone(), after: None, limit: MAX_PAGE_ENTRIES, recursive };
                match session.list(query, MOST_PAGES) {
                    Some(id) => {
                        let listing = Listing::new(path, MAX_LISTING, MAX_LISTING_BYTES);
                        self.waiting.insert(id, Waiter::List(listing, reply));
                    }
                    None => {
                        let _ = reply.send(Err(Failure::Disconnected.into()));
                    }
                }
            }
            Some(Command::Hash(path, reply)) => match session.hash(path) {
                Some(id) => {
                    self.waiting.insert(id, Waiter::Hash(reply));
                }
                None => {
                    let _ = reply.send(Err(Failure::Disconnected));
                }
            },
            Some(Command::Probe) => session.probe(),
            Some(Command::Rebound) => session.rebound(),
            Some(Command::Get(path, target, listener)) => {
                // Without a session the listener is dropped, and tells of it.
                if let Some(id) = session.get(path, target.held.clone()) {
                    disk.aim(id, target);
                    self.waiting.insert(id, Waiter::Fetch(listener));
                }
            }
            Some(Command::Close(time, done)) => {
                session.flush();
                self.closing = Some((now + time, done));
            }
            None => session.close(now, CloseCode::Ok, ""),
        }
    }

    fn on_turn(&mut self, now: Instant, session: &mut Session) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = session.heard();
        let over = |(until, _): &mut (Instant, _)| session.is_flushed() || now >= *until;
        if let Some((_, done)) = self.closing.take_if(over) {
            session.close(now, CloseCode::Ok, "");
            self.leaving = Some(done);
        }
    }

    fn on_sent(&mut self, disk: &mut Disk) {
        if let Some(done) = self.leaving.take() {
            let settled = disk.settled();
            tokio::spawn(async move {
                // A disk that hangs keeps nobody.
                let _ = tokio::time::timeout(FAREWELL, settled).await;
                let _ = done.send(());
            });
        }
    }
}
