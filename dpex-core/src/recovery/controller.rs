//! What a congestion controller is asked and told. Sizes are UDP payload bytes.
//!
//! A controller decides two figures, a window and a pacing rate. It sends nothing, times nothing and keeps no packets:
//! [`SentPackets`](super::SentPackets) tells it what happened, through
//! [`AckOutcome::inform`](super::AckOutcome::inform) and [`TimeoutOutcome::inform`](super::TimeoutOutcome::inform).

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::{RateSample, RttEstimator};

/// A congestion controller for one path.
///
/// Contract: [`Self::window`] never falls below two datagrams; every method is total, whatever the order of calls.
pub trait Controller: Send + Debug {
    /// A packet that counts as in flight left; `in_flight` includes it.
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: u64);

    /// Packets were newly acknowledged. Losses found by the same acknowledgement were told before.
    fn on_ack(&mut self, now: Instant, ack: &AckEvent);

    /// Packets were declared lost, and their loss is the path's doing (size probes are left out) (LOS-11).
    fn on_congestion(&mut self, now: Instant, loss: &LossEvent);

    /// A packet that was declared lost arrived after all.
    fn on_spurious(&mut self, now: Instant, spurious: &SpuriousLoss);

    /// The path's datagram size changed.
    fn on_datagram_size(&mut self, bytes: usize);

    /// Congestion window: bytes that may be in flight (LOS-10).
    fn window(&self) -> u64;

    /// Pacing rate in bytes per second.
    fn pacing_rate(&self, rtt: &RttEstimator) -> u64;

    /// The field's name for the algorithm, for logs.
    fn name(&self) -> &'static str;
}

/// Newly acknowledged packets, all those of one acknowledgement.
#[derive(Clone, Debug)]
pub struct AckEvent {
    /// Bytes newly acknowledged. Packets that had been declared lost are not among them.
    pub bytes: u64,
    /// The largest newly acknowledged packet number.
    pub largest: u64,
    /// When that packet was sent.
    pub largest_sent: Instant,
    /// Bytes in flight before this acknowledgement.
    pub prior_in_flight: u64,
    /// Bytes in flight after it, and after the losses it revealed.
    pub in_flight: u64,
    /// Bytes this acknowledgement revealed as lost.
    pub lost: u64,
    /// Bytes delivered since the beginning, these included.
    pub delivered: u64,
    /// Bytes delivered in all when the largest of these packets left: says which round trip it belongs to.
    pub prior_delivered: u64,
    /// The round trip measured, if the largest packet of the acknowledgement is new.
    pub rtt_sample: Option<Duration>,
    /// Smoothed RTT after that sample.
    pub smoothed_rtt: Duration,
    /// Smallest RTT seen on the path.
    pub min_rtt: Duration,
    /// Round trips counted by packets: one ends when a packet sent after its beginning is acknowledged.
    pub round: u64,
    /// The delivery rate, if this acknowledgement allows a sample.
    pub rate: Option<RateSample>,
}

/// Packets declared lost at one moment.
#[derive(Clone, Debug)]
pub struct LossEvent {
    /// Their bytes together.
    pub bytes: u64,
    /// Each of them, lowest number first; never empty.
    pub packets: Vec<LostSample>,
    /// The largest lost packet number.
    pub largest: u64,
    /// The next packet number to be sent: a reduction made now covers all losses below it.
    pub next_pn: u64,
    /// Bytes in flight before the loss was found.
    pub prior_in_flight: u64,
    /// Bytes in flight after it.
    pub in_flight: u64,
    /// Everything sent over a long time is gone (RFC 9002, section 7.6).
    pub persistent: bool,
    /// The round trip, counted as in [`AckEvent::round`].
    pub round: u64,
}

/// One lost packet as a model-based controller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostSample {
    /// Packet number.
    pub pn: u64,
    /// Size.
    pub bytes: u64,
    /// When it was sent.
    pub sent: Instant,
    /// Bytes in flight just after it left, itself included.
    pub tx_in_flight: u64,
    /// Bytes declared lost since it left, itself included.
    pub lost: u64,
    /// Bytes delivered in all when it left.
    pub prior_delivered: u64,
    /// The sender had nothing more to send when it left.
    pub app_limited: bool,
}

/// A packet that was declared lost and has been acknowledged since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpuriousLoss {
    /// Packet number.
    pub pn: u64,
    /// Size.
    pub bytes: u64,
    /// When it was sent.
    pub sent: Instant,
    /// When it was declared lost.
    pub declared: Instant,
}
