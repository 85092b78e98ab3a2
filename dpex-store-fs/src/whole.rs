//! Many small files that came whole: no part, no sidecar, and one wait for the disk for all of them.
//!
//! Each is written into a file that has no name yet. When all are written, one call makes them durable, and then each
//! gets its name. So when a name appears its content is on the disk; the names themselves are when [`Unsettled::settle`]
//! says so.
//!
//! A file that replaces another needs a second name for an instant, and where files without names are not to be had every
//! file needs one from its beginning: a hidden **draft**, locked by whoever made it. What a crash leaves of these is never
//! listed, and is replaced by the next file that comes for the same name; until then it is harmless.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dpex_core::store::{Existing, Incoming, StoreError, Whole};
use dpex_core::types::SharePath;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::{broken, writing};
use crate::fence::{Durable, Folder, is_file, wide};
use crate::names::draft_name;
use crate::partial::{granted, is_zero, set_mtime};
use crate::parts::{is_still_named, lock};
use crate::portable::Rules;
use crate::publish::{Finished, Target, check_target, naming, publish, rename_to_free, target};
use crate::receiving::make_folders;
use crate::sys::{self, Sys};

/// Files and their folders that are open at a time, if this process may have four times as many open: several batches may
/// be at work, and other things beside them.
const OPEN: usize = 1024;

/// How many a batch has open at most.
fn most_open() -> usize {
    let most = getrlimit(Resource::Nofile).current.map_or(OPEN, |most| usize::try_from(most / 4).unwrap_or(OPEN));
    most.clamp(16, OPEN)
}

/// Disks on which names were given that may not be durable yet, each with a folder on it.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Mutex<BTreeMap<u64, Arc<Place>>>);

impl Unsettled {
    /// Makes the names given so far durable.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let places = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for place in places.into_values() {
            if let Err(errno) = sys::sync_disk(&place.folder) {
                // To be asked for again; the first failure is the one to tell.
                self.add_place(&place);
                result = result.and(Err(writing(errno)));
            }
        }
        result
    }

    /// Takes up the disk of a folder whose name, and the names of those above it, may not be durable.
    pub(crate) fn add_disk(&self, folder: &Folder) -> Result<(), StoreError> {
        let disk = wide(sys::fstat(folder).map_err(writing)?.st_dev);
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&disk) {
            let folder = folder.enter(".").map_err(writing)?;
            self.add_place(&Arc::new(Place { folder, disk }));
        }
        Ok(())
    }

    fn add_place(&self, place: &Arc<Place>) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(place.disk).or_insert_with(|| Arc::clone(place));
    }
}

/// A folder, and the disk it is on.
#[derive(Debug)]
struct Place {
    folder: Folder,
    disk: u64,
}

impl Place {
    fn new(folder: Folder) -> Result<Self, StoreError> {
        let disk = wide(sys::fstat(&folder).map_err(writing)?.st_dev);
        Ok(Self { folder, disk })
    }
}

/// A file that is written and has not got its name.
struct Draft {
    number: usize,
    incoming: Incoming,
    place: Arc<Place>,
    file: OwnedFd,
    /// The hidden name it has, if it has one.
    name: Option<String>,
}

type Answers = Vec<Option<Result<SharePath, StoreError>>>;

/// One batch.
pub(crate) struct Batch<'a> {
    pub(crate) root: &'a Folder,
    pub(crate) rules: Rules,
    pub(crate) unsettled: &'a Unsettled,
    /// The folder of the file before, so that many in one are walked to once. It is as good as an open file in it: whoever
    /// moves the folder away takes the files along.
    last: Option<(SharePath, Arc<Place>)>,
    /// Folders that were opened for the drafts there are.
    folders: usize,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(root: &'a Folder, rules: Rules, unsettled: &'a Unsettled) -> Self {
        Self { root, rules, unsettled, last: None, folders: 0 }
    }

    /// Receives the files. One answer each, in their order.
    pub(crate) fn put(mut self, files: Vec<Whole>) -> Vec<Result<SharePath, StoreError>> {
        let mut answers: Answers = Vec::new();
        answers.resize_with(files.len(), || None);
        let mut drafts = Vec::new();
        let most_open = most_open();
        for (number, Whole { incoming, content }) in files.into_iter().enumerate() {
            if drafts.len() + self.folders >= most_open {
                self.publish(&mut drafts, &mut answers);
            }
            let mut drafted = self.draft(number, &incoming, &content);
            if is_out_of_descriptors(&drafted) && !drafts.is_empty() {
                self.publish(&mut drafts, &mut answers);
                drafted = self.draft(number, &incoming, &content);
            }
            match drafted {
                Ok(draft) => drafts.push(draft),
                Err(error) => answers[number] = Some(Err(error)),
            }
        }
        self.publish(&mut drafts, &mut answers);
        let unanswered = || Err(broken(io::ErrorKind::Other, "a file was forgotten"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }

    fn draft(&mut self, number: usize, incoming: &Incoming, content: &Bytes) -> Result<Draft, StoreError> {
        self.rules.check(&incoming.path)?;
        let (Some(parent), Some(name)) = (incoming.path.parent(), incoming.path.file_name()) else {
            return Err(StoreError::Exists);
        };
        if incoming.meta.size != content.len() as u64 {
            return Err(broken(io::ErrorKind::InvalidInput, "content of another size than announced"));
        }
        let place = self.place(parent)?;
        // One that is kept is met when the name is given; that it is there is seldom, since who asks has looked.
        if incoming.existing != Existing::Keep {
            check_target(&place.folder, name, incoming)?;
        }
        let (file, name) = create(&place.folder, name, incoming)?;
        let draft = Draft { number, incoming: incoming.clone(), place, file, name };
        let written = if !content.is_empty() && is_zero(content) {
            sys::resize(&draft.file, incoming.meta.size)
        } else {
            sys::write_at(&draft.file, content, 0)
        };
        match written.and_then(|()| set_mtime(&draft.file, &incoming.meta)) {
            Ok(()) => Ok(draft),
            Err(errno) => {
                draft.abandon();
                Err(writing(errno))
            }
        }
    }

    fn place(&mut self, parent: SharePath) -> Result<Arc<Place>, StoreError> {
        if let Some((path, place)) = &self.last
            && *path == parent
        {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(Place::new(make_folders(self.root, &parent, Durable::Later)?)?);
        self.folders += 1;
        self.last = Some((parent, Arc::clone(&place)));
        Ok(place)
    }

    /// Makes the drafts durable and gives them their names.
    fn publish(&mut self, drafts: &mut Vec<Draft>, answers: &mut Answers) {
        self.folders = 0;
        let mut disks: BTreeMap<u64, Arc<Place>> = BTreeMap::new();
        for Draft { place, .. } in &*drafts {
            disks.entry(place.disk).or_insert_with(|| Arc::clone(place));
        }
        let synced: BTreeMap<u64, Sys> =
            disks.iter().map(|(&disk, place)| (disk, sys::sync_disk(&place.folder))).collect();
        for draft in drafts.drain(..) {
            let number = draft.number;
            let result = match synced.get(&draft.place.disk) {
                Some(Ok(())) => {
                    let place = Arc::clone(&draft.place);
                    let published = draft.publish();
                    // Not before: somebody who settles meanwhile would take it for done.
                    self.unsettled.add_place(&place);
                    published
                }
                Some(Err(Errno::NOSYS)) | None => draft.publish_alone(self.root),
                Some(Err(errno)) => {
                    draft.abandon();
                    Err(writing(*errno))
                }
            };
            answers[number] = Some(result);
        }
    }
}

fn is_out_of_descriptors<T>(result: &Result<T, StoreError>) -> bool {
    let errno = |error: &io::Error| Errno::from_io_error(error);
    matches!(result, Err(StoreError::Io(error)) if matches!(errno(error), Some(Errno::MFILE | Errno::NFILE)))
}

/// A new file, and the hidden name it has if it needs one.
fn create(folder: &Folder, name: &str, incoming: &Incoming) -> Result<(OwnedFd, Option<String>), StoreError> {
    let mode = granted(&incoming.meta);
    match sys::create_unnamed(folder, mode) {
        Ok(file) => return Ok((file, None)),
        Err(errno) if sys::is_unable(errno) => {}
        Err(errno) => return Err(writing(errno)),
    }
    let hidden = draft_name(name);
    let file = at_free_draft(folder, &hidden, || sys::create(folder, &hidden, mode))?;
    match lock(&file) {
        Ok(()) => Ok((file, Some(hidden))),
        // Whoever takes it for what a crash left takes it away.
        Err(StoreError::Busy) => Err(StoreError::Busy),
        Err(error) => {
            let _ = sys::remove(folder, &hidden);
            Err(error)
        }
    }
}

/// Does what needs the hidden name, after taking away what a crash left there.
fn at_free_draft<T>(folder: &Folder, hidden: &str, mut work: impl FnMut() -> Sys<T>) -> Result<T, StoreError> {
    loop {
        match work() {
            Err(Errno::EXIST) => clear_draft(folder, hidden)?,
            result => return result.map_err(writing),
        }
    }
}

/// `Busy` if somebody is at it; `Exists` if it is none.
fn clear_draft(folder: &Folder, hidden: &str) -> Result<(), StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let draft = match sys::open(folder, hidden, flags) {
        Ok(draft) => draft,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Err(StoreError::Exists),
        Err(errno) => return Err(writing(errno)),
    };
    if !is_file(&sys::fstat(&draft).map_err(writing)?) {
        return Err(StoreError::Exists);
    }
    lock(&draft)?;
    if is_still_named(folder, hidden, &draft).map_err(writing)? {
        sys::remove(folder, hidden).map_err(writing)?;
    }
    Ok(())
}

impl Draft {
    fn publish(self) -> Result<SharePath, StoreError> {
        let folder = &self.place.folder;
        let published = publish(folder, &self.incoming, &self);
        if published.is_err() {
            self.abandon();
        }
        match published {
            // As a look before the beginning would have said.
            Err(StoreError::Exists) if self.incoming.existing == Existing::Keep => {
                let name = self.incoming.path.file_name().unwrap_or_default();
                match target(folder, name, &self.incoming) {
                    Err(error @ (StoreError::Same | StoreError::Busy)) => Err(error),
                    Ok(Target::Free | Target::Other) | Err(_) => Err(StoreError::Exists),
                }
            }
            published => published,
        }
    }

    /// Where a disk cannot be asked as a whole: this file, then its name and the folders that were made for it.
    fn publish_alone(self, root: &Folder) -> Result<SharePath, StoreError> {
        if let Err(errno) = sys::sync(&self.file) {
            self.abandon();
            return Err(writing(errno));
        }
        let place = Arc::clone(&self.place);
        let parent = self.incoming.path.parent().unwrap_or_default();
        let name = self.publish()?;
        place.folder.sync().map_err(writing)?;
        root.sync_down(parent.parts()).map_err(writing)?;
        Ok(name)
    }

    /// Takes the hidden name away, if it has one.
    fn abandon(&self) {
        if let Some(name) = &self.name {
            // It is harmless if it stays.
            let _ = sys::remove(&self.place.folder, name);
        }
    }
}

impl Finished for Draft {
    fn take(&self, name: &str) -> Result<(), StoreError> {
        match &self.name {
            Some(hidden) => rename_to_free(&self.place.folder, hidden, name),
            None => sys::link_unnamed(&self.file, &self.place.folder, name).map_err(naming),
        }
    }

    fn replace(&self, name: &str) -> Result<(), StoreError> {
        let folder = &self.place.folder;
        if let Some(hidden) = &self.name {
            return sys::rename(folder, hidden, name).map_err(naming);
        }
        let hidden = draft_name(name);
        lock(&self.file)?;
        at_free_draft(folder, &hidden, || sys::link_unnamed(&self.file, folder, &hidden))?;
        let replaced = sys::rename(folder, &hidden, name);
        if replaced.is_err() {
            // It is harmless if it stays.
            let _ = sys::remove(folder, &hidden);
        }
        replaced.map_err(naming)
    }
}
