//! Which packets arrived, and when to say so.

use std::ops::Range;
use std::time::{Duration, Instant};

/// At most this many ranges are remembered, the newest; a peer cannot make a receiver remember more.
pub const MAX_ACK_RANGES: usize = 256;

/// An acknowledgement: what its frame says, independent of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The largest packet number received.
    pub largest: u64,
    /// How long ago that packet arrived.
    pub delay: Duration,
    /// What was received: disjoint half-open ranges, highest first; the first ends just above `largest`.
    pub ranges: Vec<Range<u64>>,
}

/// The receiver's record of packets and its acknowledgement policy.
#[derive(Debug)]
pub struct Received {}

impl Received {
    /// Nothing received.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }

    /// A packet was opened. `eliciting`: it carries a frame that wants an acknowledgement. `rtt`: the smoothed RTT.
    pub fn on_packet(&mut self, _now: Instant, _pn: u64, _eliciting: bool, _rtt: Duration) {
        todo!()
    }

    /// Is an acknowledgement due at once, even alone in a packet?
    #[must_use]
    pub fn ack_now(&self) -> bool {
        todo!()
    }

    /// When an acknowledgement will be due; `None` if none is owed or it is due already.
    #[must_use]
    pub fn timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Time passed: a delayed acknowledgement may have become due.
    pub fn on_timeout(&mut self, _now: Instant) {
        todo!()
    }

    /// Is there news that may ride along in a packet that is sent anyway?
    #[must_use]
    pub fn pending(&self) -> bool {
        todo!()
    }

    /// The acknowledgement to send now, of at most `max_ranges` ranges, and marks it as sent.
    /// `None` if there is nothing to acknowledge.
    pub fn ack(&mut self, _now: Instant, _max_ranges: usize) -> Option<Ack> {
        todo!()
    }

    /// The peer acknowledged a packet that carried an [`Ack`] with this `largest`: what it said need not be said again.
    pub fn on_ack_of_ack(&mut self, _largest: u64) {
        todo!()
    }

    /// The largest packet number received.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        todo!()
    }
}

impl Default for Received {
    fn default() -> Self {
        Self::new()
    }
}
