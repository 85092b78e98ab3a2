//! What a reception leaves on a real disk.

use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, StoreError};

use crate::support::{Yard, at, chmod, deliver, humble, incoming, newer, path, put};

fn mode(yard: &Yard, name: &str) -> u32 {
    std::fs::metadata(yard.at(name)).expect("there").permissions().mode() & 0o7777
}

// NAM-9.
#[tokio::test]
async fn until_commit_there_is_a_private_part_and_a_private_sidecar_and_afterwards_neither() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("d/a", 3)).await.expect("free");
    assert_eq!(yard.on_disk(), ["d", "d/.a.dpexpart", "d/a.part"]);
    assert_eq!(mode(&yard, "d/a.part"), 0o600);
    assert_eq!(mode(&yard, "d/.a.dpexpart"), 0o600);
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    part.commit().await.expect("committed");
    assert_eq!(yard.on_disk(), ["d", "d/a"]);
    assert_eq!(std::fs::read(yard.at("d/a")).expect("there"), b"abc");
}

#[tokio::test]
async fn a_discarded_part_leaves_an_empty_folder_at_most() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("d/a", 3)).await.expect("free");
    part.discard().await.expect("discarded");
    assert_eq!(yard.on_disk(), ["d"]);
}

#[tokio::test]
async fn a_file_gets_the_mode_that_any_program_here_would_have_given_it() {
    let yard = Yard::new();
    yard.write("plain", "x");
    let plain = mode(&yard, "plain");
    std::fs::DirBuilder::new().create(yard.at("folder")).expect("made");
    let executable = mode(&yard, "folder") & 0o777;
    put(&yard.store, "a", b"x").await;
    let mut program = incoming("b", 1);
    program.meta.exec = true;
    deliver(&yard.store, &program, b"x").await.expect("arrives");
    assert_eq!(mode(&yard, "a"), plain);
    assert_eq!(mode(&yard, "b"), executable);
}

// NAM-10.
#[tokio::test]
async fn a_commit_after_the_owner_wrote_the_name_keeps_the_owners_file() {
    let yard = Yard::new();
    let part = yard.store.receive(&incoming("a", 3)).await.expect("free");
    part.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
    yard.write("a", "mine");
    assert!(matches!(part.commit().await, Err(StoreError::Exists)));
    assert_eq!(std::fs::read(yard.at("a")).expect("there"), b"mine");
    assert!(yard.at("a.part").exists(), "the part is kept");
}

#[tokio::test]
async fn a_commit_to_a_name_taken_meanwhile_takes_the_next_when_renaming() {
    let yard = Yard::new();
    let part = yard.store.receive(&newer("a.txt", 0, Existing::Rename)).await.expect("free");
    yard.write("a.txt", "mine");
    std::fs::create_dir(yard.at("a (2).txt")).expect("made");
    assert_eq!(part.commit().await.expect("committed"), path("a (3).txt"));
}

#[tokio::test]
async fn an_overwriting_commit_replaces_what_is_there_then() {
    let yard = Yard::new();
    let part = yard.store.receive(&newer("a", 0, Existing::Overwrite)).await.expect("free");
    yard.write("a", "written meanwhile");
    part.commit().await.expect("committed");
    assert_eq!(std::fs::read(yard.at("a")).expect("there"), b"");
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn an_overwritten_file_with_other_links_changes_under_its_name_only() {
    let yard = Yard::new();
    yard.write("a", "old");
    std::fs::hard_link(yard.at("a"), yard.at("b")).expect("linked");
    deliver(&yard.store, &newer("a", 3, Existing::Overwrite), b"new").await.expect("arrives");
    assert_eq!(std::fs::read(yard.at("a")).expect("there"), b"new");
    assert_eq!(std::fs::read(yard.at("b")).expect("there"), b"old");
}

#[tokio::test]
async fn a_name_of_255_bytes_can_be_kept_replaced_and_numbered() {
    let yard = Yard::new();
    let name = format!("{}.txt", "é".repeat(125)) + "x";
    let long = "n".repeat(255);
    for name in [name.as_str(), long.as_str()] {
        put(&yard.store, name, b"one").await;
        assert!(matches!(yard.store.receive(&newer(name, 3, Existing::Keep)).await, Err(StoreError::Exists)));
        deliver(&yard.store, &newer(name, 3, Existing::Overwrite), b"two").await.expect("arrives");
        let beside = deliver(&yard.store, &newer(name, 5, Existing::Rename), b"three").await.expect("arrives");
        assert_ne!(beside, path(name));
        assert!(beside.as_str().len() <= 255 && beside.as_str().contains(" (2)"));
        assert_eq!(std::fs::read(yard.at(name)).expect("there"), b"two");
    }
    assert_eq!(yard.on_disk().len(), 4, "and no part is left");
}

#[tokio::test]
async fn two_long_names_that_differ_at_the_end_are_received_at_once() {
    let yard = Yard::new();
    let (a, b) = ("n".repeat(254) + "a", "n".repeat(254) + "b");
    let first = yard.store.receive(&incoming(&a, 0)).await.expect("free");
    let second = yard.store.receive(&incoming(&b, 0)).await.expect("another name");
    assert!(matches!(yard.store.receive(&incoming(&a, 0)).await, Err(StoreError::Busy)));
    first.commit().await.expect("committed");
    second.commit().await.expect("committed");
    assert_eq!(yard.on_disk(), [a, b]);
}

#[tokio::test]
async fn many_folders_are_made_in_whatever_order() {
    let yard = Yard::new();
    let names = ["a/b/c", "a", "a/x", "a/b/d", "q/a", "a/b/c", ""];
    for made in yard.store.make_folders(&names.map(path)).await {
        made.expect("made");
    }
    assert_eq!(yard.on_disk(), ["a", "a/b", "a/b/c", "a/b/d", "a/x", "q", "q/a"]);
    // One that is taken away between two runs is made again.
    std::fs::remove_dir_all(yard.at("a/b")).expect("removed");
    for made in yard.store.make_folders(&names.map(path)).await {
        made.expect("made");
    }
    assert_eq!(yard.on_disk(), ["a", "a/b", "a/b/c", "a/b/d", "a/x", "q", "q/a"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_an_error_and_not_a_lie() {
    if !humble() {
        return;
    }
    let yard = Yard::new();
    std::fs::create_dir(yard.at("d")).expect("made");
    chmod(&yard.at("d"), 0o500);
    assert!(matches!(yard.store.receive(&incoming("d/a", 0)).await, Err(StoreError::Io(_))));
    assert!(matches!(yard.store.make_folder(&path("d/e")).await, Err(StoreError::Io(_))));
    chmod(&yard.at("d"), 0o700);
    assert_eq!(yard.on_disk(), ["d"]);
}

#[tokio::test]
async fn a_hundred_files_in_one_folder_are_received_at_once() {
    let yard = Yard::new();
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let store = yard.store.clone();
            tokio::spawn(async move { deliver(&store, &incoming(&format!("x/y/{n}"), 2), b"ok").await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("arrives");
    }
    assert_eq!(yard.on_disk().len(), 102);
}
