//! CUBIC told by hand what happened, and CUBIC over a simulated path.

use std::ops::Range;

use super::*;
use crate::recovery::LostSample;
use crate::recovery::simulation::{self, Counts, Path, run};

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(50);
const MSS: u64 = 1200;

/// A controller, its clock, and a sender that has always filled the window.
struct Flow {
    cubic: Cubic,
    now: Instant,
    next_pn: u64,
    round: u64,
}

impl Flow {
    fn new() -> Self {
        Self { cubic: Cubic::new(1200), now: Instant::now(), next_pn: 0, round: 0 }
    }

    /// A flow in congestion avoidance at a window of about `datagrams`.
    fn avoiding(datagrams: u64) -> Self {
        let mut flow = Self::new();
        while flow.datagrams() < datagrams * 10 / 7 {
            flow.round_trip();
        }
        flow.lose(1);
        flow
    }

    fn datagrams(&self) -> u64 {
        self.cubic.window() / MSS
    }

    fn send(&mut self, share: f64) -> u64 {
        let in_flight = (self.cubic.window() as f64 * share) as u64;
        self.next_pn += in_flight / MSS;
        self.cubic.on_sent(self.now, 1200, in_flight);
        in_flight
    }

    fn ack(&mut self, bytes: u64, largest: u64) {
        let ack = AckEvent {
            bytes,
            largest,
            largest_sent: self.now,
            prior_in_flight: bytes,
            in_flight: 0,
            lost: 0,
            delivered: 0,
            prior_delivered: 0,
            rtt_sample: Some(RTT),
            smoothed_rtt: RTT,
            min_rtt: RTT,
            round: self.round,
            rate: None,
        };
        self.cubic.on_ack(self.now, &ack);
    }

    /// Sends a share of the window and sees it acknowledged, in eight steps, a round trip later.
    fn round_trip_using(&mut self, share: f64) {
        let in_flight = self.send(share);
        self.round += 1;
        for _ in 0..8 {
            self.now += RTT / 8;
            self.ack(in_flight / 8, self.next_pn - 1);
        }
    }

    fn round_trip(&mut self) {
        self.round_trip_using(1.0);
    }

    fn loss(&self, pns: &[u64], persistent: bool) -> LossEvent {
        let sample = |pn: &u64| LostSample {
            pn: *pn,
            bytes: MSS,
            sent: self.now,
            tx_in_flight: 0,
            lost: MSS,
            prior_delivered: 0,
            app_limited: false,
        };
        LossEvent {
            bytes: MSS * pns.len() as u64,
            packets: pns.iter().map(sample).collect(),
            largest: *pns.last().expect("a loss"),
            next_pn: self.next_pn,
            prior_in_flight: 0,
            in_flight: 0,
            persistent,
            round: self.round,
        }
    }

    /// Loses the packet that was sent as many packets ago.
    fn lose(&mut self, ago: u64) -> u64 {
        let pn = self.next_pn - ago;
        let loss = self.loss(&[pn], false);
        self.cubic.on_congestion(self.now, &loss);
        pn
    }

    fn spurious(&mut self, pn: u64, declared: Instant) {
        self.cubic.on_spurious(self.now, &SpuriousLoss { pn, bytes: MSS, sent: self.now, declared });
    }
}

#[test]
fn the_initial_window_is_ten_datagrams_of_ordinary_size_and_less_of_large_ones() {
    for (datagram, window) in [(1200, 12_000), (1472, 14_720), (1500, 14_720), (8952, 17_904)] {
        assert_eq!(Cubic::new(datagram).window(), window, "datagrams of {datagram}");
    }
}

#[test]
fn slow_start_doubles_in_a_round_trip() {
    let mut flow = Flow::new();
    flow.round_trip();
    assert_eq!(flow.datagrams(), 20);
    flow.round_trip();
    assert_eq!(flow.datagrams(), 40);
}

#[test]
fn slow_start_goes_on_while_half_the_window_is_used_and_not_below() {
    let mut flow = Flow::new();
    flow.round_trip();
    flow.round_trip();
    let before = flow.cubic.window();
    flow.round += 2;
    flow.cubic.used = Used::default();
    flow.round_trip_using(0.45);
    flow.round_trip_using(0.45);
    flow.round_trip_using(0.45);
    let idle = flow.cubic.window();
    assert!(idle <= before * 3 / 2, "{before} {idle}: the first round trip still sees the full one before");
    flow.round_trip_using(0.45);
    assert_eq!(flow.cubic.window(), idle);
    flow.round_trip_using(0.55);
    assert!(flow.cubic.window() > idle);
}

// LOS-11.
#[test]
fn a_loss_takes_three_tenths_of_the_window() {
    let mut flow = Flow::new();
    for _ in 0..3 {
        flow.round_trip();
    }
    let before = flow.cubic.window();
    flow.lose(1);
    assert_eq!(flow.cubic.window(), before * 7 / 10);
    assert!(!flow.cubic.in_slow_start());
}

// LOS-11.
#[test]
fn losses_of_one_round_trip_reduce_once_and_a_packet_sent_later_reduces_again() {
    let mut flow = Flow::new();
    for _ in 0..3 {
        flow.round_trip();
    }
    flow.lose(9);
    let reduced = flow.cubic.window();
    flow.lose(1);
    assert_eq!(flow.cubic.window(), reduced, "sent before the reduction");
    flow.next_pn += 1;
    flow.lose(1);
    assert_eq!(flow.cubic.window(), reduced * 7 / 10, "sent after it");
}

#[test]
fn packets_sent_before_a_reduction_do_not_grow_the_window_and_later_ones_do() {
    let mut flow = Flow::avoiding(200);
    let reduced = flow.cubic.window();
    let before = flow.next_pn - 1;
    flow.send(1.0);
    flow.round += 1;
    for _ in 0..8 {
        flow.now += RTT / 8;
        flow.ack(reduced / 8, before);
    }
    assert_eq!(flow.cubic.window(), reduced);
    flow.round_trip();
    assert!(flow.cubic.window() > reduced);
}

#[test]
fn the_window_is_back_where_it_was_after_k_seconds_flat_around_it_and_grows_beyond() {
    let mut flow = Flow::avoiding(1000);
    let w_max = flow.cubic.w_max;
    let k = flow.cubic.avoidance.expect("avoiding").k;
    assert!((k - (w_max * 0.3 / MSS as f64 / C).cbrt()).abs() < 1e-9, "RFC 9438, figure 2");
    let start = flow.now;
    let at = |flow: &mut Flow, seconds: f64| {
        while flow.now < start + Duration::from_secs_f64(seconds) {
            flow.round_trip();
        }
        flow.cubic.window() as f64 / w_max
    };
    let (half, flat, back) = (at(&mut flow, k / 2.0), at(&mut flow, k - 0.5), at(&mut flow, k));
    assert!((0.95..0.98).contains(&half), "an eighth of the way is left at half the time: {half}");
    assert!(flat > 0.995 && (0.999..1.001).contains(&back), "{flat} {back}");
    assert!(at(&mut flow, k * 2.0) > 1.25);
}

#[test]
fn on_short_round_trips_it_is_at_least_as_fast_as_reno() {
    let mut flow = Flow::avoiding(20);
    let before = flow.cubic.window();
    for _ in 0..10 {
        flow.round_trip();
    }
    let grown = (flow.cubic.window() - before) as f64 / MSS as f64;
    assert!(grown >= 10.0 * ALPHA * 0.9, "{grown} datagrams in ten round trips");
}

#[test]
fn a_window_that_did_not_get_back_makes_room_and_one_that_did_does_not() {
    let mut short = Flow::avoiding(200);
    let mut back = Flow::avoiding(200);
    short.round_trip();
    let window = short.cubic.window;
    short.lose(1);
    assert!((short.cubic.w_max - window * 0.85).abs() < 1.0);
    while back.cubic.window < back.cubic.w_max {
        back.round_trip();
    }
    let window = back.cubic.window;
    back.lose(1);
    assert!((back.cubic.w_max - window).abs() < 1.0);
}

#[test]
fn in_avoidance_an_unused_window_does_not_grow_and_its_time_does_not_count() {
    let mut flow = Flow::avoiding(200);
    flow.round_trip();
    for _ in 0..3 {
        flow.round_trip_using(0.8);
    }
    let idle = flow.cubic.window();
    for _ in 0..400 {
        flow.round_trip_using(0.8);
    }
    assert_eq!(flow.cubic.window(), idle);
    flow.round_trip();
    assert!(flow.cubic.window() > idle && flow.cubic.window() < idle + idle / 10, "no leap after the pause");
}

#[test]
fn silence_counts_as_a_round_trip_at_most() {
    let mut flow = Flow::avoiding(200);
    flow.round_trip();
    let before = flow.cubic.window();
    flow.now += Duration::from_secs(100);
    flow.round_trip();
    assert!(flow.cubic.window() < before + before / 10, "{before} {}", flow.cubic.window());
}

#[test]
fn slow_start_after_persistent_congestion_ends_at_the_threshold() {
    let mut flow = Flow::avoiding(100);
    flow.next_pn += 2;
    let loss = flow.loss(&[flow.next_pn - 2, flow.next_pn - 1], true);
    flow.cubic.on_congestion(flow.now, &loss);
    let ssthresh = flow.cubic.ssthresh;
    while flow.cubic.in_slow_start() {
        let in_flight = flow.send(1.0);
        flow.round += 1;
        flow.ack(in_flight, flow.next_pn - 1);
    }
    assert!((flow.cubic.window - ssthresh).abs() < f64::EPSILON, "{} {ssthresh}", flow.cubic.window);
}

#[test]
fn a_reduction_is_undone_when_all_its_losses_were_spurious_and_not_while_one_stands() {
    let mut flow = Flow::avoiding(200);
    for _ in 0..20 {
        flow.round_trip();
    }
    let (before, w_max) = (flow.cubic.window(), flow.cubic.w_max);
    let declared = flow.now;
    let (a, b) = (flow.lose(9), flow.lose(3));
    assert!(flow.cubic.window() < before);
    flow.now += 10 * MS;
    flow.spurious(a, declared);
    assert!(flow.cubic.window() < before);
    flow.spurious(b, declared);
    assert_eq!(flow.cubic.window(), before);
    assert!((flow.cubic.w_max - w_max).abs() < f64::EPSILON);
}

#[test]
fn spurious_losses_of_an_earlier_reduction_do_not_undo_a_later_one() {
    let mut flow = Flow::avoiding(200);
    let early = flow.now;
    flow.now += MS;
    flow.round_trip();
    flow.lose(1);
    let reduced = flow.cubic.window();
    flow.spurious(3, early);
    assert_eq!(flow.cubic.window(), reduced);
}

#[test]
fn persistent_congestion_leaves_two_datagrams_and_slow_start() {
    let mut flow = Flow::avoiding(200);
    let ssthresh = flow.cubic.window() as f64 * BETA;
    flow.next_pn += 2;
    let loss = flow.loss(&[flow.next_pn - 2, flow.next_pn - 1], true);
    flow.cubic.on_congestion(flow.now, &loss);
    assert_eq!(flow.datagrams(), 2);
    assert!(flow.cubic.in_slow_start() && (flow.cubic.ssthresh - ssthresh).abs() < 2.0);
}

#[test]
fn the_window_never_falls_below_two_datagrams() {
    let mut flow = Flow::new();
    for _ in 0..40 {
        flow.next_pn += 1;
        flow.lose(1);
    }
    assert_eq!(flow.datagrams(), 2);
    flow.cubic.on_datagram_size(9000);
    assert_eq!(flow.cubic.window(), 18_000);
}

#[test]
fn pacing_is_twice_the_window_in_a_round_trip_in_slow_start_and_five_quarters_later() {
    let mut rtt = RttEstimator::new(RTT);
    rtt.update(RTT, Duration::ZERO);
    let mut flow = Flow::new();
    assert_eq!(flow.cubic.pacing_rate(&rtt), 2 * 12_000 * 20);
    flow.next_pn += 1;
    flow.lose(1);
    assert_eq!(flow.cubic.pacing_rate(&rtt), 8_400 * 20 * 5 / 4);
}

/// One flow's share of the link in that time, and its counts.
fn alone(path: &Path, during: Range<Duration>) -> (f64, Counts) {
    let report = run(path, vec![simulation::Flow::endless(Cubic::new(1200))], during.end);
    (report.share(0, &during), report.counts(0, &during))
}

#[test]
fn at_50_ms_with_a_queue_of_one_bdp_nine_tenths_of_the_link_are_used() {
    for rate in [1_250_000, 12_500_000] {
        let (share, counts) = alone(&Path::plain(rate, RTT), 2000 * MS..20_000 * MS);
        assert!(share >= 0.9, "{rate} bytes/s: {share} {counts:?}");
        assert!(counts.overflowed * 100 <= counts.sent, "{rate} bytes/s: {counts:?}");
        assert_eq!((counts.spurious, counts.probe_timeouts), (0, 0), "{rate} bytes/s: {counts:?}");
    }
}

#[test]
fn slow_start_ends_before_it_overflows_a_queue_of_one_bdp() {
    let (share, counts) = alone(&Path::plain(12_500_000, RTT), Duration::ZERO..1500 * MS);
    assert_eq!(counts.overflowed, 0, "{counts:?}");
    assert!(share > 0.6, "{share} {counts:?}");
}

#[test]
fn a_path_that_reorders_is_not_a_path_that_loses() {
    let path = Path { late: (20_000, 20 * MS), ..Path::plain(2_500_000, RTT) };
    let (share, counts) = alone(&path, Duration::ZERO..20_000 * MS);
    assert!(share >= 0.9, "{share} {counts:?}");
    assert!(counts.spurious > 0 && counts.spurious < 40, "learnt within a round trip or two: {counts:?}");
}

#[test]
fn random_loss_holds_it_down_but_every_loss_is_found_once() {
    let path = Path { loss: 8000, ..Path::plain(2_500_000, RTT) };
    let (share, counts) = alone(&path, Duration::ZERO..20_000 * MS);
    assert!(counts.lost > 20 && share > 0.05, "{share} {counts:?}");
    assert!(counts.declared <= counts.lost && counts.declared + 5 > counts.lost, "{counts:?}");
}
