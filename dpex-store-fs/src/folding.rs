//! When two names are one on some disk.
//!
//! Disks of macOS and Windows, and some of Linux, take `README` and `readme` for one name, or `é` in its two spellings.
//! Two names of one fold are at most one file there.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

/// What is the same for all names that differ only in case, or in how an accented letter is composed: canonical
/// caseless matching (Unicode, section 3.13, D145).
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let decomposed: String = name.nfd().collect();
    UniCase::unicode(decomposed).to_folded_case().nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_disk_takes_for_one_have_one_fold() {
        for (one, other) in [
            ("README", "readme"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("\u{212b}ngstrom", "\u{e5}NGSTROM"),
            ("\u{212a}elvin", "kelvin"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3a3}\u{3c3}", "\u{3c2}\u{3a3}"),
            ("\u{1e69}", "s\u{307}\u{323}"),
            ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn other_names_differ() {
        for (one, other) in [("a", "b"), ("e", "\u{e9}"), ("a", "\u{430}"), ("x2", "x\u{b2}"), ("fi", "f\u{131}")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }
}
