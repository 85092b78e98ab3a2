//! Reading by ranges of one version.

use std::sync::atomic::Ordering;

use dpex_core::conformance::store::support::{deliver, newer, path, put, time};
use dpex_core::store::{Existing, FileStore, StoreError};

use crate::server::Server;
use crate::support::{receive, run, serve};

#[test]
fn an_object_that_was_replaced_is_changed_by_the_service_s_own_word() {
    run(async {
        let server = Server::start();
        let (bucket, shelf) = (receive(&server), serve(&server));
        put(&*bucket, "a", b"old").await;
        let file = shelf.open(&path("a")).await.expect("is there");
        assert_eq!(file.read_at(1, 2).await.expect("inside"), "ld");
        deliver(&*bucket, &newer("a", 3, Existing::Overwrite), b"new").await.expect("arrives");
        assert!(matches!(file.read_at(1, 2).await, Err(StoreError::Changed)));
        assert_eq!(server.counts().mismatches.load(Ordering::SeqCst), 1, "it was asked for the tag that was opened");
    });
}

#[test]
fn an_object_that_is_gone_is_changed() {
    run(async {
        let server = Server::start();
        server.plant("people/anna/a", b"old");
        let file = serve(&server).open(&path("a")).await.expect("is there");
        server.remove("people/anna/a");
        assert!(matches!(file.read_at(0, 3).await, Err(StoreError::Changed)));
    });
}

#[test]
fn an_object_that_others_put_there_has_the_time_at_which_they_did() {
    run(async {
        let server = Server::start();
        server.plant("people/anna/a", b"x");
        let meta = *serve(&server).open(&path("a")).await.expect("is there").meta();
        assert!(meta.mtime > time(1_700_000_000, 0), "{:?}", meta.mtime);
        assert!(!meta.exec);
    });
}
