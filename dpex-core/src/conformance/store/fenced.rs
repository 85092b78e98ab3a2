//! **Fenced**: no name reaches outside the root, none hides, and none is two things at once. Links and races are each
//! backend's own to test.

use bytes::Bytes;

use super::support::{
    at, deliver, fetch, file, incoming, list_all, names, newer, path, planted, put, query, receiving,
};
use super::{Backend, Planted};
use crate::store::{Existing, StoreError};
use crate::types::{MAX_DEPTH, SharePath};

/// Names of every kind that a sender may have.
fn corpus() -> Vec<String> {
    let mut names: Vec<String> = [
        "a",
        "A",
        "a b",
        " a",
        "a.b.c",
        "ä",
        "a\u{308}",
        "日本語",
        "👍",
        "-rf",
        "*",
        "?",
        "\"",
        "'",
        "$HOME",
        "%s",
        "~",
        "#",
        "a|b",
        "<a>",
        "con",
        "NUL.txt",
        "com1",
        "LPT².log",
        "COM10",
        "a:b",
        "a.",
        "a ",
        "a.part",
        "a.part.part",
        "x.dpexpart",
        "..a",
        "...",
        "a..b",
        "a/b",
        "a/b/c d/ e",
        "a\u{200b}b",
        "a\u{feff}",
        "ﬁ",
        "İ",
        "\u{fffd}",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(255));
    names.push("é".repeat(127));
    names.push(format!("{}.txt", "y".repeat(251)));
    names.push(vec!["z".repeat(250); 4].join("/"));
    names
}

/// Nothing between: what is taken is there under its very name, what is refused or left out is not there at all.
pub async fn a_valid_name_arrives_or_is_refused_by_name(backend: &impl Backend) {
    // Each in a folder of its own, so that none is in the way of another.
    let corpus: Vec<_> =
        corpus().iter().enumerate().map(|(n, name)| (n.to_string(), path(&format!("{n}/{name}")))).collect();
    let content = |folder: &str| format!("content of {folder}");
    if !backend.abilities().receives {
        let tree: Vec<Planted> =
            corpus.iter().map(|(n, inside)| file(inside.as_str(), content(n).as_bytes())).collect();
        let store = planted(backend, &tree).await;
        let (listed, mut left_out) = (names(&*store, "").await, 0);
        for (n, inside) in &corpus {
            let is_listed = listed.contains(&inside.to_string());
            match fetch(&*store, inside.as_str()).await {
                Ok(bytes) => assert!(bytes == content(n) && is_listed, "{inside}"),
                Err(StoreError::NotFound) => assert!(!is_listed, "{inside}"),
                Err(other) => panic!("{inside}: {other}"),
            }
            left_out += usize::from(!is_listed);
        }
        assert!(left_out < corpus.len() / 2, "a store that leaves most names out is none");
        return;
    }
    let store = backend.store();
    let mut refused = 0;
    for (n, inside) in &corpus {
        let content = content(n);
        match deliver(&*store, &incoming(inside.as_str(), content.len() as u64), content.as_bytes()).await {
            Ok(given) => {
                assert_eq!(given, *inside);
                assert_eq!(fetch(&*store, inside.as_str()).await.expect("is there"), content, "{inside}");
                assert!(names(&*store, n).await.contains(&inside.to_string()), "{inside} is listed");
            }
            Err(StoreError::BadName(reason)) => {
                assert!(!reason.is_empty());
                assert!(fetch(&*store, inside.as_str()).await.is_err(), "{inside}");
                refused += 1;
            }
            Err(other) => panic!("{inside}: {other}"),
        }
    }
    assert!(refused < corpus.len() / 2, "a store that refuses most names is none");
}

/// In a store that does not receive, not even if the owner put them there. What others put into one that receives is
/// for its own tests.
pub async fn hidden_names_are_neither_shown_nor_taken(backend: &impl Backend) {
    let hidden = [".profile", "d/.git/config", ".d/a"];
    let store = if backend.abilities().receives {
        backend.store()
    } else {
        planted(backend, &hidden.map(|name| file(name, b"x"))).await
    };
    for name in hidden {
        if backend.abilities().receives {
            assert!(matches!(store.receive(&incoming(name, 1)).await, Err(StoreError::BadName(_))), "{name}");
            assert!(matches!(store.make_folder(&path(name)).await, Err(StoreError::BadName(_))), "{name}");
        }
        assert!(matches!(store.open(&path(name)).await, Err(StoreError::NotFound)), "{name}");
        assert!(matches!(store.list(&query(name, None, 9, true)).await, Err(StoreError::NotFound)), "{name}");
    }
    let (entries, skipped) = list_all(&*store, "", 9, true).await;
    assert!(entries.iter().all(|entry| entry.path == path("d")), "{entries:?}");
    assert_eq!(skipped, 0, "they are left out silently");
}

/// It is a folder, and there already.
pub async fn the_root_is_no_file(backend: &impl Backend) {
    let store = planted(backend, &[file("a", b"x")]).await;
    if backend.abilities().receives {
        assert!(matches!(store.receive(&incoming("", 1)).await, Err(StoreError::Exists)));
    }
    assert!(matches!(store.open(&SharePath::ROOT).await, Err(StoreError::NotFound)));
    store.make_folder(&SharePath::ROOT).await.expect("it is there already");
}

/// At the beginning of a reception, and at its end.
pub async fn a_folder_in_the_way_is_in_the_way_in_every_mode(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    let keeps_empty = backend.abilities().keeps_empty_folders;
    let make = async |name: &str| {
        if keeps_empty {
            store.make_folder(&path(name)).await.expect("made");
        } else {
            put(&*store, &format!("{name}/x"), b"x").await;
        }
    };
    make("d").await;
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        assert!(matches!(store.receive(&newer("d", 1, existing)).await, Err(StoreError::Exists)), "{existing:?}");
    }
    let late = store.receive(&newer("e", 1, Existing::Overwrite)).await.expect("free");
    late.write(at(0), Bytes::from_static(b"x")).await.expect("written");
    make("e").await;
    assert!(matches!(late.commit().await, Err(StoreError::Exists)));
    let want: &[&str] = if keeps_empty { &["d/", "e/"] } else { &["d/", "d/x", "e/", "e/x"] };
    assert_eq!(names(&*store, "").await, want);
}

/// However deep below it the folder would be.
pub async fn a_file_in_the_way_of_a_folder_is_in_the_way(backend: &impl Backend) {
    let Some(store) = receiving(backend).await else { return };
    put(&*store, "f", b"file").await;
    assert!(matches!(store.receive(&incoming("f/x", 1)).await, Err(StoreError::Exists)));
    assert!(matches!(store.receive(&incoming("f/x/y", 1)).await, Err(StoreError::Exists)));
    assert!(matches!(store.make_folder(&path("f")).await, Err(StoreError::Exists)));
    assert!(matches!(store.make_folder(&path("f/x")).await, Err(StoreError::Exists)));
    let many = store.make_folders(&[path("d/e"), path("f"), path("f/x"), path("d")]).await;
    assert!(matches!(&many[..], [Ok(()), Err(StoreError::Exists), Err(StoreError::Exists), Ok(())]), "{many:?}");
}

/// As deep as a path can be.
pub async fn the_deepest_tree_arrives(backend: &impl Backend) {
    let deepest = vec!["d"; MAX_DEPTH].join("/");
    let store = planted(backend, &[file(&deepest, b"deep")]).await;
    let listed = names(&*store, "").await;
    assert_eq!(listed.len(), MAX_DEPTH);
    assert_eq!(listed.last(), Some(&deepest));
    assert_eq!(fetch(&*store, &deepest).await.expect("is there"), "deep");
}
