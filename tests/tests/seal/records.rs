//! Records: sealed by one side, opened once by the other, and by nobody else.

use std::time::Instant;

use dpex_core::seal::{Direction, OpenError, Opener, REPLAY_WINDOW, SealError, Sealer, SessionSecrets, TrafficSecret};
use dpex_core::suite::CipherSuite;
use dpex_core::wire::packet::{self, Header, PACKET_NUMBER_LIMIT};
use dpex_tests::SUITE;
use proptest::prelude::*;

use super::support::*;

pub(crate) const CID: [u8; 8] = *b"whatever";

/// One direction of a session: the sealer of one side and the opener of the other.
pub(crate) struct Wire {
    pub(crate) now: Instant,
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    pub(crate) secrets: SessionSecrets,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let (client, server) = handshake();
        let (now, direction) = (Instant::now(), Direction::ClientToServer);
        Self {
            now,
            sealer: Sealer::new(now, &SUITE, &client, direction).expect("keys"),
            opener: Opener::new(&SUITE, &server, direction).expect("keys"),
            secrets: client,
        }
    }

    pub(crate) fn seal(&mut self, pn: u64) -> Vec<u8> {
        self.seal_payload(pn, b"payload")
    }

    pub(crate) fn seal_payload(&mut self, pn: u64, payload: &[u8]) -> Vec<u8> {
        let mut packet = room_for(payload);
        self.sealer.seal_in_place(&CID, pn, &mut packet).expect("sealed");
        packet
    }

    pub(crate) fn open(&mut self, packet: &[u8]) -> Result<u64, OpenError> {
        self.opener.open(self.now, &mut packet.to_vec()).map(|opened| opened.pn)
    }

    /// A packet sealed by hand under epoch 0's key, with whatever header.
    fn handmade(&self, header: Header, flags: u8) -> Vec<u8> {
        let traffic = TrafficSecret::new(&SUITE, self.secrets.traffic(Direction::ClientToServer));
        let mut nonce = *traffic.iv().expose();
        for (byte, pn) in nonce[4..].iter_mut().zip(header.pn.to_be_bytes()) {
            *byte ^= pn;
        }
        let mut packet = room_for(b"payload");
        let (head, body, tag) = packet::split_mut(&mut packet).expect("long enough");
        *head = header.to_bytes();
        head[8] |= flags;
        *tag = SUITE.aead(&traffic.key()).expect("a key").seal(&nonce, head, body).expect("sealed");
        let mut mask = [packet::sample(&packet).expect("long enough")];
        let hp = self.secrets.header_protection(Direction::ClientToServer);
        SUITE.block(hp).expect("a key").encrypt(&mut mask).expect("a mask");
        packet::apply_mask(packet.first_chunk_mut().expect("long enough"), &mask[0]);
        packet
    }
}

fn room_for(payload: &[u8]) -> Vec<u8> {
    [&[0; 17], payload, &[0; 16]].concat()
}

#[test]
fn a_payload_of_any_length_arrives_in_place() {
    let mut wire = Wire::new();
    for (pn, len) in [0, 1, 15, 16, 17, 1167, 1439, 64_967].into_iter().enumerate() {
        let payload: Vec<u8> = (0u8..=255).cycle().take(len).collect();
        let pn = u64::try_from(pn).expect("small");
        let mut packet = wire.seal_payload(pn, &payload);
        assert_eq!(packet.len(), len + 33);
        assert_eq!(packet[..8], CID);
        let opened = wire.opener.open(wire.now, &mut packet).expect("authentic");
        assert_eq!((opened.pn, opened.key_phase_changed), (pn, false));
        assert_eq!(packet[opened.payload], payload);
    }
}

#[test]
fn every_changed_bit_of_a_record_is_refused_and_the_true_one_still_accepted_after() {
    let mut wire = Wire::new();
    let packet = wire.seal(5);
    for (byte, altered) in flipped(&packet, 0..packet.len()) {
        let mut altered = altered;
        let refused = wire.opener.open(wire.now, &mut altered);
        assert!(matches!(refused, Err(OpenError::Silent)), "byte {byte}: {refused:?}");
    }
    assert_eq!(wire.open(&packet), Ok(5));
}

#[test]
fn a_record_too_short_or_cut_or_lengthened_is_refused() {
    let mut wire = Wire::new();
    let packet = wire.seal(0);
    for len in 0..packet.len() {
        assert_eq!(wire.open(&packet[..len]), Err(OpenError::Silent), "{len}");
    }
    assert_eq!(wire.open(&[&packet[..], &[0]].concat()), Err(OpenError::Silent));
    assert_eq!(wire.open(&packet), Ok(0));
}

// REC-6.
#[test]
fn a_failed_opening_leaves_zeros_and_is_counted() {
    let mut wire = Wire::new();
    let mut packet = wire.seal(0);
    *packet.last_mut().expect("not empty") ^= 1;
    let header = packet[..17].to_vec();
    assert_eq!(wire.opener.open(wire.now, &mut packet), Err(OpenError::Silent));
    assert_eq!(packet[..17], header, "the header stays as it came");
    assert_eq!(packet[17..24], [0; 7]);
    assert_eq!(wire.opener.failed_opens(), 1);
}

// REC-9.
#[test]
fn a_record_is_opened_once() {
    let mut wire = Wire::new();
    let packet = wire.seal(3);
    assert_eq!(wire.open(&packet), Ok(3));
    assert_eq!(wire.open(&packet), Err(OpenError::Replay));
    assert_eq!(wire.opener.failed_opens(), 0, "no key was tried");
}

#[test]
fn packets_may_come_in_any_order_within_the_window() {
    let mut wire = Wire::new();
    let [oldest, inside, late] = [0, 1, 2].map(|pn| wire.seal(pn));
    let newest = wire.seal(REPLAY_WINDOW);
    assert_eq!(REPLAY_WINDOW, 8128);
    assert_eq!(wire.open(&late), Ok(2));
    assert_eq!(wire.open(&newest), Ok(8128));
    assert_eq!(wire.open(&inside), Ok(1), "8127 before the newest");
    assert_eq!(wire.open(&oldest), Err(OpenError::Replay), "8128 before the newest");
    assert_eq!(wire.open(&late), Err(OpenError::Replay));
}

// REC-10.
#[test]
fn a_forgery_does_not_move_the_window() {
    let mut wire = Wire::new();
    let first = wire.seal(0);
    let mut far = wire.seal(1_000_000);
    *far.last_mut().expect("not empty") ^= 1;
    assert_eq!(wire.open(&far), Err(OpenError::Silent));
    assert_eq!(wire.opener.highest(), None);
    assert_eq!(wire.open(&first), Ok(0));
}

// REC-1.
#[test]
fn a_packet_number_is_never_sealed_twice() {
    let mut wire = Wire::new();
    wire.seal(7);
    for pn in [7, 6, 0] {
        let mut packet = room_for(b"other");
        assert_eq!(wire.sealer.seal_in_place(&CID, pn, &mut packet), Err(SealError::PacketNumber));
        assert_eq!(packet, room_for(b"other"));
    }
    wire.seal(8);
    assert_eq!(wire.sealer.seal_in_place(&CID, 9, &mut [0; 32]), Err(SealError::TooShort));
}

// REC-8.
#[test]
fn packet_numbers_end_below_two_to_the_62() {
    let mut wire = Wire::new();
    let last = wire.seal(PACKET_NUMBER_LIMIT - 1);
    assert_eq!(wire.open(&last), Ok(PACKET_NUMBER_LIMIT - 1));
    let mut packet = room_for(b"");
    assert_eq!(wire.sealer.seal_in_place(&CID, PACKET_NUMBER_LIMIT, &mut packet), Err(SealError::Limit));
    for pn in [PACKET_NUMBER_LIMIT, u64::MAX] {
        let authentic = wire.handmade(Header { cid: CID, key_phase: false, pn }, 0);
        assert_eq!(wire.open(&authentic), Err(OpenError::Limit), "{pn}");
        let mut forged = authentic;
        *forged.last_mut().expect("not empty") ^= 1;
        assert_eq!(wire.open(&forged), Err(OpenError::Silent), "{pn}: nobody outside can end a session");
    }
}

// REC-5.
#[test]
fn a_reserved_bit_is_refused_even_from_the_peer() {
    let mut wire = Wire::new();
    let header = Header { cid: CID, key_phase: false, pn: 0 };
    for bit in 1..8 {
        let packet = wire.handmade(header, 1 << bit);
        assert_eq!(wire.open(&packet), Err(OpenError::Silent), "bit {bit}");
    }
    let control = wire.handmade(header, 0);
    assert_eq!(wire.open(&control), Ok(0));
}

#[test]
fn the_other_phase_does_not_open_with_this_epochs_key() {
    let mut wire = Wire::new();
    let packet = wire.handmade(Header { cid: CID, key_phase: true, pn: 0 }, 0);
    assert_eq!(wire.open(&packet), Err(OpenError::Silent));
    assert_eq!(wire.opener.epoch(), 0);
}

#[test]
fn the_directions_do_not_open_each_others_packets() {
    let mut wire = Wire::new();
    let packet = wire.seal(0);
    let mut other = Opener::new(&SUITE, &wire.secrets, Direction::ServerToClient).expect("keys");
    assert_eq!(other.open(wire.now, &mut packet.clone()), Err(OpenError::Silent));
    assert_eq!(wire.open(&packet), Ok(0));
}

#[test]
fn only_the_connection_id_is_the_same_in_every_record() {
    let mut wire = Wire::new();
    let packets: Vec<_> = (0..24).map(|pn| wire.seal(pn)).collect();
    assert_eq!(constant_positions(&packets), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_segment_buffer_is_sealed_like_its_packets_one_by_one() {
    let mut wire = Wire::new();
    let mut alone = Sealer::new(wire.now, &SUITE, &wire.secrets, Direction::ClientToServer).expect("keys");
    for (first_pn, count, segment, last) in [(0, 1, 33, 33), (10, 3, 100, 40), (20, 64, 50, 50), (100, 150, 60, 33)] {
        let mut buffer = vec![0x5a; (count - 1) * segment + last];
        let mut expected = buffer.clone();
        wire.sealer.seal_segments(&CID, first_pn, segment, &mut buffer).expect("sealed");
        for (packet, pn) in expected.chunks_mut(segment).zip(first_pn..) {
            alone.seal_in_place(&CID, pn, packet).expect("sealed");
        }
        assert_eq!(buffer, expected);
        let mut masks = vec![[0; 16]; 3];
        wire.opener.masks(segment, &buffer, &mut masks).expect("masks");
        assert_eq!(masks.len(), count);
        for ((packet, mask), pn) in buffer.chunks_mut(segment).zip(&masks).zip(first_pn..) {
            let opened = wire.opener.open_masked(wire.now, mask, packet).expect("authentic");
            assert_eq!(opened.pn, pn);
            assert!(packet[opened.payload].iter().all(|&b| b == 0x5a));
        }
    }
}

#[test]
fn a_segment_without_room_for_a_record_is_not_sealed() {
    let mut wire = Wire::new();
    assert_eq!(wire.sealer.seal_segments(&CID, 0, 32, &mut [0; 64]), Err(SealError::TooShort));
    assert_eq!(wire.sealer.seal_segments(&CID, 0, 0, &mut [0; 64]), Err(SealError::TooShort));
    assert_eq!(wire.sealer.seal_segments(&CID, 0, 40, &mut [0; 60]), Err(SealError::TooShort), "the last one");
    assert_eq!(wire.sealer.seal_segments(&CID, 10, 40, &mut []), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_are_refused_calmly(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        mask: [u8; 16],
        segment in 0usize..80,
    ) {
        let mut wire = Wire::new();
        prop_assert!(wire.open(&bytes).is_err());
        let mut masks = Vec::new();
        wire.opener.masks(segment, &bytes, &mut masks).expect("masks");
        prop_assert!(wire.opener.open_masked(wire.now, &mask, &mut bytes.clone()).is_err());
        prop_assert_eq!(wire.opener.highest(), None);
    }

    #[test]
    fn every_packet_is_opened_exactly_once_in_whatever_order(order in proptest::collection::vec(0usize..40, 0..120)) {
        let mut wire = Wire::new();
        let packets: Vec<_> = (0..40).map(|pn| wire.seal(pn)).collect();
        let mut seen = std::collections::HashSet::new();
        for i in order {
            let pn = u64::try_from(i).expect("small");
            let expected = if seen.insert(i) { Ok(pn) } else { Err(OpenError::Replay) };
            prop_assert_eq!(wire.open(&packets[i]), expected);
        }
    }
}
