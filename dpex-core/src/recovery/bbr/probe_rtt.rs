//! Looking for the smallest round trip: now and then with half of what fits into the path (section 5.3.4).

use std::time::{Duration, Instant};

use super::cycle::Feedback;
use super::{Bbr, State};
use crate::recovery::AckEvent;

/// What of the bandwidth-delay product is left in flight, in per cent (`ProbeRTTCwndGain`).
pub(super) const GAIN: u64 = 50;
/// For how long, at least (`ProbeRTTDuration`).
const TIME: Duration = Duration::from_millis(200);

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeRtt {
    /// The flight is still too large.
    Lowering,
    /// It is low enough; until then, and for a whole round trip.
    Holding { until: Instant, round_done: bool },
}

impl Bbr {
    pub(super) fn check_probe_rtt(&mut self, now: Instant, ack: &AckEvent) {
        let probing = matches!(self.state, State::ProbeRtt(_));
        // Idle time has emptied the queue as well.
        if !probing && self.min_rtt.is_expired() && !self.idle_restart {
            self.prior_window = self.window;
            self.state = State::ProbeRtt(ProbeRtt::Lowering);
            self.cycle.feedback = Feedback::Stopping;
            self.round.restart(self.delivered);
        }
        self.idle_restart = false;
        let State::ProbeRtt(progress) = self.state else { return };
        // Its rates say nothing of the path.
        self.limited_until = self.delivered.saturating_add(ack.in_flight);
        match progress {
            ProbeRtt::Lowering if ack.in_flight <= self.probe_rtt_window() => {
                self.state = State::ProbeRtt(ProbeRtt::Holding { until: now + TIME, round_done: false });
                self.round.restart(self.delivered);
            }
            ProbeRtt::Holding { until, round_done: false } if self.round.starts_now => {
                self.state = State::ProbeRtt(ProbeRtt::Holding { until, round_done: true });
                self.check_probe_rtt_done(now);
            }
            ProbeRtt::Holding { round_done: true, .. } => self.check_probe_rtt_done(now),
            _ => {}
        }
    }

    /// Goes on where it was before, if it is time.
    pub(super) fn check_probe_rtt_done(&mut self, now: Instant) {
        let State::ProbeRtt(ProbeRtt::Holding { until, .. }) = self.state else { return };
        if now <= until {
            return;
        }
        self.min_rtt.on_probed(now);
        self.window = self.window.max(self.prior_window);
        self.bounds.lift_for_now();
        if self.pipe.full {
            self.start_down(now);
            self.state = State::Cruise;
        } else {
            self.state = State::Startup;
        }
    }

    pub(super) fn probe_rtt_window(&self) -> u64 {
        self.bdp(GAIN).max(self.least_window())
    }
}
