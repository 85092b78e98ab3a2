//! A client's real socket with a tap: remembers each datagram, and may change or lose it.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use dpex_core::transport::{Received, Transmit, Transport};
use dpex_transport_udp::UdpTransport;
use tokio::sync::Notify;

use crate::house::bound;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    In,
}

/// Changes a datagram; false loses it.
type Meddle = dyn FnMut(Way, &mut [u8]) -> bool + Send;

/// A tapped socket.
pub(crate) struct Wire {
    inner: UdpTransport,
    seen: Mutex<Vec<(Way, Vec<u8>)>>,
    meddle: Mutex<Box<Meddle>>,
    severed: Notify,
}

impl Wire {
    /// One that changes nothing.
    pub(crate) fn new() -> Self {
        Self::meddling(|_, _| true)
    }

    /// One that does.
    pub(crate) fn meddling(meddle: impl FnMut(Way, &mut [u8]) -> bool + Send + 'static) -> Self {
        Self { inner: bound(), seen: Mutex::default(), meddle: Mutex::new(Box::new(meddle)), severed: Notify::new() }
    }

    /// What went this way, before it was changed.
    pub(crate) fn seen(&self, way: Way) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|(w, _)| *w == way).map(|(_, datagram)| datagram.clone()).collect()
    }

    /// From now on nothing can be received: the socket itself fails.
    pub(crate) fn sever(&self) {
        self.severed.notify_one();
    }

    fn passes(&self, way: Way, datagram: &mut [u8]) -> bool {
        self.seen.lock().expect("no panic").push((way, datagram.to_vec()));
        (self.meddle.lock().expect("no panic"))(way, datagram)
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, transmit: Transmit<'_>) -> io::Result<()> {
        for datagram in transmit.payload.chunks(transmit.segment.max(1)) {
            let mut datagram = datagram.to_vec();
            if self.passes(Way::Out, &mut datagram) {
                let segment = datagram.len();
                self.inner.send(Transmit { to: transmit.to, payload: &datagram, segment }).await?;
            }
        }
        Ok(())
    }

    async fn recv(&self, batch: &mut Vec<Received>) -> io::Result<()> {
        let (mut came, before) = (Vec::new(), batch.len());
        while batch.len() == before {
            tokio::select! {
                received = self.inner.recv(&mut came) => received?,
                () = self.severed.notified() => return Err(io::ErrorKind::NetworkDown.into()),
            }
            for mut received in came.drain(..) {
                let from = received.from;
                let passed = received
                    .datagrams_mut()
                    .filter_map(|datagram| self.passes(Way::In, datagram).then(|| Received::one(from, datagram)));
                batch.extend(passed);
            }
        }
        Ok(())
    }

    fn max_segments(&self) -> usize {
        1
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}
