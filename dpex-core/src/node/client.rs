//! The client: connects, and asks for listings and files over one session.

mod owner;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::disk::{Files, PARALLEL};
use super::fetch::{Fetch, Listener};
use super::listing::ListError;
use super::moment;
use super::session::{self, Parts};
use crate::engine::{CloseReason, Connector, ConnectorConfig, ConnectorEvent, CryptoDone, Failure, Session};
use crate::enrol::Endpoint;
use crate::store::{Entry, Existing, FileStore, Held, Incoming, Leftover, Meta};
use crate::suite::CryptoError;
use crate::transport::{Transmit, Transport};
use crate::types::{Digest, Fingerprint, Secret, SharePath, Timestamp};

use owner::ClientSession;

/// How long closing waits for the server to hear what was said last, and for the disk.
const FAREWELL: Duration = Duration::from_secs(2);
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
        let mut owner = ClientSession::new(Arc::clone(&ended), Arc::clone(&heard), Arc::clone(&news));
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
    /// many the server left out, because it cannot offer them: a number of the server's own, and not checked.
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
