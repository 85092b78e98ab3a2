//! The transport itself: when to wait, what to batch, and which errors are whose.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use dpex_core::transport::{Received, Transmit, Transport};
use quinn_udp::UdpSocketState;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tracing::debug;

use crate::address::Family;
use crate::options::Options;
use crate::receive::Slots;
use crate::socket;

/// The largest payload one IPv4 datagram can carry, and so the most that one batch may hold.
const MAX_PAYLOAD: usize = 65_507;

/// An error in answer to so many receive calls in a row is the socket's own, not some peer's.
const PATIENCE: u32 = 1_000;

/// A bound UDP socket on the current tokio runtime.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
    state: UdpSocketState,
    family: Family,
    slots: Mutex<Slots>,
    notes: Vec<String>,
}

impl UdpTransport {
    /// Binds `addr`; port 0 takes a free one. The IPv6 any-address also receives IPv4 where the platform allows.
    ///
    /// # Errors
    /// Whatever the system says, such as [`io::ErrorKind::AddrInUse`]; [`io::ErrorKind::Other`] outside of a tokio
    /// runtime.
    ///
    /// # Panics
    /// In a tokio runtime whose I/O driver was not enabled.
    pub fn bind(addr: SocketAddr, options: &Options) -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        let socket = socket::open(addr, options)?;
        let notes = socket::shortages(&SockRef::from(&socket), options);
        let socket = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new((&socket).into())?;
        let family = Family::of(socket.local_addr()?);
        Ok(Self { socket, state, family, slots: Mutex::new(Slots::new()), notes })
    }

    /// Sends one system call's worth of datagrams, singly if segmentation offload turns out not to work.
    async fn send_batch(&self, to: SocketAddr, batch: &[u8], segment: usize) -> io::Result<()> {
        let single = batch.len() <= segment;
        let Err(error) = self.send_call(to, batch, (!single).then_some(segment)).await else { return Ok(()) };
        if single || self.state.max_gso_segments() > 1 {
            return verdict(error, to);
        }
        // quinn-udp has just switched offload off because of this error, or another task's send a moment ago.
        debug!(%error, "segmentation offload does not work here, sending singly");
        for datagram in batch.chunks(segment) {
            if let Err(error) = self.send_call(to, datagram, None).await {
                verdict(error, to)?;
            }
        }
        Ok(())
    }

    /// One system call, when the socket can take it.
    async fn send_call(&self, to: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = quinn_udp::Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        let call = || self.state.try_send((&self.socket).into(), &transmit);
        match self.socket.async_io(Interest::WRITABLE, call).await {
            // Left behind by an earlier datagram to somebody else; this one was not even tried.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
                self.socket.async_io(Interest::WRITABLE, call).await
            }
            result => result,
        }
    }
}

#[async_trait]
impl Transport for UdpTransport {
    async fn send(&self, transmit: Transmit<'_>) -> io::Result<()> {
        let Transmit { to, payload, segment } = transmit;
        let Some(to) = self.family.destination(to) else {
            debug!(%to, "no datagram can go there");
            return Ok(());
        };
        if segment == 0 || payload.len() <= segment {
            return self.send_batch(to, payload, payload.len()).await;
        }
        let mut rest = payload;
        while !rest.is_empty() {
            // Asked anew each time: offload may just have been switched off.
            let (batch, after) = rest.split_at(batch_len(segment, self.max_segments()).min(rest.len()));
            self.send_batch(to, batch, segment).await?;
            rest = after;
        }
        Ok(())
    }

    async fn recv(&self, batch: &mut Vec<Received>) -> io::Result<()> {
        let mut failures = 0;
        loop {
            self.socket.readable().await?;
            let received = self.socket.try_io(Interest::READABLE, || {
                // A panic cannot leave the slots worse than they always are: full of somebody's bytes.
                let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
                slots.receive(&self.state, (&self.socket).into(), batch)
            });
            match received {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => failures = 0,
                Err(error) if is_dead(&error) || failures == PATIENCE => return Err(error),
                Err(error) => {
                    failures += 1;
                    debug!(%error, "the system reports trouble with some peer");
                }
            }
        }
    }

    fn max_segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn source_towards(&self, peer: SocketAddr) -> Option<IpAddr> {
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting sends nothing: it only asks the system for the way.
        let asked = std::net::UdpSocket::bind((any, 0)).ok()?;
        asked.connect(peer).ok()?;
        Some(asked.local_addr().ok()?.ip())
    }
}

/// How many bytes one batch may hold: whole segments, at least one.
fn batch_len(segment: usize, max_segments: usize) -> usize {
    segment * (MAX_PAYLOAD / segment).clamp(1, max_segments)
}

/// Whose error a failed send is. The datagram is lost if it is the peer's, and only then is that all.
fn verdict(error: io::Error, to: SocketAddr) -> io::Result<()> {
    if is_dead(&error) {
        return Err(error);
    }
    debug!(%error, %to, "a datagram was not sent");
    Ok(())
}

/// Can the socket no longer be used? `Other` is what tokio says when its runtime shuts down; the two others are what
/// systems answer that took the socket away, as phones do. Everything else passes: a link that is down comes back.
fn is_dead(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe | io::ErrorKind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(future: impl Future<Output = ()>) {
        let limit = std::time::Duration::from_secs(20);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made")
            .block_on(async { tokio::time::timeout(limit, future).await.expect("everything on loopback arrives") });
    }

    fn bind() -> (UdpTransport, SocketAddr) {
        let any = "127.0.0.1:0".parse().expect("a literal address");
        let transport = UdpTransport::bind(any, &Options::default()).expect("a free port");
        let addr = transport.local_addr().expect("a bound socket has an address");
        (transport, addr)
    }

    fn datagrams(batch: &[Received]) -> impl Iterator<Item = &[u8]> {
        batch.iter().flat_map(Received::datagrams)
    }

    #[test]
    fn a_batch_is_whole_segments_and_fits_one_ip_packet() {
        assert_eq!(batch_len(1_200, 64), 54 * 1_200, "54 segments are 64,800 bytes, 55 would be too many");
        assert_eq!(batch_len(1_000, 64), 64_000, "64 segments are the system's limit");
        assert_eq!(batch_len(1_200, 1), 1_200);
        assert_eq!(batch_len(65_507, 64), 65_507);
        assert_eq!(batch_len(70_000, 64), 70_000, "one segment at least, and the system refuses it");
    }

    /// A real failure of the real system call: more segments than Linux takes in one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_batch_the_system_cannot_segment_is_sent_singly_and_so_is_what_follows() {
        run(async {
            let ((a, _), (b, to)) = (bind(), bind());
            if a.max_segments() == 1 {
                return; // No segmentation offload on this machine: nothing to fall back from.
            }
            a.send_batch(to, &[7; 200 * 10 + 3], 10).await.expect("a usable socket");
            assert_eq!(a.max_segments(), 1);
            a.send(Transmit { to, payload: &[8; 3 * 10], segment: 10 }).await.expect("a usable socket");
            let mut batch = Vec::new();
            while datagrams(&batch).count() < 204 {
                b.recv(&mut batch).await.expect("a usable socket");
            }
            let sizes: Vec<_> = datagrams(&batch).map(<[u8]>::len).collect();
            assert_eq!(sizes, [vec![10; 200], vec![3], vec![10; 3]].concat());
        });
    }

    /// Linux tells an unconnected socket about a closed port only when asked to; other systems always do.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_refusal_by_one_peer_costs_no_other_peer_a_datagram() {
        run(async {
            let ((a, from), (b, to)) = (bind(), bind());
            a.state.enable_transport_errors((&a.socket).into()).expect("Linux has this");
            let (_, gone) = bind();
            let mut batch = Vec::new();
            for round in 0..10 {
                a.send(Transmit { to: gone, payload: b"anybody?", segment: 8 }).await.expect("not the socket's fault");
                a.send(Transmit { to, payload: &[round], segment: 1 }).await.expect("a usable socket");
                b.recv(&mut batch).await.expect("a usable socket");
                a.send(Transmit { to: gone, payload: b"anybody?", segment: 8 }).await.expect("not the socket's fault");
                b.send(Transmit { to: from, payload: &[round], segment: 1 }).await.expect("a usable socket");
                a.recv(&mut batch).await.expect("a refusal is not the socket's end");
            }
            assert_eq!(datagrams(&batch).count(), 20);
        });
    }

    #[test]
    fn only_a_socket_taken_away_is_an_error_of_the_socket() {
        let to = "127.0.0.1:9".parse().expect("a literal address");
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::NetworkDown,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::InvalidInput,
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::OutOfMemory,
        ] {
            assert!(verdict(kind.into(), to).is_ok(), "{kind}");
        }
        for kind in [io::ErrorKind::NotConnected, io::ErrorKind::BrokenPipe, io::ErrorKind::Other] {
            assert!(verdict(kind.into(), to).is_err(), "{kind}");
        }
    }
}
