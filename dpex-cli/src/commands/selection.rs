//! What the names and patterns after `dpex client get` mean, given what the server lists.

use dpex_core::store::Entry;
use dpex_core::types::SharePath;
use globset::{GlobBuilder, GlobMatcher};

use crate::error::{CliError, CliResult};

/// What was asked for, and what of it there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Files and folders to fetch, in order, each once, folders before what is in them.
    pub(super) entries: Vec<Entry>,
    /// Words that stand for nothing on the server.
    pub(super) unmatched: Vec<String>,
}

/// Selects from a whole listing, which is in the order of paths. A word is the name of a file or folder, or else a
/// pattern: `*` and `?` stay within a folder, `**` crosses folders, `[ab]` and `{a,b}` are alternatives. A folder stands
/// for all that is in it, and `.` or nothing for the whole shelf.
///
/// Takes one pass for each pattern, and for each name the time of what it selects.
pub(super) fn select(words: &[String], listing: Vec<Entry>) -> CliResult<Selection> {
    let mut wanted = vec![false; listing.len()];
    let mut unmatched = Vec::new();
    for word in words {
        if !mark(word, &listing, &mut wanted)? {
            unmatched.push(word.clone());
        }
    }
    let entries = listing.into_iter().zip(wanted).filter_map(|(entry, wanted)| wanted.then_some(entry));
    Ok(Selection { entries: entries.collect(), unmatched })
}

/// Marks what a word stands for. False if that is nothing.
fn mark(word: &str, listing: &[Entry], wanted: &mut [bool]) -> CliResult<bool> {
    let name = trimmed(word);
    if name.is_empty() {
        wanted.fill(true);
        return Ok(true);
    }
    // A name that exists is itself, also if it looks like a pattern.
    let found = SharePath::parse(name).ok().and_then(|path| listing.binary_search_by(|e| e.path.cmp(&path)).ok());
    if let Some(at) = found {
        mark_all_in(&listing[at].path, &listing[at..], &mut wanted[at..]);
        return Ok(true);
    }
    let pattern = pattern(name)?;
    let (mut at, mut any) = (0, false);
    while let Some(entry) = listing.get(at) {
        if pattern.is_match(entry.path.as_str()) {
            any = true;
            at += mark_all_in(&entry.path, &listing[at..], &mut wanted[at..]);
        } else {
            at += 1;
        }
    }
    Ok(any)
}

/// Marks a file, or a folder and all that is in it, at the beginning of a listing: what is in a folder follows it.
/// Returns how many entries that are.
fn mark_all_in(top: &SharePath, listing: &[Entry], wanted: &mut [bool]) -> usize {
    let inside = listing.iter().take_while(|entry| entry.path.starts_with(top)).count();
    wanted[..inside].fill(true);
    inside
}

/// A word without what only says "here".
fn trimmed(word: &str) -> &str {
    let name = word.strip_prefix("./").unwrap_or(word);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name == "." { "" } else { name }
}

fn pattern(text: &str) -> CliResult<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        CliError::usage(format!("`{text}` is not a pattern: {}", error.kind()))
            .hint("quote `*`, `?`, `[` with a backslash")
    })
}

#[cfg(test)]
mod tests {
    use dpex_core::store::EntryKind;
    use dpex_core::types::Timestamp;

    use super::*;

    const SHELF: [&str; 8] =
        ["a.pdf", "b.pdf", "b[1].pdf", "photos", "photos/1.jpg", "photos/old", "photos/old/2.jpg", "z"];

    fn selected(words: &[&str]) -> (Vec<String>, Vec<String>) {
        let entry = |path: &str| Entry {
            path: SharePath::parse(path).expect("a name"),
            kind: EntryKind::Folder(Timestamp::EPOCH),
        };
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let found = select(&words, SHELF.map(entry).to_vec()).expect("valid patterns");
        (found.entries.iter().map(|entry| entry.path.to_string()).collect(), found.unmatched)
    }

    #[test]
    fn names_and_patterns_select_what_a_shell_would() {
        for (word, expected) in [
            ("a.pdf", vec!["a.pdf"]),
            ("./a.pdf", vec!["a.pdf"]),
            ("?.pdf", vec!["a.pdf", "b.pdf"]),
            ("{a,z}*", vec!["a.pdf", "z"]),
            ("*.jpg", vec![]),
            ("photos/*.jpg", vec!["photos/1.jpg"]),
            ("**/*.jpg", vec!["photos/1.jpg", "photos/old/2.jpg"]),
            ("photos/old/", vec!["photos/old", "photos/old/2.jpg"]),
            ("ph*", vec!["photos", "photos/1.jpg", "photos/old", "photos/old/2.jpg"]),
            ("photo", vec![]),
        ] {
            assert_eq!(selected(&[word]).0, expected, "{word}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_pattern_is_still_a_name() {
        assert_eq!(selected(&["b[1].pdf"]).0, ["b[1].pdf"]);
        assert_eq!(selected(&["[ab].pdf"]).0, ["a.pdf", "b.pdf"]);
    }

    #[test]
    fn what_is_asked_for_twice_is_fetched_once_and_what_is_not_there_is_told() {
        let (paths, unmatched) = selected(&["a.pdf", "*.pdf", "nothing", "x*"]);
        assert_eq!(paths, ["a.pdf", "b.pdf", "b[1].pdf"]);
        assert_eq!(unmatched, ["nothing", "x*"]);
    }

    #[test]
    fn a_dot_and_nothing_stand_for_the_whole_shelf() {
        for word in [".", "", "./", "./."] {
            let (paths, unmatched) = selected(&[word]);
            assert_eq!((paths.len(), unmatched.len()), (SHELF.len(), 0), "{word:?}");
        }
        let nothing = select(&[".".into()], Vec::new()).expect("no pattern");
        assert_eq!(nothing, Selection::default(), "an empty shelf is not a missing one");
    }

    /// Where each entry was compared with every match, this took hours.
    #[test]
    fn a_pattern_that_matches_nearly_everything_of_a_long_listing_selects_just_that() {
        let mut listing = Vec::new();
        for folder in 0..200 {
            let folder = format!("folder {folder:03}");
            listing.push(folder.clone());
            listing.extend((0..1000).map(|file| format!("{folder}/file {file:03}.{}", ["jpg", "txt"][file % 2])));
        }
        let entry = |path: &String| Entry {
            path: SharePath::parse(path).expect("a name"),
            kind: EntryKind::Folder(Timestamp::EPOCH),
        };
        let entries: Vec<Entry> = listing.iter().map(entry).collect();
        let selected = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let found = select(&words, entries.clone()).expect("valid patterns");
            found.entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>()
        };
        let where_ =
            |fits: &dyn Fn(&str) -> bool| listing.iter().filter(|path| fits(path)).cloned().collect::<Vec<_>>();
        assert!(selected(&["**/*.jpg"]) == where_(&|path| path.ends_with(".jpg")));
        assert!(selected(&["folder*"]) == listing);
        let both = selected(&["folder ?[1-9]?", "*/file 00*", "folder 007"]);
        let expected = where_(&|path| {
            let (folder, file) = path.split_once('/').unwrap_or((path, ""));
            folder.as_bytes()[8] != b'0' || file.starts_with("file 00") || folder == "folder 007"
        });
        assert!(both == expected, "{} instead of {}", both.len(), expected.len());
    }

    #[test]
    fn a_broken_pattern_is_bad_usage() {
        let error = select(&["[a".into()], Vec::new()).expect_err("refused");
        assert_eq!(error.blame().exit_code(), 2);
    }
}
