//! The server's cookies: under load, a sender must first show that it receives at the address it writes from.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use subtle::{Choice, ConstantTimeEq as _};

use crate::suite::{CipherSuite, CryptoError, Mac};
use crate::types::Secret;
use crate::wire::handshake::Init;
use crate::wire::packet::COOKIE_LEN;

use super::knock::{Knock, mac2};
use super::schedule::first;

/// How long one cookie secret is the current one; it is accepted for as long again.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(120);

/// The random secrets behind cookies: stateless for each sender.
pub struct Cookies {
    suite: &'static dyn CipherSuite,
    current: Box<dyn Mac>,
    previous: Option<Box<dyn Mac>>,
    since: Instant,
}

impl Cookies {
    /// Draws the first secret.
    ///
    /// # Errors
    /// [`CryptoError::Rng`].
    pub fn new(now: Instant, suite: &'static dyn CipherSuite) -> Result<Self, CryptoError> {
        Ok(Self { suite, current: draw(suite)?, previous: None, since: now })
    }

    /// Replaces the secret if it is due. Call before [`Self::valid`] and [`Self::reply`]; costs nothing in between.
    ///
    /// # Errors
    /// [`CryptoError::Rng`]; the old secret stays, and is no longer accepted once it is too old.
    pub fn rotate(&mut self, now: Instant) -> Result<(), CryptoError> {
        let age = now.saturating_duration_since(self.since);
        if age < COOKIE_LIFETIME {
            return Ok(());
        }
        let old = std::mem::replace(&mut self.current, draw(self.suite)?);
        if age < 2 * COOKIE_LIFETIME {
            self.previous = Some(old);
            self.since += COOKIE_LIFETIME;
        } else {
            self.previous = None;
            self.since = now;
        }
        Ok(())
    }

    /// Does this INIT carry a cookie that was given to `from` and is not too old? (COO-3)
    #[must_use]
    pub fn valid(&self, now: Instant, datagram: &[u8], from: SocketAddr) -> bool {
        let Ok(init) = Init::parse(datagram) else { return false };
        let age = now.saturating_duration_since(self.since);
        let mut valid = Choice::from(0);
        for (secret, lifetime) in
            [(Some(&self.current), 2 * COOKIE_LIFETIME), (self.previous.as_ref(), COOKIE_LIFETIME)]
        {
            if let Some(secret) = secret.filter(|_| age < lifetime) {
                valid |= mac2(self.suite, &cookie(secret.as_ref(), from), init.before_mac2).ct_eq(&init.mac2);
            }
        }
        valid.into()
    }

    /// COOKIE for the sender of an INIT that `knock` admitted.
    ///
    /// # Errors
    /// [`CryptoError::BadLength`] if it is no INIT, [`CryptoError::Rng`], [`CryptoError::Internal`].
    pub fn reply(&self, knock: &Knock, datagram: &[u8], from: SocketAddr) -> Result<[u8; COOKIE_LEN], CryptoError> {
        let init = Init::parse(datagram).map_err(|_| CryptoError::BadLength)?;
        knock.seal_cookie(&init.mac1, cookie(self.current.as_ref(), from))
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").field("since", &self.since).finish_non_exhaustive()
    }
}

fn draw(suite: &dyn CipherSuite) -> Result<Box<dyn Mac>, CryptoError> {
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    suite.random(secret.as_mut())?;
    let secret = Secret::new(*secret);
    Ok(suite.hmac(secret.expose()))
}

/// IPv4 addresses in their mapped form, so that it does not matter which kind of socket heard them.
fn cookie(secret: &dyn Mac, from: SocketAddr) -> [u8; 16] {
    let ip = match from.ip() {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        std::net::IpAddr::V6(v6) => v6,
    };
    first(secret.mac(&[&ip.octets(), &from.port().to_be_bytes()]))
}
