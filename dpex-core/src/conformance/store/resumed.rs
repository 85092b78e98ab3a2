//! **Resumed**: what an interrupted reception left is held for the one who sent it, and for nobody else; and nothing is
//! gone on with that is not there.
//!
//! A store that does not resume holds nothing, and each case shows that it begins anew instead.

use std::sync::Arc;

use bytes::Bytes;

use super::Backend;
use super::support::{fetch, incoming, names, path, put, receiving};
use crate::store::{FileStore, Held, Incoming, Leftover, PartialFile, StoreError, Verified};
use crate::transfer::{Block, Geometry, block_value};
use crate::types::{Digest, Fingerprint, Version};

const BLOCK_LOG2: u8 = 16;
const BLOCK: usize = 1 << BLOCK_LOG2;
/// Of four blocks the last is short.
const SIZE: usize = 3 * BLOCK + 5;
const SENDER: Fingerprint = Fingerprint([3; 32]);
const OTHER: Fingerprint = Fingerprint([4; 32]);

/// Bytes that differ all along, and between versions.
fn content(version: u8) -> Vec<u8> {
    (0_u32..).flat_map(|n| (n ^ u32::from(version)).wrapping_mul(0x9e37_79b9).to_be_bytes()).take(SIZE).collect()
}

/// A reception of the file `a` from [`SENDER`], whose content is [`content`] of this version.
fn version(version: u8) -> Incoming {
    let mut incoming = Incoming { origin: SENDER, block_log2: BLOCK_LOG2, ..incoming("a", SIZE as u64) };
    incoming.meta.version = Version([version; 16]);
    incoming
}

fn block(index: u64) -> Block {
    Geometry::new(SIZE as u64, BLOCK_LOG2).block(index).expect("a block of the file")
}

fn bytes<'a>(content: &'a [u8], block: &Block) -> &'a [u8] {
    let at = usize::try_from(block.offset).expect("small");
    &content[at..at + block.len]
}

fn value(content: &[u8], index: u64) -> Digest {
    let block = block(index);
    block_value(&block, bytes(content, &block))
}

fn held(incoming: &Incoming, content: &[u8], blocks: &[u64]) -> Held {
    let values = blocks.iter().map(|&index| (index, value(content, index))).collect();
    Held { version: incoming.meta.version, block_log2: incoming.block_log2, values }
}

async fn write(part: &dyn PartialFile, content: &[u8], blocks: &[u64]) {
    for &index in blocks {
        let block = block(index);
        let verified = Verified { index, offset: block.offset, value: value(content, index) };
        part.write(verified, Bytes::copy_from_slice(bytes(content, &block))).await.expect("written");
    }
}

/// Blocks that may be written before the others, and those that are left then.
fn first_and_rest(backend: &impl Backend) -> ([u64; 2], [u64; 2]) {
    if backend.abilities().writes_in_any_order { ([3, 1], [2, 0]) } else { ([0, 1], [2, 3]) }
}

/// The store with the first blocks of a version of `a` in it, as a transfer that broke off leaves them.
async fn interrupted(backend: &impl Backend, store: &dyn FileStore, incoming: &Incoming, content: &[u8]) {
    let part = store.receive(incoming).await.expect("free");
    write(&*part, content, &first_and_rest(backend).0).await;
    part.checkpoint().await.expect("a checkpoint is made");
    drop(part);
    assert!(names(store, "").await.is_empty());
}

/// If the store resumes; if not, it is seen to hold nothing, to go on with nothing, and to begin anew.
async fn resuming(backend: &impl Backend) -> Option<Arc<dyn FileStore>> {
    let store = receiving(backend).await?;
    if backend.abilities().resumes {
        return Some(store);
    }
    let (incoming, content) = (version(1), content(1));
    interrupted(backend, &*store, &incoming, &content).await;
    assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), None);
    let (first, rest) = first_and_rest(backend);
    let claiming = Incoming { held: Some(held(&incoming, &content, &first)), ..incoming.clone() };
    match store.receive(&claiming).await {
        Err(StoreError::Gone) => {}
        Ok(part) => assert!(part.commit().await.is_err(), "it has none of the bytes"),
        Err(other) => panic!("{other}"),
    }
    let part = store.receive(&incoming).await.expect("it begins anew");
    write(&*part, &content, &first).await;
    write(&*part, &content, &rest).await;
    part.commit().await.expect("committed");
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
    assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), None);
    None
}

/// Exactly the blocks and their values; and all of it is there when the rest has come. Whoever goes on may claim fewer.
pub async fn what_was_checkpointed_is_held_and_gone_on_with(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (incoming, content) = (version(1), content(1));
    let (first, rest) = first_and_rest(backend);
    interrupted(backend, &*store, &incoming, &content).await;
    let all = held(&incoming, &content, &first);
    for claimed in [&first[..1], &first] {
        assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), Some(all.clone()));
        let going_on = Incoming { held: Some(held(&incoming, &content, claimed)), ..incoming.clone() };
        let part = store.receive(&going_on).await.expect("it is there");
        assert!(names(&*store, "").await.is_empty());
        if claimed.len() < first.len() {
            drop(part);
            continue;
        }
        write(&*part, &content, &rest).await;
        assert_eq!(part.commit().await.expect("committed"), path("a"));
    }
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
    assert_eq!(names(&*store, "").await, ["a"]);
    assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), None, "nothing is left of it");
}

/// Nor under another name; and that the sender is another one does not keep anybody from beginning anew.
pub async fn what_another_sent_is_not_held(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (incoming, content) = (version(1), content(1));
    interrupted(backend, &*store, &incoming, &content).await;
    let claimed = Some(held(&incoming, &content, &first_and_rest(backend).0));
    assert_eq!(store.held(&incoming.path, &OTHER).await.expect("it can be asked"), None);
    assert_eq!(store.held(&path("b"), &SENDER).await.expect("it can be asked"), None);
    let taking_over = Incoming { origin: OTHER, held: claimed, ..incoming.clone() };
    assert!(matches!(store.receive(&taking_over).await, Err(StoreError::Gone)));
    let anew = Incoming { origin: OTHER, held: None, ..incoming };
    interrupted(backend, &*store, &anew, &content).await;
    assert_eq!(store.held(&anew.path, &SENDER).await.expect("it can be asked"), None);
    assert!(store.held(&anew.path, &OTHER).await.expect("it can be asked").is_some());
}

/// A block more, another value, another version, other blocks, another file.
pub async fn what_the_part_does_not_have_is_gone(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (incoming, content) = (version(1), content(1));
    let (first, rest) = first_and_rest(backend);
    let is = held(&incoming, &content, &first);
    let (mut more, mut other) = (is.clone(), is.clone());
    more.values.insert(rest[0], value(&content, rest[0]));
    other.values.insert(first[0], Digest([9; 32]));
    let claims = [
        (more, "a block more"),
        (other, "another value"),
        (Held { version: Version([2; 16]), ..is.clone() }, "another version"),
        (Held { block_log2: BLOCK_LOG2 + 1, ..is.clone() }, "other blocks"),
    ];
    for (claimed, what) in claims {
        interrupted(backend, &*store, &incoming, &content).await;
        let mut claiming = incoming.clone();
        (claiming.meta.version, claiming.block_log2) = (claimed.version, claimed.block_log2);
        claiming.held = Some(claimed);
        let answer = store.receive(&claiming).await;
        assert!(matches!(answer, Err(StoreError::Gone)), "{what}: {answer:?}");
    }
    let elsewhere = Incoming { path: path("b"), held: Some(is), ..incoming.clone() };
    assert!(matches!(store.receive(&elsewhere).await, Err(StoreError::Gone)));
    put(&*store, "b", b"free").await;
    let part = store.receive(&incoming).await.expect("it begins anew");
    write(&*part, &content, &[0, 1, 2, 3]).await;
    part.commit().await.expect("committed");
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
}

/// And none of its bytes come into the new one.
pub async fn another_version_replaces_what_was_left(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    interrupted(backend, &*store, &version(1), &content(1)).await;
    let (incoming, content) = (version(2), content(2));
    let part = store.receive(&incoming).await.expect("it begins anew");
    write(&*part, &content, &[0, 1]).await;
    part.checkpoint().await.expect("a checkpoint is made");
    drop(part);
    let all = held(&incoming, &content, &[0, 1]);
    assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), Some(all.clone()));
    let part = store.receive(&Incoming { held: Some(all), ..incoming }).await.expect("it is there");
    write(&*part, &content, &[2, 3]).await;
    part.commit().await.expect("committed");
    assert_eq!(names(&*store, "").await, ["a"]);
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
}

/// Beside the new one, with the bytes that had come.
pub async fn what_was_left_is_kept_as_a_file_if_that_is_asked_for(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (old, content) = (content(1), content(2));
    interrupted(backend, &*store, &version(1), &old).await;
    let part = store.receive(&Incoming { leftover: Leftover::Keep, ..version(2) }).await.expect("it begins anew");
    write(&*part, &content, &[0, 1, 2, 3]).await;
    part.commit().await.expect("committed");
    let names = names(&*store, "").await;
    let [kept] = &names.iter().filter(|name| *name != "a").collect::<Vec<_>>()[..] else { panic!("{names:?}") };
    let kept = fetch(&*store, kept).await.expect("it can be read");
    let block = block(1);
    let at = usize::try_from(block.offset).expect("small");
    assert!(kept.get(at..at + block.len) == Some(bytes(&old, &block)), "they are other bytes");
    assert!(fetch(&*store, "a").await.expect("is there") == content, "the content is another one");
}

/// Whoever asks, as long as it is being received.
pub async fn what_is_being_received_is_busy(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (incoming, content) = (version(1), content(1));
    let part = store.receive(&incoming).await.expect("free");
    write(&*part, &content, &first_and_rest(backend).0).await;
    part.checkpoint().await.expect("a checkpoint is made");
    if backend.abilities().one_receiver_at_a_time {
        for origin in [SENDER, OTHER] {
            assert!(matches!(store.held(&incoming.path, &origin).await, Err(StoreError::Busy)));
        }
        let claimed = Some(held(&incoming, &content, &first_and_rest(backend).0));
        let second = store.receive(&Incoming { held: claimed, ..incoming.clone() }).await;
        assert!(matches!(second, Err(StoreError::Busy)), "{second:?}");
    }
    drop(part);
    assert!(store.held(&incoming.path, &SENDER).await.expect("nobody receives it").is_some());
}

/// Then what was left of it is nobody's any more.
pub async fn a_discarded_part_is_not_held(backend: &impl Backend) {
    let Some(store) = resuming(backend).await else { return };
    let (incoming, content) = (version(1), content(1));
    let part = store.receive(&incoming).await.expect("free");
    write(&*part, &content, &first_and_rest(backend).0).await;
    part.checkpoint().await.expect("a checkpoint is made");
    part.discard().await.expect("discarded");
    assert_eq!(store.held(&incoming.path, &SENDER).await.expect("it can be asked"), None);
}
