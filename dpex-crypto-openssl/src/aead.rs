//! AES-256-GCM for records and documents, and bare AES-256 for header protection.
//!
//! A key has one context of the library for each direction, made when it is first used in that direction and kept: a
//! record then costs a new nonce, not a new key schedule, and no allocation. The library chooses AES, VAES and carry-less
//! multiplication instructions at run time; only the environment variable `OPENSSL_ia32cap` can take that away.

use std::sync::LazyLock;

use dpex_core::suite::{Aead, BlockCipher, CryptoError, TAG_LEN};
use dpex_core::types::Secret;
use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::{CipherCtx, CipherCtxRef};
use openssl::error::ErrorStack;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Error;

/// Looked up once, where [`Cipher::aes_256_gcm`] would be looked up again, under the library's lock, for every key.
/// Looking up is new in OpenSSL 3.0: with an older one this does not compile.
static AES_256_GCM: LazyLock<Option<Cipher>> = LazyLock::new(|| fetch("AES-256-GCM"));
static AES_256_ECB: LazyLock<Option<Cipher>> = LazyLock::new(|| fetch("AES-256-ECB"));

/// The library counts in C's `int`: longer input goes in by parts of this many bytes.
pub(crate) const PART: usize = 1 << 30;

/// AES-256-GCM under one key.
pub(crate) struct Gcm {
    cipher: &'static CipherRef,
    key: Secret<32>,
    sealing: Option<CipherCtx>,
    opening: Option<CipherCtx>,
}

impl Gcm {
    pub(crate) fn new(key: &Secret<32>) -> Result<Self, Error> {
        Ok(Self { cipher: cipher(&AES_256_GCM)?, key: key.clone(), sealing: None, opening: None })
    }

    fn try_seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let context = kept(&mut self.sealing, |context| {
            Ok(context.encrypt_init(Some(self.cipher), Some(self.key.expose()), None)?)
        })?;
        context.encrypt_init(None, None, Some(nonce))?;
        transform(context, aad, buf)?;
        context.cipher_final(&mut [])?;
        let mut tag = [0; TAG_LEN];
        context.tag(&mut tag)?;
        Ok(tag)
    }

    fn try_open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), Error> {
        let context = kept(&mut self.opening, |context| {
            Ok(context.decrypt_init(Some(self.cipher), Some(self.key.expose()), None)?)
        })?;
        context.decrypt_init(None, None, Some(nonce))?;
        transform(context, aad, buf)?;
        context.set_tag(tag)?;
        context.cipher_final(&mut []).map_err(|_| Error::Tag)?;
        Ok(())
    }
}

impl Aead for Gcm {
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError> {
        let sealed = self.try_seal(nonce, aad, buf);
        if sealed.is_err() {
            self.sealing = None;
        }
        Ok(sealed?)
    }

    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        let opened = self.try_open(nonce, aad, buf, tag);
        if let Err(error) = &opened {
            // The library decrypts first and looks at the tag last.
            buf.zeroize();
            // A wrong tag is the peer's doing and leaves the context fit for the next nonce. Anything else is not known to.
            if !matches!(error, Error::Tag) {
                self.opening = None;
            }
        }
        Ok(opened?)
    }
}

/// AES-256 on independent blocks.
pub(crate) struct Aes256Blocks {
    cipher: &'static CipherRef,
    key: Secret<32>,
    encrypting: Option<CipherCtx>,
    decrypting: Option<CipherCtx>,
}

impl Aes256Blocks {
    pub(crate) fn new(key: &Secret<32>) -> Result<Self, Error> {
        Ok(Self { cipher: cipher(&AES_256_ECB)?, key: key.clone(), encrypting: None, decrypting: None })
    }

    fn try_encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), Error> {
        let context = kept(&mut self.encrypting, |context| {
            context.encrypt_init(Some(self.cipher), Some(self.key.expose()), None)?;
            context.set_padding(false);
            Ok(())
        })?;
        Ok(transform_blocks(context, blocks)?)
    }

    fn try_decrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), Error> {
        let context = kept(&mut self.decrypting, |context| {
            context.decrypt_init(Some(self.cipher), Some(self.key.expose()), None)?;
            context.set_padding(false);
            Ok(())
        })?;
        Ok(transform_blocks(context, blocks)?)
    }
}

impl BlockCipher for Aes256Blocks {
    fn encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        let encrypted = self.try_encrypt(blocks);
        if encrypted.is_err() {
            self.encrypting = None;
        }
        Ok(encrypted?)
    }

    fn decrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        let decrypted = self.try_decrypt(blocks);
        if decrypted.is_err() {
            self.decrypting = None;
        }
        Ok(decrypted?)
    }
}

fn fetch(name: &str) -> Option<Cipher> {
    // Not left to the library's own first use, which would tear it down while threads still run at the process's end.
    openssl::init();
    Cipher::fetch(None, name, None).ok()
}

fn cipher(fetched: &'static LazyLock<Option<Cipher>>) -> Result<&'static CipherRef, Error> {
    Ok(fetched.as_ref().ok_or(Error::NoCipher)?)
}

/// The context in `slot`, set up first where there is none yet.
fn kept(
    slot: &mut Option<CipherCtx>,
    set_up: impl FnOnce(&mut CipherCtxRef) -> Result<(), Error>,
) -> Result<&mut CipherCtx, Error> {
    if slot.is_none() {
        let mut context = CipherCtx::new()?;
        set_up(&mut context)?;
        *slot = Some(context);
    }
    Ok(slot.as_mut().expect("filled above"))
}

/// Feeds additional data, then `buf` in place.
fn transform(context: &mut CipherCtxRef, aad: &[u8], buf: &mut [u8]) -> Result<(), ErrorStack> {
    for part in aad.chunks(PART) {
        context.cipher_update(part, None)?;
    }
    for part in buf.chunks_mut(PART) {
        let len = part.len();
        context.cipher_update_inplace(part, len)?;
    }
    Ok(())
}

/// Passes whole blocks through a context without padding. The binding wants room for one block more than the library
/// writes, so the last one goes through a buffer of its own.
fn transform_blocks(context: &mut CipherCtxRef, blocks: &mut [[u8; 16]]) -> Result<(), ErrorStack> {
    for part in blocks.chunks_mut(PART / 16) {
        let part = part.as_flattened_mut();
        let last = part.len() - 16;
        let mut room = Zeroizing::new([0; 32]);
        room[..16].copy_from_slice(&part[last..]);
        context.cipher_update_inplace(&mut *room, 16)?;
        if last > 0 {
            context.cipher_update_inplace(part, last)?;
        }
        part[last..].copy_from_slice(&room[..16]);
    }
    Ok(())
}
