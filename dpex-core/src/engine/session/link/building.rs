//! Packets to send: whether one may leave, and what goes into it.

use std::time::Instant;

use super::super::draft::{Contents, Draft, Piece};
use super::Link;
use crate::recovery::{BASE, GRANULARITY};
use crate::seal::SealError;
use crate::wire::frame::{self, CONTROL_OVERHEAD, MAX_ACK_RANGES, RATCHET_LEN, SCRAP};
use crate::wire::packet::{HEADER_LEN, OVERHEAD, TAG_LEN};

/// What [`Link`] may put into a packet by itself besides the control stream, in bytes: PATH_RESPONSE, MAX_CONTROL, a share
/// and PING.
const OWN_FRAMES: usize = 9 + 9 + RATCHET_LEN + 1;

const _: () = assert!(BASE > OVERHEAD + frame::MAX_CLOSE_TEXT + 4);

/// Whether eliciting frames may go into the next packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Permit {
    Yes,
    No,
}

impl Link {
    /// Has this half anything of its own that must be acknowledged?
    fn has_eliciting(&self) -> bool {
        self.ping
            || self.is_hurry_due()
            || self.path_response.is_some()
            || self.max_control_due
            || self.ratchet.is_due()
            || self.control_out.has_unsent()
    }

    fn is_hurry_due(&self) -> bool {
        self.hurry && self.control_out.unsent() == 0
    }

    /// Appends one packet to `out`; `more` says whether the upper half has eliciting frames, `fill` writes them.
    /// Returns whether a packet was made.
    pub(in crate::engine::session) fn build(
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
    pub(in crate::engine::session) fn cap(&mut self, capped: bool) {
        self.allowance = capped.then(|| self.allowance.unwrap_or(0));
        self.starved &= capped;
    }

    pub(in crate::engine::session) fn grant(&mut self, bytes: u64) {
        self.allowance = self.allowance.map(|left| left.saturating_add_unsigned(bytes));
    }

    pub(in crate::engine::session) fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// The size of full datagrams, in bytes of UDP payload.
    pub(in crate::engine::session) fn datagram(&self) -> usize {
        self.size.current()
    }

    /// Appends a packet that tests a size, if that is due; it goes alone. It may exceed the window: a flow that fills its
    /// window would never test anything, and there is one such packet at a time. Returns whether a packet was made.
    // LOS-13.
    pub(in crate::engine::session) fn build_size_test(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<bool, SealError> {
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
    pub(in crate::engine::session) fn build_close(
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
}
