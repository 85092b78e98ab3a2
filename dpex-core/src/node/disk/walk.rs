//! Listings that go on where they stand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::store::{FileStore, ListQuery, Page, Pages, StoreError};
use crate::types::SharePath;

/// A listing that was begun longer ago is begun anew behind its last name: it may stand in a folder that was taken away.
pub(super) const WALK_LASTS: Duration = Duration::from_secs(5);

/// Where a listing stands.
pub(super) struct Walk {
    /// Behind this name.
    after: Option<SharePath>,
    /// Begun then.
    since: Instant,
    pages: Box<dyn Pages>,
    _room: OwnedSemaphorePermit,
}

impl Walk {
    /// Begins one, if the store walks and there is room for it.
    pub(super) fn begin(store: &dyn FileStore, query: &ListQuery, room: &Arc<Semaphore>) -> Option<Self> {
        let room = Arc::clone(room).try_acquire_owned().ok()?;
        let pages = store.pages(query)?;
        Some(Self { after: query.after.clone(), since: Instant::now(), pages, _room: room })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.since.elapsed() < WALK_LASTS
    }
}

/// The page that `query` asks for, from where a walk stands if that is there. Also where that leads, if it goes on.
pub(super) async fn list(
    store: &dyn FileStore,
    query: &ListQuery,
    walk: Option<Walk>,
    room: &Arc<Semaphore>,
) -> (Result<Page, StoreError>, Option<Walk>) {
    let walk = walk.filter(|walk| walk.after == query.after && walk.is_fresh());
    let Some(mut walk) = walk.or_else(|| Walk::begin(store, query, room)) else {
        return (store.list(query).await, None);
    };
    let result = walk.pages.next(query.limit).await;
    let last = result.as_ref().ok().filter(|page| page.more).and_then(|page| page.entries.last());
    walk.after = last.map(|last| last.path.clone());
    let goes_on = walk.after.is_some();
    (result, goes_on.then_some(walk))
}
