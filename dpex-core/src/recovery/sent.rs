//! Which packets are in flight, and what an acknowledgement or a timeout says of them.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::{Ack, AckEvent, Controller, LossEvent, RttEstimator, SpuriousLoss};

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

/// The peer acknowledged a packet that was never sent: a protocol violation.
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
    spurious_losses: Vec<SpuriousLoss>,
    loss: Option<LossEvent>,
    ack: Option<AckEvent>,
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
    loss: Option<LossEvent>,
}

impl<T> TimeoutOutcome<T> {
    /// Tells the controller.
    pub fn inform(&self, now: Instant, controller: &mut dyn Controller) {
        if let Some(loss) = &self.loss {
            controller.on_congestion(now, loss);
        }
    }
}

/// The sender's record of packets. `T` is what a packet carried.
#[derive(Debug)]
pub struct SentPackets<T> {
    content: PhantomData<T>,
}

impl<T> SentPackets<T> {
    /// Nothing sent; the first packet is number 0.
    #[must_use]
    pub fn new() -> Self {
        Self { content: PhantomData }
    }

    /// The number the next packet will have.
    #[must_use]
    pub fn next_pn(&self) -> u64 {
        todo!()
    }

    /// A packet of `bytes` UDP payload left with the number [`Self::next_pn`], which is returned.
    ///
    /// Only an `eliciting` packet is kept and counts as in flight; of another, only the number is used up.
    pub fn on_sent(&mut self, _now: Instant, _bytes: usize, _eliciting: bool, _content: T) -> u64 {
        todo!()
    }

    /// Like [`Self::on_sent`] for an eliciting packet that tests a datagram size: its loss comes back in `lost` like
    /// any other, but is not told to the controller (RFC 8899, section 3).
    pub fn on_size_probe_sent(&mut self, _now: Instant, _bytes: usize, _content: T) -> u64 {
        todo!()
    }

    /// The sender has room in window and pacer but nothing to send: rate samples until this is over say so.
    pub fn on_app_limited(&mut self) {
        todo!()
    }

    /// Handles an acknowledgement; takes its round-trip sample into `rtt`.
    ///
    /// # Errors
    /// [`AckOfUnsent`] if any range reaches beyond what was sent; nothing has changed then.
    pub fn on_ack(&mut self, _now: Instant, _ack: &Ack, _rtt: &mut RttEstimator) -> Result<AckOutcome<T>, AckOfUnsent> {
        todo!()
    }

    /// When [`Self::on_timeout`] is due: the loss timer, else the probe timeout while anything is in flight.
    #[must_use]
    pub fn timeout(&self, _rtt: &RttEstimator) -> Option<Instant> {
        todo!()
    }

    /// Time passed. Does nothing before [`Self::timeout`].
    pub fn on_timeout(&mut self, _now: Instant, _rtt: &RttEstimator) -> TimeoutOutcome<T> {
        todo!()
    }

    /// Bytes in flight: sent, eliciting, neither acknowledged nor declared lost.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        todo!()
    }

    /// Packets in flight.
    #[must_use]
    pub fn eliciting_in_flight(&self) -> usize {
        todo!()
    }

    /// Probe timeouts in a row without an acknowledgement.
    #[must_use]
    pub fn pto_count(&self) -> u32 {
        todo!()
    }
}

impl<T> Default for SentPackets<T> {
    fn default() -> Self {
        Self::new()
    }
}
