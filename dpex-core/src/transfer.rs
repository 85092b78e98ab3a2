//! Mechanisms of a transfer: the control stream, credit, blocks on both sides, and the hash tree over them.
//!
//! Plain state machines without clock, disk or keys; PROTOCOL.md, section 6, is their text. What breaks the protocol
//! comes back as [`Violation`]; what merely cannot be taken now is [`Accepted::No`], and its packet is then not
//! acknowledged, so that it comes again.

mod blocks;
mod credit;
mod geometry;
mod incoming;
mod outgoing;
mod stream;
mod tree;

pub use credit::{Allowance, Grants};
pub use geometry::{Block, DEFAULT_BLOCK_LOG2, Geometry};
pub use incoming::{Complete, Incoming, Outcome};
pub use outgoing::{Content, Outgoing, Portion};
pub use stream::{ANSWER_WINDOW, ControlReceiver, ControlSender, REQUEST_WINDOW};
pub use tree::{RootBuilder, block_value};

/// The peer broke the protocol: the session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub &'static str);

/// Was a piece taken?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Accepted {
    /// Yes, or it was already here.
    Yes,
    /// Not now: do not acknowledge the packet (LOS-4).
    No,
}

/// Most out-of-order ranges kept of the control stream (lesson of RUSTSEC-2026-0185) (CTL-5).
pub const MAX_RANGES: usize = 256;
