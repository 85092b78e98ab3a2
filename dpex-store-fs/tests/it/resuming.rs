//! Going on with what an interrupted reception left: no block that is not there, and no more fetched again than must be.

use std::fs::{File, FileTimes};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dpex_core::store::{Existing, FileStore, Held, Incoming, Leftover, PartialFile, StoreError, Verified};
use dpex_core::transfer::{Geometry, block_value};
use dpex_core::types::{Digest, Fingerprint, Version};
use dpex_store_fs::{FsStore, Options};

use crate::support::{Yard, fetch, incoming, names, put};

const BLOCK: usize = 1 << 16;
const BLOCKS: u64 = 5;
const ALICE: Fingerprint = Fingerprint([1; 32]);

/// Five blocks, the last one short.
fn content() -> Vec<u8> {
    (0..4 * BLOCK + 100).map(|n| u8::try_from(n % 251).expect("below 251")).collect()
}

fn wanted(held: Option<Held>) -> Incoming {
    Incoming { origin: ALICE, block_log2: 16, held, ..incoming("a", content().len() as u64) }
}

fn cut(index: u64) -> (Verified, Bytes) {
    let content = content();
    let block = Geometry::new(content.len() as u64, 16).block(index).expect("inside");
    let at = usize::try_from(block.offset).expect("small");
    let data = Bytes::copy_from_slice(&content[at..at + block.len]);
    (Verified { index, offset: block.offset, value: block_value(&block, &data) }, data)
}

async fn write(part: &dyn PartialFile, blocks: impl IntoIterator<Item = u64>) {
    for index in blocks {
        let (block, data) = cut(index);
        part.write(block, data).await.expect("written");
    }
}

/// A run that checkpoints after blocks 0 and 3, writes 1 and 4, and ends without a word.
async fn leave(yard: &Yard) {
    let part = yard.store.receive(&wanted(None)).await.expect("free");
    write(&*part, [0, 3]).await;
    part.checkpoint().await.expect("on the disk");
    write(&*part, [1, 4]).await;
}

async fn held(yard: &Yard) -> Option<Held> {
    let held = yard.store.held(&wanted(None).path, &ALICE).await.expect("looked");
    if let Some(held) = &held {
        assert_eq!((held.version, held.block_log2), (wanted(None).meta.version, 16));
        for (&index, &value) in &held.values {
            assert_eq!(value, cut(index).0.value);
        }
    }
    held
}

async fn held_blocks(yard: &Yard) -> Vec<u64> {
    held(yard).await.map(|held| held.values.into_keys().collect()).unwrap_or_default()
}

/// Finishes it from whatever is held, and looks at what arrived.
async fn finish(yard: &Yard) {
    let held = held(yard).await;
    let missing: Vec<u64> =
        (0..BLOCKS).filter(|index| !held.as_ref().is_some_and(|held| held.values.contains_key(index))).collect();
    let part = yard.store.receive(&wanted(held)).await.expect("goes on");
    write(&*part, missing).await;
    part.commit().await.expect("committed");
    assert!(fetch(&yard.store, "a").await.expect("there") == content(), "the content is another one");
}

fn part(yard: &Yard) -> File {
    File::options().read(true).write(true).open(yard.at("a.part")).expect("there")
}

fn set_modified(file: &File, ago: u64) {
    let at = SystemTime::now() - Duration::from_secs(ago);
    file.set_times(FileTimes::new().set_modified(at)).expect("set");
}

#[tokio::test]
async fn what_was_written_is_held_with_or_without_a_checkpoint() {
    let yard = Yard::new();
    assert!(held(&yard).await.is_none(), "nothing was begun");
    leave(&yard).await;
    assert_eq!(held_blocks(&yard).await, [0, 1, 3, 4]);
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a.part"]);
    assert!(names(&yard.serve(), "").await.is_empty());
    finish(&yard).await;
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn a_block_that_did_not_reach_the_disk_is_not_held_and_the_others_are() {
    let yard = Yard::new();
    leave(&yard).await;
    part(&yard).write_all_at(&[0; 1000], BLOCK as u64 + 7).expect("lost");
    assert_eq!(held_blocks(&yard).await, [0, 3, 4]);
    assert_eq!(held_blocks(&yard).await, [0, 3, 4], "and it stays so");
    finish(&yard).await;
}

#[tokio::test]
async fn what_a_checkpoint_holds_is_not_read_again() {
    let yard = Yard::new();
    leave(&yard).await;
    // Not what anybody may do, but it shows what is looked at: the part seems older than the journal.
    part(&yard).write_all_at(&[0; 9], 0).expect("edited");
    set_modified(&part(&yard), 100);
    assert_eq!(held_blocks(&yard).await, [0, 1, 3, 4]);
}

#[tokio::test]
async fn a_part_that_somebody_changed_is_read_from_its_beginning() {
    let yard = Yard::new();
    leave(&yard).await;
    part(&yard).write_all_at(&[0; 9], 0).expect("edited");
    set_modified(&File::open(yard.at(".a.dpexpart")).expect("there"), 100);
    assert_eq!(held_blocks(&yard).await, [1, 3, 4]);
    part(&yard).write_all_at(&[0; 9], 3 * BLOCK as u64).expect("edited");
    set_modified(&File::open(yard.at(".a.dpexpart")).expect("there"), 100);
    assert_eq!(held_blocks(&yard).await, [1, 4]);
    finish(&yard).await;
}

#[tokio::test]
async fn a_part_of_another_length_holds_nothing() {
    for len in [0, 4 * BLOCK as u64 + 99, 4 * BLOCK as u64 + 101] {
        let yard = Yard::new();
        leave(&yard).await;
        part(&yard).set_len(len).expect("cut");
        assert!(held(&yard).await.is_none(), "{len}");
        let (block, _) = cut(0);
        let claimed = Held {
            version: wanted(None).meta.version,
            block_log2: 16,
            values: [(0, block.value)].into_iter().collect(),
        };
        assert!(matches!(yard.store.receive(&wanted(Some(claimed))).await, Err(StoreError::Gone)));
        finish(&yard).await;
        assert_eq!(yard.on_disk(), ["a"]);
    }
}

#[tokio::test]
async fn another_file_in_the_place_of_the_part_holds_nothing_and_is_left_alone() {
    let yard = Yard::new();
    leave(&yard).await;
    let copy = std::fs::read(yard.at("a.part")).expect("there");
    std::fs::remove_file(yard.at("a.part")).expect("removed");
    std::fs::write(yard.at("a.part"), copy).expect("written");
    assert!(held(&yard).await.is_none());
    finish(&yard).await;
    assert_eq!(yard.on_disk(), ["a", "a.part"]);
}

#[tokio::test]
async fn the_sidecar_of_another_file_holds_nothing() {
    let yard = Yard::new();
    leave(&yard).await;
    std::fs::rename(yard.at("a.part"), yard.at("b.part")).expect("moved");
    std::fs::rename(yard.at(".a.dpexpart"), yard.at(".b.dpexpart")).expect("moved");
    let b = Incoming { path: crate::support::path("b"), ..wanted(None) };
    assert!(yard.store.held(&b.path, &ALICE).await.expect("looked").is_none(), "the deed is that of `a`");
    assert!(names(&yard.serve(), "").await.is_empty(), "and it is still nobody's file");
    yard.store.receive(&b).await.expect("under another stem").discard().await.expect("discarded");
    assert_eq!(yard.on_disk(), [".b.dpexpart", "b.part"]);
}

#[tokio::test]
async fn only_the_same_file_of_the_same_sender_is_gone_on_with() {
    let yard = Yard::new();
    leave(&yard).await;
    assert!(yard.store.held(&wanted(None).path, &Fingerprint([2; 32])).await.expect("looked").is_none());
    let all = held(&yard).await.expect("held");
    let gone = async |change: &dyn Fn(&mut Incoming, &mut Held)| {
        let (mut incoming, mut held) = (wanted(None), all.clone());
        change(&mut incoming, &mut held);
        incoming.held = Some(held);
        matches!(yard.store.receive(&incoming).await, Err(StoreError::Gone))
    };
    assert!(gone(&|incoming, _| incoming.origin = Fingerprint([2; 32])).await);
    assert!(gone(&|incoming, held| (incoming.meta.version, held.version) = (Version([8; 16]), Version([8; 16]))).await);
    assert!(gone(&|incoming, held| (incoming.block_log2, held.block_log2) = (17, 17)).await);
    assert!(gone(&|incoming, _| incoming.meta.size += 1).await);
    assert!(gone(&|_, held| held.values.extend([(2, Digest([0; 32]))])).await);
    assert!(gone(&|_, held| held.values.extend([(0, Digest([0; 32]))])).await);
    assert!(!gone(&|_, held| held.values.retain(|&index, _| index != 0)).await, "fewer than there are is fine");
}

#[tokio::test]
async fn two_cannot_go_on_with_one_part() {
    let yard = Yard::new();
    leave(&yard).await;
    let other = FsStore::receive(&yard.root(), Options::default()).expect("opens");
    let all = held(&yard).await;
    let part = yard.store.receive(&wanted(all.clone())).await.expect("goes on");
    assert!(matches!(other.held(&wanted(None).path, &ALICE).await, Err(StoreError::Busy)));
    assert!(matches!(other.receive(&wanted(all)).await, Err(StoreError::Busy)));
    assert!(matches!(other.receive(&wanted(None)).await, Err(StoreError::Busy)));
    drop(part);
    finish(&yard).await;
}

#[tokio::test]
async fn a_commit_needs_every_block_held_or_written() {
    let yard = Yard::new();
    leave(&yard).await;
    let all = held(&yard).await;
    let part = yard.store.receive(&wanted(all.clone())).await.expect("goes on");
    assert!(matches!(part.commit().await, Err(StoreError::Io(_))), "block 2 is missing");
    assert!(!yard.at("a").exists());
    finish(&yard).await;
}

#[tokio::test]
async fn to_begin_anew_replaces_the_part_or_keeps_it_as_a_file_of_its_own() {
    let yard = Yard::new();
    let anew = |leftover| Incoming { leftover, ..wanted(None) };
    leave(&yard).await;
    drop(yard.store.receive(&anew(Leftover::Replace)).await.expect("replaced"));
    assert!(held(&yard).await.is_none());
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a.part"]);
    drop(yard.store.receive(&anew(Leftover::Keep)).await.expect("nothing to keep"));
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a.part"]);
    for kept in [vec!["a (2).part"], vec!["a (2).part", "a (3).part"]] {
        leave(&yard).await;
        yard.store.receive(&anew(Leftover::Keep)).await.expect("kept").discard().await.expect("discarded");
        assert_eq!(names(&yard.serve(), "").await, kept);
    }
    let old = std::fs::read(yard.at("a (2).part")).expect("there");
    assert!(old[..BLOCK] == content()[..BLOCK], "what was received is in it");
    assert_ne!(std::fs::metadata(yard.at("a (2).part")).expect("there").permissions().mode() & 0o044, 0);
    put(&yard.store, "a (2)", b"x").await;
    assert_eq!(names(&yard.serve(), "").await, ["a (2)", "a (2).part", "a (3).part"], "nobody takes it away");
}

#[tokio::test]
async fn a_part_under_another_stem_is_found_again() {
    let yard = Yard::new();
    yard.write("a.part", "mine");
    leave(&yard).await;
    std::fs::remove_file(yard.at("a.part")).expect("removed");
    assert_eq!(held_blocks(&yard).await, [0, 1, 3, 4]);
    finish(&yard).await;
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn a_part_of_another_version_of_this_program_is_hidden_and_left_alone() {
    let yard = Yard::new();
    yard.write("a.part", "of old");
    yard.write(".a.dpexpart", "dpex-part 1\ninode 7\nend\n");
    assert!(held(&yard).await.is_none());
    assert!(names(&yard.serve(), "").await.is_empty());
    finish(&yard).await;
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a", "a.part"]);
}

#[tokio::test]
async fn what_is_no_sidecar_is_no_obstacle() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let yard = Yard::new();
    mknodat(CWD, yard.at(".a.dpexpart"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
    assert!(held(&yard).await.is_none());
    finish(&yard).await;
    std::fs::remove_file(yard.at("a")).expect("removed");
    std::fs::remove_file(yard.at(".a.dpexpart")).expect("removed");
    let huge = File::create(yard.at(".a.dpexpart")).expect("made");
    assert!([1 << 62, 1 << 43, 1 << 40].into_iter().any(|size| huge.set_len(size).is_ok()));
    huge.write_all_at(b"x", 0).expect("written");
    assert!(held(&yard).await.is_none());
    finish(&yard).await;
    assert_eq!(yard.on_disk(), [".a.dpexpart", "a"]);
}

#[tokio::test]
async fn a_block_written_again_with_another_value_takes_its_record_back() {
    let yard = Yard::new();
    let part = yard.store.receive(&wanted(None)).await.expect("free");
    write(&*part, [0, 1]).await;
    part.checkpoint().await.expect("on the disk");
    let (block, _) = cut(0);
    let other = Verified { value: Digest([3; 32]), ..block };
    part.write(other, Bytes::from(vec![1; BLOCK])).await.expect("written");
    drop(part);
    assert!(held(&yard).await.is_none(), "neither the old value nor the new one is true");
}

#[tokio::test]
async fn zeros_stay_holes_unless_something_was_there() {
    let yard = Yard::new();
    let size = 64 << 20;
    let wanted = |held| Incoming { origin: ALICE, held, ..incoming("sparse", size) };
    let geometry = Geometry::new(size, 20);
    let (zeros, nines) = (Bytes::from(vec![0; 1 << 20]), Bytes::from(vec![9; 1 << 20]));
    let part = yard.store.receive(&wanted(None)).await.expect("free");
    let write = async |part: &dyn PartialFile, index: u64, data: &Bytes| {
        let block = geometry.block(index).expect("inside");
        part.write(Verified { index, offset: block.offset, value: block_value(&block, data) }, data.clone())
            .await
            .expect("written");
    };
    for index in 0..40 {
        write(&*part, index, if index == 7 { &nines } else { &zeros }).await;
    }
    drop(part);
    // Junk of a write that was never recorded.
    File::options()
        .write(true)
        .open(yard.at("sparse.part"))
        .expect("there")
        .write_all_at(b"junk", 50 << 20)
        .expect("written");
    let held = yard.store.held(&wanted(None).path, &ALICE).await.expect("looked");
    assert_eq!(held.as_ref().map(|held| held.values.len()), Some(40));
    let part = yard.store.receive(&wanted(held)).await.expect("goes on");
    for index in 40..64 {
        write(&*part, index, &zeros).await;
    }
    part.commit().await.expect("committed");
    let meta = std::fs::metadata(yard.at("sparse")).expect("there");
    assert_eq!(meta.len(), size);
    assert!(meta.blocks() * 512 <= 4 << 20, "{} bytes are allocated", meta.blocks() * 512);
    let got = std::fs::read(yard.at("sparse")).expect("there");
    assert!(got.iter().enumerate().all(|(at, &byte)| byte == if at >> 20 == 7 { 9 } else { 0 }));
}

#[tokio::test]
async fn the_sidecar_of_a_file_that_is_here_already_is_tidied_up() {
    let yard = Yard::new();
    leave(&yard).await;
    // As a crash between the last two steps of a commit leaves it.
    std::fs::rename(yard.at("a.part"), yard.at("a")).expect("moved");
    let file = File::options().write(true).open(yard.at("a")).expect("there");
    let mtime = wanted(None).meta.mtime.to_system().expect("fits");
    file.set_times(FileTimes::new().set_modified(mtime)).expect("set");
    assert!(matches!(yard.store.receive(&wanted(None)).await, Err(StoreError::Same)));
    assert_eq!(yard.on_disk(), ["a"]);
}

#[tokio::test]
async fn a_resumed_part_is_published_in_every_way() {
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Rename] {
        let yard = Yard::new();
        leave(&yard).await;
        yard.write("a", "in the way");
        let held = held(&yard).await;
        let again = Incoming { existing, ..wanted(held) };
        if existing == Existing::Keep {
            assert!(matches!(yard.store.receive(&again).await, Err(StoreError::Exists)));
            assert_eq!(held_blocks(&yard).await, [0, 1, 3, 4], "the part is kept");
            continue;
        }
        let part = yard.store.receive(&again).await.expect("goes on");
        write(&*part, [2]).await;
        let name = part.commit().await.expect("committed");
        assert!(fetch(&yard.store, name.as_str()).await.expect("there") == content());
    }
}
