//! COOKIE: from server to client under load (PROTOCOL.md, section 3.7).

use super::exactly;
use crate::wire::codec::{Malformed, Reader};
use crate::wire::packet::{COOKIE_LEN, TAG_LEN};

/// Bytes of COOKIE before its ciphertext.
pub const COOKIE_HEAD: usize = 40;

const _: () = assert!(COOKIE_LEN == COOKIE_HEAD + 16 + TAG_LEN);

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
