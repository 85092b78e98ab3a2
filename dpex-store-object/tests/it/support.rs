//! What the tests share.

use std::sync::Arc;
use std::time::Duration;

use dpex_core::conformance::store::Abilities;
use dpex_core::types::Secret;
use dpex_store_object::{Hidden, ObjectStoreShelf, Options};

use crate::server::{ID, KEY, Server};

/// Long enough for a loaded machine; a test that reaches it has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// A bucket has no folders, its listings no metadata of the user's, and nothing stays of what is not complete.
pub(crate) const BUCKET: Abilities =
    Abilities { keeps_empty_folders: false, lists_as_opened: false, resumes: false, ..Abilities::ALL };

/// Runs a future to its end on a runtime of its own.
pub(crate) fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(async { tokio::time::timeout(LIMIT, future).await.expect("nothing waits for ever") });
}

pub(crate) const SECRET: [u8; 32] = [5; 32];

/// Settings for a server of one's own. What fails fails soon.
pub(crate) fn options(server: &Server) -> Options {
    Options {
        endpoint: Some(server.endpoint()),
        region: Some("us-east-1".into()),
        allow_http: true,
        part_mib: 5,
        retry_secs: 1,
        access_key_id: Some(ID.into()),
        secret_access_key: Some(Hidden::new(KEY.into())),
        ..Options::default()
    }
}

pub(crate) const URL: &str = "s3://bucket/people/anna";

pub(crate) fn receive(server: &Server) -> Arc<ObjectStoreShelf> {
    Arc::new(ObjectStoreShelf::receive(URL, &options(server)).expect("a good address"))
}

pub(crate) fn serve(server: &Server) -> Arc<ObjectStoreShelf> {
    Arc::new(ObjectStoreShelf::serve(URL, Secret::new(SECRET), &options(server)).expect("a good address"))
}
