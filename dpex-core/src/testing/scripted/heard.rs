//! What a victim said, taken apart.

use crate::types::RangeSet;
use crate::wire::codec::Reader;
use crate::wire::frame::{self, CloseCode, Frame};
use crate::wire::message::{self, Message};

/// Everything heard since the beginning of the session, or since it was cleared.
#[derive(Debug, Default)]
pub struct Heard {
    /// Datagrams, whatever they were.
    pub datagrams: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Datagrams that did not open.
    pub strange: usize,
    /// Numbers of the packets that opened.
    pub packets: RangeSet,
    /// Numbers of own packets that were acknowledged.
    pub acked: RangeSet,
    /// The most ranges in one ACK.
    pub most_ranges: usize,
    /// CLOSE frames.
    pub closes: Vec<(CloseCode, String)>,
    /// Control messages, in order.
    pub messages: Vec<Message>,
    /// Pieces of files.
    pub data: Vec<HeardData>,
    /// PATH_RESPONSE frames.
    pub path_responses: Vec<[u8; 8]>,
    /// Steps and shares of RATCHET_OFFER frames.
    pub offers: Vec<(u64, [u8; 32])>,
    /// Steps and shares of RATCHET_ANSWER frames.
    pub answers: Vec<(u64, [u8; 32])>,
    /// The highest MAX_DATA.
    pub max_data: u64,
    /// The highest MAX_CONTROL.
    pub max_control: u64,
    control: Vec<u8>,
    have: RangeSet,
    read: usize,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardData {
    /// The request it answers.
    pub transfer: u64,
    /// Its position in the file.
    pub offset: u64,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Heard {
    /// The code of the only CLOSE, if there was exactly one kind.
    #[must_use]
    pub fn close(&self) -> Option<CloseCode> {
        let (first, _) = self.closes.first()?;
        self.closes.iter().all(|(code, _)| code == first).then_some(*first)
    }

    pub(super) fn packet(&mut self, pn: u64, payload: &[u8]) {
        assert_eq!(self.packets.insert(pn..pn + 1), 1, "a packet number was used twice");
        let mut r = Reader::new(payload);
        while !r.is_empty() {
            let frame = frame::read(&mut r).expect("a real peer writes good frames");
            self.frame(frame);
        }
        self.read_messages();
    }

    fn frame(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Padding | Frame::Ping | Frame::PathChallenge(_) => {}
            Frame::Ack { ranges, .. } => {
                self.most_ranges = self.most_ranges.max(ranges.len());
                ranges.into_iter().for_each(|range| _ = self.acked.insert(range));
            }
            Frame::Close { code, text } => self.closes.push((code, text.to_owned())),
            Frame::PathResponse(token) => self.path_responses.push(token),
            Frame::RatchetOffer { step, share } => self.offers.push((step, share)),
            Frame::RatchetAnswer { step, share } => self.answers.push((step, share)),
            Frame::Control { offset, bytes } => {
                let at = usize::try_from(offset).expect("a short stream");
                let end = at + bytes.len();
                if self.control.len() < end {
                    self.control.resize(end, 0);
                }
                self.control[at..end].copy_from_slice(bytes);
                self.have.insert(at as u64..end as u64);
            }
            Frame::Data { transfer, offset, bytes } => {
                self.data.push(HeardData { transfer, offset, bytes: bytes.to_vec() });
            }
            Frame::Zeros { transfer, offset, len } => {
                let bytes = vec![0; usize::try_from(len).expect("inside a block")];
                self.data.push(HeardData { transfer, offset, bytes });
            }
            Frame::MaxData(limit) => self.max_data = self.max_data.max(limit),
            Frame::MaxControl(limit) => self.max_control = self.max_control.max(limit),
        }
    }

    fn read_messages(&mut self) {
        loop {
            let start = self.read + 4;
            if !self.have.covers(0..start as u64) {
                return;
            }
            let prefix = self.control[self.read..].first_chunk().expect("covered");
            let end = start + usize::try_from(u32::from_be_bytes(*prefix)).expect("a length");
            if !self.have.covers(0..end as u64) {
                return;
            }
            self.messages.push(message::decode(&self.control[start..end]).expect("a real peer writes good messages"));
            self.read = end;
        }
    }
}
