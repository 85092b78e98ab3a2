//! Identities: what is accepted, what is refused, and that nothing else passes.

use zeroize::Zeroizing;

use super::{Suite, identities};
use crate::suite::{CryptoError, OAEP_OVERHEAD};

const LABEL: &[u8] = b"DPEX/1 enrol-wrap";

/// Under the key however it was loaded.
pub fn a_signature_verifies_under_its_key_and_message_only(suite: Suite) {
    let [identity, other] = identities(suite);
    let public = suite.public_from_spki(identity.public().spki()).expect("a key");
    for message in [&b"message"[..], b"", &[7; 10_000]] {
        let signature = identity.sign(message).expect("signed");
        assert_eq!(signature.len(), 384);
        assert_eq!(public.modulus_len(), 384);
        assert_eq!(public.verify(message, &signature), Ok(()));
        assert_eq!(identity.public().verify(message, &signature), Ok(()));
        assert_eq!(public.verify(b"massage", &signature), Err(CryptoError::AuthFailed));
        assert_eq!(other.public().verify(message, &signature), Err(CryptoError::AuthFailed));
    }
}

/// Each byte in turn.
pub fn a_flip_in_any_byte_of_a_signature_is_refused(suite: Suite) {
    let [identity, _] = identities(suite);
    let (public, signature) = (identity.public(), identity.sign(b"message").expect("signed"));
    for at in 0..signature.len() {
        let mut broken = signature.clone();
        broken[at] ^= 1 << (at % 8);
        assert_eq!(public.verify(b"message", &broken), Err(CryptoError::AuthFailed), "byte {at}");
    }
    assert_eq!(public.verify(b"message", &signature), Ok(()));
}

/// Shorter, longer, shifted, and none at all (ENR-2).
pub fn a_signature_of_another_length_is_refused(suite: Suite) {
    let [identity, _] = identities(suite);
    let (public, signature) = (identity.public(), identity.sign(b"message").expect("signed"));
    let longer = [&signature[..], &[0]].concat();
    let shifted = [&[0], &signature[..]].concat();
    let huge = vec![1; 100_000];
    for wrong in [&[][..], &signature[..383], &signature[1..], &longer, &shifted, &[0xff; 384], &[0; 384], &huge] {
        assert_eq!(public.verify(b"message", wrong), Err(CryptoError::AuthFailed), "{} bytes", wrong.len());
    }
}

/// It has the length of the modulus.
pub fn a_wrapped_message_opens_under_its_key_and_label_only(suite: Suite) {
    let [identity, other] = identities(suite);
    let public = suite.public_from_spki(identity.public().spki()).expect("a key");
    let wrapped = public.wrap(LABEL, &[0x42; 32]).expect("wrapped");
    assert_eq!(wrapped.len(), 384);
    assert_eq!(identity.unwrap(LABEL, &wrapped), Ok(Zeroizing::new(vec![0x42; 32])));
    for label in [&b"DPEX/1 enrol-wrap "[..], &LABEL[1..], b"\0"] {
        assert_eq!(identity.unwrap(label, &wrapped), Err(CryptoError::AuthFailed));
    }
    assert_eq!(other.unwrap(LABEL, &wrapped), Err(CryptoError::AuthFailed));
}

/// 318 bytes fit into 3072 bits.
pub fn messages_of_every_length_that_fits_are_wrapped_and_longer_ones_are_not(suite: Suite) {
    let [identity, _] = identities(suite);
    let public = identity.public();
    let most = public.modulus_len() - OAEP_OVERHEAD;
    for len in [0, 1, 31, 32, 33, most] {
        let message: Vec<u8> = (0..len).map(|i| i.to_le_bytes()[0]).collect();
        let wrapped = public.wrap(LABEL, &message).expect("wrapped");
        assert_eq!(identity.unwrap(LABEL, &wrapped), Ok(Zeroizing::new(message)), "{len} bytes");
    }
    for len in [most + 1, most + 2, 384, 1000] {
        assert_eq!(public.wrap(LABEL, &vec![1; len]), Err(CryptoError::BadLength), "{len} bytes");
    }
}

/// One library makes every decryption fail if it is told so: then it must not be told.
pub fn an_empty_label_is_a_label_like_any_other(suite: Suite) {
    let [identity, _] = identities(suite);
    let wrapped = identity.public().wrap(b"", &[1; 32]).expect("wrapped");
    assert_eq!(identity.unwrap(b"", &wrapped).expect("opened").as_slice(), [1; 32]);
    assert_eq!(identity.unwrap(LABEL, &wrapped), Err(CryptoError::AuthFailed));
    let wrapped = identity.public().wrap(LABEL, &[1; 32]).expect("wrapped");
    assert_eq!(identity.unwrap(b"", &wrapped), Err(CryptoError::AuthFailed));
}

/// Which part of the padding was wrong is not for anybody to know.
pub fn a_broken_wrapped_message_fails_in_one_way(suite: Suite) {
    let [identity, _] = identities(suite);
    let wrapped = identity.public().wrap(LABEL, &[1; 32]).expect("wrapped");
    for at in (0..wrapped.len()).step_by(16) {
        let mut broken = wrapped.clone();
        broken[at] ^= 1 << (at / 16 % 8);
        assert_eq!(identity.unwrap(LABEL, &broken), Err(CryptoError::AuthFailed), "byte {at}");
    }
    let longer = [&wrapped[..], &[0]].concat();
    for wrong in [&[][..], &wrapped[..383], &longer, &[0; 384], &[0xff; 384]] {
        assert_eq!(identity.unwrap(LABEL, wrong), Err(CryptoError::AuthFailed), "{} bytes", wrong.len());
    }
}

/// Both halves.
pub fn keys_come_back_as_they_were_stored(suite: Suite) {
    for identity in identities(suite) {
        let stored = identity.to_pkcs8().expect("encoded");
        let loaded = suite.identity_from_pkcs8(&stored).expect("loaded");
        assert_eq!(loaded.to_pkcs8().expect("encoded"), stored);
        let spki = identity.public().spki().to_vec();
        assert_eq!(loaded.public().spki(), spki);
        assert_eq!(suite.public_from_spki(&spki).expect("loaded").spki(), spki);
    }
}

/// Of either size; and no two are the same.
pub fn a_generated_key_works_and_survives_storing(suite: Suite) {
    for bits in [3072, 4096] {
        let made = suite.generate_identity(bits).expect("made");
        let stored = made.to_pkcs8().expect("encoded");
        let loaded = suite.identity_from_pkcs8(&stored).expect("loaded");
        assert_eq!(loaded.public().spki(), made.public().spki());
        assert_eq!(made.public().modulus_len(), bits / 8);
        let signature = loaded.sign(b"message").expect("signed");
        assert_eq!(made.public().verify(b"message", &signature), Ok(()));
        assert!(identities(suite).iter().all(|other| other.public().spki() != made.public().spki()));
    }
}

/// Others are not weaker or stranger: they are not supported (ENR-1).
pub fn no_other_size_is_made(suite: Suite) {
    for bits in [0, 1024, 2048, 3071, 3073, 8192, usize::MAX] {
        assert_eq!(suite.generate_identity(bits).expect_err("refused"), CryptoError::Unsupported, "{bits} bits");
    }
}

/// Neither half passes for the other.
pub fn what_is_no_key_is_refused(suite: Suite) {
    let [identity, _] = identities(suite);
    let (private, public) = (identity.to_pkcs8().expect("encoded"), identity.public().spki().to_vec());
    let longer = [&private[..], &[0]].concat();
    for der in [&[][..], &[0], &[0x30, 0x80], &public, &private[..private.len() - 1], &longer] {
        assert_eq!(suite.identity_from_pkcs8(der).expect_err("refused"), CryptoError::BadKey, "{} bytes", der.len());
    }
    let longer = [&public[..], &[0]].concat();
    for der in [&[][..], &[0], &[0x30, 0x80], &private, &public[..public.len() - 1], &longer] {
        assert_eq!(suite.public_from_spki(der).expect_err("refused"), CryptoError::BadKey, "{} bytes", der.len());
    }
}

/// Logs are read by others.
pub fn debug_output_shows_no_key(suite: Suite) {
    let [identity, _] = identities(suite);
    let text = format!("{identity:?}").to_lowercase();
    let secret = identity.to_pkcs8().expect("encoded");
    for window in secret.windows(8).step_by(8) {
        let list = format!("{window:?}");
        assert!(!text.contains(&super::hex(window)) && !text.contains(list.trim_matches(['[', ']'])), "{text}");
    }
}
