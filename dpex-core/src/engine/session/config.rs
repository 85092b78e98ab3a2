//! What a session is made from, and the bounds it keeps.

use std::net::SocketAddr;
use std::time::Duration;

use crate::suite::CipherSuite;

/// What a side announces unless it is configured otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Which side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Receives files.
    Client,
    /// Has files.
    Server,
}

/// Bounds on a session's memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client: block bytes granted at the start.
    pub window: u64,
    /// Client: block bytes granted at most, that is, content buffered at most.
    pub max_window: u64,
    /// Server: content read and not yet acknowledged.
    pub send_buffer: usize,
    /// Server: content read and not yet sent.
    pub read_ahead: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: 8 << 20, max_window: 24 << 20, send_buffer: 16 << 20, read_ahead: 4 << 20 }
    }
}

/// What a session is made from.
#[derive(Debug)]
pub struct SessionConfig {
    /// The cryptography backend.
    pub suite: &'static dyn CipherSuite,
    /// Which side this is.
    pub role: Role,
    /// The peer's address: where its handshake came from.
    pub peer: SocketAddr,
    /// The largest UDP payload that both sides take; at least 1200 (LOS-13).
    pub max_datagram: usize,
    /// The smaller of both sides' idle time-outs (SES-5).
    pub idle: Duration,
    /// Memory bounds.
    pub limits: Limits,
}

/// Datagrams to send, in the buffer given to [`super::Session::poll_transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTransmit {
    /// Where to.
    pub to: SocketAddr,
    /// The size of each datagram; the last may be shorter.
    pub segment: usize,
}
