//! When two names are one on some disk.
//!
//! Disks of macOS and Windows, and some of Linux, take `README` and `readme` for one name, or `é` in its two spellings.
//! Two names of one fold are at most one file there. Some of these disks also pass over characters that nobody sees.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

/// Characters that are not shown and that a comparison may ignore (Unicode, `Default_Ignorable_Code_Point`).
const UNSEEN: [RangeInclusive<char>; 17] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fff8}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// A name without what is not seen of it: as HFS+, and Linux where it ignores case, compare it. To them `.profile` is
/// there when the same name comes with a joiner before its dot (NAM-13, CVE-2014-9390).
pub(crate) fn seen(name: &str) -> Cow<'_, str> {
    let is_unseen = |c: char| !c.is_ascii() && UNSEEN.iter().any(|range| range.contains(&c));
    if name.is_ascii() || !name.contains(is_unseen) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().filter(|&c| !is_unseen(c)).collect())
}

/// What is the same for all names that differ only in case, in how an accented letter is composed, or in what is not
/// seen: canonical caseless matching (Unicode, section 3.13, D145) of what is [`seen`].
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let decomposed: String = seen(name).nfd().collect();
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
            ("read\u{200d}me", "README"),
            ("\u{2764}\u{fe0f}", "\u{2764}"),
            ("\u{feff}\u{e9}\u{ad}", "e\u{34f}\u{301}"),
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
