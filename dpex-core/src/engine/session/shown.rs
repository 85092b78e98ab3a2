//! What a session shows of itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::serving::{Sending, Serving};
use super::{CloseReason, Session, State, Upper};

impl Session {
    /// Shows: when a packet of the peer was last opened.
    #[must_use]
    pub fn heard(&self) -> Instant {
        self.link.heard
    }

    /// Wants: a grant, without which something waits. Each want is told once.
    pub fn poll_allowance(&mut self) -> bool {
        self.link.take_starved()
    }

    /// Shows: nothing more will come of it; it may be dropped.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Shows: why it ended, if it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    /// Shows: are requests under way?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match &self.upper {
            Upper::Server(s) => s.is_busy(),
            Upper::Client(f) => f.is_busy(),
        }
    }

    /// Shows: bytes of UDP payload sent so far.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.link.sent_bytes
    }

    /// Shows, of a server: the files that are being sent, in the order in which they were asked for.
    pub fn sending(&self) -> impl Iterator<Item = Sending<'_>> {
        let serving = match &self.upper {
            Upper::Server(s) => Some(s),
            Upper::Client(_) => None,
        };
        serving.into_iter().flat_map(Serving::sending)
    }

    /// Shows: everything said on the control stream has arrived.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.link.control_out.backlog() == 0
    }

    /// Shows: bytes of file content held in memory, at most.
    #[must_use]
    pub fn memory(&self) -> u64 {
        match &self.upper {
            Upper::Server(s) => s.memory(),
            Upper::Client(f) => f.memory(),
        }
    }

    /// Shows: bytes sent and neither acknowledged nor lost.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.link.in_flight()
    }

    /// Shows: how often the keys that this side seals with were updated.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.link.epoch()
    }

    /// Shows: how often fresh secrets were agreed on since the handshake.
    #[must_use]
    pub fn ratchet_steps(&self) -> u64 {
        self.link.ratchet_steps()
    }

    /// From now on a client agrees on fresh secrets after so few bytes, so that a test sees it happen.
    #[cfg(feature = "testing")]
    pub fn ratchet_every(&mut self, bytes: u64) {
        self.link.ratchet_every(bytes);
    }

    /// From now on keys are updated after so few packets, so that a test sees it happen.
    #[cfg(feature = "testing")]
    pub fn update_keys_every(&mut self, packets: u64) {
        self.link.update_keys_every(packets);
    }

    /// Shows: the size of full datagrams, in bytes of UDP payload.
    #[must_use]
    pub fn datagram(&self) -> usize {
        self.link.datagram()
    }

    /// Shows: the smoothed round trip.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.link.rtt.smoothed()
    }

    /// Shows: the peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.link.peer()
    }

    /// Shows: its name in logs; not a secret and not on the wire.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        self.id
    }
}
