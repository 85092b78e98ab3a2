//! The pure Rust cryptography backend: the RustCrypto crates and x25519-dalek behind
//! [`dpex_core::suite::CipherSuite`].
//!
//! It holds primitives and nothing else: every decision (nonces, key schedule, what is signed) is dpex-core's. One file
//! for each group of operations, named alike in every backend so that two of them can be read side by side.
//!
//! It refuses to be the recommended backend of a public server: the `rsa` crate is a release candidate, unaudited, and
//! RUSTSEC-2023-0071 lists no patched version. See [`SUITE`] for how far that reaches here.

mod aead;
mod agreement;
mod error;
mod hash;
mod random;
mod rsa;
mod suite;

pub use suite::{RustCrypto, SUITE};
