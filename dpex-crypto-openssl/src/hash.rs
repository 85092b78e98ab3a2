//! SHA-256 and HMAC-SHA-256.
//!
//! Through the library's plain SHA-256 state, which can be cloned: what it offers for HMAC proper costs microseconds
//! of set-up in each call. It picks the CPU's SHA instructions at run time.

use std::hint::black_box;
use std::mem;

use dpex_core::suite::{Hash, Mac};
use dpex_core::types::Digest;
use openssl::sha::{Sha256, sha256};
use zeroize::Zeroizing;

/// SHA-256 takes its input in blocks of this many bytes, and HMAC pads its keys to one.
const BLOCK_LEN: usize = 64;

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

    fn finish(mut self: Box<Self>) -> Digest {
        Digest(mem::take(&mut self.0).finish())
    }
}

impl Drop for RunningSha256 {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// HMAC-SHA-256 under one key: the states after the inner and the outer padded key, cloned for each message.
pub(crate) struct HmacSha256 {
    inner: Sha256,
    outer: Sha256,
}

impl HmacSha256 {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if key.len() > BLOCK_LEN {
            block[..32].copy_from_slice(&*Zeroizing::new(sha256(key)));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        Self { inner: keyed(&block, 0x36), outer: keyed(&block, 0x5c) }
    }
}

impl Mac for HmacSha256 {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update(part);
        }
        let mut outer = self.outer.clone();
        outer.update(&inner.finish());
        outer.finish()
    }
}

impl Drop for HmacSha256 {
    fn drop(&mut self) {
        wipe(&mut self.inner);
        wipe(&mut self.outer);
    }
}

/// The state after the key, padded to a block, with each byte XORed with `pad` (RFC 2104, section 2).
fn keyed(block: &[u8; BLOCK_LEN], pad: u8) -> Sha256 {
    let mut state = Sha256::new();
    state.update(&*Zeroizing::new(block.map(|byte| byte ^ pad)));
    state
}

/// Overwrites a state. The binding keeps it out of reach of a write that the compiler promises to do; `black_box` is
/// the strongest hint there is without `unsafe`. Copies that a call left on the stack stay as they are.
fn wipe(state: &mut Sha256) {
    *state = Sha256::new();
    black_box(state);
}
