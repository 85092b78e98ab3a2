//! The library's queue of errors, one for each thread: nothing is left there, and what others left there harms nothing.

use std::sync::Arc;

use dpex_core::conformance::suite::{RSA3072 as PKCS8, RSA3072_SPKI as SPKI};
use dpex_core::suite::{CipherSuite, IdentityKey, PublicKey};
use dpex_core::types::Secret;
use dpex_crypto_openssl::SUITE;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;

/// Does something and says whether it ended as it should.
type Operation = Box<dyn Fn() -> bool>;

/// Every operation once well, and once badly if some input can make it fail, each with its name.
fn operations() -> Vec<(&'static str, Operation)> {
    let identity: Arc<dyn IdentityKey> = SUITE.identity_from_pkcs8(PKCS8).expect("a key");
    let public: Arc<dyn PublicKey> = identity.public();
    let signature = identity.sign(b"message").expect("signed");
    let wrapped = public.wrap(b"label", b"secret").expect("wrapped");
    let mut sealed = *b"text";
    let mut aead = SUITE.aead(&Secret::new([1; 32])).expect("a key");
    let tag = aead.seal(&[0; 12], b"", &mut sealed).expect("sealed");
    let open = move |tag: [u8; 16]| {
        SUITE.aead(&Secret::new([1; 32])).expect("a key").open(&[0; 12], b"", &mut sealed.clone(), &tag).is_ok()
    };
    let agree = |share| SUITE.key_agreement(&Secret::new([1; 32])).expect("a pair").agree(&share).is_ok();
    let identity_again = Arc::clone(&identity);
    let (wrapper, wrapper_again) = (Arc::clone(&public), Arc::clone(&public));
    let (public_again, signer) = (Arc::clone(&public), Arc::clone(&identity));
    let (signature_again, wrapped_again) = (signature.clone(), wrapped.clone());
    vec![
        ("random", Box::new(|| SUITE.random(&mut [0; 32]).is_ok())),
        ("open", Box::new(move || open(tag))),
        ("open a forgery", Box::new(move || !open([0; 16]))),
        (
            "seal",
            Box::new(|| SUITE.aead(&Secret::new([1; 32])).expect("a key").seal(&[0; 12], b"", &mut [1; 9]).is_ok()),
        ),
        (
            "encrypt a block",
            Box::new(|| SUITE.block(&Secret::new([1; 32])).expect("a key").encrypt(&mut [[1; 16]]).is_ok()),
        ),
        (
            "decrypt a block",
            Box::new(|| SUITE.block(&Secret::new([1; 32])).expect("a key").decrypt(&mut [[1; 16]]).is_ok()),
        ),
        ("agree", Box::new(move || agree([9; 32]))),
        ("agree with nobody", Box::new(move || !agree([0; 32]))),
        ("load a private key", Box::new(|| SUITE.identity_from_pkcs8(PKCS8).is_ok())),
        ("load no private key", Box::new(|| SUITE.identity_from_pkcs8(SPKI).is_err())),
        ("load a broken private key", {
            // The last byte belongs to a CRT part, which only the slowest check looks at.
            let broken = [&PKCS8[..PKCS8.len() - 1], &[!PKCS8[PKCS8.len() - 1]]].concat();
            Box::new(move || SUITE.identity_from_pkcs8(&broken).is_err())
        }),
        ("load a public key", Box::new(|| SUITE.public_from_spki(SPKI).is_ok())),
        ("load no public key", Box::new(|| SUITE.public_from_spki(PKCS8).is_err())),
        ("make a key of no such size", Box::new(|| SUITE.generate_identity(2048).is_err())),
        ("encode", Box::new(move || identity.to_pkcs8().is_ok())),
        ("sign", Box::new(move || signer.sign(b"message").is_ok())),
        ("verify", Box::new(move || public.verify(b"message", &signature).is_ok())),
        ("verify another message", Box::new(move || public_again.verify(b"massage", &signature_again).is_err())),
        ("wrap", Box::new(move || wrapper.wrap(b"label", &[7; 318]).is_ok())),
        ("wrap too much", Box::new(move || wrapper_again.wrap(b"label", &[7; 319]).is_err())),
        ("unwrap", Box::new(move || identity_again.unwrap(b"label", &wrapped).is_ok())),
        ("unwrap under another label", {
            let identity = SUITE.identity_from_pkcs8(PKCS8).expect("a key");
            Box::new(move || identity.unwrap(b"libel", &wrapped_again).is_err())
        }),
    ]
}

#[test]
fn no_operation_leaves_an_error_behind() {
    for (what, operation) in operations() {
        assert!(operation(), "{what}");
        assert!(ErrorStack::get().errors().is_empty(), "{what}");
    }
}

#[test]
fn an_error_that_somebody_left_behind_changes_no_outcome() {
    for (what, operation) in operations() {
        let left_behind = PKey::private_key_from_der(b"no key").expect_err("refused");
        assert!(!left_behind.errors().is_empty());
        left_behind.put();
        assert!(operation(), "{what}");
        drop(ErrorStack::get());
    }
}
