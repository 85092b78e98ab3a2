//! RSA identities: PKCS#8 and SPKI, RSASSA-PSS and RSAES-OAEP, all with SHA-256 and MGF1-SHA-256.
//!
//! Keys are checked once, when they become a value: 3072 or 4096 bits, e = 65537, canonical DER, and, for a private key,
//! parts that fit each other. Erasing is the library's: it clears the integers of keys and operations that it frees.

use std::fmt;
use std::sync::Arc;

use dpex_core::suite::{CryptoError, IdentityKey, OAEP_OVERHEAD, PublicKey, check_identity};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::md_ctx::MdCtx;
use openssl::pkey::{self, Id, PKey, Private};
use openssl::pkey_ctx::{PkeyCtx, PkeyCtxRef};
use openssl::rsa::Padding;
use openssl::sign::RsaPssSaltlen;
use zeroize::Zeroizing;

use crate::error::{Error, settled};
use crate::random::blame;

/// The PSS salt, as long as the hash. Never "whatever the signature says", nor the library's default, which is not the
/// same in all its versions.
const SALT_LEN: i32 = 32;
const EXPONENT: u32 = 65537;

/// An RSA public key that passed the checks, with its encoding.
pub(crate) struct Public {
    key: PKey<pkey::Public>,
    spki: Vec<u8>,
}

impl Public {
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let public = Self::new(PKey::public_key_from_der(der).map_err(Error::PublicDer)?)?;
        if public.spki != der {
            return Err(Error::NotCanonical);
        }
        Ok(public)
    }

    fn new(key: PKey<pkey::Public>) -> Result<Self, Error> {
        check_public_parts(&key)?;
        let spki = key.public_key_to_der().map_err(Error::EncodePublic)?;
        Ok(Self { key, spki })
    }

    fn verify_with(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut context = MdCtx::new()?;
        pss(context.digest_verify_init(Some(Md::sha256()), &self.key)?)?;
        context.digest_verify(message, signature)
    }

    fn wrap_with(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
        if message.len() + OAEP_OVERHEAD > self.modulus_len() {
            return Err(Error::LongMessage);
        }
        let wrap = || {
            let mut context = PkeyCtx::new(&self.key)?;
            context.encrypt_init()?;
            oaep(&mut context, label)?;
            let mut wrapped = Vec::new();
            context.encrypt_to_vec(message, &mut wrapped)?;
            Ok(wrapped)
        };
        wrap().map_err(|error| blame(Error::Wrap(error)))
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
        // The length first: to the library a signature is a number, whatever the zeros before it.
        let verified = signature.len() == self.modulus_len()
            && settled(self.verify_with(message, signature)).is_ok_and(|verified| verified);
        Ok(if verified { Ok(()) } else { Err(Error::Signature) }?)
    }

    fn wrap(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(settled(self.wrap_with(label, message))?)
    }
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Public({} bits)", self.key.bits())
    }
}

/// An RSA private key that passed the checks, with its public half.
pub(crate) struct Identity {
    key: PKey<Private>,
    public: Arc<Public>,
}

impl Identity {
    pub(crate) fn generate(bits: usize) -> Result<Self, Error> {
        let size = match bits {
            3072 => 3072,
            4096 => 4096,
            _ => return Err(Error::GenerateSize(bits)),
        };
        let generate = || {
            let mut context = PkeyCtx::new_id(Id::RSA)?;
            context.keygen_init()?;
            context.set_rsa_keygen_bits(size)?;
            context.set_rsa_keygen_pubexp(&*exponent()?)?;
            context.keygen()
        };
        Self::new(generate().map_err(|error| blame(Error::Generate(error)))?)
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let key = PKey::private_key_from_pkcs8(der).map_err(Error::PrivateDer)?;
        let identity = Self::new(key)?;
        if *identity.encode()? != der {
            return Err(Error::NotCanonical.into());
        }
        check_identity(der, &*identity.public, |message| Ok(identity.sign_with(message)?))?;
        identity.check_parts()?;
        Ok(identity)
    }

    fn new(key: PKey<Private>) -> Result<Self, Error> {
        let spki = key.public_key_to_der().map_err(Error::EncodePublic)?;
        let public = Arc::new(Public::from_spki(&spki)?);
        Ok(Self { key, public })
    }

    /// What a signature cannot show, since the library mends wrong CRT parts in silence: that every part follows from
    /// the two factors. The library's own check does this as well, and looks for the factors' factors besides, which
    /// takes 0.1 to 0.3 seconds at each start of the program; factors that are not prime do not sign
    /// ([`check_identity`]).
    fn check_parts(&self) -> Result<(), Error> {
        match self.parts_fit() {
            Ok(true) => Ok(()),
            _ => Err(blame(Error::Inconsistent)),
        }
    }

    fn parts_fit(&self) -> Result<bool, ErrorStack> {
        let rsa = self.key.rsa()?;
        let parts = (rsa.p(), rsa.q(), rsa.dmp1(), rsa.dmq1(), rsa.iqmp());
        let (Some(p), Some(q), Some(dmp1), Some(dmq1), Some(iqmp)) = parts else {
            return Ok(false);
        };
        let mut context = BigNumContext::new_secure()?;
        let one = BigNum::from_u32(1)?;
        let mut fits = |exponent: &BigNumRef, factor: &BigNumRef| -> Result<bool, ErrorStack> {
            let (mut less, mut product, mut reduced) = (factor.to_owned()?, BigNum::new()?, BigNum::new()?);
            less.sub_word(1)?;
            product.mod_mul(rsa.d(), rsa.e(), &less, &mut context)?;
            reduced.nnmod(rsa.d(), &less, &mut context)?;
            let fits = product == one && &*reduced == exponent;
            for number in [&mut less, &mut product, &mut reduced] {
                number.clear();
            }
            Ok(fits)
        };
        let exponents = fits(dmp1, p)? && fits(dmq1, q)?;
        let (mut product, mut inverse) = (BigNum::new()?, BigNum::new()?);
        product.checked_mul(p, q, &mut context)?;
        inverse.mod_mul(iqmp, q, p, &mut context)?;
        Ok(exponents && &*product == rsa.n() && inverse == one)
    }

    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(Zeroizing::new(self.key.private_key_to_pkcs8().map_err(Error::EncodePrivate)?))
    }

    fn sign_with(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let sign = || {
            let mut context = MdCtx::new()?;
            pss(context.digest_sign_init(Some(Md::sha256()), &self.key)?)?;
            let mut signature = Vec::new();
            context.digest_sign_to_vec(message, &mut signature)?;
            Ok(signature)
        };
        sign().map_err(|error| blame(Error::Sign(error)))
    }

    fn unwrap_with(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        // To the library a ciphertext is a number, whatever the zeros before it.
        if wrapped.len() != self.public.modulus_len() {
            return Err(Error::Unwrap);
        }
        let unwrap = || {
            let mut context = PkeyCtx::new(&self.key)?;
            context.decrypt_init()?;
            oaep(&mut context, label)?;
            let mut opened = Zeroizing::new(vec![0; self.public.modulus_len()]);
            let len = context.decrypt(wrapped, Some(&mut opened))?;
            opened.truncate(len);
            Ok(opened)
        };
        unwrap().map_err(|_: ErrorStack| blame(Error::Unwrap))
    }
}

impl IdentityKey for Identity {
    fn public(&self) -> Arc<dyn PublicKey> {
        Arc::clone(&self.public) as Arc<dyn PublicKey>
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(settled(self.encode())?)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(settled(self.sign_with(message))?)
    }

    fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Ok(settled(self.unwrap_with(label, wrapped))?)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bits)", self.key.bits())
    }
}

/// RSASSA-PSS as dpex uses it; blinded by the library whenever it signs (ENR-2).
fn pss<T>(context: &mut PkeyCtxRef<T>) -> Result<(), ErrorStack> {
    context.set_rsa_padding(Padding::PKCS1_PSS)?;
    context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(SALT_LEN))?;
    context.set_rsa_mgf1_md(Md::sha256())
}

/// RSAES-OAEP as dpex uses it. The library starts from an empty label; told of one, it makes every decryption fail.
fn oaep<T>(context: &mut PkeyCtxRef<T>, label: &[u8]) -> Result<(), ErrorStack> {
    context.set_rsa_padding(Padding::PKCS1_OAEP)?;
    context.set_rsa_oaep_md(Md::sha256())?;
    context.set_rsa_mgf1_md(Md::sha256())?;
    if label.is_empty() { Ok(()) } else { context.set_rsa_oaep_label(label) }
}

fn exponent() -> Result<BigNum, ErrorStack> {
    BigNum::from_u32(EXPONENT)
}

fn check_public_parts(key: &PKey<pkey::Public>) -> Result<(), Error> {
    // A key that says in its encoding that it is for PSS alone is an RSA key too, but not of this form.
    if key.id() != Id::RSA {
        return Err(Error::NotRsa);
    }
    let parts = key.rsa()?;
    let modulus: &BigNumRef = parts.n();
    if !matches!(modulus.num_bits(), 3072 | 4096) {
        return Err(Error::ModulusSize(modulus.num_bits()));
    }
    if !modulus.is_odd() {
        return Err(Error::EvenModulus);
    }
    if *parts.e() != *exponent()? {
        return Err(Error::Exponent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::failing::with_and_without_randomness;

    const KEY: &[u8] = dpex_core::conformance::suite::RSA3072;

    /// The key without the checks that sign.
    fn identity() -> Identity {
        Identity::new(PKey::private_key_from_pkcs8(KEY).expect("a good key")).expect("a good key")
    }

    #[test]
    fn what_needs_randomness_fails_without_it_and_says_so() {
        with_and_without_randomness("rsa::tests::what_needs_randomness_fails_without_it_and_says_so", |random| {
            let identity = identity();
            let outcomes = [
                ("a salt", identity.sign(b"message").map(drop)),
                ("a seed", identity.public.wrap(b"label", &[7; 32]).map(drop)),
                ("a salt for the check", Identity::from_pkcs8(KEY).map(drop)),
                ("a key", Identity::generate(3072).map(drop).map_err(CryptoError::from)),
            ];
            for (what, outcome) in outcomes {
                assert_eq!(outcome, if random { Ok(()) } else { Err(CryptoError::Rng) }, "{what}");
            }
            let blinding = if random { CryptoError::AuthFailed } else { CryptoError::Rng };
            assert_eq!(identity.unwrap(b"label", &[7; 384]), Err(blinding));
        });
    }
}
