//! How late is lost.
//!
//! A packet is late when a packet sent after it has been acknowledged. It is lost when it is three packets late or an
//! eighth of a round trip (RFC 9002, section 6.1), until the path shows that it reorders: then only time counts, and
//! the window doubles, to a round trip at most (after RFC 8985, section 6.2, whose window of a quarter of a round trip
//! is the first step here). It halves for every 16 round trips in which nothing arrived that the narrow rule would have
//! given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{GRANULARITY, LostPacket, MAX_ACK_DELAY, RttEstimator, SpuriousLoss};
use crate::types::RangeSet;

/// Packets after which a late one is lost, while the path is not known to reorder (RFC 9002, kPacketThreshold) (LOS-7).
const PACKET_THRESHOLD: u64 = 3;
/// The window of a path that is not known to reorder, in eighths of a round trip (RFC 9002, kTimeThreshold = 9/8).
const NARROW: u32 = 1;
/// The widest window, in eighths of a round trip.
const WIDE: u32 = 8;
/// Round trips without reordering after which the window halves.
const PERSISTENCE: u64 = 16;

/// The adaptive reordering window.
#[derive(Debug)]
pub(super) struct ReorderWindow {
    eighths: u32,
    /// The round trip in which it was last widened, so that one disturbance widens it once.
    widened: Option<u64>,
    /// The round trip in which it was last needed, or last narrowed.
    needed: u64,
}

impl ReorderWindow {
    pub(super) fn new() -> Self {
        Self { eighths: NARROW, widened: None, needed: 0 }
    }

    /// How long after its sending a packet is lost, given that a later one was acknowledged.
    pub(super) fn time_threshold(&self, rtt: &RttEstimator) -> Duration {
        let round_trip = rtt.smoothed().max(rtt.latest());
        (round_trip + round_trip * self.eighths / 8).max(GRANULARITY)
    }

    /// Is packet `pn` lost by counting, `largest` being acknowledged?
    pub(super) fn lost_by_count(&self, pn: u64, largest: u64) -> bool {
        self.eighths == NARROW && largest >= pn.saturating_add(PACKET_THRESHOLD)
    }

    /// A packet was acknowledged `age` after it was sent, when `largest` had been already: is that more than the
    /// narrow rule would have allowed?
    pub(super) fn on_late(&mut self, round: u64, pn: u64, largest: u64, age: Duration, rtt: &RttEstimator) {
        let round_trip = rtt.smoothed().max(rtt.latest());
        let too_old = age > (round_trip + round_trip * NARROW / 8).max(GRANULARITY);
        if largest >= pn.saturating_add(PACKET_THRESHOLD) || too_old {
            self.needed = round;
        }
    }

    /// A packet declared lost was acknowledged `age` after it was sent: the window was too narrow.
    pub(super) fn on_spurious(&mut self, round: u64, age: Duration, rtt: &RttEstimator) {
        if self.widened != Some(round) {
            self.eighths = (self.eighths * 2).min(WIDE);
            self.widened = Some(round);
        }
        while self.eighths < WIDE && self.time_threshold(rtt) < age {
            self.eighths *= 2;
        }
        self.needed = round;
    }

    /// A round trip began.
    pub(super) fn on_round(&mut self, round: u64) {
        if self.eighths > NARROW && round >= self.needed + PERSISTENCE {
            self.eighths /= 2;
            self.needed = round;
        }
    }

    #[cfg(test)]
    pub(super) fn eighths(&self) -> u32 {
        self.eighths
    }
}

/// Packets declared lost a short while ago, to recognise those that arrive after all.
#[derive(Debug, Default)]
pub(super) struct LostLately {
    numbers: RangeSet,
    /// In order of number, which is the order of declaration.
    log: VecDeque<SpuriousLoss>,
}

impl LostLately {
    /// At most so many are remembered.
    const CAPACITY: usize = 16_384;

    pub(super) fn remember<T>(&mut self, now: Instant, packet: &LostPacket<T>) {
        self.numbers.insert(packet.pn..packet.pn + 1);
        let LostPacket { pn, sent, bytes, .. } = *packet;
        self.log.push_back(SpuriousLoss { pn, bytes: bytes as u64, sent, declared: now });
        if self.log.len() > Self::CAPACITY {
            self.forget_first();
        }
    }

    /// Forgets what was declared lost more than three probe timeouts ago.
    pub(super) fn expire(&mut self, now: Instant, rtt: &RttEstimator) {
        let keep = rtt.pto(MAX_ACK_DELAY) * 3;
        while self.log.front().is_some_and(|first| now.saturating_duration_since(first.declared) > keep) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.log.pop_front() {
            self.numbers.remove(first.pn..first.pn + 1);
        }
    }

    /// Takes out those in the range.
    pub(super) fn take(&mut self, range: std::ops::Range<u64>, into: &mut Vec<SpuriousLoss>) {
        if self.numbers.last().is_none_or(|last| last.end <= range.start) {
            return;
        }
        let runs: Vec<_> = self.numbers.within(range).collect();
        for run in runs {
            let first = self.log.partition_point(|lost| lost.pn < run.start);
            into.extend(self.log.range(first..).take_while(|lost| lost.pn < run.end));
            self.numbers.remove(run);
        }
    }
}

/// Looks for persistent congestion among packets declared lost at once (RFC 9002, section 7.6): two of them far apart
/// in time with nothing acknowledged between them.
#[derive(Debug)]
pub(super) struct LossRun {
    began: Option<Instant>,
    longest: Duration,
}

impl LossRun {
    pub(super) fn new() -> Self {
        Self { began: None, longest: Duration::ZERO }
    }

    pub(super) fn on_lost(&mut self, sent: Instant) {
        let began = *self.began.get_or_insert(sent);
        self.longest = self.longest.max(sent.saturating_duration_since(began));
    }

    pub(super) fn on_acked(&mut self) {
        self.began = None;
    }

    pub(super) fn persistent(&self, rtt: &RttEstimator) -> bool {
        rtt.has_sample() && self.longest > rtt.pto(MAX_ACK_DELAY) * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rtt() -> RttEstimator {
        let mut rtt = RttEstimator::new(MS);
        rtt.update(80 * MS, Duration::ZERO);
        rtt
    }

    #[test]
    fn on_a_path_that_keeps_order_two_packets_or_an_eighth_late_is_late_and_more_is_lost() {
        let window = ReorderWindow::new();
        assert!(!window.lost_by_count(7, 9));
        assert!(window.lost_by_count(7, 10));
        assert_eq!(window.time_threshold(&rtt()), 90 * MS);
    }

    #[test]
    fn on_a_path_that_reorders_only_time_counts() {
        let mut window = ReorderWindow::new();
        window.on_spurious(1, 81 * MS, &rtt());
        assert!(!window.lost_by_count(7, 1000));
        assert_eq!(window.time_threshold(&rtt()), 100 * MS, "RFC 8985: a quarter of a round trip");
    }

    #[test]
    fn one_disturbance_widens_once_but_as_far_as_it_shows_necessary_up_to_a_round_trip() {
        let mut window = ReorderWindow::new();
        for _ in 0..5 {
            window.on_spurious(1, 81 * MS, &rtt());
        }
        assert_eq!(window.time_threshold(&rtt()), 100 * MS);
        window.on_spurious(1, 120 * MS, &rtt());
        assert_eq!(window.time_threshold(&rtt()), 120 * MS);
        window.on_spurious(1, 121 * MS, &rtt());
        assert_eq!(window.time_threshold(&rtt()), 160 * MS);
        window.on_spurious(2, 5000 * MS, &rtt());
        assert_eq!(window.time_threshold(&rtt()), 160 * MS);
    }

    #[test]
    fn after_sixteen_quiet_round_trips_it_halves_and_not_before() {
        let mut window = ReorderWindow::new();
        window.on_spurious(10, 111 * MS, &rtt());
        assert_eq!(window.eighths(), 4);
        window.on_round(25);
        assert_eq!(window.eighths(), 4);
        window.on_round(26);
        assert_eq!(window.eighths(), 2);
        window.on_round(41);
        assert_eq!(window.eighths(), 2);
        window.on_round(42);
        assert_eq!(window.eighths(), NARROW);
        window.on_round(400);
        assert_eq!(window.eighths(), NARROW);
    }

    #[test]
    fn reordering_that_the_narrow_rule_would_mistake_keeps_it_wide_and_less_does_not() {
        for (behind, age, wide) in [(3, 80, true), (2, 80, false), (2, 91, true), (2, 90, false)] {
            let mut window = ReorderWindow::new();
            window.on_spurious(10, 81 * MS, &rtt());
            window.on_late(20, 100, 100 + behind, age * MS, &rtt());
            window.on_round(26);
            assert_eq!(window.eighths() > NARROW, wide, "{behind} packets, {age} ms");
        }
    }

    #[test]
    fn a_run_of_losses_is_persistent_beyond_three_probe_timeouts_unless_something_arrived_between() {
        let (start, span) = (Instant::now(), rtt().pto(MAX_ACK_DELAY) * 3);
        for (last, acked, persistent) in
            [(span, false, false), (span + MS, false, true), (span + MS, true, false), (span * 3, true, true)]
        {
            let mut run = LossRun::new();
            run.on_lost(start);
            if acked {
                run.on_acked();
            }
            run.on_lost(start + span);
            run.on_lost(start + last);
            assert_eq!(run.persistent(&rtt()), persistent, "{last:?}, acknowledged between: {acked}");
        }
    }

    #[test]
    fn a_lost_packet_is_remembered_for_three_probe_timeouts_and_recognised_once() {
        let start = Instant::now();
        let packet = |pn| LostPacket { pn, sent: start, bytes: 1200, content: () };
        let mut lately = LostLately::default();
        for pn in [3, 5, 6] {
            lately.remember(start, &packet(pn));
        }
        let keep = rtt().pto(MAX_ACK_DELAY) * 3;
        lately.expire(start + keep, &rtt());
        let mut found = Vec::new();
        lately.take(4..6, &mut found);
        lately.take(0..6, &mut found);
        assert_eq!(found.iter().map(|s| s.pn).collect::<Vec<_>>(), [5, 3]);
        lately.expire(start + keep + MS, &rtt());
        lately.take(0..100, &mut found);
        assert_eq!(found.len(), 2, "6 came too late to be recognised");
    }

    #[test]
    fn the_memory_of_losses_is_bounded() {
        let start = Instant::now();
        let mut lately = LostLately::default();
        for n in 0..=LostLately::CAPACITY as u64 {
            lately.remember(start, &LostPacket { pn: 2 * n, sent: start, bytes: 1, content: () });
        }
        let mut found = Vec::new();
        lately.take(0..u64::MAX, &mut found);
        assert_eq!((found.len(), found[0].pn), (LostLately::CAPACITY, 2));
    }
}
