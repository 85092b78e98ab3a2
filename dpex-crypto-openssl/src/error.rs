//! What can go wrong in this backend, in its own words, and the one place where that becomes [`CryptoError`].
//!
//! The library keeps a queue of errors for each thread. A failing call of the binding empties it; [`settled`] sees to
//! what a successful one may have left there.

use dpex_core::suite::CryptoError;
use openssl::error::ErrorStack;

/// A failure before it loses its detail. Never leaves this crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the random source failed")]
    Random,
    #[error("the library does not offer a cipher")]
    NoCipher,
    #[error("an operation failed that no input should make fail")]
    Library(#[from] ErrorStack),
    #[error("an AES-GCM tag does not match")]
    Tag,
    #[error("a key share that has not 32 bytes")]
    ShareLength,
    #[error("a key share of low order")]
    LowOrderShare,
    #[error("RSA keys of {0} bits are not made")]
    GenerateSize(usize),
    #[error("RSA key generation failed")]
    Generate(#[source] ErrorStack),
    #[error("not a usable RSA private key")]
    PrivateDer(#[source] ErrorStack),
    #[error("not a usable RSA public key")]
    PublicDer(#[source] ErrorStack),
    #[error("a key of another kind than RSA")]
    NotRsa,
    #[error("an RSA modulus of {0} bits")]
    ModulusSize(i32),
    #[error("an even RSA modulus")]
    EvenModulus,
    #[error("an RSA public exponent other than 65537")]
    Exponent,
    #[error("an encoding that is not the canonical one")]
    NotCanonical,
    #[error("an RSA key whose parts do not fit")]
    Inconsistent,
    #[error("an RSA key could not be encoded")]
    EncodePrivate(#[source] ErrorStack),
    #[error("an RSA public key could not be encoded")]
    EncodePublic(#[source] ErrorStack),
    #[error("signing failed")]
    Sign(#[source] ErrorStack),
    #[error("a signature does not verify")]
    Signature,
    #[error("a message too long to be wrapped")]
    LongMessage,
    #[error("wrapping failed")]
    Wrap(#[source] ErrorStack),
    #[error("a wrapped key does not open")]
    Unwrap,
}

impl From<Error> for CryptoError {
    fn from(error: Error) -> Self {
        match error {
            Error::Random => Self::Rng,
            Error::Tag | Error::LowOrderShare | Error::Signature | Error::Unwrap => Self::AuthFailed,
            Error::PrivateDer(_)
            | Error::PublicDer(_)
            | Error::NotRsa
            | Error::ModulusSize(_)
            | Error::EvenModulus
            | Error::Exponent
            | Error::NotCanonical
            | Error::Inconsistent => Self::BadKey,
            Error::LongMessage => Self::BadLength,
            Error::GenerateSize(_) => Self::Unsupported,
            Error::NoCipher
            | Error::Library(_)
            | Error::ShareLength
            | Error::Generate(_)
            | Error::EncodePrivate(_)
            | Error::EncodePublic(_)
            | Error::Sign(_)
            | Error::Wrap(_) => Self::Internal,
        }
    }
}

/// Hands on what an operation came to, and leaves nothing of it in the library's queue of errors.
pub(crate) fn settled<T>(result: T) -> T {
    drop(ErrorStack::get());
    result
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;

    #[test]
    fn nothing_stays_in_the_librarys_queue() {
        let left_behind = PKey::private_key_from_der(b"no key").expect_err("refused");
        assert!(!left_behind.errors().is_empty());
        left_behind.put();
        assert_eq!(settled(7), 7);
        assert!(ErrorStack::get().errors().is_empty());
    }
}
