//! One direction of one client's path: a rate with a queue before it, a delay behind it, and every way to go wrong.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::rng::Rng;

/// What a link does to datagrams.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Bytes per second.
    pub rate: u64,
    /// Time from the end of the queue to the other side.
    pub delay: Duration,
    /// Up to so much more, drawn for each datagram; order is kept.
    pub jitter: Duration,
    /// Bytes that wait at most; what does not fit is dropped.
    pub queue: u64,
    /// Share lost at random.
    pub loss: f64,
    /// Losses that come together.
    pub burst: Option<Burst>,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Share held up by up to [`Self::reorder_by`], so that others overtake it.
    pub reorder: f64,
    /// See [`Self::reorder`].
    pub reorder_by: Duration,
    /// Share of which one bit is flipped.
    pub corrupt: f64,
    /// The largest datagram that passes, in bytes of UDP payload.
    pub mtu: usize,
    /// Spans, counted from the world's beginning, in which nothing passes.
    pub blackouts: Vec<Range<Duration>>,
}

/// A Gilbert-Elliott channel: a good state without loss of its own and a bad one. It has slots in which a full
/// datagram takes its time at the link's rate, and they pass whether or not anything is sent.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Chance, for each slot, of the good state turning bad.
    pub enter: f64,
    /// Chance, for each slot, of the bad state turning good.
    pub leave: f64,
    /// Share lost in the bad state.
    pub loss: f64,
}

impl Default for LinkConfig {
    /// 100 Mbit/s, 10 ms, a queue of 100 ms, nothing lost.
    fn default() -> Self {
        Self {
            rate: 12_500_000,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            queue: 1_250_000,
            loss: 0.0,
            burst: None,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            corrupt: 0.0,
            mtu: 1500,
            blackouts: Vec::new(),
        }
    }
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Datagrams given to it.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams that did not fit in the queue.
    pub overflowed: u64,
    /// Datagrams lost otherwise.
    pub lost: u64,
    /// The most bytes that ever waited.
    pub peak_queue: u64,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: LinkConfig,
    pub(super) stats: LinkStats,
    rng: Rng,
    free_at: Instant,
    last_arrival: Instant,
    bad: bool,
    /// Until when the slots of a bursty channel have been played.
    played: Instant,
}

impl Link {
    pub(super) fn new(now: Instant, config: LinkConfig, rng: Rng) -> Self {
        Self { config, stats: LinkStats::default(), rng, free_at: now, last_arrival: now, bad: false, played: now }
    }

    /// Takes a datagram at `now`, which is `elapsed` since the world began. Returns what arrives, and when.
    pub(super) fn carry(&mut self, now: Instant, elapsed: Duration, mut bytes: Vec<u8>) -> Vec<(Instant, Vec<u8>)> {
        self.stats.datagrams += 1;
        self.stats.bytes += bytes.len() as u64;
        let waiting = self.waiting(now);
        if waiting > self.config.queue {
            self.stats.overflowed += 1;
            return Vec::new();
        }
        self.stats.peak_queue = self.stats.peak_queue.max(waiting);
        let rate = self.config.rate.max(1);
        let nanos = bytes.len() as u128 * 1_000_000_000 / u128::from(rate);
        self.free_at = self.free_at.max(now) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if self.loses(elapsed, bytes.len()) {
            self.stats.lost += 1;
            return Vec::new();
        }
        if self.rng.chance(self.config.corrupt) {
            let bit = self.rng.within(0..bytes.len() as u64 * 8);
            let at = usize::try_from(bit / 8).unwrap_or_default();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        }
        let mut arrivals = Vec::with_capacity(2);
        if self.rng.chance(self.config.duplicate) {
            arrivals.push((self.arrival(), bytes.clone()));
        }
        arrivals.push((self.arrival(), bytes));
        arrivals
    }

    fn waiting(&self, now: Instant) -> u64 {
        let nanos = self.free_at.saturating_duration_since(now).as_nanos() * u128::from(self.config.rate);
        u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX)
    }

    fn loses(&mut self, elapsed: Duration, len: usize) -> bool {
        if let Some(burst) = self.config.burst {
            self.play(burst);
            if self.bad && self.rng.chance(burst.loss) {
                return true;
            }
        }
        len > self.config.mtu
            || self.config.blackouts.iter().any(|dark| dark.contains(&elapsed))
            || self.rng.chance(self.config.loss)
    }

    /// Plays the slots up to the present datagram's.
    fn play(&mut self, burst: Burst) {
        let slot = Duration::from_nanos(1_200_000_000_000 / self.config.rate.max(1_200));
        let slots = self.free_at.saturating_duration_since(self.played).as_nanos() / slot.as_nanos().max(1);
        self.played = self.free_at;
        // After so many slots nothing remains of the state before.
        for _ in 0..slots.clamp(1, 1000) {
            let turn = if self.bad { burst.leave } else { burst.enter };
            self.bad ^= self.rng.chance(turn);
        }
    }

    fn arrival(&mut self) -> Instant {
        let at = self.free_at + self.config.delay + self.rng.up_to(self.config.jitter);
        if self.rng.chance(self.config.reorder) {
            return at + self.rng.up_to(self.config.reorder_by);
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn link(change: impl FnOnce(&mut LinkConfig)) -> (Instant, Link) {
        let now = Instant::now();
        let mut config = LinkConfig { rate: 1_000_000, queue: 10_000, ..LinkConfig::default() };
        change(&mut config);
        (now, Link::new(now, config, Rng::new(1)))
    }

    #[test]
    fn a_datagram_takes_its_length_at_the_rate_and_the_delay() {
        let (now, mut link) = link(|_| {});
        let at: Vec<_> = (0..2).map(|_| link.carry(now, Duration::ZERO, vec![0; 1000])[0].0 - now).collect();
        assert_eq!(at, [11 * MS, 12 * MS]);
    }

    #[test]
    fn a_full_queue_drops_what_comes_last() {
        let (now, mut link) = link(|_| {});
        let arrived = (0..30).map(|_| link.carry(now, Duration::ZERO, vec![0; 1000]).len()).sum::<usize>();
        assert_eq!(arrived, 11, "one on the wire and ten behind it");
        assert_eq!(link.stats.overflowed, 19);
    }

    #[test]
    fn nothing_passes_in_a_blackout_or_above_the_mtu() {
        let (now, mut link) = link(|config| {
            config.mtu = 1200;
            config.blackouts = vec![5 * MS..7 * MS];
        });
        let passes = |link: &mut Link, ms, len| !link.carry(now + ms * MS, ms * MS, vec![0; len]).is_empty();
        assert!(passes(&mut link, 4, 1200));
        assert!(!passes(&mut link, 4, 1201));
        assert!(!passes(&mut link, 5, 1200));
        assert!(!passes(&mut link, 6, 1200));
        assert!(passes(&mut link, 7, 1200));
    }

    #[test]
    fn jitter_keeps_order_and_reordering_does_not() {
        let order = |change: fn(&mut LinkConfig)| {
            let (now, mut link) = link(change);
            let carried = (0..100).flat_map(|i| link.carry(now + i * MS, Duration::ZERO, vec![0; 100]));
            carried.map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert!(order(|config| config.jitter = 50 * MS).is_sorted());
        assert!(!order(|config| (config.reorder, config.reorder_by) = (0.3, 50 * MS)).is_sorted());
    }

    #[test]
    fn bursts_lose_neighbours() {
        let (now, mut link) = link(|config| config.burst = Some(Burst { enter: 0.05, leave: 0.3, loss: 1.0 }));
        let lost: Vec<_> =
            (0..2000).map(|i| link.carry(now + i * MS, Duration::ZERO, vec![0; 1000]).is_empty()).collect();
        let all = lost.iter().filter(|lost| **lost).count();
        let pairs = lost.windows(2).filter(|two| two[0] && two[1]).count();
        assert!((150..450).contains(&all), "{all}");
        assert!(pairs * 2 > all, "{pairs} of {all}");
    }
}
