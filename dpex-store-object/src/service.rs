//! The service behind an address, and what it can do.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use dpex_core::store::StoreError;
use dpex_core::types::SharePath;
use object_store::list::PaginatedListStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::{GetOptions, GetResult, ObjectStore};

use crate::address::{Address, Scheme};
use crate::complaints::Complaints;
use crate::error::connecting;
use crate::options::Options;

/// One bucket of one service.
pub(crate) struct Service {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// Lists a folder page by page; without, a folder's listing comes whole.
    pub(crate) pages: Option<Arc<dyn PaginatedListStore>>,
    /// Takes the parts of an upload in any order; without, they are handed over in theirs.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    /// A folder of this machine, which may hold links.
    pub(crate) folder: Option<PathBuf>,
    /// Keeps metadata of the user's with an object.
    pub(crate) keeps_attributes: bool,
    /// Puts an object only if there is none of its name, in one step.
    pub(crate) puts_conditionally: bool,
    /// Below which all keys lie.
    pub(crate) prefix: SharePath,
    /// Scheme, bucket and prefix, for people.
    pub(crate) shown: String,
    /// Whom its failures are told to when the one who asks does not learn of them.
    pub(crate) complaints: Option<Complaints>,
}

impl fmt::Debug for Service {
    /// Not the fields: the library's own types may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.shown)
    }
}

impl Service {
    /// Makes the client of a service. Nothing is asked of it yet. `may_make` allows to make a missing folder.
    pub(crate) fn connect(address: &Address, options: &Options, may_make: bool) -> io::Result<Self> {
        match address.scheme {
            Scheme::S3 => s3(address, options),
            Scheme::Gcs => gcs(address, options),
            Scheme::Azure => azure(address, options),
            Scheme::Memory => Ok(memory(address)),
            Scheme::File => folder(address, may_make),
        }
    }

    fn new<S: ObjectStore>(address: &Address, objects: Arc<S>) -> Self {
        Self {
            objects,
            pages: None,
            parts: None,
            folder: None,
            keeps_attributes: true,
            puts_conditionally: true,
            prefix: address.prefix.clone(),
            shown: address.to_string(),
            complaints: None,
        }
    }

    /// Passes an answer on, and tells the owner of a shelf if it is that the service failed.
    pub(crate) fn told<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        match &self.complaints {
            Some(complaints) => complaints.hear(answer),
            None => answer,
        }
    }

    /// What an object is, without its content.
    pub(crate) async fn head(&self, key: &object_store::path::Path) -> object_store::Result<GetResult> {
        self.objects.get_opts(key, GetOptions { head: true, ..GetOptions::default() }).await
    }
}

/// Stores in memory have the life of the process, so that one address means one store. For tests.
fn memory(address: &Address) -> Service {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);
    let store = match address.bucket.as_str() {
        "" => Arc::default(),
        name => {
            let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(stores.entry(name.to_owned()).or_default())
        }
    };
    Service { parts: Some(store.clone()), ..Service::new(address, store) }
}

fn folder(address: &Address, may_make: bool) -> io::Result<Service> {
    let root = PathBuf::from(format!("/{}", address.prefix));
    if may_make {
        std::fs::create_dir_all(&root)?;
    }
    let root = std::fs::canonicalize(root)?;
    if !std::fs::metadata(&root)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let store = LocalFileSystem::new_with_prefix(&root).map_err(|e| connecting(&e))?.with_fsync(true);
    Ok(Service {
        folder: Some(root),
        keeps_attributes: false,
        prefix: SharePath::ROOT,
        ..Service::new(address, Arc::new(store))
    })
}

#[cfg(feature = "cloud")]
pub(crate) use cloud::broken;

/// How a request failed that had no answer: here there are none.
#[cfg(not(feature = "cloud"))]
pub(crate) fn broken(_: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    None
}

#[cfg(feature = "cloud")]
mod cloud {
    use std::io;
    use std::time::Duration;

    use object_store::client::{HttpError, HttpErrorKind};
    use object_store::{ClientOptions, RetryConfig};

    use crate::options::Options;

    /// How requests are made. rustls is told once in a process which cryptography to use; whoever came first has chosen.
    pub(super) fn client(options: &Options) -> ClientOptions {
        let _ = rustls::crypto::ring::default_provider().install_default();
        ClientOptions::new()
            .with_allow_http(options.allow_http)
            .with_connect_timeout(Duration::from_secs(10))
            .with_timeout(Duration::from_secs(options.timeout_secs.max(1)))
    }

    /// How a request failed that had no answer; `None` for an error of another kind.
    pub(crate) fn broken(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
        Some(match error.downcast_ref::<HttpError>()?.kind() {
            HttpErrorKind::Connect => io::ErrorKind::NotConnected,
            HttpErrorKind::Timeout => io::ErrorKind::TimedOut,
            HttpErrorKind::Interrupted | HttpErrorKind::Request => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::InvalidData,
        })
    }

    pub(super) fn retry(options: &Options) -> RetryConfig {
        RetryConfig { retry_timeout: Duration::from_secs(options.retry_secs), ..RetryConfig::default() }
    }
}

#[cfg(feature = "aws")]
fn s3(address: &Address, options: &Options) -> io::Result<Service> {
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut};

    let conditional = if options.conditional_put { S3ConditionalPut::ETagMatch } else { S3ConditionalPut::Disabled };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&address.bucket)
        .with_client_options(cloud::client(options))
        .with_retry(cloud::retry(options))
        .with_conditional_put(conditional);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(id) = &options.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(key) = &options.secret_access_key {
        builder = builder.with_secret_access_key(key.expose());
    }
    if let Some(token) = &options.session_token {
        builder = builder.with_token(token.expose());
    }
    let store = Arc::new(builder.build().map_err(|e| connecting(&e))?);
    Ok(Service {
        pages: Some(store.clone()),
        parts: Some(store.clone()),
        puts_conditionally: options.conditional_put,
        ..Service::new(address, store)
    })
}

#[cfg(feature = "gcp")]
fn gcs(address: &Address, options: &Options) -> io::Result<Service> {
    use object_store::gcp::GoogleCloudStorageBuilder;

    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&address.bucket)
        .with_client_options(cloud::client(options))
        .with_retry(cloud::retry(options));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    let store = Arc::new(builder.build().map_err(|e| connecting(&e))?);
    Ok(Service { pages: Some(store.clone()), parts: Some(store.clone()), ..Service::new(address, store) })
}

#[cfg(feature = "azure")]
fn azure(address: &Address, options: &Options) -> io::Result<Service> {
    use object_store::azure::MicrosoftAzureBuilder;

    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&address.bucket)
        .with_client_options(cloud::client(options))
        .with_retry(cloud::retry(options));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let store = Arc::new(builder.build().map_err(|e| connecting(&e))?);
    // Its parts could come in any order, but then it would take no metadata with them.
    Ok(Service { pages: Some(store.clone()), ..Service::new(address, store) })
}

#[cfg(not(feature = "aws"))]
fn s3(_: &Address, _: &Options) -> io::Result<Service> {
    Err(left_out("s3://", "aws"))
}

#[cfg(not(feature = "gcp"))]
fn gcs(_: &Address, _: &Options) -> io::Result<Service> {
    Err(left_out("gs://", "gcp"))
}

#[cfg(not(feature = "azure"))]
fn azure(_: &Address, _: &Options) -> io::Result<Service> {
    Err(left_out("az://", "azure"))
}

#[cfg(not(all(feature = "aws", feature = "gcp", feature = "azure")))]
fn left_out(scheme: &str, feature: &str) -> io::Error {
    let text = format!("this build has no {scheme}: rebuild dpex-store-object with its feature `{feature}`");
    io::Error::new(io::ErrorKind::Unsupported, text)
}
