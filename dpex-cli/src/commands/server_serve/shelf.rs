//! What one person is offered: a store that may be exchanged for another while sessions use it, by a command of the
//! owner's or because its folder is another one now.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dpex_core::enrol::Slug;
use dpex_core::store::{
    EntryKind, FileStore, Incoming, ListQuery, Opened, Page, Pages, PartialFile, SourceFile, StoreError,
};
use dpex_core::types::SharePath;

use super::nothing::Nothing;
use super::place::Place;

/// How long what was seen of a place is believed: many small files are a hundred requests.
const BELIEVED: Duration = Duration::from_millis(50);
/// How often it is tried to open a place that cannot be served.
const AGAIN: Duration = Duration::from_secs(1);

/// One person's shelf.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// Whose.
    pub(super) name: Slug,
    /// Held for no longer than it takes to copy: to look at a disk may take for ever.
    offer: Arc<RwLock<Arc<Offer>>>,
}

/// What is on a shelf.
#[derive(Debug)]
pub(super) struct Offer {
    /// `None` if its place cannot be served.
    files: Option<Arc<dyn FileStore>>,
    /// Where that comes from, if it comes from a place that may become another.
    place: Option<Arc<Place>>,
    since: Instant,
    /// Milliseconds after that it was last seen to be fit.
    seen: AtomicU64,
}

impl Offer {
    /// The shelf of somebody whose words must be compared first.
    pub(super) fn nothing() -> Self {
        Self::new(None, None)
    }

    /// What is in this place; the owner is told if it cannot be served.
    pub(super) fn of(place: Place) -> Self {
        let files = place.open().inspect_err(|refused| place.tell_refused(refused)).ok();
        Self::new(files, Some(Arc::new(place)))
    }

    fn new(files: Option<Arc<dyn FileStore>>, place: Option<Arc<Place>>) -> Self {
        Self { files, place, since: Instant::now(), seen: AtomicU64::new(0) }
    }

    fn files(&self) -> Arc<dyn FileStore> {
        self.files.clone().unwrap_or_else(|| Arc::new(Nothing))
    }

    /// Is it to be had as it is?
    async fn is_fit(&self) -> Result<bool, StoreError> {
        match (&self.files, &self.place) {
            (_, None) => Ok(true),
            (Some(files), Some(place)) => {
                let now = self.since.elapsed();
                if now.saturating_sub(Duration::from_millis(self.seen.load(Relaxed))) < BELIEVED {
                    return Ok(true);
                }
                let is_fit = files.is_in_place().await? && place.is_closed().await?;
                if is_fit {
                    self.seen.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
                }
                Ok(is_fit)
            }
            (None, Some(_)) => Ok(self.since.elapsed() < AGAIN),
        }
    }
}

impl Shelf {
    /// A shelf with this on it.
    pub(super) fn new(name: Slug, offer: Offer) -> Self {
        Self { name, offer: Arc::new(RwLock::new(Arc::new(offer))) }
    }

    /// From now on this is offered. What is being sent is sent to its end.
    pub(super) fn exchange(&self, offer: Offer) {
        *self.offer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offer);
    }

    fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is offered now. Costs a look at the place, now and then.
    async fn files(&self) -> Result<Arc<dyn FileStore>, StoreError> {
        let before = self.offer();
        if before.is_fit().await? {
            return Ok(before.files());
        }
        let Some(place) = before.place.clone() else { return Ok(before.files()) };
        let opened = Arc::clone(&place).open_aside().await;
        let mut offer = Offer::new(opened.as_ref().ok().cloned(), Some(Arc::clone(&place)));
        if let Some(files) = &offer.files
            && matches!(files.is_in_place().await, Ok(false))
        {
            // On some disks nothing is ever twice the same.
            offer.place = None;
        }
        let files = offer.files();
        {
            let mut now = self.offer.write().unwrap_or_else(PoisonError::into_inner);
            if !Arc::ptr_eq(&now, &before) {
                // Somebody was faster.
                return Ok(now.files());
            }
            *now = Arc::new(offer);
        }
        // Once: everybody may ask for it, as often as they like.
        match (&before.files, opened) {
            (Some(_), Ok(_)) => place.tell_served("another folder now, and is on offer"),
            (None, Ok(_)) => place.tell_served("on offer again"),
            (Some(_), Err(refused)) => place.tell_refused(&refused),
            (None, Err(_)) => {}
        }
        Ok(files)
    }
}

#[async_trait]
impl FileStore for Shelf {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.files().await?.list(query).await
    }

    fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
        Some(Box::new(ShelfPages { shelf: self.clone(), query: query.clone(), source: None }))
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        self.files().await?.open(path).await
    }

    fn gathers(&self) -> bool {
        self.offer().files().gathers()
    }

    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        match self.files().await {
            Ok(files) => files.open_all(paths, whole).await,
            Err(error) => each(paths, &error),
        }
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        match self.files().await {
            Ok(files) => files.look(paths).await,
            Err(error) => each(paths, &error),
        }
    }

    async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }

    async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }
}

/// One answer for all.
fn each<T>(paths: &[SharePath], error: &StoreError) -> Vec<Result<T, StoreError>> {
    paths.iter().map(|_| Err(StoreError::Io(io::Error::other(error.to_string())))).collect()
}

/// A listing of what is on the shelf when the first page is made.
#[derive(Debug)]
struct ShelfPages {
    shelf: Shelf,
    query: ListQuery,
    source: Option<Source>,
}

#[derive(Debug)]
enum Source {
    Pages(Box<dyn Pages>),
    /// It finds its way to each page by itself.
    Store(Arc<dyn FileStore>),
}

#[async_trait]
impl Pages for ShelfPages {
    async fn next(&mut self, limit: usize) -> Result<Page, StoreError> {
        let source = match &mut self.source {
            Some(source) => source,
            none => {
                let files = self.shelf.files().await?;
                none.insert(files.pages(&self.query).map_or(Source::Store(files), Source::Pages))
            }
        };
        let files = match source {
            Source::Pages(pages) => return pages.next(limit).await,
            Source::Store(files) => files,
        };
        let page = files.list(&ListQuery { limit, ..self.query.clone() }).await?;
        if let Some(last) = page.entries.last() {
            self.query.after = Some(last.path.clone());
        }
        Ok(page)
    }
}
