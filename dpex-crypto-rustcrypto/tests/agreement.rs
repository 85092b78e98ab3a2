//! X25519 through the joint: both sides agree, and low-order shares are refused. The published vectors are beside the
//! code, because the joint never takes a secret from outside.

use data_encoding::HEXLOWER;
use dpex_core::suite::{CipherSuite, CryptoError};
use dpex_crypto_rustcrypto::SUITE;

#[test]
fn both_sides_reach_the_same_secret() {
    let (a, b) = (SUITE.key_agreement().expect("a key"), SUITE.key_agreement().expect("a key"));
    let (a_public, b_public) = (a.public(), b.public());
    assert_ne!(a_public, b_public);
    let secret = a.agree(&b_public).expect("agreed");
    assert_eq!(secret, b.agree(&a_public).expect("agreed"));
    assert_ne!(secret.expose(), &[0; 32]);
}

#[test]
fn a_third_share_leads_elsewhere() {
    let (a, b, c) = (
        SUITE.key_agreement().expect("a key"),
        SUITE.key_agreement().expect("a key"),
        SUITE.key_agreement().expect("a key"),
    );
    let (a_public, b_public) = (a.public(), b.public());
    assert_ne!(a.agree(&b_public).expect("agreed"), c.agree(&a_public).expect("agreed"));
}

// HS-1.
#[test]
fn shares_of_low_order_are_refused() {
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
        let share: [u8; 32] = HEXLOWER.decode(point.as_bytes()).expect("hex").try_into().expect("32 bytes");
        let mut with_high_bit = share;
        with_high_bit[31] |= 0x80;
        for share in [share, with_high_bit] {
            let refused = SUITE.key_agreement().expect("a key").agree(&share);
            assert_eq!(refused.expect_err("low order"), CryptoError::AuthFailed, "{}", HEXLOWER.encode(&share));
        }
    }
}
