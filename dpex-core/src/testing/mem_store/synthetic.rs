//! Content that is computed from its position, so that it needs no memory.

use bytes::Bytes;

/// `len` bytes at `offset` of the endless content that `seed` stands for.
#[must_use]
pub fn synthetic_bytes(seed: u64, offset: u64, len: usize) -> Bytes {
    let skip = usize::try_from(offset % 8).unwrap_or_default();
    let mut data = Vec::with_capacity(skip + len + 8);
    let mut word = offset / 8;
    while data.len() < skip + len {
        data.extend_from_slice(&scramble(seed ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        word = word.wrapping_add(1);
    }
    Bytes::from(data).slice(skip..skip + len)
}

/// The finaliser of SplitMix64.
fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_bytes_are_the_same_however_they_are_cut() {
        let whole = synthetic_bytes(7, 0, 1000);
        for (offset, len) in [(0, 0), (0, 1), (1, 9), (8, 8), (13, 100), (993, 7), (1000, 0)] {
            let at = usize::try_from(offset).expect("small");
            assert_eq!(synthetic_bytes(7, offset, len), whole.slice(at..at + len), "{offset} {len}");
        }
        assert_ne!(synthetic_bytes(8, 0, 1000), whole);
        assert_eq!(synthetic_bytes(7, u64::MAX - 3, 3).len(), 3);
    }
}
