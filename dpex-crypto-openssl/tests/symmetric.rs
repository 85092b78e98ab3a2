//! Records, blocks, hashes and key agreement through the joint: what kept contexts and mid-states could get wrong.

use dpex_core::suite::{CipherSuite, CryptoError};
use dpex_core::types::Secret;
use dpex_crypto_openssl::SUITE;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm;

const KEY: [u8; 32] = [0x24; 32];

fn nonce(n: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&(n as u64).to_be_bytes());
    nonce
}

/// Deterministic bytes that are no pattern.
fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(167) >> 3) as u8 ^ seed).collect()
}

/// The library's one-shot function: a new context each time.
fn seal_once(nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let mut tag = [0; 16];
    let sealed = symm::encrypt_aead(symm::Cipher::aes_256_gcm(), &KEY, Some(nonce), aad, plain, &mut tag);
    (sealed.expect("sealed"), tag)
}

#[test]
fn one_kept_key_seals_every_record_as_a_fresh_one_does() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    for n in 0..600 {
        let (plain, aad) = (bytes(n * 7 % 1500, n as u8), bytes(n * 5 % 40, 3));
        let mut buf = plain.clone();
        let tag = aead.seal(&nonce(n), &aad, &mut buf).expect("sealed");
        assert_eq!((buf.clone(), tag), seal_once(&nonce(n), &aad, &plain), "record {n}");
        aead.open(&nonce(n), &aad, &mut buf, &tag).expect("authentic");
        assert_eq!(buf, plain, "record {n}");
    }
}

#[test]
fn a_record_is_sealed_alike_whatever_came_before_it() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    let mut seal = |n, aad: &[u8], len| {
        let mut buf = bytes(len, 1);
        let tag = aead.seal(&nonce(n), aad, &mut buf).expect("sealed");
        (buf, tag)
    };
    let first = seal(0, b"header", 1400);
    for (aad, len) in [(&b""[..], 0), (b"", 1), (b"a", 0), (b"header", 65_000), (b"", 17)] {
        seal(1, aad, len);
        assert_eq!(seal(0, b"header", 1400), first, "after {len} bytes");
    }
}

#[test]
fn a_key_goes_on_opening_after_any_number_of_forgeries() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    for n in 0..300 {
        let plain = bytes(n * 11 % 1500, n as u8);
        let (sealed, tag) = seal_once(&nonce(n), b"header", &plain);
        let mut forged_tag = tag;
        forged_tag[n % 16] ^= 1 << (n % 8);
        for (nonce, aad, tag) in [
            (nonce(n), &b"header"[..], &forged_tag),
            (nonce(n), b"heather", &tag),
            (nonce(n), b"", &tag),
            (nonce(n + 1), b"header", &tag),
        ] {
            let mut buf = sealed.clone();
            assert_eq!(aead.open(&nonce, aad, &mut buf, tag), Err(CryptoError::AuthFailed), "record {n}");
        }
        let mut buf = sealed;
        assert_eq!(aead.open(&nonce(n), b"header", &mut buf, &tag), Ok(()), "record {n}");
        assert_eq!(buf, plain, "record {n}");
    }
}

#[test]
fn a_forgery_leaves_zeros_and_not_the_plaintext_that_the_library_wrote() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    for len in [1, 15, 16, 1400, 65_000] {
        let (sealed, mut tag) = seal_once(&nonce(len), b"header", &vec![0x55; len]);
        tag[15] ^= 1;
        let mut buf = sealed.clone();
        assert_eq!(aead.open(&nonce(len), b"header", &mut buf, &tag), Err(CryptoError::AuthFailed));
        assert_eq!(buf, vec![0; len], "{len} bytes");
        let mut flipped = sealed;
        flipped[len / 2] ^= 1;
        tag[15] ^= 1;
        assert_eq!(aead.open(&nonce(len), b"header", &mut flipped, &tag), Err(CryptoError::AuthFailed));
        assert_eq!(flipped, vec![0; len], "{len} bytes");
    }
}

#[test]
fn sealing_and_opening_with_one_key_do_not_disturb_each_other() {
    let mut aead = SUITE.aead(&Secret::new(KEY)).expect("a key");
    let mut before: Option<(Vec<u8>, [u8; 16])> = None;
    for n in 0..100 {
        let mut buf = bytes(200 + n, n as u8);
        let tag = aead.seal(&nonce(n), b"", &mut buf).expect("sealed");
        assert_eq!((buf.clone(), tag), seal_once(&nonce(n), b"", &bytes(200 + n, n as u8)), "record {n}");
        if let Some((mut buf, tag)) = before.replace((buf, tag)) {
            assert_eq!(aead.open(&nonce(n - 1), b"", &mut buf, &tag), Ok(()));
            assert_eq!(buf, bytes(199 + n, (n - 1) as u8));
        }
    }
}

#[test]
fn keys_do_not_share_a_context() {
    let mut these: Vec<_> = (0..4).map(|n| SUITE.aead(&Secret::new([n; 32])).expect("a key")).collect();
    let mut sealed = Vec::new();
    for aead in &mut these {
        let mut buf = *b"the same text";
        let tag = aead.seal(&nonce(0), b"", &mut buf).expect("sealed");
        assert!(!sealed.contains(&(buf, tag)));
        sealed.push((buf, tag));
    }
    for (n, aead) in these.iter_mut().enumerate() {
        for (m, (buf, tag)) in sealed.iter().enumerate() {
            assert_eq!(aead.open(&nonce(0), b"", &mut buf.clone(), tag).is_ok(), n == m, "key {n}, record {m}");
        }
    }
}

#[test]
fn blocks_are_independent_and_come_back() {
    // FIPS 197, appendix C.3.
    let key = std::array::from_fn(|i| i as u8);
    let plain = std::array::from_fn(|i| 0x11 * i as u8);
    let expected = [0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49, 0x60, 0x89];
    let mut cipher = SUITE.block(&Secret::new(key)).expect("a key");
    for count in [0, 1, 2, 3, 16, 17, 1000] {
        let mut blocks = vec![plain; count];
        cipher.encrypt(&mut blocks).expect("encrypted");
        assert_eq!(blocks, vec![expected; count], "{count} blocks");
        cipher.decrypt(&mut blocks).expect("decrypted");
        assert_eq!(blocks, vec![plain; count], "{count} blocks");
    }
}

#[test]
fn what_looks_like_padding_is_a_block_like_any_other() {
    let mut cipher = SUITE.block(&Secret::new(KEY)).expect("a key");
    let plain = [[1; 16], [16; 16], [2; 16], [16; 16]];
    let mut blocks = plain;
    cipher.encrypt(&mut blocks).expect("encrypted");
    assert_eq!(blocks[1], blocks[3]);
    for last in 1..=4 {
        let mut some = blocks;
        cipher.decrypt(&mut some[..last]).expect("decrypted");
        assert_eq!(some[..last], plain[..last]);
        assert_eq!(some[last..], blocks[last..], "not touched");
    }
}

#[test]
fn macs_from_mid_states_are_the_librarys_own() {
    for key_len in [0, 1, 31, 32, 63, 64, 65, 100, 128, 1000] {
        let key = bytes(key_len, 9);
        let mac = SUITE.hmac(&key);
        for len in [0, 1, 32, 55, 56, 63, 64, 65, 1200] {
            let message = bytes(len, 4);
            let expected = if key.is_empty() {
                // An empty key is no key to the library's own function; padded to a block it is the same.
                library_mac(&[0; 64], &message)
            } else {
                library_mac(&key, &message)
            };
            let (head, tail) = message.split_at(len / 3);
            assert_eq!(mac.mac(&[&message])[..], expected, "a key of {key_len}, a message of {len}");
            assert_eq!(mac.mac(&[head, b"", tail])[..], expected, "in parts");
        }
    }
}

fn library_mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).expect("a key");
    Signer::new(MessageDigest::sha256(), &key).expect("a signer").sign_oneshot_to_vec(message).expect("a MAC")
}

#[test]
fn a_fork_goes_its_own_way() {
    for at in [0, 1, 63, 64, 65, 200] {
        let mut hash = SUITE.sha256();
        hash.update(&bytes(at, 5));
        let mut fork = hash.fork();
        fork.update(b"fork");
        hash.update(b"trunk");
        let finish = |end: &[u8]| openssl::sha::sha256(&[&bytes(at, 5), end].concat());
        assert_eq!(fork.finish().0, finish(b"fork"), "at {at}");
        assert_eq!(hash.finish().0, finish(b"trunk"), "at {at}");
    }
}

#[test]
fn random_bytes_fill_everything_and_differ() {
    let (mut one, mut other) = (vec![0; 70_001], vec![0; 70_001]);
    SUITE.random(&mut one).expect("random");
    SUITE.random(&mut other).expect("random");
    assert_ne!(one, other);
    assert!(one.chunks(16).all(|chunk| chunk.len() < 16 || chunk.iter().any(|&byte| byte != 0)));
    SUITE.random(&mut []).expect("nothing asked, nothing failed");
}

// HS-1.
#[test]
fn shares_of_low_order_are_refused() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let (mut zero_again, mut one_again) = ([0xff; 32], [0xff; 32]);
    (zero_again[0], zero_again[31]) = (0xed, 0x7f);
    (one_again[0], one_again[31]) = (0xee, 0x7f);
    for share in [[0; 32], one, minus_one, zero_again, one_again] {
        let mut high = share;
        high[31] |= 0x80;
        for share in [share, high] {
            let ours = SUITE.key_agreement(&Secret::new(KEY)).expect("a pair");
            assert_eq!(ours.agree(&share).expect_err("refused"), CryptoError::AuthFailed, "{share:02x?}");
        }
    }
}

#[test]
fn both_ends_agree() {
    let pair = |seed| SUITE.key_agreement(&Secret::new([seed; 32])).expect("a pair");
    let (one, other, third) = (pair(1), pair(2), pair(3).public());
    let (one_share, other_share) = (one.public(), other.public());
    assert_ne!(one_share, other_share);
    let shared = one.agree(&other_share).expect("agreed");
    assert_eq!(other.agree(&one_share).expect("agreed"), shared);
    assert_ne!(pair(1).agree(&third).expect("agreed"), shared);
}
