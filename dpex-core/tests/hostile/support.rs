//! Meetings of one scripted side and one real side, and what must come of a violation.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dpex_core::engine::{CloseReason, Closer, Event, Limits};
use dpex_core::store::Meta;
use dpex_core::suite::CipherSuite as _;
use dpex_core::testing::scripted::{Acquaintance, ClientHost, Couple, ServerHost};
use dpex_core::testing::{MemStore, NullSuite, Scripted};
use dpex_core::transfer::{Geometry, block_value};
use dpex_core::types::{Digest, SharePath, Timestamp, Version};
use dpex_core::wire::frame::CloseCode;
use dpex_core::wire::message::Message;

pub(crate) const CLIENT: SocketAddr = Couple::CLIENT;
pub(crate) const SERVER: SocketAddr = Couple::SERVER;
pub(crate) const MIB: u64 = 1 << 20;

/// Another place than the client's.
pub(crate) fn elsewhere(n: u16) -> SocketAddr {
    let [a, b] = n.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(203, 0, a, b), 1024 + n))
}

pub(crate) fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("a valid path")
}

/// Random bytes that follow from a seed.
#[derive(Debug)]
pub(crate) struct Dice(&'static NullSuite);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(NullSuite::leak(seed))
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.random(&mut bytes).expect("the null suite has bytes");
        bytes
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bytes = self.bytes(8).try_into().expect("eight bytes");
        usize::try_from(u64::from_be_bytes(bytes) % bound as u64).expect("below the bound")
    }
}

/// A bad client in session with a real server.
pub(crate) struct BadClient {
    pub(crate) keys: Acquaintance,
    pub(crate) host: ServerHost,
    pub(crate) shelf: MemStore,
    pub(crate) peer: Scripted,
}

impl BadClient {
    /// Half-open: the server has not heard a record yet.
    pub(crate) fn half_open(limits: Limits) -> Self {
        let keys = Acquaintance::new(NullSuite::leak(1));
        let shelf = MemStore::new();
        let mut host = ServerHost::new(&keys, &shelf, limits);
        let peer = Scripted::client(&keys, &mut host, CLIENT).expect("an answer");
        Self { keys, host, shelf, peer }
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let mut this = Self::half_open(limits);
        this.say(&[0x01]);
        assert_eq!(this.peer.heard.acked.count(), 1, "the session is open");
        this.host.take_events();
        this
    }

    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn say(&mut self, payload: &[u8]) {
        self.peer.say(&mut self.host, payload);
    }

    pub(crate) fn tell(&mut self, message: Message) {
        self.peer.tell(&mut self.host, &[message]);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.peer.wait(&mut self.host, time);
    }

    /// The only thing that was said is one CLOSE 1, and the session is soon forgotten.
    pub(crate) fn assert_closed_for_violation(mut self, what: &str) {
        assert_eq!(self.peer.heard.close(), Some(CloseCode::Protocol), "{what}");
        assert_eq!(self.peer.heard.closes.len(), 1, "{what}");
        assert_eq!(self.peer.heard.strange, 0, "{what}");
        let ended = self.host.take_ended();
        assert!(
            matches!(&ended[..], [CloseReason { by: Closer::Us, code: CloseCode::Protocol, .. }]),
            "{what}: {ended:?}"
        );
        let heard = self.peer.heard.datagrams;
        self.wait(Duration::from_secs(60));
        assert_eq!(self.peer.heard.datagrams, heard, "{what}: nothing is said after the CLOSE");
        assert_eq!(self.host.sessions().count(), 0, "{what}: the session is forgotten");
        assert_eq!(self.host.endpoint().sessions(), 0, "{what}: by the endpoint as well");
    }

    /// The session goes on as if nothing had happened.
    pub(crate) fn assert_unharmed(&mut self, what: &str) {
        assert_eq!(self.peer.heard.closes, [], "{what}");
        assert_eq!(self.host.sessions().count(), 1, "{what}");
        let pn = self.peer.next_pn;
        self.say(&[0x01]);
        self.wait(Duration::from_millis(30));
        assert!(self.peer.heard.acked.contains(pn), "{what}: a PING is acknowledged");
    }
}

/// A bad server in session with a real client.
pub(crate) struct BadServer {
    pub(crate) host: ClientHost,
    pub(crate) received: MemStore,
    pub(crate) peer: Scripted,
}

impl BadServer {
    pub(crate) fn with(limits: Limits) -> Self {
        let keys = Acquaintance::new(NullSuite::leak(2));
        let received = MemStore::new();
        let mut host = ClientHost::new(std::time::Instant::now(), &keys, SERVER, &received, limits);
        let mut peer = Scripted::server(&keys, &mut host, SERVER);
        // CRD-4, HS-20.
        assert!(peer.heard.max_data > 0, "the first packet grants credit");
        peer.ack(&mut host);
        Self { host, received, peer }
    }

    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    /// In session with a client that has asked for the file `f`, which is request 0.
    pub(crate) fn asked() -> Self {
        let mut this = Self::new();
        this.get("f");
        this
    }

    /// The same, and the file was offered.
    pub(crate) fn offered(size: u64, block_log2: u8) -> Self {
        let mut this = Self::asked();
        this.tell(offer(0, size, block_log2));
        this
    }

    pub(crate) fn get(&mut self, name: &str) -> u64 {
        let id = self.host.get(name);
        self.peer.listen(&mut self.host);
        self.peer.ack(&mut self.host);
        id
    }

    pub(crate) fn say(&mut self, payload: &[u8]) {
        self.peer.say(&mut self.host, payload);
    }

    pub(crate) fn tell(&mut self, message: Message) {
        self.peer.tell(&mut self.host, &[message]);
    }

    pub(crate) fn data(&mut self, transfer: u64, offset: u64, bytes: &[u8]) {
        self.peer.data(&mut self.host, transfer, offset, bytes);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.peer.wait(&mut self.host, time);
    }

    /// Was the last packet acknowledged, now or within the delay?
    pub(crate) fn is_acked(&mut self) -> bool {
        self.wait(Duration::from_millis(30));
        self.peer.heard.acked.contains(self.peer.next_pn - 1)
    }

    pub(crate) fn assert_closed_for_violation(mut self, what: &str) {
        assert_eq!(self.peer.heard.close(), Some(CloseCode::Protocol), "{what}");
        assert_eq!(self.peer.heard.closes.len(), 1, "{what}");
        let reason = self.host.close_reason();
        assert!(
            matches!(reason, Some(CloseReason { by: Closer::Us, code: CloseCode::Protocol, .. })),
            "{what}: {reason:?}"
        );
        let heard = self.peer.heard.datagrams;
        self.wait(Duration::from_secs(60));
        assert_eq!(self.peer.heard.datagrams, heard, "{what}: nothing is said after the CLOSE");
        assert!(self.host.session().is_some_and(dpex_core::engine::Session::is_gone), "{what}");
        assert_eq!(self.received.names(), [], "{what}: nothing was published");
        assert_eq!(self.host.unanswered().len(), 0, "{what}: every request was told to have ended");
    }

    pub(crate) fn assert_unharmed(&mut self, what: &str) {
        assert_eq!(self.peer.heard.closes, [], "{what}");
        assert_eq!(self.host.close_reason(), None, "{what}");
        self.say(&[0x01]);
        assert!(self.is_acked(), "{what}: a PING is acknowledged");
    }

    /// Why requests failed, since this was asked last.
    pub(crate) fn failures(&mut self) -> Vec<(u64, String)> {
        let events = self.host.take_events().into_iter();
        events
            .filter_map(|e| if let Event::Failed { id, why } = e { Some((id, why.to_string())) } else { None })
            .collect()
    }
}

pub(crate) fn meta(size: u64) -> Meta {
    Meta { size, mtime: Timestamp::EPOCH, exec: false, version: Version([7; 16]) }
}

pub(crate) fn offer(id: u64, size: u64, block_log2: u8) -> Message {
    Message::Offer { id, meta: meta(size), block_log2 }
}

pub(crate) fn get(id: u64, name: &str) -> Message {
    Message::Get { id, path: path(name), resume: None }
}

pub(crate) fn list(id: u64) -> Message {
    Message::List { id, path: SharePath::ROOT, after: None, limit: 1000, recursive: true, pages: 1 }
}

/// Bytes that differ from block to block.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i + i / 65_536) % 251).expect("below 251")).collect()
}

pub(crate) fn values(content: &[u8], block_log2: u8) -> Vec<Digest> {
    let geometry = Geometry::new(content.len() as u64, block_log2);
    let blocks = (0..geometry.blocks()).filter_map(|i| geometry.block(i));
    blocks.map(|b| block_value(&b, &content[usize::try_from(b.offset).expect("small")..][..b.len])).collect()
}

pub(crate) fn root(content: &[u8]) -> Digest {
    Digest(*blake3::hash(content).as_bytes())
}
