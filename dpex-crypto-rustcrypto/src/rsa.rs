//! RSA identities: PKCS#8 and SPKI, RSASSA-PSS and RSAES-OAEP, all with SHA-256 and MGF1-SHA-256.
//!
//! Keys are checked once, when they become a value: 3072 or 4096 bits, e = 65537, canonical DER, and, for a private key,
//! parts that fit each other. Erasing is the library's: most of a key is zeroized on drop; copies of its factors and
//! its CRT coefficient, and intermediate integers, are not.

use std::fmt;
use std::sync::Arc;

use dpex_core::suite::{CryptoError, IdentityKey, OAEP_OVERHEAD, PublicKey, check_identity};
use getrandom::SysRng;
use rand_core::TryCryptoRng;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::{PaddingScheme as _, PublicKeyParts, SignatureScheme as _};
use rsa::{BoxedUint, Oaep, Pss, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::random::Remembering;

/// The PSS salt, as long as the hash. Never "whatever the signature says".
const SALT_LEN: usize = 32;

/// An RSA public key that passed the checks, with its encoding.
pub(crate) struct Public {
    key: RsaPublicKey,
    spki: Vec<u8>,
}

impl Public {
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let public = Self::new(RsaPublicKey::from_public_key_der(der).map_err(Error::PublicDer)?)?;
        if public.spki != der {
            return Err(Error::NotCanonical);
        }
        Ok(public)
    }

    fn new(key: RsaPublicKey) -> Result<Self, Error> {
        check_public_parts(&key)?;
        let spki = key.to_public_key_der().map_err(Error::EncodePublic)?.into_vec();
        Ok(Self { key, spki })
    }

    fn wrap_with<R: TryCryptoRng>(&self, source: &mut R, label: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
        if message.len() + OAEP_OVERHEAD > self.key.size() {
            return Err(Error::LongMessage);
        }
        oaep(label).encrypt(source, &self.key, message).map_err(Error::Wrap)
    }
}

impl PublicKey for Public {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn modulus_len(&self) -> usize {
        self.key.size()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let verified = pss().verify(&self.key, &Sha256::digest(message), signature);
        Ok(verified.map_err(|_| Error::Signature)?)
    }

    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.wrap_with(&mut SysRng, label, message)?)
    }
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Public({} bits)", self.key.n().bits_vartime())
    }
}

/// An RSA private key that passed the checks, with its public half.
pub(crate) struct Identity {
    key: RsaPrivateKey,
    public: Arc<Public>,
}

impl Identity {
    pub(crate) fn generate<R: TryCryptoRng>(source: R, bits: usize) -> Result<Self, Error> {
        if !matches!(bits, 3072 | 4096) {
            return Err(Error::GenerateSize(bits));
        }
        let mut source = Remembering::new(source);
        let key = RsaPrivateKey::new(&mut source, bits);
        source.check()?;
        Self::new(key.map_err(Error::Generate)?)
    }

    pub(crate) fn from_pkcs8<R: TryCryptoRng>(source: &mut R, der: &[u8]) -> Result<Self, CryptoError> {
        let key = RsaPrivateKey::from_pkcs8_der(der).map_err(Error::PrivateDer)?;
        let identity = Self::new(key)?;
        // The library recomputes the CRT parts rather than read them; what it would write back shows whether the
        // file's were right.
        if *identity.encode()? != der {
            return Err(Error::NotCanonical.into());
        }
        check_identity(der, &*identity.public, |message| Ok(identity.sign_with(source, message)?))?;
        Ok(identity)
    }

    fn new(key: RsaPrivateKey) -> Result<Self, Error> {
        let public = Arc::new(Public::new(key.to_public_key())?);
        Ok(Self { key, public })
    }

    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(self.key.to_pkcs8_der().map_err(Error::EncodePrivate)?.to_bytes())
    }

    fn sign_with<R: TryCryptoRng>(&self, source: &mut R, message: &[u8]) -> Result<Vec<u8>, Error> {
        pss().sign(Some(source), &self.key, &Sha256::digest(message)).map_err(Error::Sign)
    }

    fn unwrap_with<R: TryCryptoRng>(
        &self,
        source: &mut R,
        label: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = oaep(label).decrypt(Some(source), &self.key, wrapped).map_err(|error| match error {
            rsa::Error::Rng => Error::Random,
            rsa::Error::Internal => Error::Fault,
            _ => Error::Unwrap,
        })?;
        Ok(Zeroizing::new(opened))
    }
}

impl IdentityKey for Identity {
    fn public(&self) -> Arc<dyn PublicKey> {
        Arc::clone(&self.public) as Arc<dyn PublicKey>
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(self.encode()?)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.sign_with(&mut SysRng, message)?)
    }

    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(self.unwrap_with(&mut SysRng, label, wrapped)?)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bits)", self.key.n().bits_vartime())
    }
}

/// RSASSA-PSS as dpex uses it; blinded by the library whenever it signs (ENR-2).
fn pss() -> Pss<Sha256> {
    Pss::new_blinded_with_salt(SALT_LEN)
}

/// RSAES-OAEP as dpex uses it.
fn oaep(label: &[u8]) -> Oaep<Sha256> {
    Oaep::new_with_label(label)
}

fn check_public_parts(key: &impl PublicKeyParts) -> Result<(), Error> {
    let bits = key.n().bits_vartime();
    if !matches!(bits, 3072 | 4096) {
        return Err(Error::ModulusSize(bits));
    }
    if *key.e() != BoxedUint::from(65537_u64) {
        return Err(Error::Exponent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::FailsAfter;

    const KEY: &[u8] = dpex_core::conformance::suite::RSA3072;

    fn identity() -> Identity {
        Identity::from_pkcs8(&mut SysRng, KEY).expect("a good key")
    }

    #[test]
    fn a_signature_needs_randomness_for_its_salt_and_for_blinding() {
        let identity = identity();
        for calls in [0, 1] {
            let error = identity.sign_with(&mut FailsAfter(calls), b"message").expect_err("no randomness");
            assert_eq!(CryptoError::from(error), CryptoError::Rng, "after {calls} calls");
        }
        assert!(identity.sign_with(&mut FailsAfter(1_000), b"message").is_ok());
    }

    #[test]
    fn wrapping_and_unwrapping_need_randomness() {
        let (identity, secret) = (identity(), [7; 32]);
        let error = identity.public.wrap_with(&mut FailsAfter(0), b"label", &secret).expect_err("no seed");
        assert_eq!(CryptoError::from(error), CryptoError::Rng);
        let wrapped = identity.public.wrap(b"label", &secret).expect("wrapped");
        let error = identity.unwrap_with(&mut FailsAfter(0), b"label", &wrapped).expect_err("no blinding");
        assert_eq!(CryptoError::from(error), CryptoError::Rng);
    }

    #[test]
    fn loading_a_key_needs_randomness_and_says_so() {
        let error = Identity::from_pkcs8(&mut FailsAfter(0), KEY).expect_err("no randomness");
        assert_eq!(error, CryptoError::Rng);
    }

    #[test]
    fn a_source_that_fails_makes_no_key_and_no_panic() {
        let error = Identity::generate(FailsAfter(1), 3072).expect_err("the source failed");
        assert_eq!(CryptoError::from(error), CryptoError::Rng);
    }
}
