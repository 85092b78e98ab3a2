//! A whole listing out of its pages, bounded whatever the server says.

use crate::engine::Failure;
use crate::store::{Entry, Page};
use crate::types::SharePath;

/// The longest listing kept in memory at once; a server that goes on and on is stopped there.
pub const MAX_LISTING: usize = 1 << 20;
/// The most bytes that the names of such a listing may have, their folders included.
pub const MAX_LISTING_BYTES: usize = 256 << 20;

/// Why a listing failed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The server refused, or the connection ended.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// More than [`MAX_LISTING`] entries, or than [`MAX_LISTING_BYTES`] of names.
    #[error("the server lists more than {MAX_LISTING} names, or more than {} MiB of them", MAX_LISTING_BYTES >> 20)]
    TooLong,
    /// The server's pages do not go forward.
    #[error("the server's listing does not go forward")]
    Disordered,
}

/// What has come of a listing.
#[derive(Debug)]
pub(super) struct Listing {
    path: SharePath,
    entries: Vec<Entry>,
    skipped: u64,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

impl Listing {
    /// Nothing yet of what is at `path`.
    pub(super) fn new(path: SharePath, max_entries: usize, max_bytes: usize) -> Self {
        Self { path, entries: Vec::new(), skipped: 0, bytes: 0, max_entries, max_bytes }
    }

    /// The last name so far.
    fn last(&self) -> Option<&SharePath> {
        self.entries.last().map(|entry| &entry.path)
    }

    /// Takes the next page. Says whether there are more.
    pub(super) fn add(&mut self, page: Page) -> Result<bool, ListError> {
        let mut after = self.last();
        for entry in &page.entries {
            if after.is_some_and(|last| entry.path <= *last) || !entry.path.starts_with(&self.path) {
                return Err(ListError::Disordered);
            }
            after = Some(&entry.path);
        }
        if page.more && page.entries.is_empty() {
            return Err(ListError::Disordered);
        }
        self.bytes += page.entries.iter().map(|entry| entry.path.as_str().len()).sum::<usize>();
        // Any number may come.
        self.skipped = self.skipped.saturating_add(page.skipped);
        self.entries.extend(page.entries);
        if self.entries.len() > self.max_entries || self.bytes > self.max_bytes {
            return Err(ListError::TooLong);
        }
        Ok(page.more)
    }

    /// The entries, and how many were left out.
    pub(super) fn finish(self) -> (Vec<Entry>, u64) {
        (self.entries, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EntryKind;
    use crate::types::Timestamp;

    fn page(names: &[&str], skipped: u64) -> Page {
        let entry = |name: &&str| Entry {
            path: SharePath::parse(name).expect("a name"),
            kind: EntryKind::Folder(Timestamp::EPOCH),
        };
        Page { entries: names.iter().map(entry).collect(), more: true, skipped, named: Vec::new() }
    }

    #[test]
    fn numbers_of_a_server_that_cannot_be_added_end_at_the_largest() {
        let mut listing = Listing::new(SharePath::ROOT, 10, 100);
        assert!(listing.add(page(&["a"], u64::MAX)).expect("in order"));
        assert!(listing.add(page(&["b"], u64::MAX)).expect("in order"));
        assert_eq!(listing.finish().1, u64::MAX);
    }

    #[test]
    fn a_listing_ends_at_its_bounds_of_names_and_of_bytes() {
        let mut listing = Listing::new(SharePath::ROOT, 3, 100);
        listing.add(page(&["a", "b", "c"], 0)).expect("three may come");
        assert!(matches!(listing.add(page(&["d"], 0)), Err(ListError::TooLong)));
        let mut listing = Listing::new(SharePath::ROOT, 10, 4);
        listing.add(page(&["aa", "bb"], 0)).expect("four bytes may come");
        assert!(matches!(listing.add(page(&["c"], 0)), Err(ListError::TooLong)));
    }

    #[test]
    fn a_listing_goes_forward_and_stays_where_it_was_asked_for() {
        let root = SharePath::parse("d").expect("a name");
        for (first, second) in [(&["d/b"], &["d/a"][..]), (&["d/b"], &["d/b"]), (&["d/b"], &["e"]), (&["d/b"], &[])] {
            let mut listing = Listing::new(root.clone(), 10, 100);
            listing.add(page(first, 0)).expect("in order");
            assert!(matches!(listing.add(page(second, 0)), Err(ListError::Disordered)), "{second:?}");
        }
    }
}
