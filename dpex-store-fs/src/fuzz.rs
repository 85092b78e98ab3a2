//! Bodies for fuzzers of what a disk hands to this store: sidecars, and names. Plain functions of bytes that panic if
//! something is wrong; the tests run them with what fuzzers have kept.

mod portable;

use std::fs::File;

pub use portable::portable;

/// A sidecar as it may be found, as the bytes say: the first says which part of it is looked at. `scratch` is any file of
/// nobody else's; the smaller its disk's latency, the faster.
///
/// A deed is read as it was written or not at all, and of a journal that was damaged a part up to the damage, at most,
/// is believed.
pub fn sidecar(bytes: &[u8], scratch: &File) {
    let Some((what, rest)) = bytes.split_first() else { return };
    match what % 4 {
        0 => crate::deed::fuzz::any_front(rest),
        1 => crate::deed::fuzz::checked_front(rest),
        2 => crate::deed::fuzz::written_deed(rest),
        _ => crate::journal::fuzz::story(rest, scratch),
    }
}
