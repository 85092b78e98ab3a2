//! What can go wrong in this backend, in its own words, and the one place where that becomes [`CryptoError`].

use dpex_core::suite::CryptoError;

/// A failure before it loses its detail. Never leaves this crate. The library says no more than "unspecified".
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the random source failed")]
    Random,
    #[error("the library does not take a key of the right length")]
    Key,
    #[error("sealing failed")]
    Seal,
    #[error("an AES-GCM tag does not match")]
    Tag,
    #[error("AES failed on whole blocks")]
    Block,
    #[error("a key share of low order")]
    LowOrderShare,
    #[error("RSA keys of {0} bits are not made")]
    GenerateSize(usize),
    #[error("RSA key generation failed")]
    Generate,
    #[error("not a usable RSA private key")]
    PrivateDer,
    #[error("not a usable RSA public key")]
    PublicDer,
    #[error("an RSA modulus of {0} bits")]
    ModulusSize(usize),
    #[error("an RSA public exponent other than 65537")]
    Exponent,
    #[error("an encoding that is not the canonical one")]
    NotCanonical,
    #[error("an RSA key could not be encoded")]
    Encode,
    #[error("signing failed")]
    Sign,
    #[error("a signature does not verify")]
    Signature,
    #[error("a message too long to be wrapped")]
    LongMessage,
    #[error("wrapping failed")]
    Wrap,
    #[error("a wrapped message does not open")]
    Unwrap,
}

impl From<Error> for CryptoError {
    fn from(error: Error) -> Self {
        match error {
            Error::Random => Self::Rng,
            Error::Tag | Error::LowOrderShare | Error::Signature | Error::Unwrap => Self::AuthFailed,
            Error::PrivateDer | Error::PublicDer | Error::ModulusSize(_) | Error::Exponent | Error::NotCanonical => {
                Self::BadKey
            }
            Error::LongMessage => Self::BadLength,
            Error::GenerateSize(_) => Self::Unsupported,
            Error::Key | Error::Seal | Error::Block | Error::Generate | Error::Encode | Error::Sign | Error::Wrap => {
                Self::Internal
            }
        }
    }
}
