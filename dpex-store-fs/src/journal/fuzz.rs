//! What a journal promises, in any story of writing, damage and reading again.

use std::collections::BTreeSet;
use std::fs::File;

use super::*;

const DEED: &[u8] = b"a deed\n";
/// The most steps of one story; each may read the whole journal.
const MOST: usize = 64;

/// A story: the first byte says how many blocks there are, and each step is two, what and with what. The journal is
/// compared with a list of its records, `None` for a mark, after each.
pub(crate) fn story(bytes: &[u8], scratch: &File) {
    let Some((blocks, script)) = bytes.split_first() else { return };
    let mut story = Story::new(u64::from(*blocks % 64) + 1, scratch);
    let (steps, _) = script.as_chunks::<2>();
    for &[what, how] in steps.iter().take(MOST) {
        story.step(what % 16, how);
        story.check();
    }
    story.read();
    story.check();
}

struct Story<'a> {
    blocks: u64,
    scratch: &'a File,
    journal: Journal,
    records: Vec<Option<u64>>,
    /// A disk that failed once.
    failed: bool,
}

impl<'a> Story<'a> {
    fn new(blocks: u64, scratch: &'a File) -> Self {
        sys::resize(scratch, 0).expect("cut");
        sys::write_at(scratch, DEED, 0).expect("written");
        let journal = Journal::new(duplicate(scratch), DEED);
        Self { blocks, scratch, journal, records: Vec::new(), failed: false }
    }

    fn step(&mut self, what: u8, how: u8) {
        let place = (DEED.len() + usize::from(how) * 7) as u64;
        match what {
            0..=6 => {
                let index = u64::from(how) % self.blocks;
                let done = self.journal.append(Verified { index, offset: 0, value: value(index) });
                assert_eq!(done.is_err(), self.failed);
                if !self.failed && !self.records.contains(&Some(index)) {
                    self.records.push(Some(index));
                }
            }
            7 | 8 => {
                let done = self.journal.checkpoint(&duplicate(self.scratch));
                assert_eq!(done.is_err(), self.failed);
                if !self.unsure().is_empty() {
                    self.records.push(None);
                }
            }
            9 => self.read(),
            // One byte is another one.
            10 if place < self.len() => {
                let mut byte = [0];
                sys::read_at(self.scratch, &mut byte, place).expect("read");
                sys::write_at(self.scratch, &[byte[0] ^ (how | 1)], place).expect("written");
                self.damaged_at(place);
            }
            // The end is missing.
            11 if place < self.len() => {
                sys::resize(self.scratch, place).expect("cut");
                self.damaged_at(place);
            }
            // Something else follows: noise, or records again.
            12 => {
                sys::write_at(self.scratch, &[how; 3 * RECORD], self.len()).expect("written");
                self.read();
            }
            13 => {
                let mut again = vec![0; RECORD];
                sys::read_at(self.scratch, &mut again, DEED.len() as u64).expect("read");
                sys::write_at(self.scratch, &again, self.len()).expect("written");
                self.read();
            }
            14 => {
                let kept: BTreeSet<u64> =
                    self.unsure().into_iter().filter(|index| index % 3 != u64::from(how % 3)).collect();
                let entries = kept.iter().map(|&index| (index, value(index))).collect();
                if !self.failed {
                    self.journal.replace_unsure(entries).expect("replaced");
                    self.cut_to_mark();
                    self.records.extend(kept.iter().copied().map(Some));
                    self.records.extend((!kept.is_empty()).then_some(None));
                }
            }
            15 if how.is_multiple_of(4) && !self.failed => {
                self.journal.forget().expect("forgotten");
                self.records.clear();
            }
            15 if how % 4 == 1 => {
                assert!(self.journal.synced(Err(Errno::IO)).is_err());
                self.failed = true;
                self.cut_to_mark();
            }
            _ => {}
        }
    }

    /// Nothing is believed from the record on that has this place in it.
    fn damaged_at(&mut self, place: u64) {
        let intact = (place - DEED.len() as u64) / RECORD as u64;
        self.records.truncate(usize::try_from(intact).expect("few"));
        self.read();
    }

    fn cut_to_mark(&mut self) {
        let held = self.records.iter().rposition(Option::is_none).map_or(0, |mark| mark + 1);
        self.records.truncate(held);
    }

    /// Another run of the program finds it.
    fn read(&mut self) {
        self.journal = Journal::read(duplicate(self.scratch), DEED, self.blocks).expect("readable");
        self.failed = false;
    }

    fn check(&self) {
        let believed = |blocks: &BTreeMap<u64, Digest>| {
            assert!(blocks.iter().all(|(&index, &found)| found == value(index)), "never another value");
            blocks.keys().copied().collect::<BTreeSet<u64>>()
        };
        assert_eq!(believed(self.journal.unsure()), self.unsure());
        let all: BTreeSet<u64> = self.records.iter().copied().flatten().collect();
        assert_eq!(believed(self.journal.held()), all.difference(&self.unsure()).copied().collect());
        assert_eq!(self.journal.is_empty(), all.is_empty());
        let size = sys::fstat(self.scratch).expect("known").st_size;
        assert_eq!(u64::try_from(size), Ok(self.len()), "it ends with the last record");
    }

    fn unsure(&self) -> BTreeSet<u64> {
        self.records.iter().rev().map_while(|&record| record).collect()
    }

    fn len(&self) -> u64 {
        (DEED.len() + self.records.len() * RECORD) as u64
    }
}

fn value(index: u64) -> Digest {
    Digest(*blake3::hash(&index.to_be_bytes()).as_bytes())
}

fn duplicate(file: &File) -> OwnedFd {
    file.try_clone().expect("another handle").into()
}
