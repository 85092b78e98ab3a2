//! What a [`MemStore`](super::MemStore) holds, and its rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;

use super::{Fault, synthetic_bytes};
use crate::store::{
    Entry, EntryKind, Existing, Held, Incoming, LeftOut, Leftover, ListQuery, Meta, Page, StoreError, Verified,
};
use crate::types::{Digest, Fingerprint, RangeSet, SharePath, Timestamp, Version};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<SharePath, Node>,
    pub(super) parts: BTreeMap<SharePath, Part>,
    versions: u64,
    pub(super) read_fault: Option<Fault>,
    pub(super) writes_left: Option<u64>,
    pub(super) capacity: Option<u64>,
    pub(super) unreadable: BTreeSet<SharePath>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Folder,
    File(File),
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) content: Content,
    mtime: Timestamp,
    exec: bool,
    pub(super) version: Version,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Synthetic { size: u64, seed: u64 },
}

#[derive(Debug)]
pub(super) struct Part {
    /// Somebody is receiving it.
    pub(super) live: bool,
    origin: Fingerprint,
    version: Version,
    block_log2: u8,
    values: BTreeMap<u64, Digest>,
    data: Vec<u8>,
    written: RangeSet,
}

impl Part {
    fn new(incoming: &Incoming) -> Self {
        let Incoming { origin, block_log2, meta, .. } = *incoming;
        let (values, data, written) = (BTreeMap::new(), Vec::new(), RangeSet::new());
        Self { live: true, origin, version: meta.version, block_log2, values, data, written }
    }

    pub(super) fn held(&self) -> Held {
        Held { version: self.version, block_log2: self.block_log2, values: self.values.clone() }
    }

    fn has(&self, held: &Held) -> bool {
        let has_value = |(index, value): (&u64, &Digest)| self.values.get(index) == Some(value);
        self.version == held.version && self.block_log2 == held.block_log2 && held.values.iter().all(has_value)
    }
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Synthetic { size, .. } => *size,
        }
    }

    /// The range lies inside.
    pub(super) fn read(&self, offset: u64, len: usize) -> Bytes {
        match self {
            Self::Bytes(bytes) => {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.slice(at..at.saturating_add(len))
            }
            Self::Synthetic { seed, .. } => synthetic_bytes(*seed, offset, len),
        }
    }
}

impl File {
    pub(super) fn meta(&self) -> Meta {
        Meta { size: self.content.size(), mtime: self.mtime, exec: self.exec, version: self.version }
    }
}

impl State {
    pub(super) fn next_version(&mut self) -> Version {
        self.versions += 1;
        let mut version = [0; Version::LEN];
        version[..8].copy_from_slice(&self.versions.to_be_bytes());
        Version(version)
    }

    pub(super) fn file(&self, path: &SharePath) -> Option<&File> {
        match self.nodes.get(path) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, path: &SharePath, content: Content, mtime: Timestamp, exec: bool) {
        self.make_folders(&path.parent().unwrap_or_default());
        let version = self.next_version();
        self.nodes.insert(path.clone(), Node::File(File { content, mtime, exec, version }));
    }

    pub(super) fn make_folders(&mut self, path: &SharePath) {
        for folder in ancestors(path) {
            self.nodes.entry(folder).or_insert(Node::Folder);
        }
    }

    /// Is nothing but folders on the way to, and at, this path?
    pub(super) fn is_free_for_folder(&self, path: &SharePath) -> bool {
        ancestors(path).all(|folder| self.file(&folder).is_none())
    }

    fn used(&self) -> u64 {
        let files = self.nodes.values().map(|node| if let Node::File(file) = node { file.content.size() } else { 0 });
        let parts = self.parts.values().map(|part| part.data.len() as u64);
        files.chain(parts).fold(0, u64::saturating_add)
    }

    fn has_room(&self, more: u64) -> bool {
        self.capacity.is_none_or(|capacity| self.used().saturating_add(more) <= capacity)
    }

    /// May a reception begin or end, seeing what has the name? `Ok(true)` if the name is free.
    fn check_target(&self, path: &SharePath, incoming: &Incoming) -> Result<bool, StoreError> {
        let name = path.file_name().unwrap_or_default();
        match self.nodes.get(path) {
            None if path.is_root() => Err(StoreError::Exists),
            None => Ok(true),
            Some(Node::Folder) => Err(StoreError::Exists),
            Some(Node::File(file)) if incoming.seems_here(name, file.content.size(), file.mtime) => {
                Err(StoreError::Same)
            }
            Some(Node::File(_)) => Ok(false),
        }
    }

    pub(super) fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let is_file = self.file(&query.path).is_some();
        if is_hidden(&query.path) || !(is_file || query.path.is_root() || self.nodes.contains_key(&query.path)) {
            return Err(StoreError::NotFound);
        }
        let depth = query.path.parts().count();
        let wanted = |path: &SharePath| {
            path.starts_with(&query.path)
                && (is_file || *path != query.path)
                && (query.recursive || path.parts().count() <= depth + 1)
                && query.after.as_ref().is_none_or(|after| path > after)
                && !is_hidden(path)
        };
        let first = query.after.as_ref().filter(|after| **after > query.path).unwrap_or(&query.path);
        let mut found = self.nodes.range(first..).take_while(|(path, _)| path.starts_with(&query.path));
        let mut page = Page::default();
        let (mut all, mut pending) = (LeftOut::default(), LeftOut::default());
        // NAM-14: whoever begins where nothing is on offer might find by numbers what is not.
        let mut is_blind = query.after.as_ref().is_some_and(|after| !self.offers(after));
        while let Some((path, node)) = found.find(|(path, _)| wanted(path)) {
            if self.unreadable.contains(path) {
                if !is_blind {
                    pending.add("it cannot be read", || path.to_string());
                }
                continue;
            }
            if page.entries.len() == query.limit.max(1) {
                page.more = true;
                break;
            }
            let kind = match node {
                Node::Folder => EntryKind::Folder(Timestamp::EPOCH),
                Node::File(file) => EntryKind::File(file.meta()),
            };
            page.entries.push(Entry { path: path.clone(), kind });
            is_blind = false;
            all.extend(&std::mem::take(&mut pending));
        }
        if !page.more {
            all.extend(&pending);
        }
        page.leave_out(all);
        Ok(page)
    }

    fn offers(&self, path: &SharePath) -> bool {
        self.nodes.contains_key(path) && !self.unreadable.contains(path) && !is_hidden(path)
    }

    pub(super) fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        match self.parts.get(path) {
            Some(part) if part.live => Err(StoreError::Busy),
            Some(part) if part.origin == *origin && !part.values.is_empty() => Ok(Some(part.held())),
            _ => Ok(None),
        }
    }

    pub(super) fn receive(&mut self, incoming: &Incoming) -> Result<(), StoreError> {
        let Incoming { path, meta, existing, .. } = incoming;
        check_name(path)?;
        let parent = path.parent().unwrap_or_default();
        if !self.is_free_for_folder(&parent) {
            return Err(StoreError::Exists);
        }
        match (self.check_target(path, incoming)?, existing) {
            (true, _) | (false, Existing::Overwrite) => {}
            (false, Existing::Keep) => return Err(StoreError::Exists),
            (false, Existing::Rename) => self.check_siblings(incoming)?,
        }
        if self.parts.get(path).is_some_and(|part| part.live) {
            return Err(StoreError::Busy);
        }
        self.make_folders(&parent);
        if let Some(held) = &incoming.held {
            let part = self.parts.get_mut(path).filter(|part| part.origin == incoming.origin && part.has(held));
            part.ok_or(StoreError::Gone)?.live = true;
            return Ok(());
        }
        if let Some(old) = self.parts.remove(path)
            && incoming.leftover == Leftover::Keep
            && !old.values.is_empty()
        {
            let name = parent.join(&format!("{}.part", path.file_name().unwrap_or_default()));
            let name = name.map_err(|_| StoreError::BadName("a suffix does not fit on it"))?;
            let free = std::iter::once(name.clone()).chain(siblings(&name)).find(|name| !self.nodes.contains_key(name));
            self.put(&free.ok_or(StoreError::Exists)?, Content::Bytes(old.data.into()), Timestamp::EPOCH, false);
        }
        if !self.has_room(meta.size) {
            return Err(StoreError::Full);
        }
        self.parts.insert(path.clone(), Part::new(incoming));
        Ok(())
    }

    fn check_siblings(&self, incoming: &Incoming) -> Result<(), StoreError> {
        for sibling in siblings(&incoming.path) {
            match self.check_target(&sibling, incoming) {
                Ok(true) => break,
                Err(StoreError::Same) => return Err(StoreError::Same),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, incoming: &Incoming, block: Verified, data: &[u8]) -> Result<(), StoreError> {
        let Verified { index, offset, value } = block;
        let end = offset.saturating_add(data.len() as u64);
        if end > incoming.meta.size {
            return Err(broken("a write past the announced size"));
        }
        match &mut self.writes_left {
            Some(0) => return Err(broken("a fault on demand")),
            Some(left) => *left -= 1,
            None => {}
        }
        let grown = end.saturating_sub(self.parts.get(&incoming.path).map_or(0, |part| part.data.len() as u64));
        if !self.has_room(grown) {
            return Err(StoreError::Full);
        }
        let (Ok(from), Ok(to)) = (usize::try_from(offset), usize::try_from(end)) else { return Err(StoreError::Full) };
        let Some(part) = self.parts.get_mut(&incoming.path) else { return Err(broken("the part is gone")) };
        if part.data.len() < to {
            part.data.resize(to, 0);
        }
        part.data[from..to].copy_from_slice(data);
        part.written.insert(offset..end);
        part.values.insert(index, value);
        Ok(())
    }

    pub(super) fn commit(&mut self, incoming: &Incoming) -> Result<SharePath, StoreError> {
        let Incoming { path, meta, existing, .. } = incoming;
        let Some(part) = self.parts.get(path) else { return Err(broken("the part is gone")) };
        if !part.written.covers(0..meta.size) {
            return Err(broken("the part is not complete"));
        }
        let is_free = match self.check_target(path, incoming) {
            Err(StoreError::Same) => false,
            found => found?,
        };
        let name = match existing {
            _ if is_free => path.clone(),
            Existing::Keep => return Err(StoreError::Exists),
            Existing::Overwrite => path.clone(),
            Existing::Rename => siblings(path).find(|name| !self.nodes.contains_key(name)).ok_or(StoreError::Exists)?,
        };
        let content = self.parts.remove(path).map(|part| Content::Bytes(part.data.into())).ok_or(StoreError::Exists)?;
        self.put(&name, content, meta.mtime, meta.exec);
        Ok(name)
    }
}

/// The folders above a path, outermost first, and the path itself; without the root.
fn ancestors(path: &SharePath) -> impl Iterator<Item = SharePath> {
    let mut all: Vec<_> = std::iter::successors(Some(path.clone()), SharePath::parent).collect();
    all.pop();
    all.into_iter().rev()
}

pub(super) fn is_hidden(path: &SharePath) -> bool {
    path.parts().any(|part| part.starts_with('.'))
}

pub(super) fn check_name(path: &SharePath) -> Result<(), StoreError> {
    if is_hidden(path) { Err(StoreError::BadName("it begins with a dot")) } else { Ok(()) }
}

fn siblings(path: &SharePath) -> impl Iterator<Item = SharePath> {
    let (parent, name) = (path.parent().unwrap_or_default(), path.file_name().unwrap_or_default());
    let (stem, extension) = name.split_at(name.rfind('.').filter(|&at| at > 0).unwrap_or(name.len()));
    (2..10_000).filter_map(move |n| parent.join(&format!("{stem} ({n}){extension}")).ok())
}

pub(super) fn broken(text: &'static str) -> StoreError {
    StoreError::Io(io::Error::other(text))
}
