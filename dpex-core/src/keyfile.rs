//! Private keys as files: PKCS#8 in PEM, as every other tool reads them, under a passphrase if one is wanted.
//!
//! A passphrase encrypts with PBES2 (RFC 8018): PBKDF2 with HMAC-SHA-256, 600,000 iterations and a salt of 16 bytes, then
//! AES-256-CBC. Both are built here, once, on the suite's own operations, so every backend reads what any other wrote,
//! and no second cryptography library comes in for it. `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes the same form.

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme as Scheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::suite::{CipherSuite, CryptoError};
use crate::types::Secret;

const PLAIN: &str = "PRIVATE KEY";
const LOCKED: &str = "ENCRYPTED PRIVATE KEY";
/// What OWASP recommends for PBKDF2 with HMAC-SHA-256; a fifth of a second to half a second.
const ITERATIONS: u32 = 600_000;
/// A file that wants more would keep the program busy for longer than anybody waits.
const MAX_ITERATIONS: u32 = 20_000_000;
const SALT_LEN: usize = 16;
const BLOCK_LEN: usize = 16;

/// Why a key file cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Neither a PKCS#8 private key in PEM nor an encrypted one.
    #[error("it is not a PKCS#8 private key in PEM")]
    Malformed,
    /// Encrypted in a way that dpex does not read.
    #[error("it is encrypted in another way than with PBKDF2, HMAC-SHA-256 and AES-256-CBC")]
    Encryption,
    /// There is a passphrase on it and none was given.
    #[error("it is under a passphrase")]
    Locked,
    /// Another passphrase was given than it was written with, or it was damaged.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The suite failed.
    #[error("{0}")]
    Crypto(#[from] CryptoError),
}

/// Writes a PKCS#8 DER private key as a PEM file, encrypted if there is a passphrase.
///
/// # Errors
/// [`KeyFileError::Crypto`]: [`CryptoError::Rng`], [`CryptoError::Internal`].
pub fn encode(
    suite: &dyn CipherSuite,
    pkcs8: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let text = match passphrase {
        None => pem::encode_string(PLAIN, LineEnding::LF, pkcs8),
        Some(passphrase) => pem::encode_string(LOCKED, LineEnding::LF, &lock(suite, pkcs8, passphrase)?),
    };
    Ok(Zeroizing::new(text.map_err(|_| CryptoError::Internal)?.into_bytes()))
}

/// Reads a PEM file to PKCS#8 DER. `passphrase` is asked only if the file is under one; `None` is nobody knows it.
///
/// # Errors
/// All of [`KeyFileError`].
pub fn decode(
    suite: &dyn CipherSuite,
    file: &[u8],
    passphrase: impl FnOnce() -> Option<Zeroizing<Vec<u8>>>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (label, der) = pem::decode_vec(file).map_err(|_| KeyFileError::Malformed)?;
    let der = Zeroizing::new(der);
    match label {
        PLAIN => Ok(der),
        LOCKED => {
            // What cannot be opened anyway is said before anybody types.
            let locked = Locked::from_der(&der)?;
            let passphrase = passphrase().ok_or(KeyFileError::Locked)?;
            unlock(suite, &locked, &passphrase)
        }
        _ => Err(KeyFileError::Malformed),
    }
}

fn lock(suite: &dyn CipherSuite, pkcs8: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let (mut salt, mut iv) = ([0; SALT_LEN], [0; BLOCK_LEN]);
    suite.random(&mut salt)?;
    suite.random(&mut iv)?;
    let kdf = Pbkdf2Params::hmac_sha256(ITERATIONS, &salt).map_err(|_| CryptoError::Internal)?;
    let key = pbkdf2(suite, passphrase, &salt, ITERATIONS);
    // PKCS #7: as many bytes as are missing, each with their number; a whole block if none is.
    let missing = BLOCK_LEN - pkcs8.len() % BLOCK_LEN;
    // All the room at once: a buffer that grows leaves the key behind where it was.
    let mut data = Zeroizing::new(Vec::with_capacity(pkcs8.len() + missing));
    data.extend_from_slice(pkcs8);
    data.resize(pkcs8.len() + missing, missing.to_le_bytes()[0]);
    let mut cipher = suite.block(&key)?;
    let mut before = iv;
    for block in data.as_chunks_mut::<BLOCK_LEN>().0 {
        block.iter_mut().zip(before).for_each(|(byte, other)| *byte ^= other);
        cipher.encrypt(std::slice::from_mut(block))?;
        before = *block;
    }
    let encryption_algorithm = Scheme::from(Parameters { kdf: Kdf::Pbkdf2(kdf), encryption: Cipher::Aes256Cbc { iv } });
    let encrypted_data = OctetStringRef::new(&data).map_err(|_| CryptoError::Internal)?;
    let locked = EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data };
    Ok(locked.to_der().map_err(|_| CryptoError::Internal)?)
}

/// An encrypted key that a passphrase can open.
#[derive(Debug)]
struct Locked<'a> {
    salt: Vec<u8>,
    iterations: u32,
    iv: [u8; BLOCK_LEN],
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> Locked<'a> {
    fn from_der(der: &'a [u8]) -> Result<Self, KeyFileError> {
        // What is no algorithm with its data was damaged; an algorithm that is not ours is another.
        let form = AnyRef::from_der(der).and_then(|outer| {
            outer.sequence(|inner| Ok((AlgorithmIdentifierRef::decode(inner)?, <&OctetStringRef>::decode(inner)?)))
        });
        let (_, data) = form.map_err(|_| KeyFileError::Malformed)?;
        let locked = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyFileError::Encryption)?;
        let Some(Parameters { kdf: Kdf::Pbkdf2(kdf), encryption: Cipher::Aes256Cbc { iv } }) =
            locked.encryption_algorithm.pbes2()
        else {
            return Err(KeyFileError::Encryption);
        };
        let is_ours = kdf.prf == Pbkdf2Prf::HmacWithSha256
            && kdf.key_length.is_none_or(|len| len == 32)
            && (1..=MAX_ITERATIONS).contains(&kdf.iteration_count);
        if !is_ours {
            return Err(KeyFileError::Encryption);
        }
        let (blocks, rest) = data.as_bytes().as_chunks::<BLOCK_LEN>();
        if blocks.is_empty() || !rest.is_empty() {
            return Err(KeyFileError::Malformed);
        }
        Ok(Self { salt: kdf.salt.as_bytes().to_vec(), iterations: kdf.iteration_count, iv: *iv, blocks })
    }
}

fn unlock(suite: &dyn CipherSuite, locked: &Locked<'_>, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let key = pbkdf2(suite, passphrase, &locked.salt, locked.iterations);
    let mut opened = Zeroizing::new(locked.blocks.to_vec());
    suite.block(&key)?.decrypt(&mut opened)?;
    let before = std::iter::once(&locked.iv).chain(locked.blocks);
    for (block, before) in opened.iter_mut().zip(before) {
        block.iter_mut().zip(before).for_each(|(byte, other)| *byte ^= other);
    }
    let mut pkcs8 = Zeroizing::new(opened.as_flattened().to_vec());
    let padding = usize::from(*pkcs8.last().ok_or(KeyFileError::Malformed)?);
    let len = pkcs8.len().checked_sub(padding).filter(|_| (1..=BLOCK_LEN).contains(&padding));
    let len = len.ok_or(KeyFileError::WrongPassphrase)?;
    if pkcs8.iter().skip(len).any(|byte| usize::from(*byte) != padding) {
        return Err(KeyFileError::WrongPassphrase);
    }
    pkcs8.truncate(len);
    // One wrong passphrase in 256 leaves a good padding, and none a private key.
    PrivateKeyInfoRef::from_der(&pkcs8).map_err(|_| KeyFileError::WrongPassphrase)?;
    Ok(pkcs8)
}

/// PBKDF2 (RFC 8018, section 5.2) to one block of HMAC-SHA-256, which is a key of AES-256.
fn pbkdf2(suite: &dyn CipherSuite, passphrase: &[u8], salt: &[u8], iterations: u32) -> Secret<32> {
    let mac = suite.hmac(passphrase);
    let mut last = Zeroizing::new(mac.mac(&[salt, &1u32.to_be_bytes()]));
    let mut key = Zeroizing::new(*last);
    for _ in 1..iterations {
        *last = mac.mac(&[&*last]);
        key.iter_mut().zip(*last).for_each(|(byte, other)| *byte ^= other);
    }
    Secret::new(*key)
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::Salt;

    use super::*;

    /// What such a file says of itself, and as many bytes of it.
    fn der(iterations: u32, key_length: Option<u16>, len: usize) -> Vec<u8> {
        let salt = Salt::new([1; SALT_LEN]).expect("short");
        let kdf = Pbkdf2Params { salt, iteration_count: iterations, key_length, prf: Pbkdf2Prf::HmacWithSha256 };
        let encryption = Cipher::Aes256Cbc { iv: [2; BLOCK_LEN] };
        let encryption_algorithm = Scheme::from(Parameters { kdf: Kdf::Pbkdf2(kdf), encryption });
        let data = vec![3; len];
        let encrypted_data = OctetStringRef::new(&data).expect("short");
        EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().expect("encoded")
    }

    fn refusal(der: &[u8]) -> Option<KeyFileError> {
        Locked::from_der(der).err()
    }

    #[test]
    fn a_file_may_ask_for_no_more_patience_than_there_is() {
        for (iterations, refused) in [(0, true), (1, false), (MAX_ITERATIONS, false), (MAX_ITERATIONS + 1, true)] {
            let expected = refused.then_some(KeyFileError::Encryption);
            assert_eq!(refusal(&der(iterations, None, 32)), expected, "{iterations} iterations");
        }
    }

    #[test]
    fn only_a_key_of_aes_256_is_derived() {
        assert_eq!(refusal(&der(2, Some(32), 32)), None);
        for length in [16, 31, 33] {
            assert_eq!(refusal(&der(2, Some(length), 32)), Some(KeyFileError::Encryption), "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_whole_blocks_was_damaged() {
        for len in [0, 1, 15, 17, 31] {
            assert_eq!(refusal(&der(2, None, len)), Some(KeyFileError::Malformed), "{len} bytes");
        }
        assert_eq!(refusal(&der(2, None, 16)), None);
    }

    #[test]
    fn damage_is_not_called_another_way_to_encrypt() {
        let der = der(2, None, 32);
        for cut in 0..der.len() {
            assert_eq!(refusal(&der[..cut]), Some(KeyFileError::Malformed), "cut to {cut} bytes");
        }
        assert_eq!(refusal(&[&der[..], &[0]].concat()), Some(KeyFileError::Malformed));
        assert_eq!(refusal(&[&[0x31], &der[1..]].concat()), Some(KeyFileError::Malformed), "no sequence");
    }

    #[cfg(feature = "testing")]
    #[test]
    fn nobody_is_asked_for_a_passphrase_that_could_open_nothing() {
        let suite = crate::testing::NullSuite::leak(1);
        for (der, why) in [(der(2, None, 33), KeyFileError::Malformed), (der(0, None, 32), KeyFileError::Encryption)] {
            let file = pem::encode_string(LOCKED, LineEnding::LF, &der).expect("encoded");
            let read = decode(suite, file.as_bytes(), || panic!("it cannot be opened"));
            assert_eq!(read.expect_err("refused"), why);
        }
    }
}
