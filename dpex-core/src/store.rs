//! Joint 2: where files come from and where they go.
//!
//! Three promises, which every backend keeps:
//! * **whole**: no name appears before [`PartialFile::commit`], and then with complete content;
//! * **honest**: what a store reports as read or held is what is there, also after a crash; a file that changed since
//!   it was opened is [`StoreError::Changed`], never new bytes;
//! * **fenced**: no name reaches outside the root the store was made for, by no link and no race.

mod left_out;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::types::{Digest, Fingerprint, SharePath, Timestamp, Version};

pub use left_out::{LeftOut, MAX_NAMED, Skipped};

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
    /// At most `limit` entries, and fewer if they are more than what travels at once
    /// ([`MAX_PAGE_BYTES`](crate::wire::message::MAX_PAGE_BYTES)): who asks over a network could not take them.
    pub entries: Vec<Entry>,
    /// There is at least one more entry after these.
    pub more: bool,
    /// Entries left out of this page because they cannot be offered (they could not be read, are neither files nor
    /// folders, or have names that cannot travel): each is counted once in a listing.
    pub skipped: u64,
    /// The first of them, at most [`MAX_NAMED`] of each reason, for the owner's log, as far as the store names them. Only
    /// their number travels.
    pub named: Vec<Skipped>,
}

impl Page {
    /// Says what is left out of it.
    pub fn leave_out(&mut self, left_out: LeftOut) {
        (self.skipped, self.named) = left_out.into_parts();
    }

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
    /// The file that has the name was compared, and has other content, whatever its size and mtime say.
    pub known_other: bool,
    /// Who sends it. What another sender has begun is never gone on with.
    pub origin: Fingerprint,
    /// Its blocks are `2^block_log2` bytes each.
    pub block_log2: u8,
    /// Blocks of this version that [`FileStore::held`] told of: the part that has them goes on. `None` begins anew.
    pub held: Option<Held>,
    /// What to do, when beginning anew, with what an earlier reception left.
    pub leftover: Leftover,
}

impl Incoming {
    /// A file of usual blocks, begun anew, from nobody in particular.
    #[must_use]
    pub fn anew(path: SharePath, meta: Meta, existing: Existing) -> Self {
        let origin = Fingerprint([0; 32]);
        let (known_other, leftover) = (false, Leftover::Replace);
        Self { path, meta, existing, known_other, origin, block_log2: 20, held: None, leftover }
    }

    /// Is a file of this size and mtime to be taken for the very one, if it has the name, or one beside it?
    #[must_use]
    pub fn seems_here(&self, name: &str, size: u64, mtime: Timestamp) -> bool {
        let is_known_other = self.known_other && self.path.file_name() == Some(name);
        !is_known_other && (size, mtime) == (self.meta.size, self.meta.mtime)
    }
}

/// Blocks of one version of a file that are verified, and that no crash can take any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The version they belong to.
    pub version: Version,
    /// They are `2^block_log2` bytes each.
    pub block_log2: u8,
    /// Their values, by number.
    pub values: BTreeMap<u64, Digest>,
}

/// What becomes of the part of a version that is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leftover {
    /// It is replaced.
    #[default]
    Replace,
    /// It is kept as an ordinary file beside the new part.
    Keep,
}

/// A block whose bytes have been found to have the value that the sender told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its number, from 0.
    pub index: u64,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Its BLAKE3 subtree value.
    pub value: Digest,
}

/// A file that came whole and verified, in one piece: small ones do.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Where it goes, and what it is.
    pub incoming: Incoming,
    /// All of its bytes.
    pub content: Bytes,
}

/// What to do when a name is already taken in the receiving store (NAM-10). A file whose size and mtime agree is
/// [`StoreError::Same`] whatever is to be done, unless it is [`Incoming::known_other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// Keep what is there: [`StoreError::Exists`].
    #[default]
    Keep,
    /// Replace it, at the moment of commit and not before.
    Overwrite,
    /// Publish under a free name beside it, such as `report (2).pdf`: [`StoreError::Same`] if one of those is it.
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
    /// What an earlier reception left is not there any more: begin anew.
    #[error("the part of an earlier run is gone")]
    Gone,
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
    /// One page of a subtree. Hidden names (leading `.`) and partial files are left out silently; everything else that
    /// cannot be offered is counted in [`Page::skipped`], each on the page on which it would stand or on the one on
    /// which what is in its folder begins, and named in [`Page::named`]. Before the first entry of a page nothing is
    /// counted if [`ListQuery::after`] is not on offer (NAM-14).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the queried path, [`StoreError::Io`].
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// The same page after page, for a store that finds the way to the next page more easily from the one before.
    /// `None` if it does not.
    fn pages(&self, query: &ListQuery) -> Option<Box<dyn Pages>> {
        let _ = query;
        None
    }

    /// Opens a file for reading at its present version. Names that [`Self::list`] leaves out are not found.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Io`].
    async fn open(&self, path: &SharePath) -> Result<Arc<dyn SourceFile>, StoreError>;

    /// Does the name that it was opened by still lead to it? Another folder may have the name by now, or nothing; what is
    /// open does not notice by itself.
    ///
    /// # Errors
    /// [`StoreError::Io`] if that cannot be said now.
    async fn is_in_place(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Do many files cost less in one call of [`Self::open_all`] or [`Self::put_all`] than each in its own? Then they are
    /// gathered.
    fn gathers(&self) -> bool {
        false
    }

    /// Opens many files as [`Self::open`] does, and reads those of at most `whole` bytes at once: a store that can do
    /// it in fewer steps for many small files than for each alone does it here. One answer a path, in their order.
    async fn open_all(&self, paths: &[SharePath], whole: u64) -> Vec<Result<Opened, StoreError>> {
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            answers.push(open_one(self, path, whole).await);
        }
        answers
    }

    /// What has these names, as a listing would show it; `None` for what it leaves out. One answer a path, in their order.
    async fn look(&self, paths: &[SharePath]) -> Vec<Result<Option<EntryKind>, StoreError>> {
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            answers.push(look_one(self, path).await);
        }
        answers
    }

    /// Makes a folder and those above it; an existing one is fine. They are there for good after [`Self::settle`], or
    /// when a file of [`Self::receive`] in one of them is.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if a file is in the way, [`StoreError::BadName`], [`StoreError::Full`], [`StoreError::Io`].
    async fn make_folder(&self, path: &SharePath) -> Result<(), StoreError>;

    /// Makes many folders as [`Self::make_folder`] does: a store that can do it in fewer steps for many than for each
    /// alone does it here. One answer a path, in their order.
    async fn make_folders(&self, paths: &[SharePath]) -> Vec<Result<(), StoreError>> {
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            answers.push(self.make_folder(path).await);
        }
        answers
    }

    /// What an interrupted reception of a file from this sender left here, for [`Incoming::held`]. `None` if that is
    /// nothing, or nothing that can be trusted, or if this store cannot go on with files.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if somebody is receiving it, [`StoreError::Io`].
    async fn held(&self, path: &SharePath, origin: &Fingerprint) -> Result<Option<Held>, StoreError> {
        let _ = (path, origin);
        Ok(None)
    }

    /// Starts receiving one version of one file, beside its final name and invisible under it.
    ///
    /// # Errors
    /// All but [`StoreError::NotFound`] and [`StoreError::Changed`]; [`StoreError::Gone`] if the part lacks any block of
    /// [`Incoming::held`].
    async fn receive(&self, incoming: &Incoming) -> Result<Box<dyn PartialFile>, StoreError>;

    /// Receives many whole files. Each is published as [`PartialFile::commit`] does, complete and durable before its name
    /// appears; a store that can make many durable in one step does it here. One answer a file, in their order: the name
    /// it was published under, or an error of [`Self::receive`] or [`PartialFile::commit`].
    async fn put_all(&self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        let mut answers = Vec::with_capacity(files.len());
        for file in files {
            answers.push(put_one(self, file).await);
        }
        answers
    }

    /// Makes the names published by [`Self::put_all`] so far durable, as their content is already, and the folders of
    /// [`Self::make_folder`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How many bytes there is room for, if the store can tell.
    async fn room(&self) -> Option<u64> {
        None
    }
}

/// A file as [`FileStore::open_all`] gives it.
#[derive(Debug)]
pub enum Opened {
    /// All of a small file, read at one version.
    Whole(Meta, Bytes),
    /// Any other file.
    File(Arc<dyn SourceFile>),
}

async fn open_one<S: FileStore + ?Sized>(store: &S, path: &SharePath, whole: u64) -> Result<Opened, StoreError> {
    let file = store.open(path).await?;
    let meta = *file.meta();
    match usize::try_from(meta.size) {
        Ok(len) if meta.size <= whole => Ok(Opened::Whole(meta, file.read_at(0, len).await?)),
        _ => Ok(Opened::File(file)),
    }
}

async fn look_one<S: FileStore + ?Sized>(store: &S, path: &SharePath) -> Result<Option<EntryKind>, StoreError> {
    let query = ListQuery { path: path.clone(), after: None, limit: 1, recursive: false };
    match store.list(&query).await {
        // A folder lists what is in it, and not itself.
        Ok(page) => Ok(match page.entries.into_iter().next() {
            Some(entry) if entry.path == *path => Some(entry.kind),
            _ => Some(EntryKind::Folder(Timestamp::EPOCH)),
        }),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put_one<S: FileStore + ?Sized>(
    store: &S,
    Whole { incoming, content }: Whole,
) -> Result<SharePath, StoreError> {
    let part = store.receive(&incoming).await?;
    let block = Verified { index: 0, offset: 0, value: Digest(*blake3::hash(&content).as_bytes()) };
    let written = if content.is_empty() { Ok(()) } else { part.write(block, content).await };
    match written {
        Ok(()) => part.commit().await,
        Err(error) => {
            // It would never be gone on with. The first failure is the one to tell.
            let _ = part.discard().await;
            Err(error)
        }
    }
}

/// A listing that goes on where it stands.
#[async_trait]
pub trait Pages: Debug + Send {
    /// The next page, of at most `limit` entries, as [`FileStore::list`] would answer for those after the last page. None
    /// is asked for after one that says there are no more, or that failed.
    ///
    /// # Errors
    /// Those of [`FileStore::list`].
    async fn next(&mut self, limit: usize) -> Result<Page, StoreError>;
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
    /// Writes a verified block.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    async fn write(&self, block: Verified, data: Bytes) -> Result<(), StoreError>;

    /// What was written so far is held from now on: the data is on the disk before the record of it.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    async fn checkpoint(&self) -> Result<(), StoreError>;

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
