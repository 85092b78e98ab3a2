//! AES-256-GCM for records and documents, and bare AES-256 for header protection.
//!
//! The libraries choose AES, VAES and carry-less multiplication instructions at run time. No cargo feature of `aes` or
//! `polyval` can take that away, only `--cfg aes_backend="soft"` or `--cfg polyval_backend="soft"`, which nothing in
//! this workspace sets; a test compares the library's answer with what the CPU offers. The software fallback is
//! bit-sliced: slow, but without table look-ups.

use aes::Aes256;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use dpex_core::suite::{Aead, BlockCipher, CryptoError, TAG_LEN};
use dpex_core::types::Secret;
use zeroize::Zeroize as _;

use crate::error::Error;

/// AES-256-GCM under one key.
pub(crate) struct Gcm(Aes256Gcm);

impl Gcm {
    pub(crate) fn new(key: &Secret<32>) -> Self {
        Self(Aes256Gcm::new(key.expose().into()))
    }
}

impl Aead for Gcm {
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError> {
        let tag = self.0.encrypt_inout_detached(nonce.into(), aad, buf.into()).map_err(|_| Error::SealLength)?;
        Ok(tag.into())
    }

    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        let opened = self.0.decrypt_inout_detached(nonce.into(), aad, (&mut *buf).into(), tag.into());
        if opened.is_err() {
            // This version checks the tag before it decrypts. Earlier ones did not (RUSTSEC-2023-0096), so do not lean on it.
            buf.zeroize();
            return Err(Error::Tag.into());
        }
        Ok(())
    }
}

/// AES-256 on independent blocks.
pub(crate) struct Aes256Blocks(Aes256);

impl Aes256Blocks {
    pub(crate) fn new(key: &Secret<32>) -> Self {
        use aes::cipher::KeyInit as _;
        Self(Aes256::new(key.expose().into()))
    }
}

impl BlockCipher for Aes256Blocks {
    fn encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        use aes::cipher::BlockCipherEncrypt as _;
        self.0.encrypt_blocks(aes::Block::cast_slice_from_core_mut(blocks));
        Ok(())
    }

    fn decrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        use aes::cipher::BlockCipherDecrypt as _;
        self.0.decrypt_blocks(aes::Block::cast_slice_from_core_mut(blocks));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    #[test]
    fn aes_runs_on_the_cpus_own_instructions_where_it_has_them() {
        assert_eq!(aes::hardware_accelerated(), std::arch::is_x86_feature_detected!("aes"));
    }
}
