//! Whose part it is: a leftover of ours is replaced, somebody else's file never.

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, StoreError};
use dpex_store_fs::{FsStore, Options};

use crate::support::{Yard, at, deliver, fetch, incoming, names, newer, put};

/// Begins a reception and gives it up, as a killed process does.
async fn leave_a_part(yard: &Yard, name: &str) {
    let part = yard.store.receive(&incoming(name, 10)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"left")).await.expect("written");
}

#[tokio::test]
async fn a_leftover_part_is_not_shown_and_is_replaced_by_the_next_run() {
    let yard = Yard::new();
    leave_a_part(&yard, "a").await;
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a.part"]);
    assert!(names(&yard.serve(), "").await.is_empty());
    put(&yard.store, "a", b"whole").await;
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn a_users_own_part_is_shown_served_and_survives_every_reception() {
    let yard = Yard::new();
    yard.write("a.part", "mine");
    let store = yard.serve();
    assert_eq!(fetch(&store, "a.part").await.expect("served"), "mine");
    let part = yard.store.receive(&incoming("a", 3)).await.expect("free");
    assert_eq!(names(&store, "").await, ["a.part"], "the other part is not shown");
    assert_eq!(fetch(&store, "a.part").await.expect("served"), "mine");
    drop(part);
    put(&yard.store, "a", b"abc").await;
    assert_eq!(yard.on_disk(), ["a", "a.part"]);
    assert_eq!(std::fs::read(yard.at("a.part")).expect("there"), b"mine");
}

#[tokio::test]
async fn a_part_that_a_user_put_in_the_place_of_a_leftover_is_the_users() {
    let yard = Yard::new();
    leave_a_part(&yard, "a").await;
    std::fs::remove_file(yard.at("a.part")).expect("removed");
    // Inode numbers are given again at once on many file systems.
    yard.write("a.part", "mine");
    let store = yard.serve();
    assert_eq!(fetch(&store, "a.part").await.expect("served"), "mine");
    put(&yard.store, "a", b"whole").await;
    assert_eq!(std::fs::read(yard.at("a.part")).expect("there"), b"mine");
    assert_eq!(yard.on_disk(), ["a", "a.part"]);
}

#[tokio::test]
async fn a_sidecar_without_a_record_hides_a_part_and_does_not_condemn_it() {
    for blank in ["", "\0\0\0\0\0\0\0\0"] {
        let yard = Yard::new();
        yard.write("a.part", "perhaps mine");
        yard.write(".a.dpexpart", blank);
        assert!(names(&yard.serve(), "").await.is_empty());
        put(&yard.store, "a", b"whole").await;
        assert_eq!(std::fs::read(yard.at("a.part")).expect("there"), b"perhaps mine");
        assert_eq!(names(&yard.serve(), "").await, ["a", "a.part"], "the doubt is gone with the sidecar");
    }
}

#[tokio::test]
async fn a_users_file_that_is_called_like_a_sidecar_is_left_alone() {
    let yard = Yard::new();
    yard.write(".a.dpexpart", "my notes");
    put(&yard.store, "a", b"whole").await;
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a"]);
    assert_eq!(std::fs::read(yard.at(".a.dpexpart")).expect("there"), b"my notes");
}

#[tokio::test]
async fn a_folder_that_is_called_like_a_part_or_a_sidecar_is_left_alone() {
    let yard = Yard::new();
    yard.write("a.part/x", "mine");
    yard.write(".b.dpexpart/x", "mine");
    put(&yard.store, "a", b"whole").await;
    put(&yard.store, "b", b"whole").await;
    assert_eq!(yard.on_disk(), [".b.dpexpart", ".b.dpexpart/x", "a", "a.part", "a.part/x", "b"]);
}

#[tokio::test]
async fn a_peer_cannot_forge_a_sidecar() {
    let yard = Yard::with(Options { hidden: true, ..Options::default() });
    for name in [".a.dpexpart", "a.dpexpart", "d/.A.DPEXPART", ".a.dpexpart/x"] {
        let result = yard.store.receive(&incoming(name, 1)).await;
        assert!(matches!(result, Err(StoreError::BadName(_))), "{name}");
    }
    assert!(yard.on_disk().is_empty());
}

#[tokio::test]
async fn another_store_of_the_same_folder_is_told_that_it_is_busy() {
    let yard = Yard::new();
    let other = FsStore::receive(&yard.root(), Options::default()).expect("opens");
    let part = yard.store.receive(&incoming("a", 3)).await.expect("free");
    assert!(matches!(other.receive(&incoming("a", 3)).await, Err(StoreError::Busy)));
    drop(part);
    other.receive(&incoming("a", 3)).await.expect("nobody holds it").discard().await.expect("discarded");
    assert!(yard.on_disk().is_empty());
}

#[tokio::test]
async fn of_many_at_once_one_receives_and_the_others_are_told() {
    let yard = Yard::new();
    for round in 0..20 {
        let name = format!("f{round}");
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, incoming) = (yard.store.clone(), incoming(&name, 1));
                tokio::spawn(async move { deliver(&store, &incoming, b"x").await })
            })
            .collect();
        let mut arrived = 0;
        for task in tasks {
            match task.await.expect("no panic") {
                Ok(_) => arrived += 1,
                Err(StoreError::Busy | StoreError::Same | StoreError::Exists) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(arrived == 1, "{arrived} arrived");
    }
    assert_eq!(yard.on_disk().len(), 20, "and no part is left");
}

#[tokio::test]
async fn a_file_whose_name_is_that_of_a_part_waits_for_it() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("a", 1)).await.expect("free");
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        let result = yard.store.receive(&newer("a.part", 4, existing)).await;
        assert!(matches!(result, Err(StoreError::Busy)), "{existing:?}");
    }
    part.write(at(0), Bytes::from_static(b"x")).await.expect("written");
    part.commit().await.expect("committed");
    put(&yard.store, "a.part", b"mine").await;
    assert_eq!(yard.on_disk(), ["a", "a.part"]);
}

#[tokio::test]
async fn a_file_begun_under_the_name_of_a_later_part_arrives_too() {
    let yard = Yard::new();
    let early = yard.store.receive(&newer("a.part", 0, Existing::Overwrite)).await.expect("free");
    let late = yard.store.receive(&incoming("a", 0)).await.expect("free");
    assert!(matches!(early.commit().await, Err(StoreError::Exists)), "it would take the other's part away");
    late.commit().await.expect("committed");
    put(&yard.store, "a.part", b"again").await;
    assert_eq!(yard.on_disk(), ["a", "a.part"]);
}

#[tokio::test]
async fn a_part_taken_away_or_exchanged_is_not_committed() {
    let yard = Yard::new();
    for exchanged in [false, true] {
        let part = yard.store.receive(&incoming("a", 0)).await.expect("free");
        std::fs::remove_file(yard.at("a.part")).expect("removed");
        if exchanged {
            yard.write("a.part", "mine");
        }
        assert!(matches!(part.commit().await, Err(StoreError::Io(_))));
        assert!(!yard.at("a").exists());
    }
    assert_eq!(std::fs::read(yard.at("a.part")).expect("there"), b"mine");
}

#[tokio::test]
async fn a_discard_removes_no_file_that_took_the_parts_place() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("a", 0)).await.expect("free");
    std::fs::remove_file(yard.at("a.part")).expect("removed");
    yard.write("a.part", "mine");
    part.discard().await.expect("discarded");
    assert_eq!(yard.on_disk(), ["a.part"]);
}
