//! Fixed-size identifiers. All are public values; secrets live in [`super::Secret`].

use std::fmt;

use data_encoding::HEXLOWER;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The number of bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the lower-case hexadecimal form that `Display` writes.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

id! {
    /// `hh("identity", SPKI)`: who somebody is (PROTOCOL.md, section 2.1).
    Fingerprint, 32
}
id! {
    /// Names one enrolment, that is one accepted pair of documents.
    EnrolmentId, 16
}
id! {
    /// Names the content of a file at one moment, as the serving store sees it. Opaque to the receiver.
    Version, 16
}
id! {
    /// A 32-byte hash value: a BLAKE3 subtree value or root, or a SHA-256 transcript hash.
    Digest, 32
}
