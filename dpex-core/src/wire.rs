//! Bytes to packets and messages and back: total functions without state. Nothing here panics on any input.

pub mod codec;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod packet;
