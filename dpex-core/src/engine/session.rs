//! One peer: records, acknowledgements, the control stream and transfers. Sans-IO.
//!
//! `link` is the lower half and knows packets; `serving` and `fetching` are the two possible upper halves and know
//! requests. Here is what it is told; what it is `asked`, what it shows (`shown`) and sends (`sending`) is beside. What breaks the protocol anywhere ends the session with CLOSE 1 (BAD-3).

mod asked;
mod config;
mod draft;
mod event;
mod fetching;
mod held;
mod ids;
mod link;
mod listings;
mod path;
mod ratchet;
mod sending;
mod serving;
mod shown;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::disk::{DiskReply, DiskRequest};
use crate::seal::{Direction, Kind, OpenError, SessionSecrets, Wrap};
use crate::suite::CryptoError;
use crate::transfer::{Accepted, Violation};
use crate::wire::codec::Reader;
use crate::wire::frame::{self, CloseCode, Frame};
use crate::wire::message::{Message, WRAPPED_LEN};

pub use config::{IDLE_TIMEOUT, Limits, Role, SessionConfig, SessionTransmit};
pub use event::{CloseReason, Closer, Event, Failure};
pub use serving::Sending;

use draft::{Asks, Fate, Piece};
use fetching::Fetching;
use link::Link;
use serving::Serving;

/// Silence after which a side that waits for something asks whether the other is there (SES-6).
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long a server waits for the client's first record (SES-2).
const HALF_OPEN: Duration = Duration::from_secs(10);
/// The least time between two CLOSE packets (SES-8).
const CLOSE_INTERVAL: Duration = Duration::from_secs(1);

/// A secret as it travels.
type Wrapped = [u8; WRAPPED_LEN];

/// One peer's session.
pub struct Session {
    suite_name: &'static str,
    id: [u8; 8],
    link: Link,
    upper: Upper,
    wrap: Wrap,
    state: State,
    idle: Duration,
    closed: Option<CloseReason>,
}

enum Upper {
    Server(Serving),
    Client(Fetching),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Server: RESP was sent, no record came yet.
    HalfOpen {
        until: Instant,
    },
    Open,
    /// This side has ended it and says so to whoever still sends.
    Closing {
        until: Instant,
        due: bool,
        last: Option<Instant>,
    },
    Gone,
}

impl Session {
    /// Begins right after the handshake.
    ///
    /// # Errors
    /// [`CryptoError::Internal`].
    pub fn new(now: Instant, config: &SessionConfig, secrets: &SessionSecrets) -> Result<Self, CryptoError> {
        let SessionConfig { suite, role, peer, limits, idle, max_datagram } = *config;
        let sends = match role {
            Role::Client => Direction::ClientToServer,
            Role::Server => Direction::ServerToClient,
        };
        let mut link = Link::new(now, suite, secrets, sends, peer, max_datagram)?;
        let (upper, state) = match role {
            Role::Client => {
                // Confirms the keys at once, even if nothing is asked for yet (HS-20).
                link.ping();
                (Upper::Client(Fetching::new(limits.window, limits.max_window)), State::Open)
            }
            Role::Server => {
                let serving = Serving::new(limits.send_buffer, limits.read_ahead);
                (Upper::Server(serving), State::HalfOpen { until: now + HALF_OPEN })
            }
        };
        let (suite_name, id, wrap) = (suite.name(), secrets.session_id(), Wrap::new(suite, secrets));
        Ok(Self { suite_name, id, link, upper, wrap, state, idle, closed: None })
    }

    /// Told: a datagram with this session's connection id came. It is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, packet: &mut [u8]) {
        if self.state == State::Gone {
            return;
        }
        let opened = match self.link.open(now, packet) {
            Ok(opened) => opened,
            Err(OpenError::Silent | OpenError::Replay) => return,
            Err(OpenError::Limit) => return self.vanish(CloseCode::KeyLimit, "a limit of the session is reached"),
        };
        match &mut self.state {
            State::Closing { due, last, .. } => {
                *due |= last.is_none_or(|at| now.saturating_duration_since(at) >= CLOSE_INTERVAL);
                return;
            }
            // A record from elsewhere proves the keys, but not the address that RESP went to (PTH-1).
            State::HalfOpen { .. } if from != self.link.peer() => return,
            State::HalfOpen { .. } => {
                self.state = State::Open;
                self.push_event(Event::Opened);
            }
            State::Open | State::Gone => {}
        }
        self.link.on_heard_from(now, from, opened.pn, packet.len());
        let payload = packet.get(opened.payload).unwrap_or_default();
        match self.handle_frames(now, from, payload) {
            Ok((Accepted::Yes, asks)) => self.link.on_taken(now, opened.pn, asks),
            Ok((Accepted::No, _)) => {}
            Err(violation) => self.close(now, CloseCode::Protocol, violation.0),
        }
        self.read_messages(now);
    }

    fn handle_frames(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) -> Result<(Accepted, Asks), Violation> {
        let mut r = Reader::new(payload);
        let (mut accepted, mut asks) = (Accepted::Yes, Asks::Nothing);
        while !r.is_empty() {
            let frame = frame::read(&mut r).map_err(|_| Violation("malformed frame"))?;
            asks = asks.max(Asks::of(&frame));
            if self.handle_frame(now, from, frame)? == Accepted::No {
                accepted = Accepted::No;
            }
            if self.state != State::Open {
                break;
            }
        }
        Ok((accepted, asks))
    }

    // FRM-7, FRM-8.
    fn handle_frame(&mut self, now: Instant, from: SocketAddr, frame: Frame<'_>) -> Result<Accepted, Violation> {
        match frame {
            Frame::Padding | Frame::Ping => {}
            Frame::PathResponse(token) => self.on_path_response(now, from, token),
            Frame::Ack { delay, ranges } => {
                let upper = &mut self.upper;
                self.link.on_ack(now, delay, ranges, |piece, fate| upper.settle(piece, fate))?;
            }
            Frame::Close { code, text } => self.on_close(code, text),
            Frame::PathChallenge(token) => self.link.on_path_challenge(token),
            Frame::RatchetOffer { step, share } => return self.link.on_ratchet_offer(now, step, share),
            Frame::RatchetAnswer { step, share } => self.link.on_ratchet_answer(step, share)?,
            Frame::Control { offset, bytes } => return self.link.control_in.insert(offset, bytes),
            Frame::Data { transfer, offset, bytes } => match &mut self.upper {
                Upper::Client(f) => return f.handle_data(transfer, offset, bytes, &mut self.link.control_out),
                Upper::Server(_) => return Err(Violation("data from a client")),
            },
            Frame::Zeros { transfer, offset, len } => match &mut self.upper {
                Upper::Client(f) => return f.handle_zeros(transfer, offset, len, &mut self.link.control_out),
                Upper::Server(_) => return Err(Violation("data from a client")),
            },
            Frame::MaxData(limit) => match &mut self.upper {
                Upper::Server(s) => s.raise_credit(limit),
                Upper::Client(_) => return Err(Violation("data credit from a server")),
            },
            Frame::MaxControl(limit) => self.link.control_out.raise(limit),
        }
        Ok(Accepted::Yes)
    }

    fn on_path_response(&mut self, now: Instant, from: SocketAddr, token: [u8; 8]) {
        let upper = &mut self.upper;
        if let Some(before) = self.link.on_path_response(now, from, token, |piece, fate| upper.settle(piece, fate)) {
            self.push_event(Event::Moved { from: before, to: from });
        }
    }

    /// Reads control messages as far as the upper half has room for what they ask.
    fn read_messages(&mut self, now: Instant) {
        if let (State::Open, Upper::Server(s)) = (&self.state, &mut self.upper) {
            s.list_on(&self.link.control_out);
        }
        while self.state == State::Open {
            if let Upper::Server(s) = &self.upper
                && !s.has_room(&self.link.control_out)
            {
                break;
            }
            let result = match self.link.control_in.next_message() {
                Ok(None) => break,
                Ok(Some(Message::Renew { psk, knock })) => self.on_renew(psk, knock),
                Ok(Some(message)) => match &mut self.upper {
                    Upper::Server(s) => s.handle_message(message, &mut self.link.control_out),
                    Upper::Client(f) => {
                        let rtt = self.link.rtt.smoothed();
                        f.handle_message(now, rtt, message, &mut self.link.control_out)
                    }
                },
                Err(violation) => Err(violation),
            };
            if let Err(violation) = result {
                self.close(now, CloseCode::Protocol, violation.0);
            }
            self.link.on_control_read();
        }
    }

    /// Secrets of the enrolment came (ENR-30).
    fn on_renew(&mut self, psk: Option<Wrapped>, knock: Option<Wrapped>) -> Result<(), Violation> {
        let Upper::Client(client) = &mut self.upper else {
            return Err(Violation("a server's message from a client"));
        };
        let open = |kind, wrapped: Option<Wrapped>| wrapped.map(|wrapped| self.wrap.open(kind, &wrapped)).transpose();
        let opened = open(Kind::Psk, psk).and_then(|psk| Ok((psk, open(Kind::Knock, knock)?)));
        let (psk, knock) = opened.map_err(|_| Violation("secrets that do not open"))?;
        client.events.push_back(Event::Renewed { psk, knock });
        Ok(())
    }

    /// Told: disk work was done.
    pub fn handle_disk(&mut self, now: Instant, reply: DiskReply) {
        let control = &mut self.link.control_out;
        match &mut self.upper {
            Upper::Server(s) => s.handle_disk(reply, control),
            Upper::Client(f) => f.handle_disk(now, self.link.rtt.smoothed(), reply, control),
        }
        self.read_messages(now);
    }

    /// Told: time passed. Does nothing before [`Self::poll_timeout`] (SES-5).
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Gone => return,
            State::HalfOpen { until } => {
                if now >= until {
                    self.vanish(CloseCode::Idle, "the client sent no record");
                }
                return;
            }
            State::Closing { until, .. } => {
                if now >= until {
                    self.state = State::Gone;
                }
                return;
            }
            State::Open => {}
        }
        // SES-5.
        if now >= self.link.heard + self.idle {
            return self.vanish(CloseCode::Idle, "nothing was heard from the peer");
        }
        if self.link.is_ratchet_overdue(now) {
            return self.close(now, CloseCode::KeyLimit, "the keys were not renewed in time");
        }
        if self.keepalive().is_some_and(|at| now >= at) {
            self.link.ping();
        }
        let upper = &mut self.upper;
        self.link.handle_timeout(now, |piece, fate| upper.settle(piece, fate));
        self.read_messages(now);
    }

    /// When a side that waits for something must speak again.
    fn keepalive(&self) -> Option<Instant> {
        let last = self.link.heard.max(self.link.spoke);
        (self.is_busy() && !self.link.awaits_answer()).then_some(last + KEEPALIVE)
    }

    /// Asked: end the session, telling the peer.
    pub fn close(&mut self, now: Instant, code: CloseCode, text: &str) {
        match self.state {
            State::HalfOpen { .. } => self.vanish(code, text),
            State::Open => {
                let until = now + self.link.pto() * 3;
                self.state = State::Closing { until, due: true, last: None };
                self.end(Closer::Us, code, text);
            }
            State::Closing { .. } | State::Gone => {}
        }
    }

    fn on_close(&mut self, code: CloseCode, text: &str) {
        self.state = State::Gone;
        self.end(Closer::Peer, code, text);
    }

    /// Ends without a word.
    fn vanish(&mut self, code: CloseCode, text: &str) {
        self.state = State::Gone;
        self.end(Closer::Us, code, text);
    }

    // SES-9.
    fn end(&mut self, by: Closer, code: CloseCode, text: &str) {
        if self.closed.is_some() {
            return;
        }
        if let Upper::Client(f) = &mut self.upper {
            f.abandon();
        }
        let reason = CloseReason { by, code, text: text.to_owned() };
        self.closed = Some(reason.clone());
        self.push_event(Event::Closed(reason));
    }

    fn push_event(&mut self, event: Event) {
        match &mut self.upper {
            Upper::Server(s) => s.events.push_back(event),
            Upper::Client(f) => f.events.push_back(event),
        }
    }

    /// Wants: disk work.
    pub fn poll_disk(&mut self) -> Option<DiskRequest> {
        match &mut self.upper {
            Upper::Server(s) => s.wants.pop_front(),
            Upper::Client(f) => f.wants.pop_front(),
        }
    }

    /// Wants: its owner to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        match &mut self.upper {
            Upper::Server(s) => s.events.pop_front(),
            Upper::Client(f) => f.events.pop_front(),
        }
    }

    /// Wants: to be told the time then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Gone => None,
            State::HalfOpen { until } | State::Closing { until, .. } => Some(until),
            State::Open => {
                let idle = self.link.heard + self.idle;
                [Some(idle), self.keepalive(), self.link.poll_timeout()].into_iter().flatten().min()
            }
        }
    }
}

impl Upper {
    fn settle(&mut self, piece: Piece, fate: Fate) {
        match (self, piece) {
            (Self::Server(s), piece @ Piece::Data { .. }) => s.settle(piece, fate),
            (Self::Client(f), Piece::MaxData) if fate == Fate::Lost => f.on_max_data_lost(),
            _ => {}
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &data_encoding::HEXLOWER.encode(&self.id))
            .field("suite", &self.suite_name)
            .field("peer", &self.link.peer())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
