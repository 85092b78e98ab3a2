//! The handshake and the record layer with a real backend: what each side makes, the other must accept, and nothing
//! else.

mod erasure;
mod gate;
mod handshake;
mod hostile;
mod records;
mod support;
mod updates;
