//! The one way in which bytes from outside are read: bounded, without indexing and without casts on lengths.

/// The input ended early, or a number in it is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes")]
pub struct Malformed;

/// The largest value of a varint (RFC 9000, section 16).
pub const VARINT_MAX: u64 = (1 << 62) - 1;

/// A cursor over received bytes (BAD-1).
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the front.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Everything not yet read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Is everything read?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(front)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*front)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    /// A big-endian `u16`.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// A big-endian `u32`.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A big-endian `u64`.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A variable-length integer (RFC 9000, section 16). Longer forms than needed are accepted, as there.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let first = self.u8()?;
        let tail = match first >> 6 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => 7,
        };
        let mut value = u64::from(first & 0x3f);
        for &byte in self.take(tail)? {
            value = value << 8 | u64::from(byte);
        }
        Ok(value)
    }

    /// A varint that counts bytes or elements in memory.
    ///
    /// # Errors
    /// [`Malformed`] at the end, or if it exceeds `max`.
    pub fn varint_len(&mut self, max: usize) -> Result<usize, Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        if len <= max { Ok(len) } else { Err(Malformed) }
    }
}

/// How many bytes [`put_varint`] writes for a value.
#[must_use]
pub const fn varint_len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Appends a varint in its shortest form. Values above [`VARINT_MAX`] are a caller's bug and are written as the maximum.
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    let value = value.min(VARINT_MAX);
    let bytes = value.to_be_bytes();
    match varint_len(value) {
        1 => out.push(bytes[7]),
        2 => out.extend_from_slice(&[0x40 | bytes[6], bytes[7]]),
        4 => out.extend_from_slice(&[0x80 | bytes[4], bytes[5], bytes[6], bytes[7]]),
        _ => {
            out.push(0xc0 | bytes[0]);
            out.extend_from_slice(&bytes[1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn varints_match_the_examples_of_rfc_9000_appendix_a() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(Reader::new(bytes).varint(), Ok(value));
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
        }
        assert_eq!(Reader::new(&[0x40, 0x25]).varint(), Ok(37), "a longer form than needed");
    }

    proptest! {
        #[test]
        fn a_varint_reads_back_and_its_length_is_known(value in 0..=VARINT_MAX, shift in 0u32..62) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.varint(), Ok(value));
            prop_assert!(r.is_empty());
            prop_assert_eq!(Reader::new(&out[..out.len() - 1]).varint(), Err(Malformed));
        }
    }
}
