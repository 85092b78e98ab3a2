//! Records: how packets are sealed and opened in place, and when their keys change (PROTOCOL.md, sections 4.1 and 4.2).

mod opener;
mod sealer;
mod usage;

use std::time::Duration;

pub use opener::{OpenError, Opened, Opener};
pub use sealer::{SealError, Sealer};

use crate::suite::{Aead, CipherSuite, CryptoError};
use crate::types::Secret;

use super::schedule::TrafficSecret;

/// Packets under one key after which it should be updated (KEY-1).
pub const EPOCH_PACKETS: u64 = 1 << 22;
/// Packets under one key after which nothing more is sealed (KEY-3).
pub const EPOCH_PACKETS_HARD: u64 = 1 << 23;
/// Bytes under one key after which it should be updated.
pub const EPOCH_BYTES: u64 = 4 << 30;
/// Bytes under one key after which nothing more is sealed: the 2^30 blocks that the multi-key bound assumes. Packets of
/// 65,000 bytes reach this before [`EPOCH_PACKETS_HARD`].
pub const EPOCH_BYTES_HARD: u64 = 16 << 30;
/// Age of a key after which it should be updated.
pub const EPOCH_AGE: Duration = Duration::from_secs(15 * 60);
/// Failed openings in one session after which it must end (REC-7).
pub const FAILED_OPENS: u64 = 1 << 36;

/// What seals or opens the packets of one epoch.
struct EpochKeys {
    aead: Box<dyn Aead>,
    iv: Secret<12>,
}

impl EpochKeys {
    /// The keys of the epoch whose secret this is, and the next epoch's secret.
    fn derive(suite: &dyn CipherSuite, secret: &Secret) -> Result<(Self, Secret), CryptoError> {
        let traffic = TrafficSecret::new(suite, secret);
        let keys = Self { aead: suite.aead(&traffic.key())?, iv: traffic.iv() };
        Ok((keys, traffic.next()))
    }

    /// `iv XOR (0⁴ || pn)`.
    fn nonce(&self, pn: u64) -> [u8; 12] {
        let mut nonce = *self.iv.expose();
        nonce.iter_mut().skip(4).zip(pn.to_be_bytes()).for_each(|(byte, pn)| *byte ^= pn);
        nonce
    }
}
