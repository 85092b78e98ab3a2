//! The random source: always allowed to fail, never answered with zeros.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use crate::error::Error;

/// Fills `out` from `source`.
pub(crate) fn fill<R: TryCryptoRng>(source: &mut R, out: &mut [u8]) -> Result<(), Error> {
    source.try_fill_bytes(out).map_err(|_| Error::Random)
}

/// Hands a source that can fail to an algorithm that knows no failure (RSA key generation), and remembers.
///
/// After a failure it answers with a fixed sequence, worthless but varied enough that a search for primes still ends;
/// [`Remembering::check`] then says that what was made must be thrown away. A panic would be the alternative.
pub(crate) struct Remembering<R> {
    source: R,
    failed: bool,
    filler: u64,
}

impl<R: TryCryptoRng> Remembering<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, failed: false, filler: 0 }
    }

    /// Whether every byte given out so far was random.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.failed { Err(Error::Random) } else { Ok(()) }
    }

    /// The next value of SplitMix64, for use after a failure only.
    fn filler(&mut self) -> u64 {
        self.filler = self.filler.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.filler ^ (self.filler >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl<R: TryCryptoRng> TryRng for Remembering<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if !self.failed {
            self.failed = self.source.try_fill_bytes(out).is_err();
        }
        if self.failed {
            for chunk in out.chunks_mut(8) {
                let bytes = self.filler().to_le_bytes();
                chunk.copy_from_slice(&bytes[..chunk.len()]);
            }
        }
        Ok(())
    }
}

impl<R: TryCryptoRng> TryCryptoRng for Remembering<R> {}

/// A source that fails after a number of calls, for the tests of every file.
#[cfg(test)]
pub(crate) struct FailsAfter(pub(crate) usize);

#[cfg(test)]
mod failing {
    use super::{FailsAfter, TryCryptoRng, TryRng};

    #[derive(Debug)]
    pub(crate) struct NoEntropy;

    impl std::fmt::Display for NoEntropy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no entropy")
        }
    }

    impl std::error::Error for NoEntropy {}

    impl FailsAfter {
        fn count(&mut self) -> Result<(), NoEntropy> {
            self.0 = self.0.checked_sub(1).ok_or(NoEntropy)?;
            Ok(())
        }
    }

    impl TryRng for FailsAfter {
        type Error = NoEntropy;

        fn try_next_u32(&mut self) -> Result<u32, NoEntropy> {
            self.count()?;
            getrandom::SysRng.try_next_u32().map_err(|_| NoEntropy)
        }

        fn try_next_u64(&mut self) -> Result<u64, NoEntropy> {
            self.count()?;
            getrandom::SysRng.try_next_u64().map_err(|_| NoEntropy)
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            self.count()?;
            getrandom::SysRng.try_fill_bytes(out).map_err(|_| NoEntropy)
        }
    }

    impl TryCryptoRng for FailsAfter {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_source_is_an_error() {
        assert!(matches!(fill(&mut FailsAfter(0), &mut [0; 32]), Err(Error::Random)));
        assert!(fill(&mut FailsAfter(1), &mut [0; 32]).is_ok());
    }

    #[test]
    fn a_failure_in_the_middle_is_remembered() {
        let mut source = Remembering::new(FailsAfter(2));
        let mut bytes = [0; 32];
        for _ in 0..2 {
            let Ok(()) = source.try_fill_bytes(&mut bytes);
            assert!(source.check().is_ok());
        }
        let Ok(first) = source.try_next_u64();
        let Ok(second) = source.try_next_u64();
        assert_ne!(first, second, "a search must be able to go on");
        assert!(matches!(source.check(), Err(Error::Random)));
    }
}
