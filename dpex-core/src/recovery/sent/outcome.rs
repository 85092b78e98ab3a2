//! What [`SentPackets`](super::SentPackets) answers.

use std::time::{Duration, Instant};

use crate::recovery::{AckEvent, Controller, LossEvent, SpuriousLoss};

/// An acknowledged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckedPacket<T> {
    /// Packet number.
    pub pn: u64,
    /// When it was sent.
    pub sent: Instant,
    /// Its size.
    pub bytes: usize,
    /// What it carried.
    pub content: T,
}

/// A packet declared lost. What of its content is still needed goes into a new packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostPacket<T> {
    /// Packet number.
    pub pn: u64,
    /// When it was sent.
    pub sent: Instant,
    /// Its size.
    pub bytes: usize,
    /// What it carried.
    pub content: T,
}

/// The peer acknowledged a packet that was never sent: a protocol violation (LOS-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("acknowledgement of packet {acked}, but the next to be sent is {next}")]
pub struct AckOfUnsent {
    /// The number acknowledged.
    pub acked: u64,
    /// The next number to be sent.
    pub next: u64,
}

/// What an acknowledgement brought.
#[derive(Debug)]
#[must_use]
pub struct AckOutcome<T> {
    /// Newly acknowledged packets, within each range lowest first.
    pub acked: Vec<AckedPacket<T>>,
    /// Packets it revealed as lost, lowest first.
    pub lost: Vec<LostPacket<T>>,
    /// Bytes newly acknowledged.
    pub newly_acked_bytes: u64,
    /// The round trip measured, if any; the estimator has it already.
    pub rtt_sample: Option<Duration>,
    /// How many packets declared lost earlier arrived after all.
    pub spurious: usize,
    /// Everything sent over a long time is gone (RFC 9002, section 7.6).
    pub persistent_congestion: bool,
    pub(super) spurious_losses: Vec<SpuriousLoss>,
    pub(super) loss: Option<LossEvent>,
    pub(super) ack: Option<AckEvent>,
}

impl<T> AckOutcome<T> {
    /// Tells the controller, in the order it relies on: spurious losses, losses, acknowledgements.
    pub fn inform(&self, now: Instant, controller: &mut dyn Controller) {
        for spurious in &self.spurious_losses {
            controller.on_spurious(now, spurious);
        }
        if let Some(loss) = &self.loss {
            controller.on_congestion(now, loss);
        }
        if let Some(ack) = &self.ack {
            controller.on_ack(now, ack);
        }
    }
}

/// What a timeout brought.
#[derive(Debug)]
#[must_use]
pub struct TimeoutOutcome<T> {
    /// Packets declared lost, lowest first.
    pub lost: Vec<LostPacket<T>>,
    /// How many ack-eliciting packets to send now, whatever the congestion window says (RFC 9002, section 6.2.4).
    pub probes: usize,
    pub(super) loss: Option<LossEvent>,
}

impl<T> TimeoutOutcome<T> {
    /// Tells the controller.
    pub fn inform(&self, now: Instant, controller: &mut dyn Controller) {
        if let Some(loss) = &self.loss {
            controller.on_congestion(now, loss);
        }
    }
}
