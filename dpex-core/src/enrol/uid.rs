//! The identifier a client chooses for itself: a UUID, version 4. Never part of a path.

use std::fmt;
use std::str::FromStr;

use crate::suite::{CipherSuite, CryptoError};

/// A UUID version 4 (RFC 9562) in its lower-case text form (ENR-10).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(String);

/// The text is not a lower-case UUID version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case uuid of version 4")]
pub struct UidError;

impl Uid {
    /// Makes a fresh one from the suite's random source.
    ///
    /// # Errors
    /// [`CryptoError::Rng`].
    pub fn generate(suite: &dyn CipherSuite) -> Result<Self, CryptoError> {
        let mut bytes = [0; 16];
        suite.random(&mut bytes)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Ok(Self(groups.join("-")))
    }

    /// The text, 36 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        let valid = text.len() == 36
            && text.bytes().enumerate().all(|(i, byte)| match i {
                8 | 13 | 18 | 23 => byte == b'-',
                14 => byte == b'4',
                19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if valid { Ok(Self(text.to_owned())) } else { Err(UidError) }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Uid;

    // ENR-10.
    #[test]
    fn only_the_lower_case_form_of_version_four_is_read() {
        let good = "b9e72d87-ac05-4563-bc32-9c2bf2738f93";
        assert_eq!(good.parse::<Uid>().expect("valid").as_str(), good);
        for bad in [
            "",
            "B9E72D87-ac05-4563-bc32-9c2bf2738f93",
            "b9e72d87-ac05-1563-bc32-9c2bf2738f93",
            "b9e72d87-ac05-4563-7c32-9c2bf2738f93",
            "b9e72d87ac05-4563-bc32-9c2bf2738f93-",
            "b9e72d87-ac05-4563-bc32-9c2bf2738f9",
            "b9e72d87-ac05-4563-bc32-9c2bf2738f930",
            "../72d87-ac05-4563-bc32-9c2bf2738f93",
        ] {
            assert!(bad.parse::<Uid>().is_err(), "{bad:?}");
        }
    }
}
