//! Caps: how many bytes a second all people together, and each alone, are sent at most. What a cap leaves is shared among
//! the sessions that want to send by deficit round robin (Shreedhar and Varghese, 1995).
//!
//! A session asks when it has spent what it was granted, and is granted a quantum when its turn comes. A packet larger
//! than what is left of it is sent all the same; the debt is the session's deficit, and grants pay it first.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What one grant is worth, as time at the cap's rate.
const QUANTUM: Duration = Duration::from_millis(10);
/// One grant in bytes: at least a packet of Ethernet, at most what one system call takes.
const LEAST_QUANTUM: u64 = 1_500;
const MOST_QUANTUM: u64 = 64 * 1024;
/// What a cap that nobody used for a while lets through at once, in quanta.
const BURST: u64 = 4;
/// Tokens are billionths of a byte, so that a rate times nanoseconds needs no rounding.
const TOKENS_PER_BYTE: i128 = 1_000_000_000;

/// Caps in bytes of UDP payload a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps<P: Ord> {
    /// For all people together.
    pub all: Option<u64>,
    /// For each of these people.
    pub people: BTreeMap<P, u64>,
}

impl<P: Ord> Default for Caps<P> {
    fn default() -> Self {
        Self { all: None, people: BTreeMap::new() }
    }
}

impl<P: Ord> Caps<P> {
    /// Does any cap hold for this person?
    pub fn hold_for(&self, person: &P) -> bool {
        self.all.is_some() || self.people.contains_key(person)
    }
}

/// Shares out what the caps allow. `S` is a session, `P` a person.
#[derive(Debug)]
pub struct Shaper<S, P: Ord> {
    all: Option<Bucket>,
    people: BTreeMap<P, Bucket>,
    /// Who asked, and whose turn it is first.
    asked: VecDeque<(S, P)>,
    /// When the next of them may be granted something.
    wake: Option<Instant>,
}

impl<S, P: Ord> Default for Shaper<S, P> {
    fn default() -> Self {
        Self { all: None, people: BTreeMap::new(), asked: VecDeque::new(), wake: None }
    }
}

impl<S, P: Ord> Shaper<S, P> {
    /// Told: these caps hold from now on. Who is capped as before keeps what was saved or spent.
    pub fn set_caps(&mut self, now: Instant, caps: Caps<P>) {
        let mut before = std::mem::take(&mut self.people);
        self.all = caps.all.map(|rate| Bucket::changed(self.all.take(), now, rate));
        let people = caps.people.into_iter();
        self.people = people
            .map(|(person, rate)| {
                let bucket = Bucket::changed(before.remove(&person), now, rate);
                (person, bucket)
            })
            .collect();
    }

    /// Told: a session wants to send and may not. It asks once until it is granted something.
    pub fn ask(&mut self, session: S, person: P) {
        self.asked.push_back((session, person));
    }

    /// Wants: a session granted so many bytes. Drain it.
    pub fn poll_grant(&mut self, now: Instant) -> Option<(S, u64)> {
        self.wake = None;
        for turn in 0..self.asked.len() {
            let (_, person) = self.asked.get(turn)?;
            let mut own = self.people.get_mut(person);
            let quantum = [self.all.as_ref(), own.as_deref()].into_iter().flatten().map(Bucket::quantum).min();
            // No cap holds any more.
            let Some(quantum) = quantum else {
                return self.asked.remove(turn).map(|(session, _)| (session, MOST_QUANTUM));
            };
            if let Some(at) = own.as_mut().and_then(|own| own.lacks_until(now, quantum)) {
                // It keeps its place, and the others pass it by.
                self.wake = self.wake.into_iter().chain([at]).min();
                continue;
            }
            if let Some(at) = self.all.as_mut().and_then(|all| all.lacks_until(now, quantum)) {
                // Nobody overtakes whoever is first by wanting less.
                self.wake = self.wake.into_iter().chain([at]).min();
                return None;
            }
            for bucket in [self.all.as_mut(), own].into_iter().flatten() {
                bucket.take(quantum);
            }
            return self.asked.remove(turn).map(|(session, _)| (session, quantum));
        }
        None
    }

    /// Wants: to be asked for grants again then, if nothing comes before. As of the last [`Self::poll_grant`], which
    /// returned none.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }
}

/// A token bucket.
#[derive(Clone, Debug)]
struct Bucket {
    rate: u64,
    tokens: i128,
    filled: Instant,
}

impl Bucket {
    fn changed(before: Option<Self>, now: Instant, rate: u64) -> Self {
        let mut bucket = before.unwrap_or(Self { rate, tokens: 0, filled: now });
        bucket.fill(now);
        bucket.rate = rate.max(1);
        bucket.tokens = bucket.tokens.min(bucket.most());
        bucket
    }

    fn quantum(&self) -> u64 {
        let tokens = u128::from(self.rate) * QUANTUM.as_nanos() / TOKENS_PER_BYTE.unsigned_abs();
        u64::try_from(tokens).unwrap_or(u64::MAX).clamp(LEAST_QUANTUM, MOST_QUANTUM)
    }

    fn most(&self) -> i128 {
        // Above the largest quantum a bucket must also make good what a late timer has cost.
        let late = i128::from(self.rate) * 10_000_000;
        (i128::from(self.quantum() * BURST) * TOKENS_PER_BYTE).max(late)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let earned = i128::from(self.rate) * i128::try_from(passed).unwrap_or(i128::MAX / i128::from(u64::MAX));
        self.tokens = self.tokens.saturating_add(earned).min(self.most());
        self.filled = self.filled.max(now);
    }

    /// When it holds so many bytes, if that is not now, and nobody takes any before.
    fn lacks_until(&mut self, now: Instant, bytes: u64) -> Option<Instant> {
        self.fill(now);
        let missing = i128::from(bytes) * TOKENS_PER_BYTE - self.tokens;
        if missing <= 0 {
            return None;
        }
        let nanos = missing.div_euclid(i128::from(self.rate)) + 1;
        Some(self.filled + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn take(&mut self, bytes: u64) {
        self.tokens -= i128::from(bytes) * TOKENS_PER_BYTE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets sessions that always want more take what they are granted for a while. Bytes of each.
    fn greedy(shaper: &mut Shaper<usize, char>, sessions: &[char], from: Instant, time: Duration) -> Vec<u64> {
        let mut got = vec![0; sessions.len()];
        for (session, person) in sessions.iter().enumerate() {
            shaper.ask(session, *person);
        }
        let mut now = from;
        loop {
            while let Some((session, bytes)) = shaper.poll_grant(now) {
                got[session] += bytes;
                shaper.ask(session, sessions[session]);
            }
            let next = shaper.poll_timeout().expect("somebody asks");
            assert!(next > now, "time goes on");
            now = next;
            if now > from + time {
                return got;
            }
        }
    }

    fn caps(all: Option<u64>, people: &[(char, u64)]) -> Caps<char> {
        Caps { all, people: people.iter().copied().collect() }
    }

    fn is_about(value: u64, wanted: u64) -> bool {
        value.abs_diff(wanted) <= wanted / 50 + 2 * MOST_QUANTUM
    }

    #[test]
    fn a_cap_for_all_is_kept_and_shared_evenly() {
        for rate in [20_000, 2_000_000, 400_000_000] {
            let (mut shaper, now) = (Shaper::default(), Instant::now());
            shaper.set_caps(now, caps(Some(rate), &[]));
            let got = greedy(&mut shaper, &['a', 'b', 'b', 'c'], now, Duration::from_secs(100));
            let total: u64 = got.iter().sum();
            assert!(is_about(total, rate * 100) && total <= rate * 100 + MOST_QUANTUM * BURST, "{rate}: {got:?}");
            assert!(got.iter().max() <= got.iter().min().map(|least| least + MOST_QUANTUM).as_ref(), "{got:?}");
        }
    }

    #[test]
    fn what_one_person_may_not_use_is_left_to_the_others() {
        let (mut shaper, now) = (Shaper::default(), Instant::now());
        shaper.set_caps(now, caps(Some(10_000_000), &[('a', 1_000_000)]));
        let got = greedy(&mut shaper, &['a', 'a', 'b', 'c'], now, Duration::from_secs(100));
        assert!(is_about(got[0] + got[1], 100_000_000), "{got:?}");
        assert!(is_about(got[0], got[1]), "{got:?}");
        assert!(is_about(got[2], 450_000_000) && is_about(got[3], 450_000_000), "{got:?}");
    }

    #[test]
    fn a_persons_cap_holds_for_all_of_their_sessions_together_and_for_nobody_else() {
        let (mut shaper, now) = (Shaper::default(), Instant::now());
        shaper.set_caps(now, caps(None, &[('a', 1_000_000), ('b', 3_000_000)]));
        let got = greedy(&mut shaper, &['a', 'a', 'b'], now, Duration::from_secs(10));
        assert!(is_about(got[0] + got[1], 10_000_000) && is_about(got[2], 30_000_000), "{got:?}");
    }

    #[test]
    fn idle_time_earns_a_few_quanta_and_no_more() {
        let (mut shaper, now) = (Shaper::default(), Instant::now());
        shaper.set_caps(now, caps(Some(1_000_000), &[]));
        let later = now + Duration::from_secs(3600);
        let mut at_once = 0;
        shaper.ask(0, 'a');
        while let Some((_, bytes)) = shaper.poll_grant(later) {
            at_once += bytes;
            shaper.ask(0, 'a');
        }
        assert_eq!(at_once, 40_000, "four quanta of 10 ms");
    }

    #[test]
    fn a_cap_that_is_lifted_or_changed_holds_no_longer() {
        let (mut shaper, now) = (Shaper::default(), Instant::now());
        shaper.set_caps(now, caps(Some(100_000), &[]));
        greedy(&mut shaper, &['a'], now, Duration::from_secs(1));
        let then = now + Duration::from_secs(1);
        shaper.set_caps(then, caps(Some(1_000_000), &[]));
        let mut faster = Shaper { asked: VecDeque::new(), ..shaper };
        let got = greedy(&mut faster, &['a'], then, Duration::from_secs(10));
        assert!(is_about(got[0], 10_000_000), "{got:?}");
        faster.set_caps(then, Caps::default());
        assert_eq!(faster.poll_grant(then), Some((0, MOST_QUANTUM)), "who still waits is let go");
        assert_eq!(faster.poll_timeout(), None);
    }
}
