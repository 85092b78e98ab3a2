//! Which packets arrived, and when to say so.
//!
//! The policy (PROTOCOL.md, section 5.4): every second ack-eliciting packet while fewer than 100 arrive in a round
//! trip; above that about eight acknowledgements a round trip, and one every 64 packets at least; at once for the first
//! packet and whenever a gap opens or is filled; never later than [`MAX_ACK_DELAY`].
//!
//! Replay is not judged here: a number may come twice and counts once.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{GRANULARITY, MAX_ACK_DELAY};
use crate::types::RangeSet;

/// At most this many ranges are remembered, the newest; a peer cannot make a receiver remember more.
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

    /// Is an acknowledgement due at once, even alone in a packet?
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

    /// Is there news that may ride along in a packet that is sent anyway?
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const RTT: Duration = Duration::from_millis(80);

    /// A receiver that owes nothing: packet 0 has been acknowledged.
    fn settled(now: Instant) -> Received {
        let mut received = Received::new();
        received.on_packet(now, 0, true, RTT);
        received.ack(now, MAX_ACK_RANGES).expect("packet 0");
        received
    }

    /// Receives packets `from..` evenly over two round trips, `per_rtt` in each; returns the next number, the time, and
    /// how many were received before each acknowledgement.
    fn busy(received: &mut Received, start: Instant, per_rtt: u64) -> (u64, Instant, Vec<u64>) {
        let (mut now, mut since, mut steps) = (start, 0, Vec::new());
        let first = received.largest().map_or(0, |pn| pn + 1);
        for pn in first..first + 3 * per_rtt {
            now += RTT / u32::try_from(per_rtt).expect("small");
            received.on_timeout(now);
            received.on_packet(now, pn, true, RTT);
            since += 1;
            if received.ack_now() {
                received.ack(now, 4).expect("just received");
                steps.push(since);
                since = 0;
            }
        }
        (first + 3 * per_rtt, now, steps)
    }

    #[test]
    fn the_first_packet_is_acknowledged_at_once() {
        let now = Instant::now();
        let mut received = Received::new();
        assert!(!received.ack_now() && !received.pending());
        assert_eq!(received.ack(now, 9), None);
        received.on_packet(now, 7, true, RTT);
        assert!(received.ack_now());
        let ack = received.ack(now + 3 * MS, 9).expect("packet 7");
        assert_eq!(ack, Ack { largest: 7, delay: 3 * MS, ranges: vec![7..8] });
        assert!(!received.ack_now() && !received.pending());
    }

    #[test]
    fn on_a_sparse_path_one_packet_waits_and_the_second_does_not() {
        let now = Instant::now();
        let mut received = settled(now);
        received.on_packet(now, 1, true, RTT);
        assert!(!received.ack_now() && received.pending());
        received.on_packet(now, 2, true, RTT);
        assert!(received.ack_now());
        assert_eq!(received.timeout(), None, "due already");
    }

    #[test]
    fn a_lone_packet_is_acknowledged_after_25_ms_and_not_before() {
        let now = Instant::now();
        let mut received = settled(now);
        received.on_packet(now, 1, true, RTT);
        assert_eq!(received.timeout(), Some(now + 25 * MS));
        received.on_timeout(now + 25 * MS - Duration::from_nanos(1));
        assert!(!received.ack_now());
        received.on_timeout(now + 25 * MS);
        assert!(received.ack_now());
        received.ack(now + 25 * MS, 9).expect("packet 1");
        assert_eq!(received.timeout(), None);
    }

    #[test]
    fn packets_that_elicit_nothing_are_acknowledged_only_in_company() {
        let now = Instant::now();
        let mut received = settled(now);
        for pn in [1, 2, 3, 9] {
            received.on_packet(now, pn, false, RTT);
        }
        assert!(!received.ack_now() && received.pending());
        assert_eq!(received.timeout(), None);
        assert_eq!(received.ack(now, 9).expect("four packets").ranges, vec![9..10, 0..4]);
    }

    #[test]
    fn a_gap_is_told_when_it_opens_and_when_it_is_filled() {
        let now = Instant::now();
        let mut received = settled(now);
        received.on_packet(now, 2, true, RTT);
        assert!(received.ack_now(), "a gap opened");
        assert_eq!(received.ack(now, 9).expect("two").ranges, vec![2..3, 0..1]);
        received.on_packet(now, 3, true, RTT);
        assert!(!received.ack_now(), "the gap is known");
        received.on_packet(now, 1, true, RTT);
        assert!(received.ack_now(), "the gap is filled");
        assert_eq!(received.ack(now, 9).expect("four").ranges, vec![0..4]);
    }

    #[test]
    fn a_repeated_packet_is_no_news() {
        let now = Instant::now();
        let mut received = settled(now);
        received.on_packet(now, 0, true, RTT);
        assert!(!received.ack_now() && !received.pending());
    }

    #[test]
    fn below_100_packets_a_round_trip_every_second_is_acknowledged_and_above_every_eighth_of_it() {
        for (per_rtt, step) in [(90, 2), (120, 15), (400, 50), (520, 64), (4000, 64)] {
            let start = Instant::now();
            let mut received = settled(start);
            let (_, _, steps) = busy(&mut received, start, per_rtt);
            let last = &steps[steps.len() - 4..];
            assert!(last.iter().all(|s| s.abs_diff(step) <= step / 14), "{per_rtt} a round trip: {last:?}");
        }
    }

    #[test]
    fn on_a_busy_path_that_falls_silent_an_eighth_of_a_round_trip_is_the_longest_wait() {
        let start = Instant::now();
        let mut received = settled(start);
        let (next, now, _) = busy(&mut received, start, 400);
        received.ack(now, 9);
        received.on_packet(now, next, true, RTT);
        assert_eq!(received.timeout(), Some(now + RTT / 8));
    }

    #[test]
    fn after_a_pause_the_path_counts_as_sparse_again() {
        let start = Instant::now();
        let mut received = settled(start);
        let (next, now, _) = busy(&mut received, start, 400);
        received.ack(now, 9);
        let later = now + 100 * RTT;
        received.on_packet(later, next, true, RTT);
        received.on_packet(later, next + 1, true, RTT);
        assert!(received.ack_now());
    }

    #[test]
    fn the_256th_range_is_kept_and_the_257th_drops_the_oldest() {
        let now = Instant::now();
        let mut received = Received::new();
        for n in 0..256 {
            received.on_packet(now, 2 * n, true, RTT);
        }
        assert_eq!(received.ack(now, 999).expect("some").ranges.last(), Some(&(0..1)));
        received.on_packet(now, 512, true, RTT);
        let ranges = received.ack(now, 999).expect("some").ranges;
        assert_eq!((ranges.len(), ranges.first(), ranges.last()), (256, Some(&(512..513)), Some(&(2..3))));
    }

    #[test]
    fn a_short_acknowledgement_tells_the_newest_ranges() {
        let now = Instant::now();
        let mut received = Received::new();
        for pn in [0, 2, 4, 6] {
            received.on_packet(now, pn, true, RTT);
        }
        assert_eq!(received.ack(now, 2).expect("some").ranges, vec![6..7, 4..5]);
        assert_eq!(received.ack(now, 0), None);
    }

    #[test]
    fn what_an_acknowledged_acknowledgement_told_is_not_told_again() {
        let now = Instant::now();
        let mut received = Received::new();
        for pn in [0, 1, 3, 4] {
            received.on_packet(now, pn, true, RTT);
        }
        received.ack(now, 9).expect("four");
        received.on_packet(now, 5, true, RTT);
        received.on_ack_of_ack(4);
        assert_eq!(received.ack(now, 9).expect("one").ranges, vec![5..6]);
        received.on_ack_of_ack(5);
        assert_eq!(received.ack(now, 9), None);
        received.on_packet(now, 6, true, RTT);
        assert!(!received.ack_now(), "trimming opens no gap");
    }

    #[test]
    fn a_packet_that_came_after_an_acknowledgement_is_kept_when_that_one_gets_through() {
        let now = Instant::now();
        let mut received = Received::new();
        received.on_packet(now, 0, true, RTT);
        received.on_packet(now, 2, true, RTT);
        received.ack(now, 9).expect("0 and 2");
        received.on_packet(now, 1, true, RTT);
        received.ack(now, 9).expect("this one is lost");
        received.on_ack_of_ack(2);
        assert_eq!(received.ack(now, 9).expect("1 was told in vain").ranges, vec![1..2]);
        received.on_packet(now, 3, true, RTT);
        received.ack(now, 9).expect("1 and 3");
        received.on_ack_of_ack(3);
        assert_eq!(received.ack(now, 9), None, "now it has been told");
    }

    proptest! {
        #[test]
        fn acknowledgements_tell_exactly_what_was_received(pns in proptest::collection::vec(0u64..400, 1..300)) {
            let now = Instant::now();
            let mut received = Received::new();
            let mut model = std::collections::BTreeSet::new();
            for pn in pns {
                received.on_packet(now, pn, true, RTT);
                model.insert(pn);
            }
            let ack = received.ack(now, MAX_ACK_RANGES).expect("something was received");
            prop_assert_eq!(ack.largest, ack.ranges[0].end - 1);
            for pair in ack.ranges.windows(2) {
                prop_assert!(pair[0].start > pair[1].end, "descending, disjoint, not adjacent");
            }
            let told: std::collections::BTreeSet<u64> = ack.ranges.into_iter().flatten().collect();
            prop_assert_eq!(told, model);
        }

        #[test]
        fn however_acknowledgements_are_lost_every_packet_is_told_in_one_that_gets_through(
            pns in proptest::collection::vec(0u64..60, 1..80),
            fates in proptest::collection::vec((any::<bool>(), any::<bool>(), 0usize..4), 80),
        ) {
            let now = Instant::now();
            let mut received = Received::new();
            let mut flying: VecDeque<Ack> = VecDeque::new();
            let mut told = RangeSet::new();
            for (pn, (send, arrives, settle)) in pns.iter().zip(fates) {
                received.on_packet(now, *pn, true, RTT);
                if send && let Some(ack) = received.ack(now, MAX_ACK_RANGES) && arrives {
                    for range in &ack.ranges { told.insert(range.clone()); }
                    flying.push_back(ack);
                }
                for _ in 0..settle {
                    if let Some(ack) = flying.pop_front() { received.on_ack_of_ack(ack.largest); }
                }
            }
            if let Some(ack) = received.ack(now, MAX_ACK_RANGES) {
                for range in ack.ranges { told.insert(range); }
            }
            for pn in pns { prop_assert!(told.contains(pn), "{} was never told", pn); }
        }
    }
}
