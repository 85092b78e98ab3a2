//! Acknowledgements, losses and timeouts of packets sent one millisecond apart over a path of 80 ms.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::recovery::{MAX_ACK_RANGES, Received};

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(80);

/// A sender with an estimate of 80 ms. Packet `n` of [`Self::send`] carries its own number.
struct Sender {
    start: Instant,
    packets: SentPackets<u64>,
    rtt: RttEstimator,
}

impl Sender {
    fn new() -> Self {
        let mut rtt = RttEstimator::new(333 * MS);
        rtt.update(RTT, Duration::ZERO);
        Self { start: Instant::now(), packets: SentPackets::new(), rtt }
    }

    /// A sender that has sent `count` packets, the first at 0 ms and one every millisecond.
    fn having_sent(count: u64) -> Self {
        let mut sender = Self::new();
        sender.send(0, count);
        sender
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn send(&mut self, from_ms: u64, count: u64) {
        for n in 0..count {
            let (now, pn) = (self.at(from_ms + n), self.packets.next_pn());
            assert_eq!(self.packets.on_sent(now, 1200, true, pn), pn);
        }
    }

    fn ack(&mut self, ms: u64, ranges: &[Range<u64>]) -> AckOutcome<u64> {
        let now = self.at(ms);
        self.packets.on_ack(now, &told(ranges), &mut self.rtt).expect("only sent packets are acknowledged")
    }

    fn timeout_ms(&self) -> Option<u128> {
        self.packets.timeout(&self.rtt).map(|at| (at - self.start).as_millis())
    }

    fn on_timeout(&mut self, ms: u64) -> TimeoutOutcome<u64> {
        let now = self.at(ms);
        self.packets.on_timeout(now, &self.rtt)
    }
}

fn told(ranges: &[Range<u64>]) -> Ack {
    Ack { largest: ranges[0].end - 1, delay: Duration::ZERO, ranges: ranges.to_vec() }
}

fn acked(outcome: &AckOutcome<u64>) -> Vec<u64> {
    outcome.acked.iter().map(|packet| packet.content).collect()
}

fn lost(packets: &[LostPacket<u64>]) -> Vec<u64> {
    packets.iter().map(|packet| packet.content).collect()
}

#[test]
fn numbers_are_contiguous_whatever_a_packet_elicits() {
    let mut sender = Sender::new();
    let now = sender.start;
    for pn in 0..6 {
        assert_eq!(sender.packets.next_pn(), pn);
        assert_eq!(sender.packets.on_sent(now, 1200, pn % 2 == 0, pn), pn);
    }
    assert_eq!((sender.packets.bytes_in_flight(), sender.packets.eliciting_in_flight()), (3600, 3));
}

#[test]
fn an_acknowledgement_returns_each_packet_once_and_takes_it_out_of_flight() {
    let mut sender = Sender::having_sent(4);
    let outcome = sender.ack(83, &[3..4, 0..2]);
    assert_eq!(acked(&outcome), [3, 0, 1]);
    assert_eq!(outcome.newly_acked_bytes, 3600);
    assert_eq!(outcome.acked[2].sent, sender.at(1));
    assert_eq!((sender.packets.bytes_in_flight(), sender.packets.eliciting_in_flight()), (1200, 1));
    let again = sender.ack(84, &[3..4, 0..2]);
    assert!(again.acked.is_empty() && again.lost.is_empty() && again.spurious == 0);
}

// LOS-6.
#[test]
fn an_acknowledgement_of_the_last_packet_sent_is_fine_and_of_the_next_a_violation() {
    let mut sender = Sender::having_sent(4);
    let now = sender.at(90);
    for ack in
        [told(&[4..5]), told(&[0..5]), Ack { largest: 4, ..told(&[0..2]) }, Ack { largest: 2, ..told(&[0..u64::MAX]) }]
    {
        let error = sender.packets.on_ack(now, &ack, &mut sender.rtt).expect_err("4 was never sent");
        assert_eq!(error.next, 4);
    }
    assert_eq!(sender.packets.eliciting_in_flight(), 4, "nothing has changed");
    assert_eq!(acked(&sender.ack(90, &[0..4])), [0, 1, 2, 3]);
}

#[test]
fn acknowledgements_of_packets_that_elicit_none_are_fine() {
    let mut sender = Sender::having_sent(1);
    let now = sender.at(5);
    sender.packets.on_sent(now, 40, false, 99);
    let outcome = sender.ack(90, &[0..2]);
    assert_eq!((acked(&outcome), outcome.rtt_sample), (vec![0], None));
}

#[test]
fn a_round_trip_is_measured_only_at_the_largest_packet_when_it_is_new() {
    let mut sender = Sender::having_sent(3);
    assert_eq!(sender.ack(102, &[2..3]).rtt_sample, Some(100 * MS));
    assert_eq!(sender.rtt.latest(), 100 * MS);
    assert_eq!(sender.ack(103, &[1..3]).rtt_sample, None);
    assert_eq!(sender.ack(105, &[0..1]).rtt_sample, Some(105 * MS), "a late acknowledgement has a largest as well");
}

#[test]
fn a_delay_beyond_25_ms_is_not_believed() {
    let mut sender = Sender::having_sent(1);
    let (now, ack) = (sender.at(160), Ack { delay: 70 * MS, ..told(&[0..1]) });
    sender.packets.on_ack(now, &ack, &mut sender.rtt).expect("sent").acked.clear();
    assert_eq!(sender.rtt.smoothed(), (RTT * 7 + 135 * MS) / 8);
}

// LOS-7.
#[test]
fn two_packets_late_is_late_and_three_is_lost() {
    let mut sender = Sender::having_sent(5);
    assert!(sender.ack(82, &[1..3]).lost.is_empty());
    let outcome = sender.ack(83, &[1..4]);
    assert_eq!(lost(&outcome.lost), [0]);
    assert_eq!(sender.packets.bytes_in_flight(), 1200);
}

// LOS-7.
#[test]
fn a_late_packet_is_lost_after_nine_eighths_of_a_round_trip_and_not_before() {
    let mut sender = Sender::having_sent(2);
    assert!(sender.ack(81, &[1..2]).lost.is_empty());
    assert_eq!(sender.timeout_ms(), Some(90));
    let early = sender.on_timeout(89);
    assert!(early.lost.is_empty() && early.probes == 0);
    let due = sender.on_timeout(90);
    assert_eq!((lost(&due.lost), due.probes), (vec![0], 0));
    assert_eq!((sender.packets.bytes_in_flight(), sender.timeout_ms()), (0, None));
}

// LOS-7.
#[test]
fn only_what_is_late_can_be_lost() {
    let mut sender = Sender::having_sent(8);
    assert!(sender.ack(500, &[0..4]).lost.is_empty(), "nothing sent later has arrived");
    assert_eq!(sender.packets.eliciting_in_flight(), 4);
}

// LOS-9.
#[test]
fn with_everything_in_flight_a_probe_timeout_runs_and_doubles_until_something_arrives() {
    let mut sender = Sender::having_sent(3);
    // 2 ms + 80 ms + 4 * 40 ms + 25 ms
    assert_eq!(sender.timeout_ms(), Some(267));
    assert_eq!(sender.on_timeout(266).probes, 0);
    assert_eq!(sender.on_timeout(267).probes, 2);
    assert_eq!(sender.timeout_ms(), Some(267 + 2 * 265), "also if the probes cannot be sent");
    sender.send(267, 2);
    assert_eq!(sender.timeout_ms(), Some(268 + 2 * 265));
    assert_eq!(sender.on_timeout(268 + 2 * 265).probes, 2);
    assert_eq!(sender.packets.pto_count(), 2);
    let _ = sender.ack(800, &[0..1]);
    assert_eq!(sender.packets.pto_count(), 0);
}

#[test]
fn with_nothing_in_flight_no_timeout_runs() {
    let mut sender = Sender::having_sent(2);
    let _ = sender.ack(81, &[0..2]);
    let now = sender.at(82);
    sender.packets.on_sent(now, 40, false, 2);
    assert_eq!(sender.timeout_ms(), None);
}

#[test]
fn a_lost_packet_that_arrives_after_all_is_spurious_once_and_widens_the_window() {
    let mut sender = Sender::having_sent(5);
    assert_eq!(lost(&sender.ack(84, &[1..5]).lost), [0]);
    let outcome = sender.ack(85, &[0..5]);
    assert_eq!((outcome.spurious, outcome.newly_acked_bytes), (1, 0));
    assert!(outcome.acked.is_empty());
    assert_eq!(sender.ack(86, &[0..5]).spurious, 0);
    sender.send(100, 10);
    assert!(sender.ack(190, &[6..15]).lost.is_empty(), "counting is no longer a reason");
    assert_eq!(sender.timeout_ms(), Some(100 + 80 + 81 / 4 + 1), "nor less than a quarter of a round trip");
}

#[test]
fn the_events_tell_the_controller_what_it_needs() {
    let mut sender = Sender::having_sent(10);
    let outcome = sender.ack(90, &[5..10]);
    let loss = outcome.loss.as_ref().expect("0 to 4 are lost");
    assert_eq!((loss.bytes, loss.largest, loss.next_pn, loss.packets.len()), (6000, 4, 10, 5));
    assert_eq!((loss.prior_in_flight, loss.in_flight), (12_000, 0));
    assert_eq!((loss.packets[1].tx_in_flight, loss.packets[1].lost), (2400, 2400));
    let ack = outcome.ack.as_ref().expect("5 to 9 arrived");
    assert_eq!((ack.bytes, ack.lost, ack.largest, ack.round), (6000, 6000, 9, 1));
    assert_eq!(ack.largest_sent, sender.at(9));
}

#[test]
fn a_size_probe_is_lost_without_the_controller_hearing_of_it() {
    let mut sender = Sender::new();
    let now = sender.start;
    sender.packets.on_size_probe_sent(now, 1472, 0);
    sender.send(1, 4);
    assert_eq!(sender.packets.bytes_in_flight(), 1472 + 4800);
    let outcome = sender.ack(84, &[1..5]);
    assert_eq!(lost(&outcome.lost), [0]);
    assert!(outcome.loss.is_none());
    assert_eq!(sender.packets.bytes_in_flight(), 0);
}

#[test]
fn a_long_time_without_anything_arriving_is_persistent_congestion_and_one_arrival_breaks_it() {
    // Three probe timeouts are 795 ms.
    for (count, arrived, persistent) in [(1000, None, true), (1000, Some(500..501), false), (790, None, false)] {
        let mut sender = Sender::having_sent(1);
        sender.rtt = RttEstimator::new(333 * MS);
        sender.rtt.update(RTT, Duration::ZERO);
        sender.packets.first_sample = Some(sender.start);
        sender.send(1, count + 3);
        // The largest is not new, so that the estimate stays.
        let end = count + 4;
        let now = sender.at(count + 60);
        sender.packets.on_sent(now, 40, false, 0);
        let ranges: Vec<_> = [Some(end..end + 1), Some(end - 3..end), arrived].into_iter().flatten().collect();
        let outcome = sender.ack(count + 80, &ranges);
        assert!(outcome.lost.len() as u64 >= count, "{count} sent: {}", outcome.lost.len());
        assert_eq!(outcome.persistent_congestion, persistent, "{count} ms");
    }
}

#[test]
fn before_the_first_round_trip_nothing_is_persistent() {
    let mut sender = Sender { rtt: RttEstimator::new(MS), ..Sender::new() };
    sender.send(0, 2000);
    let outcome = sender.ack(2010, &[1999..2000]);
    assert_eq!((outcome.lost.len(), outcome.persistent_congestion), (1998, false));
}

#[test]
fn a_rate_sample_is_what_arrived_in_a_round_trip() {
    let mut sender = Sender::new();
    let mut samples = Vec::new();
    // One packet a millisecond, each acknowledged 80 ms later.
    for ms in 0..400 {
        sender.send(ms, 1);
        if ms >= 80 {
            let outcome = sender.ack(ms, &[0..ms - 79]);
            samples.extend(outcome.ack.and_then(|ack| ack.rate));
        }
    }
    let last = samples.last().expect("many acknowledgements");
    assert_eq!(last.bytes_per_second(), Some(1_200_000));
    assert_eq!((last.rtt, last.app_limited, last.lost), (RTT, false, 0));
    assert_eq!(last.tx_in_flight, 81 * 1200);
}

#[test]
fn idle_time_is_not_part_of_a_rate() {
    let mut sender = Sender::having_sent(1);
    let _ = sender.ack(80, &[0..1]);
    sender.send(10_000, 10);
    let outcome = sender.ack(10_089, &[0..11]);
    let rate = outcome.ack.and_then(|ack| ack.rate).expect("a sample");
    assert_eq!((rate.delivered, rate.interval), (12_000, 89 * MS));
}

#[test]
fn reordering_that_is_waited_for_keeps_the_window_wide_and_a_path_in_order_narrows_it() {
    for (reorders, widened) in [(true, true), (false, false)] {
        let mut sender = Sender::having_sent(5);
        let _ = sender.ack(84, &[1..5]);
        assert_eq!(sender.ack(85, &[0..5]).spurious, 1);
        for round in 0..40 {
            let (first, ms) = (sender.packets.next_pn(), 100 * (round + 1));
            sender.send(ms, 5);
            if reorders {
                assert!(sender.ack(ms + 84, &[first + 1..first + 5]).lost.is_empty());
            }
            assert_eq!(sender.ack(ms + 85, &[first..first + 5]).spurious, 0);
        }
        assert_eq!(sender.packets.reordering.eighths() > 1, widened, "reorders: {reorders}");
    }
}

#[test]
fn samples_say_for_a_round_trip_that_the_application_had_nothing_to_send() {
    let mut sender = Sender::having_sent(2);
    sender.packets.on_app_limited();
    sender.send(10, 2);
    let limited = |outcome: AckOutcome<u64>| outcome.ack.and_then(|ack| ack.rate).expect("a sample").app_limited;
    assert!(!limited(sender.ack(81, &[0..2])), "sent before");
    assert!(limited(sender.ack(91, &[0..4])), "sent afterwards");
    sender.send(100, 2);
    assert!(!limited(sender.ack(181, &[4..6])), "over");
}

#[test]
fn a_round_trip_is_over_when_a_packet_sent_after_its_beginning_is_acknowledged() {
    let mut sender = Sender::having_sent(4);
    let round = |outcome: AckOutcome<u64>| outcome.ack.expect("new packets").round;
    assert_eq!(round(sender.ack(80, &[0..1])), 1);
    sender.send(81, 2);
    assert_eq!(round(sender.ack(82, &[0..4])), 1);
    assert_eq!(round(sender.ack(161, &[0..5])), 2);
    assert_eq!(round(sender.ack(162, &[0..6])), 2);
}

#[test]
fn an_acknowledgement_of_256_ranges_over_thirty_thousand_packets_settles_them_all() {
    let mut sender = Sender::having_sent(30_000);
    let ranges: Vec<_> = (0..256).rev().map(|n| n * 117..n * 117 + 100).collect();
    let outcome = sender.ack(30_100, &ranges);
    // Before the last range acknowledged everything unacknowledged is 3 packets late.
    assert_eq!((outcome.acked.len(), outcome.lost.len()), (25_600, 255 * 17));
    assert_eq!(sender.packets.eliciting_in_flight(), 30_000 - 255 * 117 - 100);
    assert_eq!(sender.packets.slots.len(), sender.packets.eliciting_in_flight(), "nothing settled is kept");
}

/// What happens to one packet, or to the acknowledgement it causes.
#[derive(Clone, Copy, Debug)]
struct Fate {
    gap_us: u64,
    eliciting: bool,
    dropped: bool,
    delay_us: u64,
    ack_dropped: bool,
}

fn fate() -> impl Strategy<Value = Fate> {
    (0u64..3000, prop::bool::weighted(0.8), prop::bool::weighted(0.15), 0u64..60_000, prop::bool::weighted(0.2))
        .prop_map(|(gap_us, eliciting, dropped, jitter, ack_dropped)| {
            // Most packets keep their order; some are held up for a good part of a round trip.
            let delay_us = 40_000 + if jitter % 5 == 0 { jitter } else { 0 };
            Fate { gap_us, eliciting, dropped, delay_us, ack_dropped }
        })
}

proptest! {
    #[test]
    fn whatever_the_path_does_every_packet_is_settled_once_and_the_books_balance(
        fates in proptest::collection::vec(fate(), 1..250),
    ) {
        let mut sender = Sender::new();
        let mut received = Received::new();
        let mut open: BTreeMap<u64, usize> = BTreeMap::new();
        let mut given_up: BTreeSet<u64> = BTreeSet::new();
        let mut spurious = 0;
        let mut arrivals: BTreeSet<(Instant, u64)> = BTreeSet::new();
        let mut acks: Vec<(Instant, Ack)> = Vec::new();
        let mut now = sender.start;
        let mut to_send = fates.iter();
        let mut next_send = Some(now);
        let end = now + Duration::from_secs(20);
        while now < end {
            if next_send.is_some_and(|at| at <= now) {
                let fate = to_send.next();
                next_send = fate.map(|fate| now + Duration::from_micros(fate.gap_us));
                if let Some(fate) = fate {
                    let pn = sender.packets.next_pn();
                    let bytes = 100 + usize::try_from(pn).expect("small");
                    sender.packets.on_sent(now, bytes, fate.eliciting, pn);
                    if fate.eliciting { open.insert(pn, bytes); }
                    if !fate.dropped { arrivals.insert((now + Duration::from_micros(fate.delay_us), pn)); }
                }
            }
            while let Some((at, pn)) = arrivals.first().copied().filter(|(at, _)| *at <= now) {
                arrivals.remove(&(at, pn));
                received.on_packet(now, pn, fates.get(pn as usize).is_none_or(|fate| fate.eliciting), RTT);
            }
            received.on_timeout(now);
            if received.ack_now() {
                let ack = received.ack(now, MAX_ACK_RANGES).expect("due");
                let dropped = fates.get(ack.largest as usize).is_some_and(|fate| fate.ack_dropped);
                if !dropped { acks.push((now + RTT / 2, ack)); }
            }
            let (due, later) = acks.into_iter().partition(|(at, _)| *at <= now);
            acks = later;
            for (_, ack) in due {
                let ack: Ack = ack;
                let outcome = sender.packets.on_ack(now, &ack, &mut sender.rtt).expect("only sent packets arrive");
                let bytes: usize = outcome.acked.iter().map(|p| p.bytes).sum();
                prop_assert_eq!(bytes as u64, outcome.newly_acked_bytes);
                for packet in &outcome.acked {
                    prop_assert!(ack.ranges.iter().any(|range| range.contains(&packet.pn)));
                    prop_assert_eq!(open.remove(&packet.pn), Some(packet.bytes), "settled once");
                }
                for packet in &outcome.lost {
                    prop_assert!(packet.pn < ack.largest.max(packet.pn + 1));
                    prop_assert_eq!(open.remove(&packet.pn), Some(packet.bytes), "settled once");
                    given_up.insert(packet.pn);
                }
                let now_known = outcome.spurious_losses.iter().all(|lost| given_up.remove(&lost.pn));
                prop_assert!(now_known, "only what was given up arrives spuriously, and once");
                spurious += outcome.spurious;
                received.on_ack_of_ack(ack.largest.saturating_sub(20));
            }
            if sender.packets.timeout(&sender.rtt).is_some_and(|at| at <= now) {
                let outcome = sender.packets.on_timeout(now, &sender.rtt);
                prop_assert!(!outcome.lost.is_empty() || outcome.probes > 0, "a timeout that is due does something");
                for packet in &outcome.lost {
                    prop_assert_eq!(open.remove(&packet.pn), Some(packet.bytes), "settled once");
                    given_up.insert(packet.pn);
                }
                // A probe always gets through.
                for _ in 0..outcome.probes {
                    let pn = sender.packets.on_sent(now, 100, true, sender.packets.next_pn());
                    open.insert(pn, 100);
                    arrivals.insert((now + RTT / 2, pn));
                }
            }
            prop_assert_eq!(sender.packets.bytes_in_flight(), open.values().sum::<usize>() as u64);
            prop_assert_eq!(sender.packets.eliciting_in_flight(), open.len());
            prop_assert!(sender.packets.timeout(&sender.rtt).is_some() || open.is_empty());
            let next = [
                next_send,
                arrivals.first().map(|(at, _)| *at),
                acks.iter().map(|(at, _)| *at).min(),
                received.timeout(),
                sender.packets.timeout(&sender.rtt),
            ];
            let Some(next) = next.into_iter().flatten().min() else { break };
            now = next.max(now);
        }
        prop_assert!(open.is_empty(), "all is settled in the end: {:?}", open);
        prop_assert!(sender.packets.slots.is_empty() && sender.packets.outstanding.is_empty());
        let dropped = fates.iter().filter(|fate| fate.dropped && fate.eliciting).count();
        prop_assert!(given_up.len() >= dropped, "what was dropped stays lost ({} spurious)", spurious);
    }
}
