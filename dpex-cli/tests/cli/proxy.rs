//! A box between client and server: lets through, loses, and remembers what it saw.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Datagrams remembered from the beginning; a transfer has many, and they are much alike.
const FIRST: usize = 4_000;
/// And of those that came last.
const LAST: usize = 500;
/// How often its threads look whether the test is over.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// Whether a datagram of a client, by the number of its address, goes on.
type Decide = dyn FnMut(Way, usize) -> bool + Send;

/// A running box.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The first datagrams and the last.
#[derive(Default)]
struct Seen {
    first: Vec<(Way, Vec<u8>)>,
    last: VecDeque<Vec<u8>>,
}

struct Shared {
    decide: Mutex<Box<Decide>>,
    seen: Mutex<Seen>,
    over: AtomicBool,
    to_client: AtomicU64,
}

impl Proxy {
    /// One that loses nothing.
    pub(crate) fn before(server: u16) -> Self {
        Self::deciding(server, |_| true)
    }

    /// One that asks for each datagram whether it goes on.
    pub(crate) fn deciding(server: u16, mut decide: impl FnMut(Way) -> bool + Send + 'static) -> Self {
        Self::deciding_for_each(server, move |way, _| decide(way))
    }

    /// The same, which also tells from which of the clients' addresses it comes, or to which it goes: they are numbered
    /// as they came.
    pub(crate) fn deciding_for_each(server: u16, decide: impl FnMut(Way, usize) -> bool + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            decide: Mutex::new(Box::new(decide)),
            seen: Mutex::new(Seen::default()),
            over: AtomicBool::new(false),
            to_client: AtomicU64::new(0),
        });
        let (box_, server) = (Arc::clone(&shared), SocketAddr::from((Ipv4Addr::LOCALHOST, server)));
        let thread = std::thread::spawn(move || box_.run(&Arc::new(socket), server));
        Self { port, shared, thread: Some(thread) }
    }

    /// Bytes of all datagrams that were sent to the client, lost or not.
    pub(crate) fn bytes_to_client(&self) -> u64 {
        self.shared.to_client.load(Ordering::Relaxed)
    }

    /// What came first, lost or not.
    pub(crate) fn seen(&self) -> Vec<(Way, Vec<u8>)> {
        self.shared.seen.lock().expect("no thread panicked").first.clone()
    }

    /// What came last.
    pub(crate) fn seen_last(&self) -> Vec<Vec<u8>> {
        self.shared.seen.lock().expect("no thread panicked").last.iter().cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the proxy worked to the end");
    }
}

impl Shared {
    /// The client's side: each client gets a socket of its own to the server.
    fn run(self: &Arc<Self>, front: &Arc<UdpSocket>, server: SocketAddr) {
        let mut clients: HashMap<SocketAddr, (usize, Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
        self.pump(front, |datagram, from| {
            let number = clients.len();
            let (number, back, _) = clients.entry(from).or_insert_with(|| {
                let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
                let (box_, back_, front) = (Arc::clone(self), Arc::clone(&back), Arc::clone(front));
                let pump = std::thread::spawn(move || {
                    box_.pump(&back_, |datagram, _| box_.pass((Way::ToClient, number), datagram, &front, from));
                });
                (number, back, pump)
            });
            self.pass((Way::ToServer, *number), datagram, back, server);
        });
        for (_, _, pump) in clients.into_values() {
            pump.join().expect("it worked to the end");
        }
    }

    fn pump(&self, socket: &UdpSocket, mut each: impl FnMut(&[u8], SocketAddr)) {
        socket.set_read_timeout(Some(LOOK_UP)).expect("a socket");
        let mut buffer = vec![0; 65_536];
        while !self.over.load(Ordering::Relaxed) {
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) => each(&buffer[..len], from),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn pass(&self, (way, client): (Way, usize), datagram: &[u8], socket: &UdpSocket, to: SocketAddr) {
        if way == Way::ToClient {
            self.to_client.fetch_add(datagram.len() as u64, Ordering::Relaxed);
        }
        let mut seen = self.seen.lock().expect("no thread panicked");
        if seen.first.len() < FIRST {
            seen.first.push((way, datagram.to_vec()));
        }
        if seen.last.len() == LAST {
            seen.last.pop_front();
        }
        seen.last.push_back(datagram.to_vec());
        drop(seen);
        let goes_on = (self.decide.lock().expect("no thread panicked"))(way, client);
        if goes_on {
            // What does not fit into the receiver's buffer is lost, as in any network.
            let _ = socket.send_to(datagram, to);
        }
    }
}

/// Loses so many of a hundred, in a fixed order that looks like none.
pub(crate) fn losing(percent: u64, seed: u64) -> impl FnMut(Way) -> bool + Send + 'static {
    let mut random = Random(seed);
    move |_| random.below(100) >= percent
}

/// Numbers that look random and are always the same.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
