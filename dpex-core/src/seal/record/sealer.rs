//! The sending end of one direction.

use std::fmt;
use std::time::Instant;

use crate::suite::{BlockCipher, CipherSuite, CryptoError};
use crate::types::Secret;
use crate::wire::packet::{self, CID_LEN, Header, PACKET_NUMBER_LIMIT};

use super::super::secrets::{Direction, SessionSecrets};
use super::usage::Usage;
use super::{EPOCH_PACKETS, EpochKeys};

/// Masks computed in one call: as many packets as a segment buffer holds.
const BATCH: usize = 64;

/// Why a packet was not sealed. It must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No more packets may be sealed under this key, or the packet numbers are used up: end the session.
    #[error("the key has sealed as much as it may")]
    Limit,
    /// The packet number is not above all before it. Sealing it would use a nonce twice (REC-1).
    #[error("packet numbers must rise")]
    PacketNumber,
    /// There is no room for header and tag.
    #[error("too short for a record")]
    TooShort,
    /// An update before any packet of the current epoch was acknowledged.
    #[error("the current key is not confirmed yet")]
    Unconfirmed,
    /// The cryptography backend failed.
    #[error("cryptography failed")]
    Crypto(#[from] CryptoError),
}

/// Seals packets in one direction and counts what its key has done.
pub struct Sealer {
    suite: &'static dyn CipherSuite,
    hp: Box<dyn BlockCipher>,
    keys: EpochKeys,
    next_secret: Secret,
    epoch: u64,
    usage: Usage,
    next_pn: u64,
    /// The lowest packet number that may carry the current epoch's phase.
    first_pn: u64,
    confirmed: bool,
    epoch_packets: u64,
}

impl Sealer {
    /// Starts in epoch 0.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    pub fn new(
        now: Instant,
        suite: &'static dyn CipherSuite,
        secrets: &SessionSecrets,
        direction: Direction,
    ) -> Result<Self, CryptoError> {
        let (keys, next_secret) = EpochKeys::derive(suite, secrets.traffic(direction))?;
        Ok(Self {
            suite,
            hp: suite.block(secrets.header_protection(direction))?,
            keys,
            next_secret,
            epoch: 0,
            usage: Usage::new(now),
            next_pn: 0,
            first_pn: 0,
            confirmed: false,
            epoch_packets: EPOCH_PACKETS,
        })
    }

    /// Seals one packet where it lies: `packet` is 17 bytes to be filled with the header, the payload, 16 bytes to be
    /// filled with the tag.
    ///
    /// # Errors
    /// [`SealError`]; `packet` must not be sent then.
    pub fn seal_in_place(&mut self, cid: &[u8; CID_LEN], pn: u64, packet: &mut [u8]) -> Result<(), SealError> {
        self.seal_unmasked(cid, pn, packet)?;
        self.mask(std::slice::from_mut(&mut &mut *packet))
    }

    /// Seals a buffer of packets, each `segment` bytes long and the last perhaps shorter, with consecutive packet
    /// numbers from `first_pn`. The header masks of the whole buffer cost one call of the backend.
    ///
    /// # Errors
    /// [`SealError`]; nothing in `buffer` may be sent then.
    pub fn seal_segments(
        &mut self,
        cid: &[u8; CID_LEN],
        first_pn: u64,
        segment: usize,
        buffer: &mut [u8],
    ) -> Result<(), SealError> {
        if segment < packet::MIN_RECORD {
            return Err(SealError::TooShort);
        }
        let mut pn = first_pn;
        for batch in buffer.chunks_mut(segment.saturating_mul(BATCH)) {
            let mut packets: Vec<&mut [u8]> = batch.chunks_mut(segment).collect();
            for packet in &mut packets {
                self.seal_unmasked(cid, pn, packet)?;
                pn += 1;
            }
            self.mask(&mut packets)?;
        }
        Ok(())
    }

    fn seal_unmasked(&mut self, cid: &[u8; CID_LEN], pn: u64, packet: &mut [u8]) -> Result<(), SealError> {
        let len = u64::try_from(packet.len()).map_err(|_| SealError::Limit)?;
        if pn < self.next_pn {
            return Err(SealError::PacketNumber);
        }
        if pn >= PACKET_NUMBER_LIMIT {
            return Err(SealError::Limit);
        }
        let usage = self.usage.with(len).ok_or(SealError::Limit)?;
        let (header, body, tag) = packet::split_mut(packet).ok_or(SealError::TooShort)?;
        *header = Header { cid: *cid, key_phase: self.epoch % 2 == 1, pn }.to_bytes();
        // Counted before the nonce is used: whatever happens then, it is not used again.
        self.next_pn = pn + 1;
        self.usage = usage;
        *tag = self.keys.aead.seal(&self.keys.nonce(pn), header, body)?;
        Ok(())
    }

    fn mask(&mut self, packets: &mut [&mut [u8]]) -> Result<(), SealError> {
        let mut masks = [[0; 16]; BATCH];
        let masks = masks.get_mut(..packets.len()).ok_or(SealError::TooShort)?;
        for (mask, packet) in masks.iter_mut().zip(packets.iter()) {
            *mask = packet::sample(packet).ok_or(SealError::TooShort)?;
        }
        self.hp.encrypt(masks)?;
        for (mask, packet) in masks.iter().zip(packets) {
            let (header, _, _) = packet::split_mut(packet).ok_or(SealError::TooShort)?;
            packet::apply_mask(header, mask);
        }
        Ok(())
    }

    /// The current epoch; its lowest bit is the key phase of the next packet.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// From now on keys are updated after so few packets, so that a test sees it happen.
    #[cfg(feature = "testing")]
    pub fn set_epoch_packets(&mut self, packets: u64) {
        self.epoch_packets = packets;
    }

    /// The peer acknowledged `pn`. An acknowledged packet of the current epoch allows the next update.
    pub fn on_ack(&mut self, pn: u64) {
        self.confirmed |= (self.first_pn..self.next_pn).contains(&pn);
    }

    /// Does the peer have the current key? Only then may an [`Self::update`] follow.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Has the key done enough, and does the peer have it? Then [`Self::update`].
    #[must_use]
    pub fn update_due(&self, now: Instant) -> bool {
        self.usage.is_enough(now, self.epoch_packets) && self.confirmed
    }

    /// Moves to the next epoch of one's own accord (KEY-2).
    ///
    /// # Errors
    /// [`SealError::Unconfirmed`] before a packet of the current epoch was acknowledged; [`SealError::Crypto`].
    pub fn update(&mut self, now: Instant) -> Result<(), SealError> {
        if !self.confirmed {
            return Err(SealError::Unconfirmed);
        }
        self.advance(now)
    }

    /// Moves on to `epoch` if this end is still before it, because a packet of the peer's in it was opened. Call it
    /// whenever [`super::Opened::key_phase_changed`] says so, with [`super::Opener::epoch`] (KEY-5).
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn follow(&mut self, now: Instant, epoch: u64) -> Result<(), SealError> {
        while self.epoch < epoch {
            self.advance(now)?;
        }
        Ok(())
    }

    /// A ratchet step: the next epoch's secret is this one instead of the one derived from the current.
    pub fn set_next_secret(&mut self, secret: Secret) {
        self.next_secret = secret;
    }

    fn advance(&mut self, now: Instant) -> Result<(), SealError> {
        let (keys, next) = EpochKeys::derive(self.suite, &self.next_secret)?;
        self.keys = keys;
        self.next_secret = next;
        self.epoch += 1;
        self.usage = Usage::new(now);
        self.first_pn = self.next_pn;
        self.confirmed = false;
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("epoch", &self.epoch).field("next_pn", &self.next_pn).finish_non_exhaustive()
    }
}
