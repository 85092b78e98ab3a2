//! Credentials, and all else that a service says, stay inside: in errors, in what `Debug` shows, and in logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dpex_core::conformance::store::support::{at, fetch, incoming, query};
use dpex_core::store::{FileStore, StoreError};
use dpex_core::types::Secret;
use dpex_store_object::{Hidden, ObjectStoreShelf, Options};
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{ID, KEY, Server};
use crate::support::{URL, options, run};

const WRONG: &str = "wrong-wrong-wrong-wrong";
const TOKEN: &str = "token-token-token-token";

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Errors of everything that can be asked of a store, and what they show.
async fn all_errors(store: &ObjectStoreShelf) -> Vec<StoreError> {
    let mut errors = Vec::new();
    errors.extend(store.list(&query("", None, 9, true)).await.err());
    errors.extend(store.list(&query("d", None, 9, true)).await.err());
    errors.extend(fetch(store, "there").await.err());
    match store.receive(&incoming("new", 3)).await {
        Err(error) => errors.push(error),
        Ok(part) => {
            errors.extend(part.write(at(0), Bytes::from_static(b"abc")).await.err());
            errors.extend(part.commit().await.err());
        }
    }
    match store.receive(&incoming("large", 6 << 20)).await {
        Err(error) => errors.push(error),
        Ok(part) => errors.extend(part.write(at(0), Bytes::from(vec![0; 6 << 20])).await.err()),
    }
    errors
}

fn assert_hides(shown: &str) {
    for secret in
        [KEY, WRONG, TOKEN, ID, "Signature=", "Credential=", "<?xml", "<Code>", "http://", "X-Amz", "127.0.0.1"]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// Runs something and gives all that was logged meanwhile, by us and by the libraries.
fn logged(future: impl Future<Output = ()>) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || run(future));
    let log = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("text");
    // The server's own log is not ours, and it may say what it likes.
    log.lines().filter(|line| !line.contains("s3s")).map(str::to_owned).collect()
}

fn with_wrong_credentials(server: &Server) -> Options {
    Options {
        secret_access_key: Some(Hidden::new(WRONG.into())),
        session_token: Some(Hidden::new(TOKEN.into())),
        ..options(server)
    }
}

#[test]
fn wrong_credentials_are_said_to_be_wrong_and_not_shown() {
    let log = logged(async {
        let server = Server::start();
        server.plant("people/anna/there", b"x");
        let wrong = with_wrong_credentials(&server);
        let store = ObjectStoreShelf::receive(URL, &wrong).expect("a good address");
        assert_eq!(format!("{store:?} {store:#?}").matches(URL).count(), 2);
        assert_hides(&format!("{store:?} {wrong:?}").replace(ID, "").replace(&server.endpoint(), ""));
        let errors = all_errors(&store).await;
        assert_eq!(errors.len(), 5, "{errors:?}");
        for error in errors {
            let text = error.to_string();
            assert!(text.contains("credentials") && text.contains("403"), "{text}");
            assert_hides(&format!("{error} {error:?} {error:#?}"));
        }
    });
    assert!(log.iter().any(|line| line.contains("starts over instead of resuming")), "the reader is blind: {log:?}");
    for line in log {
        for secret in [WRONG, KEY, TOKEN, "Signature="] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn the_owner_of_a_shelf_is_told_once_why_its_service_fails() {
    let log = logged(async {
        let server = Server::start();
        server.plant("people/anna/there", b"x");
        let shelf = ObjectStoreShelf::serve(URL, Secret::new([0; 32]), &with_wrong_credentials(&server));
        all_errors(&shelf.expect("a good address")).await;
    });
    let warnings: Vec<_> = log.iter().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("does not accept the credentials") && warnings[0].contains("403"), "{warnings:?}");
    assert!(warnings[0].contains(URL), "{warnings:?}");
    assert_hides(warnings[0]);
}

#[test]
fn an_absent_bucket_is_said_to_be_absent() {
    run(async {
        let server = Server::start();
        let options = options(&server);
        let store = ObjectStoreShelf::receive("s3://nobody-has-this/x", &options).expect("a good address");
        let texts: Vec<_> = all_errors(&store).await.iter().map(ToString::to_string).collect();
        // Looking one object up, the service does not say which of the two is missing.
        assert_eq!(texts.iter().filter(|text| *text == "no such file").count(), 1, "{texts:?}");
        assert_eq!(texts.iter().filter(|text| text.starts_with("there is no such bucket")).count(), 4, "{texts:?}");
        texts.iter().for_each(|text| assert_hides(text));
    });
}

#[test]
fn a_service_that_is_not_there_is_said_to_be_out_of_reach() {
    run(async {
        let server = Server::start();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", nobody.local_addr().expect("it is bound"));
        drop(nobody);
        let options = Options { endpoint: Some(endpoint), ..options(&server) };
        let store = ObjectStoreShelf::receive("s3://bucket/x", &options).expect("a good address");
        let error = store.list(&query("", None, 9, true)).await.expect_err("nobody is there");
        assert_eq!(error.to_string(), "the service cannot be reached");
        assert_hides(&format!("{error:?}"));
    });
}

#[test]
fn an_endpoint_without_tls_is_refused_unless_it_is_allowed() {
    run(async {
        let server = Server::start();
        let options = Options { allow_http: false, ..options(&server) };
        let store = ObjectStoreShelf::receive("s3://bucket/x", &options).expect("a good address");
        let error = store.list(&query("", None, 9, true)).await.expect_err("it would be sent in the clear");
        assert_hides(&format!("{error} {error:?}"));
        assert_eq!(server.lists(), 0);
    });
}

#[test]
fn credentials_in_the_address_are_refused_and_not_repeated() {
    let options = Options::default();
    for url in
        ["s3://AKIA1:hunter2@bucket/x", "az://c/x?sig=hunter2", "file://hunter2:x@host/x", "memory://u:hunter2@x"]
    {
        let refused = ObjectStoreShelf::serve(url, Secret::new([0; 32]), &options).expect_err(url);
        let shown = format!("{refused} {refused:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("AKIA1"), "{shown}");
    }
}
