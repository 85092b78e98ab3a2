//! `file://`: what a folder has and a bucket has not.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use dpex_core::conformance::store::support::{
    deliver, fetch, incoming, left_out, list_all, names, newer, path, put, query,
};
use dpex_core::store::{Existing, FileStore, StoreError};
use dpex_core::types::Secret;
use dpex_store_object::{ObjectStoreShelf, Options};
use tempfile::TempDir;

use crate::support::run;

/// A folder with a store in it and a world outside that must not notice.
pub(crate) struct Yard {
    around: TempDir,
    pub(crate) store: Arc<ObjectStoreShelf>,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let around = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(around.path().join("outside")).expect("made");
        std::fs::write(around.path().join("outside/secret"), "secret").expect("written");
        let url = format!("file://{}/root", around.path().display());
        let store = Arc::new(ObjectStoreShelf::receive(&url, &Options::default()).expect("opens"));
        Self { around, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.around.path().join("root").join(name)
    }

    pub(crate) fn assert_outside_is_untouched(&self) {
        let mut around: Vec<_> = std::fs::read_dir(self.around.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        around.sort();
        assert_eq!(around, ["outside", "root"]);
        assert_eq!(std::fs::read_dir(self.around.path().join("outside")).expect("readable").count(), 1);
        assert_eq!(std::fs::read(self.around.path().join("outside/secret")).expect("there"), b"secret");
    }
}

#[test]
fn links_and_sockets_are_left_out_by_name_and_not_followed() {
    run(async {
        let yard = Yard::new();
        let store = &*yard.store;
        put(store, "d/a", b"inside").await;
        symlink(yard.around.path().join("outside"), yard.at("out")).expect("linked");
        symlink(yard.around.path().join("outside/secret"), yard.at("file")).expect("linked");
        symlink(yard.at("d"), yard.at("in")).expect("linked");
        let _socket = UnixListener::bind(yard.at("d/socket")).expect("bound");
        assert_eq!(names(store, "").await, ["d/", "d/a"]);
        let why = "it is a link, a pipe, a socket or a device".to_owned();
        let want = ["d/socket", "file", "in", "out"].map(|name| (name.to_owned(), why.clone()));
        assert_eq!(left_out(store).await, want);
        for limit in 1..4 {
            assert_eq!(list_all(store, "", limit, true).await.1, 4, "each is counted once");
        }
        for (after, counted) in [("d", 4), ("d/a", 4), ("e", 0), ("file", 0), ("g", 0), ("out", 0)] {
            let page = store.list(&query("", Some(path(after)), 1, true)).await.expect("lists");
            assert_eq!(page.skipped, counted, "{after}: nobody finds by numbers what names there are");
        }
        for name in ["out/secret", "file", "in/a"] {
            assert!(matches!(fetch(store, name).await, Err(StoreError::NotFound)), "{name}");
            let listed = store.list(&query(name, None, 9, true)).await;
            assert!(matches!(listed, Err(StoreError::NotFound)), "{name}");
        }
        for name in ["out/secret", "out/new", "file", "in/new"] {
            for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
                let refused = deliver(store, &newer(name, 3, existing), b"new").await;
                assert!(matches!(refused, Err(StoreError::Exists)), "{name} {existing:?}");
            }
        }
        assert!(matches!(store.make_folder(&path("out/new")).await, Err(StoreError::Exists)));
        yard.assert_outside_is_untouched();
    });
}

#[test]
fn names_that_cannot_travel_are_counted_and_unfinished_ones_are_not() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    run(async {
        let yard = Yard::new();
        put(&*yard.store, "a", b"x").await;
        for name in [&b"caf\xe9"[..], b"back\\slash", b"new\nline"] {
            std::fs::write(yard.at("").join(OsStr::from_bytes(name)), "x").expect("written");
        }
        for name in [".hidden", "a#1", "b.dpexpart"] {
            std::fs::write(yard.at(name), "x").expect("written");
            assert!(matches!(fetch(&*yard.store, name).await, Err(StoreError::NotFound)), "{name}");
            let refused = yard.store.receive(&incoming(name, 1)).await;
            assert!(matches!(refused, Err(StoreError::BadName(_))), "{name}");
        }
        let (entries, skipped) = list_all(&*yard.store, "", 9, true).await;
        assert_eq!(entries.len(), 1);
        assert_eq!(skipped, 3);
        let page = yard.store.list(&query("", None, 9, true)).await.expect("lists");
        let named: Vec<_> = page.named.iter().map(|skipped| (skipped.name.as_str(), skipped.why.as_str())).collect();
        let not_allowed = "the name holds a character that is not allowed";
        let want = [("back\\slash", not_allowed), ("caf\\xe9", "the name is not UTF-8"), ("new\nline", not_allowed)];
        assert_eq!(named, want);
    });
}

#[test]
fn a_file_written_to_in_place_is_another_version() {
    run(async {
        let yard = Yard::new();
        put(&*yard.store, "a", b"old").await;
        let file = yard.store.open(&path("a")).await.expect("is there");
        std::fs::write(yard.at("a"), "new!").expect("written");
        assert!(matches!(file.read_at(0, 3).await, Err(StoreError::Changed)));
    });
}

#[test]
fn a_shelf_that_is_not_there_or_that_everybody_can_write_to_is_refused() {
    let around = TempDir::new().expect("a temporary folder");
    let serve = |name: &str| {
        let url = format!("file://{}/{name}", around.path().display());
        ObjectStoreShelf::serve(&url, Secret::new([5; 32]), &Options::default())
    };
    assert_eq!(serve("missing").expect_err("it is not there").kind(), std::io::ErrorKind::NotFound);
    let open = around.path().join("open");
    std::fs::create_dir(&open).expect("made");
    serve("open").expect("it is mine");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("the mode is set");
    assert_eq!(serve("open").expect_err("it is everybody's").kind(), std::io::ErrorKind::PermissionDenied);
    std::fs::write(around.path().join("file"), "x").expect("written");
    serve("file").expect_err("it is no folder");
}
