//! What the names and patterns after `dpex client get` mean, given what the server lists.

use std::collections::BTreeSet;

use dpex_core::store::Entry;
use dpex_core::types::SharePath;
use globset::{GlobBuilder, GlobMatcher};

use crate::error::{CliError, CliResult};

/// What was asked for, and what of it there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Files and folders to fetch, each once, folders before what is in them.
    pub(super) paths: BTreeSet<SharePath>,
    /// Words that stand for nothing on the server.
    pub(super) unmatched: Vec<String>,
}

/// Selects from a whole listing. A word is the name of a file or folder, or else a pattern: `*` and `?` stay within a
/// folder, `**` crosses folders, `[ab]` and `{a,b}` are alternatives. A folder stands for all that is in it.
pub(super) fn select(words: &[String], listing: &[Entry]) -> CliResult<Selection> {
    let mut selection = Selection::default();
    for word in words {
        let tops = tops(word, listing)?;
        if tops.is_empty() {
            selection.unmatched.push(word.clone());
        }
        let inside = |entry: &&Entry| tops.iter().any(|top| entry.path.starts_with(top));
        selection.paths.extend(listing.iter().filter(inside).map(|entry| entry.path.clone()));
    }
    Ok(selection)
}

/// The entries that a word names or matches.
fn tops<'a>(word: &str, listing: &'a [Entry]) -> CliResult<Vec<&'a SharePath>> {
    let name = word.strip_prefix("./").unwrap_or(word);
    let name = name.strip_suffix('/').unwrap_or(name);
    let paths = || listing.iter().map(|entry| &entry.path);
    // A name that exists is itself, also if it looks like a pattern.
    if let Some(path) = paths().find(|path| path.as_str() == name) {
        return Ok(vec![path]);
    }
    let pattern = pattern(name)?;
    Ok(paths().filter(|path| pattern.is_match(path.as_str())).collect())
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
        let found = select(&words, &SHELF.map(entry)).expect("valid patterns");
        (found.paths.iter().map(ToString::to_string).collect(), found.unmatched)
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
    fn a_broken_pattern_is_bad_usage() {
        let error = select(&["[a".into()], &[]).expect_err("refused");
        assert_eq!(error.blame().exit_code(), 2);
    }
}
