//! What was asked for, as entries of the server's listing.

use std::collections::BTreeSet;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, ListError, MAX_LISTING};
use dpex_core::store::{Entry, EntryKind};
use dpex_core::types::{SharePath, Timestamp};
use dpex_core::wire::message::FailCode;

use crate::commands::client_ls::shelf_path;
use crate::commands::{failures, selection};
use crate::error::{Blame, CliError, CliResult};

/// What a person asked for.
#[derive(Debug)]
pub(super) enum Wanted<'a> {
    /// All there is.
    Everything,
    /// Names and patterns.
    Words(&'a [String]),
}

/// What of it there is.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// In order, each once, folders before what is in them.
    pub(super) entries: Vec<Entry>,
    /// Words that stand for nothing.
    pub(super) unmatched: Vec<String>,
    /// Entries that the server cannot offer.
    pub(super) skipped: u64,
}

impl Wanted<'_> {
    /// Finds bad names and patterns before anything is asked.
    pub(super) fn check(&self) -> CliResult {
        if let Wanted::Words(words) = self {
            words.iter().try_for_each(|word| literal_part(word).map(drop))?;
            selection::select(words, Vec::new())?;
        }
        Ok(())
    }

    /// Asks the server for the parts of its shelf that can hold what is wanted, and selects.
    pub(super) async fn choose(&self, client: &Client) -> CliResult<Chosen> {
        let words = match self {
            Wanted::Everything => return everything(client).await,
            Wanted::Words(words) => words.to_vec(),
        };
        let mut listing: Vec<Entry> = Vec::new();
        let mut skipped = 0_u64;
        for root in roots(&words)? {
            let (entries, left_out) = match client.list(&root, true).await {
                Ok(listed) => listed,
                Err(ListError::Failed(Failure::Refused { code: FailCode::NotFound, .. })) => continue,
                Err(e) => return Err(failures::listing(&e, &root, client)),
            };
            skipped = skipped.saturating_add(left_out);
            let is_file = entries.first().is_some_and(|entry| entry.path == root);
            if !is_file && !root.is_root() {
                // A listing tells what is in a folder, and not of the folder itself.
                listing.push(Entry { path: root.clone(), kind: EntryKind::Folder(Timestamp::EPOCH) });
            }
            listing.extend(entries);
            if listing.len() > MAX_LISTING {
                return Err(failures::listing(&ListError::TooLong, &root, client));
            }
        }
        // A long listing takes its time, in which Ctrl-C must be heard.
        let selected = tokio::task::spawn_blocking(move || selection::select(&words, listing)).await;
        let selection = selected.map_err(|e| CliError::new(Blame::Internal, format!("a task failed: {e}")))??;
        Ok(Chosen { entries: selection.entries, unmatched: selection.unmatched, skipped })
    }
}

/// The places to list, in order, none inside another: so what comes of them is in order, too, and nothing comes twice.
fn roots(words: &[String]) -> CliResult<Vec<SharePath>> {
    let places = words.iter().map(|word| literal_part(word)).collect::<CliResult<BTreeSet<_>>>()?;
    let mut roots: Vec<SharePath> = Vec::new();
    for place in places {
        if roots.last().is_none_or(|root| !place.starts_with(root)) {
            roots.push(place);
        }
    }
    Ok(roots)
}

async fn everything(client: &Client) -> CliResult<Chosen> {
    let root = SharePath::ROOT;
    let (entries, skipped) = client.list(&root, true).await.map_err(|e| failures::listing(&e, &root, client))?;
    Ok(Chosen { entries, unmatched: Vec::new(), skipped })
}

/// The folders of a word up to its first part that may be a pattern; the whole word if none may be.
fn literal_part(word: &str) -> CliResult<SharePath> {
    let is_pattern = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<&str> = word.split('/').take_while(|part| !is_pattern(part)).collect();
    shelf_path(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{literal_part, roots};

    #[test]
    fn no_part_of_a_shelf_is_listed_twice() {
        let roots = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            roots(&words).expect("valid").iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(roots(&["b/*.jpg", "a.txt", "b/c/d", "b/*.png", "a", "a/b"]), ["a", "a.txt", "b"]);
        assert_eq!(roots(&["a", "*"]), [""]);
        assert_eq!(roots(&[".", ""]), [""]);
    }

    #[test]
    fn only_the_folder_that_can_hold_the_matches_is_listed() {
        for (word, root) in
            [("a.pdf", "a.pdf"), ("*.pdf", ""), ("photos/*.jpg", "photos"), ("a/b{1,2}/c", "a"), ("./a/", "a")]
        {
            assert_eq!(literal_part(word).expect("valid").as_str(), root, "{word}");
        }
        assert!(literal_part("../up").is_err());
        assert!(literal_part("/abs/*").is_err());
    }
}
