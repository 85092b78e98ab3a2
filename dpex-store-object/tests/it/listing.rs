//! Listings of a large bucket: in the order of names, in few requests.

use dpex_core::conformance::store::support::{fetch, label, list_all, path, put, query};
use dpex_core::store::{FileStore, StoreError};
use dpex_core::types::Secret;
use dpex_store_object::{ObjectStoreShelf, Options};

use crate::server::Server;
use crate::support::{run, serve};

/// Names whose folder sorts before them in a listing and after them in a bucket.
fn plant_photos(server: &Server, count: usize) -> Vec<String> {
    server.plant("people/anna/img/inside", b"x");
    server.plant("people/anna/zebra", b"x");
    let names: Vec<_> = (0..count).map(|n| format!("img-{n:04}.jpg")).collect();
    for name in &names {
        server.plant(&format!("people/anna/{name}"), b"x");
    }
    let around = [vec!["img/".into(), "img/inside".into()], names, vec!["zebra".into()]];
    around.concat()
}

#[test]
fn three_thousand_names_come_in_order_in_few_requests() {
    run(async {
        let server = Server::start();
        let want = plant_photos(&server, 3_000);
        let (entries, skipped) = list_all(&*serve(&server), "", 500, true).await;
        let got: Vec<_> = entries.iter().map(label).collect();
        assert!(got == want, "{} names, the first are {:?}", got.len(), &got[..5]);
        assert_eq!(skipped, 0);
        // Three pages and a bit, the folder, the questions whether folders follow; one page of ours is none of theirs.
        assert!(server.lists() <= 10, "{} requests", server.lists());
    });
}

#[test]
fn who_has_no_room_for_a_page_goes_on_in_the_middle_of_it_without_a_new_walk() {
    run(async {
        let server = Server::start();
        let want = plant_photos(&server, 3_000);
        let (shelf, mut got, mut after) = (serve(&server), Vec::new(), None);
        loop {
            let page = shelf.list(&query("", after, 1_000, true)).await.expect("lists");
            let is_last = !page.more && page.entries.len() <= 300;
            got.extend(page.entries.into_iter().take(300));
            if is_last {
                break;
            }
            after = got.last().map(|entry| entry.path.clone());
        }
        assert_eq!(got.iter().map(label).collect::<Vec<_>>(), want);
        assert!(server.lists() <= 10, "{} requests", server.lists());
    });
}

#[test]
fn a_page_from_anywhere_costs_no_more_than_it_shows() {
    run(async {
        let server = Server::start();
        let want = plant_photos(&server, 3_000);
        for (after, next) in [("img", 1), ("img/inside", 2), ("img-1499.jpg", 1_502), ("img-14", 1_402), ("j", 3_002)] {
            let before = server.lists();
            let page = serve(&server).list(&query("", Some(path(after)), 3, true)).await.expect("lists");
            let got: Vec<_> = page.entries.iter().map(label).collect();
            assert_eq!(got, want[next..(next + 3).min(want.len())], "after {after}");
            let asked = server.lists() - before;
            assert!(asked <= 8, "{asked} requests after {after}");
        }
    });
}

#[test]
fn keys_that_cannot_travel_are_counted_once_and_hidden_ones_are_not() {
    run(async {
        let server = Server::start();
        for name in ["a", "back\\slash", "m", "tab\tbed", "tab\ttoo", "z/tab\tbed", "z/y"] {
            server.plant(&format!("people/anna/{name}"), b"x");
        }
        for name in [".hidden", ".git/config", "b.dpexpart", "z/.x"] {
            server.plant(&format!("people/anna/{name}"), b"x");
        }
        for limit in 1..=6 {
            let (entries, skipped) = list_all(&*serve(&server), "", limit, true).await;
            assert_eq!(entries.iter().map(label).collect::<Vec<_>>(), ["a", "m", "z/", "z/y"], "{limit}");
            assert_eq!(skipped, 4, "{limit}");
        }
        let page = serve(&server).list(&query("", None, 9, true)).await.expect("lists");
        let named: Vec<_> = page.named.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!(named, ["back\\slash", "tab\tbed", "tab\ttoo", "z/tab\tbed"]);
        assert!(page.named.iter().all(|skipped| !skipped.why.is_empty()), "{:?}", page.named);
        for name in [".hidden", ".git/config", "b.dpexpart", "z/.x"] {
            assert!(matches!(fetch(&*serve(&server), name).await, Err(StoreError::NotFound)), "{name}");
        }
    });
}

#[test]
fn nothing_outside_the_prefix_is_shown() {
    run(async {
        let server = Server::start();
        server.plant("people/anna/a", b"x");
        server.plant("people/anna2/b", b"x");
        server.plant("people/ann", b"x");
        server.plant("c", b"x");
        let (entries, _) = list_all(&*serve(&server), "", 9, true).await;
        assert_eq!(entries.iter().map(label).collect::<Vec<_>>(), ["a"]);
    });
}

#[test]
fn an_empty_shelf_is_listed_and_a_folder_that_is_not_there_is_not() {
    run(async {
        let server = Server::start();
        let shelf = serve(&server);
        let page = shelf.list(&query("", None, 9, true)).await.expect("an empty shelf is one");
        assert!(page.entries.is_empty() && !page.more);
        assert!(matches!(shelf.list(&query("d", None, 9, true)).await, Err(StoreError::NotFound)));
    });
}

#[test]
fn two_servers_with_one_secret_say_the_same_version_and_with_two_they_do_not() {
    run(async {
        let url = "memory://two-servers";
        let shelf = |secret| ObjectStoreShelf::serve(url, Secret::new(secret), &Options::default()).expect("opens");
        put(&ObjectStoreShelf::receive(url, &Options::default()).expect("opens"), "a", b"x").await;
        let version = async |store: ObjectStoreShelf| store.open(&path("a")).await.expect("is there").meta().version;
        let one = version(shelf([1; 32])).await;
        assert_eq!(version(shelf([1; 32])).await, one);
        assert_ne!(version(shelf([2; 32])).await, one);
    });
}
