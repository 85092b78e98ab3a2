//! The two ends of a flow: the real state of sender and receiver, and what of the file has arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Demand, Flow};
use crate::recovery::{Ack, Controller, Pacer, Received, RttEstimator, SentPackets};

/// What a sender has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Packets declared lost.
    pub(super) declared: u64,
    /// Packets declared lost that had arrived.
    pub(super) spurious: u64,
    pub(super) probe_timeouts: u64,
}

/// A packet's number and the piece of the file it carries.
pub(super) struct Packet {
    pub(super) pn: u64,
    pub(super) piece: u64,
}

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) controller: Box<dyn Controller>,
    pub(super) datagram: usize,
    pub(super) tally: Tally,
    sent: SentPackets<u64>,
    rtt: RttEstimator,
    pacer: Pacer,
    probes: usize,
    /// Pieces to send again, and the first that was never sent.
    again: VecDeque<u64>,
    next: u64,
    /// How many pieces there are.
    pieces: Option<u64>,
    /// At this rate, pieces come to be there.
    trickle: Option<u64>,
    began: Instant,
    paced_until: Option<Instant>,
}

impl Sender {
    pub(super) fn new(now: Instant, flow: Flow) -> Self {
        let mut pacer = Pacer::new(now);
        pacer.set_datagram_size(flow.datagram);
        let (pieces, trickle) = match flow.demand {
            Demand::Endless => (None, None),
            Demand::File(bytes) => (Some(bytes.div_ceil(super::content(flow.datagram))), None),
            Demand::Trickle(rate) => (None, Some(rate)),
        };
        Self {
            controller: flow.controller,
            datagram: flow.datagram,
            tally: Tally::default(),
            sent: SentPackets::new(),
            rtt: RttEstimator::new(Duration::from_millis(333)),
            pacer,
            probes: 0,
            again: VecDeque::new(),
            next: 0,
            pieces,
            trickle,
            began: now,
            paced_until: None,
        }
    }

    pub(super) fn on_ack(&mut self, now: Instant, ack: &Ack) {
        let outcome = self.sent.on_ack(now, ack, &mut self.rtt).expect("only sent packets arrive");
        outcome.inform(now, &mut *self.controller);
        self.tally.declared += outcome.lost.len() as u64;
        self.tally.spurious += outcome.spurious as u64;
        self.again.extend(outcome.lost.iter().map(|lost| lost.content));
    }

    fn on_timeout(&mut self, now: Instant) {
        let outcome = self.sent.on_timeout(now, &self.rtt);
        outcome.inform(now, &mut *self.controller);
        self.tally.declared += outcome.lost.len() as u64;
        self.tally.probe_timeouts += u64::from(outcome.probes > 0);
        self.again.extend(outcome.lost.iter().map(|lost| lost.content));
        if outcome.probes > 0 {
            // As a session does: a probe says again what is oldest in flight.
            self.again.extend(self.sent.in_flight().take(outcome.probes));
            self.probes = outcome.probes;
        }
    }

    fn has_new(&self, now: Instant) -> bool {
        let there = self.trickle.map(|rate| {
            let nanos = now.saturating_duration_since(self.began).as_nanos();
            (nanos * u128::from(rate) / 1_000_000_000) as u64 / self.datagram as u64
        });
        self.pieces.or(there).is_none_or(|pieces| self.next < pieces)
    }

    /// The next packet that may leave now.
    pub(super) fn poll_packet(&mut self, now: Instant) -> Option<Packet> {
        if self.sent.timeout(&self.rtt).is_some_and(|due| due <= now) {
            self.on_timeout(now);
        }
        self.paced_until = None;
        let bytes = self.datagram;
        if self.again.is_empty() && !self.has_new(now) {
            self.sent.on_app_limited();
            // The next piece of a trickle is waited for, roughly.
            self.paced_until = self.trickle.map(|_| now + Duration::from_millis(1));
            return None;
        }
        if self.probes == 0 {
            if self.sent.bytes_in_flight() + bytes as u64 > self.controller.window() {
                return None;
            }
            self.pacer.set_rate(now, self.controller.pacing_rate(&self.rtt));
            if let Some(release) = self.pacer.next_release(now, bytes) {
                // Timers are no finer.
                self.paced_until = Some(release.max(now + Duration::from_micros(125)));
                return None;
            }
        }
        self.probes = self.probes.saturating_sub(1);
        let piece = self.again.pop_front().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        let pn = self.sent.on_sent(now, bytes, true, piece);
        self.pacer.on_sent(now, bytes);
        self.controller.on_sent(now, bytes, self.sent.bytes_in_flight());
        Some(Packet { pn, piece })
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        [self.sent.timeout(&self.rtt), self.paced_until].into_iter().flatten().min()
    }
}

#[derive(Debug)]
pub(super) struct Receiver {
    received: Received,
    rtt: Duration,
    /// Which pieces are there.
    pieces: Vec<bool>,
    pub(super) new_pieces: u64,
}

impl Receiver {
    pub(super) fn new(rtt: Duration) -> Self {
        Self { received: Received::new(), rtt, pieces: Vec::new(), new_pieces: 0 }
    }

    /// Returns whether the piece is new.
    pub(super) fn on_packet(&mut self, now: Instant, packet: &Packet) -> bool {
        self.received.on_packet(now, packet.pn, true, self.rtt);
        let at = packet.piece as usize;
        if self.pieces.len() <= at {
            self.pieces.resize(at + 1, false);
        }
        let new = !std::mem::replace(&mut self.pieces[at], true);
        self.new_pieces += u64::from(new);
        new
    }

    pub(super) fn poll_ack(&mut self, now: Instant) -> Option<Ack> {
        self.received.on_timeout(now);
        if !self.received.ack_now() {
            return None;
        }
        let ack = self.received.ack(now, crate::recovery::MAX_ACK_RANGES)?;
        // Roughly what an acknowledgement of an acknowledgement does for it.
        self.received.on_ack_of_ack(ack.largest.saturating_sub(4000));
        Some(ack)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.received.timeout()
    }
}
