//! The store itself: a prefix of a bucket to serve from, or one to receive into.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{FileStore, Incoming, ListQuery, Page, PartialFile, SourceFile, StoreError};
use dpex_core::types::{Secret, SharePath};
use tokio::sync::Semaphore;

use crate::address::{Address, Scheme};
use crate::complaints::Complaints;
use crate::listing::{self, Kept};
use crate::memory::Memory;
use crate::options::Options;
use crate::partial::ObjectPartial;
use crate::receiving::{self, Names};
use crate::service::Service;
use crate::source::ObjectSource;

/// Parts that are uploaded at a time, over all files: enough to fill a long fat line, and few enough to be fair.
const UPLOADS: usize = 4;

/// A prefix of a bucket.
///
/// Its futures must be polled inside a tokio runtime. The constructors ask nothing of the service: whether the bucket is
/// there and the credentials are good shows with the first request.
#[derive(Clone)]
pub struct ObjectStoreShelf {
    shared: Arc<Shared>,
}

/// What the clones of a store, and the files it receives, have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) service: Arc<Service>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) names: Arc<Names>,
    /// The least size of a part.
    pub(crate) part: u64,
    secret: Secret<32>,
    kept: Kept,
}

impl fmt::Debug for ObjectStoreShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectStoreShelf({})", self.shared.service.shown)
    }
}

impl ObjectStoreShelf {
    /// A shelf. `secret` keys the version stamps: keep it, and a version means the same after a restart.
    ///
    /// `url` is `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///path`.
    ///
    /// # Errors
    /// If the address or the settings cannot be used; for a folder, if it is not there or everybody can write to it.
    pub fn serve(url: &str, secret: Secret<32>, options: &Options) -> io::Result<Self> {
        let address = Address::parse(url)?;
        let mut service = Service::connect(&address, options, false)?;
        service.complaints = Some(Complaints::about(&service.shown));
        if address.scheme == Scheme::File {
            check_owner(&service)?;
        }
        Ok(Self::new(service, secret, options))
    }

    /// A place to receive into. What it says of versions is for itself alone.
    ///
    /// # Errors
    /// If the address or the settings cannot be used; for a folder, if it cannot be made.
    pub fn receive(url: &str, options: &Options) -> io::Result<Self> {
        let service = Service::connect(&Address::parse(url)?, options, true)?;
        tracing::info!(
            to = %service.shown,
            "receiving into a bucket: a file that is broken off starts over instead of resuming"
        );
        Ok(Self::new(service, Secret::new([0; 32]), options))
    }

    fn new(service: Service, secret: Secret<32>, options: &Options) -> Self {
        let shared = Shared {
            service: Arc::new(service),
            memory: Memory::new(options.memory()),
            slots: Arc::new(Semaphore::new(UPLOADS)),
            names: Arc::default(),
            part: options.part(),
            secret,
            kept: Kept::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

#[cfg(unix)]
fn check_owner(service: &Service) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(folder) = &service.folder else { return Ok(()) };
    if std::fs::metadata(folder)?.permissions().mode() & 0o002 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "everybody can write to this folder"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Service) -> io::Result<()> {
    Ok(())
}

#[async_trait]
impl FileStore for ObjectStoreShelf {
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let Shared { service, secret, kept, .. } = &*self.shared;
        service.told(listing::list(service, secret, kept, query).await)
    }

    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError> {
        let Shared { service, secret, .. } = &*self.shared;
        let file = service.told(ObjectSource::open(service, path, secret).await)?;
        Ok(Arc::new(file))
    }

    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError> {
        receiving::make_folder(&self.shared.service, &self.shared.names, path).await
    }

    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError> {
        let (target, claims) = receiving::begin(&self.shared.service, &self.shared.names, incoming).await?;
        Ok(Box::new(ObjectPartial::new(Arc::clone(&self.shared), incoming.clone(), target, claims)?))
    }
}
