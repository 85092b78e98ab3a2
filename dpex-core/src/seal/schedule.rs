//! The key schedule (PROTOCOL.md, section 3.4), one type a stage: holding a stage is having done what leads to it.

use crate::kdf::{Prk, hh};
use crate::suite::{CipherSuite, CryptoError, TAG_LEN};
use crate::types::{Digest, Secret};
use crate::wire::handshake::{CHOICE, INIT_HEAD, INIT_PAYLOAD, RESP_HEAD, RESP_PAYLOAD};

use super::secrets::SessionSecrets;

/// `PRK0`: known to whoever has the pre-shared key and saw INIT's nonce.
pub struct Stage0 {
    prk: Prk,
    secret: Secret,
    ctx: Digest,
}

impl Stage0 {
    pub(super) fn new(suite: &dyn CipherSuite, hs: &Secret, ctx: &Digest, n_c: &[u8; 32]) -> Self {
        let (prk, secret) = Prk::extract(suite, n_c, hs);
        Self { prk, secret, ctx: *ctx }
    }

    /// `PRK0` itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// `k_init`, which seals INIT's payload.
    #[must_use]
    pub fn init_key(&self) -> Secret {
        self.prk.derive("init key", self.ctx.as_bytes())
    }

    /// `rid`, by which the client knows the answer to this INIT.
    #[must_use]
    pub fn rid(&self) -> [u8; 8] {
        self.prk.expand("rid", self.ctx.as_bytes())
    }

    /// `th1`, over INIT as the server will have read it.
    pub(super) fn th1(&self, suite: &dyn CipherSuite, head: &[u8; INIT_HEAD], payload: &[u8; INIT_PAYLOAD]) -> Digest {
        hh(suite, "th1", &[self.ctx.as_bytes(), head, payload])
    }

    /// On to `PRK1` with the server's nonce.
    #[must_use]
    pub fn stage1(&self, suite: &dyn CipherSuite, n_s: &[u8; 32]) -> Stage1 {
        let (prk, secret) = Prk::extract(suite, n_s, &self.secret);
        Stage1 { prk, secret }
    }
}

/// `PRK1`: known to whoever has the pre-shared key and saw both nonces.
pub struct Stage1 {
    prk: Prk,
    secret: Secret,
}

impl Stage1 {
    /// `PRK1` itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key of `C1`.
    #[must_use]
    pub fn choice_key(&self, th1: &Digest) -> Secret {
        self.prk.derive("resp key 1", th1.as_bytes())
    }

    /// On to `PRK2` with the X25519 product.
    #[must_use]
    pub fn stage2(&self, suite: &dyn CipherSuite, shared: &Secret) -> Stage2 {
        let (prk, secret) = Prk::extract(suite, self.secret.expose(), shared);
        Stage2 { prk, secret }
    }
}

/// `PRK2`: known only to the two ends.
pub struct Stage2 {
    prk: Prk,
    secret: Secret,
}

impl Stage2 {
    /// `PRK2` itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key of `C2`.
    #[must_use]
    pub fn payload_key(&self, th2: &Digest) -> Secret {
        self.prk.derive("resp key 2", th2.as_bytes())
    }

    /// The session's secrets. The master secret between is erased when this returns (HS-10).
    #[must_use]
    pub fn session(&self, suite: &dyn CipherSuite, th3: &Digest) -> SessionSecrets {
        let master = Prk::from_secret(suite, &self.prk.derive("master", th3.as_bytes()));
        SessionSecrets::derive(&master, th3)
    }
}

/// `th2`, over RESP's head and the choice as the client will have read it.
pub(super) fn th2(suite: &dyn CipherSuite, th1: &Digest, head: &[u8; RESP_HEAD], choice: &[u8; CHOICE]) -> Digest {
    hh(suite, "th2", &[th1.as_bytes(), head, choice])
}

/// `th3`, over all of the handshake.
pub(super) fn th3(suite: &dyn CipherSuite, th2: &Digest, payload: &[u8; RESP_PAYLOAD]) -> Digest {
    hh(suite, "th3", &[th2.as_bytes(), payload])
}

/// One direction's secret in one epoch, `dᵉ`. Consumed by what it gives, so that it is erased when that exists (KEY-7).
pub struct TrafficSecret {
    prk: Prk,
}

impl TrafficSecret {
    /// Takes over `dᵉ`.
    #[must_use]
    pub fn new(suite: &dyn CipherSuite, secret: &Secret) -> Self {
        Self { prk: Prk::from_secret(suite, secret) }
    }

    /// The AES-256-GCM key.
    #[must_use]
    pub fn key(&self) -> Secret {
        self.prk.derive("key", b"")
    }

    /// What packet numbers are combined with to make nonces.
    #[must_use]
    pub fn iv(&self) -> Secret<12> {
        Secret::new(self.prk.expand("iv", b""))
    }

    /// `dᵉ⁺¹`.
    #[must_use]
    pub fn next(self) -> Secret {
        self.prk.derive("update", b"")
    }
}

/// What an identity key signs: no other protocol's message starts with this (the padding of TLS 1.3, RFC 8446, 4.4.3).
pub(super) fn signed_message(label: &str, digest: &Digest) -> Vec<u8> {
    let mut message = vec![0x20; 64];
    message.extend_from_slice(label.as_bytes());
    message.push(0);
    message.extend_from_slice(digest.as_bytes());
    message
}

/// What the client signs.
pub(super) fn init_message(
    suite: &dyn CipherSuite,
    ctx: &Digest,
    head: &[u8; INIT_HEAD],
    payload: &[u8; INIT_PAYLOAD],
) -> Vec<u8> {
    let [before, after] = crate::wire::handshake::init_signed_parts(payload);
    signed_message("DPEX/1 client INIT", &hh(suite, "csig", &[ctx.as_bytes(), head, before, after]))
}

/// What the server signs.
pub(super) fn resp_message(suite: &dyn CipherSuite, th2: &Digest, payload: &[u8; RESP_PAYLOAD]) -> Vec<u8> {
    let [before, after] = crate::wire::handshake::resp_signed_parts(payload);
    signed_message("DPEX/1 server RESP", &hh(suite, "ssig", &[th2.as_bytes(), before, after]))
}

/// `GCM(k, ad, pt)` under a key that is used for nothing else, and so with the nonce zero.
pub(super) fn seal_once(
    suite: &dyn CipherSuite,
    key: &Secret,
    ad: &[u8],
    buf: &mut [u8],
) -> Result<[u8; TAG_LEN], CryptoError> {
    suite.aead(key)?.seal(&[0; 12], ad, buf)
}

/// Opens what [`seal_once`] made.
pub(super) fn open_once(
    suite: &dyn CipherSuite,
    key: &Secret,
    ad: &[u8],
    buf: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), CryptoError> {
    suite.aead(key)?.open(&[0; 12], ad, buf, tag)
}

/// The first `N` bytes of a MAC.
pub(super) fn first<const N: usize>(mac: [u8; 32]) -> [u8; N] {
    const { assert!(N <= 32, "a MAC has 32 bytes") };
    let mut out = [0; N];
    out.copy_from_slice(&mac[..N]);
    out
}
