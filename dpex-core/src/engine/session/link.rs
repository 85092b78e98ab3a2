//! The lower half of a session: what was sent, what arrived, how fast, and the control stream. It knows no requests.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::ids::Ids;
use super::path::{Moved, Paths};
use super::ratchet::{Offered, Ratchet};
use crate::recovery::{
    Ack, BASE, Bbr, Controller, GRANULARITY, LostPacket, MAX_ACK_DELAY, Pacer, Received, RttEstimator, SentPackets,
    SizeSearch,
};
use crate::seal::{Direction, OpenError, Opened, Opener, SealError, Sealer, SessionSecrets, Stepped};
use crate::suite::{CipherSuite, CryptoError};
use crate::transfer::{ANSWER_WINDOW, Accepted, ControlReceiver, ControlSender, REQUEST_WINDOW, Violation};
use crate::types::RangeSet;
use crate::wire::frame::{self, CONTROL_OVERHEAD, Frame, MAX_ACK_RANGES, RATCHET_LEN, SCRAP};
use crate::wire::packet::{HEADER_LEN, OVERHEAD, TAG_LEN};

/// The round trip assumed before one is measured (RFC 9002, section 6.2.2).
const INITIAL_RTT: Duration = Duration::from_millis(333);

/// So many probe timeouts in a row, and a client supposes that its packets take another path by now.
const UNHEARD: u32 = 2;

/// How long an address has to answer a challenge, at least (PTH-4).
const CHALLENGE_WAIT: Duration = Duration::from_secs(1);

/// What [`Link`] may put into a packet by itself besides the control stream, in bytes: PATH_RESPONSE, MAX_CONTROL, a share
/// and PING.
const OWN_FRAMES: usize = 9 + 9 + RATCHET_LEN + 1;

/// What an eliciting packet carried, and what is to be done if it is lost.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The highest packet number acknowledged by it.
    ack: Option<u64>,
    /// It tests whether its size passes.
    size_test: bool,
    /// Nearly always one: no packet needs memory of its own for that.
    pub(super) pieces: SmallVec<[Piece; 1]>,
}

/// One retransmittable part of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Control(Range<u64>),
    Data { transfer: u64, range: Range<u64> },
    MaxData,
    MaxControl,
    Ratchet,
}

/// A packet under construction at the end of a segment buffer.
pub(super) struct Draft<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// Where in `out` its payload must end.
    pub(super) end: usize,
    pub(super) contents: Contents,
    pub(super) eliciting: bool,
}

impl Draft<'_> {
    /// Bytes left for frames.
    pub(super) fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len())
    }

    /// Notes a retransmittable part.
    pub(super) fn note(&mut self, piece: Piece) {
        self.contents.pieces.push(piece);
        self.eliciting = true;
    }
}

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

/// How soon a packet is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asks {
    /// Not at all by itself.
    Nothing,
    /// With others.
    Soon,
    AtOnce,
}

impl Asks {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::Ping => Self::AtOnce,
            frame if frame.is_eliciting() => Self::Soon,
            _ => Self::Nothing,
        }
    }
}

/// Whether eliciting frames may go into the next packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    Yes,
    No,
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

    /// The address that packets go to.
    pub(super) fn peer(&self) -> SocketAddr {
        self.paths.current()
    }

    /// A packet was opened: has the peer moved (PTH-2)? Only a server follows: what a client speaks to is the server's own
    /// place.
    pub(super) fn on_heard_from(&mut self, now: Instant, from: SocketAddr, pn: u64, bytes: usize) {
        if self.sends == Direction::ClientToServer {
            return;
        }
        let is_newest = self.opener.highest() == Some(pn);
        let suite = self.suite;
        let is_news = self.paths.on_packet(now, from, bytes, is_newest, || {
            let mut token = [0; 8];
            suite.random(&mut token).ok().map(|()| token)
        });
        if is_news {
            self.ids.draw_for_candidate();
        }
    }

    /// A challenge was answered. If by that the peer has moved, tells `settle` what was on the way to where it was, and
    /// returns that address.
    pub(super) fn on_path_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        token: [u8; 8],
        mut settle: impl FnMut(Piece, Fate),
    ) -> Option<SocketAddr> {
        let before = self.paths.current();
        let moved = self.paths.on_response(from, token)?;
        self.ids.take_candidates();
        if moved == Moved::Elsewhere {
            // Nothing is known of the path there, and what went the old one is not waited for (PTH-5).
            self.rtt = RttEstimator::new(INITIAL_RTT);
            self.controller = Box::new(Bbr::new(BASE));
            self.size = SizeSearch::new(self.max_datagram);
            self.pacer = Pacer::new(now);
            self.pacer.set_rate(now, self.controller.pacing_rate(&self.rtt));
            self.paced_until = None;
            for packet in self.sent.abandon() {
                for piece in packet.content.pieces {
                    self.settle(piece, Fate::Lost, &mut settle);
                }
            }
        }
        // So that both sides soon know the path.
        self.ping = true;
        Some(before)
    }

    /// Fills `out` with a challenge of an address, if one is due (PTH-3, PTH-4).
    pub(super) fn build_challenge(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<Option<SocketAddr>, SealError> {
        let Some(challenge) = self.paths.poll_challenge(now) else { return Ok(None) };
        let wait = (self.pto() * 3).max(CHALLENGE_WAIT);
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        frame::put_path_challenge(out, challenge.token);
        // As large as any other, if that many bytes may go there: the path must carry them.
        let budget = usize::try_from(challenge.budget).unwrap_or(usize::MAX);
        if budget >= BASE {
            frame::put_padding(out, start + BASE - TAG_LEN - out.len());
        }
        out.resize(out.len() + TAG_LEN, 0);
        let bytes = out.len() - start;
        if bytes > budget {
            out.truncate(start);
            self.paths.on_challenged(now, 0, wait);
            return Ok(None);
        }
        self.paths.on_challenged(now, bytes as u64, wait);
        // Its loss says nothing of the path that is in use.
        let contents = Contents::default();
        self.sealer.seal_in_place(self.ids.candidates(), self.sent.next_pn(), &mut out[start..])?;
        self.sent_bytes += bytes as u64;
        self.sent.on_size_probe_sent(now, bytes, contents);
        Ok(Some(challenge.to))
    }

    // FRM-6.
    pub(super) fn on_path_challenge(&mut self, token: [u8; 8]) {
        self.path_response = Some(token);
    }

    /// A client's own address is another one: who watches both paths is not to see the same id on them, and the server is to
    /// hear of it.
    pub(super) fn rebound(&mut self) {
        self.ids.draw();
        self.ping = true;
    }

    /// Asks for a PING in the next packet, unless something else elicits an acknowledgement.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Asks for a PING behind what has been said on the control stream, so that it is acknowledged at once (LOS-2).
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    fn is_hurry_due(&self) -> bool {
        self.hurry && !self.control_out.has_unsent()
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

    /// Has this half anything of its own that must be acknowledged?
    fn has_eliciting(&self) -> bool {
        self.ping
            || self.is_hurry_due()
            || self.path_response.is_some()
            || self.max_control_due
            || self.ratchet.is_due()
            || self.control_out.has_unsent()
    }

    /// Appends one packet to `out`; `more` says whether the upper half has eliciting frames, `fill` writes them.
    /// Returns whether a packet was made.
    pub(super) fn build(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        more: bool,
        fill: impl FnOnce(&mut Draft<'_>),
    ) -> Result<bool, SealError> {
        self.ratchet.poll(now);
        let wanted = more || self.has_eliciting();
        let permit = self.permit(now, wanted, out.is_empty());
        let may_ack = self.received.ack_now() || (self.received.pending() && permit == Permit::Yes);
        if permit == Permit::No && !may_ack {
            return Ok(false);
        }
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        // What goes again because nothing is heard must get through, also where large datagrams do not any more.
        let datagram = if self.probes > 0 { BASE } else { self.size.current() };
        let end = start + datagram - TAG_LEN;
        let mut draft = Draft { out, end, contents: Contents::default(), eliciting: false };
        if may_ack {
            self.put_ack(now, &mut draft);
        }
        if permit == Permit::Yes {
            self.put_own(&mut draft);
            fill(&mut draft);
            self.put_ping(&mut draft);
            // All packets of a batch but the last must have one size, and a few bytes are no reason to end it.
            if draft.eliciting && draft.room() < SCRAP {
                frame::put_padding(draft.out, draft.room());
            }
        }
        let Draft { out, contents, eliciting, .. } = draft;
        if out.len() == start + HEADER_LEN {
            out.truncate(start);
            return Ok(false);
        }
        out.resize(out.len() + TAG_LEN, 0);
        self.filled |= out.len() - start == datagram;
        self.seal(now, &mut out[start..], eliciting, contents)?;
        Ok(true)
    }

    /// May an eliciting packet leave now? Only the pacer and the window say no, and a probe asks neither (LOS-10).
    ///
    /// Once one of them has said no, it is worth waiting until there is room for a batch: a system call for each packet
    /// costs more than all else.
    fn permit(&mut self, now: Instant, wanted: bool, first: bool) -> Permit {
        if self.probes > 0 {
            return Permit::Yes;
        }
        if !wanted {
            self.sent.on_app_limited();
            return Permit::No;
        }
        let datagram = self.size.current();
        let batch = self.pacer.quantum();
        let (window, in_flight) = (self.controller.window(), self.sent.bytes_in_flight());
        let room = window.saturating_sub(in_flight);
        let is_worth_it = !first || in_flight == 0 || room >= (batch as u64).min(window / 8);
        if room < datagram as u64 || !is_worth_it {
            return Permit::No;
        }
        let is_waiting = self.paced_until.is_some_and(|until| now < until);
        if !self.pacer.allows(now, if is_waiting { batch } else { datagram }) {
            self.paced_until = self.pacer.next_release(now, batch).map(|at| at.max(now + GRANULARITY / 8));
            return Permit::No;
        }
        if self.allowance.is_some_and(|left| left <= 0) {
            self.starved = true;
            self.sent.on_app_limited();
            return Permit::No;
        }
        Permit::Yes
    }

    /// From now on only what is granted may be sent; or anything.
    pub(super) fn cap(&mut self, capped: bool) {
        self.allowance = capped.then(|| self.allowance.unwrap_or(0));
        self.starved &= capped;
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        self.allowance = self.allowance.map(|left| left.saturating_add_unsigned(bytes));
    }

    pub(super) fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// The size of full datagrams, in bytes of UDP payload.
    pub(super) fn datagram(&self) -> usize {
        self.size.current()
    }

    /// Appends a packet that tests a size, if that is due; it goes alone. It may exceed the window: a flow that fills its
    /// window would never test anything, and there is one such packet at a time. Returns whether a packet was made.
    // LOS-13.
    pub(super) fn build_size_test(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<bool, SealError> {
        // Only beside other packets, by whose acknowledgement its loss is noticed.
        if !self.filled || self.probes > 0 || self.sent.eliciting_in_flight() == 0 {
            return Ok(false);
        }
        let Some(size) = self.size.wanted(now) else { return Ok(false) };
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        frame::put_ping(out);
        frame::put_padding(out, start + size - TAG_LEN - out.len());
        out.resize(start + size, 0);
        self.size.on_sent();
        let contents = Contents { size_test: true, ..Contents::default() };
        self.seal(now, &mut out[start..], true, contents)?;
        Ok(true)
    }

    fn seal(&mut self, now: Instant, packet: &mut [u8], eliciting: bool, contents: Contents) -> Result<(), SealError> {
        self.update_keys(now)?;
        self.sealer.seal_in_place(self.ids.current(), self.sent.next_pn(), packet)?;
        self.sent_bytes += packet.len() as u64;
        self.ratchet.count(packet.len());
        if contents.size_test {
            self.sent.on_size_probe_sent(now, packet.len(), contents);
        } else {
            self.sent.on_sent(now, packet.len(), eliciting, contents);
        }
        if eliciting {
            self.spoke = now;
            self.probes = self.probes.saturating_sub(1);
            self.allowance = self.allowance.map(|left| left.saturating_sub_unsigned(packet.len() as u64));
            self.pacer.on_sent(now, packet.len());
            self.controller.on_sent(now, packet.len(), self.sent.bytes_in_flight());
        }
        Ok(())
    }

    /// Moves to the next epoch, if that is due and allowed.
    fn update_keys(&mut self, now: Instant) -> Result<(), SealError> {
        if self.ratchet.is_agreed() && self.sealer.is_confirmed() {
            self.sealer.update(now)?;
            self.ratchet.on_entered(now);
        } else if self.sealer.update_due(now) && !self.ratchet.holds() {
            self.sealer.update(now)?;
        }
        Ok(())
    }

    fn put_ack(&mut self, now: Instant, draft: &mut Draft<'_>) {
        let Some(ack) = self.received.ack(now, MAX_ACK_RANGES) else { return };
        // However many ranges there are, they leave room for what follows.
        let room = draft.room().saturating_sub(OWN_FRAMES);
        if frame::put_ack(draft.out, ack.delay, &ack.ranges, room) > 0 {
            draft.contents.ack = Some(ack.largest);
        }
    }

    fn put_own(&mut self, draft: &mut Draft<'_>) {
        if let Some(token) = self.path_response.take() {
            frame::put_path_response(draft.out, token);
            draft.eliciting = true;
        }
        if std::mem::take(&mut self.max_control_due) {
            frame::put_max_control(draft.out, self.control_in.limit());
            draft.note(Piece::MaxControl);
        }
        if self.ratchet.put(draft.out) {
            draft.note(Piece::Ratchet);
        }
        while draft.room() > CONTROL_OVERHEAD {
            let Some((offset, bytes)) = self.control_out.take(draft.room() - CONTROL_OVERHEAD) else { break };
            let range = offset..offset + bytes.len() as u64;
            frame::put_control(draft.out, offset, bytes);
            draft.note(Piece::Control(range));
        }
    }

    fn put_ping(&mut self, draft: &mut Draft<'_>) {
        let hurry = self.is_hurry_due() && draft.room() > 0;
        self.hurry &= !hurry;
        let owed = std::mem::take(&mut self.ping) || self.probes > 0;
        if hurry || owed && !draft.eliciting && draft.room() > 0 {
            frame::put_ping(draft.out);
            draft.eliciting = true;
        }
    }

    /// Appends a packet that holds only a CLOSE.
    pub(super) fn build_close(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
        code: frame::CloseCode,
        text: &str,
    ) -> Result<(), SealError> {
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        frame::put_close(out, code, text);
        out.resize(out.len() + TAG_LEN, 0);
        debug_assert!(out.len() - start <= BASE);
        self.seal(now, &mut out[start..], false, Contents::default())
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

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrived,
    Lost,
}

const _: () = assert!(BASE > OVERHEAD + frame::MAX_CLOSE_TEXT + 4);

/// Ranges of blocks as a set.
pub(super) fn set_of(ranges: &[Range<u64>]) -> RangeSet {
    ranges.iter().cloned().collect()
}
