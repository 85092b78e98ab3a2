//! The lower half of a session: what was sent, what arrived, how fast, and the control stream. It knows no requests.

mod building;
mod moving;

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::draft::{Asks, Contents, Fate, Piece};
use super::ids::Ids;
use super::path::Paths;
use super::ratchet::{Offered, Ratchet};
use crate::recovery::{
    Ack, BASE, Bbr, Controller, LostPacket, MAX_ACK_DELAY, Pacer, Received, RttEstimator, SentPackets, SizeSearch,
};
use crate::seal::{Direction, OpenError, Opened, Opener, Sealer, SessionSecrets, Stepped};
use crate::suite::{CipherSuite, CryptoError};
use crate::transfer::{ANSWER_WINDOW, Accepted, ControlReceiver, ControlSender, REQUEST_WINDOW, Violation};

/// The round trip assumed before one is measured (RFC 9002, section 6.2.2).
const INITIAL_RTT: Duration = Duration::from_millis(333);

/// So many probe timeouts in a row, and a client supposes that its packets take another path by now.
const UNHEARD: u32 = 2;

pub(super) struct Link {
    suite: &'static dyn CipherSuite,
    paths: Paths,
    sends: Direction,
    max_datagram: usize,
    pub(super) rtt: RttEstimator,
    pub(super) control_out: ControlSender,
    pub(super) control_in: ControlReceiver,
    size: SizeSearch,
    /// A full datagram has left: larger ones would be of use.
    filled: bool,
    /// When the last packet was opened.
    pub(super) heard: Instant,
    /// When the last eliciting packet left.
    pub(super) spoke: Instant,
    ids: Ids,
    /// Probe timeouts since anything was heard.
    unheard: u32,
    sealer: Sealer,
    opener: Opener,
    ratchet: Ratchet,
    sent: SentPackets<Contents>,
    received: Received,
    controller: Box<dyn Controller>,
    pacer: Pacer,
    probes: usize,
    ping: bool,
    /// What was said so far is to be acknowledged at once.
    hurry: bool,
    path_response: Option<[u8; 8]>,
    max_control_due: bool,
    /// Something waits for the pacer until then.
    paced_until: Option<Instant>,
    /// Where a cap holds: bytes granted and not spent, or below zero what was spent beyond that.
    allowance: Option<i64>,
    /// Something would have been sent, had there been more of it.
    starved: bool,
    /// Bytes of UDP payload sent in all.
    pub(super) sent_bytes: u64,
}

impl Link {
    pub(super) fn new(
        now: Instant,
        suite: &'static dyn CipherSuite,
        secrets: &SessionSecrets,
        sends: Direction,
        peer: SocketAddr,
        max_datagram: usize,
    ) -> Result<Self, CryptoError> {
        let mut link = Self {
            suite,
            paths: Paths::new(peer),
            sends,
            max_datagram,
            rtt: RttEstimator::new(INITIAL_RTT),
            control_out: ControlSender::default(),
            control_in: ControlReceiver::new(match sends {
                Direction::ClientToServer => ANSWER_WINDOW,
                Direction::ServerToClient => REQUEST_WINDOW,
            }),
            size: SizeSearch::new(max_datagram),
            filled: false,
            heard: now,
            spoke: now,
            ids: Ids::new(secrets, sends).ok_or(CryptoError::Internal)?,
            unheard: 0,
            sealer: Sealer::new(now, suite, secrets, sends)?,
            opener: Opener::new(suite, secrets, sends.opposite())?,
            ratchet: Ratchet::new(now, suite, secrets, sends),
            sent: SentPackets::new(),
            received: Received::new(),
            controller: Box::new(Bbr::new(BASE)),
            pacer: Pacer::new(now),
            probes: 0,
            ping: false,
            hurry: false,
            path_response: None,
            max_control_due: false,
            paced_until: None,
            allowance: None,
            starved: false,
            sent_bytes: 0,
        };
        link.pacer.set_rate(now, link.controller.pacing_rate(&link.rtt));
        Ok(link)
    }

    /// Opens a packet in place and keeps the keys in step.
    pub(super) fn open(&mut self, now: Instant, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let opened = self.opener.open(now, packet)?;
        self.heard = now;
        self.unheard = 0;
        self.ratchet.count(packet.len());
        if opened.key_phase_changed {
            self.opener.discard_previous_at(now + self.pto() * 3);
            // A failure here is met again, and reported, when the next packet is sealed.
            let epoch = self.sealer.epoch();
            let _ = self.sealer.follow(now, self.opener.epoch());
            if self.sealer.epoch() > epoch && self.ratchet.is_answered() {
                self.ratchet.on_entered(now);
            }
        }
        Ok(opened)
    }

    /// A client offers a ratchet step.
    pub(super) fn on_ratchet_offer(&mut self, now: Instant, step: u64, share: [u8; 32]) -> Result<Accepted, Violation> {
        match self.ratchet.on_offer(now, step, share)? {
            Offered::Known => Ok(Accepted::Yes),
            Offered::NotNow => Ok(Accepted::No),
            Offered::Step(stepped) => {
                self.on_stepped(&stepped);
                Ok(Accepted::Yes)
            }
        }
    }

    /// The server answers the step that was offered.
    pub(super) fn on_ratchet_answer(&mut self, step: u64, share: [u8; 32]) -> Result<(), Violation> {
        if let Some(stepped) = self.ratchet.on_answer(step, share)? {
            self.on_stepped(&stepped);
            // In the step's epoch, or to have the current key confirmed first.
            self.ping = true;
        }
        Ok(())
    }

    /// The epoch after the one that this side seals in is the step's (KEY-10).
    fn on_stepped(&mut self, stepped: &Stepped) {
        let sends = self.sends;
        self.sealer.set_next_secret(stepped.traffic(sends).clone());
        self.opener.set_secret(self.sealer.epoch() + 1, stepped.traffic(sends.opposite()).clone());
    }

    /// Was the session for too long without a ratchet step (KEY-12)?
    pub(super) fn is_ratchet_overdue(&self, now: Instant) -> bool {
        self.ratchet.is_overdue(now)
    }

    /// An opened packet's content was taken: it will be acknowledged.
    pub(super) fn on_taken(&mut self, now: Instant, pn: u64, asks: Asks) {
        self.received.on_packet(now, pn, asks != Asks::Nothing, self.rtt.smoothed());
        if asks == Asks::AtOnce {
            self.received.hurry();
        }
    }

    /// Handles an acknowledgement. `settle` is told each piece and whether it arrived.
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        delay: Duration,
        ranges: Vec<Range<u64>>,
        mut settle: impl FnMut(Piece, Fate),
    ) -> Result<(), Violation> {
        let largest = ranges.first().map_or(0, |r| r.end - 1);
        let ack = Ack { largest, delay, ranges };
        let outcome = self.sent.on_ack(now, &ack, &mut self.rtt);
        let outcome = outcome.map_err(|_| Violation("acknowledgement of a packet never sent"))?;
        outcome.inform(now, &mut *self.controller);
        self.pacer.set_rate(now, self.controller.pacing_rate(&self.rtt));
        for packet in outcome.acked {
            self.sealer.on_ack(packet.pn);
            self.size.on_arrived(packet.pn, packet.bytes);
            if packet.content.size_test && self.size.on_test_arrived(packet.bytes) {
                self.on_datagram_size();
            }
            if let Some(largest) = packet.content.ack {
                self.received.on_ack_of_ack(largest);
            }
            for piece in packet.content.pieces {
                self.settle(piece, Fate::Arrived, &mut settle);
            }
        }
        self.on_lost(now, outcome.lost, &mut settle);
        // The server follows when it hears of it, which may not wait for the next request (KEY-11).
        self.ping |= self.ratchet.is_agreed() && self.sealer.is_confirmed();
        Ok(())
    }

    fn on_lost(&mut self, now: Instant, lost: Vec<LostPacket<Contents>>, settle: &mut impl FnMut(Piece, Fate)) {
        let alone = lost.len() == 1;
        for packet in lost {
            if packet.content.size_test {
                self.size.on_test_lost(now, alone);
            } else if self.size.on_lost(now, packet.pn, packet.bytes, self.sent.next_pn()) {
                self.on_datagram_size();
            }
            for piece in packet.content.pieces {
                self.settle(piece, Fate::Lost, settle);
            }
        }
    }

    fn on_datagram_size(&mut self) {
        self.controller.on_datagram_size(self.size.current());
        self.pacer.set_datagram_size(self.size.current());
    }

    fn settle(&mut self, piece: Piece, fate: Fate, settle: &mut impl FnMut(Piece, Fate)) {
        match (piece, fate) {
            (Piece::Control(range), Fate::Arrived) => self.control_out.on_acked(range),
            (Piece::Control(range), Fate::Lost) => self.control_out.on_lost(range),
            (Piece::MaxControl, Fate::Lost) => self.max_control_due = true,
            (Piece::Ratchet, Fate::Lost) => self.ratchet.on_lost(),
            (Piece::MaxControl | Piece::Ratchet, Fate::Arrived) => {}
            (piece @ (Piece::Data { .. } | Piece::MaxData), fate) => settle(piece, fate),
        }
    }

    /// Asks for a PING in the next packet, unless something else elicits an acknowledgement.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Asks for a PING behind what has been said on the control stream, so that it is acknowledged at once (LOS-2). One that
    /// is lost is not sent again: then it takes as long as ever.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    /// Messages were read: is a new limit to be told?
    pub(super) fn on_control_read(&mut self) {
        if self.control_in.new_limit().is_some() {
            self.max_control_due = true;
        }
    }

    pub(super) fn pto(&self) -> Duration {
        self.rtt.pto(MAX_ACK_DELAY)
    }

    /// The next moment at which [`Self::handle_timeout`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers =
            [self.sent.timeout(&self.rtt), self.received.timeout(), self.opener.poll_timeout(), self.paced_until];
        let ratchet = Some(self.ratchet.poll_timeout());
        timers.into_iter().chain([self.paths.poll_timeout(), ratchet]).flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, mut settle: impl FnMut(Piece, Fate)) {
        if self.paced_until.is_some_and(|at| at <= now) {
            self.paced_until = None;
        }
        self.opener.handle_timeout(now);
        self.received.on_timeout(now);
        if self.sent.timeout(&self.rtt).is_some_and(|at| at <= now) {
            let outcome = self.sent.on_timeout(now, &self.rtt);
            outcome.inform(now, &mut *self.controller);
            self.pacer.set_rate(now, self.controller.pacing_rate(&self.rtt));
            self.probes = self.probes.max(outcome.probes);
            self.unheard += u32::from(outcome.probes > 0);
            if self.unheard == UNHEARD && self.sends == Direction::ClientToServer {
                self.ids.draw();
            }
            self.on_lost(now, outcome.lost, &mut settle);
            // A bare PING would only reveal the loss, a round trip before it is made good.
            let again = self.sent.in_flight().take(outcome.probes).flat_map(|packet| packet.pieces.iter().cloned());
            for piece in again.collect::<Vec<_>>() {
                self.settle(piece, Fate::Lost, &mut settle);
            }
        }
    }

    /// Is somebody already being asked for a sign of life?
    pub(super) fn awaits_answer(&self) -> bool {
        self.ping || self.sent.eliciting_in_flight() > 0
    }

    pub(super) fn epoch(&self) -> u64 {
        self.sealer.epoch()
    }

    pub(super) fn ratchet_steps(&self) -> u64 {
        self.ratchet.steps()
    }

    #[cfg(feature = "testing")]
    pub(super) fn ratchet_every(&mut self, bytes: u64) {
        self.ratchet.set_every_bytes(bytes);
    }

    #[cfg(feature = "testing")]
    pub(super) fn update_keys_every(&mut self, packets: u64) {
        self.sealer.set_epoch_packets(packets);
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.sent.bytes_in_flight()
    }
}
