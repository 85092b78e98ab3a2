//! The journal behind the deed in a sidecar: which blocks of the part are there.
//!
//! It only grows. A record says that a block was written, a mark that all before it is on the disk. Each carries eight
//! bytes of a BLAKE3 chain over everything before it and itself, the deed included, so that one that is torn, edited, out
//! of its place or of another file is not believed, and nothing behind it either. What is not believed is cut off before
//! the journal grows again.
//!
//! Blocks before the last mark are **held**. Those behind it are **unsure**: the record may have reached the disk
//! before the block did. Each block is recorded once, so a journal is no longer than its file has blocks.

use std::collections::BTreeMap;

use dpex_core::store::Verified;
use dpex_core::types::Digest;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::sys::{self, Sys};

/// A kind, a number, a value, and the chain.
const RECORD: usize = 1 + 8 + 32 + LINK;
/// What of the chain stands in a record.
const LINK: usize = 8;
/// Records read at a time.
const AT_ONCE: usize = 1024;

/// All that was written so far, in one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain([u8; 32]);

impl Chain {
    fn begin(deed: &[u8]) -> Self {
        Self(*blake3::hash(deed).as_bytes())
    }

    fn then(&self, entry: &[u8]) -> Self {
        Self(*blake3::Hasher::new_keyed(&self.0).update(entry).finalize().as_bytes())
    }
}

/// What one record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Block(u64, Digest),
    Mark,
}

impl Entry {
    fn bytes(self) -> [u8; RECORD - LINK] {
        let mut bytes = [0; RECORD - LINK];
        if let Self::Block(index, value) = self {
            bytes[0] = 1;
            bytes[1..9].copy_from_slice(&index.to_be_bytes());
            bytes[9..].copy_from_slice(value.as_bytes());
        } else {
            bytes[0] = 2;
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (index, value) = (bytes.get(1..9)?.try_into().ok()?, bytes.get(9..)?.try_into().ok()?);
        let entry = match bytes.first()? {
            1 => Self::Block(u64::from_be_bytes(index), Digest(value)),
            2 => Self::Mark,
            _ => return None,
        };
        (entry.bytes() == *bytes).then_some(entry)
    }
}

/// Where a journal could be cut: so long, with this chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    at: u64,
    chain: Chain,
}

impl End {
    fn then(&self, entry: Entry, out: &mut Vec<u8>) -> Self {
        let bytes = entry.bytes();
        let chain = self.chain.then(&bytes);
        out.extend_from_slice(&bytes);
        out.extend_from_slice(&chain.0[..LINK]);
        Self { at: self.at + RECORD as u64, chain }
    }
}

/// The journal of one part, and with it the sidecar and its lock.
#[derive(Debug)]
pub(crate) struct Journal {
    sidecar: OwnedFd,
    /// Behind the deed.
    front: End,
    /// Behind the last mark.
    mark: End,
    /// Behind the last record.
    end: End,
    held: BTreeMap<u64, Digest>,
    unsure: BTreeMap<u64, Digest>,
    /// A disk that failed to make something durable may say of the next try that it is: it is not asked again.
    failed: Option<Errno>,
}

impl Journal {
    /// The journal of a part that nothing was written into, behind this deed.
    pub(crate) fn new(sidecar: OwnedFd, deed: &[u8]) -> Self {
        let front = End { at: deed.len() as u64, chain: Chain::begin(deed) };
        let (held, unsure) = (BTreeMap::new(), BTreeMap::new());
        Self { sidecar, front, mark: front, end: front, held, unsure, failed: None }
    }

    /// Reads what is behind this deed, as far as it can be believed, and cuts off the rest.
    pub(crate) fn read(sidecar: OwnedFd, deed: &[u8], blocks: u64) -> Sys<Self> {
        let mut journal = Self::new(sidecar, deed);
        let mut buffer = vec![0; RECORD * AT_ONCE];
        loop {
            let at = journal.end.at;
            let len = sys::read_at(&journal.sidecar, &mut buffer, at)?;
            let (records, _) = buffer[..len].as_chunks::<RECORD>();
            if !records.iter().all(|record| journal.believe(record, blocks)) || records.len() < AT_ONCE {
                break;
            }
        }
        if sys::fstat(&journal.sidecar)?.st_size.try_into() != Ok(journal.end.at) {
            sys::resize(&journal.sidecar, journal.end.at)?;
        }
        Ok(journal)
    }

    /// Takes the next record in, if it can be believed.
    fn believe(&mut self, record: &[u8; RECORD], blocks: u64) -> bool {
        let (bytes, link) = record.split_at(RECORD - LINK);
        let Some(entry) = Entry::parse(bytes) else { return false };
        let end = self.end.then(entry, &mut Vec::with_capacity(RECORD));
        if end.chain.0[..LINK] != *link {
            return false;
        }
        match entry {
            Entry::Block(index, value) if index < blocks && self.value(index).is_none() => {
                self.unsure.insert(index, value);
            }
            Entry::Mark if !self.unsure.is_empty() => {
                self.held.append(&mut self.unsure);
                self.mark = end;
            }
            _ => return false,
        }
        self.end = end;
        true
    }

    /// The value that a block was recorded with.
    pub(crate) fn value(&self, index: u64) -> Option<Digest> {
        self.held.get(&index).or_else(|| self.unsure.get(&index)).copied()
    }

    /// Blocks that no crash can take any more.
    pub(crate) fn held(&self) -> &BTreeMap<u64, Digest> {
        &self.held
    }

    /// Blocks that are recorded, and may not be on the disk.
    pub(crate) fn unsure(&self) -> &BTreeMap<u64, Digest> {
        &self.unsure
    }

    /// Is nothing recorded?
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.unsure.is_empty()
    }

    /// Records a block that was written, if it is not recorded.
    pub(crate) fn append(&mut self, Verified { index, value, .. }: Verified) -> Sys {
        self.failed.map_or(Ok(()), Err)?;
        if self.value(index).is_some() {
            return Ok(());
        }
        self.end = self.write(self.end, [Entry::Block(index, value)])?;
        self.unsure.insert(index, value);
        Ok(())
    }

    /// Makes the part's content durable and then says so: what is recorded is held from now on.
    pub(crate) fn checkpoint(&mut self, part: &OwnedFd) -> Sys {
        if self.unsure.is_empty() {
            return self.failed.map_or(Ok(()), Err);
        }
        self.synced(sys::sync_data(part))?;
        let end = self.write(self.end, [Entry::Mark])?;
        self.synced(sys::sync_data(&self.sidecar))?;
        (self.mark, self.end) = (end, end);
        self.held.append(&mut self.unsure);
        Ok(())
    }

    /// Takes note of how it went to make the part durable, or the sidecar. If it failed, nothing behind the last mark is
    /// believed any more, here and in any later run: the system may still show it and have lost it.
    pub(crate) fn synced(&mut self, result: Sys) -> Sys {
        self.failed.map_or(Ok(()), Err)?;
        if result.is_err() {
            // Its own failure would say nothing new.
            let _ = self.cut(self.mark);
            self.end = self.mark;
            self.unsure.clear();
            self.failed = result.err();
        }
        result
    }

    /// After blocks were read back: of those behind the last mark only these are here, and they are durable.
    pub(crate) fn replace_unsure(&mut self, blocks: BTreeMap<u64, Digest>) -> Sys {
        self.cut(self.mark)?;
        self.end = self.mark;
        self.unsure.clear();
        if blocks.is_empty() {
            return Ok(());
        }
        let entries = blocks.iter().map(|(&index, &value)| Entry::Block(index, value));
        let end = self.write(self.mark, entries.chain([Entry::Mark]))?;
        self.synced(sys::sync_data(&self.sidecar))?;
        (self.mark, self.end) = (end, end);
        self.held.extend(blocks);
        Ok(())
    }

    /// Takes all records back for good, before something is done that they would be wrong of.
    pub(crate) fn forget(&mut self) -> Sys {
        if self.is_empty() {
            return Ok(());
        }
        self.cut(self.front)?;
        (self.mark, self.end) = (self.front, self.front);
        self.held.clear();
        self.unsure.clear();
        self.synced(sys::sync_data(&self.sidecar))
    }

    fn cut(&self, end: End) -> Sys {
        sys::resize(&self.sidecar, end.at)
    }

    fn write(&self, from: End, entries: impl IntoIterator<Item = Entry>) -> Sys<End> {
        let mut bytes = Vec::with_capacity(RECORD);
        let end = entries.into_iter().fold(from, |end, entry| end.then(entry, &mut bytes));
        // What a failure leaves is behind the end, and written over by the next.
        sys::write_at(&self.sidecar, &bytes, from.at)?;
        Ok(end)
    }
}

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
