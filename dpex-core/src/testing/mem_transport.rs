//! An in-process network: addresses, queues, and nothing else. No clock, no loss but that of a full queue, no runtime.
//!
//! For tests of what drives a [`Transport`]. Loss, delay and reordering belong to the simulated network.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;

use crate::transport::{Received, Transmit, Transport};

/// What one UDP datagram over IPv4 can carry; a longer one is lost here too.
const MAX_PAYLOAD: usize = 65_507;

/// As many datagrams as a generous socket buffer of full-size ones.
const DEFAULT_CAPACITY: usize = 1_024;

/// So many datagrams, and `recv` hands over no more, so that a caller meets batches that end before the queue does.
const BATCH: usize = 64;

/// Runs a future that only ever waits for itself, as those of a [`MemNet`] do.
///
/// # Panics
/// If it waits for something that nobody will do.
pub fn run_alone<F: Future>(future: F) -> F::Output {
    #[derive(Default)]
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(woken.0.swap(false, Ordering::SeqCst), "waits for something that nobody will send");
    }
}

/// A network of in-memory sockets. Cloning makes another handle on the same network.
#[derive(Clone, Debug)]
pub struct MemNet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    capacity: usize,
    sockets: Mutex<HashMap<SocketAddr, Weak<Queue>>>,
}

impl Default for MemNet {
    fn default() -> Self {
        Self::new()
    }
}

impl MemNet {
    /// A network whose sockets hold 1,024 datagrams each.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// A network whose sockets hold `datagrams` each; what comes when one is full is dropped.
    #[must_use]
    pub fn with_capacity(datagrams: usize) -> Self {
        Self(Arc::new(Shared { capacity: datagrams, sockets: Mutex::default() }))
    }

    /// Binds a socket; port 0 takes a free one. The address is free again when the socket is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`].
    pub fn bind(&self, addr: SocketAddr) -> io::Result<Arc<MemTransport>> {
        let mut sockets = lock(&self.0.sockets);
        let addr = match addr.port() {
            0 => (49_152..=u16::MAX)
                .map(|port| SocketAddr::new(addr.ip(), port))
                .find(|candidate| !sockets.contains_key(candidate))
                .ok_or(io::ErrorKind::AddrInUse)?,
            _ if sockets.contains_key(&addr) => return Err(io::ErrorKind::AddrInUse.into()),
            _ => addr,
        };
        let queue = Arc::new(Queue { capacity: self.0.capacity, state: Mutex::default() });
        sockets.insert(addr, Arc::downgrade(&queue));
        Ok(Arc::new(MemTransport { addr, net: self.clone(), queue }))
    }
}

/// A socket of a [`MemNet`].
#[derive(Debug)]
pub struct MemTransport {
    addr: SocketAddr,
    net: MemNet,
    queue: Arc<Queue>,
}

impl Drop for MemTransport {
    fn drop(&mut self) {
        lock(&self.net.0.sockets).remove(&self.addr);
    }
}

#[async_trait]
impl Transport for MemTransport {
    async fn send(&self, transmit: Transmit<'_>) -> io::Result<()> {
        let peer = lock(&self.net.0.sockets).get(&transmit.to).and_then(Weak::upgrade);
        let Some(peer) = peer else { return Ok(()) };
        let Transmit { payload, segment, .. } = transmit;
        let segment = if segment == 0 { payload.len().max(1) } else { segment };
        if segment <= MAX_PAYLOAD {
            peer.push(Received { from: self.addr, payload: payload.into(), segment });
        } else if let Some(last) = payload.chunks(segment).last().filter(|last| last.len() <= MAX_PAYLOAD) {
            peer.push(Received::one(self.addr, last));
        }
        Ok(())
    }

    async fn recv(&self, batch: &mut Vec<Received>) -> io::Result<()> {
        poll_fn(|cx| self.queue.poll(cx, batch)).await;
        Ok(())
    }

    fn max_segments(&self) -> usize {
        64
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

/// What waits to be received at one address, and who waits for it.
#[derive(Debug)]
struct Queue {
    capacity: usize,
    state: Mutex<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Received>,
    /// Datagrams in all of these.
    datagrams: usize,
    wakers: Vec<Waker>,
}

impl Queue {
    /// Appends what fits and wakes whoever waits.
    fn push(&self, mut received: Received) {
        let mut state = lock(&self.state);
        let room = self.capacity.saturating_sub(state.datagrams);
        if room > 0 {
            received.payload.truncate(room.saturating_mul(received.segment));
            state.datagrams += received.datagrams().count();
            state.waiting.push_back(received);
        }
        let wakers = std::mem::take(&mut state.wakers);
        // Not under the lock: a waker may run its task at once.
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>, batch: &mut Vec<Received>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.waiting.is_empty() {
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let mut handed = 0;
        while handed < BATCH
            && let Some(received) = state.waiting.pop_front()
        {
            handed += received.datagrams().count();
            batch.push(received);
        }
        state.datagrams -= handed;
        Poll::Ready(())
    }
}

/// Every value behind a lock here is whole between two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localhost() -> SocketAddr {
        "127.0.0.1:0".parse().expect("a literal address")
    }

    #[test]
    fn an_address_belongs_to_one_socket_until_that_is_dropped() {
        let net = MemNet::new();
        let first = net.bind(localhost()).expect("a free port");
        assert_eq!(net.bind(first.addr).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        let addr = first.addr;
        drop(first);
        assert!(net.bind(addr).is_ok());
    }

    #[test]
    fn networks_do_not_see_each_other() {
        let (here, there) = (MemNet::new(), MemNet::new());
        let addr = here.bind(localhost()).expect("a free port").addr;
        assert!(there.bind(addr).is_ok());
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_keeps_what_is_there() {
        let net = MemNet::with_capacity(3);
        let (a, b) = (net.bind(localhost()).expect("a free port"), net.bind(localhost()).expect("a free port"));
        run_alone(async {
            a.send(Transmit { to: b.addr, payload: b"12345", segment: 1 }).await.expect("sending never fails");
            let mut batch = Vec::new();
            b.recv(&mut batch).await.expect("receiving never fails");
            let got: Vec<_> = batch.iter().flat_map(Received::datagrams).collect();
            assert_eq!(got, [b"1", b"2", b"3"]);
            a.send(Transmit { to: b.addr, payload: b"6", segment: 1 }).await.expect("sending never fails");
            batch.clear();
            b.recv(&mut batch).await.expect("receiving never fails");
            assert_eq!(batch.len(), 1, "room again after receiving");
        });
    }

    #[test]
    fn senders_on_many_threads_lose_nothing_while_there_is_room() {
        let net = MemNet::new();
        let receiver = net.bind(localhost()).expect("a free port");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let sender = net.bind(localhost()).expect("a free port");
                let to = receiver.addr;
                scope.spawn(move || {
                    run_alone(async move {
                        for _ in 0..100 {
                            sender.send(Transmit { to, payload: b"x", segment: 1 }).await.expect("never fails");
                        }
                    });
                });
            }
        });
        run_alone(async {
            let mut batch = Vec::new();
            while batch.len() < 800 {
                receiver.recv(&mut batch).await.expect("receiving never fails");
            }
            assert_eq!(batch.len(), 800);
        });
    }
}
