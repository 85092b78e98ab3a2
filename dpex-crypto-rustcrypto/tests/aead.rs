//! AES-256-GCM and AES-256 blocks against published vectors, and what a failed open leaves behind.

use data_encoding::HEXLOWER;
use dpex_core::suite::{CipherSuite, CryptoError};
use dpex_core::types::Secret;
use dpex_crypto_rustcrypto::SUITE;

const NONCE: [u8; 12] = [3; 12];

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hex")
}

fn key(text: &str) -> Secret<32> {
    Secret::try_from(hex(text).as_slice()).expect("32 bytes")
}

#[test]
fn gcm_gives_the_aes_256_vectors_of_its_specification() {
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let feff = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                 b16aedf5aa0de657ba637b391aafd255";
    let cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                  c5f61e6393ba7a0abcc9f662898015ad";
    let (iv0, iv) = ("000000000000000000000000", "cafebabefacedbaddecaf888");
    // Test cases 13 to 16: key, nonce, additional data, plaintext, ciphertext, tag.
    let cases = [
        (zero, iv0, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            zero,
            iv0,
            "",
            "00000000000000000000000000000000",
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (feff, iv, "", plain, cipher, "b094dac5d93471bdec1a502270e3cc6c"),
        (
            feff,
            iv,
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            &plain[..120],
            &cipher[..120],
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ];
    for (k, nonce, aad, plain, cipher, tag) in cases {
        let mut aead = SUITE.aead(&key(k)).expect("a key");
        let nonce = hex(nonce).try_into().expect("12 bytes");
        let mut buf = hex(plain);
        let sealed = aead.seal(&nonce, &hex(aad), &mut buf).expect("sealed");
        assert_eq!((HEXLOWER.encode(&buf).as_str(), HEXLOWER.encode(&sealed).as_str()), (cipher, tag));
        aead.open(&nonce, &hex(aad), &mut buf, &sealed).expect("opened");
        assert_eq!(HEXLOWER.encode(&buf), plain);
    }
}

#[test]
fn one_flipped_bit_anywhere_fails_and_leaves_zeros() {
    let mut aead = SUITE.aead(&Secret::new([9; 32])).expect("a key");
    let (aad, plain) = ([1; 17], [0x5a; 100]);
    let mut cipher = plain;
    let tag = aead.seal(&NONCE, &aad, &mut cipher).expect("sealed");
    let mut refused = |nonce: &[u8; 12], aad: &[u8], cipher: &[u8], tag: &[u8; 16]| {
        let mut buf = cipher.to_vec();
        assert_eq!(aead.open(nonce, aad, &mut buf, tag), Err(CryptoError::AuthFailed));
        assert!(buf.iter().all(|byte| *byte == 0), "a failed open must leave zeros");
    };
    for bit in 0..8 {
        let flip = 1 << bit;
        for at in 0..NONCE.len() {
            let mut nonce = NONCE;
            nonce[at] ^= flip;
            refused(&nonce, &aad, &cipher, &tag);
        }
        for at in 0..aad.len() {
            let mut aad = aad;
            aad[at] ^= flip;
            refused(&NONCE, &aad, &cipher, &tag);
        }
        for at in 0..cipher.len() {
            let mut cipher = cipher;
            cipher[at] ^= flip;
            refused(&NONCE, &aad, &cipher, &tag);
        }
        for at in 0..tag.len() {
            let mut tag = tag;
            tag[at] ^= flip;
            refused(&NONCE, &aad, &cipher, &tag);
        }
    }
    refused(&NONCE, &aad[..16], &cipher, &tag);
    refused(&NONCE, &aad, &cipher[..99], &tag);
    // The untouched record still opens, so the loop above failed for its reason and no other.
    aead.open(&NONCE, &aad, &mut cipher, &tag).expect("opened");
    assert_eq!(cipher, plain);
}

#[test]
fn another_key_does_not_open() {
    let mut buf = *b"message";
    let tag = SUITE.aead(&Secret::new([1; 32])).expect("a key").seal(&NONCE, b"", &mut buf).expect("sealed");
    let opened = SUITE.aead(&Secret::new([2; 32])).expect("a key").open(&NONCE, b"", &mut buf, &tag);
    assert_eq!(opened, Err(CryptoError::AuthFailed));
    assert_eq!(buf, [0; 7]);
}

#[test]
fn a_whole_jumbo_datagram_makes_the_round_trip() {
    let mut aead = SUITE.aead(&Secret::new([4; 32])).expect("a key");
    let plain: Vec<u8> = (0..65_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let mut buf = plain.clone();
    let tag = aead.seal(&NONCE, b"aad", &mut buf).expect("sealed");
    assert_ne!(buf, plain);
    aead.open(&NONCE, b"aad", &mut buf, &tag).expect("opened");
    assert_eq!(buf, plain);
}

#[test]
fn blocks_give_the_aes_256_example_of_fips_197() {
    let mut cipher =
        SUITE.block(&key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")).expect("a key");
    let mut blocks = [[0; 16]; 21];
    let plain: [u8; 16] = hex("00112233445566778899aabbccddeeff").try_into().expect("16 bytes");
    // Alone, and at the first, a middle and the last place of a run longer than any parallel width.
    for at in [0, 9, 20] {
        blocks[at] = plain;
    }
    cipher.encrypt(&mut blocks).expect("encrypted");
    for (at, block) in blocks.iter().enumerate() {
        let expected = if [0, 9, 20].contains(&at) {
            "8ea2b7ca516745bfeafc49904b496089"
        } else {
            "f29000b62a499fd0a9f39a6add2e7780"
        };
        assert_eq!(HEXLOWER.encode(block), expected, "block {at}");
    }
    cipher.encrypt(&mut []).expect("nothing to do");
}
