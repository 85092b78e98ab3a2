//! Joint 2: where files come from and where they go.
//!
//! Three promises, which every backend keeps:
//! * **whole**: no name appears before [`PartialFile::commit`], and then with complete content;
//! * **honest**: what a store reports as read or held is what is there, also after a crash; a file that changed since
//!   it was opened is [`StoreError::Changed`], never new bytes;
//! * **fenced**: no name reaches outside the root the store was made for, by no link and no race.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::types::{SharePath, Timestamp, Version};

/// What a store knows of a file at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Executable by its owner.
    pub exec: bool,
    /// Changes whenever the content may have changed; stable across restarts.
    pub version: Version,
}

/// One name in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole path from the shelf's root.
    pub path: SharePath,
    /// What it is.
    pub kind: EntryKind,
}

/// What a listed name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File(Meta),
    /// A folder, with its modification time.
    Folder(Timestamp),
}

/// Which part of a shelf to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// A folder: what is in it is listed. A file: it alone is listed.
    pub path: SharePath,
    /// Only entries that sort after this path: the last one of the page before.
    pub after: Option<SharePath>,
    /// At most this many entries, at least 1.
    pub limit: usize,
    /// Also what is in the folders below.
    pub recursive: bool,
}

/// One page of a listing, in the order of [`SharePath`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most `limit` entries.
    pub entries: Vec<Entry>,
    /// There is at least one more entry after these.
    pub more: bool,
    /// Entries left out of this page because they could not be read or their names cannot travel: each is counted once
    /// in a listing.
    pub skipped: u64,
    /// The first of them, at most [`MAX_NAMED`], for the owner's log, as far as the store names them. Only their number
    /// travels.
    pub named: Vec<Skipped>,
}

/// The most entries left out of a page that are named.
pub const MAX_NAMED: usize = 100;

/// An entry that should be listed and cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The whole name from the shelf's root. May hold anything but what is no text, which is written `\xff`.
    pub name: String,
    /// Why it cannot be.
    pub why: String,
}

impl Page {
    /// Could this be the answer to `query`? That is: no more entries than asked for, in ascending order after
    /// [`ListQuery::after`], and each where the query looks.
    #[must_use]
    pub fn answers(&self, query: &ListQuery) -> bool {
        let depth = query.path.parts().count() + 1;
        let is_wanted = |entry: &Entry| {
            if entry.path == query.path {
                return matches!(entry.kind, EntryKind::File(_));
            }
            entry.path.starts_with(&query.path) && (query.recursive || entry.path.parts().count() == depth)
        };
        let after = query.after.iter().chain(self.entries.iter().map(|entry| &entry.path));
        self.entries.len() <= query.limit.max(1)
            && self.entries.iter().all(is_wanted)
            && after.is_sorted_by(|before, entry| before < entry)
    }
}

/// A file to be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Where it goes, below the store's root. Missing folders are made.
    pub path: SharePath,
    /// What the sender says of it.
    pub meta: Meta,
    /// What to do if the name is taken.
    pub existing: Existing,
}

/// What to do when a name is already taken in the receiving store (NAM-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// Keep what is there: [`StoreError::Exists`], or [`StoreError::Same`] if size and mtime agree.
    #[default]
    Keep,
    /// Replace it, at the moment of commit and not before. Still [`StoreError::Same`] if size and mtime agree.
    Overwrite,
    /// Publish under a free name beside it, such as `report (2).pdf`. Still [`StoreError::Same`] if they agree.
    Rename,
}

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such name, not allowed, outside, or not a regular file: one error, so that a peer learns nothing (NAM-6).
    #[error("no such file")]
    NotFound,
    /// The file changed since it was opened.
    #[error("the file changed while it was read")]
    Changed,
    /// The receiver cannot hold this name on this platform; the text says why.
    #[error("the name cannot be stored here: {0}")]
    BadName(&'static str),
    /// The name is taken by other content, or by something that is not a file.
    #[error("the name is taken")]
    Exists,
    /// The same file (size and mtime) is already there.
    #[error("already here")]
    Same,
    /// Another process is receiving the same file.
    #[error("somebody else is receiving this file")]
    Busy,
    /// No room.
    #[error("the disk is full")]
    Full,
    /// Everything else the system may say.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A place for files: a shelf to serve from, or a folder to receive into.
#[async_trait]
pub trait FileStore: Debug + Send + Sync {
    /// One page of a subtree. Hidden names (leading `.`), partial files and everything that is neither a file nor a
    /// folder are left out silently; entries that should be listed and cannot be are counted in [`Page::skipped`], each
    /// on the page on which it would stand, and named in [`Page::named`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the queried path, [`StoreError::Io`].
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// Opens a file for reading at its present version. Names that [`Self::list`] leaves out are not found.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Io`].
    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError>;

    /// Makes a folder and those above it; an existing one is fine.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if a file is in the way, [`StoreError::BadName`], [`StoreError::Full`], [`StoreError::Io`].
    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError>;

    /// Starts receiving one version of one file, beside its final name and invisible under it.
    ///
    /// # Errors
    /// All but [`StoreError::NotFound`] and [`StoreError::Changed`].
    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError>;
}

/// An open file of one version.
#[async_trait]
pub trait SourceFile: Debug + Send + Sync {
    /// What was true when it was opened.
    fn meta(&self) -> &Meta;

    /// Reads exactly `len` bytes at `offset`; the range lies inside the size.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the file is no longer the version that was opened, [`StoreError::Io`].
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError>;
}

/// A file being received. Dropping it without commit or discard leaves the part for a later run.
#[async_trait]
pub trait PartialFile: Debug + Send + Sync {
    /// Writes verified bytes at `offset`.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    async fn write_at(&self, offset: u64, data: Bytes) -> Result<(), StoreError>;

    /// Makes the content durable, sets its metadata and publishes it under its name, in one step.
    /// Returns the name used, which differs from the one asked for only under [`Existing::Rename`].
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name was taken meanwhile, [`StoreError::Full`], [`StoreError::Io`]. The part
    /// is kept then.
    async fn commit(self: Box<Self>) -> Result<SharePath, StoreError>;

    /// Removes the part.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    async fn discard(self: Box<Self>) -> Result<(), StoreError>;
}
