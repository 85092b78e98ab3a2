//! What one person is offered: a store that may be exchanged for another while sessions use it, by a command of the
//! owner's or because its folder is another one now.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dpex_core::enrol::Slug;
use dpex_core::store::{
    EntryKind, FileStore, Incoming, ListQuery, Opened, Page, Pages, PartialFile, SourceFile, StoreError,
};
use dpex_core::types::SharePath;

use super::nothing::Nothing;
use super::place::Place;

/// One person's shelf.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Whose.
    pub(super) name: Slug,
    offer: RwLock<Offer>,
}

/// What is on a shelf.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// `None` if its place cannot be served.
    files: Option<Arc<dyn FileStore>>,
    /// Where that comes from, if it comes from somewhere.
    place: Option<Arc<Place>>,
}

impl Offer {
    /// The shelf of somebody whose words must be compared first.
    pub(super) fn nothing() -> Self {
        Self { files: Some(Arc::new(Nothing)), place: None }
    }

    /// What is in this place; the owner is told if it cannot be served.
    pub(super) fn of(place: Place) -> Self {
        let files = place.open().inspect_err(|refused| place.tell_refused(refused)).ok();
        Self { files, place: Some(Arc::new(place)) }
    }

    fn is_fit(&self) -> bool {
        match (&self.files, &self.place) {
            (Some(files), Some(place)) => place.is_fit(&**files),
            (files, _) => files.is_some(),
        }
    }

    /// Looks again at what is there.
    fn renew(&mut self) {
        let Some(place) = &self.place else { return };
        match place.open() {
            Ok(files) => {
                self.files = Some(files);
                place.tell_exchanged();
            }
            // Once: everybody may ask for it, as often as they like.
            Err(refused) => {
                if self.files.take().is_some() {
                    place.tell_refused(&refused);
                }
            }
        }
    }
}

impl Shelf {
    /// A shelf with this on it.
    pub(super) fn new(name: Slug, offer: Offer) -> Self {
        Self { name, offer: RwLock::new(offer) }
    }

    /// From now on this is offered. What is being sent is sent to its end.
    pub(super) fn exchange(&self, offer: Offer) {
        *self.offer.write().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// What is offered now. Costs a look at the place.
    fn files(&self) -> Arc<dyn FileStore> {
        let offer = self.offer.read().unwrap_or_else(PoisonError::into_inner).clone();
        let offer = if offer.is_fit() { offer } else { self.renewed() };
        offer.files.unwrap_or_else(|| Arc::new(Nothing))
    }

    fn renewed(&self) -> Offer {
        let mut offer = self.offer.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been faster.
        if !offer.is_fit() {
            offer.renew();
        }
        offer.clone()
    }
}

#[async_trait]
impl FileStore for Shelf {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.files().list(query).await
    }

    fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
        self.files().pages(query)
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        self.files().open(path).await
    }

    fn gathers(&self) -> bool {
        // Asked with every file, and the same of every folder: the place is looked at when something is opened.
        self.offer.read().unwrap_or_else(PoisonError::into_inner).files.as_ref().is_some_and(|files| files.gathers())
    }

    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        self.files().open_all(paths, whole).await
    }

    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        self.files().look(paths).await
    }

    async fn make_folder(&self, _: &SharePath) -> Result<(), StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }

    async fn receive(&self, _: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        Err(StoreError::BadName("nothing is received here"))
    }
}
