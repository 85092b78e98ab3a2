//! A scripted peer on a socket of its own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use dpex_core::testing::Scripted;
use dpex_core::testing::scripted::{Acquaintance, Victim};
use dpex_core::types::Timestamp;

/// Silence after which everything that will come has come.
const QUIET: Duration = Duration::from_millis(40);
/// How much is heard at a time, at most.
const MOST: usize = 5_000;

/// The way to whoever is to be harmed.
pub(crate) struct Wire {
    socket: UdpSocket,
    /// Who that is; a server that waits for a client learns it from the first datagram.
    peer: Option<SocketAddr>,
}

impl Wire {
    /// From this address of the loopback, to that peer.
    pub(crate) fn new(from: Ipv4Addr, peer: Option<SocketAddr>) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("loopback");
        socket.set_read_timeout(Some(QUIET)).expect("a socket");
        Self { socket, peer }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    /// Shakes hands as a client, honestly.
    pub(crate) fn meet(&mut self, keys: &Acquaintance, stamp: Timestamp) -> Option<Scripted> {
        let (init, mut pending) = keys.init(stamp);
        for _ in 0..50 {
            if let Some(resp) = self.take_sent_to(self.address()).pop() {
                let mut peer = Scripted::answered(keys, &mut pending, &resp, self.address());
                peer.say(self, &[0x01]);
                return Some(peer);
            }
            self.deliver(self.address(), &init);
        }
        None
    }

    /// Waits for a client and shakes hands as a server, honestly.
    pub(crate) fn await_client(&mut self, keys: &Acquaintance) -> Scripted {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody comes");
            if let Some(init) = self.take_sent_to(self.address()).pop() {
                let (mut peer, resp) = Scripted::answering(keys, &init, self.address());
                self.deliver(self.address(), &resp);
                peer.listen(self);
                return peer;
            }
        }
    }
}

impl Victim for Wire {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn deliver(&mut self, _: SocketAddr, datagram: &[u8]) {
        if let Some(peer) = self.peer {
            // A full buffer loses it, as a network may.
            let _ = self.socket.send_to(datagram, peer);
        }
    }

    fn advance(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn take_sent_to(&mut self, _: SocketAddr) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            self.peer.get_or_insert(from);
            heard.push(buffer[..len].to_vec());
            if heard.len() >= MOST {
                break;
            }
        }
        heard
    }
}
