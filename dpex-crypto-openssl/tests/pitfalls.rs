//! What this library in particular makes easy to get wrong, checked against its own other ways to do the same.

use std::sync::{Arc, LazyLock};

use dpex_core::conformance::suite::{RSA3072, RSA3072_SPKI};
use dpex_core::suite::{CipherSuite, CryptoError, IdentityKey, PublicKey};
use dpex_core::types::Secret;
use dpex_crypto_openssl::SUITE;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use openssl::symm::{self, Cipher};

const KEY: [u8; 32] = [0x24; 32];
const LABEL: &[u8] = b"DPEX/1 enrol-wrap";

static IDENTITY: LazyLock<Arc<dyn IdentityKey>> = LazyLock::new(|| SUITE.identity_from_pkcs8(RSA3072).expect("a key"));

fn public() -> Arc<dyn PublicKey> {
    SUITE.public_from_spki(RSA3072_SPKI).expect("a key")
}

fn nonce(n: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&n.to_le_bytes());
    nonce
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (seed..seed + len).map(|i| i.wrapping_mul(167).to_le_bytes()[1]).collect()
}

/// The library's one-shot function, with a new context each time.
fn seal_once(nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let mut tag = [0; 16];
    let sealed = symm::encrypt_aead(Cipher::aes_256_gcm(), &KEY, Some(nonce), aad, plain, &mut tag);
    (sealed.expect("sealed"), tag)
}

#[test]
fn one_kept_context_seals_and_opens_as_fresh_ones_do_whatever_was_forged_between() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    let mut before: Option<(Vec<u8>, [u8; 16])> = None;
    let (plain, aad) = (|n| bytes(n * 7 % 1500, n), |n| bytes(n * 5 % 40, n));
    for n in 0..600 {
        let mut buf = plain(n);
        let tag = aead.seal(&nonce(n), &aad(n), &mut buf).expect("sealed");
        assert_eq!(
            (&buf, tag),
            (&seal_once(&nonce(n), &aad(n), &plain(n)).0, seal_once(&nonce(n), &aad(n), &plain(n)).1)
        );
        let mut forged = tag;
        forged[n % 16] ^= 1 << (n % 8);
        for (nonce, aad, tag) in
            [(nonce(n), aad(n), &forged), (nonce(n), aad(n + 1), &tag), (nonce(n + 1), aad(n), &tag)]
        {
            assert_eq!(aead.open(&nonce, &aad, &mut buf.clone(), tag), Err(CryptoError::AuthFailed), "record {n}");
        }
        // The record before this one, so that sealing and opening use different nonces in turn.
        if let Some((mut buf, tag)) = before.replace((buf, tag)) {
            assert_eq!(aead.open(&nonce(n - 1), &aad(n - 1), &mut buf, &tag), Ok(()), "record {n}");
            assert_eq!(buf, plain(n - 1), "record {n}");
        }
    }
}

#[test]
fn a_forgery_leaves_zeros_and_not_the_plaintext_that_the_library_wrote() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    for len in [1, 15, 16, 17, 1400, 8900, 65_000] {
        let (sealed, tag) = seal_once(&nonce(len), b"header", &vec![0x55; len]);
        let mut wrong = tag;
        wrong[15] ^= 1;
        let mut buf = sealed.clone();
        assert_eq!(aead.open(&nonce(len), b"header", &mut buf, &wrong), Err(CryptoError::AuthFailed));
        assert_eq!(buf, vec![0; len], "{len} bytes");
        let mut buf = sealed;
        buf[len - 1] ^= 1;
        assert_eq!(aead.open(&nonce(len), b"header", &mut buf, &tag), Err(CryptoError::AuthFailed));
        assert_eq!(buf, vec![0; len], "{len} bytes");
    }
}

#[test]
fn what_looks_like_padding_is_a_block_like_any_other() {
    let mut cipher = SUITE.block(&Secret::new(KEY)).expect("a key");
    let plain = [[1; 16], [16; 16], [2; 16], [16; 16]];
    let mut blocks = plain;
    cipher.encrypt(&mut blocks).expect("encrypted");
    for count in 1..=4 {
        let mut some = blocks;
        cipher.decrypt(&mut some[..count]).expect("decrypted");
        assert_eq!(some[..count], plain[..count], "nothing is held back or cut off");
        assert_eq!(some[count..], blocks[count..], "nothing is written beyond");
    }
}

#[test]
fn macs_from_mid_states_are_the_librarys_own() {
    for key_len in [1, 31, 32, 63, 64, 65, 128, 1000] {
        let mac = SUITE.hmac(&bytes(key_len, 9));
        let librarys = PKey::hmac(&bytes(key_len, 9)).expect("a key");
        for len in [0, 1, 55, 56, 63, 64, 65, 1200] {
            let message = bytes(len, 4);
            let mut signer = Signer::new(MessageDigest::sha256(), &librarys).expect("a signer");
            let expected = signer.sign_oneshot_to_vec(&message).expect("a MAC");
            assert_eq!(mac.mac(&[&message])[..], expected, "a key of {key_len}, a message of {len}");
        }
    }
}

/// A signature by the library itself, to do what the joint does not offer.
fn sign_raw(salt_len: i32) -> Vec<u8> {
    let key = PKey::private_key_from_pkcs8(RSA3072).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    signer.set_rsa_padding(Padding::PKCS1_PSS).expect("a padding");
    signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt_len)).expect("a salt length");
    signer.sign_oneshot_to_vec(b"message").expect("signed")
}

fn verify_raw(salt_len: i32, signature: &[u8]) -> bool {
    let key = PKey::public_key_from_der(RSA3072_SPKI).expect("a key");
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).expect("a verifier");
    verifier.set_rsa_padding(Padding::PKCS1_PSS).expect("a padding");
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt_len)).expect("a salt length");
    verifier.set_rsa_mgf1_md(MessageDigest::sha256()).expect("a hash");
    verifier.verify_oneshot(signature, b"message").is_ok_and(|verified| verified)
}

// ENR-2.
#[test]
fn the_salt_is_not_the_librarys_default() {
    let signature = IDENTITY.sign(b"message").expect("signed");
    assert!(verify_raw(32, &signature));
    for salt_len in [0, 20, 31, 33, 64, 350] {
        assert!(!verify_raw(salt_len, &signature), "salt of {salt_len}");
    }
    assert_eq!(public().verify(b"message", &sign_raw(32)), Ok(()));
    // What OpenSSL 3.0 makes when nobody says otherwise: the longest salt that fits. Newer ones stop at 32 bytes.
    assert_eq!(public().verify(b"message", &sign_raw(350)), Err(CryptoError::AuthFailed));
}

// ENR-2.
#[test]
fn leading_zeros_are_part_of_signatures_and_wrapped_keys() {
    // To the library both are numbers. One in 256 begins with a zero byte; without it, it is another string of bytes.
    let wrapped = (0..10_000).map(|_| public().wrap(LABEL, &KEY).expect("wrapped")).find(|wrapped| wrapped[0] == 0);
    let wrapped = wrapped.expect("one of so many begins with a zero");
    assert_eq!(IDENTITY.unwrap(LABEL, &wrapped), Ok(KEY.to_vec().into()));
    assert_eq!(IDENTITY.unwrap(LABEL, &wrapped[1..]), Err(CryptoError::AuthFailed));
    let signature = (0..10_000).map(|_| IDENTITY.sign(b"message").expect("signed")).find(|signature| signature[0] == 0);
    let signature = signature.expect("one of so many begins with a zero");
    assert_eq!(public().verify(b"message", &signature), Ok(()));
    assert_eq!(public().verify(b"message", &signature[1..]), Err(CryptoError::AuthFailed));
}
