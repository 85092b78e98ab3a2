//! AES-256-GCM for records and documents, and bare AES-256 for header protection.
//!
//! The library chooses AES, VAES and carry-less multiplication instructions at run time; its fallback is bit-sliced or
//! vectorised, without table look-ups.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use dpex_core::suite::{Aead, BlockCipher, CryptoError, TAG_LEN};
use dpex_core::types::Secret;
use zeroize::Zeroize as _;

use crate::error::Error;

/// AES-256-GCM under one key. `LessSafeKey` is the library's word for a key whose nonces its user chooses; dpex's are
/// packet numbers, each used once.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &Secret<32>) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| Error::Key)?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl Aead for Gcm {
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError> {
        let sealed = self.0.seal_in_place_separate_tag(Nonce::from(nonce), Aad::from(aad), buf);
        let tag = sealed.map_err(|_| Error::Seal)?;
        Ok(tag.as_ref().try_into().map_err(|_| Error::Seal)?)
    }

    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        if self.0.open_in_place_separate_tag(Nonce::from(nonce), Aad::from(aad), tag, buf).is_err() {
            // The library promises nothing of what is in it now.
            buf.zeroize();
            return Err(Error::Tag.into());
        }
        Ok(())
    }
}

/// AES-256 on independent blocks.
pub(crate) struct Aes256Blocks {
    /// The library has a key for either way; its decrypting one is made whenever it is needed, which is for key files.
    encrypting: EncryptingKey,
    key: Secret<32>,
}

impl Aes256Blocks {
    pub(crate) fn new(key: &Secret<32>) -> Result<Self, Error> {
        let encrypting = EncryptingKey::ecb(unbound(key)?).map_err(|_| Error::Key)?;
        Ok(Self { encrypting, key: key.clone() })
    }
}

impl BlockCipher for Aes256Blocks {
    fn encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        let encrypted = self.encrypting.less_safe_encrypt(blocks.as_flattened_mut(), EncryptionContext::None);
        encrypted.map(|_| ()).map_err(|_| Error::Block.into())
    }

    fn decrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        let decrypting = DecryptingKey::ecb(unbound(&self.key)?).map_err(|_| Error::Key)?;
        let decrypted = decrypting.decrypt(blocks.as_flattened_mut(), DecryptionContext::None);
        decrypted.map(|_| ()).map_err(|_| Error::Block.into())
    }
}

fn unbound(key: &Secret<32>) -> Result<UnboundCipherKey, Error> {
    UnboundCipherKey::new(&AES_256, key.expose()).map_err(|_| Error::Key)
}
