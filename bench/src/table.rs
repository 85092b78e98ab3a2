//! Medians and ratios, side by side.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::measured::Measured;

/// The runs of everybody.
pub(crate) struct Table {
    rows: Vec<(String, Vec<Measured>)>,
    bytes: u64,
}

impl Table {
    /// One row for each of them; this many bytes are sent in a run.
    pub(crate) fn new(names: impl Iterator<Item = String>, bytes: u64) -> Self {
        Self { rows: names.map(|name| (name, Vec::new())).collect(), bytes }
    }

    /// One more run.
    pub(crate) fn add(&mut self, row: usize, run: Measured) {
        self.rows[row].1.push(run);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let medians: Vec<_> = self.rows.iter().map(|(_, runs)| median(runs, |run| run.time)).collect();
        write!(
            f,
            "{:<22}{:>9}{:>9}{:>9}{:>10}{:>13}{:>13}",
            "", "median", "fastest", "slowest", "MB/s", "client CPU", "server CPU"
        )?;
        for (name, _) in &self.rows {
            write!(f, "{:>width$}", format!("× {name}"), width = name.chars().count().max(6) + 4)?;
        }
        for ((name, runs), time) in self.rows.iter().zip(&medians) {
            let of = |pick: fn(&Measured) -> Duration| median(runs, pick).as_secs_f64();
            let fastest = runs.iter().map(|run| run.time).min().unwrap_or_default().as_secs_f64();
            let slowest = runs.iter().map(|run| run.time).max().unwrap_or_default().as_secs_f64();
            let rate = self.bytes as f64 / time.as_secs_f64() / 1e6;
            write!(f, "\n{name:<22}{:>7.2} s{fastest:>7.2} s{slowest:>7.2} s{rate:>10.1}", time.as_secs_f64())?;
            write!(f, "{:>11.2} s{:>11.2} s", of(|run| run.client), of(|run| run.server))?;
            for ((other, _), theirs) in self.rows.iter().zip(&medians) {
                let width = other.chars().count().max(6) + 4;
                write!(f, "{:>width$.2}", theirs.as_secs_f64() / time.as_secs_f64())?;
            }
        }
        write!(f, "\n\nIn the columns ×: how many times as fast as that one, by the medians.")
    }
}

fn median(runs: &[Measured], pick: fn(&Measured) -> Duration) -> Duration {
    let mut all: Vec<Duration> = runs.iter().map(pick).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}
