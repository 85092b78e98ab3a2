//! The server: one task for admission, one for each session, one that keeps the caps.

mod guest;
mod host;
mod shaping;
mod steward;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::disk::{Files, PARALLEL, WALKS};
use super::moment;
use super::session::{self, Inbox, Parts};
use crate::engine::{
    Counters, Crowded, CryptoDone, Endpoint, EndpointConfig, EndpointEvent, Person, Session, SessionId,
};
use crate::shaping::Caps;
use crate::suite::{CipherSuite, CryptoError};
use crate::transport::{Received, Transmit, Transport};
use crate::types::{EnrolmentId, Secret, Timestamp};
use crate::wire::frame::CloseCode;

use guest::{Command, Guest, Notice};
use shaping::Ask;
use steward::Order;

pub use guest::{FileReport, SessionReport};
pub use host::{Host, Record, SessionInfo};
pub use steward::Steward;

/// RSA operations at a time.
const RSA_PARALLEL: usize = 2;
/// How often the owner is told what else came.
const NOISE_EVERY: Duration = Duration::from_secs(60);
/// How long sessions have to take their leave, and a disk to remember what was read.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often it is seen whose time is over, and whether the last transfer has ended.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How long a session has to say how it stands.
const REPORT_WITHIN: Duration = Duration::from_secs(1);

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
    walks: Arc<Semaphore>,
    rsa: Arc<Semaphore>,
    notices: (mpsc::UnboundedSender<Notice>, mpsc::UnboundedReceiver<Notice>),
    crypto: (mpsc::UnboundedSender<CryptoDone>, mpsc::UnboundedReceiver<CryptoDone>),
    keeper: mpsc::UnboundedSender<Keep>,
    steward: Steward,
    orders: mpsc::UnboundedReceiver<Order>,
    asks: mpsc::UnboundedSender<Ask>,
    caps: (Caps<EnrolmentId>, mpsc::UnboundedSender<Caps<EnrolmentId>>),
    /// Somebody's time may be over one day.
    somebody_ends: bool,
    /// When the last transfers are cut off.
    ending: Option<Instant>,
}

/// Something that the host is to keep of somebody.
type Keep = (EnrolmentId, What);

enum What {
    Stamp(Timestamp),
    Renewed { psk: Option<Secret>, knock: Option<Secret> },
}

struct Handle {
    person: EnrolmentId,
    inbox: Inbox,
    commands: mpsc::UnboundedSender<Command>,
    /// Something is being done for the client.
    busy: Arc<AtomicBool>,
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
        let mut somebody_ends = false;
        for person in people {
            somebody_ends |= person.not_after.is_some();
            endpoint.enrol(person)?;
        }
        let (steward, orders) = Steward::new();
        let (asks, asked) = mpsc::unbounded_channel();
        let (caps, capped) = mpsc::unbounded_channel();
        tokio::spawn(shaping::run(asked, capped));
        let (keeper, mut kept) = mpsc::unbounded_channel();
        let keeps = Arc::clone(&host);
        tokio::spawn(async move {
            while let Some((person, keep)) = kept.recv().await {
                match keep {
                    What::Stamp(stamp) => keeps.keep_stamp(person, stamp).await,
                    What::Renewed { psk, knock } => keeps.keep_renewed(person, psk, knock).await,
                }
            }
        });
        Ok(Self {
            suite,
            endpoint,
            transport,
            host,
            sessions: HashMap::new(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            walks: Arc::new(Semaphore::new(WALKS)),
            rsa: Arc::new(Semaphore::new(RSA_PARALLEL)),
            notices: mpsc::unbounded_channel(),
            crypto: mpsc::unbounded_channel(),
            keeper,
            steward,
            orders,
            asks,
            caps: (Caps::default(), caps),
            somebody_ends,
            ending: None,
        })
    }

    /// For whoever wants to change something while it runs.
    #[must_use]
    pub fn steward(&self) -> Steward {
        self.steward.clone()
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
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.ending.is_some_and(|at| Instant::now() >= at || !self.is_busy()) {
                break;
            }
            tokio::select! {
                received = self.transport.recv(&mut batch) => {
                    received?;
                    self.route(&mut batch);
                }
                Some(done) = self.crypto.1.recv() => self.endpoint.handle_crypto(moment(), done),
                Some(notice) = self.notices.1.recv() => self.on_notice(notice),
                Some(order) = self.orders.recv() => self.on_order(order),
                _ = look.tick(), if self.somebody_ends || self.ending.is_some() => {
                    self.endpoint.handle_timeout(moment());
                }
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
    fn route(&mut self, batch: &mut Vec<Received>) {
        let now = moment();
        let mut run: (Option<SessionId>, Vec<Received>) = (None, Vec::new());
        for received in batch.drain(..) {
            let from = received.from;
            for (id, received) in received.sorted(|datagram| self.endpoint.handle_datagram(now, from, datagram)) {
                if run.0 != Some(id) {
                    let (before, received) = std::mem::replace(&mut run, (Some(id), Vec::new()));
                    deliver(&self.sessions, before, received);
                }
                run.1.push(received);
            }
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

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Enrol(person, reply) => {
                self.somebody_ends |= person.not_after.is_some();
                let _ = reply.send(self.endpoint.enrol(*person));
            }
            Order::Expel(person) => self.endpoint.expel(person),
            Order::Knock(knock, former) => self.endpoint.set_knock(knock, former),
            Order::Cap(caps) => {
                self.caps.0 = caps.clone();
                let _ = self.caps.1.send(caps);
                for handle in self.sessions.values() {
                    let _ = handle.commands.send(Command::Cap(self.caps.0.hold_for(&handle.person)));
                }
            }
            Order::Report(reply) => {
                let asked = self.sessions.values().map(|handle| {
                    let (reply, answer) = oneshot::channel();
                    let _ = handle.commands.send(Command::Report(reply));
                    answer
                });
                let asked: Vec<_> = asked.collect();
                tokio::spawn(async move {
                    let (until, mut reports) = (Instant::now() + REPORT_WITHIN, Vec::new());
                    for answer in asked {
                        if let Ok(Ok(report)) = tokio::time::timeout_at(until, answer).await {
                            reports.push(report);
                        }
                    }
                    let _ = reply.send(reports);
                });
            }
            Order::Drain(patience) => {
                self.endpoint.shut();
                self.ending = Some(Instant::now() + patience);
            }
        }
    }

    /// Is anything being done for anybody?
    fn is_busy(&self) -> bool {
        self.sessions.values().any(|handle| handle.busy.load(Ordering::Relaxed))
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
                let _ = self.keeper.send((person, What::Stamp(stamp)));
            }
            EndpointEvent::Renewed { person, psk, knock } => {
                let _ = self.keeper.send((person, What::Renewed { psk, knock }));
            }
            EndpointEvent::Rejected { person, from, why } => {
                self.host.record(Record::Rejected { person, from, why });
            }
            EndpointEvent::Evict { id, code, why } => {
                if let Some(handle) = self.sessions.get(&id) {
                    let _ = handle.commands.send(Command::Close(code, why));
                }
            }
        }
    }

    fn start(&mut self, id: SessionId, person: EnrolmentId, mut session: Session) {
        let (inbox, receiver) = session::inbox();
        let (commands, commanded) = mpsc::unbounded_channel();
        let busy = Arc::new(AtomicBool::new(false));
        if self.caps.0.hold_for(&person) {
            session.cap(true);
        }
        let mut owner = Guest {
            id,
            info: SessionInfo { person, session: session.id(), peer: session.peer() },
            since: moment().wall,
            opened: false,
            busy: Arc::clone(&busy),
            host: Arc::clone(&self.host),
            notices: self.notices.0.clone(),
            asks: self.asks.clone(),
            asked: false,
            commands: commands.downgrade(),
        };
        self.sessions.insert(id, Handle { person, inbox, commands, busy });
        let parts = Parts {
            session,
            transport: Arc::clone(&self.transport),
            inbox: receiver,
            commands: commanded,
            files: Files::Shelf {
                store: self.host.shelf(person),
                values: self.host.values(),
                walks: Arc::clone(&self.walks),
            },
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
            let _ = handle.commands.send(Command::Close(CloseCode::Shutdown, ""));
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

fn deliver(sessions: &HashMap<SessionId, Handle>, id: Option<SessionId>, received: Vec<Received>) {
    let Some(handle) = id.and_then(|id| sessions.get(&id)) else { return };
    handle.inbox.put(received);
}
