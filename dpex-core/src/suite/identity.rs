//! What every backend asks of a private key that it loads: libraries differ in what they look at, and must not differ in
//! what they accept.
//!
//! It looks at shape and size and tries the key once. That the parts follow from each other is the backend's to check.

use std::cmp::Ordering;

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, UintRef};
use pkcs8::der::{self, Decode as _};

use super::{CryptoError, PublicKey};

const MESSAGE: &[u8] = b"dpex pairwise consistency";

/// Checks an RSA private key that the library took from this canonical PKCS#8 DER: two factors of half the modulus'
/// bits each, a private exponent below the modulus, and one signature that verifies. (Factors that are not prime can
/// satisfy every relation between the parts; they do not sign.)
///
/// # Errors
/// [`CryptoError::BadKey`]; [`CryptoError::Rng`] if that is why `sign` failed.
pub fn check_identity(
    pkcs8: &[u8],
    public: &dyn PublicKey,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, CryptoError>,
) -> Result<(), CryptoError> {
    if !has_even_parts(pkcs8).map_err(|_| CryptoError::BadKey)? {
        return Err(CryptoError::BadKey);
    }
    let signature = sign(MESSAGE).map_err(|error| match error {
        CryptoError::Rng => error,
        _ => CryptoError::BadKey,
    })?;
    public.verify(MESSAGE, &signature).map_err(|_| CryptoError::BadKey)
}

/// RFC 8017, A.1.2: `version, n, e, d, p, q, dP, dQ, qInv`, and nothing after them.
fn has_even_parts(pkcs8: &[u8]) -> der::Result<bool> {
    let key = PrivateKeyInfoRef::from_der(pkcs8)?.private_key;
    AnyRef::from_der(key.as_bytes())?.sequence(|parts| {
        let mut next = || UintRef::decode(parts);
        let [_version, n, _e, d, p, q] = [next()?, next()?, next()?, next()?, next()?, next()?];
        let [_dp, _dq, _q_inv] = [next()?, next()?, next()?];
        let halves = [p, q].iter().all(|factor| 2 * bits(factor) == bits(&n));
        Ok(halves && compare(&d, &n) == Ordering::Less)
    })
}

fn bits(number: &UintRef<'_>) -> usize {
    let bytes = number.as_bytes();
    bytes.first().map_or(0, |first| 8 * bytes.len() - first.leading_zeros() as usize)
}

/// Neither has zeros in front.
fn compare(a: &UintRef<'_>, b: &UintRef<'_>) -> Ordering {
    a.as_bytes().len().cmp(&b.as_bytes().len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}
