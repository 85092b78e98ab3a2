//! BBR told by hand what happened, from state to state, and told anything at all. What it makes of paths is in
//! `figures.txt`.

mod anything;

use super::*;
use crate::recovery::RateSample;
use crate::recovery::simulation::{Demand, Flow, Path, run};

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(50);
const MSS: u64 = 1200;
/// Bytes per second, and what fits into the path at that.
const RATE: u64 = 2_400_000;
const BDP: u64 = 120_000;

/// A controller, its clock, and a path that answers as it is told.
struct Told {
    bbr: Bbr,
    now: Instant,
    delivered: u64,
    pn: u64,
    in_flight: u64,
}

impl Told {
    fn new() -> Self {
        Self { bbr: Bbr::new(1200), now: Instant::now(), delivered: 0, pn: 0, in_flight: 0 }
    }

    /// A flow that found the pipe full at [`RATE`], and has twice as much in flight as fits.
    fn down() -> Self {
        let mut flow = Self::new();
        flow.in_flight = 2 * BDP;
        for n in 0..5 {
            flow.round(RATE >> (4 - n), RTT);
        }
        flow.until(|state| state == State::Down);
        flow
    }

    /// A flow that cruises; what its last probe did is known.
    fn cruising() -> Self {
        let mut flow = Self::down();
        flow.in_flight = BDP;
        flow.round(RATE, RTT);
        flow.round(RATE, RTT);
        assert_eq!(flow.bbr.state, State::Cruise);
        assert_eq!(flow.bbr.cycle.feedback, Feedback::None);
        flow
    }

    /// The same after so much has been lost in each of ten rounds, in packets of a thousand.
    fn cruising_on_a_path_that_loses(thousandths: u64) -> Self {
        let mut flow = Self::cruising();
        for _ in 0..3 {
            flow.lossy_round(thousandths, 1000, RTT);
        }
        // What it had not known in the first round.
        flow.bbr.bounds = Bounds::NONE;
        for _ in 0..10 {
            flow.lossy_round(thousandths, 1000, RTT);
        }
        assert_eq!(flow.bbr.state, State::Cruise);
        flow
    }

    /// A flow that goes up.
    fn up() -> Self {
        let mut flow = Self::cruising();
        flow.until(|state| state == State::Refill);
        flow.round(RATE, RTT);
        assert_eq!(flow.bbr.state, State::Up);
        flow
    }

    fn until(&mut self, state: impl Fn(State) -> bool) {
        for _ in 0..200 {
            if state(self.bbr.state) {
                return;
            }
            self.round(RATE, RTT);
        }
        panic!("still {:?}", self.bbr.state);
    }

    /// One acknowledgement of so many bytes, of a packet that left when so much had been delivered.
    fn ack(&mut self, bytes: u64, prior_delivered: u64, rate: u64, rtt: Duration) {
        self.ack_of(self.in_flight, bytes, prior_delivered, rate, rtt);
    }

    /// The same with so much in flight when the packet left.
    fn ack_of(&mut self, tx_in_flight: u64, bytes: u64, prior_delivered: u64, rate: u64, rtt: Duration) {
        self.delivered += bytes;
        self.pn += bytes / MSS;
        let interval = Duration::from_secs(1);
        let sample =
            RateSample { delivered: rate, interval, app_limited: false, prior_delivered, tx_in_flight, lost: 0, rtt };
        let ack = AckEvent {
            bytes,
            largest: self.pn,
            largest_sent: self.now,
            prior_in_flight: self.in_flight,
            in_flight: self.in_flight,
            lost: 0,
            delivered: self.delivered,
            prior_delivered,
            rtt_sample: Some(rtt),
            smoothed_rtt: rtt,
            min_rtt: rtt,
            round: 0,
            rate: Some(sample),
        };
        self.bbr.on_ack(self.now, &ack);
    }

    /// A round trip of eight acknowledgements at that rate.
    fn round(&mut self, rate: u64, rtt: Duration) {
        let prior = self.delivered;
        let bytes = volume(rate, rtt) / 8;
        for _ in 0..8 {
            self.now += rtt / 8;
            self.ack(bytes, prior, rate, rtt);
        }
    }

    /// A round trip that loses so many packets of so many.
    fn lossy_round(&mut self, lost: u64, of: u64, rtt: Duration) {
        let prior = self.delivered;
        self.lose(lost, of);
        for _ in 0..8 {
            self.now += rtt / 8;
            self.ack((of - lost) * MSS / 8, prior, RATE, rtt);
        }
    }

    /// Loses packets that left with so many in flight.
    fn lose(&mut self, packets: u64, in_flight: u64) -> Vec<SpuriousLoss> {
        let sample = |n: u64| LostSample {
            pn: self.pn + n,
            bytes: MSS,
            sent: self.now,
            tx_in_flight: in_flight * MSS,
            lost: (n + 1) * MSS,
            prior_delivered: self.delivered,
            app_limited: false,
        };
        let samples: Vec<_> = (0..packets).map(sample).collect();
        if samples.is_empty() {
            return Vec::new();
        }
        let event = LossEvent {
            bytes: packets * MSS,
            largest: self.pn + packets - 1,
            next_pn: self.pn + packets,
            prior_in_flight: in_flight * MSS,
            in_flight: in_flight * MSS,
            persistent: false,
            round: 0,
            packets: samples,
        };
        self.bbr.on_congestion(self.now, &event);
        let spurious =
            |lost: &LostSample| SpuriousLoss { pn: lost.pn, bytes: MSS, sent: lost.sent, declared: self.now };
        event.packets.iter().map(spurious).collect()
    }

    fn pacing(&self) -> u64 {
        self.bbr.pacing_rate(&RttEstimator::new(RTT))
    }
}

#[test]
fn the_initial_window_is_ten_datagrams_of_ordinary_size_and_less_of_large_ones() {
    for (datagram, window) in [(1200, 12_000), (1472, 14_720), (1500, 14_720), (8952, 17_904)] {
        assert_eq!(Bbr::new(datagram).window(), window, "datagrams of {datagram}");
    }
}

#[test]
fn before_there_is_a_sample_the_initial_window_is_sent_in_a_round_trip_almost_three_times() {
    assert_eq!(Told::new().pacing(), 12_000 * 20 * 277 / 100);
}

#[test]
fn start_up_doubles_in_a_round_trip() {
    let mut flow = Told::new();
    for n in 0..4 {
        let window = flow.bbr.window();
        flow.round(window * 20, RTT);
        assert_eq!(flow.bbr.window(), 2 * window, "round {n}");
        // The first round adds nothing to what is assumed before it.
        let rate = percent(percent(window * 20, 277), 99).max(12_000 * 20 * 277 / 100);
        assert_eq!(flow.pacing(), rate, "round {n}");
    }
}

#[test]
fn start_up_fills_no_window_further_while_a_queue_shows() {
    for (rtt, grows) in [(57, true), (58, false)] {
        let mut flow = Told::new();
        for n in 0..4 {
            flow.round(RATE << n, RTT);
        }
        // The least of three samples counts.
        flow.round(RATE << 4, rtt * MS);
        let window = flow.bbr.window();
        flow.round(RATE << 4, rtt * MS);
        assert_eq!(flow.bbr.window() > window, grows, "{rtt} ms");
    }
}

#[test]
fn a_slow_sample_does_not_slow_start_up() {
    let mut flow = Told::new();
    flow.round(RATE, RTT);
    let pacing = flow.pacing();
    flow.round(RATE / 10, RTT);
    assert_eq!(flow.pacing(), pacing);
}

#[test]
fn start_up_ends_after_three_rounds_without_growth_two_with_a_queue_and_one_that_loses() {
    for (rtt, lost, rounds) in [(50, 0, 3), (58, 0, 2), (57, 0, 3), (50, 3, 1), (50, 2, 3)] {
        let mut flow = Told::new();
        flow.round(RATE / 2, RTT);
        flow.round(RATE, RTT);
        let mut taken = 0;
        while flow.bbr.state == State::Startup {
            flow.lose(lost, 1000);
            flow.round(RATE, rtt * MS);
            taken += 1;
        }
        assert_eq!(taken, rounds, "{rtt} ms, {lost} of 100 lost");
    }
}

#[test]
fn loss_does_not_end_start_up_while_the_rate_grows() {
    let mut flow = Told::new();
    for n in 0..6 {
        let rate = RATE << n;
        let packets = volume(rate, RTT) / MSS;
        flow.lose(packets / 20, packets);
        flow.round(rate, RTT);
        assert_eq!(flow.bbr.state, State::Startup, "round {n}");
    }
}

#[test]
fn an_eighth_of_a_flight_lost_ends_start_up_at_once_unless_that_is_nothing_new() {
    for (lost, own, ends) in [(12, 0, false), (13, 0, true), (13, 90, false), (30, 90, true)] {
        let mut flow = Told::new();
        flow.bbr.own_loss.on_calm_round(own, 1000);
        flow.round(RATE, RTT);
        flow.lose(lost, 100);
        assert_eq!(matches!(flow.bbr.state, State::Drain { .. }), ends, "{lost} of 100, {own} of 1000 before");
    }
}

#[test]
fn what_start_up_overfilled_drains_at_half_the_rate_until_it_fits_or_three_rounds_are_over() {
    for (in_flight, rounds, then) in [(BDP, 1, State::Cruise), (BDP + 1, 4, State::Down)] {
        let mut flow = Told::new();
        flow.bbr.pipe.on_full();
        flow.round(RATE, RTT);
        flow.bbr.state = State::Drain { since: flow.bbr.round.count };
        flow.in_flight = 2 * BDP;
        flow.ack(0, 0, RATE, RTT);
        assert_eq!(flow.pacing(), percent(RATE / 2, 99));
        flow.in_flight = in_flight;
        let mut taken = 0;
        while matches!(flow.bbr.state, State::Drain { .. }) {
            flow.round(RATE, RTT);
            taken += 1;
        }
        assert_eq!((flow.bbr.state, taken), (then, rounds), "{in_flight} in flight");
    }
}

#[test]
fn going_down_it_sends_a_tenth_less_until_what_is_in_flight_fits() {
    let mut flow = Told::down();
    flow.in_flight = BDP + 1;
    flow.round(RATE, RTT);
    assert_eq!(flow.bbr.state, State::Down);
    assert_eq!(flow.pacing(), percent(percent(RATE, 90), 99));
    flow.in_flight = BDP;
    flow.round(RATE, RTT);
    assert_eq!(flow.bbr.state, State::Cruise);
    assert_eq!(flow.pacing(), percent(RATE, 99));
}

#[test]
fn two_to_three_seconds_or_about_fifty_rounds_after_a_probe_comes_the_next() {
    for (rtt, least, most) in [(200, 2000, 3200), (10, 470, 640)] {
        let mut flow = Told::new();
        flow.bbr.pipe.on_full();
        flow.round(RATE, rtt * MS);
        flow.bbr.start_down(flow.now);
        let began = flow.now;
        while flow.bbr.state != State::Refill {
            flow.round(RATE, rtt * MS);
        }
        let took = (flow.now - began).as_millis();
        assert!((least..=most).contains(&took), "{took} ms with round trips of {rtt} ms");
    }
}

#[test]
fn where_round_trips_take_no_time_a_tenth_of_a_second_passes_between_probes() {
    let mut flow = Told::new();
    flow.bbr.pipe.on_full();
    let rtt = Duration::from_micros(100);
    flow.round(RATE, rtt);
    flow.bbr.start_down(flow.now);
    let began = flow.now;
    while flow.bbr.state != State::Refill {
        flow.round(RATE, rtt);
    }
    assert!((100..=101).contains(&(flow.now - began).as_millis()), "{:?}", flow.now - began);
}

#[test]
fn the_pipe_is_refilled_for_a_round_and_then_a_quarter_more_is_sent() {
    let mut flow = Told::cruising();
    flow.until(|state| state == State::Refill);
    assert_eq!(flow.pacing(), percent(RATE, 99));
    flow.round(RATE, RTT);
    assert_eq!(flow.bbr.state, State::Up);
    flow.round(RATE, RTT);
    assert_eq!(flow.pacing(), percent(percent(RATE, 125), 99));
}

#[test]
fn going_up_ends_after_three_rounds_that_bring_nothing_and_not_while_the_rate_grows() {
    let mut flow = Told::up();
    for rate in [RATE, RATE, RATE * 5 / 4, RATE * 5 / 4, RATE * 8 / 5] {
        flow.round(rate, RTT);
        assert_eq!(flow.bbr.state, State::Up);
    }
    let mut taken = 0;
    while flow.bbr.state == State::Up {
        flow.round(RATE * 8 / 5, RTT);
        taken += 1;
    }
    assert!((3..=4).contains(&taken), "{taken}");
    assert_eq!(flow.bbr.bandwidth.value(), RATE * 8 / 5);
}

#[test]
fn going_up_ends_when_the_queue_will_be_a_quarter_of_the_round_trip() {
    // Of what the flight has grown by, a third has got there.
    for (grown, ends) in [(4, false), (5, true)] {
        let mut flow = Told::up();
        flow.in_flight = BDP + 30_000;
        let prior = flow.delivered;
        for _ in 0..4 {
            flow.now += 6 * MS;
            flow.ack_of(BDP + 10_000, 10_000, prior, RATE, RTT + grown * MS);
        }
        assert_eq!(flow.bbr.state == State::Down, ends, "{grown} ms longer, so {} to be", 3 * grown);
    }
}

#[test]
fn going_up_ends_when_the_queue_will_be_a_third_of_the_one_that_overflowed() {
    // It will be 12 ms.
    for (room, ends) in [(None, false), (Some(36), false), (Some(35), true)] {
        let mut flow = Told::up();
        flow.bbr.cycle.room = room.map(|room| room * MS);
        flow.in_flight = BDP + 30_000;
        let prior = flow.delivered;
        for _ in 0..4 {
            flow.now += 6 * MS;
            flow.ack_of(BDP + 10_000, 10_000, prior, RATE, RTT + 4 * MS);
        }
        assert_eq!(flow.bbr.state == State::Down, ends, "{room:?}");
    }
}

#[test]
fn loss_in_a_probe_tells_how_much_fits_into_the_queue_and_other_loss_does_not() {
    for (is_probing, lost, queue, room) in
        [(true, 3, 8, Some(8 * MS)), (true, 3, 7, None), (true, 2, 8, None), (false, 3, 8, None)]
    {
        let mut flow = if is_probing { Told::up() } else { Told::cruising() };
        for _ in 0..3 {
            flow.ack(MSS, flow.delivered, RATE, RTT + queue * MS);
        }
        flow.lose(lost, 100);
        assert_eq!(flow.bbr.cycle.room, room, "{is_probing}, {lost} of 100, {queue} ms");
    }
}

#[test]
fn going_up_ends_by_loss_that_exceeds_the_paths_own_and_bounds_the_flight() {
    for (lost, ends) in [(2, false), (3, true)] {
        let mut flow = Told::up();
        flow.lose(lost, 100);
        assert_eq!(flow.bbr.state == State::Down, ends, "{lost} of 100");
        assert_eq!(flow.bbr.bounds.inflight == 99 * MSS, ends, "{:?}", flow.bbr.bounds);
    }
}

#[test]
fn loss_that_the_path_has_anyway_ends_no_probe_and_bounds_nothing() {
    let mut flow = Told::cruising_on_a_path_that_loses(50);
    assert_eq!(flow.bbr.bounds.bandwidth_for_now, INFINITE);
    while flow.bbr.state != State::Up {
        flow.lossy_round(50, 1000, RTT);
    }
    flow.lose(50, 1000);
    assert_eq!(flow.bbr.state, State::Up);
    assert_eq!(flow.bbr.bounds.inflight, INFINITE);
}

// LOS-11.
#[test]
fn congested_rounds_while_cruising_leave_what_got_through_until_the_next_probe_and_for_it() {
    let mut flow = Told::cruising();
    for _ in 0..3 {
        flow.lose(15, 100);
        flow.round(RATE * 4 / 5, RTT);
    }
    assert!(flow.bbr.bounds.bandwidth_for_now < RATE, "{:?}", flow.bbr.bounds);
    assert!(flow.bbr.bounds.inflight_for_now < INFINITE);
    while flow.bbr.state != State::Refill {
        flow.round(RATE * 4 / 5, RTT);
    }
    assert_eq!(flow.bbr.bounds.bandwidth_for_now, INFINITE);
    assert!(flow.bbr.bandwidth.value() < RATE, "the next probe begins with what was left");
}

#[test]
fn one_congested_round_while_cruising_takes_nothing_away_for_good_but_makes_the_next_probe_careful() {
    let mut flow = Told::cruising();
    flow.round(RATE * 4 / 5, RTT);
    flow.lose(15, 100);
    flow.round(RATE * 4 / 5, RTT);
    assert!(flow.bbr.bounds.bandwidth_for_now < RATE, "{:?}", flow.bbr.bounds);
    while flow.bbr.state != State::Refill {
        flow.round(RATE * 4 / 5, RTT);
    }
    assert_eq!((flow.bbr.bounds.bandwidth_for_now, flow.bbr.bounds.lowered), (INFINITE, 0));
    assert_eq!((flow.bbr.bandwidth.value(), flow.bbr.cycle.ceiling()), (RATE, RATE));
}

// LOS-11.
#[test]
fn any_loss_is_congestion_while_a_queue_stands() {
    for (rtt, lowered) in [(57, false), (58, true)] {
        let mut flow = Told::cruising();
        for _ in 0..3 {
            flow.lose(1, 100);
            flow.round(RATE * 9 / 10, rtt * MS);
        }
        assert_eq!(flow.bbr.bounds.bandwidth_for_now < INFINITE, lowered, "{rtt} ms");
    }
}

#[test]
fn what_is_delivered_behind_a_standing_queue_is_the_share() {
    let mut flow = Told::cruising();
    for _ in 0..4 {
        assert_eq!(flow.bbr.bandwidth.value(), RATE);
        flow.round(RATE / 2, 60 * MS);
    }
    assert_eq!(flow.bbr.bandwidth.value(), RATE / 2);
}

#[test]
fn losses_that_were_none_are_taken_back_when_the_last_of_them_arrives() {
    let mut flow = Told::up();
    let (window, pacing) = (flow.bbr.window(), flow.pacing());
    flow.now += MS;
    let lost = flow.lose(10, 100);
    assert_eq!(flow.bbr.state, State::Down);
    let (last, others) = lost.split_last().expect("ten");
    for spurious in others {
        flow.bbr.on_spurious(flow.now, spurious);
    }
    assert_eq!(flow.bbr.state, State::Down);
    flow.bbr.on_spurious(flow.now, last);
    assert_eq!(flow.bbr.state, State::Refill, "the probe begins again");
    assert_eq!(flow.bbr.bounds.inflight, INFINITE);
    assert_eq!((flow.bbr.window(), flow.pacing()), (window, pacing));
}

#[test]
fn start_up_that_ended_by_losses_that_were_none_goes_on() {
    let mut flow = Told::new();
    flow.round(RATE, RTT);
    let lost = flow.lose(50, 100);
    assert!(matches!(flow.bbr.state, State::Drain { .. }));
    for spurious in &lost {
        flow.bbr.on_spurious(flow.now, spurious);
    }
    assert_eq!(flow.bbr.state, State::Startup);
    assert!(!flow.bbr.pipe.full);
}

#[test]
fn spurious_losses_of_an_earlier_round_take_nothing_back() {
    let mut flow = Told::cruising();
    let early = flow.lose(1, 1000);
    flow.round(RATE, RTT);
    flow.round(RATE, RTT);
    flow.lose(50, 100);
    let undo = flow.bbr.undo.expect("losses").lost;
    flow.bbr.on_spurious(flow.now, &early[0]);
    assert_eq!(flow.bbr.undo.expect("losses").lost, undo);
}

#[test]
fn persistent_congestion_leaves_two_datagrams() {
    let mut flow = Told::cruising();
    let event = LossEvent {
        bytes: 0,
        packets: Vec::new(),
        largest: 0,
        next_pn: 1,
        prior_in_flight: 0,
        in_flight: 0,
        persistent: true,
        round: 0,
    };
    flow.bbr.on_congestion(flow.now, &event);
    assert_eq!(flow.bbr.window(), 2 * MSS);
    flow.round(RATE, RTT);
    assert!(flow.bbr.window() > BDP / 2, "and what arrives lets it grow again");
}

#[test]
fn a_round_trip_not_seen_again_for_five_seconds_is_looked_for_with_half_a_window() {
    let mut flow = Told::cruising();
    let began = flow.now;
    while !matches!(flow.bbr.state, State::ProbeRtt(_)) {
        flow.in_flight = BDP;
        flow.round(RATE, 52 * MS);
        assert!(flow.now - began < 6000 * MS);
    }
    assert!(flow.now - began > 4800 * MS);
    assert_eq!(flow.bbr.window(), BDP / 2);
    flow.in_flight = BDP / 2;
    let low = flow.now;
    while matches!(flow.bbr.state, State::ProbeRtt(_)) {
        flow.round(RATE / 2, RTT);
    }
    assert_eq!(flow.bbr.state, State::Cruise);
    let took = flow.now - low;
    assert!((200 * MS..=300 * MS).contains(&took), "{took:?}");
    assert_eq!(flow.bbr.bandwidth.value(), RATE, "what it delivered meanwhile says nothing");
    assert!(flow.bbr.window() > BDP);
}

#[test]
fn a_round_trip_seen_again_is_not_looked_for() {
    let mut flow = Told::cruising();
    for _ in 0..200 {
        flow.round(RATE, 51 * MS);
        assert!(!matches!(flow.bbr.state, State::ProbeRtt(_)));
    }
}

#[test]
fn after_a_pause_it_sends_at_once_what_the_path_delivers_and_does_not_look_for_the_round_trip() {
    let mut flow = Told::down();
    flow.in_flight = 0;
    flow.now += Duration::from_secs(20);
    flow.bbr.on_sent(flow.now, 1200, 1200);
    assert_eq!(flow.pacing(), percent(RATE, 99));
    flow.ack(MSS, flow.delivered, RATE, 60 * MS);
    assert!(!matches!(flow.bbr.state, State::ProbeRtt(_)), "{:?}", flow.bbr.state);
}

#[test]
fn a_sender_with_little_to_send_learns_nothing_bad_of_the_path() {
    let path = Path::plain(12_500_000, RTT);
    let flow = Flow { demand: Demand::Trickle(500_000), ..Flow::endless(Bbr::new(1200)) };
    let report = run(&path, vec![flow], 20_000 * MS);
    let counts = report.counts(0, &(1000 * MS..20_000 * MS));
    assert!(counts.arrived * 1200 > 500_000 * 18, "{counts:?}");
    assert_eq!((counts.overflowed, counts.declared), (0, 0), "{counts:?}");
}

#[test]
fn the_window_holds_four_datagrams_or_two_large_ones_whatever_their_size_becomes() {
    let mut flow = Told::cruising();
    for (datagram, least) in [(1200, 4800), (16_384, 65_536), (65_000, 130_000), (1200, 4800)] {
        flow.bbr.on_datagram_size(datagram);
        assert!(flow.bbr.window() >= least, "datagrams of {datagram}");
        flow.bbr.bandwidth.set(1);
        flow.bbr.extra_acked = ExtraAcked::default();
        flow.round(1, RTT);
        assert_eq!(flow.bbr.window(), least, "datagrams of {datagram}");
    }
}

#[test]
fn a_path_that_takes_no_time_gets_a_window_that_the_hosts_can_work_with() {
    let mut flow = Told::new();
    let rtt = Duration::from_micros(30);
    for n in 0..200 {
        flow.round(500_000 << n.min(11), rtt);
    }
    assert!(flow.bbr.window() >= volume(flow.bbr.available(), HOST_TIME), "{}", flow.bbr.window());
}
