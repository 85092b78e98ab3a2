//! A queue before a link whose rate may change, and a policer before the queue.
//!
//! No packet is kept. The link's capacity since the beginning is a broken line over time; what it has been given is a
//! point on that line, and a packet leaves when the line gets there. All in whole numbers, so that every machine agrees.

use super::Nanos;

/// Bytes per second times nanoseconds: billionths of a byte.
type Work = u128;

const BYTE: Work = 1_000_000_000;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is through at this time.
    Passes(Nanos),
    /// The queue was full.
    Overflows,
    /// The policer had no token for it.
    Policed,
}

/// A token bucket that drops what exceeds it.
#[derive(Clone, Copy, Debug)]
pub(in crate::recovery) struct Policer {
    /// Bytes per second.
    pub(in crate::recovery) rate: u64,
    /// Bytes it holds; full in the beginning.
    pub(in crate::recovery) burst: u64,
}

#[derive(Debug)]
pub(super) struct Bottleneck {
    /// From when on which rate in bytes per second holds, and the capacity until then.
    steps: Vec<(Nanos, u64, Work)>,
    queue: u64,
    given: Work,
    policer: Option<(Policer, Work, Nanos)>,
}

impl Bottleneck {
    /// `steps` begins at 0 and ascends; no rate is 0.
    pub(super) fn new(steps: &[(Nanos, u64)], queue: u64, policer: Option<Policer>) -> Self {
        let mut line: Vec<(Nanos, u64, Work)> = Vec::new();
        for &(from, rate) in steps {
            let before =
                line.last().map_or(0, |&(since, rate, work)| work + Work::from(from - since) * Work::from(rate));
            line.push((from, rate, before));
        }
        let policer = policer.map(|policer| (policer, Work::from(policer.burst) * BYTE, 0));
        Self { steps: line, queue, given: 0, policer }
    }

    fn capacity(&self, now: Nanos) -> Work {
        let step = self.steps.iter().rev().find(|(from, ..)| *from <= now).expect("steps begin at 0");
        step.2 + Work::from(now - step.0) * Work::from(step.1)
    }

    /// Bytes the link could have carried between two times.
    pub(super) fn carries(&self, from: Nanos, until: Nanos) -> u64 {
        ((self.capacity(until) - self.capacity(from)) / BYTE) as u64
    }

    /// Bytes waiting.
    pub(super) fn backlog(&self, now: Nanos) -> u64 {
        (self.given.saturating_sub(self.capacity(now)) / BYTE) as u64
    }

    pub(super) fn offer(&mut self, now: Nanos, bytes: u64) -> Offer {
        let size = Work::from(bytes) * BYTE;
        if let Some((policer, tokens, filled)) = &mut self.policer {
            let earned = Work::from(now - *filled) * Work::from(policer.rate);
            *tokens = (*tokens + earned).min(Work::from(policer.burst) * BYTE);
            *filled = now;
            if *tokens < size {
                return Offer::Policed;
            }
            *tokens -= size;
        }
        if self.backlog(now) + bytes > self.queue + bytes {
            return Offer::Overflows;
        }
        self.given = self.given.max(self.capacity(now)) + size;
        let step = self.steps.iter().rev().find(|(.., work)| *work <= self.given).expect("steps begin at 0");
        Offer::Passes(step.0 + ((self.given - step.2).div_ceil(Work::from(step.1))) as Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_waits_for_those_before_it_and_a_full_queue_takes_no_more() {
        let mut link = Bottleneck::new(&[(0, 1_000_000)], 2000, None);
        assert_eq!(link.offer(0, 1000), Offer::Passes(1_000_000));
        assert_eq!(link.offer(0, 1000), Offer::Passes(2_000_000));
        assert_eq!(link.offer(500_000, 1000), Offer::Passes(3_000_000));
        assert_eq!(link.offer(500_000, 1000), Offer::Overflows);
        assert_eq!(link.offer(1_500_000, 1000), Offer::Passes(4_000_000));
        assert_eq!(link.backlog(3_000_000), 1000);
        assert_eq!(link.offer(10_000_000, 1000), Offer::Passes(11_000_000));
    }

    #[test]
    fn a_slower_link_carries_what_waits_more_slowly() {
        let mut link = Bottleneck::new(&[(0, 1_000_000), (1_000_000, 100_000)], 9000, None);
        assert_eq!(link.offer(0, 1500), Offer::Passes(6_000_000));
        assert_eq!(link.carries(0, 6_000_000), 1500);
    }

    #[test]
    fn a_policer_lets_its_burst_through_and_then_its_rate() {
        let policer = Policer { rate: 1_000_000, burst: 2000 };
        let mut link = Bottleneck::new(&[(0, 100_000_000)], 90_000, Some(policer));
        assert!(matches!(link.offer(0, 1000), Offer::Passes(_)));
        assert!(matches!(link.offer(0, 1000), Offer::Passes(_)));
        assert_eq!(link.offer(999_999, 1000), Offer::Policed);
        assert!(matches!(link.offer(1_000_000, 1000), Offer::Passes(_)));
    }
}
