//! Key derivation: HKDF (RFC 5869) built once on a suite's HMAC, and dpex's two labelled functions over it.
//!
//! PROTOCOL.md, section 3.1.

use crate::suite::{CipherSuite, Mac};
use crate::types::{Digest, Secret};

/// A key from which others are derived: the HMAC under it, its mid-states kept.
pub struct Prk(Box<dyn Mac>);

impl Prk {
    /// Uses 32 uniformly random secret bytes directly as a key to expand from.
    #[must_use]
    pub fn from_secret(suite: &dyn CipherSuite, secret: &Secret<32>) -> Self {
        Self(suite.hmac(secret.expose()))
    }

    /// HKDF-Extract.
    #[must_use]
    pub fn extract(suite: &dyn CipherSuite, salt: &[u8], ikm: &Secret<32>) -> (Self, Secret<32>) {
        let prk = Secret::new(suite.hmac(salt).mac(&[ikm.expose()]));
        (Self::from_secret(suite, &prk), prk)
    }

    /// `xl(prk, label, ctx, 32)`: HKDF-Expand to 32 bytes under a dpex label.
    #[must_use]
    pub fn derive(&self, label: &str, ctx: &[u8]) -> Secret<32> {
        Secret::new(self.expand::<32>(label, ctx))
    }

    /// `xl(prk, label, ctx, N)`: HKDF-Expand to `N` bytes, `N` at most 32 (one HMAC block).
    #[must_use]
    pub fn expand<const N: usize>(&self, label: &str, ctx: &[u8]) -> [u8; N] {
        const { assert!(N <= 32 && N > 0, "one block of HKDF-Expand") };
        const PREFIX: &[u8] = b"dpex1 ";
        let length = u16::try_from(N).expect("N is at most 32").to_be_bytes();
        let label_len = u8::try_from(PREFIX.len() + label.len()).expect("labels are short constants");
        let ctx_len = u8::try_from(ctx.len()).expect("contexts are at most one hash long");
        let block = self.0.mac(&[&length, &[label_len], PREFIX, label.as_bytes(), &[ctx_len], ctx, &[1]]);
        let mut out = [0; N];
        out.copy_from_slice(&block[..N]);
        out
    }

    /// A derived key as an HMAC key.
    #[must_use]
    pub fn derive_mac(&self, suite: &dyn CipherSuite, label: &str, ctx: &[u8]) -> Box<dyn Mac> {
        suite.hmac(self.derive(label, ctx).expose())
    }
}

/// `hh(label, parts...) = SHA-256("dpex1 " || label || 0x00 || parts...)`.
#[must_use]
pub fn hh(suite: &dyn CipherSuite, label: &str, parts: &[&[u8]]) -> Digest {
    let mut hash = suite.sha256();
    hash.update(b"dpex1 ");
    hash.update(label.as_bytes());
    hash.update(&[0]);
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}
