//! What must hold at every step of every story, and what must hold once a story is over.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::client::State;
use super::{ClientId, World};

/// Steps at one moment after which time is taken to stand still.
const MAX_STILL: u32 = 10_000;
/// Happenings to come at most; more is somebody talking without end.
const MAX_QUEUE: usize = 200_000;
/// A block of the usual size: what a server may always hold, however little memory it was given.
const BLOCK: u64 = 1 << 20;
/// After the last request, losses are made good within this; shorter than any time-out for idleness.
const SETTLING: Duration = Duration::from_secs(29);
/// Disk requests of one session at most.
const MAX_DISK: usize = 4096;

impl World {
    /// Fails with all that is known.
    fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{self:?}");
    }

    pub(super) fn check(&self) {
        let limits = self.server.config.limits;
        let most = (limits.send_buffer as u64).max(BLOCK) + (limits.read_ahead as u64).max(BLOCK);
        for s in self.server.sessions.values() {
            if s.session.memory() > most {
                self.fail(&format!("the server holds {} of {most} bytes for a session", s.session.memory()));
            }
            if s.disk.outstanding() > MAX_DISK {
                self.fail("the server asks too much of its disk");
            }
        }
        for client in &self.clients {
            let State::Connected { session, disk } = &client.state else { continue };
            let most = client.config.limits.max_window.max(BLOCK);
            if session.memory() > most {
                self.fail(&format!("a client holds {} of {most} bytes", session.memory()));
            }
            if disk.outstanding() > MAX_DISK {
                self.fail("a client asks too much of its disk");
            }
        }
        if self.queue.len() > MAX_QUEUE {
            self.fail("too much is under way");
        }
    }

    /// A machine that wants to be told the time again and again, without anything coming of it, is a busy loop.
    pub(super) fn check_progress(&mut self, next: Instant) {
        self.still = if next > self.now { 0 } else { self.still + 1 };
        if self.still > MAX_STILL {
            self.fail("time stands still");
        }
    }

    pub(super) fn check_size(&self, client: ClientId, len: usize) {
        let agreed = self[client].config.max_udp_payload.min(self.server.config.max_udp_payload);
        if len > usize::from(agreed) {
            self.fail(&format!("a datagram of {len} bytes, when {agreed} were agreed"));
        }
    }

    pub(super) fn count_received(&mut self, from: SocketAddr, len: usize) {
        if !self.server.proved.contains(&from) {
            self.server.unproved.entry(from).or_default().0 += len as u64;
        }
    }

    /// Before anything proves that somebody is at an address, no more than `factor` times as much goes there as came from
    /// there: once a handshake, three times where a session's peer seems to have moved to.
    pub(super) fn check_amplification(&mut self, to: SocketAddr, len: usize, factor: u64) {
        if self.server.proved.contains(&to) {
            return;
        }
        let (received, sent) = self.server.unproved.entry(to).or_default();
        *sent += len as u64;
        if *sent > factor * *received {
            let what = format!("{sent} bytes went to {to}, from where {received} came");
            self.fail(&what);
        }
    }

    /// Once nothing is asked any more: soon nothing is busy, nothing is held, and nobody speaks.
    ///
    /// # Panics
    /// If it is otherwise.
    pub fn assert_quiet(&mut self) {
        if !self.run_until(SETTLING, |world| world.unrest().is_none()) {
            self.fail(self.unrest().unwrap_or("there is unrest"));
        }
        // What is still under way on the links is answered.
        self.run_for(Duration::from_secs(2));
        let spoken = self.spoken();
        self.run_for(Duration::from_secs(5));
        if self.spoken() != spoken {
            self.fail("somebody still speaks");
        }
    }

    /// What is not at rest.
    fn unrest(&self) -> Option<&'static str> {
        let server = self.server.sessions.values().map(|s| (&s.session, &s.disk));
        let clients = self.clients.iter().filter_map(|client| match &client.state {
            State::Connected { session, disk } => Some((session, disk)),
            _ => None,
        });
        for (session, disk) in server.chain(clients) {
            if session.is_busy() {
                return Some("a session is still busy");
            }
            if session.memory() > 0 {
                return Some("a session still holds content");
            }
            if session.in_flight() > 0 || !session.is_flushed() {
                return Some("a session still waits for an acknowledgement");
            }
            if disk.outstanding() > 0 || disk.open() > 0 {
                return Some("a disk is still in use");
            }
        }
        None
    }

    fn spoken(&self) -> u64 {
        self.links.iter().flatten().map(|link| link.stats.datagrams).sum()
    }
}
