//! BBR (draft-ietf-ccwg-bbr, version 3): the window and the rate follow a model of the path.
//!
//! The model is the most the path delivers and the least it takes to answer; their product fits into the path without a
//! queue. The flow sends at that rate, now and then faster to see whether there is more, and after that slower to empty
//! the queue this made. Loss bounds the model only where it says that the path is full.

mod loss;
mod model;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use loss::OwnLoss;
use model::{ExtraAcked, MaxBandwidth, MinRtt, volume};

use super::{AckEvent, Controller, LossEvent, LostSample, RttEstimator, SpuriousLoss};

const INFINITE: u64 = u64::MAX;

/// Pacing gains in per cent (section 2.4 and the table of section 5.6.1).
const STARTUP_GAIN: u64 = 277;
const DRAIN_GAIN: u64 = 50;
const DOWN_GAIN: u64 = 90;
const UP_GAIN: u64 = 125;
/// Sent so much slower than the path delivers, in per cent, to leave no queue (PacingMarginPercent).
const YIELD: u64 = 90;
const PATIENCE: u32 = 10;
const MARGIN: u64 = 1;
/// Window gains in per cent.
const CWND_GAIN: u64 = 200;
const UP_CWND_GAIN: u64 = 225;
const PROBE_RTT_GAIN: u64 = 50;
/// What a reduction leaves at least, in per cent (Beta).
const BETA: u64 = 70;
/// What of the long-term bound is left to others, in per cent (Headroom).
const HEADROOM: u64 = 15;
/// The least window in datagrams (MinPipeCwnd).
const MIN_DATAGRAMS: u64 = 4;
/// How long a low flight is held to measure the round trip (ProbeRTTDuration).
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// Time that the hosts need, beside the path, to hand on what is sent and answer it.
const HOST_TIME: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Startup,
    Drain { since: u64 },
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt { until: Option<Instant>, round_done: bool },
}

/// What acknowledgements say of the last probe for bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    None,
    Refilling,
    Starting,
    Probing,
    Stopping,
}

#[derive(Clone, Debug)]
pub struct Bbr {
    datagram: u64,
    initial_window: u64,
    window: u64,
    pacing: u64,
    state: State,
    bandwidth: MaxBandwidth,
    min_rtt: MinRtt,
    extra_acked: ExtraAcked,
    own_loss: OwnLoss,
    /// Bytes delivered so far.
    delivered: u64,
    round: Round,
    pipe: Pipe,
    cycle: Cycle,
    bounds: Bounds,
    congestion: Congestion,
    /// The window before it was lowered for a reason that passes.
    prior_window: u64,
    /// Samples of packets sent before so much was delivered are as good as application-limited.
    limited_until: u64,
    undo: Option<Undo>,
    dice: u64,
    idle_restart: bool,
    rtts: [Duration; 3],
    rtt_at: usize,
    cruise_gain: u64,
    yielding: Option<(Duration, u32)>,
}

/// A round trip counted in packets.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    count: u64,
    ends: u64,
    starts_now: bool,
    /// Packets acknowledged and lost in this one, in bytes, and the least round trip.
    acked: u64,
    lost: u64,
    min_rtt: Option<Duration>,
    /// The window was used up in this one, or in the last.
    limited: bool,
    was_limited: bool,
    rate: u64,
}

/// Is the pipe full?
#[derive(Clone, Copy, Debug, Default)]
struct Pipe {
    rate: u64,
    rounds: u64,
    full_now: bool,
    full: bool,
}

/// Where in the cycle of probing for bandwidth.
#[derive(Clone, Copy, Debug)]
struct Cycle {
    feedback: Feedback,
    began: Option<Instant>,
    wait: Duration,
    rounds: u64,
    up_rounds: u32,
    up_acked: u64,
    acked_per_step: u64,
    /// Samples tell what probing does.
    probing_samples: bool,
    too_high: bool,
    precautionary: bool,
    /// The round trip when it began to go up.
    up_rtt: Option<Duration>,
    up_inflight: u64,
    shared: bool,
    standing: u32,
    cautious: bool,
    ceiling: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    inflight_long: u64,
    bandwidth_short: u64,
    inflight_short: u64,
}

/// Losses of the current round trip.
#[derive(Clone, Copy, Debug, Default)]
struct Congestion {
    lossy: bool,
    round_ends: u64,
    round_starts_now: bool,
    bandwidth_latest: u64,
    inflight_latest: u64,
    lost: u64,
    acked: u64,
    min_rtt: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Undo {
    since: Instant,
    lost: usize,
    left: Option<State>,
    bounds: Bounds,
}

impl Bbr {
    #[must_use]
    pub fn new(datagram: usize) -> Self {
        let datagram = (datagram as u64).clamp(1, 1 << 20);
        let window = (10 * datagram).min((2 * datagram).max(14_720));
        Self {
            datagram,
            initial_window: window,
            window,
            pacing: 0,
            state: State::Startup,
            bandwidth: MaxBandwidth::default(),
            min_rtt: MinRtt::default(),
            extra_acked: ExtraAcked::default(),
            own_loss: OwnLoss::default(),
            delivered: 0,
            round: Round::default(),
            pipe: Pipe::default(),
            cycle: Cycle {
                feedback: Feedback::None,
                began: None,
                wait: Duration::from_secs(2),
                rounds: 0,
                up_rounds: 0,
                up_acked: 0,
                acked_per_step: INFINITE,
                probing_samples: false,
                too_high: false,
                precautionary: false,
                up_rtt: None,
                up_inflight: 0,
                shared: false,
                standing: 0,
                cautious: false,
                ceiling: INFINITE,
            },
            bounds: Bounds { inflight_long: INFINITE, bandwidth_short: INFINITE, inflight_short: INFINITE },
            congestion: Congestion::default(),
            prior_window: 0,
            limited_until: 0,
            undo: None,
            dice: 0,
            idle_restart: false,
            rtts: [Duration::ZERO; 3],
            rtt_at: 0,
            cruise_gain: 100,
            yielding: None,
        }
    }

    // --- the model ---

    fn bw(&self) -> u64 {
        let bound = if self.state == State::Up { self.cycle.ceiling } else { INFINITE };
        self.bandwidth.value().min(self.bounds.bandwidth_short).min(bound)
    }

    fn least(&self) -> u64 {
        MIN_DATAGRAMS * self.datagram
    }

    fn bdp(&self, gain: u64) -> u64 {
        match self.min_rtt.value() {
            Some(rtt) => percent(volume(self.bw(), rtt), gain),
            None => self.initial_window,
        }
    }

    fn quantised(&self, inflight: u64) -> u64 {
        let budget = volume(self.bw(), HOST_TIME);
        let inflight = inflight.max(budget).max(self.least());
        if self.state == State::Up { inflight + 2 * self.datagram } else { inflight }
    }

    fn inflight(&self, gain: u64) -> u64 {
        self.quantised(self.bdp(gain))
    }

    fn target_inflight(&self) -> u64 {
        self.bdp(100).min(self.window)
    }

    fn with_headroom(&self) -> u64 {
        if self.bounds.inflight_long == INFINITE {
            return INFINITE;
        }
        let headroom = percent(self.bounds.inflight_long, HEADROOM).max(self.datagram);
        self.bounds.inflight_long.saturating_sub(headroom).max(self.least())
    }

    fn gain(&self) -> u64 {
        match self.state {
            State::Startup => STARTUP_GAIN,
            State::Drain { .. } => DRAIN_GAIN,
            State::Down => DOWN_GAIN,
            State::Up => UP_GAIN,
            State::Cruise => self.cruise_gain,
            State::Refill | State::ProbeRtt { .. } => 100,
        }
    }

    fn window_gain(&self) -> u64 {
        match self.state {
            State::Up => UP_CWND_GAIN,
            State::ProbeRtt { .. } => PROBE_RTT_GAIN,
            _ => CWND_GAIN,
        }
    }

    fn recent_rtt(&self) -> Duration {
        self.rtts.iter().min().copied().unwrap_or_default()
    }

    fn in_cycle(&self) -> bool {
        matches!(self.state, State::Down | State::Cruise | State::Refill | State::Up)
    }

    fn start_round(&mut self) {
        self.round.ends = self.delivered;
    }

    // --- steps on an acknowledgement ---

    fn update_round(&mut self, now: Instant, ack: &AckEvent, rate: u64) {
        self.round.starts_now = ack.prior_delivered >= self.round.ends;
        if self.round.starts_now {
            self.end_round();
            self.start_round();
            self.round.count += 1;
            self.cycle.rounds += 1;
            self.round.was_limited = std::mem::take(&mut self.round.limited);
            self.round.acked = 0;
            self.round.lost = 0;
            self.round.min_rtt = None;
            self.extra_acked.on_round(self.round.count, !self.pipe.full);
        }
        let _ = now;
        self.round.acked += ack.bytes;
        self.round.min_rtt = least(self.round.min_rtt, ack.rtt_sample);
        if self.round.starts_now { self.round.rate = rate } else { self.round.rate = self.round.rate.max(rate) }
    }

    /// What the round that ends now says of the path's own loss.
    fn end_round(&mut self) {
        let calm = match self.state {
            State::Startup => self.round.rate >= grown(self.pipe.rate),
            State::Down | State::Cruise => self.cycle.feedback == Feedback::None,
            _ => false,
        };
        let queue = self.round.min_rtt.is_none_or(|rtt| self.min_rtt.shows_queue(rtt));
        let slow = matches!(self.state, State::Down | State::Cruise) && self.cycle.feedback == Feedback::None;
        self.cycle.standing = if slow && queue { self.cycle.standing + 1 } else { 0 };
        if self.cycle.standing >= 3 && !self.cycle.shared && self.round.rate > 0 {
            self.cycle.shared = true;
            self.bandwidth.set(self.round.rate);
        }
        if self.state == State::Cruise {
            self.yield_to_queue(queue);
        }
        if calm && !queue {
            let lost = self.round.lost / self.datagram;
            self.own_loss.on_calm_round(lost, lost + self.round.acked / self.datagram);
        }
    }

    fn yield_to_queue(&mut self, queue: bool) {
        let rtt = self.round.min_rtt.unwrap_or_default();
        if !queue {
            self.cruise_gain = (self.cruise_gain + 2).min(100);
            self.yielding = None;
            return;
        }
        match &mut self.yielding {
            None => self.yielding = Some((rtt, 0)),
            Some((_, PATIENCE)) => {
                self.cruise_gain = 100;
                return;
            }
            Some((before, rounds)) => {
                *rounds += 1;
                if *rounds == PATIENCE && rtt + self.min_rtt.value().unwrap_or_default() / 8 <= *before {
                    (*before, *rounds) = (rtt, 0);
                }
            }
        }
        self.cruise_gain = (self.cruise_gain - 2).max(YIELD);
    }

    fn exceeds(&self, lost: u64, of: u64) -> bool {
        self.own_loss.exceeded(lost / self.datagram, of / self.datagram)
    }

    fn update_latest(&mut self, ack: &AckEvent, rate: u64) {
        let c = &mut self.congestion;
        c.round_starts_now = false;
        c.bandwidth_latest = c.bandwidth_latest.max(rate);
        c.inflight_latest = c.inflight_latest.max(ack.delivered.saturating_sub(ack.prior_delivered));
        c.acked += ack.bytes;
        c.min_rtt = least(c.min_rtt, ack.rtt_sample);
        if ack.prior_delivered >= c.round_ends {
            c.round_ends = ack.delivered;
            c.round_starts_now = true;
        }
    }

    fn update_congestion(&mut self, rate: u64, limited: bool) {
        if rate > 0 && (!limited || rate >= self.bandwidth.value()) {
            self.bandwidth.on_sample(rate);
        }
        if !self.congestion.round_starts_now {
            return;
        }
        let probing = matches!(self.state, State::Startup | State::Refill | State::Up);
        let c = self.congestion;
        if c.lossy && !probing {
            // Elsewhere the queue is our own and on its way out.
            let cruising = self.state == State::Cruise;
            let queue = cruising && c.min_rtt.is_some_and(|rtt| self.min_rtt.shows_queue(rtt));
            if queue || self.exceeds(c.lost, c.lost + c.acked) {
                let bandwidth = self.bounds.bandwidth_short.min(self.bandwidth.value());
                let inflight = self.bounds.inflight_short.min(self.window);
                let beta = if c.lost > (c.lost + c.acked) / 4 { 0 } else { BETA };
                self.bounds.bandwidth_short = c.bandwidth_latest.max(percent(bandwidth, beta));
                self.bounds.inflight_short = c.inflight_latest.max(percent(inflight, beta));
            }
        }
        self.congestion.lossy = false;
    }

    fn advance_latest(&mut self, ack: &AckEvent, rate: u64) {
        if self.congestion.round_starts_now {
            self.congestion.bandwidth_latest = rate;
            self.congestion.inflight_latest = ack.delivered.saturating_sub(ack.prior_delivered);
            self.congestion.lost = 0;
            self.congestion.acked = 0;
            self.congestion.min_rtt = None;
        }
    }

    fn reset_congestion(&mut self) {
        self.congestion.lossy = false;
        self.congestion.bandwidth_latest = 0;
        self.congestion.inflight_latest = 0;
    }

    fn reset_short_term(&mut self) {
        self.bounds.bandwidth_short = INFINITE;
        self.bounds.inflight_short = INFINITE;
    }

    fn reset_pipe(&mut self, rate: u64) {
        self.pipe.rate = rate;
        self.pipe.rounds = 0;
        self.pipe.full_now = false;
    }

    fn check_pipe(&mut self, rate: u64, limited: bool, last: &Round) {
        if self.pipe.full_now || !self.round.starts_now || limited {
            return;
        }
        let rate = rate.max(last.rate);
        if rate >= grown(self.pipe.rate) {
            self.reset_pipe(rate);
            return;
        }
        self.pipe.rounds += 1;
        let excess = self.exceeds(last.lost, last.lost + last.acked);
        let queue = last.min_rtt.is_some_and(|rtt| self.min_rtt.shows_queue(rtt));
        let enough = if self.state == State::Startup && excess {
            1
        } else if self.state == State::Startup && queue {
            2
        } else {
            3
        };
        self.pipe.full_now = self.pipe.rounds >= enough;
        if self.pipe.full_now {
            if self.state == State::Startup && excess {
                self.bounds.inflight_long = self.bdp(100).max(self.congestion.inflight_latest);
                self.leave_for_loss(State::Startup);
            }
            self.pipe.full = true;
        }
    }

    fn leave_for_loss(&mut self, state: State) {
        if let Some(undo) = &mut self.undo {
            undo.left = Some(state);
        }
    }

    fn check_startup(&mut self) {
        if self.state == State::Startup && self.pipe.full {
            self.state = State::Drain { since: self.round.count };
            self.own_loss = OwnLoss::default();
        }
    }

    fn check_drain(&mut self, now: Instant, ack: &AckEvent) {
        if let State::Drain { since } = self.state
            && (ack.in_flight <= self.inflight(100) || self.round.count > since + 3)
        {
            self.start_down(now);
        }
    }

    // --- the cycle ---

    fn start_down(&mut self, now: Instant) {
        self.reset_congestion();
        self.cycle.acked_per_step = INFINITE;
        self.cycle.shared = false;
        self.yielding = None;
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.dice ^ self.delivered;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        self.cycle.rounds = x % 16;
        self.cycle.wait = Duration::from_millis(2000 + (x >> 8) % 1000);
        self.cycle.began = Some(now);
        self.cycle.feedback = Feedback::Stopping;
        self.start_round();
        self.state = State::Down;
    }

    fn start_refill(&mut self) {
        let overdone = self.bounds.bandwidth_short < self.bandwidth.value();
        if overdone {
            self.bandwidth.set(self.bounds.bandwidth_short);
        }
        self.cycle.cautious = overdone || self.cycle.too_high || self.cycle.precautionary && self.cycle.cautious;
        self.reset_short_term();
        self.cycle.up_rounds = 0;
        self.cycle.up_acked = 0;
        self.cycle.precautionary = false;
        self.cycle.feedback = Feedback::Refilling;
        self.start_round();
        self.state = State::Refill;
    }

    fn start_up(&mut self, rate: u64, in_flight: u64) {
        self.cycle.up_inflight = in_flight;
        self.cycle.ceiling = if self.cycle.cautious { self.bw() } else { INFINITE };
        self.cycle.feedback = Feedback::Starting;
        self.start_round();
        self.reset_pipe(rate);
        self.cycle.up_rtt = Some(self.recent_rtt());
        self.state = State::Up;
        self.raise_slope();
    }

    fn raise_slope(&mut self) {
        let growth = 1 << self.cycle.up_rounds;
        self.cycle.up_rounds = (self.cycle.up_rounds + 1).min(30);
        self.cycle.acked_per_step = (self.window / growth).max(self.datagram);
    }

    fn update_cycle(&mut self, now: Instant, ack: &AckEvent, rate: u64, limited: bool) {
        if !self.pipe.full || self.adapt_long_term(ack, limited) || !self.in_cycle() {
            return;
        }
        match self.state {
            State::Down => {
                if self.is_time_to_probe(now) {
                    self.start_refill();
                } else if ack.in_flight <= self.with_headroom()
                    && ack.in_flight <= self.quantised(volume_of(self.bandwidth.value(), self.min_rtt.value()))
                {
                    self.state = State::Cruise;
                }
            }
            State::Cruise if self.is_time_to_probe(now) => self.start_refill(),
            State::Refill if self.round.starts_now => {
                self.cycle.probing_samples = true;
                self.start_up(rate, ack.in_flight);
            }
            State::Up => {
                if self.is_time_to_go_down(ack, rate) {
                    self.cycle.too_high = false;
                    self.start_down(now);
                }
            }
            _ => {}
        }
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        let waited = self.cycle.began.is_none_or(|began| now.saturating_duration_since(began) > self.cycle.wait);
        waited || self.cycle.rounds >= (self.target_inflight() / self.datagram).min(63)
    }

    fn is_time_to_go_down(&mut self, ack: &AckEvent, rate: u64) -> bool {
        if self.cycle.too_high && ack.in_flight >= self.bounds.inflight_long {
            self.cycle.precautionary = true;
            return true;
        }
        if self.overfilled(ack) {
            return true;
        }
        let queue = self.min_rtt.shows_queue(self.recent_rtt());
        if self.is_limited() && self.window >= self.bounds.inflight_long && !queue {
            self.reset_pipe(rate);
            return false;
        }
        self.pipe.full_now
    }

    fn queue_grows(&self) -> bool {
        let (Some(before), Some(least)) = (self.cycle.up_rtt, self.min_rtt.value()) else { return false };
        self.recent_rtt().saturating_sub(before) > least / 16 + super::GRANULARITY / 2
    }

    /// Will the queue that this probe makes be longer than it may, once all that is in flight has got there?
    fn overfilled(&self, ack: &AckEvent) -> bool {
        let (Some(before), Some(least), Some(sample)) = (self.cycle.up_rtt, self.min_rtt.value(), ack.rate) else {
            return false;
        };
        let grown = self.recent_rtt().saturating_sub(before);
        if !self.queue_grows() || sample.tx_in_flight <= self.cycle.up_inflight {
            return false;
        }
        let (then, now) = (sample.tx_in_flight - self.cycle.up_inflight, ack.in_flight.saturating_sub(self.cycle.up_inflight));
        let to_be = grown.as_nanos() * u128::from(now.max(then)) / u128::from(then);
        to_be > (least / 4 + super::GRANULARITY).as_nanos()
    }

    fn is_limited(&self) -> bool {
        self.round.limited || self.round.was_limited
    }

    fn adapt_long_term(&mut self, ack: &AckEvent, limited: bool) -> bool {
        if self.cycle.feedback == Feedback::Starting && self.round.starts_now {
            self.cycle.feedback = Feedback::Probing;
        }
        if self.cycle.feedback == Feedback::Stopping && self.round.starts_now {
            self.cycle.probing_samples = false;
            self.cycle.feedback = Feedback::None;
            if self.in_cycle() {
                if !limited {
                    self.bandwidth.advance();
                }
                if self.cycle.precautionary && !self.cycle.too_high {
                    self.start_refill();
                    return true;
                }
            }
        }
        let Some(sample) = ack.rate else { return false };
        if !self.exceeds(sample.lost, sample.tx_in_flight) && self.bounds.inflight_long != INFINITE {
            self.bounds.inflight_long = self.bounds.inflight_long.max(sample.tx_in_flight);
            if self.state == State::Up {
                self.probe_inflight_up(ack);
            }
        }
        false
    }

    fn probe_inflight_up(&mut self, ack: &AckEvent) {
        if !self.is_limited() || self.window < self.bounds.inflight_long {
            return;
        }
        if !self.queue_grows() {
            self.bounds.inflight_long = self.bounds.inflight_long.saturating_add(ack.bytes);
            return;
        }
        self.cycle.up_acked += ack.bytes;
        if self.cycle.up_acked >= self.cycle.acked_per_step {
            let steps = self.cycle.up_acked / self.cycle.acked_per_step;
            self.cycle.up_acked -= steps * self.cycle.acked_per_step;
            self.bounds.inflight_long = self.bounds.inflight_long.saturating_add(steps * self.datagram);
        }
        if self.round.starts_now {
            self.raise_slope();
        }
    }

    // --- the smallest round trip ---

    fn check_probe_rtt(&mut self, now: Instant, ack: &AckEvent) {
        let probing = matches!(self.state, State::ProbeRtt { .. });
        if !probing && self.min_rtt.is_expired() && !self.idle_restart {
            self.save_window();
            self.state = State::ProbeRtt { until: None, round_done: false };
            self.cycle.feedback = Feedback::Stopping;
            self.start_round();
        }
        if let State::ProbeRtt { until, round_done } = self.state {
            self.limited_until = self.delivered + ack.in_flight;
            match until {
                None if ack.in_flight <= self.probe_rtt_window() => {
                    self.state = State::ProbeRtt { until: Some(now + PROBE_RTT_TIME), round_done: false };
                    self.start_round();
                }
                None => {}
                Some(_) => {
                    let round_done = round_done || self.round.starts_now;
                    self.state = State::ProbeRtt { until, round_done };
                    if round_done {
                        self.check_probe_rtt_done(now);
                    }
                }
            }
        }
        self.idle_restart = false;
    }

    fn check_probe_rtt_done(&mut self, now: Instant) {
        let State::ProbeRtt { until: Some(until), .. } = self.state else { return };
        if now <= until {
            return;
        }
        self.min_rtt.on_probed(now);
        self.window = self.window.max(self.prior_window);
        self.reset_short_term();
        if self.pipe.full {
            self.start_down(now);
            self.state = State::Cruise;
        } else {
            self.state = State::Startup;
        }
    }

    fn probe_rtt_window(&self) -> u64 {
        self.bdp(PROBE_RTT_GAIN).max(self.least())
    }

    fn save_window(&mut self) {
        self.prior_window = self.window;
    }

    // --- loss ---

    fn on_lost(&mut self, now: Instant, packet: &LostSample) {
        if self.state == State::Startup && packet.lost > (packet.tx_in_flight / 4).max(8 * self.datagram) {
            self.bounds.inflight_long = self.bdp(100).max(self.congestion.inflight_latest);
            self.leave_for_loss(State::Startup);
            self.pipe.full = true;
            self.pipe.full_now = true;
            self.check_startup();
            return;
        }
        if !self.cycle.probing_samples || !self.exceeds(packet.lost, packet.tx_in_flight) {
            return;
        }
        self.cycle.too_high = true;
        self.cycle.probing_samples = false;
        if !packet.app_limited {
            let before = packet.tx_in_flight.saturating_sub(packet.bytes);
            self.bounds.inflight_long = before.max(percent(self.target_inflight(), BETA));
        }
        if self.state == State::Up {
            self.leave_for_loss(State::Up);
            self.start_down(now);
        }
    }

    // --- control ---

    fn set_pacing(&mut self, gain: u64) {
        let rate = percent(percent(self.bw(), gain), 100 - MARGIN);
        if self.pipe.full || rate > self.pacing {
            self.pacing = rate;
        }
    }

    fn set_window(&mut self, ack: &AckEvent) {
        let most = self.quantised(self.bdp(self.window_gain()).saturating_add(self.extra_acked.value()));
        let grown = self.window.saturating_add(ack.bytes);
        if self.pipe.full {
            self.window = grown.min(most);
        } else if self.window < most || self.delivered < self.initial_window {
            self.window = grown;
        }
        if matches!(self.state, State::ProbeRtt { .. }) {
            self.window = self.window.min(self.probe_rtt_window());
        }
        let cap = match self.state {
            State::Down | State::Refill | State::Up => self.bounds.inflight_long,
            State::Cruise | State::ProbeRtt { .. } => self.with_headroom(),
            State::Startup | State::Drain { .. } => INFINITE,
        };
        self.window = self.window.min(cap.min(self.bounds.inflight_short)).max(self.least());
    }
}

impl Controller for Bbr {
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: u64) {
        if in_flight <= bytes as u64 && self.delivered > 0 {
            self.idle_restart = true;
            self.extra_acked.restart(now);
            if self.in_cycle() {
                self.set_pacing(100);
            } else if matches!(self.state, State::ProbeRtt { .. }) {
                self.check_probe_rtt_done(now);
            }
        }
        self.round.limited |= in_flight + self.datagram > self.window;
    }

    fn on_ack(&mut self, now: Instant, ack: &AckEvent) {
        self.delivered = ack.delivered;
        let rate = ack.rate.and_then(|sample| sample.bytes_per_second()).unwrap_or(0);
        let limited = ack.rate.is_none_or(|sample| sample.app_limited) || ack.prior_delivered < self.limited_until;
        let last = self.round;
        if let Some(rtt) = ack.rtt_sample {
            self.rtts[self.rtt_at] = rtt;
            self.rtt_at = (self.rtt_at + 1) % self.rtts.len();
        }
        self.update_latest(ack, rate);
        self.update_round(now, ack, rate);
        self.update_congestion(rate, limited);
        self.extra_acked.on_ack(now, ack.bytes, self.bw(), self.window);
        self.check_pipe(rate, limited, &last);
        self.check_startup();
        self.check_drain(now, ack);
        self.update_cycle(now, ack, rate, limited);
        self.min_rtt.on_sample(now, ack.rtt_sample);
        self.check_probe_rtt(now, ack);
        self.advance_latest(ack, rate);
        self.set_pacing(self.gain());
        self.set_window(ack);
    }

    fn on_congestion(&mut self, now: Instant, loss: &LossEvent) {
        if !self.congestion.lossy {
            self.congestion.lossy = true;
            self.congestion.round_ends = self.delivered;
            self.undo = Some(Undo { since: now, lost: 0, left: None, bounds: self.bounds });
        }
        if let Some(undo) = &mut self.undo {
            undo.lost += loss.packets.len();
        }
        self.congestion.lost += loss.bytes;
        self.round.lost += loss.bytes;
        for packet in &loss.packets {
            self.on_lost(now, packet);
        }
        if loss.persistent {
            self.save_window();
            self.window = 2 * self.datagram;
            self.undo = None;
        }
    }

    fn on_spurious(&mut self, _now: Instant, spurious: &SpuriousLoss) {
        let Some(undo) = &mut self.undo else { return };
        if spurious.declared < undo.since {
            return;
        }
        undo.lost = undo.lost.saturating_sub(1);
        if undo.lost > 0 {
            return;
        }
        let Some(undo) = self.undo.take() else { return };
        self.congestion.lossy = false;
        self.reset_pipe(0);
        self.bounds.bandwidth_short = self.bounds.bandwidth_short.max(undo.bounds.bandwidth_short);
        self.bounds.inflight_short = self.bounds.inflight_short.max(undo.bounds.inflight_short);
        self.bounds.inflight_long = self.bounds.inflight_long.max(undo.bounds.inflight_long);
        if matches!(self.state, State::ProbeRtt { .. }) {
            return;
        }
        match undo.left {
            Some(State::Startup) if self.state != State::Startup => {
                self.pipe.full = false;
                self.state = State::Startup;
            }
            Some(State::Up) if self.state != State::Up => self.start_refill(),
            _ => {}
        }
    }

    fn on_datagram_size(&mut self, bytes: usize) {
        self.datagram = (bytes as u64).clamp(1, 1 << 20);
        self.window = self.window.max(self.least());
    }

    fn window(&self) -> u64 {
        self.window.max(2 * self.datagram)
    }

    fn pacing_rate(&self, rtt: &RttEstimator) -> u64 {
        let rate = if self.pipe.full {
            self.pacing
        } else {
            let initial = volume_per(self.initial_window, rtt.smoothed());
            self.pacing.max(percent(initial, STARTUP_GAIN))
        };
        rate.max(self.datagram)
    }

    fn name(&self) -> &'static str {
        "bbr"
    }
}

fn percent(of: u64, gain: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(gain) / 100).unwrap_or(u64::MAX)
}

fn grown(rate: u64) -> u64 {
    percent(rate, 125)
}

fn least(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn volume_of(rate: u64, rtt: Option<Duration>) -> u64 {
    rtt.map_or(0, |rtt| volume(rate, rtt))
}

fn volume_per(bytes: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1000);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Bbr {
    pub fn trace(&self) -> String {
        let b = |x: u64| if x == INFINITE { "-".into() } else { format!("{}", x / 1200) };
        format!(
            "{:<28} bw {:>6.2}M short {:>6} win {:>5} long {:>5} short {:>5} bdp {:>5} min {:.1?} rtt {:.1?} own {:.3} pipe {:.2} {} fb {:?} extra {} lim {}",
            format!("{:?}", self.state).chars().take(28).collect::<String>(),
            self.bandwidth.value() as f64 * 8e-6, b(self.bounds.bandwidth_short), b(self.window), b(self.bounds.inflight_long), b(self.bounds.inflight_short), b(self.bdp(100)),
            self.min_rtt.value().unwrap_or_default(), self.recent_rtt(), self.own_loss.rate(), self.pipe.rate as f64 * 8e-6, self.pipe.rounds, self.cycle.feedback, b(self.extra_acked.value()), self.is_limited()).to_string() + &format!(" cg {} sh {} pace {:.2}", self.cruise_gain, self.cycle.shared, self.pacing as f64 * 8e-6)
    }
}
