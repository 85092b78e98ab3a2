//! The dpex protocol, from bytes to transfers, independent of any cryptography library, file system or socket.
//!
//! Floors, lowest first; a module uses floors below its own and never one above (`tests/floors.rs` proves it):
//!
//! | floor | modules | what they are |
//! | --- | --- | --- |
//! | 0 | [`types`] | names, ranges, keys, secrets, ids: valid by construction |
//! | 1 | [`suite`], [`store`], [`transport`] | the three joints: traits and their errors |
//! | 2 | [`wire`], [`kdf`], [`keyfile`] | bytes to packets and messages and back; key derivation; key files |
//! | 3 | [`enrol`], [`seal`], [`recovery`], [`shaping`], [`transfer`] | mechanisms; islands, none imports another |
//! | 4 | [`engine`] | endpoint (admission, routing) and session (one peer): sans-IO |
//! | 5 | `node` | the only async code (feature `node`) |
//!
//! `testing` and `conformance` stand beside the stairs (features of these names).

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod engine;
pub mod enrol;
pub mod kdf;
pub mod keyfile;
#[cfg(feature = "node")]
pub mod node;
pub mod recovery;
pub mod seal;
pub mod shaping;
pub mod store;
pub mod suite;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transfer;
pub mod transport;
pub mod types;
pub mod wire;
