//! Key agreement: both sides agree, nobody else does, and a share without contribution is refused.

use super::Suite;
use crate::suite::{CryptoError, KeyAgreement, random_secret};
use crate::types::Secret;

fn fresh(suite: Suite) -> Box<dyn KeyAgreement> {
    suite.key_agreement(&random_secret(suite).expect("random bytes")).expect("a key pair")
}

/// Whatever secrets they drew; and a secret has one share.
pub fn both_sides_reach_the_same_secret(suite: Suite) {
    for _ in 0..10 {
        let (a, b) = (fresh(suite), fresh(suite));
        let (a_public, b_public) = (a.public(), b.public());
        assert_ne!(a_public, b_public);
        let secret = a.agree(&b_public).expect("agreed");
        assert_eq!(secret, b.agree(&a_public).expect("agreed"));
        assert_ne!(secret.expose(), &[0; 32]);
    }
    let share = |byte| suite.key_agreement(&Secret::new([byte; 32])).expect("a key pair").public();
    assert_eq!(share(0x55), share(0x55));
    assert_ne!(share(0x55), share(0x57));
}

/// A third person does not have what two agreed on.
pub fn a_third_share_leads_elsewhere(suite: Suite) {
    let (a, b, c) = (fresh(suite), fresh(suite), fresh(suite));
    let (a_public, b_public) = (a.public(), b.public());
    assert_ne!(a.agree(&b_public).expect("agreed"), c.agree(&a_public).expect("agreed"));
}

/// It would lead everybody to the same secret (HS-1).
pub fn a_zero_share_is_refused(suite: Suite) {
    assert_eq!(fresh(suite).agree(&[0; 32]).expect_err("refused"), CryptoError::AuthFailed);
}
