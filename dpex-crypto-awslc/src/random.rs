//! The random source: never answered with zeros. A library that can get no entropy ends the process before it would
//! return an error; one that it returns all the same is passed on.

use aws_lc_rs::rand;

use crate::error::Error;

/// Fills `out` from the library's generator, which the system's seeds.
pub(crate) fn fill(out: &mut [u8]) -> Result<(), Error> {
    rand::fill(out).map_err(|_| Error::Random)
}
