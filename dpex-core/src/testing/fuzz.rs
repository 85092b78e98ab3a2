//! Bodies for fuzzers: plain functions of bytes that panic if something is wrong. proptest runs them with the tests,
//! cargo-fuzz may run them for days. Nothing here is random but its input.

mod enrolment;
mod handshake;
mod names;
mod session;
mod wire;

use std::sync::OnceLock;

use crate::engine::Limits;
use crate::testing::NullSuite;
use crate::testing::scripted::{Acquaintance, BEGINNING};
use crate::types::Timestamp;

pub use enrolment::{enrolment, enrolment_seeds};
pub use handshake::{init, packet, response};
pub use names::names;
pub use session::session;
pub use wire::{control_message, frames};

/// What cargo-fuzz calls a body and its corpus, and the body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("packet", packet),
    ("init", init),
    ("response", response),
    ("frames", frames),
    ("control_message", control_message),
    ("session", session),
    ("enrolment", enrolment),
    ("names", names),
];

/// Small bounds, so that they are met soon.
const LIMITS: Limits = Limits { window: 4 << 16, max_window: 16 << 16, send_buffer: 1 << 20, read_ahead: 1 << 19 };

fn keys() -> &'static Acquaintance {
    static KEYS: OnceLock<Acquaintance> = OnceLock::new();
    KEYS.get_or_init(|| Acquaintance::new(NullSuite::leak(1)))
}

fn stamp() -> Timestamp {
    Timestamp::new(BEGINNING, 0).expect("whole seconds")
}
