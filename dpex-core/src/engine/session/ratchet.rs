//! Fresh secrets in the middle of a session: a client offers an X25519 share, the server answers with one, and the epoch
//! after the server's has secrets that nobody can derive who only knew those of before (PROTOCOL.md, section 4.4).
//!
//! Here is who says what when. The keys themselves are the sealer's and the opener's, and [`super::link`] moves them.

use std::time::{Duration, Instant};

use crate::seal::{Chain, Direction, SessionSecrets, Stepped};
use crate::suite::{CipherSuite, CryptoError, KeyAgreement, random_secret};
use crate::transfer::Violation;
use crate::wire::frame;

/// A client begins a step so long after the last one, or the start (KEY-8).
const EVERY: Duration = Duration::from_secs(60 * 60);
/// And after so many bytes, in both directions together.
const EVERY_BYTES: u64 = 64 << 30;
/// A session that had no step for so long ends (KEY-12).
const OVERDUE: Duration = Duration::from_secs(120 * 60);
/// The least time between two offers: each costs the server a key agreement (KEY-9, KEY-14).
const APART: Duration = Duration::from_secs(1);

pub(super) struct Ratchet {
    suite: &'static dyn CipherSuite,
    sends: Direction,
    chain: Chain,
    /// Steps that are done: this side is in the epoch of the last one, or beyond.
    steps: u64,
    /// When that was.
    since: Instant,
    /// Bytes in both directions since then.
    bytes: u64,
    every_bytes: u64,
    /// Client: no offer is made before. Server: none may come before.
    not_before: Instant,
    state: State,
}

enum State {
    /// Nothing is under way.
    Rest,
    /// A client offers a share.
    Offered { secret: Box<dyn KeyAgreement>, share: [u8; 32], due: bool },
    /// A client has both shares, and moves on when the server has the current key.
    Agreed,
    /// A server has answered, and moves on when its client does.
    Answered { offer: [u8; 32], share: [u8; 32], due: bool },
}

/// What became of an offer.
pub(super) enum Offered {
    /// The next epoch's secrets.
    Step(Stepped),
    /// It is known already.
    Known,
    /// It cannot be answered now.
    NotNow,
}

impl Ratchet {
    pub(super) fn new(
        now: Instant,
        suite: &'static dyn CipherSuite,
        secrets: &SessionSecrets,
        sends: Direction,
    ) -> Self {
        let (chain, not_before) = match sends {
            Direction::ClientToServer => (secrets.chain(), now + APART),
            Direction::ServerToClient => (secrets.chain(), now),
        };
        let (steps, bytes, every_bytes) = (0, 0, EVERY_BYTES);
        Self { suite, sends, chain, steps, since: now, bytes, every_bytes, not_before, state: State::Rest }
    }

    /// Told: so many bytes were sealed or opened.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Begins a step if it is time for one.
    pub(super) fn poll(&mut self, now: Instant) {
        let is_due = now >= self.since + EVERY || self.bytes >= self.every_bytes;
        if !self.is_client() || !matches!(self.state, State::Rest) || !is_due || now < self.not_before {
            return;
        }
        match self.draw() {
            Ok(secret) => {
                let share = secret.public();
                self.state = State::Offered { secret, share, due: true };
            }
            // Later, perhaps: a session without a step ends by itself.
            Err(_) => self.not_before = now + APART,
        }
    }

    fn draw(&self) -> Result<Box<dyn KeyAgreement>, CryptoError> {
        self.suite.key_agreement(&random_secret(self.suite)?)
    }

    fn is_client(&self) -> bool {
        self.sends == Direction::ClientToServer
    }

    /// Is a share to be sent?
    pub(super) fn is_due(&self) -> bool {
        matches!(self.state, State::Offered { due: true, .. } | State::Answered { due: true, .. })
    }

    /// Appends the share that is to be sent, if one is.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) -> bool {
        let step = self.steps + 1;
        match &mut self.state {
            State::Offered { share, due: due @ true, .. } => {
                *due = false;
                frame::put_ratchet_offer(out, step, share);
            }
            State::Answered { share, due: due @ true, .. } => {
                *due = false;
                frame::put_ratchet_answer(out, step, share);
            }
            _ => return false,
        }
        true
    }

    /// A packet with a share was lost.
    pub(super) fn on_lost(&mut self) {
        if let State::Offered { due, .. } | State::Answered { due, .. } = &mut self.state {
            *due = true;
        }
    }

    /// Told: a client offers a share.
    pub(super) fn on_offer(&mut self, now: Instant, step: u64, offer: [u8; 32]) -> Result<Offered, Violation> {
        if self.is_client() {
            return Err(Violation("a ratchet step that a server offers"));
        }
        if step <= self.steps {
            return Ok(Offered::Known);
        }
        match &self.state {
            State::Answered { offer: known, .. } if step == self.steps + 1 && *known == offer => Ok(Offered::Known),
            State::Rest if step == self.steps + 1 && now >= self.not_before => {
                let Ok(secret) = self.draw() else { return Ok(Offered::NotNow) };
                let share = secret.public();
                let stepped = self.agree(secret, &offer, &offer, &share)?;
                self.not_before = now + APART;
                self.state = State::Answered { offer, share, due: true };
                Ok(Offered::Step(stepped))
            }
            _ => Err(Violation("a ratchet step out of turn")),
        }
    }

    /// Told: the server answers with a share. Returns the next epoch's secrets, unless they are known.
    pub(super) fn on_answer(&mut self, step: u64, answer: [u8; 32]) -> Result<Option<Stepped>, Violation> {
        let is_ours = step == self.steps + 1;
        match std::mem::replace(&mut self.state, State::Rest) {
            State::Offered { secret, share, .. } if is_ours => {
                let stepped = self.agree(secret, &answer, &share, &answer)?;
                self.state = State::Agreed;
                Ok(Some(stepped))
            }
            State::Agreed if is_ours => {
                self.state = State::Agreed;
                Ok(None)
            }
            before if self.is_client() && step <= self.steps => {
                self.state = before;
                Ok(None)
            }
            _ => Err(Violation("a ratchet answer that nobody asked for")),
        }
    }

    fn agree(
        &mut self,
        secret: Box<dyn KeyAgreement>,
        theirs: &[u8; 32],
        offer: &[u8; 32],
        answer: &[u8; 32],
    ) -> Result<Stepped, Violation> {
        let shared = secret.agree(theirs).map_err(|_| Violation("a ratchet share that gives nothing"))?;
        Ok(self.chain.step(self.suite, &shared, offer, answer))
    }

    /// While a step is under way no side updates its keys by itself: both know then which epoch is the step's (KEY-10).
    pub(super) fn holds(&self) -> bool {
        !matches!(self.state, State::Rest)
    }

    /// Does this side, a client, wait for nothing but the chance to move on?
    pub(super) fn is_agreed(&self) -> bool {
        matches!(self.state, State::Agreed)
    }

    /// Does this side, a server, wait for its client to move on?
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, State::Answered { .. })
    }

    /// Told: this side is in the step's epoch.
    pub(super) fn on_entered(&mut self, now: Instant) {
        self.steps += 1;
        self.since = now;
        self.bytes = 0;
        self.state = State::Rest;
        if self.is_client() {
            self.not_before = now + APART;
        }
    }

    /// Steps that are done.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Was there no step for so long that the session must end?
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        now >= self.since + OVERDUE
    }

    /// The next moment at which a step begins or is overdue.
    pub(super) fn poll_timeout(&self) -> Instant {
        let overdue = self.since + OVERDUE;
        match self.state {
            State::Rest if self.is_client() => (self.since + EVERY).max(self.not_before).min(overdue),
            _ => overdue,
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn set_every_bytes(&mut self, bytes: u64) {
        self.every_bytes = bytes;
    }
}
