//! The layouts of INIT, RESP and COOKIE (PROTOCOL.md, sections 3.2, 3.3 and 3.7), sealed and in plain.
//!
//! Whether anything in them is authentic is for [`crate::seal`] to say.

mod cookie;
pub mod extensions;
mod init;
mod resp;

pub use cookie::{COOKIE_HEAD, Cookie};
pub use init::{
    BEFORE_MAC1, BEFORE_MAC2, INIT_HEAD, INIT_PAYLOAD, Init, InitPayload, init_signed_parts, put_init_signature,
    stamp_bytes,
};
pub use resp::{
    CHOICE, Choice, RESP_BEFORE_C2, RESP_HEAD, RESP_PAYLOAD, Resp, RespPayload, put_resp_signature, resp_signed_parts,
};

use crate::types::Timestamp;
use crate::wire::codec::{Malformed, Reader};
use extensions::Extensions;

/// The protocol version this implementation speaks.
pub const VERSION_1: u16 = 1;
/// RSA-PSS-SHA256, PSK, X25519, AES-256-GCM, HKDF-SHA-256.
pub const SUITE_1: u16 = 1;
/// [`SUITE_1`] and a mandatory ML-KEM-768 ratchet.
pub const SUITE_2: u16 = 2;

/// The smallest UDP payload both sides must accept.
pub const MIN_UDP_PAYLOAD: u16 = 1200;

const SIGNATURE_ROOM: usize = 512;

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

/// The part of a payload that every handshake message ends in.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// RSASSA-PSS, 384 or 512 bytes.
    pub signature: &'a [u8],
    /// What follows it.
    pub extensions: Extensions<'a>,
}

impl<'a> Signed<'a> {
    // HS-8.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Fingerprint;
    use crate::wire::packet::{COOKIE_LEN, HANDSHAKE_LEN};

    #[test]
    fn the_datagrams_are_cut_at_their_documented_offsets() {
        let bytes: Vec<u8> = (0u8..=250).cycle().take(HANDSHAKE_LEN).collect();
        let init = Init::parse(&bytes).expect("its length");
        assert_eq!((&init.head[..], &init.nonce[..], &init.tag[..]), (&bytes[..48], &bytes[..32], &bytes[32..48]));
        assert_eq!((&init.body[..], &init.body_tag[..]), (&bytes[48..1152], &bytes[1152..1168]));
        assert_eq!((init.before_mac1, &init.mac1[..]), (&bytes[..1168], &bytes[1168..1184]));
        assert_eq!((init.before_mac2, &init.mac2[..]), (&bytes[..1184], &bytes[1184..]));
        let resp = Resp::parse(&bytes).expect("its length");
        assert_eq!((&resp.head[..], &resp.rid[..], &resp.nonce[..]), (&bytes[..40], &bytes[..8], &bytes[8..40]));
        assert_eq!((&resp.choice[..], &resp.choice_tag[..]), (&bytes[40..76], &bytes[76..92]));
        assert_eq!((&resp.before_c2[..], &resp.body[..]), (&bytes[..92], &bytes[92..1184]));
        assert_eq!(resp.body_tag[..], bytes[1184..]);
        let cookie = Cookie::parse(&bytes[..COOKIE_LEN]).expect("its length");
        assert_eq!((&cookie.head[..], &cookie.rid[..], &cookie.salt[..]), (&bytes[..40], &bytes[..8], &bytes[8..40]));
        assert_eq!((&cookie.cookie[..], &cookie.tag[..]), (&bytes[40..56], &bytes[56..72]));
    }

    #[test]
    fn preferences_keep_their_order_and_leave_zeros_out() {
        let ours = Preferences::new(&[0, 3, 0, 1, 2, 7, 8]);
        assert_eq!(ours.iter().collect::<Vec<_>>(), [3, 1, 2, 7]);
        assert!(ours.contains(7) && !ours.contains(8) && !ours.contains(0));
        assert_eq!(ours.first_in(&[2, 1]), Some(1), "by our order, not theirs");
        assert_eq!(ours.first_in(&[0, 9]), None);
        assert!(!Preferences::default().contains(0));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            share: [u8; 32], secs in 0..i64::MAX, nanos in 0..1_000_000_000u32,
            versions: [u16; 4], suites: [u16; 4], server: [u8; 32], client: [u8; 32],
            max_udp_payload in 1200u16.., idle_timeout: u16, long: bool, refusal: Option<u16>,
        ) {
            let stamp = Timestamp::new(secs, nanos).expect("valid");
            let (versions, suites) = (Preferences::new(&versions), Preferences::new(&suites));
            let (server, client) = (Fingerprint(server), Fingerprint(client));
            let payload =
                InitPayload { share, stamp, versions, suites, server, client, max_udp_payload, idle_timeout };
            let signature = vec![0xab; if long { 512 } else { 384 }];
            let mut bytes = payload.to_bytes().expect("after 1970");
            prop_assert!(InitPayload::parse(&bytes).is_err(), "not signed yet");
            put_init_signature(&mut bytes, &signature).expect("a signature's length");
            let (read, signed) = InitPayload::parse(&bytes).expect("well-formed");
            prop_assert_eq!((read, signed.signature, signed.extensions.count()), (payload, &signature[..], 0));

            let server_time = Timestamp::new(secs, 0).expect("valid");
            let payload = RespPayload { max_udp_payload, idle_timeout, server_time, refusal };
            let mut bytes = payload.to_bytes();
            put_resp_signature(&mut bytes, &signature).expect("a signature's length");
            let (read, signed) = RespPayload::parse(&bytes).expect("well-formed");
            prop_assert_eq!((read, signed.signature), (payload, &signature[..]));
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1300), zeros: bool) {
            prop_assert_eq!(Init::parse(&bytes).is_ok(), bytes.len() == 1200);
            prop_assert_eq!(Resp::parse(&bytes).is_ok(), bytes.len() == 1200);
            prop_assert_eq!(Cookie::parse(&bytes).is_ok(), bytes.len() == 72);
            let mut padded = bytes;
            padded.resize(1200, 0);
            if zeros {
                padded.iter_mut().skip(100).for_each(|b| *b = 0);
            }
            let _ = InitPayload::parse(padded.first_chunk().expect("long enough"));
            let _ = RespPayload::parse(padded.first_chunk().expect("long enough"));
            let _ = Choice::parse(padded.first_chunk().expect("long enough"));
        }
    }
}
