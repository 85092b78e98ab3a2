//! RSA identities through the joint: what is accepted, what is refused, and that nothing else passes.

use std::sync::{Arc, LazyLock};

use dpex_core::suite::{CipherSuite, CryptoError, IdentityKey, PublicKey};
use dpex_crypto_openssl::SUITE;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};

const PKCS8: &[u8] = include_bytes!("data/rsa3072.pk8.der");
const SPKI: &[u8] = include_bytes!("data/rsa3072.spki.der");
const LABEL: &[u8] = b"DPEX/1 enrol-wrap";

static IDENTITY: LazyLock<Arc<dyn IdentityKey>> = LazyLock::new(|| SUITE.identity_from_pkcs8(PKCS8).expect("a key"));
static OTHER: LazyLock<Arc<dyn IdentityKey>> =
    LazyLock::new(|| SUITE.identity_from_pkcs8(include_bytes!("data/rsa3072-other.pk8.der")).expect("a key"));

fn public() -> Arc<dyn PublicKey> {
    SUITE.public_from_spki(SPKI).expect("a key")
}

fn secret() -> [u8; 32] {
    [0x42; 32]
}

/// A signature by the library itself, to do what the joint does not offer.
fn sign_raw(padding: Padding, salt_len: Option<i32>) -> Vec<u8> {
    let key = PKey::private_key_from_pkcs8(PKCS8).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    signer.set_rsa_padding(padding).expect("a padding");
    if let Some(salt_len) = salt_len {
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt_len)).expect("a salt length");
        signer.set_rsa_mgf1_md(MessageDigest::sha256()).expect("a hash");
    }
    signer.sign_oneshot_to_vec(b"message").expect("signed")
}

fn verify_raw(salt_len: i32, signature: &[u8]) -> bool {
    let key = PKey::public_key_from_der(SPKI).expect("a key");
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).expect("a verifier");
    verifier.set_rsa_padding(Padding::PKCS1_PSS).expect("a padding");
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt_len)).expect("a salt length");
    verifier.set_rsa_mgf1_md(MessageDigest::sha256()).expect("a hash");
    verifier.verify_oneshot(signature, b"message").is_ok_and(|verified| verified)
}

#[test]
fn a_signature_verifies_under_its_key_and_message_only() {
    let signature = IDENTITY.sign(b"message").expect("signed");
    assert_eq!(signature.len(), 384);
    assert_eq!(public().verify(b"message", &signature), Ok(()));
    assert_eq!(IDENTITY.public().verify(b"message", &signature), Ok(()));
    assert_eq!(public().verify(b"massage", &signature), Err(CryptoError::AuthFailed));
    assert_eq!(public().verify(b"", &signature), Err(CryptoError::AuthFailed));
    assert_eq!(OTHER.public().verify(b"message", &signature), Err(CryptoError::AuthFailed));
}

#[test]
fn two_signatures_of_one_message_differ() {
    assert_ne!(IDENTITY.sign(b"message").expect("signed"), IDENTITY.sign(b"message").expect("signed"));
}

#[test]
fn a_flip_in_any_byte_of_a_signature_is_refused() {
    let (public, signature) = (public(), IDENTITY.sign(b"message").expect("signed"));
    for at in 0..signature.len() {
        let mut broken = signature.clone();
        broken[at] ^= 1 << (at % 8);
        assert_eq!(public.verify(b"message", &broken), Err(CryptoError::AuthFailed), "byte {at}");
    }
    assert_eq!(public.verify(b"message", &signature), Ok(()));
}

// ENR-2.
#[test]
fn a_signature_of_another_length_is_refused() {
    let (public, signature) = (public(), IDENTITY.sign(b"message").expect("signed"));
    let longer = [&signature[..], &[0]].concat();
    let shifted = [&[0], &signature[..]].concat();
    for wrong in [&[][..], &signature[..383], &signature[1..], &longer, &shifted, &[0xff; 384], &[0; 384]] {
        assert_eq!(public.verify(b"message", wrong), Err(CryptoError::AuthFailed), "{} bytes", wrong.len());
    }
}

#[test]
fn signatures_carry_a_salt_of_32_bytes() {
    let signature = IDENTITY.sign(b"message").expect("signed");
    for salt_len in [0, 20, 31, 33, 64] {
        assert!(!verify_raw(salt_len, &signature), "salt of {salt_len}");
    }
    assert!(verify_raw(32, &signature));
}

// ENR-2.
#[test]
fn signatures_with_another_salt_or_padding_are_refused() {
    // The last is the salt that fills the modulus, which the library takes when nobody says otherwise.
    for salt_len in [0, 20, 31, 33, 64, 350] {
        let signature = sign_raw(Padding::PKCS1_PSS, Some(salt_len));
        assert_eq!(public().verify(b"message", &signature), Err(CryptoError::AuthFailed), "salt of {salt_len}");
    }
    let by_default = sign_raw(Padding::PKCS1_PSS, None);
    assert_eq!(public().verify(b"message", &by_default), Err(CryptoError::AuthFailed), "the library's default");
    let signature = sign_raw(Padding::PKCS1_PSS, Some(32));
    assert_eq!(public().verify(b"message", &signature), Ok(()), "the only difference above was the salt");
    let signature = sign_raw(Padding::PKCS1, None);
    assert_eq!(public().verify(b"message", &signature), Err(CryptoError::AuthFailed));
}

#[test]
fn a_wrapped_key_opens_under_its_key_and_label_only() {
    let wrapped = public().wrap(LABEL, &secret()).expect("wrapped");
    assert_eq!(wrapped.len(), 384);
    assert_eq!(IDENTITY.unwrap(LABEL, &wrapped), Ok(secret().to_vec().into()));
    assert_eq!(IDENTITY.unwrap(b"DPEX/1 enrol-wrap ", &wrapped), Err(CryptoError::AuthFailed));
    assert_eq!(OTHER.unwrap(LABEL, &wrapped), Err(CryptoError::AuthFailed));
    assert_ne!(public().wrap(LABEL, &secret()).expect("wrapped"), wrapped, "the padding is random");
}

#[test]
fn an_empty_label_is_refused_on_both_sides() {
    assert_eq!(public().wrap(b"", &secret()), Err(CryptoError::BadLength));
    let wrapped = public().wrap(LABEL, &secret()).expect("wrapped");
    assert_eq!(IDENTITY.unwrap(b"", &wrapped), Err(CryptoError::BadLength));
}

#[test]
fn leading_zeros_are_part_of_signatures_and_wrapped_keys() {
    // The library takes both for numbers. One in 256 begins with a zero; without it, it is another string of bytes.
    let wrapped =
        (0..10_000).map(|_| public().wrap(LABEL, &secret()).expect("wrapped")).find(|wrapped| wrapped[0] == 0);
    let wrapped = wrapped.expect("one of so many begins with a zero");
    assert_eq!(IDENTITY.unwrap(LABEL, &wrapped), Ok(secret().to_vec().into()));
    assert_eq!(IDENTITY.unwrap(LABEL, &wrapped[1..]), Err(CryptoError::AuthFailed));
    let signature = (0..10_000).map(|_| IDENTITY.sign(b"message").expect("signed")).find(|signature| signature[0] == 0);
    let signature = signature.expect("one of so many begins with a zero");
    assert_eq!(public().verify(b"message", &signature), Ok(()));
    assert_eq!(public().verify(b"message", &signature[1..]), Err(CryptoError::AuthFailed));
}

#[test]
fn messages_of_every_length_that_fits_are_wrapped() {
    for len in [0, 1, 32, 317, 318] {
        let message = vec![7; len];
        let wrapped = public().wrap(LABEL, &message).expect("it fits");
        assert_eq!(IDENTITY.unwrap(LABEL, &wrapped), Ok(message.into()), "{len} bytes");
    }
    for len in [319, 384, 1000] {
        assert_eq!(public().wrap(LABEL, &vec![7; len]), Err(CryptoError::BadLength), "{len} bytes");
    }
}

#[test]
fn a_broken_wrapped_key_fails_in_one_way() {
    let wrapped = public().wrap(LABEL, &secret()).expect("wrapped");
    for at in (0..wrapped.len()).step_by(16) {
        let mut broken = wrapped.clone();
        broken[at] ^= 1 << (at / 16 % 8);
        assert_eq!(IDENTITY.unwrap(LABEL, &broken), Err(CryptoError::AuthFailed), "byte {at}");
    }
    let longer = [&wrapped[..], &[0]].concat();
    for wrong in [&[][..], &wrapped[..383], &longer, &[0; 384], &[0xff; 384]] {
        assert_eq!(IDENTITY.unwrap(LABEL, wrong), Err(CryptoError::AuthFailed), "{} bytes", wrong.len());
    }
}

#[test]
fn keys_come_back_as_they_were_stored() {
    assert_eq!(IDENTITY.to_pkcs8().expect("encoded").as_slice(), PKCS8);
    assert_eq!(IDENTITY.public().spki(), SPKI);
    assert_eq!(public().spki(), SPKI);
    assert_eq!(public().modulus_len(), 384);
}

#[test]
fn keys_of_4096_bits_work_and_have_the_documented_sizes() {
    let der = include_bytes!("data/rsa4096.pk8.der");
    let identity = SUITE.identity_from_pkcs8(der).expect("a key");
    assert_eq!(identity.to_pkcs8().expect("encoded").as_slice(), der);
    let public = identity.public();
    assert_eq!((der.len(), public.spki().len(), public.modulus_len()), (2374, 550, 512));
    let signature = identity.sign(b"message").expect("signed");
    assert_eq!(signature.len(), 512);
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    let wrapped = public.wrap(LABEL, &secret()).expect("wrapped");
    assert_eq!(wrapped.len(), 512);
    assert_eq!(identity.unwrap(LABEL, &wrapped), Ok(secret().to_vec().into()));
}

#[test]
fn a_generated_key_works_and_survives_storing() {
    let made = SUITE.generate_identity(3072).expect("made");
    let stored = made.to_pkcs8().expect("encoded");
    let loaded = SUITE.identity_from_pkcs8(&stored).expect("loaded");
    assert_eq!(loaded.public().spki(), made.public().spki());
    assert_eq!(made.public().modulus_len(), 384);
    let signature = loaded.sign(b"message").expect("signed");
    assert_eq!(made.public().verify(b"message", &signature), Ok(()));
}

#[test]
fn only_3072_and_4096_bits_are_made() {
    for bits in [0, 1024, 2048, 3071, 3073, 8192] {
        assert_eq!(SUITE.generate_identity(bits).expect_err("refused"), CryptoError::Unsupported, "{bits} bits");
    }
}

#[test]
fn private_keys_that_are_short_odd_or_inconsistent_are_refused() {
    let cases: [(&str, &[u8]); 5] = [
        ("2048 bits", include_bytes!("data/rsa2048.pk8.der")),
        ("e = 3", include_bytes!("data/rsa3072-e3.pk8.der")),
        ("factors that are not prime", include_bytes!("data/rsa3072-composite.pk8.der")),
        ("a public key", SPKI),
        ("nothing", b""),
    ];
    for (what, der) in cases {
        assert_eq!(SUITE.identity_from_pkcs8(der).expect_err("refused"), CryptoError::BadKey, "{what}");
    }
    let trailing = [PKCS8, &[0]].concat();
    assert_eq!(SUITE.identity_from_pkcs8(&trailing).expect_err("refused"), CryptoError::BadKey);
}

#[test]
fn a_flip_anywhere_in_a_private_key_is_refused() {
    // Every part is hit, among them the precomputed ones that an implementation may be tempted to ignore.
    for at in (0..PKCS8.len()).step_by(29).chain([PKCS8.len() - 1]) {
        let mut broken = PKCS8.to_vec();
        broken[at] ^= 1 << (at % 8);
        assert_eq!(SUITE.identity_from_pkcs8(&broken).expect_err("refused"), CryptoError::BadKey, "byte {at}");
    }
}

#[test]
fn public_keys_that_are_short_odd_or_written_another_way_are_refused() {
    let mut even = SPKI.to_vec();
    let end = even.len() - 6;
    assert_eq!(SPKI[end..], [SPKI[end], 2, 3, 1, 0, 1], "the modulus ends before the exponent");
    even[end] ^= 1;
    let rsa2048 = PKey::private_key_from_pkcs8(include_bytes!("data/rsa2048.pk8.der")).expect("a key");
    let cases: [(&str, &[u8]); 7] = [
        ("2048 bits", &rsa2048.public_key_to_der().expect("encoded")),
        ("e = 3", include_bytes!("data/rsa3072-e3.spki.der")),
        ("an even modulus", &even),
        (
            "PKCS#1",
            &PKey::public_key_from_der(SPKI)
                .expect("a key")
                .rsa()
                .expect("RSA")
                .public_key_to_der_pkcs1()
                .expect("encoded"),
        ),
        ("a byte too many", &[SPKI, &[0]].concat()),
        ("a byte too few", &SPKI[..SPKI.len() - 1]),
        ("another algorithm", &PKey::generate_x25519().expect("made").public_key_to_der().expect("encoded")),
    ];
    for (what, der) in cases {
        assert_eq!(SUITE.public_from_spki(der).expect_err("refused"), CryptoError::BadKey, "{what}");
    }
}

#[test]
fn keys_for_pss_alone_are_refused() {
    // rsaEncryption and its parameters, 1.2.840.113549.1.1.1 NULL, become id-RSASSA-PSS, 1.2.840.113549.1.1.10, without.
    let (before, oid) = (&SPKI[4..19], [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1]);
    assert_eq!(before, [&[0x30, 13], &oid[..], &[1, 5, 0]].concat());
    let der = [&[0x30, 0x82, SPKI[2], SPKI[3] - 2, 0x30, 11], &oid[..], &[10], &SPKI[19..]].concat();
    PKey::public_key_from_der(&der).expect("the library takes it");
    assert_eq!(SUITE.public_from_spki(&der).expect_err("refused"), CryptoError::BadKey);
}

#[test]
fn debug_output_shows_no_key() {
    assert_eq!(format!("{:?} {:?}", *IDENTITY, public()).matches("3072").count(), 2);
    assert!(format!("{:?}", *IDENTITY).len() < 40);
}
