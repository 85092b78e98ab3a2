//! Frames and control messages, read from any bytes.

use crate::store::EntryKind;
use crate::types::SharePath;
use crate::wire::codec::Reader;
use crate::wire::frame::{self, Frame};
use crate::wire::message::{self, Message};

/// Reads frames until they end or are malformed; what is read keeps its promises, and is the same if it is written and
/// read again.
pub fn frames(bytes: &[u8]) {
    // No record is longer than what UDP can carry.
    let mut r = Reader::new(bytes.get(..65_507).unwrap_or(bytes));
    while !r.is_empty() {
        let before = r.rest().len();
        let Ok(frame) = frame::read(&mut r) else { return };
        assert!(r.rest().len() < before, "every frame takes bytes");
        match &frame {
            Frame::Ack { ranges, .. } => {
                assert!(!ranges.is_empty() && ranges.len() <= frame::MAX_ACK_RANGES);
                assert!(ranges.iter().all(|range| !range.is_empty()));
                assert!(ranges.is_sorted_by(|above, below| below.end < above.start), "disjoint, highest first");
            }
            Frame::Close { text, .. } => assert!(text.len() <= frame::MAX_CLOSE_TEXT),
            Frame::Data { bytes, .. } => assert!(!bytes.is_empty()),
            Frame::Zeros { len, .. } => assert_ne!(*len, 0),
            _ => {}
        }
        let again = written(&frame);
        let mut r = Reader::new(&again);
        assert_eq!(frame::read(&mut r).as_ref(), Ok(&frame));
        assert!(r.is_empty());
    }
}

fn written(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match *frame {
        Frame::Padding => frame::put_padding(&mut out, 1),
        Frame::Ping => frame::put_ping(&mut out),
        Frame::Ack { delay, ref ranges } => {
            assert_eq!(frame::put_ack(&mut out, delay, ranges, usize::MAX), ranges.len());
        }
        Frame::Close { code, text } => frame::put_close(&mut out, code, text),
        Frame::PathChallenge(token) => frame::put_path_challenge(&mut out, token),
        Frame::PathResponse(token) => frame::put_path_response(&mut out, token),
        Frame::RatchetOffer { step, ref share } => frame::put_ratchet_offer(&mut out, step, share),
        Frame::RatchetAnswer { step, ref share } => frame::put_ratchet_answer(&mut out, step, share),
        Frame::Control { offset, bytes } => frame::put_control(&mut out, offset, bytes),
        Frame::Data { transfer, offset, bytes } => frame::put_data(&mut out, transfer, offset, bytes),
        Frame::Zeros { transfer, offset, len } => frame::put_zeros(&mut out, transfer, offset, len),
        Frame::MaxData(limit) => frame::put_max_data(&mut out, limit),
        Frame::MaxControl(limit) => frame::put_max_control(&mut out, limit),
    }
    out
}

/// Decodes a control message; what is understood is inside its bounds, and is the same if it is written and read again.
pub fn control_message(bytes: &[u8]) {
    let Ok(message) = message::decode(bytes) else { return };
    assert!(bytes.len() <= message::MAX_MESSAGE);
    within_bounds(&message);
    let mut again = Vec::new();
    message::encode(&message, &mut again);
    let (prefix, body) = again.split_first_chunk().expect("a prefix");
    assert_eq!(u32::from_be_bytes(*prefix) as usize, body.len());
    assert_eq!(message::decode(body).as_ref(), Ok(&message));
}

fn within_bounds(message: &Message) {
    let is_path = |path: &SharePath| SharePath::parse(path.as_str()).as_ref() == Ok(path);
    match message {
        Message::List { path, after, .. } => assert!(is_path(path) && after.iter().all(is_path)),
        Message::Get { path, resume, .. } => {
            assert!(is_path(path));
            let held = resume.iter().flat_map(|resume| &resume.held);
            assert!(held.clone().count() <= message::MAX_HELD_RANGES && held.clone().all(|range| !range.is_empty()));
            assert!(held.is_sorted_by(|below, above| below.end <= above.start), "ascending, disjoint");
        }
        Message::Hash { path, .. } => assert!(is_path(path)),
        Message::Page { entries, .. } => {
            assert!(entries.len() <= message::MAX_PAGE_ENTRIES);
            for entry in entries {
                assert!(is_path(&entry.path));
                if let EntryKind::File(meta) = entry.kind {
                    assert!(meta.size < 1 << 62);
                }
            }
        }
        Message::Offer { meta, block_log2, .. } => assert!((16..=24).contains(block_log2) && meta.size < 1 << 62),
        Message::Sums { values, .. } => assert!((1..=message::MAX_SUMS).contains(&values.len())),
        Message::Fail { text, .. } | Message::Notice { text } => assert!(text.len() <= message::MAX_TEXT),
        _ => {}
    }
}
