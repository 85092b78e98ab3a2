//! The layouts of INIT, RESP and COOKIE (PROTOCOL.md, sections 3.2, 3.3 and 3.7), sealed and in plain.
//!
//! Whether anything in them is authentic is for [`crate::seal`] to say.

pub mod extensions;

use crate::types::{Fingerprint, Timestamp};
use crate::wire::codec::{Malformed, Reader};
use crate::wire::packet::{COOKIE_LEN, HANDSHAKE_LEN, TAG_LEN};
use extensions::{Extension, Extensions, ExtensionsMut};

/// The protocol version this implementation speaks.
pub const VERSION_1: u16 = 1;
/// RSA-PSS-SHA256, PSK, X25519, AES-256-GCM, HKDF-SHA-256.
pub const SUITE_1: u16 = 1;
/// [`SUITE_1`] and a mandatory ML-KEM-768 ratchet.
pub const SUITE_2: u16 = 2;

/// Bytes of INIT that are not encrypted: nonce and tag.
pub const INIT_HEAD: usize = 48;
/// Bytes of INIT that `mac1` covers.
pub const BEFORE_MAC1: usize = 1168;
/// Bytes of INIT that `mac2` covers.
pub const BEFORE_MAC2: usize = 1184;
/// Bytes of INIT's plaintext, `P_init`.
pub const INIT_PAYLOAD: usize = 1104;
/// Bytes of RESP before `C1`: receiver id and nonce.
pub const RESP_HEAD: usize = 40;
/// Bytes of RESP before `C2`.
pub const RESP_BEFORE_C2: usize = 92;
/// Bytes of RESP's first plaintext, `P1`.
pub const CHOICE: usize = 36;
/// Bytes of RESP's second plaintext, `P2`.
pub const RESP_PAYLOAD: usize = 1092;
/// Bytes of COOKIE before its ciphertext.
pub const COOKIE_HEAD: usize = 40;
/// The smallest UDP payload both sides must accept.
pub const MIN_UDP_PAYLOAD: u16 = 1200;

const SIGNATURE_ROOM: usize = 512;
const INIT_SIGNED: usize = 132;
const RESP_SIGNED: usize = 16;

const _: () = {
    assert!(BEFORE_MAC1 == INIT_HEAD + INIT_PAYLOAD + TAG_LEN);
    assert!(HANDSHAKE_LEN == BEFORE_MAC2 + 16 && BEFORE_MAC2 == BEFORE_MAC1 + 16);
    assert!(RESP_BEFORE_C2 == RESP_HEAD + CHOICE + TAG_LEN);
    assert!(HANDSHAKE_LEN == RESP_BEFORE_C2 + RESP_PAYLOAD + TAG_LEN);
    assert!(COOKIE_LEN == COOKIE_HEAD + 16 + TAG_LEN);
};

/// Up to four code points in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Preferences([u16; 4]);

impl Preferences {
    /// The first four of `codes`; zeros mean nothing and are left out.
    #[must_use]
    pub fn new(codes: &[u16]) -> Self {
        let mut slots = [0; 4];
        slots.iter_mut().zip(codes.iter().filter(|&&c| c != 0)).for_each(|(slot, &code)| *slot = code);
        Self(slots)
    }

    /// The codes, most preferred first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied().filter(|&code| code != 0)
    }

    /// Is `code` among them? 0 never is.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.iter().any(|c| c == code)
    }

    /// The most preferred one that `supported` has too.
    #[must_use]
    pub fn first_in(&self, supported: &[u16]) -> Option<u16> {
        self.iter().find(|code| supported.contains(code))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self([r.u16()?, r.u16()?, r.u16()?, r.u16()?]))
    }
}

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

/// The part of a payload that every handshake message ends in.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// RSASSA-PSS, 384 or 512 bytes.
    pub signature: &'a [u8],
    /// What follows it.
    pub extensions: Extensions<'a>,
}

impl<'a> Signed<'a> {
    fn read(mut r: Reader<'a>) -> Result<Self, Malformed> {
        let len = usize::from(r.u16()?);
        let mut room = Reader::new(r.take(SIGNATURE_ROOM)?);
        if !is_signature_len(len) {
            return Err(Malformed);
        }
        let signature = room.take(len)?;
        if room.rest().iter().any(|&b| b != 0) {
            return Err(Malformed);
        }
        Ok(Self { signature, extensions: Extensions::parse(r.rest())? })
    }
}

/// The two parts of `P_init` that the client signs.
#[must_use]
pub fn init_signed_parts(payload: &[u8; INIT_PAYLOAD]) -> [&[u8]; 2] {
    signed_parts(payload, INIT_SIGNED)
}

/// The two parts of `P2` that the server signs.
#[must_use]
pub fn resp_signed_parts(payload: &[u8; RESP_PAYLOAD]) -> [&[u8]; 2] {
    signed_parts(payload, RESP_SIGNED)
}

/// Writes the signature into `P_init`.
///
/// # Errors
/// [`Malformed`] unless it is 384 or 512 bytes long.
pub fn put_init_signature(payload: &mut [u8; INIT_PAYLOAD], signature: &[u8]) -> Result<(), Malformed> {
    put_signature(payload, INIT_SIGNED, signature)
}

/// Writes the signature into `P2`.
///
/// # Errors
/// [`Malformed`] unless it is 384 or 512 bytes long.
pub fn put_resp_signature(payload: &mut [u8; RESP_PAYLOAD], signature: &[u8]) -> Result<(), Malformed> {
    put_signature(payload, RESP_SIGNED, signature)
}

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
        out.resize(RESP_SIGNED + 2 + SIGNATURE_ROOM, 0);
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

/// COOKIE as it travels.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    /// Receiver id and salt: the associated data.
    pub head: [u8; COOKIE_HEAD],
    /// Which INIT this answers.
    pub rid: [u8; 8],
    /// `R`.
    pub salt: [u8; 32],
    /// The encrypted cookie.
    pub cookie: [u8; 16],
    /// Its GCM tag.
    pub tag: [u8; TAG_LEN],
}

impl Cookie {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// [`Malformed`] if it is not exactly [`COOKIE_LEN`] long.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(exactly::<COOKIE_LEN>(datagram)?);
        let head: [u8; COOKIE_HEAD] = r.array()?;
        let mut h = Reader::new(&head);
        Ok(Self { rid: h.array()?, salt: h.array()?, head, cookie: r.array()?, tag: r.array()? })
    }
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

fn timestamp(secs: u64, nanos: u32) -> Result<Timestamp, Malformed> {
    Timestamp::new(i64::try_from(secs).map_err(|_| Malformed)?, nanos).ok_or(Malformed)
}

fn read_max_udp_payload(r: &mut Reader<'_>) -> Result<u16, Malformed> {
    Some(r.u16()?).filter(|&max| max >= MIN_UDP_PAYLOAD).ok_or(Malformed)
}

fn zero(reserved: u32) -> Result<(), Malformed> {
    if reserved == 0 { Ok(()) } else { Err(Malformed) }
}

fn exactly<const N: usize>(datagram: &[u8]) -> Result<&[u8; N], Malformed> {
    datagram.try_into().map_err(|_| Malformed)
}

fn is_signature_len(len: usize) -> bool {
    matches!(len, 384 | 512)
}

fn signed_parts(payload: &[u8], before: usize) -> [&[u8]; 2] {
    let (front, rest) = payload.split_at(before);
    let (_, after) = rest.split_at(2 + SIGNATURE_ROOM);
    [front, after]
}

fn put_signature(payload: &mut [u8], at: usize, signature: &[u8]) -> Result<(), Malformed> {
    if !is_signature_len(signature.len()) {
        return Err(Malformed);
    }
    let len = u16::try_from(signature.len()).map_err(|_| Malformed)?;
    let bytes = len.to_be_bytes().into_iter().chain(signature.iter().copied()).chain(std::iter::repeat(0));
    payload.iter_mut().skip(at).take(2 + SIGNATURE_ROOM).zip(bytes).for_each(|(to, from)| *to = from);
    Ok(())
}
