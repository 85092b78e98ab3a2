//! X25519 (RFC 7748), one secret for one agreement.

use dpex_core::suite::{CryptoError, KeyAgreement};
use dpex_core::types::Secret;
use rand_core::TryCryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::random;

/// An ephemeral key pair. `StaticSecret` only because the library's own ephemeral type cannot be made from a source
/// that fails; `agree` consumes it and its drop erases it all the same.
pub(crate) struct Ephemeral {
    secret: StaticSecret,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn generate<R: TryCryptoRng>(source: &mut R) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(source, &mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*bytes);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }
}

impl KeyAgreement for Ephemeral {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn agree(self: Box<Self>, peer: &[u8; 32]) -> Result<Secret<32>, CryptoError> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*peer));
        if !shared.was_contributory() {
            return Err(Error::LowOrderShare.into());
        }
        Ok(Secret::new(shared.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::FailsAfter;

    fn hex(text: &str) -> [u8; 32] {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
        bytes.try_into().expect("32 bytes")
    }

    fn agree(secret: [u8; 32], peer: [u8; 32]) -> Result<[u8; 32], CryptoError> {
        Box::new(Ephemeral::from_bytes(&secret)).agree(&peer).map(|shared| *shared.expose())
    }

    #[test]
    fn the_vectors_of_rfc_7748_section_5_2_hold() {
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
        ];
        for (scalar, point, product) in cases {
            assert_eq!(agree(hex(scalar), hex(point)), Ok(hex(product)));
        }
    }

    #[test]
    fn bobs_side_of_rfc_7748_section_6_1_holds() {
        let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let bob_public = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let alice_public = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(Ephemeral::from_bytes(&bob).public(), bob_public);
        let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(agree(bob, alice_public), Ok(shared));
    }

    #[test]
    fn the_products_known_answer_holds() {
        let mut base = [0; 32];
        base[0] = 9;
        let ee = hex("1cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b18cb9a67");
        assert_eq!(agree([0x77; 32], base), Ok(ee));
        assert_eq!(Ephemeral::from_bytes(&[0x77; 32]).public(), ee, "the public share is the product with the base");
    }

    #[test]
    fn a_failing_source_makes_no_key() {
        assert!(matches!(Ephemeral::generate(&mut FailsAfter(0)), Err(Error::Random)));
    }
}
