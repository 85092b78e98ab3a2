//! SHA-256 and HMAC-SHA-256.
//!
//! The library picks the CPU's SHA instructions at run time.

use aws_lc_rs::{digest, hmac};
use dpex_core::suite::{Hash, Mac};
use dpex_core::types::Digest;

/// A running SHA-256.
#[derive(Clone)]
pub(crate) struct RunningSha256(digest::Context);

impl RunningSha256 {
    pub(crate) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Hash for RunningSha256 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn fork(&self) -> Box<dyn Hash> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest(self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// HMAC-SHA-256 under one key: the states after the inner and the outer padded key, cloned for each message.
pub(crate) struct HmacSha256(hmac::Key);

impl HmacSha256 {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
}

impl Mac for HmacSha256 {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&self.0);
        for part in parts {
            mac.update(part);
        }
        mac.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }
}
