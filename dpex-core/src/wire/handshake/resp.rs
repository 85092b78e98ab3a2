//! RESP: from server to client (PROTOCOL.md, section 3.3).

use super::extensions::{self, Extension, ExtensionsMut};
use super::{SIGNATURE_ROOM, Signed, exactly, put_signature, read_max_udp_payload, signed_parts, timestamp, zero};
use crate::types::Timestamp;
use crate::wire::codec::{Malformed, Reader};
use crate::wire::packet::{HANDSHAKE_LEN, TAG_LEN};

/// Bytes of RESP before `C1`: receiver id and nonce.
pub const RESP_HEAD: usize = 40;
/// Bytes of RESP before `C2`.
pub const RESP_BEFORE_C2: usize = 92;
/// Bytes of RESP's first plaintext, `P1`.
pub const CHOICE: usize = 36;
/// Bytes of RESP's second plaintext, `P2`.
pub const RESP_PAYLOAD: usize = 1092;

const SIGNED: usize = 16;

const _: () = {
    assert!(RESP_BEFORE_C2 == RESP_HEAD + CHOICE + TAG_LEN);
    assert!(HANDSHAKE_LEN == RESP_BEFORE_C2 + RESP_PAYLOAD + TAG_LEN);
};

/// RESP as it travels.
#[derive(Clone, Debug)]
pub struct Resp {
    /// Receiver id and nonce: the associated data of the first ciphertext.
    pub head: [u8; RESP_HEAD],
    /// Which INIT this answers.
    pub rid: [u8; 8],
    /// `N_s`.
    pub nonce: [u8; 32],
    /// The encrypted [`Choice`].
    pub choice: [u8; CHOICE],
    /// Its GCM tag.
    pub choice_tag: [u8; TAG_LEN],
    /// All of the above: the associated data of the second ciphertext.
    pub before_c2: [u8; RESP_BEFORE_C2],
    /// The encrypted payload.
    pub body: [u8; RESP_PAYLOAD],
    /// Its GCM tag.
    pub body_tag: [u8; TAG_LEN],
}

impl Resp {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly [`HANDSHAKE_LEN`] long.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(exactly::<HANDSHAKE_LEN>(datagram)?);
        let before_c2: [u8; RESP_BEFORE_C2] = r.array()?;
        let head: [u8; RESP_HEAD] = Reader::new(&before_c2).array()?;
        let mut h = Reader::new(&before_c2);
        Ok(Self {
            head,
            rid: h.array()?,
            nonce: h.array()?,
            choice: h.array()?,
            choice_tag: h.array()?,
            before_c2,
            body: r.array()?,
            body_tag: r.array()?,
        })
    }
}

/// The server's share and choice, `P1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `e_s`.
    pub share: [u8; 32],
    /// Chosen version, or 0 in a refusal.
    pub version: u16,
    /// Chosen suite, or 0 in a refusal.
    pub suite: u16,
}

impl Choice {
    /// As bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; CHOICE] {
        let mut out = [0; CHOICE];
        let tail = self.version.to_be_bytes().into_iter().chain(self.suite.to_be_bytes());
        out.iter_mut().zip(self.share.into_iter().chain(tail)).for_each(|(to, from)| *to = from);
        out
    }

    /// Reads what [`Self::to_bytes`] writes.
    ///
    /// # Errors
    /// None today: every value can be read. Whether it may be accepted is the reader's decision.
    pub fn parse(bytes: &[u8; CHOICE]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        Ok(Self { share: r.array()?, version: r.u16()?, suite: r.u16()? })
    }
}

/// What RESP says under its signature, `P2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RespPayload {
    /// The largest UDP payload the server takes.
    pub max_udp_payload: u16,
    /// Seconds.
    pub idle_timeout: u16,
    /// The server's clock, whole seconds.
    pub server_time: Timestamp,
    /// Why the server refuses, if it does.
    pub refusal: Option<u16>,
}

impl RespPayload {
    /// The payload as bytes, its signature still to come. A clock before 1970 travels as 0.
    #[must_use]
    pub fn to_bytes(&self) -> Box<[u8; RESP_PAYLOAD]> {
        let mut out = Vec::with_capacity(RESP_PAYLOAD);
        out.extend_from_slice(&self.max_udp_payload.to_be_bytes());
        out.extend_from_slice(&self.idle_timeout.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&u64::try_from(self.server_time.secs()).unwrap_or(0).to_be_bytes());
        out.resize(SIGNED + 2 + SIGNATURE_ROOM, 0);
        let start = out.len();
        out.resize(RESP_PAYLOAD, 0);
        if let Some(code) = self.refusal {
            let error = Extension { kind: extensions::ERROR, critical: true, value: &code.to_be_bytes() };
            ExtensionsMut::new(&mut out[start..]).put(error).expect("six bytes fit into 562");
        }
        out.try_into().expect("resized to this length")
    }

    /// Reads a payload, its signature and its extensions.
    ///
    /// # Errors
    /// [`Malformed`] if a field is out of range, or reserved or padding bytes are not zero.
    pub fn parse(bytes: &[u8; RESP_PAYLOAD]) -> Result<(Self, Signed<'_>), Malformed> {
        let mut r = Reader::new(bytes);
        let max_udp_payload = read_max_udp_payload(&mut r)?;
        let idle_timeout = r.u16()?;
        zero(r.u32()?)?;
        let server_time = timestamp(r.u64()?, 0)?;
        let signed = Signed::read(r)?;
        let refusal = match signed.extensions.clone().find(|e| e.kind == extensions::ERROR) {
            Some(error) => Some(u16::from_be_bytes(error.value.try_into().map_err(|_| Malformed)?)),
            None => None,
        };
        Ok((Self { max_udp_payload, idle_timeout, server_time, refusal }, signed))
    }
}

/// The two parts of `P2` that the server signs.
#[must_use]
pub fn resp_signed_parts(payload: &[u8; RESP_PAYLOAD]) -> [&[u8]; 2] {
    signed_parts(payload, SIGNED)
}

/// Writes the signature into `P2`.
///
/// # Errors
/// [`Malformed`] unless it is 384 or 512 bytes long.
pub fn put_resp_signature(payload: &mut [u8; RESP_PAYLOAD], signature: &[u8]) -> Result<(), Malformed> {
    put_signature(payload, SIGNED, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_resp_stands_at_its_documented_offset() {
        let server_time = Timestamp::new(0x0102_0304, 7).expect("valid");
        let payload = RespPayload { max_udp_payload: 1472, idle_timeout: 30, server_time, refusal: Some(0x0203) };
        let mut bytes = payload.to_bytes();
        put_resp_signature(&mut bytes, &[0x51; 512]).expect("a signature's length");
        let expected: [(usize, &[u8]); 6] = [
            (0, &[0x05, 0xc0, 0, 30, 0, 0, 0, 0]),
            (8, &[0, 0, 0, 0, 1, 2, 3, 4]),
            (16, &[2, 0]),
            (18, &[0x51; 512]),
            (530, &[0x80, 1, 0, 2, 2, 3]),
            (536, &[0; 556]),
        ];
        for (offset, field) in expected {
            assert_eq!(bytes[offset..offset + field.len()], *field, "offset {offset}");
        }
        let [before, after] = resp_signed_parts(&bytes);
        assert_eq!((before, after), (&bytes[..16], &bytes[530..]));
        assert_eq!(after.len(), 562);
    }

    #[test]
    fn a_clock_before_1970_is_told_as_zero() {
        let server_time = Timestamp::new(-1, 0).expect("valid");
        let resp = RespPayload { max_udp_payload: 1200, idle_timeout: 0, server_time, refusal: None };
        assert_eq!(resp.to_bytes()[8..16], [0; 8]);
    }
}
