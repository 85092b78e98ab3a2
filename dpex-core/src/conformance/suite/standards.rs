//! The vectors that the standards themselves print, and RSA as dpex wants it.

use super::{RSA3072, RSA3072_SPKI, RSA4096, Suite, hex, unhex};
use crate::suite::CryptoError;
use crate::types::Secret;

fn key(text: &str) -> Secret<32> {
    Secret::try_from(unhex(text).as_slice()).expect("32 bytes")
}

/// FIPS 180-4's examples, and nothing.
pub fn sha256_gives_the_examples_of_fips_180(suite: Suite) {
    let million = [b'a'; 1_000_000];
    let cases: [(&[u8], &str); 4] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (message, expected) in cases {
        let mut hash = suite.sha256();
        hash.update(message);
        assert_eq!(hash.finish().to_string(), expected);
    }
}

/// All but case 5, which is about truncation, in full.
pub fn hmac_gives_the_vectors_of_rfc_4231(suite: Suite) {
    let long = [0xaa; 131];
    let counting: Vec<u8> = (1..=25).collect();
    let cases: [(&[u8], &[u8], &str); 6] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&counting, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, message, expected) in cases {
        assert_eq!(suite.hmac(key).mac(&[message]).as_slice(), unhex(expected));
    }
    let truncated = suite.hmac(&[0x0c; 20]).mac(&[b"Test With Truncation"]);
    assert_eq!(&truncated[..16], unhex("a3b6167473100ee06e0c796c2955552b"));
    let empty = suite.hmac(b"").mac(&[]);
    assert_eq!(empty.as_slice(), unhex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

/// Test cases 13 to 16 of "The Galois/Counter Mode of Operation".
pub fn gcm_gives_the_aes_256_vectors_of_its_specification(suite: Suite) {
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let feff = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                 b16aedf5aa0de657ba637b391aafd255";
    let cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                  c5f61e6393ba7a0abcc9f662898015ad";
    let (iv0, iv) = ("000000000000000000000000", "cafebabefacedbaddecaf888");
    // Key, nonce, additional data, plaintext, ciphertext, tag.
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
        let mut aead = suite.aead(&key(k)).expect("a key");
        let nonce = unhex(nonce).try_into().expect("12 bytes");
        let mut buf = unhex(plain);
        let sealed = aead.seal(&nonce, &unhex(aad), &mut buf).expect("sealed");
        assert_eq!((hex(&buf).as_str(), hex(&sealed).as_str()), (cipher, tag));
        aead.open(&nonce, &unhex(aad), &mut buf, &sealed).expect("opened");
        assert_eq!(hex(&buf), plain);
    }
}

/// Appendix C.3, there and back.
pub fn blocks_give_the_aes_256_example_of_fips_197(suite: Suite) {
    let mut cipher =
        suite.block(&key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")).expect("a key");
    let mut blocks = [[0; 16]; 21];
    let plain: [u8; 16] = unhex("00112233445566778899aabbccddeeff").try_into().expect("16 bytes");
    // Alone, and at the first, a middle and the last place of a run longer than any parallel width.
    for at in [0, 9, 20] {
        blocks[at] = plain;
    }
    let before = blocks;
    cipher.encrypt(&mut blocks).expect("encrypted");
    for (at, block) in blocks.iter().enumerate() {
        let expected = if [0, 9, 20].contains(&at) {
            "8ea2b7ca516745bfeafc49904b496089"
        } else {
            "f29000b62a499fd0a9f39a6add2e7780"
        };
        assert_eq!(hex(block), expected, "block {at}");
    }
    cipher.decrypt(&mut blocks).expect("decrypted");
    assert_eq!(blocks, before);
    cipher.decrypt(&mut []).expect("nothing to do");
}

/// Sections 5.2 and 6.1.
pub fn x25519_gives_the_vectors_of_rfc_7748(suite: Suite) {
    let pair = |secret| suite.key_agreement(&key(secret)).expect("a key pair");
    let cases = [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
        (
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
        ),
    ];
    for (secret, peer, product) in cases {
        let peer = unhex(peer).try_into().expect("32 bytes");
        assert_eq!(pair(secret).agree(&peer), Ok(key(product)));
    }
    let bob = pair("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    assert_eq!(hex(&bob.public()), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

/// In every coat: above the prime, and with the bit that is to be ignored (HS-1).
pub fn shares_of_low_order_are_refused(suite: Suite) {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        // p - 1, and p and p + 1, which are 0 and 1 in another coat.
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in points {
        let share: [u8; 32] = unhex(point).try_into().expect("32 bytes");
        let mut with_high_bit = share;
        with_high_bit[31] |= 0x80;
        for share in [share, with_high_bit] {
            let pair = suite.key_agreement(&Secret::new([0x42; 32])).expect("a key pair");
            assert_eq!(pair.agree(&share).expect_err("low order"), CryptoError::AuthFailed, "{}", hex(&share));
        }
    }
}

/// Salt and seed are random.
pub fn two_signatures_and_two_wrappings_differ(suite: Suite) {
    let identity = suite.identity_from_pkcs8(RSA3072).expect("a key");
    assert_ne!(identity.sign(b"message").expect("signed"), identity.sign(b"message").expect("signed"));
    let wrapped = || identity.public().wrap(b"label", &[7; 32]).expect("wrapped");
    assert_ne!(wrapped(), wrapped());
}

/// 2,374 and 550 bytes of DER, 512 of signature and ciphertext.
pub fn keys_of_4096_bits_have_the_documented_sizes(suite: Suite) {
    let identity = suite.identity_from_pkcs8(RSA4096).expect("a key");
    assert_eq!(identity.to_pkcs8().expect("encoded").as_slice(), RSA4096);
    let public = identity.public();
    assert_eq!((RSA4096.len(), public.spki().len(), public.modulus_len()), (2374, 550, 512));
    let signature = identity.sign(b"message").expect("signed");
    assert_eq!(signature.len(), 512);
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    let wrapped = public.wrap(b"label", &[1; 446]).expect("wrapped");
    assert_eq!(wrapped.len(), 512);
    assert_eq!(identity.unwrap(b"label", &wrapped).expect("opened").as_slice(), [1; 446]);
    assert_eq!(public.wrap(b"label", &[1; 447]), Err(CryptoError::BadLength));
}

/// Libraries have other defaults, and some take any salt length (ENR-2).
pub fn signatures_with_another_salt_or_padding_are_refused(suite: Suite) {
    let public = suite.public_from_spki(RSA3072_SPKI).expect("a key");
    assert_eq!(public.verify(b"message", include_bytes!("data/pss-salt32.sig")), Ok(()));
    let others: [(&str, &[u8]); 8] = [
        ("no salt", include_bytes!("data/pss-salt0.sig")),
        ("a salt of 20 bytes", include_bytes!("data/pss-salt20.sig")),
        ("a salt of 31 bytes", include_bytes!("data/pss-salt31.sig")),
        ("a salt of 33 bytes", include_bytes!("data/pss-salt33.sig")),
        ("a salt of 64 bytes", include_bytes!("data/pss-salt64.sig")),
        ("MGF1 with SHA-1", include_bytes!("data/pss-mgf1-sha1.sig")),
        ("SHA-384", include_bytes!("data/pss-sha384.sig")),
        ("PKCS #1 v1.5", include_bytes!("data/pkcs1.sig")),
    ];
    for (what, signature) in others {
        assert_eq!(public.verify(b"message", signature), Err(CryptoError::AuthFailed), "{what}");
    }
}

/// The parts of the last four fit together: every arithmetic relation between them holds (ENR-1).
pub fn private_keys_that_are_short_odd_or_inconsistent_are_refused(suite: Suite) {
    let cases: [(&str, &[u8]); 7] = [
        ("2048 bits", include_bytes!("data/rsa2048.pk8.der")),
        ("e = 3", include_bytes!("data/rsa3072-e3.pk8.der")),
        ("a public key", RSA3072_SPKI),
        ("factors that are not prime", include_bytes!("data/rsa3072-composite.pk8.der")),
        ("a factor of 62 bits", include_bytes!("data/rsa3072-tiny-factor.pk8.der")),
        ("factors of 2000 and 1072 bits", include_bytes!("data/rsa3072-uneven-factors.pk8.der")),
        ("d > n", include_bytes!("data/rsa3072-long-exponent.pk8.der")),
    ];
    for (what, der) in cases {
        assert_eq!(suite.identity_from_pkcs8(der).expect_err(what), CryptoError::BadKey, "{what}");
    }
}

/// Every part is hit, among them the precomputed ones that an implementation may be tempted to ignore.
pub fn a_flip_anywhere_in_a_private_key_is_refused(suite: Suite) {
    // All of the frame before the modulus, and of what stands between it and the private exponent; the numbers here and
    // there, their last byte too.
    let numbers = (33..422).chain(431..RSA3072.len()).step_by(11);
    for at in (0..33).chain(422..431).chain(numbers).chain([RSA3072.len() - 1]) {
        let mut broken = RSA3072.to_vec();
        broken[at] ^= 1 << (at % 8);
        assert_eq!(suite.identity_from_pkcs8(&broken).expect_err("refused"), CryptoError::BadKey, "byte {at}");
    }
}
