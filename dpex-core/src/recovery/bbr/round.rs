//! Round trips counted in packets, and what happened in them.

use std::time::Duration;

use crate::recovery::AckEvent;

/// What one round trip brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Bytes.
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) least_rtt: Option<Duration>,
    /// The highest delivery rate sampled, in bytes per second.
    pub(super) rate: u64,
    /// The most delivered between a packet's sending and its acknowledgement.
    pub(super) delivered: u64,
    /// Some of it says more of the sender than of the path.
    pub(super) limited: bool,
}

impl Tally {
    pub(super) fn on_ack(&mut self, ack: &AckEvent, sample: Sample) {
        self.acked = self.acked.saturating_add(ack.bytes);
        self.least_rtt = [self.least_rtt, ack.rtt_sample].into_iter().flatten().min();
        self.rate = self.rate.max(sample.rate);
        self.delivered = self.delivered.max(sample.delivered);
        self.limited |= sample.limited;
    }

    /// Bytes acknowledged or lost.
    pub(super) fn settled(&self) -> u64 {
        self.acked.saturating_add(self.lost)
    }
}

/// What an acknowledgement says of the rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Bytes per second; 0 without a sample.
    pub(super) rate: u64,
    /// Bytes delivered since the acknowledged packet was sent.
    pub(super) delivered: u64,
    /// It is a lower bound: the sender had nothing more to send, or held back.
    pub(super) limited: bool,
}

/// A round trip: it ends when a packet sent after its beginning is acknowledged (section 5.5.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    pub(super) count: u64,
    /// This acknowledgement began one.
    pub(super) starts_now: bool,
    pub(super) tally: Tally,
    ends: u64,
    used_up: bool,
    was_used_up: bool,
}

impl Round {
    /// Begins a round trip early, with the next packet sent.
    pub(super) fn restart(&mut self, delivered: u64) {
        self.ends = delivered;
    }

    /// Takes an acknowledgement; returns what the round trip brought that it ends, if it does.
    pub(super) fn on_ack(&mut self, ack: &AckEvent, sample: Sample) -> Option<Tally> {
        self.starts_now = ack.prior_delivered >= self.ends;
        let ended = self.starts_now.then(|| std::mem::take(&mut self.tally));
        if self.starts_now {
            self.ends = ack.delivered;
            self.count += 1;
            self.was_used_up = std::mem::take(&mut self.used_up);
        }
        self.tally.on_ack(ack, sample);
        ended
    }

    /// The window is used up.
    pub(super) fn on_window_used_up(&mut self) {
        self.used_up = true;
    }

    /// Was the window used up in this round trip or the last?
    pub(super) fn is_window_limited(&self) -> bool {
        self.used_up || self.was_used_up
    }
}
