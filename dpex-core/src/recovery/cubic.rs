//! CUBIC (RFC 9438): the window grows along a cubic of the time since the last reduction.
//!
//! Loss is the only signal after slow start, which ends on delay already (HyStart++). The window grows only while the
//! sender uses it; a reduction made for losses that turn out not to be any is taken back. It is here to compare with:
//! it fills whatever queue there is, and random loss holds it down.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::hystart::{Growth, HyStart};
use super::{AckEvent, Controller, LossEvent, RttEstimator, SpuriousLoss};

/// Multiplicative decrease (RFC 9438, section 4.6).
const BETA: f64 = 0.7;
/// Segments per second cubed (RFC 9438, section 5.1).
const C: f64 = 0.4;
/// Additive increase that is fair to Reno, whose decrease is smaller (RFC 9438, section 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// The least window, in datagrams (RFC 9002, section 7.2).
const MIN_DATAGRAMS: f64 = 2.0;
/// Conservative slow start grows by so much less (RFC 9406, section 4.3).
const CSS_GROWTH_DIVISOR: f64 = 4.0;

/// CUBIC with HyStart++, fast convergence and undo.
#[derive(Clone, Debug)]
pub struct Cubic {
    /// Bytes of a datagram; windows are bytes as well, with a fraction, as growth is less than a byte at times.
    datagram: f64,
    window: f64,
    ssthresh: f64,
    /// The window before the last reduction, or less to make room for others.
    w_max: f64,
    avoidance: Option<Avoidance>,
    hystart: HyStart,
    /// Packets below this number were sent before the last reduction.
    recovery: Option<u64>,
    undo: Option<Undo>,
    used: Used,
    last_ack: Option<Instant>,
}

/// A stage of congestion avoidance.
#[derive(Clone, Copy, Debug)]
struct Avoidance {
    /// Time spent in it with the window in use.
    elapsed: Duration,
    /// Seconds until the window is back at `w_max`.
    k: f64,
    /// The window Reno would have.
    w_est: f64,
    /// The window before the reduction that began the stage.
    prior: f64,
}

/// What to go back to if every loss of a reduction turns out spurious.
#[derive(Clone, Debug)]
struct Undo {
    window: f64,
    ssthresh: f64,
    w_max: f64,
    avoidance: Option<Avoidance>,
    /// Losses declared from here on, of packets sent before `until`, belong to the reduction.
    since: Instant,
    until: u64,
    lost: usize,
}

/// The most bytes in flight in this round trip and the last.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    round: u64,
    previous: u64,
    current: u64,
}

impl Cubic {
    /// A controller for a path of this datagram size, with the initial window of RFC 9002, section 7.2.
    #[must_use]
    pub fn new(datagram: usize) -> Self {
        let datagram = datagram.max(1) as f64;
        Self {
            datagram,
            window: (10.0 * datagram).min((2.0 * datagram).max(14_720.0)),
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            avoidance: None,
            hystart: HyStart::default(),
            recovery: None,
            undo: None,
            used: Used::default(),
            last_ack: None,
        }
    }

    fn in_slow_start(&self) -> bool {
        self.window < self.ssthresh
    }

    fn least(&self) -> f64 {
        MIN_DATAGRAMS * self.datagram
    }

    /// Has the sender used the window in the last round trip? In slow start half of it is enough, for the window may
    /// have doubled since (RFC 9002, section 7.8).
    fn is_used(&self) -> bool {
        let most = self.used.previous.max(self.used.current) as f64;
        let slack = if self.in_slow_start() { self.window / 2.0 } else { self.window / 8.0 };
        most + slack.max(3.0 * self.datagram) >= self.window
    }

    fn slow_start(&mut self, ack: &AckEvent) {
        let acked = ack.bytes as f64;
        // Once a reduction has said where the path's limit is, ssthresh ends slow start (RFC 9406, section 4.3).
        let growth =
            if self.ssthresh.is_finite() { Growth::Full } else { self.hystart.on_ack(ack.round, ack.rtt_sample) };
        match growth {
            Growth::Full => self.window = (self.window + acked).min(self.ssthresh),
            Growth::Conservative => self.window += acked / CSS_GROWTH_DIVISOR,
            Growth::Over => self.ssthresh = self.window,
        }
    }

    fn avoid_congestion(&mut self, since_last: Duration, ack: &AckEvent) {
        let (window, datagram) = (self.window, self.datagram);
        if self.avoidance.is_none() {
            // Slow start that ended without a loss: the stage begins at its plateau (RFC 9438, section 4.10).
            self.w_max = window;
        }
        let w_max = self.w_max;
        let start = Avoidance { elapsed: Duration::ZERO, k: 0.0, w_est: window, prior: window };
        let stage = self.avoidance.get_or_insert(start);
        stage.elapsed += since_last.min(ack.smoothed_rtt);
        let t = stage.elapsed.as_secs_f64();
        let cubic = |t: f64| C * datagram * (t - stage.k).powi(3) + w_max;

        let acked = ack.bytes as f64;
        let alpha = if stage.w_est >= stage.prior { 1.0 } else { ALPHA };
        stage.w_est += alpha * datagram * acked / window;
        if cubic(t) < stage.w_est {
            self.window = window.max(stage.w_est);
        } else {
            let target = cubic(t + ack.smoothed_rtt.as_secs_f64()).clamp(window, 1.5 * window);
            self.window += (target - window) * (acked / window).min(1.0);
        }
    }

    fn reduce(&mut self, now: Instant, loss: &LossEvent) {
        self.undo = Some(Undo {
            window: self.window,
            ssthresh: self.ssthresh,
            w_max: self.w_max,
            avoidance: self.avoidance,
            since: now,
            until: loss.next_pn,
            lost: loss.packets.len(),
        });
        self.recovery = Some(loss.next_pn);
        let prior = self.window;
        // Fast convergence: a window that did not get back to where it was makes room (RFC 9438, section 4.7).
        self.w_max = if prior < self.w_max { prior * (1.0 + BETA) / 2.0 } else { prior };
        self.window = (prior * BETA).max(self.least());
        self.ssthresh = self.window;
        let k = ((self.w_max - self.window).max(0.0) / (C * self.datagram)).cbrt();
        self.avoidance = Some(Avoidance { elapsed: Duration::ZERO, k, w_est: self.window, prior });
    }
}

impl Controller for Cubic {
    fn on_sent(&mut self, _now: Instant, _bytes: usize, in_flight: u64) {
        self.used.current = self.used.current.max(in_flight);
    }

    fn on_ack(&mut self, now: Instant, ack: &AckEvent) {
        let since_last = self.last_ack.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last_ack = Some(now);
        if ack.round != self.used.round {
            self.used = Used { round: ack.round, previous: self.used.current, current: ack.in_flight };
        }
        let in_recovery = self.recovery.is_some_and(|until| ack.largest < until);
        if in_recovery || !self.is_used() {
            return;
        }
        if self.in_slow_start() {
            self.slow_start(ack);
        } else {
            self.avoid_congestion(since_last, ack);
        }
    }

    fn on_congestion(&mut self, now: Instant, loss: &LossEvent) {
        if self.recovery.is_none_or(|until| loss.largest >= until) {
            self.reduce(now, loss);
        } else if let Some(undo) = &mut self.undo {
            undo.lost += loss.packets.len();
        }
        if loss.persistent {
            // RFC 9002, section 7.6.2; not to be taken back, as the path has been dead that long.
            self.window = self.least();
            self.avoidance = None;
            self.recovery = None;
            self.undo = None;
        }
    }

    fn on_spurious(&mut self, _now: Instant, spurious: &SpuriousLoss) {
        let Some(undo) = &mut self.undo else { return };
        if spurious.declared < undo.since || spurious.pn >= undo.until {
            return;
        }
        undo.lost = undo.lost.saturating_sub(1);
        if undo.lost == 0
            && let Some(undo) = self.undo.take()
        {
            // RFC 9438, section 4.9.2.
            self.window = self.window.max(undo.window);
            self.ssthresh = undo.ssthresh;
            self.w_max = undo.w_max;
            self.avoidance = undo.avoidance;
            self.recovery = None;
        }
    }

    fn on_datagram_size(&mut self, bytes: usize) {
        self.datagram = bytes.max(1) as f64;
        self.window = self.window.max(self.least());
    }

    fn window(&self) -> u64 {
        self.window as u64
    }

    fn pacing_rate(&self, rtt: &RttEstimator) -> u64 {
        // Slow start doubles the window in a round trip; later a quarter more keeps the window, not the pacer, in
        // charge (RFC 9002, section 7.7).
        let gain = if self.in_slow_start() { 2.0 } else { 1.25 };
        (gain * self.window / rtt.smoothed().as_secs_f64().max(1e-6)) as u64
    }

    fn name(&self) -> &'static str {
        "cubic"
    }
}
