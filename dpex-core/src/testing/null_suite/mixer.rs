//! The one mixing function under the null suite's hash and MAC: four lanes of multiply and rotate, eight bytes a step.

use crate::suite::{Hash, Mac};
use crate::types::Digest;

/// The golden ratio in 64 bits, the step of SplitMix64.
pub(super) const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Odd multipliers, one a lane: the prime constants of xxHash64.
const FACTORS: [u64; 4] = [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63];

/// How far each lane turns. They differ so that no change of two neighbouring words can cancel in every lane: the top bit
/// of a word survives multiplication as one bit, and lands elsewhere in each.
const TURNS: [u32; 4] = [29, 37, 43, 23];

/// The finaliser of SplitMix64: a permutation in which every bit of the input reaches every bit of the output.
#[inline]
pub(super) fn avalanche(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Takes one word into one lane. For a given word it is a permutation of the lane, and for a given lane of the word, so
/// that a difference in one word can never be lost.
#[inline]
pub(super) fn absorb(lane: u64, word: u64, which: usize) -> u64 {
    (lane ^ word).wrapping_mul(FACTORS[which]).rotate_left(TURNS[which])
}

/// Up to eight bytes as a word, zero padded; lengths go in separately.
#[inline]
pub(super) fn short_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// A running hash of 256 bits. Only the concatenation of what it was fed counts.
#[derive(Clone)]
pub(super) struct Mixer {
    lanes: [u64; 4],
    pending: [u8; 8],
    length: u64,
}

impl Mixer {
    /// A computation separate from those under any other `domain`.
    pub(super) fn new(domain: &[u8]) -> Self {
        let start = avalanche(short_word(domain));
        Self { lanes: std::array::from_fn(|i| avalanche(start ^ FACTORS[i])), pending: [0; 8], length: 0 }
    }

    pub(super) fn absorb(&mut self, mut bytes: &[u8]) {
        let held = self.held();
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).expect("lengths fit in 64 bits"));
        if held > 0 {
            let (fill, rest) = bytes.split_at(bytes.len().min(8 - held));
            self.pending[held..held + fill.len()].copy_from_slice(fill);
            if held + fill.len() < 8 {
                return;
            }
            self.step(u64::from_le_bytes(self.pending));
            bytes = rest;
        }
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        self.pending[..tail.len()].copy_from_slice(tail);
    }

    pub(super) fn output(mut self) -> [u8; 32] {
        let held = self.held();
        self.step(short_word(&self.pending[..held]));
        self.step(self.length);
        // Two rounds in which each lane passes through its neighbour.
        for _ in 0..2 {
            for i in 0..4 {
                self.lanes[i] = avalanche(self.lanes[i].wrapping_add(self.lanes[(i + 3) % 4]));
            }
        }
        let mut out = [0; 32];
        for (chunk, lane) in out.as_chunks_mut::<8>().0.iter_mut().zip(self.lanes) {
            *chunk = lane.to_le_bytes();
        }
        out
    }

    /// How many bytes wait for the rest of their word.
    fn held(&self) -> usize {
        usize::try_from(self.length % 8).expect("below 8")
    }

    #[inline]
    fn step(&mut self, word: u64) {
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            *lane = absorb(*lane, word, i);
        }
    }
}

impl Hash for Mixer {
    fn update(&mut self, bytes: &[u8]) {
        self.absorb(bytes);
    }

    fn fork(&self) -> Box<dyn Hash> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest(self.output())
    }
}

/// A mixer that starts from a key: the null suite's MAC.
#[derive(Clone)]
pub(super) struct KeyedMixer(Mixer);

impl KeyedMixer {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut of_key = Mixer::new(b"mac key");
        of_key.absorb(key);
        let mut start = Mixer::new(b"mac");
        start.absorb(&of_key.output());
        Self(start)
    }
}

impl Mac for KeyedMixer {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mixer = self.0.clone();
        for part in parts {
            mixer.absorb(part);
        }
        mixer.output()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        let mut mixer = Mixer::new(b"hash");
        for part in parts {
            mixer.absorb(part);
        }
        mixer.output()
    }

    fn message(length: u8) -> Vec<u8> {
        (0..length).map(|i| i.wrapping_mul(37) ^ 0x5a).collect()
    }

    #[test]
    fn only_the_concatenation_of_the_parts_counts() {
        let message = message(40);
        let mac = KeyedMixer::new(b"key");
        for first in 0..=message.len() {
            for second in first..=message.len() {
                let parts = [&message[..first], &message[first..second], &message[second..]];
                assert_eq!(hash(&parts), hash(&[&message]), "cut at {first} and {second}");
                assert_eq!(mac.mac(&parts), mac.mac(&[&message]), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_changes_about_half_of_the_output() {
        let mac = KeyedMixer::new(b"key");
        let message = message(61);
        let (plain_hash, plain_mac) = (hash(&[&message]), mac.mac(&[&message]));
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for (a, b) in [(plain_hash, hash(&[&flipped])), (plain_mac, mac.mac(&[&flipped]))] {
                let changed: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
                assert!((80..=176).contains(&changed), "bit {bit} changes {changed} of 256");
            }
        }
    }

    #[test]
    fn every_two_flipped_bits_give_a_hash_of_their_own() {
        let message = message(24);
        let mut seen = HashSet::new();
        for first in 0..192 {
            for second in first..192 {
                let mut flipped = message.clone();
                flipped[first / 8] ^= 1 << (first % 8);
                flipped[second / 8] ^= 1 << (second % 8);
                let new = seen.insert(hash(&[&flipped]));
                // The same bit twice is no change; that message is met first at (0, 0) and then for every other bit.
                assert!(new || (first == second && first > 0), "bits {first} and {second}");
            }
        }
    }

    #[test]
    fn small_different_messages_have_different_hashes() {
        let mut seen = HashSet::new();
        for length in 0..=40 {
            assert!(seen.insert(hash(&[&vec![0; length]])), "{length} zeros");
        }
        for number in 0..20_000_u32 {
            assert!(seen.insert(hash(&[&number.to_be_bytes(), b"a tail"])), "number {number}");
        }
    }

    #[test]
    fn macs_depend_on_every_bit_and_the_length_of_the_key() {
        let mut seen = HashSet::new();
        for length in [0, 1, 8, 31, 32, 33, 100] {
            assert!(seen.insert(KeyedMixer::new(&vec![0; length]).mac(&[b"message"])), "a key of {length}");
        }
        for bit in 0..256 {
            let mut key = [0; 32];
            key[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(KeyedMixer::new(&key).mac(&[b"message"])), "bit {bit}");
        }
    }

    #[test]
    fn a_hash_is_not_a_mac_under_no_key() {
        assert_ne!(hash(&[b"message"]), KeyedMixer::new(b"").mac(&[b"message"]));
    }

    #[test]
    fn a_fork_goes_its_own_way() {
        let mut trunk: Box<dyn Hash> = Box::new(Mixer::new(b"hash"));
        trunk.update(b"common");
        let mut branch = trunk.fork();
        branch.update(b" left");
        trunk.update(b" right");
        assert_eq!(branch.finish().0, hash(&[b"common left"]));
        assert_eq!(trunk.finish().0, hash(&[b"common right"]));
    }
}
