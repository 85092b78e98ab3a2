//! Object stores as shelves and as places to receive into, through the program. The services themselves are tried in the
//! store's own crate.

#[cfg(feature = "store-object")]
use std::fs;
#[cfg(feature = "store-object")]
use std::time::SystemTime;

#[cfg(feature = "store-object")]
use crate::bucket;
use crate::site::{Site, text};
#[cfg(feature = "store-object")]
use crate::site::{hash, put, summary};
use crate::support::{Ended, Machine};

#[cfg(feature = "store-object")]
#[test]
fn a_shelf_in_an_object_store_is_served_and_another_one_received_into() {
    let mut site = Site::new();
    let bucket = site.server.path("bucket");
    fs::create_dir_all(bucket.join("people/alice/folder")).expect("writable");
    let url = format!("file://{}/people", bucket.display());
    site.server = site.server.with_env("DPEX_SHELVES", &url);
    let alice = site.enrol("alice");
    assert_eq!(site.server.ok(&["server", "path", "alice"]).trim_end(), format!("{url}/alice"));
    let small = put(&bucket.join("people/alice/small"), 5_000, "small");
    let large = put(&bucket.join("people/alice/folder/large"), 12_000_000, "large");
    put(&bucket.join("people/secret"), 10, "not hers");
    let _serving = site.serve();

    let listed = alice.ok(&["client", "ls"]);
    assert!(listed.contains("small") && listed.contains("folder") && !listed.contains("secret"), "{listed}");
    alice.ok(&["client", "getall", "--to", "here"]);
    assert_eq!(hash(&alice.path("here/small")), small);
    assert_eq!(hash(&alice.path("here/folder/large")), large);

    let there = alice.path("there");
    fs::create_dir(&there).expect("writable");
    alice.ok(&["client", "getall", "--to", &format!("file://{}", there.display())]);
    assert_eq!(hash(&there.join("small")), small);
    assert_eq!(hash(&there.join("folder/large")), large);
}

#[cfg(feature = "store-object")]
#[test]
fn a_second_run_from_a_bucket_finds_what_the_first_one_fetched() {
    let mut site = Site::new();
    let alice = site.enrol("alice");
    site.server = site
        .server
        .with_env("DPEX_SHELVES", "s3://bucket/people")
        .with_env("DPEX_STORE_OBJECT__ENDPOINT", &format!("http://{}", bucket::serve()))
        .with_env("DPEX_STORE_OBJECT__ALLOW_HTTP", "true")
        .with_env("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST")
        .with_env("AWS_SECRET_ACCESS_KEY", "hunter2");
    let _serving = site.serve();
    for (existing, counts) in [(None, (1, 0, 0)), (None, (0, 1, 0)), (Some("--rename"), (0, 1, 0))] {
        let words = ["client", "getall", "--json", "--to", "here"].into_iter().chain(existing);
        let ended = alice.run(&words.collect::<Vec<_>>());
        assert_eq!((ended.code, summary(&ended)), (Some(0), counts), "{existing:?}: {ended:?}");
    }
    let file = fs::File::options().write(true).open(alice.path("here/a")).expect("it is there");
    file.set_modified(SystemTime::now()).expect("it is ours");
    let ended = alice.run(&["client", "getall", "--json", "--to", "here"]);
    assert_eq!(summary(&ended), (0, 1, 0), "only touched, as its hash tells: {ended:?}");
    fs::write(alice.path("here/a"), "mine").expect("it is ours");
    let ended = alice.run(&["client", "getall", "--to", "here"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the file here differs, and was kept"), "{ended:?}");
}

#[cfg(feature = "store-object")]
#[test]
fn what_is_no_object_store_is_bad_usage() {
    let site = Site::new();
    let alice = site.enrol("alice");
    for (address, why) in
        [("ftp://example.org/x", "an address begins with s3://"), ("s3:///x", "the bucket is missing")]
    {
        alice.run(&["client", "getall", "--to", address]).fails(2, why, "s3://bucket/prefix");
    }
    let ended = alice.run(&["client", "getall", "--to", "memory://x"]);
    ended.fails(2, "is gone when the program ends", "name a bucket or a folder");
    let ended = alice.run(&["--store", "fs", "client", "getall", "--to", "s3://bucket/x"]);
    ended.fails(2, "the store `fs` cannot open s3://bucket/x: it is an object store", "--store");
    let ended = alice.run(&["--store", "object", "client", "getall", "--to", "folder"]);
    ended.fails(2, "the store `object` cannot open folder: it is a folder", "--store");
}

/// A secret key of AWS's may hold a `/`, behind which its `@` is no longer where it belongs.
#[test]
fn credentials_in_an_address_are_refused_and_not_repeated() {
    let mut site = Site::new();
    let alice = site.enrol("alice");
    for address in ["s3://AKIA1:hunter2@bucket/x", "s3://AKIA1:hun/ter2@bucket/x", "s3://bucket/x#hunter2"] {
        let refused = |ended: Ended| {
            ended.fails(2, "holds credentials", "AWS_ACCESS_KEY_ID");
            assert!(!format!("{ended:?}").contains("ter2"), "{ended:?}");
        };
        refused(alice.run(&["client", "getall", "--to", address]));
        site.server = site.server.with_env("DPEX_SHELVES", address);
        refused(site.server.run(&["server", "path", "alice"]));
        refused(site.server.run(&["server", "serve"]));
        let request = site.server.file("request.json", &Machine::client("bob").ok(&["client", "init"]));
        refused(site.server.run(&["server", "add", text(&request)]));
    }
}

#[cfg(not(feature = "store-object"))]
#[test]
fn a_build_without_object_stores_says_how_to_have_them() {
    let site = Site::new();
    let alice = site.enrol("alice");
    let ended = alice.run(&["client", "getall", "--to", "s3://bucket/x"]);
    ended.fails(2, "this build has no store for s3://bucket/x", "rebuild with `--features store-object`");
}

#[test]
fn shelves_are_the_url_of_an_object_store_or_nothing() {
    let server = Machine::server().with_env("DPEX_SHELVES", "some/folder");
    let request = server.file("request.json", &Machine::client("alice").ok(&["client", "init"]));
    let ended = server.run(&["server", "add", text(&request)]);
    ended.fails(2, "the setting `shelves`", "s3://bucket/prefix");
    assert_eq!(server.ok(&["server", "clients", "--json"]), "", "nobody is enrolled without having the answer told");
}
