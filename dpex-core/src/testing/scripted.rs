//! A peer that has valid keys and bad manners: it shakes hands for real, then says whatever a test puts into its mouth.
//!
//! [`Scripted`] is one side of a session and seals any bytes under any packet number, epoch, connection id or flags. Its
//! victim is real: a [`ServerHost`] (endpoint, sessions and disk) or a [`ClientHost`] (connector, session and disk),
//! both without sockets and threads, under a clock that the test turns. [`Couple`] lets the two real ones meet over a
//! path that a test can tamper with. Nothing here sleeps.

mod client;
mod couple;
mod disk;
mod heard;
mod keys;
mod raw;
mod server;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use client::ClientHost;
pub use couple::{Couple, Passed, Way};
pub use heard::{Heard, HeardData};
pub use keys::{Acquaintance, Answer, offer};
pub use raw::Shape;
pub use server::{BEGINNING, ServerHost};

use crate::seal::{Chain, Direction, Opener, PendingInit, ResponseTerms, SessionSecrets, Verdict, Wrap, open_init};
use crate::suite::{CipherSuite, KeyAgreement};
use crate::types::Timestamp;
use crate::wire::frame;
use crate::wire::message::{self, Message};
use raw::RawSealer;

/// Whoever is to be harmed.
pub trait Victim {
    /// Its clock.
    fn now(&self) -> Instant;
    /// A datagram reaches it, and it does all that follows.
    fn deliver(&mut self, from: SocketAddr, datagram: &[u8]);
    /// Its clock goes on, timer by timer.
    fn advance(&mut self, time: Duration);
    /// What it sent to an address, since this was asked last.
    fn take_sent_to(&mut self, to: SocketAddr) -> Vec<Vec<u8>>;
}

/// Counts steps and ends a machine that never comes to rest.
fn patience(who: &'static str) -> impl FnMut() {
    let mut steps = 0u32;
    move || {
        steps += 1;
        assert!(steps < 1_000_000, "{who} never comes to rest");
    }
}

/// One side of a session, in bad hands.
pub struct Scripted {
    /// Where it sends from.
    pub addr: SocketAddr,
    /// The number of its next packet.
    pub next_pn: u64,
    /// The epoch of its next packet.
    pub epoch: u64,
    /// What the victim said.
    pub heard: Heard,
    /// For secrets that travel in this session.
    pub wrap: Wrap,
    suite: &'static dyn CipherSuite,
    sends: Direction,
    chain: Chain,
    sealer: RawSealer,
    opener: Opener,
    control_offset: u64,
}

impl Scripted {
    /// Shakes hands as a client. `None` if the server does not answer.
    ///
    /// # Panics
    /// If the server answers wrongly.
    pub fn client(keys: &Acquaintance, victim: &mut ServerHost, addr: SocketAddr) -> Option<Self> {
        let (init, mut pending) = keys.init(victim.moment().wall.plus(Duration::from_nanos(victim.fresh())));
        victim.deliver(addr, &init);
        let resp = victim.take_sent_to(addr).pop()?;
        Some(Self::answered(keys, &mut pending, &resp, addr))
    }

    /// A client whose INIT was answered with this.
    ///
    /// # Panics
    /// If it is a wrong answer.
    pub fn answered(keys: &Acquaintance, pending: &mut PendingInit, resp: &[u8], addr: SocketAddr) -> Self {
        let proof = pending.open_resp(resp).expect("an answer to this INIT");
        keys.server.public().verify(proof.message(), proof.signature()).expect("signed by the server");
        let secrets = proof.into_secrets().expect("no refusal");
        Self::new(keys, addr, &secrets, Direction::ClientToServer)
    }

    /// Shakes hands as a server.
    ///
    /// # Panics
    /// If there is no good INIT to answer.
    pub fn server(keys: &Acquaintance, victim: &mut ClientHost, addr: SocketAddr) -> Self {
        let init = victim.take_sent().pop().expect("an INIT was sent");
        let (mut this, resp) = Self::answering(keys, &init, addr);
        victim.deliver(addr, &resp);
        this.listen(victim);
        this
    }

    /// A server and its answer to this INIT.
    ///
    /// # Panics
    /// If it is not a good one.
    pub fn answering(keys: &Acquaintance, init: &[u8], addr: SocketAddr) -> (Self, Vec<u8>) {
        let opened = open_init(keys.suite, &keys.pair(), init).expect("a good INIT");
        let terms = ResponseTerms {
            verdict: Verdict::Accept { version: 1, suite: 1 },
            max_udp_payload: 1472,
            idle_timeout: 30,
            server_time: Timestamp::EPOCH,
        };
        let resp = opened.respond(keys.suite, &terms).expect("a good share");
        let signature = keys.server.sign(&resp.message()).expect("the server's own key");
        let (datagram, secrets) = resp.finish(&signature).expect("a signature's length");
        let secrets = secrets.expect("no refusal");
        (Self::new(keys, addr, &secrets, Direction::ServerToClient), datagram.to_vec())
    }

    fn new(keys: &Acquaintance, addr: SocketAddr, secrets: &SessionSecrets, sends: Direction) -> Self {
        Self {
            addr,
            next_pn: 0,
            epoch: 0,
            heard: Heard::default(),
            wrap: Wrap::new(keys.suite, secrets),
            suite: keys.suite,
            sends,
            chain: secrets.chain(),
            sealer: RawSealer::new(keys.suite, secrets, sends),
            opener: Opener::new(keys.suite, secrets, sends.opposite()).expect("keys"),
            control_offset: 0,
        }
    }

    /// A packet with the next number.
    pub fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let shape = Shape { pn: self.next_pn, epoch: self.epoch, ..Shape::default() };
        self.next_pn += 1;
        self.sealer.seal(&shape, payload)
    }

    /// A packet in any shape.
    pub fn seal_as(&mut self, shape: &Shape, payload: &[u8]) -> Vec<u8> {
        self.sealer.seal(shape, payload)
    }

    /// Takes a ratchet step with the victim, of which this side made the share `ours` and the victim has told the other: from
    /// the next epoch on, both have its secrets.
    ///
    /// # Panics
    /// If the victim's share gives nothing.
    pub fn step(&mut self, ours: Box<dyn KeyAgreement>, theirs: &[u8; 32]) {
        let public = ours.public();
        let shared = ours.agree(theirs).expect("a share");
        let (offer, answer) = match self.sends {
            Direction::ClientToServer => (&public, theirs),
            Direction::ServerToClient => (theirs, &public),
        };
        let stepped = self.chain.step(self.suite, &shared, offer, answer);
        self.sealer.set_secret_after(self.epoch, stepped.traffic(self.sends).clone());
        self.opener.set_secret(self.epoch + 1, stepped.traffic(self.sends.opposite()).clone());
    }

    /// Sends a packet and hears the answer.
    pub fn say(&mut self, victim: &mut impl Victim, payload: &[u8]) {
        let packet = self.seal(payload);
        self.throw(victim, &packet);
    }

    /// Sends any bytes and hears the answer.
    pub fn throw(&mut self, victim: &mut impl Victim, datagram: &[u8]) {
        victim.deliver(self.addr, datagram);
        self.listen(victim);
    }

    /// Sends messages on the control stream, in as many packets as it takes.
    pub fn tell(&mut self, victim: &mut impl Victim, messages: &[Message]) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|m| message::encode(m, &mut bytes));
        self.tell_bytes(victim, &bytes);
    }

    /// Sends one CBOR text on the control stream with its length before it, well-formed or not.
    pub fn tell_cbor(&mut self, victim: &mut impl Victim, cbor: &[u8]) {
        let len = u32::try_from(cbor.len()).expect("a short text");
        self.tell_bytes(victim, &[&len.to_be_bytes()[..], cbor].concat());
    }

    /// Sends any bytes on the control stream.
    pub fn tell_bytes(&mut self, victim: &mut impl Victim, bytes: &[u8]) {
        for piece in bytes.chunks(1100) {
            let mut payload = Vec::new();
            frame::put_control(&mut payload, self.control_offset, piece);
            self.control_offset += piece.len() as u64;
            self.say(victim, &payload);
        }
    }

    /// Sends a piece of a file.
    pub fn data(&mut self, victim: &mut impl Victim, transfer: u64, offset: u64, bytes: &[u8]) {
        let mut payload = Vec::new();
        frame::put_data(&mut payload, transfer, offset, bytes);
        self.say(victim, &payload);
    }

    /// Acknowledges every packet heard, in as few frames as it takes.
    pub fn ack(&mut self, victim: &mut impl Victim) {
        let ranges: Vec<_> = self.heard.packets.iter().rev().take(frame::MAX_ACK_RANGES).collect();
        let mut payload = Vec::new();
        frame::put_ack(&mut payload, Duration::ZERO, &ranges, 1100);
        self.say(victim, &payload);
    }

    /// Acknowledges everything, again and again, until the victim has nothing more to say or `rounds` are over.
    pub fn attend(&mut self, victim: &mut impl Victim, rounds: usize) {
        // What the pacer holds back after one acknowledgement comes before the next.
        let mut silent = 0;
        for _ in 0..rounds {
            let before = self.heard.packets.count();
            self.wait(victim, Duration::from_millis(20));
            self.ack(victim);
            self.listen(victim);
            silent = if self.heard.packets.count() == before { silent + 1 } else { 0 };
            if silent == 2 {
                return;
            }
        }
    }

    /// Lets time pass and hears what the victim says.
    pub fn wait(&mut self, victim: &mut impl Victim, time: Duration) {
        victim.advance(time);
        self.listen(victim);
    }

    /// Opens what the victim sent here. Returns how many datagrams there were.
    pub fn listen(&mut self, victim: &mut impl Victim) -> usize {
        let datagrams = victim.take_sent_to(self.addr);
        for datagram in &datagrams {
            self.heard.datagrams += 1;
            self.heard.bytes += datagram.len() as u64;
            let mut packet = datagram.clone();
            match self.opener.open(victim.now(), &mut packet) {
                Ok(opened) => {
                    if opened.key_phase_changed {
                        self.epoch = self.epoch.max(self.opener.epoch());
                    }
                    self.heard.packet(opened.pn, packet.get(opened.payload).unwrap_or_default());
                }
                Err(_) => self.heard.strange += 1,
            }
        }
        datagrams.len()
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("addr", &self.addr).field("next_pn", &self.next_pn).finish_non_exhaustive()
    }
}
