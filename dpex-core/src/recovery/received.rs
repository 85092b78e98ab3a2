//! Which packets arrived, and when to say so.
//!
//! The policy (PROTOCOL.md, section 7): every second ack-eliciting packet while fewer than 100 arrive in a round
//! trip; above that about eight acknowledgements a round trip, and one every 64 packets at least; at once for the first
//! packet, whenever a gap opens or is filled, and when asked; never later than [`MAX_ACK_DELAY`].
//!
//! Replay is not judged here: a number may come twice and counts once.

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{GRANULARITY, MAX_ACK_DELAY};
use crate::types::RangeSet;

/// At most this many ranges are remembered, the newest; a peer cannot make a receiver remember more (LOS-5).
pub const MAX_ACK_RANGES: usize = 256;

/// Up to this many packets a round trip every second one is acknowledged.
const SPARSE_PACKETS: u64 = 100;
/// The tolerance on a sparse path.
const SPARSE_TOLERANCE: u64 = 2;
/// The tolerance at most.
const MAX_TOLERANCE: u64 = 64;
/// Acknowledgements wanted in a round trip on a busy path.
const ACKS_PER_RTT: u32 = 8;

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
#[derive(Debug, Default)]
pub struct Received {
    numbers: RangeSet,
    late: LateArrivals,
    largest: Option<(u64, Instant)>,
    arrivals: Arrivals,
    /// Ack-eliciting packets since the last acknowledgement.
    owed: u64,
    /// Anything at all since then.
    news: bool,
    at_once: bool,
    deadline: Option<Instant>,
}

impl Received {
    /// Nothing received.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet was opened. `eliciting`: it carries a frame that wants an acknowledgement. `rtt`: the smoothed RTT.
    pub fn on_packet(&mut self, now: Instant, pn: u64, eliciting: bool, rtt: Duration) {
        if pn == u64::MAX || self.numbers.insert(pn..pn + 1) == 0 {
            return; // A repeated packet is no news (and the last number cannot be the end of a range).
        }
        while self.numbers.ranges() > MAX_ACK_RANGES {
            self.numbers.take_front(u64::MAX);
        }
        let in_order = match self.largest {
            None => false, // The first packet is acknowledged at once, as if it filled a gap.
            Some((largest, _)) if pn < largest => {
                self.late.push(pn, largest);
                false
            }
            Some((largest, _)) => pn == largest + 1,
        };
        if self.largest.is_none_or(|(largest, _)| pn > largest) {
            self.largest = Some((pn, now));
        }
        self.news = true;
        if !eliciting {
            return;
        }
        self.arrivals.on_packet(now, rtt);
        self.owed += 1;
        self.at_once |= !in_order || self.owed >= self.arrivals.tolerance();
        let due = now + self.arrivals.patience(rtt);
        self.deadline = Some(self.deadline.map_or(due, |earlier| earlier.min(due)));
    }

    /// The packet that came last asks to be acknowledged at once.
    pub fn hurry(&mut self) {
        self.at_once |= self.owed > 0;
    }

    /// Is an acknowledgement due at once, even alone in a packet? (LOS-2)
    #[must_use]
    pub fn ack_now(&self) -> bool {
        self.at_once
    }

    /// When an acknowledgement will be due; `None` if none is owed or it is due already.
    #[must_use]
    pub fn timeout(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.at_once)
    }

    /// Time passed: a delayed acknowledgement may have become due.
    pub fn on_timeout(&mut self, now: Instant) {
        self.at_once |= self.deadline.is_some_and(|deadline| deadline <= now);
    }

    /// Is there news that may ride along in a packet that is sent anyway? (LOS-3)
    #[must_use]
    pub fn pending(&self) -> bool {
        self.news
    }

    /// The acknowledgement to send now, of at most `max_ranges` ranges, and marks it as sent.
    /// `None` if there is nothing to acknowledge.
    pub fn ack(&mut self, now: Instant, max_ranges: usize) -> Option<Ack> {
        let ranges: Vec<_> = self.numbers.iter().rev().take(max_ranges).collect();
        // After trimming, the largest number received may be older news than the largest left to tell.
        let largest = ranges.first()?.end - 1;
        let arrived = self.largest.filter(|(pn, _)| *pn == largest).map(|(_, at)| at);
        self.owed = 0;
        self.news = false;
        self.at_once = false;
        self.deadline = None;
        let delay = arrived.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        Some(Ack { largest, delay, ranges })
    }

    /// The peer acknowledged a packet that carried an [`Ack`] with this `largest`: what it said need not be said again.
    ///
    /// What came late, after the acknowledgement may have been sent, is kept until a later one got through.
    pub fn on_ack_of_ack(&mut self, largest: u64) {
        let told = 0..largest.saturating_add(1);
        self.late.forget_before(largest);
        let keep: Vec<_> = self.late.iter().flat_map(|late| self.numbers.within(late)).collect();
        self.numbers.remove(told);
        for range in keep {
            self.numbers.insert(range);
        }
    }

    /// The largest packet number received.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        self.largest.map(|(pn, _)| pn)
    }
}

/// How many ack-eliciting packets arrive in a round trip, measured over the last whole one.
#[derive(Debug, Default)]
struct Arrivals {
    since: Option<Instant>,
    count: u64,
    per_rtt: u64,
}

impl Arrivals {
    fn on_packet(&mut self, now: Instant, rtt: Duration) {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        // Shorter windows than a timer tick would count single bursts.
        if elapsed >= rtt.max(GRANULARITY) {
            let per_rtt = u128::from(self.count) * rtt.as_nanos() / elapsed.as_nanos();
            self.per_rtt = u64::try_from(per_rtt).unwrap_or(u64::MAX);
            self.since = Some(now);
            self.count = 0;
        }
        self.count += 1;
    }

    /// Packets after which an acknowledgement is due.
    fn tolerance(&self) -> u64 {
        if self.per_rtt < SPARSE_PACKETS {
            SPARSE_TOLERANCE
        } else {
            (self.per_rtt / u64::from(ACKS_PER_RTT)).clamp(SPARSE_TOLERANCE, MAX_TOLERANCE)
        }
    }

    /// Time after which it is due. On a busy path an eighth of a round trip, so that a sender that has slowed down
    /// since it was measured does not wait for a tolerance it no longer fills.
    fn patience(&self, rtt: Duration) -> Duration {
        if self.per_rtt < SPARSE_PACKETS {
            MAX_ACK_DELAY
        } else {
            (rtt / ACKS_PER_RTT).clamp(GRANULARITY, MAX_ACK_DELAY)
        }
    }
}

/// Packets that arrived after a larger number, with the largest number known then.
///
/// An acknowledgement whose largest number is no greater may have been sent before the packet arrived, and its getting
/// through says nothing of this packet; one whose largest is greater was sent afterwards.
#[derive(Debug, Default)]
struct LateArrivals(VecDeque<(Range<u64>, u64)>);

impl LateArrivals {
    fn push(&mut self, pn: u64, largest: u64) {
        match self.0.back_mut() {
            Some((range, then)) if range.end == pn && *then == largest => range.end += 1,
            _ => self.0.push_back((pn..pn + 1, largest)),
        }
        if self.0.len() > MAX_ACK_RANGES {
            self.0.pop_front();
        }
    }

    fn forget_before(&mut self, largest: u64) {
        while self.0.front().is_some_and(|(_, then)| *then < largest) {
            self.0.pop_front();
        }
    }

    fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(range, _)| range.clone())
    }
}
