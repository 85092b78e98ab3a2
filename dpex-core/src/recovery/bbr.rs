//! BBR (draft-ietf-ccwg-bbr, version 3): window and rate follow a model of the path.
//!
//! The model is the most the path delivers and the least it takes to answer; their product fits into the path without a
//! queue. The flow sends at that rate, now and then faster to see whether there is more, and after that slower, to empty
//! the queue it made. Sections and names of constants are the draft's.
//!
//! Where it departs from the draft, and why:
//!
//! | what | why |
//! | --- | --- |
//! | Loss is congestion where it exceeds what the path loses by itself (`loss`); the draft allows any path 2 % and answers any loss while it does not probe | Long and radio paths lose more, and a download should not halve for it |
//! | That loss is made up for by sending more (`loss`) | Else the link would lie idle for as much as it loses |
//! | Start-up ends after one round without growth if it loses too much and after two if a queue shows, not always three; and at once when an eighth of a flight is lost (`pipe`); its window does not grow while a queue shows | Random loss does not end it, so loss with growth may not; and to a full queue there is nothing to add |
//! | A probe for bandwidth ends when the queue it makes will be a quarter of the smallest round trip, or a third of the queue that overflowed the last time (`cycle`); the draft goes on until it loses or three rounds brought nothing | It seldom overflows a queue; and it favours small shares, so that flows come to share alike |
//! | Bandwidth is what was delivered once a queue has stood for three rounds, and cruising yields to a queue, by a tenth at most, if that helps (`queue`) | Flows that meet do not keep a queue for ever |
//! | The bound on the flight grows with the flight while no queue does (`cycle`) | The bound that a newcomer's start-up left would else hold it down for minutes |
//! | After congestion while cruising, the next probe takes one step, and begins with what was left then if more than one round was congested; a round that lost more than a quarter is believed at once (`cycle`, `bounds`) | A policer lets a burst through again and again |
//! | A round trip seen again to a thirty-second is not looked for (`model`) | A flow alone empties its queue anyway |
//!
//! What it does not do: ECN, which the sockets do not report.

mod bounds;
mod cycle;
mod loss;
mod model;
mod pipe;
mod probe_rtt;
mod queue;
mod round;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bounds::{BETA, Bounds, INFINITE, LossRound};
use cycle::{Cycle, Feedback};
use loss::OwnLoss;
use model::{ExtraAcked, MaxBandwidth, MinRtt, percent, volume};
use pipe::{Hint, Pipe};
use probe_rtt::ProbeRtt;
use queue::Queue;
use round::{Round, Sample, Tally};

use super::{AckEvent, Controller, LossEvent, LostSample, RttEstimator, SpuriousLoss};

/// Pacing gains in per cent (section 5.6.1).
const STARTUP_GAIN: u64 = 277;
const DRAIN_GAIN: u64 = 50;
const DOWN_GAIN: u64 = 90;
const UP_GAIN: u64 = 125;
/// Sent so much slower than the path delivers, in per cent, to leave no queue (`PacingMarginPercent`).
const MARGIN: u64 = 1;
/// Window gains in per cent.
const WINDOW_GAIN: u64 = 200;
const UP_WINDOW_GAIN: u64 = 225;
/// What of the bound on the flight is left to others, in per cent (`Headroom`).
const HEADROOM: u64 = 15;
/// An eighth of a flight lost, and eight datagrams, is no accident but the end of start-up.
const LOST_IN_STARTUP: u64 = 8;
/// Round trips after which what start-up overfilled must have drained.
const DRAIN_ROUNDS: u64 = 3;
/// The least window: four datagrams (`MinPipeCwnd`), or two of those that are larger than this.
const MIN_DATAGRAMS: u64 = 4;
const LARGE_DATAGRAM: u64 = 16_384;
/// Time that the hosts need, beside the path, to hand on what is sent and to answer it: a pacer's burst and a timer
/// tick. It takes the place of the draft's offload budget, and is what counts where the path takes no time at all.
const HOST_TIME: Duration = Duration::from_millis(2);

/// BBR, version 3.
#[derive(Clone, Debug)]
pub struct Bbr {
    datagram: u64,
    initial_window: u64,
    window: u64,
    /// Bytes per second.
    pacing: u64,
    state: State,
    bandwidth: MaxBandwidth,
    min_rtt: MinRtt,
    extra_acked: ExtraAcked,
    own_loss: OwnLoss,
    bounds: Bounds,
    pipe: Pipe,
    cycle: Cycle,
    queue: Queue,
    round: Round,
    loss_round: LossRound,
    /// Bytes delivered so far.
    delivered: u64,
    /// Packets sent before so much was delivered were held back.
    limited_until: u64,
    /// Nothing was in flight when the last packet left.
    idle_restart: bool,
    /// The window before it was lowered to look for the smallest round trip.
    prior_window: u64,
    undo: Option<Undo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Twice as fast in every round trip, until the pipe is full.
    Startup,
    /// Slowly, until the queue that start-up made is gone.
    Drain { since: u64 },
    /// Slower than the path delivers, until the queue that the probe made is gone.
    Down,
    /// As fast as the path delivers.
    Cruise,
    /// The same for a round trip, without the bounds for the time being.
    Refill,
    /// Faster, to see whether there is more.
    Up,
    /// With half a window.
    ProbeRtt(ProbeRtt),
}

impl State {
    fn is_in_cycle(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }
}

/// What to go back to if every loss of a round turns out spurious (section 5.5.11).
#[derive(Clone, Copy, Debug)]
struct Undo {
    since: Instant,
    lost: usize,
    /// The state that the losses ended.
    left: Option<State>,
    bounds: Bounds,
    window: u64,
}

impl Bbr {
    /// A controller for a path of this datagram size, with the initial window of RFC 9002, section 7.2.
    #[must_use]
    pub fn new(datagram: usize) -> Self {
        let datagram = sane(datagram);
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
            bounds: Bounds::NONE,
            pipe: Pipe::default(),
            cycle: Cycle::new(),
            queue: Queue::new(),
            round: Round::default(),
            loss_round: LossRound::default(),
            delivered: 0,
            limited_until: 0,
            idle_restart: false,
            prior_window: 0,
            undo: None,
        }
    }

    /// Bytes per second that there are for this flow.
    fn available(&self) -> u64 {
        let ceiling = if self.state == State::Up { self.cycle.ceiling() } else { INFINITE };
        self.bandwidth.value().min(self.bounds.bandwidth_for_now).min(ceiling)
    }

    /// So many per cent of the bandwidth-delay product.
    fn bdp(&self, gain: u64) -> u64 {
        let bdp = |rtt| percent(volume(self.available(), rtt), gain);
        self.min_rtt.value().map_or(self.initial_window, bdp)
    }

    fn least_window(&self) -> u64 {
        if self.datagram > LARGE_DATAGRAM { 2 * self.datagram } else { MIN_DATAGRAMS * self.datagram }
    }

    /// A flight that is not too small for the hosts.
    fn at_least(&self, inflight: u64) -> u64 {
        let inflight = inflight.max(volume(self.available(), HOST_TIME)).max(self.least_window());
        if self.state == State::Up { inflight.saturating_add(2 * self.datagram) } else { inflight }
    }

    fn exceeds_own_loss(&self, lost: u64, of: u64) -> bool {
        self.own_loss.is_exceeded(lost / self.datagram, of / self.datagram)
    }

    /// A round trip ended with an acknowledgement that gives this sample.
    fn on_round(&mut self, ended: &Tally, sample: Sample) {
        self.cycle.on_round();
        self.extra_acked.on_round(self.round.count, !self.pipe.full);
        let shows_queue = ended.least_rtt.is_some_and(|rtt| self.min_rtt.shows_queue(rtt));
        let quiet = matches!(self.state, State::Down | State::Cruise) && self.cycle.feedback == Feedback::None;

        let calm = quiet || self.state == State::Startup && self.pipe.grew(ended.rate);
        if calm && self.min_rtt.is_telling() && !shows_queue && ended.least_rtt.is_some() {
            self.own_loss.on_calm_round(ended.lost / self.datagram, ended.settled() / self.datagram);
        }
        let shares = self.queue.on_round(shows_queue, quiet);
        if shares && ended.rate > 0 && !ended.limited {
            self.queue.on_share_known();
            self.bandwidth.set(ended.rate);
        }
        if self.state == State::Cruise {
            self.queue.on_cruise_round(ended.least_rtt, &self.min_rtt);
        }

        let hint = match self.state {
            State::Startup if self.exceeds_own_loss(ended.lost, ended.settled()) => Some(Hint::Loss),
            State::Startup if shows_queue => Some(Hint::Queue),
            _ => None,
        };
        self.pipe.on_round(sample, ended, hint);
        if self.state == State::Startup && self.pipe.full {
            self.leave_startup(hint);
        }
    }

    fn leave_startup(&mut self, hint: Option<Hint>) {
        if hint == Some(Hint::Loss) {
            self.bounds.inflight = self.bdp(100).max(self.loss_round.tally().delivered);
            if let Some(undo) = &mut self.undo {
                undo.left = Some(State::Startup);
            }
        }
        self.state = State::Drain { since: self.round.count };
    }

    fn on_loss_round(&mut self, ended: &Tally) {
        // Elsewhere a queue is our own and on its way out.
        let in_queue = self.state == State::Cruise && ended.least_rtt.is_some_and(|rtt| self.min_rtt.shows_queue(rtt));
        if self.state.is_probing() || !(in_queue || self.exceeds_own_loss(ended.lost, ended.settled())) {
            return;
        }
        self.bounds.lower_for_now(ended, self.bandwidth.value(), self.window);
    }

    fn check_drain(&mut self, now: Instant, in_flight: u64) {
        if let State::Drain { since } = self.state
            && (in_flight <= self.at_least(self.bdp(100)) || self.round.count > since + DRAIN_ROUNDS)
        {
            self.start_down(now);
        }
    }

    fn on_lost(&mut self, now: Instant, packet: &LostSample) {
        if self.state == State::Startup {
            let much = (packet.tx_in_flight / LOST_IN_STARTUP).max(LOST_IN_STARTUP * self.datagram);
            if packet.lost > much && self.exceeds_own_loss(packet.lost, packet.tx_in_flight) {
                self.pipe.on_full();
                self.leave_startup(Some(Hint::Loss));
            }
            return;
        }
        if !self.cycle.probing || !self.exceeds_own_loss(packet.lost, packet.tx_in_flight) {
            return;
        }
        self.on_overflow();
        // Answered once in a probe.
        self.cycle.probing = false;
        self.cycle.too_high = true;
        if !packet.app_limited {
            let before = packet.tx_in_flight.saturating_sub(packet.bytes);
            self.bounds.inflight = before.max(percent(self.target_inflight(), BETA));
        }
        if self.state == State::Up {
            if let Some(undo) = &mut self.undo {
                undo.left = Some(State::Up);
            }
            self.start_down(now);
        }
    }

    fn gain(&self) -> u64 {
        match self.state {
            State::Startup => STARTUP_GAIN,
            State::Drain { .. } => DRAIN_GAIN,
            State::Down => DOWN_GAIN,
            State::Up => UP_GAIN,
            State::Cruise => self.queue.cruise_gain(),
            State::Refill | State::ProbeRtt(_) => 100,
        }
    }

    fn window_gain(&self) -> u64 {
        match self.state {
            State::Up => UP_WINDOW_GAIN,
            State::ProbeRtt(_) => probe_rtt::GAIN,
            _ => WINDOW_GAIN,
        }
    }

    fn set_pacing(&mut self, gain: u64) {
        let rate = self.own_loss.gross(percent(percent(self.available(), gain), 100 - MARGIN));
        // In start-up, a sample that is low for want of data must not slow it down.
        if self.pipe.full || rate > self.pacing {
            self.pacing = rate;
        }
    }

    fn set_window(&mut self, acked: u64) {
        let most = self.at_least(self.bdp(self.window_gain()).saturating_add(self.extra_acked.value()));
        let grown = self.window.saturating_add(acked);
        if self.pipe.full {
            self.window = grown.min(most);
        } else if self.delivered < self.initial_window
            || self.window < most && !self.min_rtt.shows_queue(self.queue.rtt())
        {
            // In start-up a queue is filled by what is in flight already, and no more is learnt by more.
            self.window = grown;
        }
        let bound = match self.state {
            State::Startup | State::Drain { .. } => INFINITE,
            State::Down | State::Refill | State::Up => self.bounds.inflight,
            State::Cruise => self.inflight_with_headroom(),
            State::ProbeRtt(_) => self.inflight_with_headroom().min(self.probe_rtt_window()),
        };
        self.window = self.window.min(bound).min(self.bounds.inflight_for_now).max(self.least_window());
    }
}

impl Controller for Bbr {
    fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: u64) {
        if in_flight <= bytes as u64 && self.delivered > 0 {
            // Back from idleness, as fast as the path delivers (section 5.4).
            self.idle_restart = true;
            self.extra_acked.restart(now);
            if self.state.is_in_cycle() {
                self.set_pacing(100);
            }
            self.check_probe_rtt_done(now);
        }
        if in_flight.saturating_add(self.datagram) > self.window {
            self.round.on_window_used_up();
        }
    }

    fn on_ack(&mut self, now: Instant, ack: &AckEvent) {
        self.delivered = ack.delivered;
        let sample = Sample {
            rate: ack.rate.and_then(|rate| rate.bytes_per_second()).unwrap_or(0),
            delivered: ack.delivered.saturating_sub(ack.prior_delivered),
            limited: ack.rate.is_none_or(|rate| rate.app_limited) || ack.prior_delivered < self.limited_until,
        };
        self.queue.on_sample(ack.rtt_sample);
        let loss_round = self.loss_round.on_ack(ack, sample);
        let round = self.round.on_ack(ack, sample);
        if sample.rate > 0 && (!sample.limited || sample.rate >= self.bandwidth.value()) {
            self.bandwidth.on_sample(sample.rate);
        }
        if let Some((ended, true)) = loss_round {
            self.on_loss_round(&ended);
        }
        if let Some(ended) = round {
            self.on_round(&ended, sample);
        }
        self.extra_acked.on_ack(now, ack.bytes, self.available(), self.window);
        self.check_drain(now, ack.in_flight);
        self.update_cycle(now, ack, sample);
        self.min_rtt.on_sample(now, ack.rtt_sample);
        self.check_probe_rtt(now, ack);
        self.set_pacing(self.gain());
        self.set_window(ack.bytes);
    }

    fn on_congestion(&mut self, now: Instant, loss: &LossEvent) {
        if self.loss_round.on_loss(loss.bytes, self.delivered) {
            self.undo = Some(Undo { since: now, lost: 0, left: None, bounds: self.bounds, window: self.window });
        }
        if let Some(undo) = &mut self.undo {
            undo.lost += loss.packets.len();
        }
        self.round.tally.lost = self.round.tally.lost.saturating_add(loss.bytes);
        for packet in &loss.packets {
            self.on_lost(now, packet);
        }
        if loss.persistent {
            // RFC 9002, section 7.6.2; not to be taken back, as the path has been dead that long.
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
        self.loss_round.lossy = false;
        self.pipe.restart(0);
        self.bounds.restore(&undo.bounds);
        match (self.state, undo.left) {
            (State::ProbeRtt(_), _) => return,
            (State::Startup, _) | (_, None) => {}
            (_, Some(State::Startup)) => {
                self.pipe.full = false;
                self.state = State::Startup;
            }
            (State::Up, _) => {}
            (_, Some(_)) => self.start_refill(),
        }
        self.window = self.window.max(undo.window);
    }

    fn on_datagram_size(&mut self, bytes: usize) {
        self.datagram = sane(bytes);
        self.window = self.window.max(self.least_window());
    }

    fn window(&self) -> u64 {
        self.window.max(2 * self.datagram)
    }

    fn pacing_rate(&self, rtt: &RttEstimator) -> u64 {
        let rate = if self.pipe.full {
            self.pacing
        } else {
            // Before there is a sample, the initial window in a round trip.
            let nanos = rtt.smoothed().as_nanos().max(1000);
            let initial = u128::from(percent(self.initial_window, STARTUP_GAIN)) * 1_000_000_000 / nanos;
            self.pacing.max(u64::try_from(initial).unwrap_or(u64::MAX))
        };
        rate.max(self.datagram)
    }

    fn name(&self) -> &'static str {
        "bbr"
    }
}

/// A datagram size that no sum of a few overflows.
fn sane(datagram: usize) -> u64 {
    (datagram as u64).clamp(1, 1 << 20)
}
