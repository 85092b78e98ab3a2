//! INIT: from client to server (PROTOCOL.md, section 3.2).

use super::{Preferences, Signed, exactly, put_signature, read_max_udp_payload, signed_parts, timestamp, zero};
use crate::types::{Fingerprint, Timestamp};
use crate::wire::codec::{Malformed, Reader};
use crate::wire::packet::{HANDSHAKE_LEN, TAG_LEN};

/// Bytes of INIT that are not encrypted: nonce and tag.
pub const INIT_HEAD: usize = 48;
/// Bytes of INIT that `mac1` covers.
pub const BEFORE_MAC1: usize = 1168;
/// Bytes of INIT that `mac2` covers.
pub const BEFORE_MAC2: usize = 1184;
/// Bytes of INIT's plaintext, `P_init`.
pub const INIT_PAYLOAD: usize = 1104;

const SIGNED: usize = 132;

const _: () = {
    assert!(BEFORE_MAC1 == INIT_HEAD + INIT_PAYLOAD + TAG_LEN);
    assert!(HANDSHAKE_LEN == BEFORE_MAC2 + 16 && BEFORE_MAC2 == BEFORE_MAC1 + 16);
};

/// INIT as it travels.
#[derive(Clone, Debug)]
pub struct Init<'a> {
    /// Nonce and tag: the associated data.
    pub head: [u8; INIT_HEAD],
    /// `N_c`.
    pub nonce: [u8; 32],
    /// Names the enrolment to the one who has its key.
    pub tag: [u8; 16],
    /// The encrypted payload.
    pub body: [u8; INIT_PAYLOAD],
    /// The payload's GCM tag.
    pub body_tag: [u8; TAG_LEN],
    /// What `mac1` covers.
    pub before_mac1: &'a [u8],
    /// The server-wide gate.
    pub mac1: [u8; 16],
    /// What `mac2` covers.
    pub before_mac2: &'a [u8],
    /// Proof of address, or random.
    pub mac2: [u8; 16],
}

impl<'a> Init<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly [`HANDSHAKE_LEN`] long.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(exactly::<HANDSHAKE_LEN>(datagram)?);
        let head: [u8; INIT_HEAD] = r.array()?;
        let mut h = Reader::new(&head);
        Ok(Self {
            nonce: h.array()?,
            tag: h.array()?,
            head,
            body: r.array()?,
            body_tag: r.array()?,
            before_mac1: Reader::new(datagram).take(BEFORE_MAC1)?,
            mac1: r.array()?,
            before_mac2: Reader::new(datagram).take(BEFORE_MAC2)?,
            mac2: r.array()?,
        })
    }
}

/// What INIT says, `P_init`, without its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitPayload {
    /// `e_c`.
    pub share: [u8; 32],
    /// Strictly increasing for one enrolment.
    pub stamp: Timestamp,
    /// Offered protocol versions.
    pub versions: Preferences,
    /// Offered suites.
    pub suites: Preferences,
    /// Whom the client means to reach.
    pub server: Fingerprint,
    /// Who the client is.
    pub client: Fingerprint,
    /// The largest UDP payload the client takes.
    pub max_udp_payload: u16,
    /// Seconds.
    pub idle_timeout: u16,
}

impl InitPayload {
    /// The payload as bytes, its signature still to come. `None` for a stamp before 1970, which cannot travel.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Box<[u8; INIT_PAYLOAD]>> {
        let mut out = Vec::with_capacity(INIT_PAYLOAD);
        out.extend_from_slice(&self.share);
        out.extend_from_slice(&stamp_bytes(self.stamp)?);
        for code in self.versions.0.iter().chain(&self.suites.0) {
            out.extend_from_slice(&code.to_be_bytes());
        }
        out.extend_from_slice(self.server.as_bytes());
        out.extend_from_slice(self.client.as_bytes());
        out.extend_from_slice(&self.max_udp_payload.to_be_bytes());
        out.extend_from_slice(&self.idle_timeout.to_be_bytes());
        out.resize(INIT_PAYLOAD, 0);
        out.try_into().ok()
    }

    /// Reads a payload whose signature and extensions come after it.
    ///
    /// # Errors
    /// [`Malformed`] if a field is out of range, or reserved or padding bytes are not zero.
    pub fn parse(bytes: &[u8; INIT_PAYLOAD]) -> Result<(Self, Signed<'_>), Malformed> {
        let mut r = Reader::new(bytes);
        let payload = Self {
            share: r.array()?,
            stamp: read_stamp(&mut r)?,
            versions: Preferences::read(&mut r)?,
            suites: Preferences::read(&mut r)?,
            server: Fingerprint(r.array()?),
            client: Fingerprint(r.array()?),
            max_udp_payload: read_max_udp_payload(&mut r)?,
            idle_timeout: r.u16()?,
        };
        zero(r.u32()?)?;
        Ok((payload, Signed::read(r)?))
    }
}

/// The two parts of `P_init` that the client signs.
#[must_use]
pub fn init_signed_parts(payload: &[u8; INIT_PAYLOAD]) -> [&[u8]; 2] {
    signed_parts(payload, SIGNED)
}

/// Writes the signature into `P_init`.
///
/// # Errors
/// [`Malformed`] unless it is 384 or 512 bytes long.
pub fn put_init_signature(payload: &mut [u8; INIT_PAYLOAD], signature: &[u8]) -> Result<(), Malformed> {
    put_signature(payload, SIGNED, signature)
}

/// A stamp as it travels: `u64` seconds, `u32` nanoseconds. `None` before 1970.
#[must_use]
pub fn stamp_bytes(stamp: Timestamp) -> Option<[u8; 12]> {
    let secs = u64::try_from(stamp.secs()).ok()?;
    let value = u128::from(secs) << 32 | u128::from(stamp.nanos());
    value.to_be_bytes().last_chunk().copied()
}

fn read_stamp(r: &mut Reader<'_>) -> Result<Timestamp, Malformed> {
    timestamp(r.u64()?, r.u32()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> InitPayload {
        InitPayload {
            share: [0xe1; 32],
            stamp: Timestamp::new(0x0102_0304, 0x0506_0708).expect("valid"),
            versions: Preferences::new(&[1]),
            suites: Preferences::new(&[2, 1]),
            server: Fingerprint([0xf1; 32]),
            client: Fingerprint([0xf2; 32]),
            max_udp_payload: 1472,
            idle_timeout: 30,
        }
    }

    #[test]
    fn every_field_of_init_stands_at_its_documented_offset() {
        let mut bytes = payload().to_bytes().expect("after 1970");
        put_init_signature(&mut bytes, &[0x51; 384]).expect("a signature's length");
        let expected: [(usize, &[u8]); 12] = [
            (0, &[0xe1; 32]),
            (32, &[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
            (44, &[0, 1, 0, 0, 0, 0, 0, 0]),
            (52, &[0, 2, 0, 1, 0, 0, 0, 0]),
            (60, &[0xf1; 32]),
            (92, &[0xf2; 32]),
            (124, &[0x05, 0xc0]),
            (126, &[0, 30]),
            (128, &[0; 4]),
            (132, &[1, 0x80]),
            (134, &[0x51; 384]),
            (518, &[0; 586]),
        ];
        for (offset, field) in expected {
            assert_eq!(bytes[offset..offset + field.len()], *field, "offset {offset}");
        }
        let [before, after] = init_signed_parts(&bytes);
        assert_eq!((before, after), (&bytes[..132], &bytes[646..]));
        assert_eq!(after.len(), 458);
    }

    #[test]
    fn a_stamp_before_1970_cannot_travel() {
        let early = Timestamp::new(-1, 0).expect("valid");
        assert!(InitPayload { stamp: early, ..payload() }.to_bytes().is_none());
    }
}
