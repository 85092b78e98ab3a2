//! Which packets are in flight, and what an acknowledgement or a timeout says of them (RFC 9002, section 6).
//!
//! Packet numbers are handed out in order, so everything the loss rules ask for is a prefix: the oldest packets in
//! flight are lost first, and one look at the oldest says when the next will be. An acknowledgement costs work for
//! the packets it newly acknowledges and the ranges it names, not for those it repeats.

mod outcome;
#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

pub use outcome::{AckOfUnsent, AckOutcome, AckedPacket, LostPacket, TimeoutOutcome};

use super::loss::{LossRun, LostLately, ReorderWindow};
use super::rate::{Deliveries, Stamp};
use super::{Ack, AckEvent, LossEvent, LostSample, MAX_ACK_DELAY, RttEstimator};
use crate::types::RangeSet;

/// Packets to send when the probe timeout fires (RFC 9002, section 6.2.4: one may be lost as well) (LOS-9).
const PROBES: usize = 2;
/// The probe timeout doubles so many times; by then the session has long been idle.
const MAX_BACKOFF: u32 = 10;

/// The sender's record of packets. `T` is what a packet carried.
///
/// Its memory is bounded by the congestion window: packets that elicit no acknowledgement are not kept.
#[derive(Debug)]
pub struct SentPackets<T> {
    next_pn: u64,
    /// Ascending by number. An acknowledged packet leaves its place empty until everything before it is settled.
    slots: VecDeque<Slot<T>>,
    /// The numbers of the slots that are not empty.
    outstanding: RangeSet,
    bytes_in_flight: u64,
    in_flight: usize,
    largest_acked: Option<u64>,
    /// When the probe timeout began to run: the last eliciting packet, or the last probe timeout.
    pto_from: Option<Instant>,
    pto_count: u32,
    first_sample: Option<Instant>,
    reordering: ReorderWindow,
    lately: LostLately,
    deliveries: Deliveries,
}

#[derive(Debug)]
struct Slot<T> {
    pn: u64,
    packet: Option<Packet<T>>,
}

#[derive(Debug)]
struct Packet<T> {
    sent: Instant,
    bytes: usize,
    size_probe: bool,
    stamp: Stamp,
    content: T,
}

impl<T> SentPackets<T> {
    /// Nothing sent; the first packet is number 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next_pn: 0,
            slots: VecDeque::new(),
            outstanding: RangeSet::new(),
            bytes_in_flight: 0,
            in_flight: 0,
            largest_acked: None,
            pto_from: None,
            pto_count: 0,
            first_sample: None,
            reordering: ReorderWindow::new(),
            lately: LostLately::default(),
            deliveries: Deliveries::default(),
        }
    }

    /// The number the next packet will have.
    #[must_use]
    pub fn next_pn(&self) -> u64 {
        self.next_pn
    }

    /// A packet of `bytes` UDP payload left with the number [`Self::next_pn`], which is returned.
    ///
    /// Only an `eliciting` packet is kept and counts as in flight; of another, only the number is used up.
    pub fn on_sent(&mut self, now: Instant, bytes: usize, eliciting: bool, content: T) -> u64 {
        if eliciting {
            return self.keep(now, bytes, false, content);
        }
        self.next_pn += 1;
        self.next_pn - 1
    }

    /// Like [`Self::on_sent`] for an eliciting packet that tests a datagram size: its loss comes back in `lost` like
    /// any other, but is not told to the controller (RFC 8899, section 3).
    pub fn on_size_probe_sent(&mut self, now: Instant, bytes: usize, content: T) -> u64 {
        self.keep(now, bytes, true, content)
    }

    fn keep(&mut self, now: Instant, bytes: usize, size_probe: bool, content: T) -> u64 {
        let pn = self.next_pn;
        self.next_pn += 1;
        let stamp = self.deliveries.on_sent(now, bytes as u64, self.bytes_in_flight);
        self.slots.push_back(Slot { pn, packet: Some(Packet { sent: now, bytes, size_probe, stamp, content }) });
        self.outstanding.insert(pn..pn + 1);
        self.bytes_in_flight += bytes as u64;
        self.in_flight += 1;
        self.pto_from = Some(now);
        pn
    }

    /// Everything in flight goes nowhere any more: the path has changed. It comes back like what is lost, and no controller
    /// is told. What is learned of round trips begins anew.
    pub fn abandon(&mut self) -> Vec<LostPacket<T>> {
        self.outstanding = RangeSet::new();
        (self.bytes_in_flight, self.in_flight) = (0, 0);
        (self.pto_from, self.pto_count, self.first_sample) = (None, 0, None);
        let slots = std::mem::take(&mut self.slots).into_iter();
        let lost = slots.filter_map(|Slot { pn, packet }| {
            let Packet { sent, bytes, content, .. } = packet?;
            Some(LostPacket { pn, sent, bytes, content })
        });
        lost.collect()
    }

    /// The sender has room in window and pacer but nothing to send: rate samples until this is over say so.
    pub fn on_app_limited(&mut self) {
        self.deliveries.on_app_limited(self.bytes_in_flight);
    }

    /// Handles an acknowledgement; takes its round-trip sample into `rtt`.
    ///
    /// # Errors
    /// [`AckOfUnsent`] if any range reaches beyond what was sent; nothing has changed then.
    pub fn on_ack(&mut self, now: Instant, ack: &Ack, rtt: &mut RttEstimator) -> Result<AckOutcome<T>, AckOfUnsent> {
        let end = ack.ranges.iter().map(|r| r.end).fold(ack.largest.saturating_add(1), u64::max);
        if end > self.next_pn {
            return Err(AckOfUnsent { acked: end - 1, next: self.next_pn });
        }
        let prior_in_flight = self.bytes_in_flight;
        let newly = self.take_acked(ack);
        let largest = newly.iter().max_by_key(|(packet, _)| packet.pn).map(|(p, stamp)| (p.pn, p.sent, *stamp));

        let rtt_sample =
            largest.filter(|(pn, ..)| *pn == ack.largest).map(|(_, sent, _)| now.saturating_duration_since(sent));
        if let Some(sample) = rtt_sample {
            rtt.update(sample, ack.delay.min(MAX_ACK_DELAY));
            self.first_sample.get_or_insert(now);
        }
        self.learn_reordering(now, &newly, rtt);
        let spurious_losses = self.take_spurious(now, ack, rtt);
        self.largest_acked = self.largest_acked.max(Some(ack.largest));

        let newly_acked_bytes: u64 = newly.iter().map(|(packet, _)| packet.bytes as u64).sum();
        let late_bytes: u64 = spurious_losses.iter().map(|lost| lost.bytes).sum();
        if newly_acked_bytes + late_bytes > 0 {
            self.deliveries.on_delivered(now, newly_acked_bytes + late_bytes);
        }
        let mut rate = None;
        if let Some((_, sent, stamp)) = &largest {
            self.pto_count = 0;
            rate = self.deliveries.sample(now, *sent, stamp, rtt.min());
            if self.deliveries.advance_round(stamp) {
                self.reordering.on_round(self.deliveries.round());
            }
        }
        let (lost, loss) = self.detect_lost(now, prior_in_flight, rtt);
        let ack = largest.map(|(largest, largest_sent, stamp)| AckEvent {
            bytes: newly_acked_bytes,
            largest,
            largest_sent,
            prior_in_flight,
            in_flight: self.bytes_in_flight,
            lost: loss.as_ref().map_or(0, |loss| loss.bytes),
            delivered: self.deliveries.delivered(),
            prior_delivered: stamp.prior_delivered(),
            rtt_sample,
            smoothed_rtt: rtt.smoothed(),
            min_rtt: rtt.min(),
            round: self.deliveries.round(),
            rate,
        });
        Ok(AckOutcome {
            acked: newly.into_iter().map(|(packet, _)| packet).collect(),
            lost,
            newly_acked_bytes,
            rtt_sample,
            spurious: spurious_losses.len(),
            persistent_congestion: loss.as_ref().is_some_and(|loss| loss.persistent),
            spurious_losses,
            loss,
            ack,
        })
    }

    /// Empties the slots of the packets in flight that the acknowledgement names.
    fn take_acked(&mut self, ack: &Ack) -> Vec<(AckedPacket<T>, Stamp)> {
        let mut newly = Vec::new();
        for range in &ack.ranges {
            if self.outstanding.first().is_none_or(|first| range.end <= first.start) {
                continue;
            }
            let runs: Vec<_> = self.outstanding.within(range.clone()).collect();
            for run in runs {
                let first = self.slots.partition_point(|slot| slot.pn < run.start);
                for slot in self.slots.range_mut(first..).take_while(|slot| slot.pn < run.end) {
                    let Some(Packet { sent, bytes, stamp, content, .. }) = slot.packet.take() else { continue };
                    self.bytes_in_flight -= bytes as u64;
                    self.in_flight -= 1;
                    newly.push((AckedPacket { pn: slot.pn, sent, bytes, content }, stamp));
                }
                self.outstanding.remove(run);
            }
        }
        newly
    }

    /// Late packets that were waited for say how much waiting the path needs.
    fn learn_reordering(&mut self, now: Instant, newly: &[(AckedPacket<T>, Stamp)], rtt: &RttEstimator) {
        let Some(largest) = self.largest_acked else { return };
        let round = self.deliveries.round();
        for (packet, _) in newly.iter().filter(|(packet, _)| packet.pn < largest) {
            self.reordering.on_late(round, packet.pn, largest, now.saturating_duration_since(packet.sent), rtt);
        }
    }

    /// Late packets that were not waited for say it as well.
    fn take_spurious(&mut self, now: Instant, ack: &Ack, rtt: &RttEstimator) -> Vec<super::SpuriousLoss> {
        self.lately.expire(now, rtt);
        let mut found = Vec::new();
        for range in &ack.ranges {
            self.lately.take(range.clone(), &mut found);
        }
        for lost in &found {
            let age = now.saturating_duration_since(lost.sent);
            self.reordering.on_spurious(self.deliveries.round(), age, rtt);
        }
        found
    }

    /// Declares lost what has been late for too long, and clears the settled slots before it.
    fn detect_lost(
        &mut self,
        now: Instant,
        prior_in_flight: u64,
        rtt: &RttEstimator,
    ) -> (Vec<LostPacket<T>>, Option<LossEvent>) {
        let largest_acked = self.largest_acked.unwrap_or(0);
        let threshold = self.reordering.time_threshold(rtt);
        let (mut lost, mut samples) = (Vec::new(), Vec::new());
        let mut run = LossRun::new();
        while let Some(Slot { pn, packet }) = self.slots.pop_front() {
            let Some(packet) = packet else {
                run.on_acked();
                continue;
            };
            let late = pn < largest_acked;
            let too_late = self.reordering.lost_by_count(pn, largest_acked) || packet.sent + threshold <= now;
            if !(late && too_late) {
                self.slots.push_front(Slot { pn, packet: Some(packet) });
                break;
            }
            let Packet { sent, bytes, size_probe, stamp, content } = packet;
            self.outstanding.remove(pn..pn + 1);
            self.bytes_in_flight -= bytes as u64;
            self.in_flight -= 1;
            if !size_probe {
                // Before the first sample nobody knows how long is long (RFC 9002, section 7.6.2).
                if self.first_sample.is_some_and(|first| first <= sent) {
                    run.on_lost(sent);
                }
                let bytes = bytes as u64;
                samples.push(LostSample {
                    pn,
                    bytes,
                    sent,
                    tx_in_flight: stamp.tx_in_flight,
                    lost: self.deliveries.on_lost(bytes, &stamp),
                    prior_delivered: stamp.prior_delivered(),
                    app_limited: stamp.app_limited,
                });
            }
            let packet = LostPacket { pn, sent, bytes, content };
            self.lately.remember(now, &packet);
            lost.push(packet);
        }
        let loss = samples.last().map(|last| last.pn).map(|largest| LossEvent {
            bytes: samples.iter().map(|sample| sample.bytes).sum(),
            packets: samples,
            largest,
            next_pn: self.next_pn,
            prior_in_flight,
            in_flight: self.bytes_in_flight,
            persistent: run.persistent(rtt),
            round: self.deliveries.round(),
        });
        (lost, loss)
    }

    /// When [`Self::on_timeout`] is due: the loss timer, else the probe timeout while anything is in flight.
    #[must_use]
    pub fn timeout(&self, rtt: &RttEstimator) -> Option<Instant> {
        self.loss_timeout(rtt).or_else(|| self.probe_timeout(rtt))
    }

    /// When the oldest packet in flight is lost, if a later one has been acknowledged.
    fn loss_timeout(&self, rtt: &RttEstimator) -> Option<Instant> {
        let oldest = self.slots.front()?;
        let packet = oldest.packet.as_ref()?;
        (Some(oldest.pn) < self.largest_acked).then(|| packet.sent + self.reordering.time_threshold(rtt))
    }

    fn probe_timeout(&self, rtt: &RttEstimator) -> Option<Instant> {
        let from = self.pto_from.filter(|_| self.in_flight > 0)?;
        Some(from + rtt.pto(MAX_ACK_DELAY) * (1 << self.pto_count.min(MAX_BACKOFF)))
    }

    /// Time passed. Does nothing before [`Self::timeout`].
    pub fn on_timeout(&mut self, now: Instant, rtt: &RttEstimator) -> TimeoutOutcome<T> {
        if self.loss_timeout(rtt).is_some() {
            let (lost, loss) = self.detect_lost(now, self.bytes_in_flight, rtt);
            return TimeoutOutcome { lost, probes: 0, loss };
        }
        let mut probes = 0;
        if self.probe_timeout(rtt).is_some_and(|due| due <= now) {
            // Counted from now, so that a session that cannot send its probes is not called again at once.
            self.pto_from = Some(now);
            self.pto_count += 1;
            probes = PROBES;
        }
        TimeoutOutcome { lost: Vec::new(), probes, loss: None }
    }

    /// What the packets in flight carried, oldest first: what a probe had better say again, as its acknowledgement
    /// then brings the answer itself and not just the news of a loss (RFC 9002, section 6.2.4).
    pub fn in_flight(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.packet.as_ref()).map(|packet| &packet.content)
    }

    /// Bytes in flight: sent, eliciting, neither acknowledged nor declared lost.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        self.bytes_in_flight
    }

    /// Packets in flight.
    #[must_use]
    pub fn eliciting_in_flight(&self) -> usize {
        self.in_flight
    }

    /// Probe timeouts in a row without an acknowledgement.
    #[must_use]
    pub fn pto_count(&self) -> u32 {
        self.pto_count
    }
}

impl<T> Default for SentPackets<T> {
    fn default() -> Self {
        Self::new()
    }
}
