//! What a client and a server share before they speak: who they are to each other, and the keys of that.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::kdf::{Prk, hh};
use crate::suite::{CipherSuite, Mac};
use crate::types::{Digest, EnrolmentId, Fingerprint, Secret};

use super::schedule::{Stage0, first};

/// One enrolment as both sides must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peering {
    /// The server's identity.
    pub server: Fingerprint,
    /// The client's identity.
    pub client: Fingerprint,
    /// Which enrolment.
    pub enrolment: EnrolmentId,
    /// `EH`: the hash of both documents (PROTOCOL.md, section 2.3).
    pub exchange: Digest,
}

impl Peering {
    /// `ctx`, which enters every derived key: sides that saw different documents cannot connect.
    #[must_use]
    pub fn context(&self, suite: &dyn CipherSuite) -> Digest {
        let parts: [&[u8]; 4] =
            [self.server.as_bytes(), self.client.as_bytes(), self.enrolment.as_bytes(), self.exchange.as_bytes()];
        hh(suite, "context", &parts)
    }
}

/// The keys that one enrolment's pre-shared key gives, derived once.
pub struct PairKeys {
    peering: Peering,
    ctx: Digest,
    tag: Box<dyn Mac>,
    nonce: Box<dyn Mac>,
    hs: Secret,
}

impl PairKeys {
    /// Derives them. `psk` itself is not kept.
    #[must_use]
    pub fn new(suite: &dyn CipherSuite, psk: &Secret, peering: &Peering) -> Self {
        let ctx = peering.context(suite);
        let psk = Prk::from_secret(suite, psk);
        Self {
            peering: *peering,
            tag: psk.derive_mac(suite, "tag", ctx.as_bytes()),
            nonce: psk.derive_mac(suite, "nonce", ctx.as_bytes()),
            hs: psk.derive("hs", ctx.as_bytes()),
            ctx,
        }
    }

    /// Whom these keys connect.
    #[must_use]
    pub fn peering(&self) -> &Peering {
        &self.peering
    }

    /// `ctx`.
    #[must_use]
    pub fn context(&self) -> &Digest {
        &self.ctx
    }

    /// The tag that names this enrolment under the nonce `n_c`.
    #[must_use]
    pub fn tag(&self, n_c: &[u8]) -> [u8; 16] {
        first(self.tag.mac(&[n_c]))
    }

    /// Is `tag` this enrolment's under `n_c`? Takes the same time either way.
    #[must_use]
    pub fn tag_matches(&self, n_c: &[u8], tag: &[u8]) -> bool {
        self.tag(n_c).ct_eq(tag).into()
    }

    /// Tells them from those of another pre-shared key, or of another enrolment. No nonce is so short, so no tag is this.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.tag(b"id")
    }

    /// `N_c`, hedged: even with repeated randomness it does not repeat while the stamp moves (HS-4).
    pub(super) fn nonce(&self, random: &[u8; 32], stamp: &[u8; 12], share: &[u8; 32]) -> [u8; 32] {
        self.nonce.mac(&[random, stamp, share])
    }

    /// The key schedule's start for one INIT.
    #[must_use]
    pub fn stage0(&self, suite: &dyn CipherSuite, n_c: &[u8; 32]) -> Stage0 {
        Stage0::new(suite, &self.hs, &self.ctx, n_c)
    }
}

impl fmt::Debug for PairKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairKeys").field("peering", &self.peering).finish_non_exhaustive()
    }
}
