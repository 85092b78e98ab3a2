//! The acknowledgement policy from both sides of each threshold, and the sets it tells.

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

// LOS-2.
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

// LOS-1.
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

// LOS-3.
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

// LOS-2.
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

// LOS-2.
#[test]
fn what_is_asked_for_is_told_at_once() {
    let now = Instant::now();
    let mut received = settled(now);
    received.hurry();
    assert!(!received.ack_now(), "nothing is owed");
    received.on_packet(now, 1, true, RTT);
    received.hurry();
    assert!(received.ack_now());
    assert_eq!(received.ack(now, 9).expect("two").ranges, vec![0..2]);
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
    received.on_packet(now + MS, next + 1, true, RTT);
    assert_eq!(received.timeout(), Some(now + RTT / 8), "the first of them has waited longest");
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

// LOS-5.
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
