//! The random source: always allowed to fail, never answered with zeros.

use aws_lc_rs::rand;

use crate::error::Error;

/// Fills `out` from the library's generator, which the system's seeds.
pub(crate) fn fill(out: &mut [u8]) -> Result<(), Error> {
    rand::fill(out).map_err(|_| Error::Random)
}
