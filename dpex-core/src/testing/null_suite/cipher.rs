//! The null suite's AEAD and block cipher. A simulator seals every datagram with these, so both take one pass of eight
//! bytes a step.

use super::mixer::{GAMMA, KeyedMixer, absorb, avalanche, short_word};
use crate::suite::{Aead, BlockCipher, CryptoError, Mac as _, TAG_LEN};
use crate::types::Secret;

/// A counter keystream, and a checksum of 128 bits over key, nonce, additional data and ciphertext.
pub(super) struct ToyAead {
    key: [u64; 4],
}

impl ToyAead {
    pub(super) fn new(key: &Secret<32>) -> Self {
        Self { key: subkeys(key, b"aead") }
    }

    fn start(&self, nonce: &[u8; 12], aad: &[u8]) -> (Keystream, Checksum) {
        let (head, tail) = (short_word(&nonce[..8]), short_word(&nonce[8..]));
        let stream = Keystream(avalanche(avalanche(self.key[0] ^ head).wrapping_add(tail)) ^ self.key[1]);
        let mut checksum = Checksum([self.key[2], self.key[3]]);
        checksum.step(head);
        checksum.step(tail);
        checksum.bytes(aad);
        (stream, checksum)
    }
}

impl Aead for ToyAead {
    fn seal(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Result<[u8; TAG_LEN], CryptoError> {
        let (mut stream, mut checksum) = self.start(nonce, aad);
        let length = buf.len();
        let (words, tail) = buf.as_chunks_mut::<8>();
        for word in words {
            let cipher = u64::from_le_bytes(*word) ^ stream.next();
            checksum.step(cipher);
            *word = cipher.to_le_bytes();
        }
        stream.apply(tail);
        checksum.step(short_word(tail));
        Ok(checksum.tag(length))
    }

    fn open(&mut self, nonce: &[u8; 12], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), CryptoError> {
        let (mut stream, mut checksum) = self.start(nonce, aad);
        let length = buf.len();
        let (words, tail) = buf.as_chunks_mut::<8>();
        for word in words {
            let cipher = u64::from_le_bytes(*word);
            checksum.step(cipher);
            *word = (cipher ^ stream.next()).to_le_bytes();
        }
        checksum.step(short_word(tail));
        stream.apply(tail);
        if checksum.tag(length) != *tag {
            buf.fill(0);
            return Err(CryptoError::AuthFailed);
        }
        Ok(())
    }
}

/// A keyed mixer of 16-byte blocks, with no way back: masks are never undone.
pub(super) struct ToyBlockCipher {
    key: [u64; 4],
}

impl ToyBlockCipher {
    pub(super) fn new(key: &Secret<32>) -> Self {
        Self { key: subkeys(key, b"block") }
    }
}

impl BlockCipher for ToyBlockCipher {
    fn encrypt(&mut self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        for block in blocks {
            let (left, right) = (short_word(&block[..8]), short_word(&block[8..]));
            let middle = avalanche(left ^ self.key[0]).wrapping_add(avalanche(right.wrapping_add(self.key[1])));
            let words = [avalanche(middle ^ self.key[2]), avalanche(middle.wrapping_add(self.key[3]) ^ left)];
            block[..8].copy_from_slice(&words[0].to_le_bytes());
            block[8..].copy_from_slice(&words[1].to_le_bytes());
        }
        Ok(())
    }

    fn decrypt(&mut self, _: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

/// SplitMix64 as a keystream.
struct Keystream(u64);

impl Keystream {
    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        avalanche(self.0)
    }

    /// Encrypts or decrypts what is left after the last whole word.
    fn apply(&mut self, tail: &mut [u8]) {
        for (byte, key) in tail.iter_mut().zip(self.next().to_le_bytes()) {
            *byte ^= key;
        }
    }
}

/// Two lanes with different multipliers.
struct Checksum([u64; 2]);

impl Checksum {
    #[inline]
    fn step(&mut self, word: u64) {
        self.0[0] = absorb(self.0[0], word, 0);
        self.0[1] = absorb(self.0[1], word, 1);
    }

    /// Takes in bytes and their number, so that nothing can move across their end.
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        self.step(short_word(tail));
        self.length(bytes.len());
    }

    fn length(&mut self, length: usize) {
        self.step(u64::try_from(length).expect("lengths fit in 64 bits"));
    }

    fn tag(mut self, length: usize) -> [u8; TAG_LEN] {
        self.length(length);
        let [a, b] = self.0;
        let a = avalanche(a.wrapping_add(avalanche(b)));
        let b = avalanche(b.wrapping_add(a));
        let mut tag = [0; TAG_LEN];
        tag[..8].copy_from_slice(&a.to_le_bytes());
        tag[8..].copy_from_slice(&b.to_le_bytes());
        tag
    }
}

fn subkeys(key: &Secret<32>, purpose: &[u8]) -> [u64; 4] {
    let bytes = KeyedMixer::new(key.expose()).mac(&[purpose]);
    std::array::from_fn(|i| short_word(&bytes[8 * i..8 * i + 8]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NONCE: [u8; 12] = [7; 12];

    fn aead(key: u8) -> ToyAead {
        ToyAead::new(&Secret::new([key; 32]))
    }

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|i| i.to_le_bytes()[0] ^ 0x33).collect()
    }

    fn assert_refused(aead: &mut ToyAead, nonce: &[u8; 12], aad: &[u8], cipher: &[u8], tag: &[u8; 16]) {
        let mut buf = cipher.to_vec();
        assert_eq!(aead.open(nonce, aad, &mut buf, tag), Err(CryptoError::AuthFailed));
        assert!(buf.iter().all(|byte| *byte == 0), "a failed open must leave zeros");
    }

    #[test]
    fn what_was_sealed_opens_at_every_length() {
        for length in (0..70).chain([1_200, 65_000]) {
            let plain = message(length);
            let mut buf = plain.clone();
            let tag = aead(1).seal(&NONCE, b"header", &mut buf).expect("sealed");
            assert!(length < 8 || buf != plain, "the message shows through");
            aead(1).open(&NONCE, b"header", &mut buf, &tag).expect("opened");
            assert_eq!(buf, plain);
        }
    }

    #[test]
    fn every_flipped_bit_is_detected_and_leaves_zeros() {
        for length in [0, 1, 7, 8, 9, 45] {
            let (mut aead, aad) = (aead(1), message(17));
            let mut cipher = message(length);
            let tag = aead.seal(&NONCE, &aad, &mut cipher).expect("sealed");
            for bit in 0..8 {
                let flip = 1_u8 << bit;
                for at in 0..length {
                    let mut cipher = cipher.clone();
                    cipher[at] ^= flip;
                    assert_refused(&mut aead, &NONCE, &aad, &cipher, &tag);
                }
                for at in 0..aad.len() {
                    let mut aad = aad.clone();
                    aad[at] ^= flip;
                    assert_refused(&mut aead, &NONCE, &aad, &cipher, &tag);
                }
                for at in 0..NONCE.len() {
                    let mut nonce = NONCE;
                    nonce[at] ^= flip;
                    assert_refused(&mut aead, &nonce, &aad, &cipher, &tag);
                }
                for at in 0..tag.len() {
                    let mut tag = tag;
                    tag[at] ^= flip;
                    assert_refused(&mut aead, &NONCE, &aad, &cipher, &tag);
                }
            }
            aead.open(&NONCE, &aad, &mut cipher, &tag).expect("the untouched message opens");
        }
    }

    #[test]
    fn every_two_flipped_bits_are_detected() {
        let mut aead = aead(1);
        let mut cipher = message(24);
        let tag = aead.seal(&NONCE, b"", &mut cipher).expect("sealed");
        for first in 0..192 {
            for second in first + 1..192 {
                let mut flipped = cipher.clone();
                flipped[first / 8] ^= 1 << (first % 8);
                flipped[second / 8] ^= 1 << (second % 8);
                assert_refused(&mut aead, &NONCE, b"", &flipped, &tag);
            }
        }
    }

    #[test]
    fn cut_grown_swapped_and_moved_bytes_are_detected() {
        let mut aead = aead(1);
        let mut cipher = message(48);
        let tag = aead.seal(&NONCE, &[0; 16], &mut cipher).expect("sealed");
        assert_refused(&mut aead, &NONCE, &[0; 16], &cipher[..47], &tag);
        assert_refused(&mut aead, &NONCE, &[0; 16], &cipher[..40], &tag);
        assert_refused(&mut aead, &NONCE, &[0; 16], &[&cipher[..], &[0]].concat(), &tag);
        assert_refused(&mut aead, &NONCE, &[0; 17], &cipher, &tag);
        assert_refused(&mut aead, &NONCE, &[0; 15], &cipher, &tag);
        let swapped = [&cipher[8..16], &cipher[..8], &cipher[16..]].concat();
        assert_refused(&mut aead, &NONCE, &[0; 16], &swapped, &tag);
        let longer_aad = [&[0; 16], &cipher[..8]].concat();
        assert_refused(&mut aead, &NONCE, &longer_aad, &cipher[8..], &tag);
    }

    #[test]
    fn another_key_does_not_open() {
        let mut cipher = message(20);
        let tag = aead(1).seal(&NONCE, b"", &mut cipher).expect("sealed");
        assert_refused(&mut aead(2), &NONCE, b"", &cipher, &tag);
    }

    #[test]
    fn keystreams_of_neighbouring_nonces_do_not_overlap() {
        let mut seen = HashSet::new();
        for packet in 0..200_u64 {
            let mut nonce = NONCE;
            nonce[4..].copy_from_slice(&packet.to_be_bytes());
            let mut zeros = [0; 800];
            aead(1).seal(&nonce, b"", &mut zeros).expect("sealed");
            assert!(zeros.as_chunks::<8>().0.iter().all(|word| seen.insert(*word)), "packet {packet}");
        }
    }

    #[test]
    fn blocks_are_independent_and_depend_on_every_bit_of_key_and_block() {
        let encrypt = |key: [u8; 32], mut blocks: Vec<[u8; 16]>| {
            ToyBlockCipher::new(&Secret::new(key)).encrypt(&mut blocks).expect("encrypted");
            blocks
        };
        let alone = encrypt([1; 32], vec![[5; 16]])[0];
        assert_eq!(encrypt([1; 32], vec![[4; 16], [5; 16], [6; 16]])[1], alone);
        let mut masks = HashSet::from([alone]);
        for bit in 0..128 {
            let mut block = [5; 16];
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(masks.insert(encrypt([1; 32], vec![block])[0]), "block bit {bit}");
        }
        for bit in 0..256 {
            let mut key = [1; 32];
            key[bit / 8] ^= 1 << (bit % 8);
            assert!(masks.insert(encrypt(key, vec![[5; 16]])[0]), "key bit {bit}");
        }
        // Header protection takes single bytes of the mask: none may stay what it is.
        for at in 0..16 {
            let values: HashSet<u8> = masks.iter().map(|mask| mask[at]).collect();
            assert!(values.len() > 128, "mask byte {at} takes {} values", values.len());
        }
    }
}
