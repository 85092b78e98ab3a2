use std::fs::File;
use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;

const DEED: &[u8] = b"a deed\n";
const BLOCKS: u64 = 64;

fn open(file: &NamedTempFile) -> OwnedFd {
    OwnedFd::from(File::options().read(true).write(true).open(file.path()).expect("opens"))
}

fn sidecar(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("made");
    file.as_file().write_all_at(bytes, 0).expect("written");
    file
}

fn part() -> OwnedFd {
    OwnedFd::from(tempfile::tempfile().expect("made"))
}

fn block(index: u64) -> Verified {
    Verified { index, offset: index << 16, value: value(index) }
}

fn value(index: u64) -> Digest {
    Digest(*blake3::hash(&index.to_be_bytes()).as_bytes())
}

/// Three blocks, a mark, three more.
fn written(deed: &[u8]) -> Vec<u8> {
    let file = sidecar(deed);
    let mut journal = Journal::new(open(&file), deed);
    for index in [5, 0, 63] {
        journal.append(block(index)).expect("appended");
    }
    journal.checkpoint(&part()).expect("marked");
    for index in [1, 2, 3] {
        journal.append(block(index)).expect("appended");
    }
    std::fs::read(file.path()).expect("there")
}

fn read(bytes: &[u8]) -> Journal {
    Journal::read(open(&sidecar(bytes)), DEED, BLOCKS).expect("readable")
}

fn found(bytes: &[u8]) -> (Vec<u64>, Vec<u64>) {
    let journal = read(bytes);
    for (&index, &found) in journal.held.iter().chain(&journal.unsure) {
        assert_eq!(found, value(index), "never another value");
    }
    (journal.held.into_keys().collect(), journal.unsure.into_keys().collect())
}

/// What so many whole records of [`written`] say.
fn after(records: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut held, mut unsure) = (Vec::new(), Vec::new());
    for block in [Some(5), Some(0), Some(63), None, Some(1), Some(2), Some(3)].into_iter().take(records) {
        match block {
            Some(index) => unsure.push(index),
            None => held.append(&mut unsure),
        }
    }
    held.sort_unstable();
    unsure.sort_unstable();
    (held, unsure)
}

#[test]
fn of_every_length_the_whole_records_are_believed() {
    let bytes = written(DEED);
    assert_eq!(bytes.len(), DEED.len() + 7 * RECORD);
    for len in DEED.len()..=bytes.len() {
        assert_eq!(found(&bytes[..len]), after((len - DEED.len()) / RECORD), "{len}");
    }
}

#[test]
fn nothing_is_believed_from_an_edited_byte_on() {
    let bytes = written(DEED);
    for at in DEED.len()..bytes.len() {
        for edit in [1, 0x80, 0xff] {
            let mut edited = bytes.clone();
            edited[at] ^= edit;
            assert_eq!(found(&edited), after((at - DEED.len()) / RECORD), "{at}");
        }
    }
}

#[test]
fn records_out_of_place_twice_or_missing_are_not_believed() {
    let bytes = written(DEED);
    let records: Vec<_> = bytes[DEED.len()..].chunks(RECORD).collect();
    let join = |order: &[usize]| -> Vec<u8> {
        DEED.iter().copied().chain(order.iter().flat_map(|&n| records[n].iter().copied())).collect()
    };
    assert_eq!(found(&join(&[0, 1, 2, 3, 4, 5, 6])), after(7));
    assert_eq!(found(&join(&[1, 0, 2, 3])), after(0));
    assert_eq!(found(&join(&[0, 2, 1, 3])), after(1));
    assert_eq!(found(&join(&[0, 0, 1, 2])), after(1));
    assert_eq!(found(&join(&[0, 1, 3])), after(2), "the mark does not hold what it did not follow");
    assert_eq!(found(&join(&[0, 1, 2, 3, 3])), after(4));
}

#[test]
fn records_behind_another_deed_are_not_believed() {
    let other = written(b"b deed\n");
    assert_eq!(found(&[DEED, &other[DEED.len()..]].concat()), after(0));
    let ours = written(DEED);
    let spliced = [&ours[..DEED.len() + 4 * RECORD], &other[DEED.len() + 4 * RECORD..]].concat();
    assert_eq!(found(&spliced), after(4));
}

#[test]
fn a_right_record_of_a_block_that_the_file_does_not_have_is_not_believed() {
    let file = sidecar(DEED);
    let mut journal = Journal::new(open(&file), DEED);
    for index in [0, BLOCKS, 1] {
        journal.append(block(index)).expect("appended");
    }
    assert_eq!(found(&std::fs::read(file.path()).expect("there")), (vec![], vec![0]));
}

#[test]
fn what_is_not_believed_is_cut_off_and_never_comes_back() {
    let bytes = written(DEED);
    let file = sidecar(&bytes);
    // The second record is torn; what follows is still there.
    file.as_file().write_all_at(&[0; 9], (DEED.len() + RECORD) as u64).expect("written");
    let mut journal = Journal::read(open(&file), DEED, BLOCKS).expect("readable");
    assert_eq!(std::fs::read(file.path()).expect("there").len(), DEED.len() + RECORD);
    journal.append(block(0)).expect("appended");
    assert_eq!(found(&std::fs::read(file.path()).expect("there")), (vec![], vec![0, 5]));
}

#[test]
fn a_sparse_file_of_any_size_is_read_no_further_than_it_is_believed() {
    let file = sidecar(&written(DEED));
    // As large as the disk can say.
    let size = [1 << 62, 1 << 43, 1 << 40].into_iter().find(|&size| file.as_file().set_len(size).is_ok());
    assert!(size.is_some());
    let journal = Journal::read(open(&file), DEED, BLOCKS).expect("readable");
    assert_eq!(journal.held.len() + journal.unsure.len(), 6);
}

#[test]
fn more_records_than_are_read_at_a_time_are_all_read() {
    let blocks = 3 * AT_ONCE as u64 + 5;
    let file = sidecar(DEED);
    let mut journal = Journal::new(open(&file), DEED);
    for index in 0..blocks {
        journal.append(block(index)).expect("appended");
    }
    journal.checkpoint(&part()).expect("marked");
    drop(journal);
    let journal = Journal::read(open(&file), DEED, blocks).expect("readable");
    assert_eq!((journal.held.len() as u64, journal.unsure.len()), (blocks, 0));
}

#[test]
fn a_block_is_recorded_once_and_a_mark_needs_a_block() {
    let file = sidecar(DEED);
    let mut journal = Journal::new(open(&file), DEED);
    let len = || std::fs::read(file.path()).expect("there").len() - DEED.len();
    for _ in 0..3 {
        journal.append(block(1)).expect("appended");
        journal.checkpoint(&part()).expect("marked");
        assert_eq!(len(), 2 * RECORD);
    }
    journal.forget().expect("forgotten");
    assert_eq!(len(), 0);
    journal.append(block(1)).expect("appended");
    assert_eq!(found(&std::fs::read(file.path()).expect("there")), (vec![], vec![1]));
}

#[test]
fn after_a_failed_sync_nothing_unsure_is_believed_and_nothing_is_tried_again() {
    let file = sidecar(&written(DEED));
    let mut journal = Journal::read(open(&file), DEED, BLOCKS).expect("readable");
    assert_eq!(journal.synced(Err(Errno::IO)), Err(Errno::IO));
    assert_eq!(journal.checkpoint(&part()), Err(Errno::IO));
    assert_eq!(journal.append(block(9)), Err(Errno::IO));
    assert_eq!(journal.synced(Ok(())), Err(Errno::IO));
    assert_eq!(found(&std::fs::read(file.path()).expect("there")), after(4));
}

proptest! {
    /// Any edits at all: what is believed is a prefix of what was written.
    #[test]
    fn no_damage_makes_more_of_it(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = written(DEED);
        let mut damaged = bytes.clone();
        for (at, byte) in edits {
            let at = DEED.len() + at.index(bytes.len() - DEED.len());
            damaged[at] = byte;
        }
        damaged.truncate(DEED.len() + cut.index(bytes.len() - DEED.len() + 1));
        damaged.extend(tail);
        let intact = bytes.iter().zip(&damaged).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(found(&damaged), after((intact - DEED.len()) / RECORD));
    }
}
