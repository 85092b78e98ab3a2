//! The server's side of listings: page after page, as fast as the client takes them.

use std::collections::VecDeque;

use crate::store::{Entry, ListQuery, Page};
use crate::wire::message::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, RequestId, entry_len};

/// Pages made at once. A page is in nobody's credit, so that many at once would be the memory of all of them.
const MOST: usize = 8;

/// Which listings wait for their next page, and how many pages are being made.
#[derive(Debug, Default)]
pub(super) struct Listings {
    /// Also for requests that have ended.
    making: usize,
    /// In the order in which their turns come.
    waiting: VecDeque<RequestId>,
}

impl Listings {
    /// One waits for its first page, or for the next.
    pub(super) fn wait(&mut self, id: RequestId) {
        self.waiting.push_back(id);
    }

    /// The next one of which a page is made from now on.
    pub(super) fn next(&mut self) -> Option<RequestId> {
        let next = if self.making < MOST { self.waiting.pop_front() } else { None };
        self.making += usize::from(next.is_some());
        next
    }

    /// A page was made.
    pub(super) fn on_made(&mut self) {
        self.making -= 1;
    }

    /// One ends. If a page of it is being made, that counts until it is.
    pub(super) fn drop_request(&mut self, id: RequestId) {
        self.waiting.retain(|waiting| *waiting != id);
    }
}

/// One listing.
#[derive(Debug)]
pub(super) struct Listing {
    /// What is on the next page.
    pub(super) query: ListQuery,
    /// What was asked for as the most on a page.
    limit: usize,
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
        let limit = query.limit.clamp(1, MAX_PAGE_ENTRIES);
        Self { query: ListQuery { limit, ..query }, limit, pages: pages.max(1) }
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
        self.query.limit = self.limit;
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
