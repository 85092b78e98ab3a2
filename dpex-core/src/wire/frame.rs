//! Frames: what an opened record holds (PROTOCOL.md, section 5). Reading never allocates but for acknowledgement ranges.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use super::codec::{Malformed, Reader, put_varint, varint_len};

/// Most ranges an ACK may carry.
pub const MAX_ACK_RANGES: usize = 256;
/// Longest explanation in a CLOSE, in bytes.
pub const MAX_CLOSE_TEXT: usize = 255;
/// Bytes of a DATA frame before its content, at most: type, transfer, offset, length.
pub const DATA_OVERHEAD: usize = 1 + 8 + 8 + 2;
/// Room in a packet that is not worth a frame.
pub const SCRAP: usize = DATA_OVERHEAD + 16;
/// Bytes of a ZEROS frame, at most: type, transfer, offset, length.
pub const ZEROS_LEN: usize = 1 + 8 + 8 + 8;
/// Bytes of a RATCHET_OFFER or RATCHET_ANSWER, at most: type, step, share.
pub const RATCHET_LEN: usize = 1 + 8 + 32;
/// Bytes of a CONTROL frame before its content, at most: type, offset, length.
pub const CONTROL_OVERHEAD: usize = 1 + 8 + 4;

// FRM-1.
const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const CLOSE: u8 = 0x03;
const PATH_CHALLENGE: u8 = 0x04;
const PATH_RESPONSE: u8 = 0x05;
const RATCHET_OFFER: u8 = 0x06;
const RATCHET_ANSWER: u8 = 0x07;
const CONTROL: u8 = 0x11;
const DATA: u8 = 0x12;
const MAX_DATA: u8 = 0x13;
const MAX_CONTROL: u8 = 0x14;
const ZEROS: u8 = 0x15;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Nothing left to do.
    Ok,
    /// The peer broke the protocol.
    Protocol,
    /// A key may not be used any more.
    KeyLimit,
    /// Nothing was heard for the idle time-out.
    Idle,
    /// The enrolment was revoked or has expired.
    Revoked,
    /// The program ends.
    Shutdown,
    /// Too many sessions of this person.
    TooManySessions,
    /// A fault of the sender's own.
    Internal,
    /// The policy demands the post-quantum suite.
    PqRequired,
    /// A code this version does not know.
    Other(u16),
}

impl CloseCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::Protocol => 1,
            Self::KeyLimit => 2,
            Self::Idle => 3,
            Self::Revoked => 4,
            Self::Shutdown => 5,
            Self::TooManySessions => 6,
            Self::Internal => 7,
            Self::PqRequired => 8,
            Self::Other(code) => code,
        }
    }

    /// What a number on the wire means.
    #[must_use]
    pub fn from_number(code: u16) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Protocol,
            2 => Self::KeyLimit,
            3 => Self::Idle,
            4 => Self::Revoked,
            5 => Self::Shutdown,
            6 => Self::TooManySessions,
            7 => Self::Internal,
            8 => Self::PqRequired,
            other => Self::Other(other),
        }
    }
}

/// One frame, borrowed from the record it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// One or more bytes of padding.
    Padding,
    /// Asks for an acknowledgement.
    Ping,
    /// What was received.
    Ack {
        /// How long the acknowledgement of the highest packet was held back.
        delay: Duration,
        /// Packet numbers received, highest range first, never empty, disjoint and not adjacent.
        ranges: Vec<Range<u64>>,
    },
    /// Ends the session.
    Close {
        /// Why.
        code: CloseCode,
        /// For a log; at most [`MAX_CLOSE_TEXT`] bytes of UTF-8.
        text: &'a str,
    },
    /// Asks that these bytes be sent back over the path they came by.
    PathChallenge([u8; 8]),
    /// The bytes of a challenge.
    PathResponse([u8; 8]),
    /// A client's fresh share for the ratchet step of this number.
    RatchetOffer {
        /// Counted from 1.
        step: u64,
        /// X25519.
        share: [u8; 32],
    },
    /// The server's share for it.
    RatchetAnswer {
        /// The step that is answered.
        step: u64,
        /// X25519.
        share: [u8; 32],
    },
    /// Part of the control stream.
    Control {
        /// Position of the first byte in the stream.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Part of a file.
    Data {
        /// The request it answers.
        transfer: u64,
        /// Position of the first byte in the file.
        offset: u64,
        /// The bytes, never empty.
        bytes: &'a [u8],
    },
    /// Part of a file that holds nothing but zeros.
    Zeros {
        /// The request it answers.
        transfer: u64,
        /// Position of the first byte in the file.
        offset: u64,
        /// How many bytes, at least 1.
        len: u64,
    },
    /// Block bytes that may be opened in this session, cumulative.
    MaxData(u64),
    /// Control stream bytes that may be sent in this session, cumulative.
    MaxControl(u64),
}

impl Frame<'_> {
    /// Must a packet holding it be acknowledged?
    #[must_use]
    pub fn is_eliciting(&self) -> bool {
        !matches!(self, Self::Padding | Self::Ack { .. } | Self::Close { .. })
    }
}

/// Reads the next frame.
///
/// # Errors
/// [`Malformed`] for an unknown type, a frame past the end, or a value that its type does not allow (FRM-1, FRM-2, FRM-3,
/// FRM-4, FRM-5).
pub fn read<'a>(r: &mut Reader<'a>) -> Result<Frame<'a>, Malformed> {
    match r.u8()? {
        PADDING => {
            let run = r.rest().iter().take_while(|&&b| b == PADDING).count();
            r.take(run)?;
            Ok(Frame::Padding)
        }
        PING => Ok(Frame::Ping),
        ACK => read_ack(r),
        CLOSE => {
            let code = CloseCode::from_number(r.u16()?);
            let len = usize::from(r.u8()?);
            let text = std::str::from_utf8(r.take(len)?).map_err(|_| Malformed)?;
            Ok(Frame::Close { code, text })
        }
        PATH_CHALLENGE => Ok(Frame::PathChallenge(r.array()?)),
        PATH_RESPONSE => Ok(Frame::PathResponse(r.array()?)),
        RATCHET_OFFER => Ok(Frame::RatchetOffer { step: r.varint()?, share: r.array()? }),
        RATCHET_ANSWER => Ok(Frame::RatchetAnswer { step: r.varint()?, share: r.array()? }),
        CONTROL => {
            let offset = r.varint()?;
            let len = r.varint_len(usize::from(u16::MAX))?;
            Ok(Frame::Control { offset, bytes: r.take(len)? })
        }
        DATA => {
            let transfer = r.varint()?;
            let offset = r.varint()?;
            let bytes = match r.u16()? {
                0 => r.take(r.rest().len())?,
                len => r.take(usize::from(len))?,
            };
            if bytes.is_empty() {
                return Err(Malformed);
            }
            Ok(Frame::Data { transfer, offset, bytes })
        }
        ZEROS => {
            let (transfer, offset, len) = (r.varint()?, r.varint()?, r.varint()?);
            if len == 0 { Err(Malformed) } else { Ok(Frame::Zeros { transfer, offset, len }) }
        }
        MAX_DATA => Ok(Frame::MaxData(r.varint()?)),
        MAX_CONTROL => Ok(Frame::MaxControl(r.varint()?)),
        _ => Err(Malformed),
    }
}

fn read_ack<'a>(r: &mut Reader<'a>) -> Result<Frame<'a>, Malformed> {
    let largest = r.varint()?;
    let delay = Duration::from_micros(r.varint()?);
    let count = r.varint_len(MAX_ACK_RANGES - 1)?;
    let mut low = largest.checked_sub(r.varint()?).ok_or(Malformed)?;
    let mut ranges = Vec::with_capacity(count + 1);
    ranges.push(low..largest + 1);
    for _ in 0..count {
        // As RFC 9000, section 19.3.1: the gap and the length count one less than they span.
        let high = low.checked_sub(r.varint()?).and_then(|v| v.checked_sub(2)).ok_or(Malformed)?;
        low = high.checked_sub(r.varint()?).ok_or(Malformed)?;
        ranges.push(low..high + 1);
    }
    Ok(Frame::Ack { delay, ranges })
}

/// Appends PADDING up to `len` bytes in all.
pub fn put_padding(out: &mut Vec<u8>, bytes: usize) {
    out.resize(out.len() + bytes, PADDING);
}

/// Appends a PING.
pub fn put_ping(out: &mut Vec<u8>) {
    out.push(PING);
}

/// Appends an ACK of as many of `ranges` (highest first, at least one) as fit into `room` bytes. Returns how many did.
pub fn put_ack(out: &mut Vec<u8>, delay: Duration, ranges: &[Range<u64>], room: usize) -> usize {
    let Some((first, rest)) = ranges.split_first() else { return 0 };
    let largest = first.end - 1;
    let delay = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    let mut body = Vec::with_capacity(room.min(64));
    let mut used = 1 + varint_len(largest) + varint_len(delay) + 2 + varint_len(largest - first.start);
    if used > room {
        return 0;
    }
    let (mut count, mut low) = (0, first.start);
    for r in rest.iter().take(MAX_ACK_RANGES - 1) {
        let (gap, len) = (low - r.end - 1, r.end - 1 - r.start);
        used += varint_len(gap) + varint_len(len);
        if used > room {
            break;
        }
        put_varint(&mut body, gap);
        put_varint(&mut body, len);
        (count, low) = (count + 1, r.start);
    }
    out.push(ACK);
    put_varint(out, largest);
    put_varint(out, delay);
    put_varint(out, count);
    put_varint(out, largest - first.start);
    out.extend_from_slice(&body);
    usize::try_from(count).expect("at most MAX_ACK_RANGES") + 1
}

/// Appends a CLOSE; the text is cut at a character boundary to [`MAX_CLOSE_TEXT`] bytes.
pub fn put_close(out: &mut Vec<u8>, code: CloseCode, text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_CLOSE_TEXT)];
    out.push(CLOSE);
    out.extend_from_slice(&code.number().to_be_bytes());
    out.push(u8::try_from(text.len()).expect("cut above"));
    out.extend_from_slice(text.as_bytes());
}

/// Appends a PATH_CHALLENGE.
pub fn put_path_challenge(out: &mut Vec<u8>, token: [u8; 8]) {
    out.push(PATH_CHALLENGE);
    out.extend_from_slice(&token);
}

/// Appends a PATH_RESPONSE.
pub fn put_path_response(out: &mut Vec<u8>, token: [u8; 8]) {
    out.push(PATH_RESPONSE);
    out.extend_from_slice(&token);
}

/// Appends a RATCHET_OFFER.
pub fn put_ratchet_offer(out: &mut Vec<u8>, step: u64, share: &[u8; 32]) {
    out.push(RATCHET_OFFER);
    put_varint(out, step);
    out.extend_from_slice(share);
}

/// Appends a RATCHET_ANSWER.
pub fn put_ratchet_answer(out: &mut Vec<u8>, step: u64, share: &[u8; 32]) {
    out.push(RATCHET_ANSWER);
    put_varint(out, step);
    out.extend_from_slice(share);
}

/// Appends a CONTROL frame.
pub fn put_control(out: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    out.push(CONTROL);
    put_varint(out, offset);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes of a DATA frame before its content.
#[must_use]
pub fn data_overhead(transfer: u64, offset: u64) -> usize {
    1 + varint_len(transfer) + varint_len(offset) + 2
}

/// Appends a DATA frame with an explicit length; `bytes` is neither empty nor longer than 65,535.
pub fn put_data(out: &mut Vec<u8>, transfer: u64, offset: u64, bytes: &[u8]) {
    out.push(DATA);
    put_varint(out, transfer);
    put_varint(out, offset);
    out.extend_from_slice(&u16::try_from(bytes.len()).expect("a datagram is smaller").to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a ZEROS; `len` is not 0.
pub fn put_zeros(out: &mut Vec<u8>, transfer: u64, offset: u64, len: u64) {
    out.push(ZEROS);
    put_varint(out, transfer);
    put_varint(out, offset);
    put_varint(out, len);
}

/// Appends a MAX_DATA.
pub fn put_max_data(out: &mut Vec<u8>, limit: u64) {
    out.push(MAX_DATA);
    put_varint(out, limit);
}

/// Appends a MAX_CONTROL.
pub fn put_max_control(out: &mut Vec<u8>, limit: u64) {
    out.push(MAX_CONTROL);
    put_varint(out, limit);
}
