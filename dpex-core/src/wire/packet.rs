//! The layout of a record (PROTOCOL.md, section 4.1) and the lengths of the other datagrams.
//!
//! Only bytes are moved here: masks, keys and replay belong to [`crate::seal`].

use super::codec::{Malformed, Reader};

/// Bytes of a connection id.
pub const CID_LEN: usize = 8;
/// Bytes before the ciphertext: connection id, flags, packet number.
pub const HEADER_LEN: usize = 17;
/// Bytes of an AES-GCM tag.
pub const TAG_LEN: usize = crate::suite::TAG_LEN;
/// What a record adds to its payload.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;
/// The shortest record: an empty payload.
pub const MIN_RECORD: usize = OVERHEAD;
/// Bytes of INIT and of RESP, each exactly one datagram (HS-2).
pub const HANDSHAKE_LEN: usize = 1200;
/// Bytes of COOKIE.
pub const COOKIE_LEN: usize = 72;
/// Packet numbers are below this (REC-8).
pub const PACKET_NUMBER_LIMIT: u64 = 1 << 62;

const KEY_PHASE: u8 = 1;

/// The 17 bytes before the ciphertext, unmasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Connection id of the receiver's direction.
    pub cid: [u8; CID_LEN],
    /// Epoch modulo 2.
    pub key_phase: bool,
    /// Packet number.
    pub pn: u64,
}

impl Header {
    /// The header as unmasked bytes: what the record's tag covers as associated data.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [a, b, c, d, e, f, g, h] = self.cid;
        let [i, j, k, l, m, n, o, p] = self.pn.to_be_bytes();
        [a, b, c, d, e, f, g, h, u8::from(self.key_phase), i, j, k, l, m, n, o, p]
    }

    /// Reads unmasked bytes (REC-5).
    ///
    /// # Errors
    /// [`Malformed`] if a reserved bit is set.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (cid, flags, pn) = (r.array()?, r.u8()?, r.u64()?);
        if flags & !KEY_PHASE != 0 {
            return Err(Malformed);
        }
        Ok(Self { cid, key_phase: flags & KEY_PHASE != 0, pn })
    }
}

/// The connection id a datagram starts with; `None` if it is too short to be a record (REC-4).
#[must_use]
pub fn cid(datagram: &[u8]) -> Option<[u8; CID_LEN]> {
    if datagram.len() < MIN_RECORD {
        return None;
    }
    datagram.first_chunk().copied()
}

/// The 16 bytes header protection is computed from (RFC 9001, section 5.4): those after the header.
#[must_use]
pub fn sample(packet: &[u8]) -> Option<[u8; 16]> {
    let mut r = Reader::new(packet);
    r.take(HEADER_LEN).ok()?;
    r.array().ok()
}

/// Masks or unmasks flags and packet number: the same operation.
pub fn apply_mask(header: &mut [u8; HEADER_LEN], mask: &[u8; 16]) {
    for (byte, mask) in header.iter_mut().skip(CID_LEN).zip(mask) {
        *byte ^= mask;
    }
}

/// A record taken apart: header, body (plain or sealed), tag. `None` if it is shorter than [`MIN_RECORD`].
#[must_use]
pub fn split_mut(packet: &mut [u8]) -> Option<(&mut [u8; HEADER_LEN], &mut [u8], &mut [u8; TAG_LEN])> {
    let (header, rest) = packet.split_first_chunk_mut()?;
    let (body, tag) = rest.split_last_chunk_mut()?;
    Some((header, body, tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_connection_id_then_flags_then_packet_number() {
        let header = Header { cid: *b"12345678", key_phase: true, pn: 0x0102_0304_0506_0708 };
        assert_eq!(header.to_bytes(), *b"12345678\x01\x01\x02\x03\x04\x05\x06\x07\x08");
    }

    // REC-5.
    #[test]
    fn every_reserved_bit_is_refused() {
        for bit in 1..8 {
            let mut bytes = Header { cid: [0; 8], key_phase: false, pn: 1 }.to_bytes();
            bytes[8] |= 1 << bit;
            assert_eq!(Header::parse(&bytes), Err(Malformed), "bit {bit}");
        }
    }

    // REC-4.
    #[test]
    fn a_record_is_at_least_33_bytes() {
        assert!(cid(&[0; 32]).is_none());
        assert!(split_mut(&mut [0; 32]).is_none());
        assert!(sample(&[0; 32]).is_none());
        assert_eq!(cid(&[7; 33]), Some([7; 8]));
        assert!(split_mut(&mut [0; 33]).is_some_and(|(_, body, _)| body.is_empty()));
        assert_eq!(sample(&[7; 33]), Some([7; 16]));
    }

    #[test]
    fn the_mask_spares_the_connection_id_and_covers_the_other_nine_bytes() {
        let mut header = [0; HEADER_LEN];
        apply_mask(&mut header, &[0xff; 16]);
        assert_eq!(header[..8], [0; 8]);
        assert_eq!(header[8..], [0xff; 9]);
    }

    proptest! {
        #[test]
        fn a_header_reads_back(cid: [u8; 8], key_phase: bool, pn: u64) {
            let header = Header { cid, key_phase, pn };
            prop_assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
        }
    }
}
