//! The control stream: reliable, ordered, bounded; one per direction.

use std::ops::Range;

use bytes::{Buf as _, BytesMut};

use super::{Accepted, MAX_RANGES, Violation};
use crate::types::RangeSet;
use crate::wire::message::{self, MAX_MESSAGE, Message};

/// What a receiver of requests buffers, and so what a sender may have outstanding, in bytes. Granted from the start, by
/// whoever it is (CTL-1).
pub const REQUEST_WINDOW: u64 = 256 * 1024;
/// The same for answers, once some have come (CTL-4): a listing over a long path is many pages under way.
pub const ANSWER_WINDOW: u64 = 2 * 1024 * 1024;

/// Of a stream with fewer bytes than this, the window is never widened.
const WORTH_A_WINDOW: u64 = 32 * 1024;

/// The sending end.
#[derive(Debug)]
pub struct ControlSender {
    /// Bytes from `base` on: not yet acknowledged, or not yet sent.
    buffer: BytesMut,
    base: u64,
    unsent: RangeSet,
    acked: RangeSet,
    limit: u64,
}

impl Default for ControlSender {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            base: 0,
            unsent: RangeSet::new(),
            acked: RangeSet::new(),
            limit: REQUEST_WINDOW,
        }
    }
}

impl ControlSender {
    /// Queues a message.
    pub fn send(&mut self, message: &Message) {
        let mut bytes = Vec::with_capacity(128);
        message::encode(message, &mut bytes);
        let start = self.end();
        self.buffer.extend_from_slice(&bytes);
        self.unsent.insert(start..self.end());
    }

    fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// Bytes not yet acknowledged. Who answers requests stops taking new ones while this is large.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes not sent, or lost and not sent again.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent.count()
    }

    /// The peer told a limit.
    pub fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// Is there anything that may be sent now?
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent.first().is_some_and(|r| r.start < self.limit)
    }

    /// Takes the next piece to send, of at most `most` bytes.
    pub fn take(&mut self, most: usize) -> Option<(u64, &[u8])> {
        let first = self.unsent.first()?;
        let room = self.limit.checked_sub(first.start)?.min(most as u64);
        if room == 0 {
            return None;
        }
        let range = self.unsent.take_front(room)?;
        let (start, len) = (range.start - self.base, range.end - range.start);
        let start = usize::try_from(start).expect("inside the buffer");
        let len = usize::try_from(len).expect("at most `most`");
        Some((range.start, &self.buffer[start..start + len]))
    }

    /// A piece arrived.
    pub fn on_acked(&mut self, range: Range<u64>) {
        if range.end <= self.base {
            return;
        }
        self.unsent.remove(range.clone());
        self.acked.insert(range.start.max(self.base)..range.end);
        let Some(front) = self.acked.first().filter(|r| r.start == self.base) else { return };
        self.acked.remove(front.clone());
        self.buffer.advance(usize::try_from(front.end - front.start).expect("inside the buffer"));
        self.base = front.end;
    }

    /// A piece was lost: what of it has not arrived otherwise is sent again.
    pub fn on_lost(&mut self, range: Range<u64>) {
        let range = range.start.max(self.base)..range.end.max(self.base);
        self.unsent.insert(range.clone());
        for arrived in self.acked.within(range).collect::<Vec<_>>() {
            self.unsent.remove(arrived);
        }
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct ControlReceiver {
    /// Bytes from `base` on; those not in `have` are zero and wait.
    buffer: BytesMut,
    base: u64,
    have: RangeSet,
    window: u64,
    granted: u64,
}

impl ControlReceiver {
    /// Nothing yet. Buffers at most `window` bytes, at least [`REQUEST_WINDOW`].
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            buffer: BytesMut::new(),
            base: 0,
            have: RangeSet::new(),
            window: window.max(REQUEST_WINDOW),
            granted: REQUEST_WINDOW,
        }
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// [`Violation`] if it reaches beyond what was granted (CTL-2).
    pub fn insert(&mut self, offset: u64, bytes: &[u8]) -> Result<Accepted, Violation> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Violation("control stream overflows"))?;
        if end > self.granted {
            return Err(Violation("control stream beyond its limit"));
        }
        if end <= self.base || bytes.is_empty() {
            return Ok(Accepted::Yes);
        }
        let skip = self.base.saturating_sub(offset);
        let (start, bytes) = (offset + skip, &bytes[usize::try_from(skip).expect("shorter than the piece")..]);
        if self.have.ranges() >= MAX_RANGES && !self.have.touches(start..end) {
            return Ok(Accepted::No);
        }
        self.have.insert(start..end);
        let at = usize::try_from(start - self.base).expect("bounded by the grant");
        if self.buffer.len() < at + bytes.len() {
            self.buffer.resize(at + bytes.len(), 0);
        }
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(Accepted::Yes)
    }

    /// The next message, if all of it is here.
    ///
    /// # Errors
    /// [`Violation`] for a length beyond [`MAX_MESSAGE`] or malformed content (CTL-3).
    pub fn next_message(&mut self) -> Result<Option<Message>, Violation> {
        let ready = self.have.first().filter(|r| r.start == self.base).map_or(0, |r| r.end - r.start);
        let ready = usize::try_from(ready).expect("bounded by the grant");
        let Some(prefix) = self.buffer.first_chunk::<4>().filter(|_| ready >= 4) else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix) as usize;
        if len > MAX_MESSAGE {
            return Err(Violation("control message too long"));
        }
        if ready < 4 + len {
            return Ok(None);
        }
        let message = message::decode(&self.buffer[4..4 + len]).map_err(|_| Violation("malformed control message"))?;
        self.buffer.advance(4 + len);
        self.base += 4 + len as u64;
        self.have.remove(0..self.base);
        Ok(Some(message))
    }

    /// A new limit, if no more than half of the window is left of the last one (CTL-4).
    pub fn new_limit(&mut self) -> Option<u64> {
        let limit = self.base + self.window;
        (self.base >= WORTH_A_WINDOW && limit >= self.granted + self.window / 2).then(|| {
            self.granted = limit;
            limit
        })
    }

    /// The limit last told.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.granted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(n: u64) -> Message {
        Message::Notice { text: format!("message number {n}") }
    }

    // CTL-1, CTL-2.
    #[test]
    fn a_stream_beyond_its_limit_is_a_violation_and_up_to_it_is_not() {
        let mut r = ControlReceiver::new(REQUEST_WINDOW);
        assert_eq!(r.insert(REQUEST_WINDOW - 1, &[0]), Ok(Accepted::Yes));
        assert!(r.insert(REQUEST_WINDOW, &[0]).is_err());
        assert!(r.insert(u64::MAX, &[0]).is_err());
    }

    // CTL-4.
    #[test]
    fn the_limit_is_raised_to_a_whole_window_when_half_of_it_is_used() {
        for window in [REQUEST_WINDOW, ANSWER_WINDOW] {
            let (mut tx, mut r) = (ControlSender::default(), ControlReceiver::new(window));
            for n in 0..40_000 {
                tx.send(&text(n));
            }
            let mut told = REQUEST_WINDOW;
            assert_eq!(r.new_limit(), None, "nothing has come");
            for n in 0..40_000 {
                while let Some((offset, bytes)) = tx.take(1000) {
                    r.insert(offset, bytes).expect("inside").yes();
                }
                r.next_message().expect("well-formed").expect("is here, else the limit was not raised in time");
                let left = told - r.base;
                let raised = r.new_limit();
                let is_due = left <= window / 2 && r.base >= WORTH_A_WINDOW;
                assert_eq!(raised, is_due.then_some(r.base + window), "{n}");
                told = raised.unwrap_or(told);
                assert!(told - r.base >= REQUEST_WINDOW / 2);
                tx.raise(told);
            }
            assert!(told > 2 * REQUEST_WINDOW);
        }
    }

    // CTL-5.
    #[test]
    fn a_peer_that_sends_every_second_byte_is_not_given_memory_for_it() {
        let mut r = ControlReceiver::new(REQUEST_WINDOW);
        let mut refused = 0;
        for i in 0..1000 {
            if r.insert(1 + 2 * i, &[0]) == Ok(Accepted::No) {
                refused += 1;
            }
        }
        assert_eq!(refused, 1000 - MAX_RANGES);
        assert_eq!(r.have.ranges(), MAX_RANGES);
        assert_eq!(r.insert(0, &[0, 0, 0]), Ok(Accepted::Yes), "but what joins ranges is always welcome");
    }

    // CTL-3.
    #[test]
    fn a_message_longer_than_allowed_is_refused_by_its_prefix() {
        let mut r = ControlReceiver::new(REQUEST_WINDOW);
        r.insert(0, &u32::try_from(MAX_MESSAGE + 1).expect("small").to_be_bytes()).expect("inside").yes();
        assert!(r.next_message().is_err());
        let mut r = ControlReceiver::new(REQUEST_WINDOW);
        r.insert(0, &u32::try_from(MAX_MESSAGE).expect("small").to_be_bytes()).expect("inside").yes();
        assert_eq!(r.next_message(), Ok(None));
    }

    impl Accepted {
        fn yes(self) {
            assert_eq!(self, Self::Yes);
        }
    }

    proptest! {
        #[test]
        fn messages_arrive_whole_and_in_order_over_a_bad_path(
            drops in proptest::collection::vec(0u8..4, 400),
            pieces in proptest::collection::vec(1usize..60, 1..20),
        ) {
            let (mut tx, mut rx) = (ControlSender::default(), ControlReceiver::new(REQUEST_WINDOW));
            for n in 0..40 { tx.send(&text(n)); }
            let (mut drops, mut pieces) = (drops.into_iter(), pieces.into_iter().cycle());
            let mut flying = Vec::new();
            let mut got = Vec::new();
            loop {
                if let Some((offset, bytes)) = tx.take(pieces.next().expect("endless")) {
                    flying.push((offset, bytes.to_vec()));
                } else if flying.is_empty() {
                    break;
                }
                if tx.has_unsent() && flying.len() < 5 { continue; }
                // Last in, first out: reordered. Dropped, duplicated or delivered.
                let (offset, bytes) = flying.pop().expect("not empty");
                let range = offset..offset + bytes.len() as u64;
                match drops.next().unwrap_or(2) {
                    0 => tx.on_lost(range),
                    1 => {
                        rx.insert(offset, &bytes).expect("granted").yes();
                        tx.on_lost(range.clone());
                        tx.on_acked(range);
                    }
                    _ => {
                        rx.insert(offset, &bytes).expect("granted").yes();
                        tx.on_acked(range);
                    }
                }
                while let Some(m) = rx.next_message().expect("well-formed") { got.push(m); }
            }
            prop_assert_eq!(got, (0..40).map(text).collect::<Vec<_>>());
            prop_assert_eq!(tx.backlog(), 0);
        }
    }
}
