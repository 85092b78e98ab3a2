//! Fingerprints, and the eight words by which people compare 32-byte values over the telephone.

use bip39::Language;

use crate::kdf::hh;
use crate::suite::CipherSuite;
use crate::types::Fingerprint;

/// Eight words of 11 bits: 88 bits. Shorter forms are not offered, since an attacker can grind the cheap fields.
const WORDS: usize = 8;

/// The first 88 bits as eight words of the BIP-39 English list, on one line.
#[must_use]
pub fn words(value: &[u8; 32]) -> String {
    let list = Language::English.word_list();
    let (mut pending, mut bits) = (0_usize, 0_u32);
    let mut chosen = Vec::with_capacity(WORDS);
    for &byte in value {
        pending = pending << 8 | usize::from(byte);
        bits += 8;
        if bits >= 11 {
            bits -= 11;
            chosen.push(list[pending >> bits & 0x7ff]);
            pending &= (1 << bits) - 1;
        }
        if chosen.len() == WORDS {
            break;
        }
    }
    chosen.join(" ")
}

/// `hh("identity", SPKI)`: who the holder of this public key is.
#[must_use]
pub fn fingerprint(suite: &dyn CipherSuite, spki: &[u8]) -> Fingerprint {
    Fingerprint(hh(suite, "identity", &[spki]).0)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_the_first_88_bits_in_groups_of_eleven() {
        let mut value = [0; 32];
        assert_eq!(words(&value), ["abandon"; 8].join(" "));
        value[..11].fill(0xff);
        assert_eq!(words(&value), ["zoo"; 8].join(" "));
        // 00000000001 00000000010 00000000011 ... 00000001000: the second to the ninth word of the list.
        let bits: String = (1..=8).map(|n| format!("{n:011b}")).collect();
        for (byte, text) in value.iter_mut().zip(bits.as_bytes().chunks(8)) {
            let text = std::str::from_utf8(text).expect("digits");
            *byte = u8::from_str_radix(text, 2).expect("eight binary digits");
        }
        assert_eq!(words(&value), "ability able about above absent absorb abstract absurd");
    }

    #[test]
    fn words_do_not_depend_on_anything_past_bit_88() {
        let (mut a, mut b) = ([7; 32], [7; 32]);
        a[11..].fill(0);
        b[11..].fill(0xff);
        assert_eq!(words(&a), words(&b));
        b[10] ^= 1;
        assert_ne!(words(&a), words(&b));
    }
}
