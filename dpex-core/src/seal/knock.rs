//! The first gate: a key that all enrolled clients of a server share, so that strangers are turned away unanswered
//! for the price of one MAC.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::kdf::Prk;
use crate::suite::{CipherSuite, CryptoError, Mac};
use crate::types::Secret;
use crate::wire::handshake::{BEFORE_MAC1, BEFORE_MAC2, Cookie, Init};
use crate::wire::packet::{COOKIE_LEN, HANDSHAKE_LEN};

use super::schedule::{first, open_once, seal_once};

/// The keys that a server's `knock` gives.
pub struct Knock {
    suite: &'static dyn CipherSuite,
    id: [u8; 16],
    mac1: Box<dyn Mac>,
    cookie_rid: Box<dyn Mac>,
    cookie: Secret,
}

impl Knock {
    /// Derives them. `knock` itself is not kept.
    #[must_use]
    pub fn new(suite: &'static dyn CipherSuite, knock: &Secret) -> Self {
        let knock = Prk::from_secret(suite, knock);
        Self {
            suite,
            id: knock.expand("id", b""),
            mac1: knock.derive_mac(suite, "mac1", b""),
            cookie_rid: knock.derive_mac(suite, "cookie rid", b""),
            cookie: knock.derive("cookie", b""),
        }
    }

    /// Tells it from other gates. Nothing follows from it.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The gate's MAC over everything of INIT before it.
    #[must_use]
    pub fn mac1(&self, before: &[u8]) -> [u8; 16] {
        first(self.mac1.mac(&[before]))
    }

    /// Is this a datagram of INIT's length whose maker knows this key? Says nothing about who.
    #[must_use]
    pub fn admits(&self, datagram: &[u8]) -> bool {
        match Init::parse(datagram) {
            Ok(init) => self.mac1(init.before_mac1).ct_eq(&init.mac1).into(),
            Err(_) => false,
        }
    }

    /// Completes INIT: appends both MACs to its first part, and returns `mac1` too. Without a cookie the second is random, so that INITs look
    /// alike (HS-5).
    ///
    /// # Errors
    /// [`CryptoError::Rng`], or [`CryptoError::BadLength`] if `before` is not INIT's first part.
    pub(super) fn put_macs(
        &self,
        mut before: Vec<u8>,
        cookie: Option<&[u8; 16]>,
    ) -> Result<(Box<[u8; HANDSHAKE_LEN]>, [u8; 16]), CryptoError> {
        if before.len() != BEFORE_MAC1 {
            return Err(CryptoError::BadLength);
        }
        let mac1 = self.mac1(&before);
        before.extend_from_slice(&mac1);
        debug_assert_eq!(before.len(), BEFORE_MAC2);
        let mac2 = match cookie {
            Some(cookie) => mac2(self.suite, cookie, &before),
            None => {
                let mut random = [0; 16];
                self.suite.random(&mut random)?;
                random
            }
        };
        before.extend_from_slice(&mac2);
        Ok((before.try_into().map_err(|_| CryptoError::BadLength)?, mac1))
    }

    /// COOKIE for an INIT with this `mac1`.
    pub(super) fn seal_cookie(&self, mac1: &[u8; 16], mut cookie: [u8; 16]) -> Result<[u8; COOKIE_LEN], CryptoError> {
        let mut salt = [0; 32];
        self.suite.random(&mut salt)?;
        let head = [&self.cookie_rid(mac1)[..], &salt].concat();
        let tag = seal_once(self.suite, &self.cookie_key(&salt, mac1), &head, &mut cookie)?;
        [&head[..], &cookie, &tag].concat().try_into().map_err(|_| CryptoError::BadLength)
    }

    /// Opens what [`Self::seal_cookie`] made for the INIT with this `mac1`; `None` for anything else.
    pub(super) fn open_cookie(&self, mac1: &[u8; 16], datagram: &[u8]) -> Option<[u8; 16]> {
        let Cookie { head, rid, salt, mut cookie, tag } = Cookie::parse(datagram).ok()?;
        if !bool::from(self.cookie_rid(mac1).ct_eq(&rid)) {
            return None;
        }
        open_once(self.suite, &self.cookie_key(&salt, mac1), &head, &mut cookie, &tag).ok()?;
        Some(cookie)
    }

    fn cookie_rid(&self, mac1: &[u8; 16]) -> [u8; 8] {
        first(self.cookie_rid.mac(&[mac1]))
    }

    fn cookie_key(&self, salt: &[u8; 32], mac1: &[u8; 16]) -> Secret {
        let (prk, _) = Prk::extract(self.suite, salt, &self.cookie);
        prk.derive("cookie", mac1)
    }
}

impl fmt::Debug for Knock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knock").finish_non_exhaustive()
    }
}

/// The proof that a sender received a cookie at its address.
pub(super) fn mac2(suite: &dyn CipherSuite, cookie: &[u8; 16], before: &[u8]) -> [u8; 16] {
    first(suite.hmac(cookie).mac(&[before]))
}
