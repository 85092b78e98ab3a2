//! Public keys arrive in mails from strangers: one encoding is accepted, and no other that means the same.

use super::{RSA2048_SPKI, RSA3072_E3_SPKI, RSA3072_SPKI as SPKI, Suite};
use crate::suite::CryptoError;

const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSASSA_PSS: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const NULL: &[u8] = &[0x05, 0x00];
const E: &[u8] = &[0x01, 0x00, 0x01];

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    let head = match length {
        [0, low @ 0..128] => vec![tag, low],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

/// An SPKI of these parts, each integer exactly as given.
fn spki(algorithm: &[&[u8]], modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = tlv(0x30, &[tlv(0x02, modulus), tlv(0x02, exponent)].concat());
    tlv(0x30, &[tlv(0x30, &algorithm.concat()), tlv(0x03, &[&[0], &key[..]].concat())].concat())
}

/// The modulus of the test key as the content of a DER integer: a zero byte, then 384 bytes.
fn modulus() -> Vec<u8> {
    SPKI[SPKI.len() - 5 - 385..SPKI.len() - 5].to_vec()
}

fn refused(suite: Suite, what: &str, der: &[u8]) {
    assert_eq!(suite.public_from_spki(der).expect_err("refused"), CryptoError::BadKey, "{what}");
}

/// It comes back as it was.
pub fn the_canonical_form_is_accepted(suite: Suite) {
    assert_eq!(spki(&[RSA_ENCRYPTION, NULL], &modulus(), E), SPKI, "this file's own encoder");
    assert_eq!(suite.public_from_spki(SPKI).expect("a key").spki(), SPKI);
}

/// Nor an even, zero or negative modulus (ENR-1).
pub fn keys_of_another_size_or_exponent_are_refused(suite: Suite) {
    refused(suite, "2048 bits", RSA2048_SPKI);
    refused(suite, "e = 3", RSA3072_E3_SPKI);
    let others = [&[1][..], &[2], &[3], &[1, 0, 0], &[1, 0, 3], &[1, 0, 1, 0, 1]];
    // The last one's bytes end as the encoding of 65537 does.
    for exponent in others.into_iter().chain([&[2, 3, 1, 0, 1][..]]) {
        refused(suite, "exponent", &spki(&[RSA_ENCRYPTION, NULL], &modulus(), exponent));
    }
    // 3071 and 3073 bits, zero, and an even modulus.
    let mut short = modulus()[1..].to_vec();
    short[0] = 0x7f;
    refused(suite, "3071 bits", &spki(&[RSA_ENCRYPTION, NULL], &short, E));
    let mut long = modulus();
    long[0] = 1;
    refused(suite, "3073 bits", &spki(&[RSA_ENCRYPTION, NULL], &long, E));
    let mut even = modulus();
    even[384] &= 0xfe;
    refused(suite, "even modulus", &spki(&[RSA_ENCRYPTION, NULL], &even, E));
    refused(suite, "zero modulus", &spki(&[RSA_ENCRYPTION, NULL], &[0], E));
    refused(suite, "negative modulus", &spki(&[RSA_ENCRYPTION, NULL], &modulus()[1..], E));
}

/// One key has one fingerprint (ENR-1).
pub fn other_encodings_of_the_same_key_are_refused(suite: Suite) {
    let n = modulus();
    refused(suite, "trailing byte", &[SPKI, &[0]].concat());
    refused(suite, "cut short", &SPKI[..SPKI.len() - 1]);
    refused(suite, "empty", &[]);
    refused(suite, "id-RSASSA-PSS", &spki(&[RSASSA_PSS], &n, E));
    refused(suite, "id-RSASSA-PSS with null", &spki(&[RSASSA_PSS, NULL], &n, E));
    refused(suite, "no parameters", &spki(&[RSA_ENCRYPTION], &n, E));
    refused(suite, "two parameters", &spki(&[RSA_ENCRYPTION, NULL, NULL], &n, E));
    refused(suite, "padded modulus", &spki(&[RSA_ENCRYPTION, NULL], &[&[0], &n[..]].concat(), E));
    refused(suite, "padded exponent", &spki(&[RSA_ENCRYPTION, NULL], &n, &[0, 1, 0, 1]));
    refused(suite, "bare PKCS#1", &tlv(0x30, &[tlv(0x02, &n), tlv(0x02, E)].concat()));
    // BER: the outer length in three bytes instead of two, and an indefinite one.
    let content = &SPKI[4..];
    refused(suite, "long length", &[&[0x30, 0x83, 0x00, SPKI[2], SPKI[3]], content].concat());
    refused(suite, "indefinite length", &[&[0x30, 0x80], content, &[0, 0]].concat());
    let mut unused = SPKI.to_vec();
    let bits = SPKI.len() - 5 - 385 - 4 - 4 - 1;
    assert_eq!(unused[bits], 0, "the count of unused bits");
    unused[bits] = 1;
    refused(suite, "unused bits", &unused);
}

/// Byte by byte.
pub fn a_flip_in_the_frame_never_passes_as_the_same_key(suite: Suite) {
    for at in 0..SPKI.len() {
        let mut broken = SPKI.to_vec();
        broken[at] ^= 1 << (at % 8);
        // A flip inside the modulus can make another well-formed key; it must then say so itself.
        match suite.public_from_spki(&broken) {
            Ok(key) => assert_eq!(key.spki(), broken, "byte {at}"),
            Err(error) => assert_eq!(error, CryptoError::BadKey, "byte {at}"),
        }
    }
}
