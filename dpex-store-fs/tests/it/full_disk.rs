//! A full disk is `Full`, before the first byte where it can be known, and leaves nothing half done.

use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use dpex_core::store::{FileStore, StoreError};
use dpex_store_fs::{FsStore, Options};

use crate::support::{Yard, at, incoming, put};

#[tokio::test]
async fn a_file_larger_than_the_disk_is_refused_before_the_first_byte() {
    let yard = Yard::new();
    for size in [1 << 60, u64::MAX] {
        assert!(matches!(yard.store.receive(&incoming("a", size)).await, Err(StoreError::Full)));
    }
    assert!(yard.on_disk().is_empty());
}

/// A disk of one megabyte, which only root can have.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).expect("made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "dpex-test"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmounted");
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_during_a_reception_is_full_and_recovers() {
    let yard = Yard::new();
    let Some(disk) = SmallDisk::mount(yard.around.path().join("disk")) else {
        eprintln!("skipped: this process may not mount a small disk");
        return;
    };
    let store = FsStore::receive(&disk.0, Options::default()).expect("opens");
    let block = Bytes::from(vec![7; 600 << 10]);
    let size = block.len() as u64;
    // Both fit when they begin; the disk has room for one.
    let first = store.receive(&incoming("a", size)).await.expect("there is room");
    let second = store.receive(&incoming("b", size)).await.expect("there is room");
    first.write(at(0), block.clone()).await.expect("there is room");
    assert!(matches!(second.write(at(0), block.clone()).await, Err(StoreError::Full)));
    assert!(matches!(store.receive(&incoming("c", size)).await, Err(StoreError::Full)), "and it is known beforehand");
    first.discard().await.expect("discarded");
    second.write(at(0), block).await.expect("there is room again");
    second.commit().await.expect("committed");
    put(&store, "c", b"small").await;
    let mut names: Vec<_> =
        std::fs::read_dir(&disk.0).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
    names.sort();
    assert_eq!(names, ["b", "c"]);
    drop(store);
}
