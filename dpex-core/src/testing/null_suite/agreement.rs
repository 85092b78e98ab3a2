//! A key agreement that anybody can break: multiplication modulo a prime, where dividing by the base is all it takes.

use super::mixer::Mixer;
use crate::suite::{CryptoError, KeyAgreement};
use crate::types::Secret;

/// The Mersenne prime 2^61 - 1.
const P: u64 = (1 << 61) - 1;
const BASE: u64 = 37;

/// A secret factor between 1 and P - 1.
pub(super) struct ToyAgreement {
    factor: u64,
}

impl ToyAgreement {
    pub(super) fn new(random: u64) -> Self {
        Self { factor: random % (P - 1) + 1 }
    }
}

impl KeyAgreement for ToyAgreement {
    fn public(&self) -> [u8; 32] {
        let mut share = [0; 32];
        share[..8].copy_from_slice(&multiply(BASE, self.factor).to_le_bytes());
        share
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        let product = multiply(residue(peer), self.factor);
        if product == 0 {
            return Err(CryptoError::AuthFailed);
        }
        let mut mixer = Mixer::new(b"agreed");
        mixer.absorb(&product.to_le_bytes());
        Ok(Secret::new(mixer.output()))
    }
}

fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) % u128::from(P);
    u64::try_from(product).expect("below P")
}

/// All 32 bytes as one little-endian number modulo P, so that no part of a share is without effect.
fn residue(share: &[u8; 32]) -> u64 {
    share.as_chunks::<8>().0.iter().rev().fold(0, |high, word| {
        let sum = (u128::from(high) << 64) + u128::from(u64::from_le_bytes(*word));
        u64::try_from(sum % u128::from(P)).expect("below P")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(random: u64) -> Box<ToyAgreement> {
        Box::new(ToyAgreement::new(random))
    }

    #[test]
    fn both_sides_reach_the_same_secret_and_a_third_does_not() {
        for (a, b) in [(1, 2), (0, u64::MAX), (P - 2, P - 1), (P, 0x1234_5678_9abc_def0)] {
            let agreed = pair(a).agree(&pair(b).public()).expect("agreed");
            assert_eq!(agreed, pair(b).agree(&pair(a).public()).expect("agreed"));
            assert_ne!(agreed, pair(a).agree(&pair(77).public()).expect("agreed"));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_share_changes_the_secret() {
        let share = pair(5).public();
        let agreed = pair(6).agree(&share).expect("agreed");
        for bit in 0..256 {
            let mut flipped = share;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(pair(6).agree(&flipped), Ok(agreed.clone()), "bit {bit}");
        }
    }

    #[test]
    fn shares_that_are_zero_are_refused_in_every_coat() {
        let mut multiple = [0; 32];
        multiple[..8].copy_from_slice(&P.to_le_bytes());
        // P times 2^64, and P times 2^192.
        let (mut shifted, mut high) = ([0; 32], [0; 32]);
        shifted[8..16].copy_from_slice(&P.to_le_bytes());
        high[24..].copy_from_slice(&P.to_le_bytes());
        for share in [[0; 32], multiple, shifted, high] {
            assert_eq!(pair(9).agree(&share), Err(CryptoError::AuthFailed));
        }
        multiple[0] -= 1;
        assert!(pair(9).agree(&multiple).is_ok(), "P - 1 is a share like any other");
    }
}
