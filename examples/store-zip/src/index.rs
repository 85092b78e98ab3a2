//! What is in the zip file: its central directory, made into a tree of names that may travel.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Bound;

use dpex_core::store::{Entry, EntryKind, ListQuery, Meta, Page, StoreError};
use dpex_core::types::{Secret, SharePath, Timestamp, Version};
use zip::read::{Config, ZipFileEntry};
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, DateTime};

use crate::archive::Stamp;
use crate::store::Options;

/// The list is held in memory, so it has an end: of entries, and of names, which are more, since an entry brings the
/// folders above it. Names have at most 1 KiB, so this is 100 MiB at the very worst.
const MAX_ENTRIES: usize = 100_000;

/// Every name that is offered, in the order of [`SharePath`].
#[derive(Debug)]
pub(crate) struct Index {
    nodes: BTreeMap<SharePath, Node>,
    /// For each entry that is not offered and should be, the folder it would be in.
    left_out: Vec<SharePath>,
}

#[derive(Debug)]
enum Node {
    Folder(Timestamp),
    File(Packed),
}

/// A file inside of the zip file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    pub(crate) meta: Meta,
    /// Where its local header begins.
    pub(crate) header: u64,
    /// Bytes of it in the zip file.
    pub(crate) len: u64,
    pub(crate) crc: u32,
    /// Else it is stored as it is.
    pub(crate) deflated: bool,
}

impl Index {
    pub(crate) fn read(file: &File, stamp: &Stamp, secret: &Secret<32>, options: &Options) -> io::Result<Self> {
        // Unlike `ZipArchive`, this one shows two entries of one name as two.
        let mut zip = ZipIterable::try_new(BufReader::new(file), Config::default())?;
        let too_many = || io::Error::new(io::ErrorKind::InvalidData, "the zip file has too many entries");
        if zip.len() > MAX_ENTRIES {
            return Err(too_many());
        }
        let (files, folders, left_out) = Default::default();
        let mut found = Found { files, folders, left_out, stamp, secret, options };
        for entry in zip.files()? {
            found.take(&entry?);
            if found.files.len() + found.folders.len() > MAX_ENTRIES {
                return Err(too_many());
            }
        }
        Ok(found.finish())
    }

    pub(crate) fn file(&self, path: &SharePath) -> Option<Packed> {
        match self.nodes.get(path)? {
            Node::File(packed) => Some(*packed),
            Node::Folder(_) => None,
        }
    }

    pub(crate) fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let entry = |(path, node): (&SharePath, &Node)| match node {
            Node::Folder(time) => Entry { path: path.clone(), kind: EntryKind::Folder(*time) },
            Node::File(packed) => Entry { path: path.clone(), kind: EntryKind::File(packed.meta) },
        };
        let is_after = |path: &SharePath| query.after.as_ref().is_none_or(|after| after < path);
        match self.nodes.get_key_value(&query.path) {
            None if !query.path.is_root() => return Err(StoreError::NotFound),
            Some((path, node @ Node::File(_))) => {
                let entries = is_after(path).then(|| entry((path, node)));
                return Ok(Page { entries: entries.into_iter().collect(), ..Page::default() });
            }
            _ => {}
        }
        let depth = query.path.parts().count() + 1;
        let start = query.after.as_ref().filter(|after| **after > query.path).unwrap_or(&query.path);
        let mut wanted = self
            .nodes
            .range((Bound::Excluded(start), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(&query.path))
            .filter(|(path, _)| query.recursive || path.parts().count() == depth);
        let entries: Vec<_> = wanted.by_ref().take(query.limit.max(1)).map(entry).collect();
        let more = wanted.next().is_some();
        // What is left out of a folder counts where that folder's content begins: so it counts on one page, and once.
        let last = entries.last().filter(|_| more).map(|entry| &entry.path);
        let is_here = |folder: &&SharePath| {
            (*folder == &query.path || query.recursive && folder.starts_with(&query.path))
                && query.after.as_ref().is_none_or(|after| after <= *folder)
                && last.is_none_or(|last| *folder < last)
        };
        let skipped = self.left_out.iter().filter(is_here).count() as u64;
        Ok(Page { entries, more, skipped, ..Page::default() })
    }
}

/// Where a raw name points.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    At(SharePath),
    /// Some part begins with a dot: its owner does not want it seen.
    Hidden,
    /// It cannot travel; this is as far as it makes sense.
    Nowhere(SharePath),
}

/// Part by part, so that it is known which folder a bad name is missing from. `..`, an empty part (as before the `/` of
/// an absolute path), backslashes, control characters and what is not UTF-8 are all refused by [`SharePath::join`].
fn place(name: &[u8]) -> Place {
    let mut path = SharePath::ROOT;
    for part in name.split(|byte| *byte == b'/') {
        match std::str::from_utf8(part).ok().and_then(|part| path.join(part).ok()) {
            None => return Place::Nowhere(path),
            Some(_) if part.starts_with(b".") => return Place::Hidden,
            Some(longer) => path = longer,
        }
    }
    Place::At(path)
}

/// What was found so far. A name may come twice; only at the end is it known.
struct Found<'a> {
    files: BTreeMap<SharePath, Vec<Option<Packed>>>,
    folders: BTreeMap<SharePath, Timestamp>,
    left_out: Vec<SharePath>,
    stamp: &'a Stamp,
    secret: &'a Secret<32>,
    options: &'a Options,
}

impl Found<'_> {
    fn take(&mut self, entry: &ZipFileEntry<'_>) {
        // The kinds of Unix: none said, regular, folder. Links, devices and the like are nothing that is offered.
        let is_other = !matches!(entry.unix_mode().unwrap_or(0) & 0o170_000, 0 | 0o100_000 | 0o040_000);
        let name = entry.name_raw();
        let folder = name.strip_suffix(b"/");
        match place(folder.unwrap_or(name)) {
            Place::Hidden => {}
            Place::At(path) if is_other => {
                let inside = parent(&path);
                self.folders_to(&inside);
                self.left_out.push(inside);
            }
            Place::Nowhere(inside) => {
                self.folders_to(&inside);
                self.left_out.push(inside);
            }
            Place::At(path) if folder.is_some() => {
                self.folders_to(&path);
                self.folders.insert(path, time(entry));
            }
            Place::At(path) => {
                self.folders_to(&parent(&path));
                let packed = self.packed(entry, &path);
                self.files.entry(path).or_default().push(packed);
            }
        }
    }

    /// Most zip files have no entries for their folders; then the time is that of the zip file.
    fn folders_to(&mut self, path: &SharePath) {
        let mut next = Some(path.clone());
        while let Some(path) = next.filter(|path| !path.is_root() && !self.folders.contains_key(path)) {
            next = path.parent();
            self.folders.insert(path, self.stamp.mtime());
        }
    }

    /// A file that can be read; `None` for those that cannot.
    fn packed(&self, entry: &ZipFileEntry<'_>, path: &SharePath) -> Option<Packed> {
        let (size, len) = (entry.size(), entry.compressed_size());
        let deflated = match entry.compression() {
            CompressionMethod::Stored if size == len => false,
            CompressionMethod::Deflated if size <= self.options.unpack_limit => true,
            _ => return None,
        };
        // Nothing of an empty file is ever read, so nobody would notice that it is not one.
        if entry.encrypted() || size == 0 && entry.crc32() != 0 {
            return None;
        }
        let exec = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        let (header, crc) = (entry.header_start(), entry.crc32());
        let meta = Meta { size, mtime: time(entry), exec, version: self.version(path, header) };
        Some(Packed { meta, header, len, crc, deflated })
    }

    /// Keyed, so that it tells a peer nothing. One zip file has one entry at one place, so nothing more is needed.
    fn version(&self, path: &SharePath, header: u64) -> Version {
        let mut hasher = blake3::Hasher::new_keyed(self.secret.expose());
        self.stamp.hash_into(&mut hasher);
        hasher.update(&header.to_be_bytes()).update(path.as_str().as_bytes());
        let mut version = [0; Version::LEN];
        hasher.finalize_xof().fill(&mut version);
        Version(version)
    }

    /// Two files of one name, or a file that is a folder, too: readers of zip files disagree about which is meant, so
    /// none of them is offered.
    fn finish(mut self) -> Index {
        let mut nodes = BTreeMap::new();
        for (path, found) in self.files {
            match found[..] {
                [Some(only)] if !self.folders.contains_key(&path) => {
                    nodes.insert(path, Node::File(only));
                }
                _ => self.left_out.extend(found.iter().map(|_| parent(&path))),
            }
        }
        nodes.extend(self.folders.into_iter().map(|(path, time)| (path, Node::Folder(time))));
        Index { nodes, left_out: self.left_out }
    }
}

fn parent(path: &SharePath) -> SharePath {
    path.parent().unwrap_or_default()
}

fn time(entry: &ZipFileEntry<'_>) -> Timestamp {
    entry.last_modified().and_then(utc).unwrap_or_default()
}

/// Zip files keep local time without saying of which place, to two seconds; taken as UTC, it is at least always the same.
fn utc(time: DateTime) -> Option<Timestamp> {
    let small = |number: u8| i8::try_from(number).ok();
    let date = jiff::civil::Date::new(i16::try_from(time.year()).ok()?, small(time.month())?, small(time.day())?);
    let clock = jiff::civil::Time::new(small(time.hour())?, small(time.minute())?, small(time.second())?, 0);
    let zoned = date.ok()?.to_datetime(clock.ok()?).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Timestamp::new(zoned.timestamp().as_second(), 0)
}
