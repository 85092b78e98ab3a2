//! What a ratchet step starts from and leaves (PROTOCOL.md, section 4.4).

use std::fmt;

use crate::kdf::{Prk, hh};
use crate::suite::CipherSuite;
use crate::types::{Digest, Secret};

use super::secrets::Direction;

/// The secret that all steps so far have led to.
pub struct Chain {
    th3: Digest,
    secret: Secret,
}

/// The secrets of the epoch that a step opens, one for each direction.
pub struct Stepped {
    c2s: Secret,
    s2c: Secret,
}

impl Chain {
    /// `secret` is `CK0`.
    pub(super) fn new(th3: Digest, secret: Secret) -> Self {
        Self { th3, secret }
    }

    /// One step: `shared` is what the two shares give, `offer` and `answer` are the shares as they travelled.
    pub fn step(&mut self, suite: &dyn CipherSuite, shared: &Secret, offer: &[u8], answer: &[u8]) -> Stepped {
        let (prk, secret) = Prk::extract(suite, self.secret.expose(), shared);
        // The one before is erased by this (KEY-13).
        self.secret = secret;
        let bound = hh(suite, "ratchet", &[self.th3.as_bytes(), offer, answer]);
        Stepped { c2s: prk.derive("c2s", bound.as_bytes()), s2c: prk.derive("s2c", bound.as_bytes()) }
    }
}

impl Stepped {
    /// The secret of one direction.
    #[must_use]
    pub fn traffic(&self, direction: Direction) -> &Secret {
        match direction {
            Direction::ClientToServer => &self.c2s,
            Direction::ServerToClient => &self.s2c,
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("th3", &self.th3).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepped").finish_non_exhaustive()
    }
}
