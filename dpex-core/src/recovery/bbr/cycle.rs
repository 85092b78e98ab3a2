//! The cycle of probing for bandwidth (section 5.3.3): down, cruise, refill, up, down.

use std::time::{Duration, Instant};

use super::bounds::INFINITE;
use super::model::{percent, volume};
use super::round::Sample;
use super::{Bbr, State};
use crate::recovery::{AckEvent, GRANULARITY};

/// Wall-clock time between two probes: so much, and up to half as much again.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_SPREAD: u64 = 1000;
/// And round trips between them at most; up to [`ROUNDS_SPREAD`] less, or flows that see the same queue would keep
/// probing together.
const MOST_ROUNDS: u64 = 63;
const ROUNDS_SPREAD: u64 = 16;
/// Where round trips take no time, probing more often than this only fills the hosts' buffers.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// The queue that a probe may make, as a part of the smallest round trip: a quarter. And as a part of the queue that
/// overflowed the last time one did: a third, since what others add comes on top.
const PROBE_QUEUE: u32 = 4;
const PROBE_ROOM: u32 = 3;
/// What that queue is supposed to hold more after each probe that overflowed none: an eighth.
const ROOM_GROWS: u32 = 8;
/// Growth of the round trip that is noticed: a sixteenth.
const NOTICED: u32 = 16;

/// What acknowledgements say of the last probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feedback {
    /// Nothing: it is over.
    None,
    Refilling,
    /// It began, and acknowledgements are still of what was sent before.
    Starting,
    Probing,
    /// It is over, and acknowledgements are still of it.
    Stopping,
}

/// Where the flow is in the cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    pub(super) feedback: Feedback,
    began: Option<Instant>,
    wait: Duration,
    /// Round trips since the last probe, and a number by chance.
    rounds: u64,
    /// Samples are of a probe, and it has not been answered yet.
    pub(super) probing: bool,
    /// The last probe lost too much; this one ended early because of that; and it goes no further than one step.
    pub(super) too_high: bool,
    precautionary: bool,
    ceiling: u64,
    /// Round trip and flight when it began to go up.
    from_rtt: Duration,
    from_inflight: u64,
    /// The queue that the last overflow in a probe has shown.
    pub(super) room: Option<Duration>,
    /// Growth of the bound on the flight: steps a round trip double.
    up_rounds: u32,
    up_acked: u64,
    acked_per_step: u64,
    dice: u64,
}

impl Cycle {
    pub(super) fn new() -> Self {
        Self {
            feedback: Feedback::None,
            began: None,
            wait: WAIT,
            rounds: 0,
            probing: false,
            too_high: false,
            precautionary: false,
            ceiling: INFINITE,
            from_rtt: Duration::ZERO,
            from_inflight: 0,
            room: None,
            up_rounds: 0,
            up_acked: 0,
            acked_per_step: INFINITE,
            dice: 0,
        }
    }

    pub(super) fn on_round(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
    }

    /// What bandwidth an upward probe may not believe in.
    pub(super) fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// Chance that follows from the connection's history, so that the same history is the same again.
    fn roll(&mut self, seed: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.dice ^ seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn raise_slope(&mut self, window: u64, datagram: u64) {
        self.acked_per_step = (window >> self.up_rounds).max(datagram);
        self.up_rounds = (self.up_rounds + 1).min(30);
    }
}

impl Bbr {
    pub(super) fn start_down(&mut self, now: Instant) {
        self.loss_round.restart();
        self.queue.on_cycle();
        let roll = self.cycle.roll(self.delivered);
        self.cycle.acked_per_step = INFINITE;
        self.cycle.rounds = roll % ROUNDS_SPREAD;
        self.cycle.wait = WAIT + Duration::from_millis((roll >> 8) % WAIT_SPREAD);
        self.cycle.began = Some(now);
        self.cycle.feedback = Feedback::Stopping;
        self.round.restart(self.delivered);
        self.state = State::Down;
    }

    /// Refills the pipe, with what was learnt since the last probe: if rounds were congested in which the flow did not
    /// probe, the most that was ever delivered is not what there is, and the next probe goes one step only. A single such
    /// round is more likely another flow's probe, which takes nothing away for good.
    pub(super) fn start_refill(&mut self) {
        let overdone = self.bounds.bandwidth_for_now < self.bandwidth.value();
        if overdone && self.bounds.lowered > 1 {
            self.bandwidth.set(self.bounds.bandwidth_for_now);
        }
        let careful = overdone || self.cycle.too_high || self.cycle.precautionary && self.cycle.ceiling != INFINITE;
        self.cycle.ceiling = if careful { self.bandwidth.value() } else { INFINITE };
        self.bounds.lift_for_now();
        self.cycle.up_rounds = 0;
        self.cycle.up_acked = 0;
        self.cycle.precautionary = false;
        self.cycle.feedback = Feedback::Refilling;
        self.round.restart(self.delivered);
        self.state = State::Refill;
    }

    fn start_up(&mut self, sample: Sample, in_flight: u64) {
        self.cycle.probing = true;
        self.cycle.feedback = Feedback::Starting;
        self.cycle.from_rtt = self.queue.rtt();
        self.cycle.from_inflight = in_flight;
        self.round.restart(self.delivered);
        self.pipe.restart(sample.rate);
        self.cycle.raise_slope(self.window, self.datagram);
        self.state = State::Up;
    }

    pub(super) fn update_cycle(&mut self, now: Instant, ack: &AckEvent, sample: Sample) {
        if !self.pipe.full || self.adapt_to_feedback(ack, sample) {
            return;
        }
        match self.state {
            State::Down if self.is_time_to_probe(now) => self.start_refill(),
            State::Down if self.is_drained(ack.in_flight) => self.state = State::Cruise,
            State::Cruise if self.is_time_to_probe(now) => self.start_refill(),
            State::Refill if self.round.starts_now => self.start_up(sample, ack.in_flight),
            State::Up => self.go_up(now, ack, sample),
            _ => {}
        }
    }

    fn go_up(&mut self, now: Instant, ack: &AckEvent, sample: Sample) {
        if self.is_time_to_go_down(ack, sample) {
            self.cycle.too_high = false;
            // Found out anew before long: it may have been a burst of others, or the path may be another.
            self.cycle.room = self.cycle.room.map(|room| room.saturating_add(room / ROOM_GROWS));
            self.start_down(now);
        }
    }

    /// Room for others in the queue, and none of it our own.
    fn is_drained(&self, in_flight: u64) -> bool {
        let bdp = self.min_rtt.value().map_or(0, |rtt| volume(self.bandwidth.value(), rtt));
        in_flight <= self.inflight_with_headroom() && in_flight <= self.at_least(bdp)
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        let Some(began) = self.cycle.began else { return true };
        let waited = now.saturating_duration_since(began);
        waited > self.cycle.wait || waited >= LEAST_WAIT && self.cycle.rounds >= MOST_ROUNDS
    }

    fn is_time_to_go_down(&mut self, ack: &AckEvent, sample: Sample) -> bool {
        if self.cycle.too_high && ack.in_flight >= self.bounds.inflight {
            self.cycle.precautionary = true;
            return true;
        }
        if self.makes_queue(ack) {
            return true;
        }
        let bound = self.round.is_window_limited() && self.window >= self.bounds.inflight;
        if bound && !self.min_rtt.shows_queue(self.queue.rtt()) {
            // Not the pipe but the bound keeps the rate from growing.
            self.pipe.restart(sample.rate);
            return false;
        }
        self.pipe.full_now
    }

    /// A probe has made the queue overflow: it has no room for more than is in it now.
    pub(super) fn on_overflow(&mut self) {
        let rtt = self.queue.rtt();
        if let Some(least) = self.min_rtt.value().filter(|_| self.min_rtt.shows_queue(rtt)) {
            self.cycle.room = Some(rtt.saturating_sub(least));
        }
    }

    /// Does the round trip grow in this probe?
    fn sees_queue(&self) -> bool {
        let grown = self.queue.rtt().saturating_sub(self.cycle.from_rtt);
        self.min_rtt.value().is_some_and(|least| grown > least / NOTICED + GRANULARITY / 2)
    }

    /// Will this probe have made the longest queue it may, once all that is in flight has got there?
    ///
    /// What the packet now acknowledged added to the flight has made the queue now seen, so what the flight has grown
    /// by since will add in proportion. Every flow so adds the same to the queue, whatever its share: a small one may
    /// grow by more than a large one.
    fn makes_queue(&self, ack: &AckEvent) -> bool {
        let (Some(least), Some(sample)) = (self.min_rtt.value(), ack.rate) else { return false };
        let from = self.cycle.from_inflight;
        if !self.sees_queue() || sample.tx_in_flight <= from {
            return false;
        }
        let then = sample.tx_in_flight - from;
        let now = ack.in_flight.saturating_sub(from).max(then);
        let grown = self.queue.rtt().saturating_sub(self.cycle.from_rtt);
        let grows_to = grown.as_nanos().saturating_mul(u128::from(now)) / u128::from(then);
        let most = (least / PROBE_QUEUE).saturating_add(GRANULARITY);
        let fits = self.cycle.room.map_or(most, |room| most.min(room / PROBE_ROOM));
        grows_to > fits.as_nanos()
    }

    /// Follows what acknowledgements say of the last probe. Returns whether it decided what to do next.
    fn adapt_to_feedback(&mut self, ack: &AckEvent, sample: Sample) -> bool {
        match self.cycle.feedback {
            Feedback::Starting if self.round.starts_now => self.cycle.feedback = Feedback::Probing,
            Feedback::Stopping if self.round.starts_now => {
                self.cycle.probing = false;
                self.cycle.feedback = Feedback::None;
                if self.state.is_in_cycle() {
                    if !sample.limited {
                        self.bandwidth.advance();
                    }
                    if self.cycle.precautionary && !self.cycle.too_high {
                        self.start_refill();
                        return true;
                    }
                }
            }
            _ => {}
        }
        if let Some(rate) = ack.rate
            && self.bounds.inflight != INFINITE
            && !self.exceeds_own_loss(rate.lost, rate.tx_in_flight)
        {
            self.bounds.inflight = self.bounds.inflight.max(rate.tx_in_flight);
            if self.state == State::Up {
                self.raise_inflight_bound(ack);
            }
        }
        !self.state.is_in_cycle()
    }

    /// The bound is used up and nothing too bad happens: it grows, as fast as the flight while no queue grows, and
    /// else by one datagram in the first round trip, two in the second, and so on.
    fn raise_inflight_bound(&mut self, ack: &AckEvent) {
        if !self.round.is_window_limited() || self.window < self.bounds.inflight {
            return;
        }
        if !self.sees_queue() {
            self.bounds.inflight = self.bounds.inflight.saturating_add(ack.bytes);
            return;
        }
        let acked = self.cycle.up_acked.saturating_add(ack.bytes);
        let steps = acked / self.cycle.acked_per_step;
        self.cycle.up_acked = acked % self.cycle.acked_per_step;
        self.bounds.inflight = self.bounds.inflight.saturating_add(steps.saturating_mul(self.datagram));
        if self.round.starts_now {
            self.cycle.raise_slope(self.window, self.datagram);
        }
    }

    /// What the flow wants in flight: what fits into the path, unless congestion cut the window.
    pub(super) fn target_inflight(&self) -> u64 {
        self.bdp(100).min(self.window)
    }

    /// The bound on the flight with some room left to others, of the queue or of the link.
    pub(super) fn inflight_with_headroom(&self) -> u64 {
        if self.bounds.inflight == INFINITE {
            return INFINITE;
        }
        let headroom = percent(self.bounds.inflight, super::HEADROOM).max(self.datagram);
        self.bounds.inflight.saturating_sub(headroom).max(self.least_window())
    }
}
