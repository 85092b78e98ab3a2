use proptest::prelude::*;

use super::*;
use crate::types::RangeSet;
use crate::wire::codec::VARINT_MAX;

fn all(bytes: &[u8]) -> Result<Vec<Frame<'_>>, Malformed> {
    let mut r = Reader::new(bytes);
    let mut frames = Vec::new();
    while !r.is_empty() {
        frames.push(read(&mut r)?);
    }
    Ok(frames)
}

#[test]
fn every_frame_reads_back_as_it_was_written() {
    let mut out = Vec::new();
    put_ping(&mut out);
    put_close(&mut out, CloseCode::Revoked, "gone");
    put_path_challenge(&mut out, [1; 8]);
    put_path_response(&mut out, [2; 8]);
    put_ratchet_offer(&mut out, 1, &[3; 32]);
    put_ratchet_answer(&mut out, VARINT_MAX, &[4; 32]);
    put_control(&mut out, 70, b"abc");
    put_data(&mut out, 5, 1 << 40, b"xyz");
    put_zeros(&mut out, 5, 1 << 20, 1 << 20);
    put_max_data(&mut out, VARINT_MAX);
    put_max_control(&mut out, 0);
    put_padding(&mut out, 9);
    assert_eq!(
        all(&out).expect("well-formed"),
        [
            Frame::Ping,
            Frame::Close { code: CloseCode::Revoked, text: "gone" },
            Frame::PathChallenge([1; 8]),
            Frame::PathResponse([2; 8]),
            Frame::RatchetOffer { step: 1, share: [3; 32] },
            Frame::RatchetAnswer { step: VARINT_MAX, share: [4; 32] },
            Frame::Control { offset: 70, bytes: b"abc" },
            Frame::Data { transfer: 5, offset: 1 << 40, bytes: b"xyz" },
            Frame::Zeros { transfer: 5, offset: 1 << 20, len: 1 << 20 },
            Frame::MaxData(VARINT_MAX),
            Frame::MaxControl(0),
            Frame::Padding,
        ]
    );
}

// FRM-4.
#[test]
fn a_data_frame_of_length_zero_runs_to_the_end_of_the_packet() {
    let bytes = [DATA, 3, 9, 0, 0, b'a', b'b'];
    assert_eq!(all(&bytes), Ok(vec![Frame::Data { transfer: 3, offset: 9, bytes: b"ab" }]));
    assert_eq!(all(&bytes[..5]), Err(Malformed), "but it may not be empty");
}

// FRM-1, FRM-2, FRM-3, FRM-5.
#[test]
fn malformed_frames_are_refused() {
    for bytes in [
        &[0x0a][..],                 // no such type
        &[0x08, 0, 0, 0, 0],         // reserved: nothing negotiated it
        &[RATCHET_OFFER, 1, 2, 3],   // short
        &[0x7f],                     // no such type
        &[CLOSE, 0, 0, 2, b'x'],     // past the end
        &[CLOSE, 0, 0, 1, 0xff],     // not UTF-8
        &[PATH_CHALLENGE, 1, 2, 3],  // short
        &[CONTROL, 0, 5, b'x'],      // past the end
        &[DATA, 0, 0, 0, 2, b'x'],   // past the end
        &[ZEROS, 0, 0, 0],           // nothing of nothing
        &[ZEROS, 0, 0],              // past the end
        &[ACK, 3, 0, 0, 4],          // below packet number 0
        &[ACK, 3, 0, 1, 0, 2, 0],    // the second range is below 0
        &[ACK, 3, 0, 0x41, 0x00, 0], // 256 further ranges
    ] {
        assert_eq!(all(bytes), Err(Malformed), "{bytes:02x?}");
    }
}

#[test]
fn close_codes_and_their_numbers_agree() {
    for n in 0..20 {
        assert_eq!(CloseCode::from_number(n).number(), n);
    }
}

#[test]
fn a_long_close_text_is_cut_between_characters() {
    let mut out = Vec::new();
    put_close(&mut out, CloseCode::Ok, &"é".repeat(200));
    let frames = all(&out).expect("well-formed");
    assert_eq!(frames, [Frame::Close { code: CloseCode::Ok, text: &"é".repeat(127) }]);
}

proptest! {
    #[test]
    fn acknowledgements_read_back(cuts in proptest::collection::btree_set(0u64..100_000, 2..80), delay in 0u64..1 << 40) {
        let cuts: Vec<u64> = cuts.into_iter().collect();
        let set: RangeSet = cuts.chunks_exact(2).map(|c| c[0]..c[1]).collect();
        let ranges: Vec<_> = set.iter().rev().collect();
        let delay = Duration::from_micros(delay);
        let mut out = Vec::new();
        prop_assert_eq!(put_ack(&mut out, delay, &ranges, 10_000), ranges.len());
        prop_assert_eq!(all(&out), Ok(vec![Frame::Ack { delay, ranges: ranges.clone() }]));
        for room in 0..80 {
            let mut short = Vec::new();
            let n = put_ack(&mut short, delay, &ranges, room);
            prop_assert!(short.len() <= room);
            if n > 0 {
                prop_assert_eq!(all(&short), Ok(vec![Frame::Ack { delay, ranges: ranges[..n].to_vec() }]));
            }
        }
    }

    // BAD-1.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = all(&bytes);
    }
}
