//! The client's side of the handshake: INITs until a RESP is proved, or 20 seconds have passed (PROTOCOL.md, section 3.8).

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crypto::{CryptoDone, CryptoJob, JobId, Outcome, Task};
use super::session::{Limits, Role, Session, SessionConfig};
use crate::seal::{COOKIE_LIFETIME, Initiator, Knock, Offer, PairKeys, PendingInit, ServerProof, UnsignedInit};
use crate::suite::{CipherSuite, CryptoError, IdentityKey, PublicKey};
use crate::types::Timestamp;
use crate::wire::handshake::{Preferences, SUITE_1, VERSION_1};
use crate::wire::packet::{COOKIE_LEN, HANDSHAKE_LEN};

/// After which the client gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// INITs whose answers are still awaited.
const MAX_PENDING: usize = 3;

/// What a client knows of a server, and itself.
pub struct ConnectorConfig {
    /// The cryptography backend.
    pub suite: &'static dyn CipherSuite,
    /// The client's key.
    pub identity: Arc<dyn IdentityKey>,
    /// The server's pinned key.
    pub server_key: Arc<dyn PublicKey>,
    /// Keys of this enrolment.
    pub pair: Arc<PairKeys>,
    /// The server's first gate.
    pub knock: Knock,
    /// Where the server is.
    pub server: SocketAddr,
    /// The largest UDP payload this side takes.
    pub max_udp_payload: u16,
    /// This side's idle time-out.
    pub idle: Duration,
    /// Memory bounds of the session.
    pub limits: Limits,
}

/// What a connector tells its owner.
#[derive(Debug)]
pub enum ConnectorEvent {
    /// The server is proved: here is the session.
    Connected {
        /// The session, already open.
        session: Box<Session>,
        /// The server's clock, in whole seconds.
        server_time: Timestamp,
    },
    /// The server knows this client and will not talk to it.
    Refused {
        /// Its reason, by number.
        code: u16,
    },
    /// Somebody with the enrolment's secret answered, but not with the pinned key. The connector goes on waiting.
    ServerKeyDiffers,
    /// Nobody answered.
    TimedOut,
    /// The cryptography backend failed.
    Failed(CryptoError),
}

/// An INIT whose answer is awaited.
struct Pending {
    init: PendingInit,
    /// It has had its COOKIE.
    excused: bool,
}

/// A client's handshake.
pub struct Connector {
    config: ConnectorConfig,
    next_attempt: Instant,
    wait: Duration,
    deadline: Instant,
    /// An attempt is due and lacks its stamp.
    stamp_due: bool,
    signing: Option<(JobId, UnsignedInit)>,
    pending: VecDeque<Pending>,
    /// A COOKIE has made the next INIT come before its time.
    hastened: bool,
    proving: Vec<(JobId, ServerProof)>,
    cookie: Option<(Instant, [u8; 16])>,
    next_job: u64,
    finished: bool,
    jobs: VecDeque<CryptoJob>,
    datagrams: VecDeque<Box<[u8; HANDSHAKE_LEN]>>,
    events: VecDeque<ConnectorEvent>,
}

impl Connector {
    /// Begins; the first INIT is due at once.
    #[must_use]
    pub fn new(now: Instant, config: ConnectorConfig) -> Self {
        Self {
            config,
            next_attempt: now,
            wait: Duration::from_secs(1),
            deadline: now + PATIENCE,
            stamp_due: true,
            signing: None,
            pending: VecDeque::new(),
            hastened: false,
            proving: Vec::new(),
            cookie: None,
            next_job: 0,
            finished: false,
            jobs: VecDeque::new(),
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Wants: a stamp for the next INIT, strictly later than any used before under this enrolment and already safe on
    /// disk. Give it to [`Self::attempt`] (HS-3).
    #[must_use]
    pub fn wants_stamp(&self) -> bool {
        self.stamp_due && self.signing.is_none() && !self.finished
    }

    /// Asked: make an INIT with this stamp (HS-17).
    pub fn attempt(&mut self, now: Instant, stamp: Timestamp) {
        self.stamp_due = false;
        self.next_attempt = now + self.jittered(self.wait);
        self.wait = (self.wait * 2).min(PATIENCE);
        let offer = Offer {
            versions: Preferences::new(&[VERSION_1]),
            suites: Preferences::new(&[SUITE_1]),
            max_udp_payload: self.config.max_udp_payload,
            idle_timeout: u16::try_from(self.config.idle.as_secs()).unwrap_or(u16::MAX),
        };
        match Initiator::start(self.config.suite, &self.config.pair, stamp, &offer) {
            Ok(init) => {
                let key = Arc::clone(&self.config.identity);
                let id = self.job(Task::Sign { key, message: init.message() });
                self.signing = Some((id, init));
            }
            Err(e) => self.finish(ConnectorEvent::Failed(e)),
        }
    }

    /// Plus or minus a tenth, so that many clients of a restarted server do not come all at once.
    fn jittered(&self, wait: Duration) -> Duration {
        let mut byte = [128];
        // Without random bytes there is no handshake either; the wait is then as good without jitter.
        let _ = self.config.suite.random(&mut byte);
        wait * (900 + u32::from(byte[0]) * 200 / 255) / 1000
    }

    fn job(&mut self, task: Task) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.jobs.push_back(CryptoJob { id, task });
        id
    }

    fn finish(&mut self, event: ConnectorEvent) {
        if !self.finished {
            self.finished = true;
            self.events.push_back(event);
        }
    }

    /// Told: a datagram came. Whatever is not the awaited answer is ignored.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if self.finished {
            return;
        }
        match datagram.len() {
            HANDSHAKE_LEN => self.on_resp(datagram),
            COOKIE_LEN => self.on_cookie(now, datagram),
            _ => {}
        }
    }

    fn on_resp(&mut self, datagram: &[u8]) {
        if self.proving.len() >= MAX_PENDING {
            return;
        }
        let answered = self.pending.iter_mut().find(|p| datagram.starts_with(&p.init.rid()));
        let Some(Ok(proof)) = answered.map(|p| p.init.open_resp(datagram)) else { return };
        let key = Arc::clone(&self.config.server_key);
        let (message, signature) = (proof.message().to_vec(), proof.signature().to_vec());
        let id = self.job(Task::Verify { key, message, signature });
        self.proving.push((id, proof));
    }

    fn on_cookie(&mut self, now: Instant, datagram: &[u8]) {
        let knock = &self.config.knock;
        let unexcused = self.pending.iter_mut().filter(|p| !p.excused);
        let mut opened = unexcused.filter_map(|p| Some((p.init.open_cookie(knock, datagram)?, p)));
        let Some((cookie, pending)) = opened.next() else { return };
        // One INIT earns one cookie: a replayed COOKIE moves nothing (COO-6). The INIT stays pending, because whoever
        // has the knock can make a COOKIE for it, also where the server answers with RESP.
        pending.excused = true;
        self.cookie = Some((now, cookie));
        // And it hastens one INIT until the next is due anyway, else a COOKIE for each would make this client flood.
        if !std::mem::replace(&mut self.hastened, true) {
            self.stamp_due = true;
        }
    }

    /// Told: a job is done.
    pub fn handle_crypto(&mut self, now: Instant, done: CryptoDone) {
        if self.finished {
            return;
        }
        match done.outcome {
            Outcome::Signed(signature) => {
                let Some((_, init)) = self.signing.take_if(|(id, _)| *id == done.id) else { return };
                self.on_signed(now, init, signature);
            }
            Outcome::Verified(ok) => {
                let Some(at) = self.proving.iter().position(|(id, _)| *id == done.id) else { return };
                let (_, proof) = self.proving.swap_remove(at);
                if ok {
                    self.on_proved(now, proof);
                } else {
                    self.events.push_back(ConnectorEvent::ServerKeyDiffers);
                }
            }
            Outcome::Responded(_) => {}
        }
    }

    // COO-5.
    fn on_signed(&mut self, now: Instant, init: UnsignedInit, signature: Result<Vec<u8>, CryptoError>) {
        let fresh = self.cookie.filter(|(at, _)| now.saturating_duration_since(*at) < COOKIE_LIFETIME);
        let cookie = fresh.map(|(_, cookie)| cookie);
        match signature.and_then(|s| init.finish(&s, &self.config.knock, cookie.as_ref())) {
            Ok((datagram, pending)) => {
                if self.pending.len() >= MAX_PENDING {
                    self.pending.pop_front();
                }
                self.pending.push_back(Pending { init: pending, excused: false });
                self.datagrams.push_back(datagram);
            }
            Err(e) => self.finish(ConnectorEvent::Failed(e)),
        }
    }

    // HS-19.
    fn on_proved(&mut self, now: Instant, proof: ServerProof) {
        let params = proof.params;
        if let Some(code) = params.refusal {
            return self.finish(ConnectorEvent::Refused { code });
        }
        let config = SessionConfig {
            suite: self.config.suite,
            role: Role::Client,
            peer: self.config.server,
            max_datagram: usize::from(params.max_udp_payload.min(self.config.max_udp_payload)),
            idle: Duration::from_secs(u64::from(params.idle_timeout.max(1))).min(self.config.idle),
            limits: self.config.limits,
        };
        let Some(secrets) = proof.into_secrets() else { return };
        match Session::new(now, &config, &secrets) {
            Ok(session) => {
                self.finish(ConnectorEvent::Connected { session: Box::new(session), server_time: params.server_time })
            }
            Err(e) => self.finish(ConnectorEvent::Failed(e)),
        }
    }

    /// Told: time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.deadline {
            self.finish(ConnectorEvent::TimedOut);
        } else if now >= self.next_attempt {
            self.stamp_due = true;
            self.hastened = false;
        }
    }

    /// Wants: to be told the time then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let busy = self.stamp_due || self.signing.is_some();
        Some(if busy { self.deadline } else { self.next_attempt.min(self.deadline) })
    }

    /// Wants: a datagram sent to the server.
    pub fn poll_transmit(&mut self) -> Option<Box<[u8; HANDSHAKE_LEN]>> {
        self.datagrams.pop_front()
    }

    /// Wants: a job done.
    pub fn poll_crypto(&mut self) -> Option<CryptoJob> {
        self.jobs.pop_front()
    }

    /// Wants: its owner to know.
    pub fn poll_event(&mut self) -> Option<ConnectorEvent> {
        self.events.pop_front()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("server", &self.config.server).finish_non_exhaustive()
    }
}
