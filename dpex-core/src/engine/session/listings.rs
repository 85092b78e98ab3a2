//! The server's side of listings: page after page, as fast as the client takes them.

use std::collections::VecDeque;

use crate::store::{Entry, ListQuery, Page};
use crate::wire::message::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, RequestId, entry_len};

/// Listings under way at once. A page is in nobody's credit, so that many at once would be the memory of all of them.
const MOST: usize = 8;

/// How many listings are under way, and which of them wait to go on.
#[derive(Debug, Default)]
pub(super) struct Listings {
    /// Those of which a page is being made, also for a request that has ended, and those that wait.
    count: usize,
    /// Those that have more pages to come, in the order in which their turns come.
    waiting: VecDeque<RequestId>,
}

impl Listings {
    pub(super) fn has_room(&self) -> bool {
        self.count < MOST
    }

    /// The first page of one is being made.
    pub(super) fn begin(&mut self) {
        self.count += 1;
    }

    /// A page was made, and was the last, or nobody waits for more.
    pub(super) fn end(&mut self) {
        self.count -= 1;
    }

    /// A page was made, and there are more to come.
    pub(super) fn wait(&mut self, id: RequestId) {
        self.waiting.push_back(id);
    }

    /// The next page of one that waits is being made from now on.
    pub(super) fn next(&mut self) -> Option<RequestId> {
        self.waiting.pop_front()
    }

    /// The request ends. If a page of it is being made, it counts until that is.
    pub(super) fn drop_request(&mut self, id: RequestId) {
        if let Some(at) = self.waiting.iter().position(|waiting| *waiting == id) {
            self.waiting.remove(at);
            self.end();
        }
    }
}

/// One listing.
#[derive(Debug)]
pub(super) struct Listing {
    /// What is on the next page.
    pub(super) query: ListQuery,
    /// How many pages may still come.
    pages: u64,
}

/// What becomes of a page that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It travels.
    Page { page: Page, is_last: bool },
    /// It is too long, and to be made again, shorter.
    TooLong,
}

impl Listing {
    pub(super) fn new(query: ListQuery, pages: u64) -> Self {
        Self { query: ListQuery { limit: query.limit.clamp(1, MAX_PAGE_ENTRIES), ..query }, pages: pages.max(1) }
    }

    /// Takes a page as a store made it.
    pub(super) fn take(&mut self, mut page: Page) -> Made {
        let fit = fitting(&page.entries);
        if fit < page.entries.len() && page.skipped > 0 {
            // Only the store knows which of them stand behind the cut, and belong to the next page.
            self.query.limit = fit;
            return Made::TooLong;
        }
        page.more |= fit < page.entries.len();
        page.entries.truncate(fit);
        self.pages -= 1;
        let last = page.entries.last().filter(|_| page.more && self.pages > 0);
        let is_last = last.is_none();
        if let Some(last) = last {
            self.query.after = Some(last.path.clone());
        }
        Made::Page { page, is_last }
    }
}

/// How many of these entries a page can hold, by their length; at least one.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        bytes += entry_len(entry);
        bytes <= MAX_PAGE_BYTES
    });
    fit.count().max(1)
}
