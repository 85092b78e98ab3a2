//! AES-256-GCM and AES-256 blocks: what comes back, and what a failed open leaves behind.

use super::Suite;
use crate::suite::{Aead, CryptoError};
use crate::types::Secret;

const NONCE: [u8; 12] = [3; 12];

fn aead(suite: Suite, key: u8) -> Box<dyn Aead> {
    suite.aead(&Secret::new([key; 32])).expect("a key")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251).to_le_bytes()[0]).collect()
}

/// From nothing to a whole jumbo datagram, around every block and batch that an implementation may think in.
pub fn what_is_sealed_opens_at_every_length(suite: Suite) {
    let mut aead = aead(suite, 4);
    for len in (0..=520).chain([1_167, 1_168, 1_400, 4_096, 8_900, 16_385, 65_000]) {
        let plain = pattern(len);
        let mut buf = plain.clone();
        let tag = aead.seal(&NONCE, b"aad", &mut buf).expect("sealed");
        assert!(len < 16 || buf != plain, "{len} bytes");
        aead.open(&NONCE, b"aad", &mut buf, &tag).expect("opened");
        assert_eq!(buf, plain, "{len} bytes");
    }
}

/// In the nonce, the additional data, the ciphertext or the tag.
pub fn one_flipped_bit_anywhere_fails_and_leaves_zeros(suite: Suite) {
    let mut aead = aead(suite, 9);
    let (aad, plain) = ([1; 17], [0x5a; 100]);
    let mut cipher = plain;
    let tag = aead.seal(&NONCE, &aad, &mut cipher).expect("sealed");
    let mut refused = |nonce: &[u8; 12], aad: &[u8], cipher: &[u8], tag: &[u8; 16]| {
        let mut buf = cipher.to_vec();
        assert_eq!(aead.open(nonce, aad, &mut buf, tag), Err(CryptoError::AuthFailed));
        assert!(buf.iter().all(|byte| *byte == 0), "a failed open must leave zeros");
    };
    for bit in 0..8 * 12 {
        let mut nonce = NONCE;
        flip(&mut nonce, bit);
        refused(&nonce, &aad, &cipher, &tag);
    }
    for bit in 0..8 * aad.len() {
        let mut aad = aad;
        flip(&mut aad, bit);
        refused(&NONCE, &aad, &cipher, &tag);
    }
    for bit in 0..8 * cipher.len() {
        let mut cipher = cipher;
        flip(&mut cipher, bit);
        refused(&NONCE, &aad, &cipher, &tag);
    }
    for bit in 0..8 * 16 {
        let mut tag = tag;
        flip(&mut tag, bit);
        refused(&NONCE, &aad, &cipher, &tag);
    }
    refused(&NONCE, &aad[..16], &cipher, &tag);
    refused(&NONCE, &[], &cipher, &tag);
    refused(&NONCE, &aad, &cipher[..99], &tag);
    refused(&NONCE, &aad, &[], &tag);
    // The untouched message still opens, so all of that failed for its reason and no other.
    aead.open(&NONCE, &aad, &mut cipher, &tag).expect("opened");
    assert_eq!(cipher, plain);
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// And leaves zeros as well.
pub fn another_key_does_not_open(suite: Suite) {
    let mut buf = *b"message";
    let tag = aead(suite, 1).seal(&NONCE, b"", &mut buf).expect("sealed");
    assert_eq!(aead(suite, 2).open(&NONCE, b"", &mut buf, &tag), Err(CryptoError::AuthFailed));
    assert_eq!(buf, [0; 7]);
}

/// An object that keeps its key's state must not carry anything over from one message to the next.
pub fn one_key_serves_many_messages_whatever_failed_between(suite: Suite) {
    let mut kept = aead(suite, 6);
    for n in 0..100u8 {
        let (nonce, aad) = ([n; 12], pattern(usize::from(n) % 19));
        let plain = pattern(usize::from(n) * 7);
        let (mut by_kept, mut by_fresh) = (plain.clone(), plain.clone());
        let tag = kept.seal(&nonce, &aad, &mut by_kept).expect("sealed");
        assert_eq!(aead(suite, 6).seal(&nonce, &aad, &mut by_fresh).expect("sealed"), tag, "message {n}");
        assert_eq!(by_kept, by_fresh, "message {n}");
        if n % 3 == 0 {
            let mut broken = by_kept.clone();
            assert!(kept.open(&[!n; 12], &aad, &mut broken, &tag).is_err(), "message {n}");
        }
        kept.open(&nonce, &aad, &mut by_kept, &tag).expect("opened");
        assert_eq!(by_kept, plain, "message {n}");
    }
}

/// Otherwise the keystream would repeat.
pub fn the_same_message_under_another_nonce_is_another_ciphertext(suite: Suite) {
    let mut aead = aead(suite, 7);
    let mut seen = Vec::new();
    for at in 0..12 {
        let (mut nonce, mut buf) = (NONCE, [0; 32]);
        nonce[at] ^= 1;
        let tag = aead.seal(&nonce, b"", &mut buf).expect("sealed");
        assert!(!seen.contains(&(buf, tag)), "byte {at}");
        seen.push((buf, tag));
    }
}

/// Alone, and at every place of a run longer than any parallel width.
pub fn blocks_do_not_depend_on_their_neighbours(suite: Suite) {
    let mut cipher = suite.block(&Secret::new([5; 32])).expect("a key");
    let blocks: Vec<[u8; 16]> = (0..37).map(|n| [n; 16]).collect();
    let mut together = blocks.clone();
    cipher.encrypt(&mut together).expect("encrypted");
    for (block, with_others) in blocks.iter().zip(&together) {
        let mut alone = [*block];
        cipher.encrypt(&mut alone).expect("encrypted");
        assert_eq!(alone[0], *with_others);
        assert_ne!(alone[0], *block);
    }
    cipher.encrypt(&mut []).expect("nothing to do");
    let mut other = [blocks[3]];
    suite.block(&Secret::new([6; 32])).expect("a key").encrypt(&mut other).expect("encrypted");
    assert_ne!(other[0], together[3], "another key");
}
