//! The OpenSSL cryptography backend: the system's libcrypto, 3.0 or newer, behind [`dpex_core::suite::CipherSuite`].
//!
//! It holds primitives and nothing else: every decision (nonces, key schedule, what is signed) is dpex-core's. One file
//! for each group of operations, named alike in every backend so that two of them can be read side by side.
//!
//! It refuses to lean on the library's defaults: padding, salt length, hashes and label are set at each use, and what it
//! writes before it has verified is wiped. With the feature `vendored` the library is built from source and linked in.

mod aead;
mod agreement;
mod error;
mod hash;
mod random;
mod rsa;
mod suite;

pub use suite::{OpenSsl, SUITE};
