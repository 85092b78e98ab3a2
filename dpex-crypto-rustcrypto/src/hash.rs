//! SHA-256 and HMAC-SHA-256.
//!
//! The library picks the CPU's SHA instructions at run time; only the `sha2_backend` compiler setting, which nothing
//! here touches, would switch that off.

use dpex_core::suite::{Hash, Mac};
use dpex_core::types::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// A running SHA-256.
#[derive(Clone, Default)]
pub(crate) struct RunningSha256(Sha256);

impl Hash for RunningSha256 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn fork(&self) -> Box<dyn Hash> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// HMAC-SHA-256 under one key: the states after the inner and the outer padded key, cloned for each message.
pub(crate) struct HmacSha256(Hmac<Sha256>);

impl HmacSha256 {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }
}

impl Mac for HmacSha256 {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}
