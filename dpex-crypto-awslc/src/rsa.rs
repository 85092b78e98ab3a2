//! RSA identities: PKCS#8 and SPKI, RSASSA-PSS and RSAES-OAEP, all with SHA-256 and MGF1-SHA-256.
//!
//! Keys are checked once, when they become a value: 3072 or 4096 bits, e = 65537, canonical DER, and, for a private key,
//! parts that fit each other. Erasing is the library's.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaParameters,
    RsaPssSaltLength, RsaSignatureEncoding,
};
use dpex_core::suite::{CryptoError, IdentityKey, OAEP_OVERHEAD, PublicKey, check_identity};
use zeroize::Zeroizing;

use crate::error::Error;

/// The PSS salt, as long as the hash. Never "whatever the signature says".
const SALT: RsaPssSaltLength = RsaPssSaltLength::Custom(32);
/// RSASSA-PSS as dpex verifies it.
static PSS_VERIFY: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(SALT);
/// RSASSA-PSS as dpex signs; blinded by the library (ENR-2).
static PSS_SIGN: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(SALT);
/// The end of every canonical encoding of a public key with e = 65537, and, of either size of the modulus, its length.
const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
const SPKI_LEN: [usize; 2] = [422, 550];

/// An RSA public key that passed the checks, with its encoding.
pub(crate) struct Public {
    verifying: ParsedPublicKey,
    wrapping: OaepPublicEncryptingKey,
    spki: Vec<u8>,
}

impl Public {
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let public = Self::new(&PublicEncryptingKey::from_der(der).map_err(|_| Error::PublicDer)?)?;
        if public.spki != der {
            return Err(Error::NotCanonical);
        }
        Ok(public)
    }

    fn new(key: &PublicEncryptingKey) -> Result<Self, Error> {
        let bits = key.key_size_bits();
        if !matches!(bits, 3072 | 4096) {
            return Err(Error::ModulusSize(bits));
        }
        // The library reads keys that are for PSS alone, and has no encoding for them.
        let spki = key.as_der().map_err(|_| Error::NotCanonical)?.as_ref().to_vec();
        if !spki.ends_with(&EXPONENT) || !SPKI_LEN.contains(&spki.len()) {
            return Err(Error::Exponent);
        }
        let verifying = ParsedPublicKey::new(&PSS_VERIFY, &spki).map_err(|_| Error::PublicDer)?;
        let wrapping = OaepPublicEncryptingKey::new(key.clone()).map_err(|_| Error::PublicDer)?;
        Ok(Self { verifying, wrapping, spki })
    }
}

impl PublicKey for Public {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn modulus_len(&self) -> usize {
        self.wrapping.key_size_bytes()
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if signature.len() != self.modulus_len() {
            return Err(Error::Signature.into());
        }
        Ok(self.verifying.verify_sig(message, signature).map_err(|_| Error::Signature)?)
    }

    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if message.len() + OAEP_OVERHEAD > self.modulus_len() {
            return Err(Error::LongMessage.into());
        }
        let mut wrapped = vec![0; self.modulus_len()];
        let made = self.wrapping.encrypt(&OAEP_SHA256_MGF1SHA256, message, &mut wrapped, oaep(label));
        made.map_err(|_| Error::Wrap)?;
        Ok(wrapped)
    }
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Public({} bits)", self.wrapping.key_size_bits())
    }
}

/// An RSA private key that passed the checks, with its public half.
pub(crate) struct Identity {
    signing: RsaKeyPair,
    unwrapping: OaepPrivateDecryptingKey,
    public: Arc<Public>,
}

impl Identity {
    pub(crate) fn generate(bits: usize) -> Result<Self, Error> {
        let size = match bits {
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(Error::GenerateSize(bits)),
        };
        Self::new(RsaKeyPair::generate(size).map_err(|_| Error::Generate)?)
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let identity = Self::new(RsaKeyPair::from_pkcs8(der).map_err(|_| Error::PrivateDer)?)?;
        if *identity.encode()? != der {
            return Err(Error::NotCanonical.into());
        }
        check_identity(der, &*identity.public, |message| Ok(identity.sign_with(message)?))?;
        Ok(identity)
    }

    fn new(signing: RsaKeyPair) -> Result<Self, Error> {
        let spki = signing.public_key().as_der().map_err(|_| Error::Encode)?;
        let public = Arc::new(Public::from_spki(spki.as_ref())?);
        let der = encode(&signing)?;
        let unwrapping = PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| Error::PrivateDer)?;
        let unwrapping = OaepPrivateDecryptingKey::new(unwrapping).map_err(|_| Error::PrivateDer)?;
        Ok(Self { signing, unwrapping, public })
    }

    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        encode(&self.signing)
    }

    fn sign_with(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing.sign(&PSS_SIGN, &SystemRandom::new(), message, &mut signature).map_err(|_| Error::Sign)?;
        Ok(signature)
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
        Ok(self.sign_with(message)?)
    }

    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut opened = Zeroizing::new(vec![0; self.unwrapping.min_output_size()]);
        let message = self.unwrapping.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut opened, oaep(label));
        let len = message.map_err(|_| Error::Unwrap)?.len();
        opened.truncate(len);
        Ok(opened)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bits)", self.signing.public_modulus_len() * 8)
    }
}

/// An empty label is what the library takes for granted.
fn oaep(label: &[u8]) -> Option<&[u8]> {
    Some(label).filter(|label| !label.is_empty())
}

fn encode(key: &RsaKeyPair) -> Result<Zeroizing<Vec<u8>>, Error> {
    let der = AsDer::as_der(key).map_err(|_| Error::Encode)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}
