//! The client: connects, and asks for listings and files over one session.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::disk::{Disk, Files, PARALLEL};
use super::fetch::{Fetch, FetchEvent, Listener};
use super::listing::{ListError, Listing, MAX_LISTING, MAX_LISTING_BYTES};
use super::moment;
use super::session::{self, Owner, Parts};
use crate::engine::{CloseReason, Connector, ConnectorConfig, ConnectorEvent, CryptoDone, Event, Failure, Session};
use crate::enrol::Endpoint;
use crate::store::{Entry, Existing, FileStore, Held, Incoming, Leftover, ListQuery, Meta, Page};
use crate::suite::CryptoError;
use crate::transport::{Transmit, Transport};
use crate::types::{Digest, Fingerprint, Secret, SharePath, Timestamp};
use crate::wire::frame::CloseCode;
use crate::wire::message::{MAX_PAGE_ENTRIES, RequestId};

/// How long closing waits for the server to hear what was said last, and for the disk.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pages of a listing that are asked for: one more than as many as may have an entry each, so that it ends before they do.
const MOST_PAGES: u64 = MAX_LISTING as u64 + 1;
/// How often the server is asked for a sign of life by whoever has work of their own.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How often it is seen whether this machine has another address.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Hands out the stamps of handshakes.
#[async_trait]
pub trait Stamps: Send + Sync {
    /// A stamp strictly later than every one before, and already safe on disk.
    ///
    /// # Errors
    /// If it cannot be kept.
    async fn next(&self, now: Timestamp) -> io::Result<Timestamp>;
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answered. A silent port cannot tell why.
    #[error("no answer")]
    NoAnswer,
    /// Somebody answered who has the enrolment's secret, and not the pinned key.
    #[error("the server's key differs from the one in the enrolment")]
    ServerKeyDiffers,
    /// The server knows this client and refuses to talk, by number.
    #[error("the server refused the connection (reason {0})")]
    Refused(u16),
    /// The stamp could not be kept.
    #[error("the time stamp of the handshake could not be kept: {0}")]
    Stamp(#[source] io::Error),
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[source] io::Error),
    /// The cryptography backend failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Connects to a server.
///
/// # Errors
/// [`ConnectError`]; [`ConnectError::NoAnswer`] after 20 seconds.
pub async fn connect(
    transport: Arc<dyn Transport>,
    config: ConnectorConfig,
    stamps: &dyn Stamps,
) -> Result<Client, ConnectError> {
    let (suite, server) = (config.suite, config.server);
    let mut connector = Connector::new(moment().at, config);
    let (done_sender, mut done) = mpsc::unbounded_channel::<CryptoDone>();
    let mut batch = Vec::new();
    let mut key_differs = false;
    loop {
        if connector.wants_stamp() {
            let stamp = stamps.next(moment().wall).await.map_err(ConnectError::Stamp)?;
            connector.attempt(moment().at, stamp);
        }
        while let Some(job) = connector.poll_crypto() {
            let done = done_sender.clone();
            tokio::task::spawn_blocking(move || done.send(job.run(suite)));
        }
        while let Some(datagram) = connector.poll_transmit() {
            let transmit = Transmit { to: server, payload: &*datagram, segment: datagram.len() };
            transport.send(transmit).await.map_err(ConnectError::Socket)?;
        }
        while let Some(event) = connector.poll_event() {
            match event {
                ConnectorEvent::Connected { session, server_time } => {
                    return Ok(Client::start(transport, *session, server_time));
                }
                ConnectorEvent::Refused { code } => return Err(ConnectError::Refused(code)),
                ConnectorEvent::ServerKeyDiffers => key_differs = true,
                ConnectorEvent::TimedOut if key_differs => return Err(ConnectError::ServerKeyDiffers),
                ConnectorEvent::TimedOut => return Err(ConnectError::NoAnswer),
                ConnectorEvent::Failed(e) => return Err(e.into()),
            }
        }
        let timeout = connector.poll_timeout().unwrap_or_else(|| moment().at);
        tokio::select! {
            received = transport.recv(&mut batch) => {
                received.map_err(ConnectError::Socket)?;
                for received in batch.drain(..) {
                    for datagram in received.datagrams() {
                        connector.handle_datagram(moment().at, datagram);
                    }
                }
            }
            Some(done) = done.recv() => connector.handle_crypto(moment().at, done),
            () = tokio::time::sleep_until(timeout.into()) => connector.handle_timeout(moment().at),
        }
    }
}

/// Tells the session when this machine speaks to the server from another address than before.
async fn watch_source(transport: Arc<dyn Transport>, server: SocketAddr, commands: mpsc::WeakUnboundedSender<Command>) {
    let mut before = transport.source_towards(server);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = transport.source_towards(server);
        // Without a way there is nothing to say yet.
        if now.is_some() && now != before {
            let Some(commands) = commands.upgrade() else { return };
            let _ = commands.send(Command::Rebound);
            before = now;
        }
    }
}

/// Where a fetched file goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The receiving store.
    pub store: Arc<dyn FileStore>,
    /// The name below the store's root.
    pub path: SharePath,
    /// What to do if the name is taken.
    pub existing: Existing,
    /// As [`Incoming::known_other`].
    pub known_other: bool,
    /// Who sends it.
    pub origin: Fingerprint,
    /// What an earlier try has left of it, as [`FileStore::held`] told.
    pub held: Option<Held>,
    /// What to do with that if it is of another version now.
    pub leftover: Leftover,
}

impl Target {
    /// A file to be received from its beginning, in place of whatever an earlier try has left.
    #[must_use]
    pub fn anew(store: Arc<dyn FileStore>, path: SharePath, existing: Existing, origin: Fingerprint) -> Self {
        Self { store, path, existing, known_other: false, origin, held: None, leftover: Leftover::Replace }
    }

    pub(super) fn incoming(&self, meta: Meta, block_log2: u8, resumed: bool) -> Incoming {
        let Self { path, existing, known_other, origin, held, leftover, .. } = self;
        let held = held.clone().filter(|_| resumed);
        Incoming {
            path: path.clone(),
            meta,
            existing: *existing,
            known_other: *known_other,
            origin: *origin,
            block_log2,
            held,
            leftover: *leftover,
        }
    }
}

/// A connection to a server. Clones share it; it ends when all are gone, if it was not closed before.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    server_time: Timestamp,
    ended: Arc<Mutex<Option<CloseReason>>>,
    heard: Arc<Mutex<Instant>>,
    news: Arc<Mutex<News>>,
}

/// What a server has told its client to remember for the next time, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Where it is found from now on, best first.
    pub endpoints: Option<Vec<Endpoint>>,
    /// The secret that the two share from now on (ENR-29).
    pub psk: Option<Secret>,
    /// The secret of the first gate from now on.
    pub knock: Option<Secret>,
}

/// A whole listing: the entries, and how many the server left out.
type Listed = Result<(Vec<Entry>, u64), ListError>;

#[derive(Debug)]
enum Command {
    List(SharePath, bool, oneshot::Sender<Listed>),
    Get(SharePath, Target, Listener),
    Hash(SharePath, oneshot::Sender<Result<(Meta, Digest), Failure>>),
    Probe,
    /// This machine's address is another one.
    Rebound,
    /// Within so much time.
    Close(Duration, oneshot::Sender<()>),
}

impl Client {
    fn start(transport: Arc<dyn Transport>, session: Session, server_time: Timestamp) -> Self {
        let (commands, commanded) = mpsc::unbounded_channel();
        let (sender, inbox) = session::inbox();
        let ended = Arc::new(Mutex::new(None));
        let heard = Arc::new(Mutex::new(moment().at));
        let news = Arc::default();
        let (socket, watched, server) = (Arc::clone(&transport), Arc::clone(&transport), session.peer());
        let pump = tokio::spawn(async move {
            loop {
                let mut batch = Vec::new();
                if socket.recv(&mut batch).await.is_err() {
                    return;
                }
                if !sender.put(batch) {
                    return;
                }
            }
        });
        let parts = Parts {
            session,
            transport,
            inbox,
            commands: commanded,
            files: Files::Targets(HashMap::new()),
            permits: Arc::new(Semaphore::new(PARALLEL)),
        };
        let mut owner = ClientSession {
            waiting: HashMap::new(),
            closing: None,
            leaving: None,
            ended: Arc::clone(&ended),
            heard: Arc::clone(&heard),
            news: Arc::clone(&news),
        };
        let watch = tokio::spawn(watch_source(watched, server, commands.downgrade()));
        tokio::spawn(async move {
            session::run(parts, &mut owner).await;
            pump.abort();
            watch.abort();
        });
        Self { commands, server_time, ended, heard, news }
    }

    /// The server's clock when it answered, in whole seconds.
    #[must_use]
    pub fn server_time(&self) -> Timestamp {
        self.server_time
    }

    /// Why the connection ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For how long nothing has been heard of the server. That means little unless [`Self::probe`] was called since.
    #[must_use]
    pub fn silence(&self) -> Duration {
        moment().at.saturating_duration_since(*self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the server has told so far to be remembered for the next time.
    #[must_use]
    pub fn news(&self) -> News {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the server for a sign of life.
    pub fn probe(&self) {
        // A session that has ended is known by that.
        let _ = self.commands.send(Command::Probe);
    }

    /// Does work, and keeps the connection meanwhile: otherwise it would end if the server had nothing to do for it
    /// longer than the idle time-out.
    pub async fn kept_during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(PROBE_EVERY) => self.probe(),
            }
        }
    }

    /// The hash of a file on the server, and what it says of the file.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn hash(&self, path: SharePath) -> Result<(Meta, Digest), Failure> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Hash(path, reply));
        answer.await.unwrap_or(Err(Failure::Disconnected))
    }

    /// A whole listing. Its pages come one after the other, as fast as the path takes them. Returns the entries and how
    /// many the server left out, because it could not read them or their names cannot travel: a number of the server's
    /// own, and not checked.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn list(&self, path: &SharePath, recursive: bool) -> Result<(Vec<Entry>, u64), ListError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::List(path.clone(), recursive, reply));
        answer.await.unwrap_or(Err(Failure::Disconnected.into()))
    }

    /// Fetches a file. Any number may be under way at once.
    #[must_use]
    pub fn fetch(&self, path: SharePath, target: Target) -> Fetch {
        let (listener, fetch) = Fetch::new();
        self.get(path, target, listener);
        fetch
    }

    pub(super) fn get(&self, path: SharePath, target: Target, listener: Listener) {
        // If nobody takes it, the listener is dropped, and tells of a failure.
        let _ = self.commands.send(Command::Get(path, target, listener));
    }

    /// Ends the connection, after the server has heard what was said last or two seconds have passed. What the disk was
    /// told to do is done by then, or has had as much time again.
    pub async fn close(self) {
        self.close_within(FAREWELL).await;
    }

    /// Ends the connection at once. The server is told, so that it need not wait for somebody who is gone.
    pub async fn leave(self) {
        self.close_within(Duration::ZERO).await;
    }

    async fn close_within(self, time: Duration) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(time, done)).is_ok() {
            let _ = closed.await;
        }
    }
}

/// A client's session as its owner.
struct ClientSession {
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
