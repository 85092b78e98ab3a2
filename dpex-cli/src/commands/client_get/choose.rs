//! What was asked for, as entries of the server's listing.

use std::collections::BTreeMap;

use dpex_core::engine::Failure;
use dpex_core::node::{Client, ListError};
use dpex_core::store::{Entry, EntryKind};
use dpex_core::types::{SharePath, Timestamp};
use dpex_core::wire::message::FailCode;

use crate::commands::client_ls::shelf_path;
use crate::commands::{failures, selection};
use crate::error::CliResult;

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
    /// Entries that the server could not read.
    pub(super) skipped: u64,
}

impl Wanted<'_> {
    /// Finds bad names and patterns before anything is asked.
    pub(super) fn check(&self) -> CliResult {
        if let Wanted::Words(words) = self {
            words.iter().try_for_each(|word| literal_part(word).map(drop))?;
            selection::select(words, &[])?;
        }
        Ok(())
    }

    /// Asks the server for the parts of its shelf that can hold what is wanted, and selects.
    pub(super) async fn choose(&self, client: &Client) -> CliResult<Chosen> {
        let words = match self {
            Wanted::Everything => return everything(client).await,
            Wanted::Words(words) => words,
        };
        let mut listing: BTreeMap<SharePath, Entry> = BTreeMap::new();
        let mut skipped = 0;
        for word in *words {
            let root = literal_part(word)?;
            let (entries, left_out) = match client.list(&root, true).await {
                Ok(listed) => listed,
                Err(ListError::Failed(Failure::Refused { code: FailCode::NotFound, .. })) => continue,
                Err(e) => return Err(failures::listing(&e, &root, client)),
            };
            skipped += left_out;
            let is_folder = !entries.iter().any(|e| e.path == root);
            if is_folder && !root.is_root() {
                // A listing tells what is in a folder, and not of the folder itself.
                let entry = Entry { path: root.clone(), kind: EntryKind::Folder(Timestamp::EPOCH) };
                listing.insert(root, entry);
            }
            listing.extend(entries.into_iter().map(|e| (e.path.clone(), e)));
        }
        let listing: Vec<Entry> = listing.into_values().collect();
        let selection = selection::select(words, &listing)?;
        let entries = listing.into_iter().filter(|e| selection.paths.contains(&e.path)).collect();
        Ok(Chosen { entries, unmatched: selection.unmatched, skipped })
    }
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
    use super::literal_part;

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
