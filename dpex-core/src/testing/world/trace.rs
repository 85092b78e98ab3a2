//! What happened, as a number that two runs can compare, and the last of it as text for when a run fails.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many happenings a failure shows.
const SHOWN: usize = 40;

/// One thing that happened. Kept small: there are millions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) at: Duration,
    pub(super) what: &'static str,
    pub(super) host: usize,
    pub(super) size: usize,
}

#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    last: VecDeque<Mark>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, last: VecDeque::with_capacity(SHOWN) }
    }

    /// Notes a happening and the bytes it was about.
    pub(super) fn note(&mut self, mark: Mark, bytes: &[u8]) {
        let nanos = u64::try_from(mark.at.as_nanos()).unwrap_or(u64::MAX);
        self.mix(nanos);
        self.mix(mark.host as u64 ^ (mark.size as u64) << 16);
        for byte in mark.what.bytes() {
            self.mix(u64::from(byte));
        }
        // The tag at the end of a record depends on all of it.
        for byte in bytes.iter().rev().take(16) {
            self.mix(u64::from(*byte));
        }
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(mark);
    }

    /// FNV-1a, by words.
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Mark { at, what, host, size } in &self.last {
            let host = if *host == usize::MAX { "server".to_owned() } else { format!("client {host}") };
            writeln!(f, "  {:>12.6} s  {host:<10} {what} {size}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
