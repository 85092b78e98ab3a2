//! Names that every common system can hold (PROTOCOL.md, section 10.3).
//!
//! A receiver applies these rules on every platform, so that a folder received on one can be copied to another, and a
//! name never means a device or a stream there; the person may ask for any name that this disk takes. That a name is harmless on the wire is already the invariant of
//! [`SharePath`]; this is about what disks and systems make of it.

use dpex_core::store::StoreError;
use dpex_core::types::SharePath;

use crate::folding::seen;

/// The suffix of this store's own sidecar files; a peer must not be able to plant one.
pub const RESERVED_SUFFIX: &str = ".dpexpart";

/// Which names a receiver takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Also those that begin with a dot. A peer that may not be shown them may not plant any either: `.profile` is one.
    pub hidden: bool,
    /// Also those that other systems cannot hold.
    pub any: bool,
}

impl Rules {
    /// Checks each part of a path.
    ///
    /// # Errors
    /// [`StoreError::BadName`] with the first rule broken.
    pub fn check(self, path: &SharePath) -> Result<(), StoreError> {
        match path.parts().find_map(|part| self.fault(part)) {
            Some(reason) => Err(StoreError::BadName(reason)),
            None => Ok(()),
        }
    }

    fn fault(self, part: &str) -> Option<&'static str> {
        // What a disk passes over makes no other name.
        let part = &*seen(part);
        if is_reserved(part.as_bytes()) {
            return Some("names ending in `.dpexpart` are kept for unfinished transfers");
        }
        if !self.hidden && part.starts_with('.') {
            return Some("it begins with a dot");
        }
        if self.any { None } else { fault(part) }
    }
}

/// Why a part of a path cannot be stored everywhere; `None` if it can (NAM-7).
#[must_use]
pub fn fault(part: &str) -> Option<&'static str> {
    if part.contains(':') {
        return Some("it holds a colon");
    }
    if part.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a space");
    }
    is_device(part).then_some("it is the name of a device on Windows")
}

/// Does the name end in [`RESERVED_SUFFIX`], in any case? Disks that ignore case would take one for the other.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    let suffix = RESERVED_SUFFIX.as_bytes();
    name.len().checked_sub(suffix.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(suffix))
}

/// Windows looks at what is before the first dot, without the spaces at its end (RUSTSEC-2024-0445 for the superscripts).
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ');
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is) {
        return true;
    }
    let mut chars = stem.chars();
    let port: String = chars.by_ref().take(3).collect();
    let number = chars.next();
    (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
        && matches!(number, Some('0'..='9' | '¹' | '²' | '³'))
        && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Rules; 4] = [
        Rules { hidden: false, any: false },
        Rules { hidden: true, any: false },
        Rules { hidden: false, any: true },
        Rules { hidden: true, any: true },
    ];

    // NAM-7.
    #[test]
    fn a_device_is_refused_in_any_case_and_with_any_extension() {
        let mut devices: Vec<String> = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].map(String::from).into();
        for port in ["COM", "LPT"] {
            devices.extend("0123456789¹²³".chars().map(|n| format!("{port}{n}")));
        }
        assert_eq!(devices.len(), 32);
        for device in devices {
            let mixed: String = device.chars().take(1).chain(device.to_lowercase().chars().skip(1)).collect();
            for name in [device.clone(), device.to_lowercase(), mixed] {
                for tail in ["", ".txt", ".tar.gz", " .txt", "   .c", ".x y"] {
                    let name = format!("{name}{tail}");
                    assert_eq!(fault(&name), Some("it is the name of a device on Windows"), "{name:?}");
                }
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_device_is_fine() {
        for name in [
            "CONTEXT",
            "CON-1",
            "console.log",
            "PRN1",
            "aux_",
            "NULL",
            "nul-l.txt",
            "COM",
            "COM10",
            "COM1a",
            "LPT",
            "lpt⁴",
            "COMA",
            "COM٣",
            "xCON",
            "x.con",
            "x.com1",
            ".con",
            " CON",
            "CO",
            "C",
            "LPT00",
            "COM1¹",
        ] {
            assert_eq!(fault(name), None, "{name:?}");
        }
    }

    // NAM-7.
    #[test]
    fn a_colon_is_refused_anywhere() {
        for name in [":", "a:b", "file.txt:stream", "C:", ":a", "a:"] {
            assert_eq!(fault(name), Some("it holds a colon"), "{name:?}");
        }
        assert_eq!(fault("a；b"), None);
        assert_eq!(fault("a：b"), None, "the full-width colon is a letter like others");
    }

    // NAM-7.
    #[test]
    fn a_dot_or_a_space_is_refused_at_the_end_only() {
        for name in ["a.", "a ", "a. ", "a .", "...", " ", "a.txt.", "a.txt "] {
            assert_eq!(fault(name), Some("it ends with a dot or a space"), "{name:?}");
        }
        for name in ["a.b", "a b", " a", ".a", "..a", "a\u{a0}"] {
            assert_eq!(fault(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_suffix_of_the_sidecars_is_reserved_in_any_case_and_whatever_is_asked_for() {
        for rules in ALL {
            for name in ["a.dpexpart", ".a.txt.dpexpart", ".a.DPEXPART", ".dpexpart", "x.DpexPart"] {
                assert!(rules.fault(name).is_some_and(|reason| reason.contains("unfinished")), "{name:?}");
            }
            for name in ["dpexpart", "a.dpexpart.txt", "a.part", "adpexpart", "a.dpexpart~"] {
                assert_eq!(rules.fault(name), None, "{name:?}");
            }
        }
    }

    // NAM-7.
    #[test]
    fn each_wish_lifts_its_own_rule_and_no_other() {
        for rules in ALL {
            for name in ["a:b", "a.", "nul.txt"] {
                assert_eq!(rules.fault(name).is_none(), rules.any, "{name:?} {rules:?}");
            }
            assert_eq!(rules.fault(".profile").is_none(), rules.hidden, "{rules:?}");
            assert_eq!(rules.fault(".a:b").is_none(), rules.hidden && rules.any, "{rules:?}");
        }
    }

    // NAM-13.
    #[test]
    fn what_is_not_seen_of_a_name_hides_nothing() {
        let rules = Rules::default();
        for name in [
            "\u{200c}.profile",
            "\u{feff}\u{206a}.git",
            "x.dpex\u{200d}part",
            "x.dpexpart\u{fe0f}",
            "CO\u{2060}N",
            "nul\u{ad}.txt",
            "a.\u{200b}",
            "a \u{e0001}",
        ] {
            let seen = seen(name);
            assert!(rules.fault(&seen).is_some_and(|reason| rules.fault(name) == Some(reason)), "{name:?}");
        }
        for name in ["\u{645}\u{6cc}\u{200c}\u{62e}", "\u{2764}\u{fe0f}", "\u{1f468}\u{200d}\u{1f469}", "a\u{ad}b"] {
            assert_eq!(rules.fault(name), None, "{name:?}");
        }
    }

    #[test]
    fn every_part_of_a_path_is_checked() {
        let path = |text: &str| SharePath::parse(text).expect("valid");
        for text in ["aux/b", "a/nul.txt/b", "a/b:", "a./b", "a/b.dpexpart/c"] {
            assert!(matches!(Rules::default().check(&path(text)), Err(StoreError::BadName(_))), "{text:?}");
        }
        assert!(Rules::default().check(&path("a/b/c.txt")).is_ok());
        assert!(Rules::default().check(&SharePath::ROOT).is_ok());
    }
}
