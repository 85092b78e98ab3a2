//! What can go wrong in this backend, in its own words, and the one place where that becomes [`CryptoError`].

use dpex_core::suite::CryptoError;

/// A failure before it loses its detail. Never leaves this crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the random source failed")]
    Random,
    #[error("a message is too long for AES-GCM")]
    SealLength,
    #[error("an AES-GCM tag does not match")]
    Tag,
    #[error("a key share of low order")]
    LowOrderShare,
    #[error("RSA keys of {0} bits are not made")]
    GenerateSize(usize),
    #[error("RSA key generation failed")]
    Generate(#[source] rsa::Error),
    #[error("not a usable RSA private key")]
    PrivateDer(#[source] rsa::pkcs8::Error),
    #[error("not a usable RSA public key")]
    PublicDer(#[source] rsa::pkcs8::spki::Error),
    #[error("an RSA modulus of {0} bits")]
    ModulusSize(u32),
    #[error("an RSA public exponent other than 65537")]
    Exponent,
    #[error("an encoding that is not the canonical one")]
    NotCanonical,
    #[error("an RSA key could not be encoded")]
    EncodePrivate(#[source] rsa::pkcs8::Error),
    #[error("an RSA public key could not be encoded")]
    EncodePublic(#[source] rsa::pkcs8::spki::Error),
    #[error("signing failed")]
    Sign(#[source] rsa::Error),
    #[error("a signature does not verify")]
    Signature,
    #[error("a message too long to be wrapped")]
    LongMessage,
    #[error("wrapping failed")]
    Wrap(#[source] rsa::Error),
    #[error("a wrapped key does not open")]
    Unwrap,
    #[error("the private-key operation failed its own check")]
    Fault,
}

impl From<Error> for CryptoError {
    fn from(error: Error) -> Self {
        match error {
            Error::Random
            | Error::Generate(rsa::Error::Rng)
            | Error::Sign(rsa::Error::Rng)
            | Error::Wrap(rsa::Error::Rng) => Self::Rng,
            Error::Tag | Error::LowOrderShare | Error::Signature | Error::Unwrap => Self::AuthFailed,
            Error::PrivateDer(_)
            | Error::PublicDer(_)
            | Error::ModulusSize(_)
            | Error::Exponent
            | Error::NotCanonical => Self::BadKey,
            Error::LongMessage => Self::BadLength,
            Error::GenerateSize(_) => Self::Unsupported,
            Error::SealLength
            | Error::Generate(_)
            | Error::EncodePrivate(_)
            | Error::EncodePublic(_)
            | Error::Sign(_)
            | Error::Wrap(_)
            | Error::Fault => Self::Internal,
        }
    }
}
