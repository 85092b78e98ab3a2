//! Uploads: in parts, in any order, and gone if they are broken off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dpex_core::conformance::store::support::{at, deliver, fetch, incoming, names, newer, path, put};
use dpex_core::store::{Existing, FileStore, PartialFile, StoreError};
use dpex_store_object::{ObjectStoreShelf, Options};

use crate::server::Server;
use crate::support::{URL, options, receive, run};

const BLOCK: usize = 256 * 1024;
const MIB: usize = 1 << 20;

/// Bytes that differ all along.
fn content(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).take(len).collect()
}

async fn write(part: &dyn PartialFile, content: &[u8], block: usize) {
    let bytes = Bytes::copy_from_slice(content.chunks(BLOCK).nth(block).expect("a block of the file"));
    part.write(at((block * BLOCK) as u64), bytes).await.expect("written");
}

#[test]
fn twenty_mebibytes_in_shuffled_order_are_four_parts_and_one_file() {
    run(async {
        let server = Server::start();
        let bucket = receive(&server);
        let content = content(20 * MIB);
        let part = bucket.receive(&incoming("d/big", content.len() as u64)).await.expect("free");
        // 37 and 80 have no common factor, so every block comes once.
        for n in 1..=80 {
            write(&*part, &content, n * 37 % 80).await;
        }
        assert!(names(&*bucket, "").await.is_empty(), "all is there, and has no name");
        assert_eq!(part.commit().await.expect("committed"), path("d/big"));
        assert_eq!(server.counts().parts.load(Ordering::SeqCst), 4);
        assert_eq!(server.counts().puts.load(Ordering::SeqCst), 0);
        assert!(server.unfinished().is_empty());
        let file = bucket.open(&path("d/big")).await.expect("is there");
        assert_eq!(file.meta().mtime, incoming("d/big", 0).meta.mtime);
        for at in (0..content.len()).step_by(MIB) {
            assert!(file.read_at(at as u64, MIB).await.expect("inside") == content[at..at + MIB], "at {at}");
        }
    });
}

#[test]
fn a_broken_upload_leaves_nothing() {
    run(async {
        let server = Server::start();
        let bucket = receive(&server);
        let content = content(6 * MIB);
        for is_dropped in [false, true] {
            let part = bucket.receive(&incoming("a", content.len() as u64)).await.expect("free");
            for n in 0..20 {
                write(&*part, &content, n).await;
            }
            while server.unfinished().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if is_dropped {
                drop(part);
            } else {
                part.discard().await.expect("discarded");
            }
            while !server.unfinished().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(names(&*bucket, "").await.is_empty());
        }
        let part = bucket.receive(&incoming("a", content.len() as u64)).await.expect("free again");
        for n in 0..23 {
            write(&*part, &content, n).await;
        }
        assert!(matches!(part.commit().await, Err(StoreError::Io(_))), "a block is missing");
        assert!(server.unfinished().is_empty());
    });
}

#[test]
fn what_waits_in_memory_is_bounded_and_the_error_says_by_what() {
    run(async {
        let server = Server::start();
        let options = Options { memory_mib: 12, ..options(&server) };
        let bucket = ObjectStoreShelf::receive(URL, &options).expect("a good address");
        let content = content(40 * MIB);
        let part = bucket.receive(&incoming("a", content.len() as u64)).await.expect("free");
        // The first block of each part of 5 MiB never comes, so none is ever complete.
        let blocks = (0..160_usize).filter(|n| !n.is_multiple_of(20));
        let mut kept = 0;
        let refused = async {
            for n in blocks {
                let bytes = Bytes::copy_from_slice(&content[n * BLOCK..(n + 1) * BLOCK]);
                part.write(at((n * BLOCK) as u64), bytes).await?;
                kept += 1;
            }
            Ok::<_, StoreError>(())
        };
        let refused = refused.await.expect_err("40 MiB are more than 12").to_string();
        assert!(refused.contains("12 MiB") && refused.contains("memory-mib"), "{refused}");
        assert_eq!(kept * BLOCK, 12 * MIB);
        part.discard().await.expect("discarded");
        // In order, the same file needs no more than the parts on their way.
        let part = bucket.receive(&incoming("a", content.len() as u64)).await.expect("free");
        for n in 0..160 {
            write(&*part, &content, n).await;
        }
        part.commit().await.expect("committed");
    });
}

#[test]
fn what_does_not_fit_into_memory_waits_for_a_small_file_that_is_being_put() {
    run(async {
        let server = Server::start();
        let options = Options { memory_mib: 2, ..options(&server) };
        let bucket = ObjectStoreShelf::receive(URL, &options).expect("a good address");
        let content = Bytes::from(content(MIB));
        let mut parts = Vec::new();
        for name in ["a", "b", "c"] {
            parts.push(bucket.receive(&incoming(name, MIB as u64)).await.expect("free"));
        }
        let [a, b, c] = <[_; 3]>::try_from(parts).expect("three");
        a.write(at(0), content.clone()).await.expect("written");
        b.write(at(0), content.clone()).await.expect("written");
        assert!(c.write(at(0), content.clone()).await.is_err(), "nothing is on its way out");
        let (committed, written) = tokio::join!(a.commit(), c.write(at(0), content.clone()));
        committed.expect("committed");
        written.expect("there is room as soon as the first is in the bucket");
        b.commit().await.expect("committed");
        c.commit().await.expect("committed");
    });
}

#[test]
fn a_file_of_which_a_part_failed_is_not_committed() {
    run(async {
        let server = Server::start();
        let bucket = receive(&server);
        let content = content(11 * MIB);
        let part = bucket.receive(&incoming("a", content.len() as u64)).await.expect("free");
        server.counts().refuse_parts.store(1, Ordering::SeqCst);
        let mut failed = 0;
        for n in 0..44 {
            let bytes = Bytes::copy_from_slice(&content[n * BLOCK..(n + 1) * BLOCK]);
            failed += u64::from(part.write(at((n * BLOCK) as u64), bytes).await.is_err());
            // The answer to the first part has come before the second is complete.
            while n == 19 && server.counts().refuse_parts.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(failed > 0, "a later write tells of it");
        assert!(matches!(part.commit().await, Err(StoreError::Io(_))));
        assert!(names(&*bucket, "").await.is_empty());
        assert!(server.unfinished().is_empty());
    });
}

#[test]
fn two_receptions_of_one_process_do_not_choose_one_name() {
    run(async {
        let server = Server::start();
        let bucket = receive(&server);
        let content = content(2 * MIB);
        let large = |name| newer(name, content.len() as u64, Existing::Rename);
        put(&*bucket, "a", b"one").await;
        let asked = bucket.receive(&large("a (2)")).await.expect("free");
        let chosen = bucket.receive(&large("a")).await.expect("another name is free");
        for part in [&asked, &chosen] {
            for n in 0..8 {
                write(&**part, &content, n).await;
            }
        }
        assert!(matches!(bucket.receive(&large("a (3)")).await, Err(StoreError::Busy)), "it was chosen");
        assert_eq!(chosen.commit().await.expect("committed"), path("a (3)"));
        assert_eq!(asked.commit().await.expect("committed"), path("a (2)"));
    });
}

#[test]
fn a_file_whose_parts_do_not_fit_into_memory_is_refused_at_once() {
    run(async {
        let options = Options { memory_mib: 64, ..Options::default() };
        let bucket = ObjectStoreShelf::receive("memory://", &options).expect("a good address");
        let refused = bucket.receive(&incoming("a", 1 << 40)).await.expect_err("105 MiB a part").to_string();
        assert!(refused.contains("memory-mib"), "{refused}");
    });
}

#[test]
fn of_two_machines_that_write_one_small_file_the_second_does_not_replace_it() {
    run(async {
        let server = Server::start();
        let (here, there) = (receive(&server), receive(&server));
        let first = here.receive(&incoming("a", 3)).await.expect("free");
        let second = there.receive(&newer("a", 3, Existing::Keep)).await.expect("it cannot know");
        let third = there.receive(&newer("b", 2 << 20, Existing::Keep)).await.expect("free");
        first.write(at(0), Bytes::from_static(b"one")).await.expect("written");
        second.write(at(0), Bytes::from_static(b"two")).await.expect("written");
        third.write(at(0), Bytes::from(content(2 << 20))).await.expect("written");
        first.commit().await.expect("committed");
        put(&*here, "b", b"small").await;
        assert!(matches!(second.commit().await, Err(StoreError::Exists)));
        assert!(matches!(third.commit().await, Err(StoreError::Exists)), "a file in parts looks before it is named");
        assert_eq!(fetch(&*here, "a").await.expect("is there"), "one");
        assert_eq!(fetch(&*here, "b").await.expect("is there"), "small");
        assert!(server.unfinished().is_empty());
    });
}

#[test]
fn a_service_without_conditions_is_looked_at_first() {
    run(async {
        let server = Server::start();
        let options = Options { conditional_put: false, ..options(&server) };
        let bucket = ObjectStoreShelf::receive(URL, &options).expect("a good address");
        let late = bucket.receive(&incoming("a (2)", 3)).await.expect("free");
        late.write(at(0), Bytes::from_static(b"abc")).await.expect("written");
        put(&bucket, "a", b"one").await;
        let elsewhere = ObjectStoreShelf::receive(URL, &options).expect("a good address");
        let given = deliver(&elsewhere, &newer("a", 3, Existing::Rename), b"two").await.expect("arrives");
        assert_eq!(given, path("a (2)"));
        assert!(matches!(late.commit().await, Err(StoreError::Exists)));
        assert_eq!(fetch(&bucket, "a (2)").await.expect("is there"), "two");
    });
}
