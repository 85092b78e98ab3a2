//! Where the peer is: the address that packets go to, and at most one to which it seems to have moved. That one must
//! answer a challenge first: whoever can only forge a source address must not aim a stream at somebody else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Challenges that are sent to an address (PTH-4).
const CHALLENGES: u32 = 3;
/// The least time between two addresses that are looked at (PTH-4).
const EVERY: Duration = Duration::from_secs(2);
/// Bytes that may go to an address that has not answered, for each that came from there (PTH-3).
const AMPLIFICATION: u64 = 3;

/// The addresses of a peer.
#[derive(Debug)]
pub(super) struct Paths {
    current: SocketAddr,
    candidate: Option<Candidate>,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    token: [u8; 8],
    received: u64,
    sent: u64,
    asked: u32,
    /// When the next challenge is due, or after the last of them, when it is given up.
    due: Instant,
}

/// A challenge to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Where to.
    pub(super) to: SocketAddr,
    /// What must be answered.
    pub(super) token: [u8; 8],
    /// Bytes that may be sent there.
    pub(super) budget: u64,
}

/// How the peer has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// To another port of the same host: a translator between has forgotten it.
    Rebound,
    /// To another host's address: nothing is known of the path there.
    Elsewhere,
}

impl Paths {
    pub(super) fn new(current: SocketAddr) -> Self {
        Self { current, candidate: None, looked: None }
    }

    /// Where packets go.
    pub(super) fn current(&self) -> SocketAddr {
        self.current
    }

    /// Told: an authentic packet of so many bytes came from there, and whether it is the newest so far. `token` draws eight
    /// bytes that nobody can guess. Is it an address that is to be challenged from now on?
    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: usize,
        is_newest: bool,
        token: impl FnOnce() -> Option<[u8; 8]>,
    ) -> bool {
        if from == self.current {
            // It speaks from where it was: whoever forwarded its packets is not it.
            if is_newest {
                self.candidate = None;
            }
            return false;
        }
        if let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.address == from) {
            candidate.received += bytes as u64;
            return false;
        }
        // An old packet from elsewhere was overtaken on its way.
        let is_time = self.looked.is_none_or(|at| now.saturating_duration_since(at) >= EVERY);
        if !is_newest || !is_time {
            return false;
        }
        let Some(token) = token() else { return false };
        self.looked = Some(now);
        self.candidate = Some(Candidate { address: from, token, received: bytes as u64, sent: 0, asked: 0, due: now });
        true
    }

    /// Wants: a challenge sent, if one is due.
    pub(super) fn poll_challenge(&mut self, now: Instant) -> Option<Challenge> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.due <= now)?;
        if candidate.asked >= CHALLENGES {
            self.candidate = None;
            return None;
        }
        let budget = (AMPLIFICATION * candidate.received).saturating_sub(candidate.sent);
        Some(Challenge { to: candidate.address, token: candidate.token, budget })
    }

    /// Told: a challenge of so many bytes was sent, or none, since that would have been too many; the next one is due after
    /// `wait`.
    pub(super) fn on_challenged(&mut self, now: Instant, bytes: u64, wait: Duration) {
        if let Some(candidate) = &mut self.candidate {
            candidate.sent += bytes;
            candidate.asked += 1;
            candidate.due = now + wait;
        }
    }

    /// Told: a challenge was answered from there. Has the peer moved?
    pub(super) fn on_response(&mut self, from: SocketAddr, token: [u8; 8]) -> Option<Moved> {
        let candidate = self.candidate.take_if(|candidate| candidate.address == from && candidate.token == token)?;
        let before = std::mem::replace(&mut self.current, candidate.address);
        Some(if before.ip() == from.ip() { Moved::Rebound } else { Moved::Elsewhere })
    }

    /// When [`Self::poll_challenge`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.candidate.as_ref().map(|candidate| candidate.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);
    const TOKEN: [u8; 8] = *b"unguessd";

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn paths() -> (Paths, Instant) {
        (Paths::new(address(1, 1)), Instant::now())
    }

    #[test]
    fn an_address_is_taken_when_it_has_answered_its_challenge_itself() {
        for (new, moved) in [(address(1, 2), Moved::Rebound), (address(2, 1), Moved::Elsewhere)] {
            let (mut paths, now) = paths();
            paths.on_packet(now, new, 100, true, || Some(TOKEN));
            assert_eq!(paths.poll_challenge(now), Some(Challenge { to: new, token: TOKEN, budget: 300 }));
            assert_eq!(paths.current(), address(1, 1), "not before it has answered");
            assert_eq!(paths.on_response(new, [0; 8]), None, "another answer");
            assert_eq!(paths.on_response(address(3, 3), TOKEN), None, "from elsewhere");
            assert_eq!(paths.on_response(new, TOKEN), Some(moved));
            assert_eq!((paths.current(), paths.poll_timeout()), (new, None));
            assert_eq!(paths.on_response(new, TOKEN), None, "once");
        }
    }

    #[test]
    fn three_challenges_are_sent_and_then_it_is_given_up() {
        let (mut paths, mut now) = paths();
        paths.on_packet(now, address(2, 2), 100, true, || Some(TOKEN));
        for asked in 0..3 {
            assert!(paths.poll_challenge(now).is_some(), "{asked}");
            paths.on_challenged(now, 50, WAIT);
            assert_eq!(paths.poll_challenge(now + WAIT - Duration::from_nanos(1)), None);
            now += WAIT;
        }
        assert_eq!((paths.poll_challenge(now), paths.poll_timeout()), (None, None));
        assert_eq!(paths.on_response(address(2, 2), TOKEN), None, "too late");
    }

    #[test]
    fn no_more_goes_there_than_three_times_what_came() {
        let (mut paths, now) = paths();
        paths.on_packet(now, address(2, 2), 100, true, || Some(TOKEN));
        paths.on_challenged(now, 250, WAIT);
        assert_eq!(paths.poll_challenge(now + WAIT).map(|c| c.budget), Some(50));
        paths.on_packet(now, address(2, 2), 10, false, || None);
        assert_eq!(paths.poll_challenge(now + WAIT).map(|c| c.budget), Some(80));
    }

    #[test]
    fn one_address_is_looked_at_in_two_seconds_and_only_for_the_newest_packet() {
        let (mut paths, now) = paths();
        paths.on_packet(now, address(2, 2), 100, false, || Some(TOKEN));
        assert_eq!(paths.poll_challenge(now), None, "an old packet");
        paths.on_packet(now, address(2, 2), 100, true, || Some(TOKEN));
        paths.on_packet(now, address(3, 3), 100, true, || Some([0; 8]));
        let asked = |paths: &mut Paths, at| paths.poll_challenge(at).map(|challenge| challenge.to);
        assert_eq!(asked(&mut paths, now), Some(address(2, 2)));
        let before = now + EVERY - Duration::from_nanos(1);
        paths.on_packet(before, address(3, 3), 100, true, || Some([0; 8]));
        assert_eq!(asked(&mut paths, before), Some(address(2, 2)));
        paths.on_packet(now + EVERY, address(3, 3), 100, true, || Some([0; 8]));
        assert_eq!(asked(&mut paths, now + EVERY), Some(address(3, 3)));
    }

    #[test]
    fn who_speaks_from_where_it_was_has_not_moved() {
        let (mut paths, now) = paths();
        paths.on_packet(now, address(2, 2), 100, true, || Some(TOKEN));
        paths.on_packet(now, address(1, 1), 100, false, || None);
        assert!(paths.poll_challenge(now).is_some(), "an old packet says nothing");
        paths.on_packet(now, address(1, 1), 100, true, || None);
        assert_eq!((paths.poll_challenge(now), paths.on_response(address(2, 2), TOKEN)), (None, None));
    }
}
