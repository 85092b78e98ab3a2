use super::*;
impl Bbr {
    pub fn trace(&self) -> String {
        let b = |x: u64| if x == INFINITE { "-".into() } else { format!("{}", x / 1200) };
        format!(
            "{:<28} bw {:>6.2}M short {:>6} win {:>5} long {:>5} short {:>5} bdp {:>5} min {:.1?} rtt {:.1?} extra {} lim {} pace {:.2} {:?}",
            format!("{:?}", self.state).chars().take(28).collect::<String>(),
            self.bandwidth.value() as f64 * 8e-6,
            b(self.bounds.bandwidth_for_now),
            b(self.window),
            b(self.bounds.inflight),
            b(self.bounds.inflight_for_now),
            b(self.bdp(100)),
            self.min_rtt.value().unwrap_or_default(),
            self.queue.rtt(),
            b(self.extra_acked.value()),
            self.round.is_window_limited(),
            self.pacing as f64 * 8e-6,
            self.queue
        )
    }
}
