//! CUBIC (RFC 9438).

use std::time::Instant;

use super::{AckEvent, Controller, LossEvent, RttEstimator, SpuriousLoss};

/// CUBIC with HyStart++.
#[derive(Clone, Debug)]
pub struct Cubic {}

impl Cubic {
    /// A controller for a path of this datagram size.
    #[must_use]
    pub fn new(_datagram: usize) -> Self {
        Self {}
    }
}

impl Controller for Cubic {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, _in_flight: u64) {}
    fn on_ack(&mut self, _now: Instant, _ack: &AckEvent) {}
    fn on_congestion(&mut self, _now: Instant, _loss: &LossEvent) {}
    fn on_spurious(&mut self, _now: Instant, _spurious: &SpuriousLoss) {}
    fn on_datagram_size(&mut self, _bytes: usize) {}
    fn window(&self) -> u64 {
        todo!()
    }
    fn pacing_rate(&self, _rtt: &RttEstimator) -> u64 {
        todo!()
    }
    fn name(&self) -> &'static str {
        "cubic"
    }
}
