//! The receiving end of one direction.

use std::fmt;
use std::ops::Range;
use std::time::Instant;

use crate::suite::{BlockCipher, CipherSuite, CryptoError};
use crate::types::Secret;
use crate::wire::packet::{self, HEADER_LEN, Header, MIN_RECORD, PACKET_NUMBER_LIMIT};

use super::super::secrets::{Direction, SessionSecrets};
use super::super::window::ReplayWindow;
use super::{EpochKeys, FAILED_OPENS};

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a packet of this session: drop it.
    #[error("not authentic")]
    Silent,
    /// Seen before, or too old to know: drop it.
    #[error("seen before or too old")]
    Replay,
    /// Too many forgeries, or an authentic packet number that must not be: end the session.
    #[error("a limit of the session is reached")]
    Limit,
}

/// A packet that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub pn: u64,
    /// Where its payload lies in the buffer.
    pub payload: Range<usize>,
    /// This is the first packet of a new epoch: let the sealer [`super::Sealer::follow`], and say with
    /// [`Opener::discard_previous_at`] how long the old key is needed.
    pub key_phase_changed: bool,
}

/// Opens packets of one direction, each once.
pub struct Opener {
    suite: &'static dyn CipherSuite,
    hp: Box<dyn BlockCipher>,
    window: ReplayWindow,
    epoch: u64,
    current: EpochKeys,
    /// Some packet number of the current epoch: it parts those of the previous epoch from those of the next.
    epoch_pn: Option<u64>,
    previous: Option<EpochKeys>,
    discard_previous_at: Option<Instant>,
    next_secret: Secret,
    /// The next epoch's keys and the secret after it, once a packet asked for them.
    next: Option<(EpochKeys, Secret)>,
    /// A later epoch whose secret does not derive from the one before it.
    stepped: Option<(u64, Secret)>,
    failed: u64,
}

/// Which key a packet's phase asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Previous,
    Current,
    Next,
}

impl Opener {
    /// Starts in epoch 0.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    pub fn new(
        suite: &'static dyn CipherSuite,
        secrets: &SessionSecrets,
        direction: Direction,
    ) -> Result<Self, CryptoError> {
        let (current, next_secret) = EpochKeys::derive(suite, secrets.traffic(direction))?;
        Ok(Self {
            suite,
            hp: suite.block(secrets.header_protection(direction))?,
            window: ReplayWindow::default(),
            epoch: 0,
            current,
            epoch_pn: None,
            previous: None,
            discard_previous_at: None,
            next_secret,
            next: None,
            stepped: None,
            failed: 0,
        })
    }

    /// Opens a packet where it lies. Its header stays masked, as it came; its payload is the plaintext on success,
    /// zeros if authentication failed, and untouched if the packet did not get that far (REC-6).
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&mut self, now: Instant, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let mut masks = [packet::sample(packet).ok_or(OpenError::Silent)?];
        self.hp.encrypt(&mut masks).map_err(|_| OpenError::Silent)?;
        let [mask] = &masks;
        self.open_masked(now, mask, packet)
    }

    /// The masks of a buffer of packets, each `segment` bytes long and the last perhaps shorter, in one call of the
    /// backend: for [`Self::open_masked`]. `masks` is filled anew, one for each packet; what is too short for a record
    /// gets one that means nothing.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    pub fn masks(&mut self, segment: usize, buffer: &[u8], masks: &mut Vec<[u8; 16]>) -> Result<(), CryptoError> {
        masks.clear();
        masks.extend(buffer.chunks(segment.max(1)).map(|packet| packet::sample(packet).unwrap_or_default()));
        self.hp.encrypt(masks)
    }

    /// [`Self::open`] with a mask computed beforehand.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_masked(&mut self, now: Instant, mask: &[u8; 16], packet: &mut [u8]) -> Result<Opened, OpenError> {
        if self.failed >= FAILED_OPENS {
            return Err(OpenError::Limit);
        }
        self.handle_timeout(now);
        let payload = HEADER_LEN..packet.len().saturating_sub(MIN_RECORD - HEADER_LEN);
        let (header, body, tag) = packet::split_mut(packet).ok_or(OpenError::Silent)?;
        // Unmasked in a copy: the buffer keeps what came, and a second look at it sees the same.
        let mut header = *header;
        packet::apply_mask(&mut header, mask);
        let Header { key_phase, pn, .. } = Header::parse(&header).map_err(|_| OpenError::Silent)?;
        if !self.window.would_accept(pn) {
            return Err(OpenError::Replay);
        }
        let phase = self.phase(key_phase, pn);
        let keys = self.keys(phase).ok_or(OpenError::Silent)?;
        if keys.aead.open(&keys.nonce(pn), &header, body, tag).is_err() {
            self.failed += 1;
            return Err(if self.failed >= FAILED_OPENS { OpenError::Limit } else { OpenError::Silent });
        }
        if pn >= PACKET_NUMBER_LIMIT {
            return Err(OpenError::Limit);
        }
        self.window.mark(pn);
        match phase {
            Phase::Previous => {}
            Phase::Current => self.epoch_pn = Some(pn),
            Phase::Next => self.advance(pn),
        }
        Ok(Opened { pn, payload, key_phase_changed: phase == Phase::Next })
    }

    /// Another phase than the current one is the next epoch's above the current epoch's packets, and the previous
    /// one's below them (RFC 9001, section 6.3) (KEY-4).
    fn phase(&self, key_phase: bool, pn: u64) -> Phase {
        if key_phase == (self.epoch % 2 == 1) {
            Phase::Current
        } else if self.epoch_pn.is_some_and(|current| pn < current) {
            Phase::Previous
        } else {
            Phase::Next
        }
    }

    fn keys(&mut self, phase: Phase) -> Option<&mut EpochKeys> {
        match phase {
            Phase::Previous => self.previous.as_mut(),
            Phase::Current => Some(&mut self.current),
            Phase::Next => {
                if self.next.is_none() {
                    self.next = Some(EpochKeys::derive(self.suite, &self.next_secret).ok()?);
                }
                self.next.as_mut().map(|(keys, _)| keys)
            }
        }
    }

    fn advance(&mut self, pn: u64) {
        if let Some((keys, secret)) = self.next.take() {
            self.previous = Some(std::mem::replace(&mut self.current, keys));
            self.discard_previous_at = None;
            self.next_secret = secret;
            self.epoch += 1;
            self.epoch_pn = Some(pn);
            self.take_stepped();
        }
    }

    fn take_stepped(&mut self) {
        if let Some((_, secret)) = self.stepped.take_if(|(epoch, _)| *epoch == self.epoch + 1) {
            self.next_secret = secret;
            self.next = None;
        }
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many packets failed authentication so far.
    #[must_use]
    pub fn failed_opens(&self) -> u64 {
        self.failed
    }

    /// The highest packet number opened.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.window.highest()
    }

    /// Keeps the previous epoch's key until `at` (three PTO after the change), for packets that were overtaken. Without
    /// this it is kept until the next change (KEY-6).
    pub fn discard_previous_at(&mut self, at: Instant) {
        if self.previous.is_some() {
            self.discard_previous_at = Some(at);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.discard_previous_at
    }

    /// Drops the previous epoch's key if its time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.discard_previous_at.is_some_and(|at| now >= at) {
            self.previous = None;
            self.discard_previous_at = None;
        }
    }

    /// A ratchet step: this is the secret of `epoch`, which has not begun, instead of the one that derives from the epoch
    /// before it. A side may learn of it one epoch early: when its peer has updated and it has seen nothing of that yet
    /// (KEY-10).
    pub fn set_secret(&mut self, epoch: u64, secret: Secret) {
        self.stepped = Some((epoch, secret));
        self.take_stepped();
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("epoch", &self.epoch).field("failed", &self.failed).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::kdf::Prk;
    use crate::testing::NullSuite;
    use crate::types::Digest;

    fn opener() -> Opener {
        let suite = NullSuite::leak(1);
        let master = Prk::from_secret(suite, &Secret::new([1; 32]));
        let secrets = SessionSecrets::derive(&master, &Digest([2; 32]));
        Opener::new(suite, &secrets, Direction::ClientToServer).expect("keys")
    }

    // REC-7.
    #[test]
    fn the_last_forgery_allowed_is_silent_and_the_next_ends_the_session_for_good() {
        let mut opener = opener();
        opener.failed = FAILED_OPENS - 2;
        let mut open = |byte| {
            let mut packet = [byte; 40];
            // Unmasked: phase 0, packet number 0, nothing reserved.
            let mut mask = [0; 16];
            mask[..9].fill(byte);
            opener.open_masked(Instant::now(), &mask, &mut packet)
        };
        assert_eq!(open(3), Err(OpenError::Silent));
        assert_eq!(open(4), Err(OpenError::Limit));
        assert_eq!(open(5), Err(OpenError::Limit));
        assert_eq!(opener.failed_opens(), FAILED_OPENS);
    }
}
