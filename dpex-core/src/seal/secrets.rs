//! What a finished handshake leaves: the two directions' secrets, and the connection ids.
//!
//! Connection ids derive from the master secret, which gives every traffic secret too and therefore must not outlive
//! the handshake. So a fixed number of them is made at once; a session that has used them all up keeps its last one
//! until a new handshake replaces it.

use std::fmt;

use zeroize::Zeroizing;

use super::chain::Chain;
use crate::kdf::Prk;
use crate::types::{Digest, Secret};
use crate::wire::packet::CID_LEN;

/// How many connection ids a session has in each direction.
pub const CIDS: u32 = 64;

/// Which way a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ClientToServer,
    /// From the server to the client.
    ServerToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ClientToServer => Self::ServerToClient,
            Self::ServerToClient => Self::ClientToServer,
        }
    }
}

/// One direction's share.
struct Half {
    traffic: Secret,
    hp: Secret,
    cids: Zeroizing<Vec<[u8; CID_LEN]>>,
}

impl Half {
    fn derive(master: &Prk, th3: &Digest, traffic: &str, hp: &str, cid: &str) -> Self {
        Self {
            traffic: master.derive(traffic, th3.as_bytes()),
            hp: master.derive(hp, th3.as_bytes()),
            cids: Zeroizing::new((0..CIDS).map(|i| master.expand(cid, &i.to_be_bytes())).collect()),
        }
    }
}

/// The secrets of one session. Drop it once its [`super::Sealer`], [`super::Opener`] and [`Chain`] exist and the ids are
/// taken.
pub struct SessionSecrets {
    th3: Digest,
    c2s: Half,
    s2c: Half,
    chain: Secret,
    exporter: Secret,
}

impl SessionSecrets {
    pub(crate) fn derive(master: &Prk, th3: &Digest) -> Self {
        Self {
            th3: *th3,
            c2s: Half::derive(master, th3, "c2s", "hp c2s", "cid c2s"),
            s2c: Half::derive(master, th3, "s2c", "hp s2c", "cid s2c"),
            chain: master.derive("chain", th3.as_bytes()),
            exporter: master.derive("exporter", th3.as_bytes()),
        }
    }

    /// `th3`: the hash of the whole handshake.
    #[must_use]
    pub fn transcript(&self) -> &Digest {
        &self.th3
    }

    /// Names the session in logs: the first bytes of [`Self::transcript`]. Not a secret, and not on the wire.
    #[must_use]
    pub fn session_id(&self) -> [u8; 8] {
        super::schedule::first(*self.th3.as_bytes())
    }

    /// The secret of epoch 0 in one direction.
    #[must_use]
    pub fn traffic(&self, direction: Direction) -> &Secret {
        &self.half(direction).traffic
    }

    /// The header protection key of one direction: the same in all epochs.
    #[must_use]
    pub fn header_protection(&self, direction: Direction) -> &Secret {
        &self.half(direction).hp
    }

    /// For binding something else to this session.
    #[must_use]
    pub fn exporter(&self) -> &Secret {
        &self.exporter
    }

    /// The connection id `index` of packets that travel in `direction`; `None` from [`CIDS`] on.
    #[must_use]
    pub fn cid(&self, direction: Direction, index: u32) -> Option<[u8; CID_LEN]> {
        self.half(direction).cids.get(usize::try_from(index).ok()?).copied()
    }

    /// What the first ratchet step starts from.
    #[must_use]
    pub fn chain(&self) -> Chain {
        Chain::new(self.th3, self.chain.clone())
    }

    fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::ClientToServer => &self.c2s,
            Direction::ServerToClient => &self.s2c,
        }
    }
}

impl fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSecrets").field("th3", &self.th3).finish_non_exhaustive()
    }
}
