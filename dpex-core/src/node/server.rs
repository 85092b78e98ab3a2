//! The server: one task for admission, one for each session.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};

use super::disk::{Disk, Files, PARALLEL};
use super::moment;
use super::session::{self, Inbox, Owner, Parts};
use super::values::{BlockValues, Forgetful};
use crate::engine::{
    CloseReason, Closer, Counters, Crowded, CryptoDone, Endpoint, EndpointConfig, EndpointEvent, Event, Person,
    Rejection, Session, SessionId,
};
use crate::store::{FileStore, Skipped};
use crate::suite::{CipherSuite, CryptoError};
use crate::transport::{Datagram, Transmit, Transport};
use crate::types::{Digest, EnrolmentId, SharePath, Timestamp};
use crate::wire::frame::CloseCode;
use crate::wire::message::{FailCode, RequestId};

/// RSA operations at a time.
const RSA_PARALLEL: usize = 2;
/// How often the owner is told what else came.
const NOISE_EVERY: Duration = Duration::from_secs(60);
/// How long sessions have to take their leave, and a disk to remember what was read.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a server needs from whoever runs it: the shelves, a memory for stamps, and a log.
#[async_trait]
pub trait Host: Send + Sync {
    /// What this person is offered.
    fn shelf(&self, person: EnrolmentId) -> Arc<dyn FileStore>;

    /// What is remembered of files that were read.
    fn values(&self) -> Arc<dyn BlockValues> {
        Arc::new(Forgetful)
    }

    /// Remembers the last accepted stamp across restarts. Losing one costs a signature for a captured INIT, no more.
    async fn keep_stamp(&self, person: EnrolmentId, stamp: Timestamp);

    /// Something worth a line in the log. Must not block.
    fn record(&self, record: Record);
}

/// Which session something happened in.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Whose.
    pub person: EnrolmentId,
    /// Its name in logs.
    pub session: [u8; 8],
    /// Where the person is.
    pub peer: SocketAddr,
}

/// Something that happened on a server.
#[derive(Clone, Debug)]
pub enum Record {
    /// What came in the last minute that nobody is told of one by one. At most once a minute, and only if there was any.
    Noise(Counters),
    /// An INIT under a valid pre-shared key was dropped. A host that keeps a log must bound how many lines these can
    /// make: whoever recorded one INIT can repeat it.
    Rejected {
        /// Whose key it was.
        person: EnrolmentId,
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        why: Rejection,
    },
    /// A client proved its keys.
    Opened(SessionInfo),
    /// A listing was answered.
    Listed {
        /// In which session.
        session: SessionInfo,
        /// What was listed.
        path: SharePath,
        /// Entries sent.
        entries: usize,
        /// How many should have been there besides: they could not be read, or their names cannot travel.
        skipped: u64,
        /// The first of those, at most [`MAX_NAMED`](crate::store::MAX_NAMED) a page.
        named: Vec<Skipped>,
    },
    /// A file is being sent.
    Started {
        /// In which session.
        session: SessionInfo,
        /// The request.
        id: RequestId,
        /// Which file.
        path: SharePath,
        /// Bytes.
        size: u64,
    },
    /// The client verified and committed a file.
    Delivered {
        /// In which session.
        session: SessionInfo,
        /// The request.
        id: RequestId,
        /// Which file.
        path: SharePath,
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Digest,
    },
    /// A request ended otherwise.
    Aborted {
        /// In which session.
        session: SessionInfo,
        /// The request.
        id: RequestId,
        /// Which file or folder.
        path: SharePath,
        /// Who ended it: this side, or the client.
        by: Closer,
        /// Why.
        code: FailCode,
    },
    /// A session ended.
    Closed {
        /// Which.
        session: SessionInfo,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cryptography backend failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Too many people.
    #[error(transparent)]
    Crowded(#[from] Crowded),
}

/// A server on one socket.
pub struct Server {
    suite: &'static dyn CipherSuite,
    endpoint: Endpoint,
    transport: Arc<dyn Transport>,
    host: Arc<dyn Host>,
    sessions: HashMap<SessionId, Handle>,
    permits: Arc<Semaphore>,
    rsa: Arc<Semaphore>,
    notices: (mpsc::UnboundedSender<Notice>, mpsc::UnboundedReceiver<Notice>),
    crypto: (mpsc::UnboundedSender<CryptoDone>, mpsc::UnboundedReceiver<CryptoDone>),
    stamps: mpsc::UnboundedSender<(EnrolmentId, Timestamp)>,
}

struct Handle {
    inbox: Inbox,
    commands: mpsc::UnboundedSender<CloseCode>,
}

/// What a session's task tells admission.
enum Notice {
    Opened(SessionId),
    Closed(SessionId),
}

impl Server {
    /// Makes a server for these people. Must be called on a runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(
        config: EndpointConfig,
        people: Vec<Person>,
        transport: Arc<dyn Transport>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StartError> {
        let suite = config.suite;
        let mut endpoint = Endpoint::new(moment().at, config)?;
        for person in people {
            endpoint.enrol(person)?;
        }
        let (stamps, mut kept) = mpsc::unbounded_channel();
        let keeper = Arc::clone(&host);
        tokio::spawn(async move {
            while let Some((person, stamp)) = kept.recv().await {
                keeper.keep_stamp(person, stamp).await;
            }
        });
        Ok(Self {
            suite,
            endpoint,
            transport,
            host,
            sessions: HashMap::new(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            rsa: Arc::new(Semaphore::new(RSA_PARALLEL)),
            notices: mpsc::unbounded_channel(),
            crypto: mpsc::unbounded_channel(),
            stamps,
        })
    }

    /// Serves until `shutdown` is ready; then takes its leave of everybody who is connected.
    ///
    /// # Errors
    /// When the socket can no longer be used.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> io::Result<Counters> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut batch = Vec::new();
        let mut told = Counters::default();
        let mut minute = tokio::time::interval(NOISE_EVERY);
        loop {
            tokio::select! {
                received = self.transport.recv(&mut batch) => {
                    received?;
                    self.route(&mut batch);
                }
                Some(done) = self.crypto.1.recv() => self.endpoint.handle_crypto(moment(), done),
                Some(notice) = self.notices.1.recv() => self.on_notice(notice),
                _ = minute.tick() => self.tell_noise(&mut told),
                () = &mut shutdown => break,
            }
            self.drain().await;
        }
        self.farewell().await;
        self.tell_noise(&mut told);
        Ok(self.endpoint.counters())
    }

    fn tell_noise(&self, told: &mut Counters) {
        let now = self.endpoint.counters();
        let news = now.since(told);
        if news != Counters::default() {
            *told = now;
            self.host.record(Record::Noise(news));
        }
    }

    /// Gives each datagram to its session, neighbours together.
    fn route(&mut self, batch: &mut Vec<Datagram>) {
        let now = moment();
        let mut run: (Option<SessionId>, Vec<Datagram>) = (None, Vec::new());
        for datagram in batch.drain(..) {
            let Some(id) = self.endpoint.handle_datagram(now, datagram.from, &datagram.data) else { continue };
            if run.0 != Some(id) {
                let (before, datagrams) = std::mem::replace(&mut run, (Some(id), Vec::new()));
                deliver(&self.sessions, before, datagrams);
            }
            run.1.push(datagram);
        }
        deliver(&self.sessions, run.0, run.1);
    }

    fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Opened(id) => self.endpoint.session_opened(moment().at, id),
            Notice::Closed(id) => {
                self.endpoint.session_closed(id);
                self.sessions.remove(&id);
            }
        }
    }

    async fn drain(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.on_event(event);
        }
        while let Some(job) = self.endpoint.poll_crypto() {
            let (suite, rsa, done) = (self.suite, Arc::clone(&self.rsa), self.crypto.0.clone());
            tokio::spawn(async move {
                let _permit = rsa.acquire().await;
                if let Ok(result) = tokio::task::spawn_blocking(move || job.run(suite)).await {
                    let _ = done.send(result);
                }
            });
        }
        while let Some((to, payload)) = self.endpoint.poll_transmit() {
            let transmit = Transmit { to, payload: &payload, segment: payload.len() };
            if let Err(e) = self.transport.send(transmit).await {
                tracing::debug!(error = %e, "the socket failed");
            }
        }
    }

    fn on_event(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::Session { id, person, session } => self.start(id, person, *session),
            EndpointEvent::Stamp { person, stamp } => {
                let _ = self.stamps.send((person, stamp));
            }
            EndpointEvent::Rejected { person, from, why } => {
                self.host.record(Record::Rejected { person, from, why });
            }
            EndpointEvent::Evict { id, code } => {
                if let Some(handle) = self.sessions.get(&id) {
                    let _ = handle.commands.send(code);
                }
            }
        }
    }

    fn start(&mut self, id: SessionId, person: EnrolmentId, session: Session) {
        let (inbox, receiver) = session::inbox();
        let (commands, commanded) = mpsc::unbounded_channel();
        self.sessions.insert(id, Handle { inbox, commands });
        let info = SessionInfo { person, session: session.id(), peer: session.peer() };
        let mut owner =
            ServerSession { id, info, opened: false, host: Arc::clone(&self.host), notices: self.notices.0.clone() };
        let parts = Parts {
            session,
            transport: Arc::clone(&self.transport),
            inbox: receiver,
            commands: commanded,
            files: Files::Shelf { store: self.host.shelf(person), values: self.host.values() },
            permits: Arc::clone(&self.permits),
        };
        tokio::spawn(async move {
            let mut disk = session::run(parts, &mut owner).await;
            let settled = disk.settled();
            drop(disk);
            // What was read of files is remembered by then. A disk that hangs keeps nobody.
            let _ = tokio::time::timeout(FAREWELL, settled).await;
            let _ = owner.notices.send(Notice::Closed(id));
        });
    }

    /// Tells every session that the program ends, and waits a moment for that to be said.
    async fn farewell(&mut self) {
        for handle in self.sessions.values() {
            let _ = handle.commands.send(CloseCode::Shutdown);
        }
        let all_gone = async {
            while !self.sessions.is_empty() {
                let Some(notice) = self.notices.1.recv().await else { return };
                self.on_notice(notice);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all_gone).await;
    }
}

fn deliver(sessions: &HashMap<SessionId, Handle>, id: Option<SessionId>, datagrams: Vec<Datagram>) {
    let Some(handle) = id.and_then(|id| sessions.get(&id)) else { return };
    handle.inbox.put(datagrams);
}

/// A server's session as its owner.
struct ServerSession {
    id: SessionId,
    info: SessionInfo,
    opened: bool,
    host: Arc<dyn Host>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Owner for ServerSession {
    type Command = CloseCode;

    fn on_event(&mut self, _: &mut Session, disk: &mut Disk, event: Event) {
        if let Event::Closed(_) = event {
            // While the last word is being said.
            disk.forget_all();
        }
        let session = self.info.clone();
        let record = match event {
            Event::Opened => {
                self.opened = true;
                let _ = self.notices.send(Notice::Opened(self.id));
                Record::Opened(session)
            }
            Event::Listed { path, entries, skipped, named } => {
                Record::Listed { session, path, entries, skipped, named }
            }
            Event::Started { id, path, size } => Record::Started { session, id, path, size },
            Event::Delivered { id, path, size, root } => Record::Delivered { session, id, path, size, root },
            Event::Aborted { id, path, by, code } => Record::Aborted { session, id, path, by, code },
            // A session that never opened is nothing to tell of: its INIT was answered and nobody came.
            Event::Closed(reason) if self.opened => Record::Closed { session, reason },
            _ => return,
        };
        self.host.record(record);
    }

    fn on_command(&mut self, now: Instant, session: &mut Session, _: &mut Disk, code: Option<CloseCode>) {
        let code = code.unwrap_or(CloseCode::Shutdown);
        session.close(now, code, "");
    }
}
