//! The AWS-LC cryptography backend: aws-lc-rs behind [`dpex_core::suite::CipherSuite`].
//!
//! It holds primitives and nothing else: every decision (nonces, key schedule, what is signed) is dpex-core's. One file
//! for each group of operations, named alike in every backend so that two of them can be read side by side.
//!
//! It is the fastest of the backends, and the library is built from its own C and assembly sources: that takes a C
//! compiler, and cmake where the library has no prepared build for the platform.

mod aead;
mod agreement;
mod error;
mod hash;
mod random;
mod rsa;
mod suite;

pub use suite::{AwsLc, SUITE};
