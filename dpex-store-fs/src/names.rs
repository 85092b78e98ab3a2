//! Names of our own making: of parts, of their sidecars, of drafts, and those beside a name that is taken.

use crate::folding::seen;
use crate::portable::{RESERVED_SUFFIX, is_reserved};

/// What a part's name ends in.
const PART_SUFFIX: &str = ".part";
/// The longest name a directory holds.
const MAX_NAME: usize = 255;
/// Stems tried when others are in the way; each is in the way only by somebody's intent.
pub(crate) const STEMS: u32 = 8;
/// Names tried beside a taken one.
const MOST_SIBLINGS: u32 = 10_000;

/// The stem of a name that is called like a part.
pub(crate) fn stem_of(name: &str) -> Option<&str> {
    name.strip_suffix(PART_SUFFIX).filter(|stem| !stem.is_empty())
}

/// The sidecar that would vouch for the part of this stem.
pub(crate) fn sidecar_name(stem: &str) -> String {
    format!(".{stem}{RESERVED_SUFFIX}")
}

pub(crate) fn part_name(stem: &str) -> String {
    format!("{stem}{PART_SUFFIX}")
}

/// The name itself, as long as it fits and is free; else its beginning and a hash of all of it.
pub(crate) fn stem(name: &str, attempt: u32) -> String {
    let room = MAX_NAME - RESERVED_SUFFIX.len() - 1;
    if attempt == 0 && name.len() <= room {
        return name.to_owned();
    }
    let hash = hash(name, attempt);
    let front = front(name, room - hash.len() - 1);
    format!("{front}~{hash}")
}

/// Where a whole file waits for the instant in which it replaces `name`. One a name, so that what a crash leaves is met
/// again; the two dots, because no name that may be received ends in one, and so no sidecar is called like this.
pub(crate) fn draft_name(name: &str) -> String {
    format!(".~{}.{RESERVED_SUFFIX}", hash(name, STEMS))
}

fn hash(name: &str, attempt: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes()).update(&attempt.to_be_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

/// At most `most` bytes from the front, in whole characters.
fn front(name: &str, most: usize) -> &str {
    let end = (0..=most.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or_default();
    &name[..end]
}

/// An extension of at most `most` bytes. Where it is cut it must not end as no name may: in a dot, in a space, or like a
/// sidecar.
fn shortened(extension: &str, most: usize) -> &str {
    let mut cut = front(extension, most);
    let ends_badly = |cut: &str| {
        let seen = seen(cut);
        seen.ends_with(['.', ' ']) || is_reserved(seen.as_bytes())
    };
    while cut.len() < extension.len() && ends_badly(cut) {
        cut = front(cut, cut.len() - 1);
    }
    cut
}

/// `report (2).pdf`, `report (3).pdf` and so on.
pub(crate) fn siblings(name: &str) -> impl Iterator<Item = String> {
    let dot = name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    (2..MOST_SIBLINGS).map(move |n| {
        let number = format!(" ({n})");
        // An extension as long as the name leaves no stem to shorten.
        let extension = shortened(extension, MAX_NAME - number.len());
        let stem = front(stem, MAX_NAME - number.len() - extension.len());
        format!("{stem}{number}{extension}")
    })
}

/// What a part that is kept for good is called: `report.pdf (2).part` and so on, never what parts are called.
pub(crate) fn kept_names(name: &str) -> impl Iterator<Item = String> {
    let front = front(name, MAX_NAME - PART_SUFFIX.len() - " (10000)".len());
    (2..MOST_SIBLINGS).map(move |n| format!("{front} ({n}){PART_SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dpex_core::types::SharePath;

    use super::*;
    use crate::portable;

    #[test]
    fn every_stem_leaves_room_for_both_suffixes_and_differs_from_the_others() {
        for name in ["a", &"x".repeat(244), &"x".repeat(245), &"x".repeat(255), &"é".repeat(127)] {
            let mut stems = BTreeSet::new();
            for attempt in 0..STEMS {
                let stem = stem(name, attempt);
                assert!(sidecar_name(&stem).len() <= MAX_NAME, "{stem}");
                assert!(part_name(&stem).len() <= MAX_NAME, "{stem}");
                assert!(stems.insert(stem), "{name}");
            }
        }
        assert_eq!(stem(&"x".repeat(245), 0), "x".repeat(245));
        assert_ne!(stem(&"x".repeat(246), 0), "x".repeat(246));
        assert_ne!(stem(&"x".repeat(254), 0), stem(&"x".repeat(255), 0));
    }

    #[test]
    fn a_draft_is_hidden_and_called_like_no_sidecar() {
        let draft = draft_name("report.pdf");
        assert!(is_reserved(draft.as_bytes()) && draft.starts_with('.'), "{draft}");
        let stem = draft.strip_prefix('.').and_then(|rest| rest.strip_suffix(RESERVED_SUFFIX)).expect("both are there");
        assert!(portable::fault(stem).is_some(), "{stem} cannot be received");
        assert_ne!(draft, draft_name("report.pdg"));
    }

    #[test]
    fn a_number_goes_before_the_extension() {
        let first = |name| siblings(name).next().expect("there are many");
        assert_eq!(first("report.pdf"), "report (2).pdf");
        assert_eq!(first("README"), "README (2)");
        assert_eq!(first(".profile"), ".profile (2)");
        assert_eq!(siblings("a.b.c").nth(8), Some("a.b (10).c".to_owned()));
    }

    #[test]
    fn a_long_extension_is_not_cut_to_what_no_name_may_end_in() {
        let long = |tail: &str| format!("a.{}{tail}zzz", "y".repeat(250 - tail.len()));
        let unseen = format!("a.dpexpart{}zz", "\u{200d}".repeat(81));
        for (name, end) in [(long(" "), "y"), (long("  \u{200b}"), "y"), (unseen, "par")] {
            assert!(name.len() > MAX_NAME - 6 && name.len() <= MAX_NAME, "{name}");
            let made = siblings(&name).next().expect("there are many");
            assert!(made.ends_with(end), "{made:?}");
        }
        assert!(siblings(&long("x ")).nth(8).is_some_and(|made| made.ends_with('x')), "one digit more");
    }

    #[test]
    fn a_long_name_is_shortened_in_whole_characters() {
        for name in ["x".repeat(255), format!("{}.txt", "é".repeat(125)), format!("a.{}", "y".repeat(253))] {
            for made in [siblings(&name).next(), kept_names(&name).last()] {
                let made = made.expect("there are many");
                assert!(made.len() <= MAX_NAME && made.len() > 235, "{made}");
                assert!(SharePath::parse(&made).is_ok());
            }
        }
    }
}
