//! An S3 server on loopback: `s3s` for the protocol, `s3s-fs` for the files, and between them what `s3s-fs` leaves out of
//! S3: tags in listings, `If-Match` on reading, that a folder is no object, and that a key can be too long.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;

/// The credentials it accepts.
pub(crate) const ID: &str = "AKIATESTTESTTEST";
pub(crate) const KEY: &str = "hunter2-hunter2-hunter2";

/// Of a key, in bytes: `s3s-fs` makes a file name of it, in base64, with more around it.
const MAX_KEY: usize = 150;

/// A running server with one bucket, `bucket`.
pub(crate) struct Server {
    root: TempDir,
    addr: SocketAddr,
    counts: Arc<Counts>,
}

/// Requests so far, and what is to become of some.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) lists: AtomicU64,
    pub(crate) parts: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) mismatches: AtomicU64,
    /// How many of the parts that come next are refused.
    pub(crate) refuse_parts: AtomicU64,
}

impl Server {
    /// Must be called in a runtime, and ends with it.
    pub(crate) fn start() -> Self {
        let root = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(root.path().join("bucket")).expect("made");
        let counts = Arc::<Counts>::default();
        let files = FileSystem::new(root.path()).expect("a folder");
        let mut service = S3ServiceBuilder::new(Bucket { files, root: root.path().to_owned(), counts: counts.clone() });
        service.set_auth(SimpleAuth::from_single(ID, KEY));
        let service = service.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be");
        let addr = listener.local_addr().expect("it is bound");
        let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { root, addr, counts }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn lists(&self) -> u64 {
        self.counts.lists.load(Ordering::SeqCst)
    }

    /// Puts an object there as somebody else would, without any metadata.
    pub(crate) fn plant(&self, key: &str, content: &[u8]) {
        let at = self.root.path().join("bucket").join(key);
        std::fs::create_dir_all(at.parent().expect("below the bucket")).expect("made");
        std::fs::write(at, content).expect("written");
    }

    pub(crate) fn remove(&self, key: &str) {
        std::fs::remove_file(self.root.path().join("bucket").join(key)).expect("it was there");
    }

    /// What it keeps of uploads that are not complete.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.root.path()).expect("readable");
        let names = names.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(".upload") || name.contains(".tmp")).collect()
    }
}

#[derive(Debug)]
struct Bucket {
    files: FileSystem,
    root: PathBuf,
    counts: Arc<Counts>,
}

impl Bucket {
    fn at(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }

    fn check_key(bucket: &Path, key: &str) -> S3Result<()> {
        if !bucket.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        if key.len() > MAX_KEY { Err(s3_error!(KeyTooLongError)) } else { Ok(()) }
    }

    fn check_object(&self, bucket: &str, key: &str) -> S3Result<()> {
        if key.len() > MAX_KEY || !self.at(bucket, key).is_file() { Err(s3_error!(NoSuchKey)) } else { Ok(()) }
    }
}

/// The same request for something else.
fn again<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: request.extensions.clone(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
}

#[async_trait]
impl S3 for Bucket {
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.counts.lists.fetch_add(1, Ordering::SeqCst);
        let mut heads = Vec::new();
        let bucket = request.input.bucket.clone();
        let head = |key: &str| {
            let input = HeadObjectInput { bucket: bucket.clone(), key: key.to_owned(), ..HeadObjectInput::default() };
            again(&request, input)
        };
        let keys = again(&request, request.input.clone());
        let mut listed = self.files.list_objects_v2(keys).await?;
        for object in listed.output.contents.iter().flatten() {
            heads.push(head(object.key.as_deref().unwrap_or_default()));
        }
        for (object, head) in listed.output.contents.iter_mut().flatten().zip(heads) {
            object.e_tag = self.files.head_object(head).await?.output.e_tag;
        }
        Ok(listed)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check_object(&request.input.bucket, &request.input.key)?;
        self.files.head_object(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check_object(&request.input.bucket, &request.input.key)?;
        let asked = request.input.if_match.clone();
        let got = self.files.get_object(request).await?;
        if let (Some(asked), Some(there)) = (asked.as_ref().and_then(|asked| asked.as_etag()), &got.output.e_tag)
            && asked != there
        {
            self.counts.mismatches.fetch_add(1, Ordering::SeqCst);
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(got)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        Self::check_key(&self.root.join(&request.input.bucket), &request.input.key)?;
        self.counts.puts.fetch_add(1, Ordering::SeqCst);
        self.files.put_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        Self::check_key(&self.root.join(&request.input.bucket), &request.input.key)?;
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.counts.parts.fetch_add(1, Ordering::SeqCst);
        let refuse = |left: u64| left.checked_sub(1);
        if self.counts.refuse_parts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
            return Err(s3_error!(AccessDenied));
        }
        self.files.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.files.complete_multipart_upload(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(request).await
    }
}
