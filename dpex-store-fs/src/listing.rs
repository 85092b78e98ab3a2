//! A subtree page by page, in the order of [`SharePath`].
//!
//! A walk goes from the folder asked for to the cursor, reads the names of the folders it passes, and looks (`stat`) only
//! at the entries that go into a page and at the one that proves there are more. There it stands, with the names of the
//! folders it is in, until the next page is asked for. A link that is followed is listed as what it leads to. Entries may
//! come and go meanwhile: what is there for the whole listing is listed once.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use dpex_core::store::{Entry, EntryKind, LeftOut, ListQuery, Page, Pages, StoreError};
use dpex_core::types::{PathError, SharePath};
use dpex_core::wire::message::{MAX_PAGE_BYTES, entry_len};
use rustix::fs::{Access, AtFlags, FileType, Mode, Stat, accessat};
use rustix::io::Errno;

use crate::blocking::blocking;
use crate::error::{is_our_own_trouble, looking_up};
use crate::fence::{Folder, RawNames, file_type, is_file, mtime};
use crate::links::{Found, Lost};
use crate::made_up;
use crate::names;
use crate::place::{Id, Place};
use crate::portable::is_reserved;
use crate::source::meta;
use crate::view::{NO_FILE, Trail, View};

impl View {
    /// Answers a query (MSG-10).
    pub(crate) fn list(self: &Arc<Self>, query: &ListQuery) -> Result<Page, StoreError> {
        Walk::begin(Arc::clone(self), query)?.page(query.limit)
    }
}

/// A listing of which one page after the other is wanted.
#[derive(Debug)]
pub(crate) struct FsPages {
    view: Arc<View>,
    query: ListQuery,
    /// `None` before the first page.
    walk: Option<Walk>,
}

impl FsPages {
    pub(crate) fn new(view: Arc<View>, query: ListQuery) -> Self {
        Self { view, query, walk: None }
    }
}

#[async_trait]
impl Pages for FsPages {
    async fn next(&mut self, limit: usize) -> Result<Page, StoreError> {
        let (view, query, walk) = (Arc::clone(&self.view), self.query.clone(), self.walk.take());
        let (page, walk) = blocking(move || {
            let mut walk = walk.map_or_else(|| Walk::begin(view, &query), Ok)?;
            Ok((walk.page(limit)?, walk))
        })
        .await?;
        self.walk = Some(walk);
        Ok(page)
    }
}

/// May this be listed when it is asked for alone?
pub(crate) fn is_offered(folder: &Folder, name: &str, stat: &Stat) -> bool {
    is_file(stat)
        && View::shows_file(folder, name)
        && is_readable(folder, name, stat)
        && made_up::check_named(folder, name, stat).is_ok()
}

/// Could this be listed, if it could be read?
pub(crate) fn is_forbidden(folder: &Folder, name: &str, stat: &Stat) -> bool {
    is_file(stat) && View::shows_file(folder, name) && !is_readable(folder, name, stat)
}

/// Is this an entry of a listing? A folder is also if nobody may look into it.
fn is_listed(view: &View, path: &SharePath) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    if !view.shows_name(name.as_bytes()) {
        return false;
    }
    let Ok((Found::Folder(place, _), trail)) = view.find(&folder) else { return false };
    let Ok(stat) = place.folder().stat(name) else { return false };
    let found = match file_type(&stat) {
        FileType::Directory => return view.links.is_none() || !trail.holds(Id::of(&stat)),
        FileType::Symlink => view.follow(&place, name),
        _ => Ok(Found::Other(place, name.to_owned(), stat)),
    };
    match found {
        Ok(Found::Folder(_, stat)) => !trail.holds(Id::of(&stat)),
        Ok(Found::Other(place, name, stat)) => is_offered(place.folder(), &name, &stat),
        Err(_) => false,
    }
}

/// Why a page ends.
enum Stop {
    /// It is full and there is more.
    Full,
    Failed(StoreError),
}

type Step<T = ()> = Result<T, Stop>;

/// A folder that a walk is in.
#[derive(Debug)]
struct Level {
    place: Place,
    path: SharePath,
    names: Names,
    /// How many of the names are done with.
    done: usize,
    /// The path, relative to this folder, behind which the walk began; empty once it is past the first part of it.
    after: VecDeque<String>,
}

impl Level {
    fn new(view: &View, place: Place, names: RawNames, path: SharePath, after: VecDeque<String>) -> Self {
        let names = Names::sorted(names, view, after.front().map(String::as_str));
        Self { place, path, names, done: 0, after }
    }
}

/// What a page has so far.
#[derive(Debug, Default)]
struct Draft {
    page: Page,
    limit: usize,
    /// What it takes on its way. What goes beyond a page that can travel would be looked at for nothing.
    bytes: usize,
    left_out: LeftOut,
}

/// A walk through a subtree, and where it stands.
#[derive(Debug)]
struct Walk {
    view: Arc<View>,
    recursive: bool,
    /// From the folder asked for down to where it stands; none at the end.
    levels: Vec<Level>,
    /// A file that was asked for, and is the only entry.
    single: Option<Entry>,
    draft: Draft,
    /// Left out since the last entry; they count for the page of the next entry, if there is one.
    pending: LeftOut,
    /// Those before the next entry do not count: it began where nothing is on offer, and whoever may choose where could
    /// find by numbers what names there are (NAM-14).
    is_blind: bool,
    /// The folders that the walk is in.
    trail: Trail,
}

impl Walk {
    /// Goes to where the first page begins.
    fn begin(view: Arc<View>, query: &ListQuery) -> Result<Self, StoreError> {
        let (found, trail) = view.find(&query.path)?;
        let mut walk = Self {
            view,
            recursive: query.recursive,
            levels: Vec::new(),
            single: None,
            draft: Draft::default(),
            pending: LeftOut::default(),
            is_blind: false,
            trail,
        };
        walk.is_blind = query.after.as_ref().is_some_and(|after| !is_listed(&walk.view, after));
        match found {
            Found::Folder(place, _) => {
                let names = place.folder().names().map_err(looking_up)?;
                let after = query.after.as_ref().filter(|after| **after > query.path);
                if after.is_none_or(|after| after.starts_with(&query.path)) {
                    let depth = query.path.parts().count();
                    let after = after.into_iter().flat_map(|after| after.parts().skip(depth)).map(str::to_owned);
                    walk.levels.push(Level::new(&walk.view, place, names, query.path.clone(), after.collect()));
                }
            }
            // NAM-6: what is not permitted is not found.
            Found::Other(place, name, stat) if is_offered(place.folder(), &name, &stat) => {
                if query.after.as_ref().is_none_or(|after| *after < query.path) {
                    let entry =
                        Entry { path: query.path.clone(), kind: EntryKind::File(meta(&stat, &walk.view.secret)) };
                    walk.single = Some(entry);
                }
            }
            Found::Other(..) => return Err(StoreError::NotFound),
        }
        Ok(walk)
    }

    /// The next page, of at most `limit` entries.
    fn page(&mut self, limit: usize) -> Result<Page, StoreError> {
        self.draft = Draft { limit: limit.max(1), ..Draft::default() };
        match self.fill() {
            Ok(()) => self.count_pending(),
            Err(Stop::Full) => self.draft.page.more = true,
            Err(Stop::Failed(error)) => return Err(error),
        }
        let Draft { mut page, left_out, .. } = std::mem::take(&mut self.draft);
        page.leave_out(left_out);
        Ok(page)
    }

    fn fill(&mut self) -> Step {
        if let Some(entry) = self.single.take() {
            self.push(entry.path, entry.kind)?;
        }
        while let Some(mut level) = self.levels.pop() {
            let inside = self.go_on(&mut level);
            let is_done = matches!(inside, Ok(None));
            if is_done {
                self.trail.leave();
            } else {
                self.levels.push(level);
            }
            if let Some(inside) = inside? {
                self.levels.push(inside);
            }
        }
        Ok(())
    }

    fn count_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if !self.is_blind {
            self.draft.left_out.extend(&pending);
        }
    }

    fn leave(&mut self, path: &SharePath, why: &str) {
        self.pending.add(why, || path.to_string());
    }

    fn leave_unreadable(&mut self, path: &SharePath, errno: Errno) {
        self.leave(path, &io::Error::from(errno).kind().to_string());
    }

    fn push(&mut self, path: SharePath, kind: EntryKind) -> Step {
        let entry = Entry { path, kind };
        let Draft { page, limit, bytes, .. } = &mut self.draft;
        *bytes += entry_len(&entry);
        let count = page.entries.len();
        if count == *limit || (count > 0 && *bytes > MAX_PAGE_BYTES) {
            return Err(Stop::Full);
        }
        page.entries.push(entry);
        self.count_pending();
        self.is_blind = false;
        Ok(())
    }

    /// What is in a folder, from where the walk stands in it. Ends at a folder that is to be gone into.
    fn go_on(&mut self, level: &mut Level) -> Step<Option<Level>> {
        while let Some((name, kind)) = level.names.shown.get(level.done) {
            // There may be very many, and nothing is asked of the disk for them.
            if let Some(why) = self.view.why_never(*kind) {
                self.pending.add(why, || spelled(&level.path, name));
                level.done += 1;
                continue;
            }
            let (name, path) = match as_path(name, &level.path) {
                Ok(found) => found,
                Err(why) => {
                    self.pending.add(&why.to_string(), || spelled(&level.path, name));
                    level.done += 1;
                    continue;
                }
            };
            let listed_before = level.after.front().is_some_and(|first| first == name);
            let is_folder = listed_before || self.entry(&level.place, name, path.clone(), &level.names)?;
            // Not before: what found no room is the first entry of the next page.
            level.done += 1;
            let after = if listed_before { level.after.drain(..).skip(1).collect() } else { VecDeque::new() };
            if self.recursive && is_folder {
                let inside = self.inside(&level.place, name, path, after)?;
                if inside.is_some() {
                    return Ok(inside);
                }
            }
        }
        Ok(None)
    }

    /// The folder `name` of `place`, to go into.
    fn inside(&mut self, place: &Place, name: &str, path: SharePath, after: VecDeque<String>) -> Step<Option<Level>> {
        let (inside, stat) = match self.view.step(place, name) {
            Ok(Found::Folder(inside, stat)) => (inside, stat),
            // It was a folder when it was listed.
            Ok(Found::Other(..)) => return Ok(None),
            Err(Lost::System(errno)) => return self.leave_out(&path, errno).map(|()| None),
            Err(lost) => return self.leave_out_link(&path, lost).map(|()| None),
        };
        let names = match inside.folder().names() {
            Ok(names) => names,
            Err(errno) => return self.leave_out(&path, errno).map(|()| None),
        };
        if !self.trail.enter(Id::of(&stat)) && self.view.links.is_some() {
            self.trail.leave();
            return Ok(None);
        }
        Ok(Some(Level::new(&self.view, inside, names, path, after)))
    }

    /// One name of a folder. Says whether it is a folder.
    fn entry(&mut self, place: &Place, name: &str, path: SharePath, names: &Names) -> Step<bool> {
        let stat = match place.folder().stat(name) {
            Ok(stat) => stat,
            Err(errno) => return self.leave_out(&path, errno).map(|()| false),
        };
        let kind = file_type(&stat);
        match kind {
            FileType::Directory => return self.folder_entry(path, &stat),
            FileType::RegularFile if !names.may_be_part(name) || View::shows_file(place.folder(), name) => {
                self.file(place.folder(), name, path, &stat)?;
            }
            FileType::RegularFile => {}
            FileType::Symlink if self.view.links.is_some() => return self.link(place, name, path),
            _ => self.leave(&path, self.view.why_never(kind).unwrap_or(NO_FILE)),
        }
        Ok(false)
    }

    /// A link, as what it leads to.
    fn link(&mut self, place: &Place, name: &str, path: SharePath) -> Step<bool> {
        match self.view.follow(place, name) {
            Ok(Found::Folder(_, stat)) => return self.folder_entry(path, &stat),
            Ok(Found::Other(place, name, stat)) => {
                if !is_file(&stat) {
                    self.leave(&path, NO_FILE);
                } else if View::shows_file(place.folder(), &name) {
                    self.file(place.folder(), &name, path, &stat)?;
                }
            }
            Err(lost) => self.leave_out_link(&path, lost)?,
        }
        Ok(false)
    }

    fn folder_entry(&mut self, path: SharePath, stat: &Stat) -> Step<bool> {
        if self.view.links.is_some() && self.trail.holds(Id::of(stat)) {
            self.leave(&path, "it leads back to a folder that it lies in");
            return Ok(false);
        }
        self.push(path, EntryKind::Folder(mtime(stat))).map(|()| true)
    }

    fn file(&mut self, folder: &Folder, name: &str, path: SharePath, stat: &Stat) -> Step {
        if !is_readable(folder, name, stat) {
            self.leave_unreadable(&path, Errno::ACCESS);
            return Ok(());
        }
        match made_up::check_named(folder, name, stat) {
            Ok(()) => self.push(path, EntryKind::File(meta(stat, &self.view.secret))),
            Err(Errno::NXIO) => {
                self.leave(&path, made_up::WHY);
                Ok(())
            }
            Err(errno) => self.leave_out(&path, errno),
        }
    }

    /// A link that leads to nothing that can be offered: its owner put it there, and is told.
    fn leave_out_link(&mut self, path: &SharePath, lost: Lost) -> Step {
        let why = match lost {
            Lost::Hidden => return Ok(()),
            Lost::Outside => "the link leads out of the shelf, and into none of the roots",
            Lost::Endless => "the link leads to too many others",
            Lost::NotText => "the link leads through a name that is not UTF-8",
            Lost::System(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => "the link leads nowhere",
            Lost::System(Errno::NAMETOOLONG) => "the link leads too deep",
            Lost::System(errno) => return self.leave_out(path, errno),
        };
        self.leave(path, why);
        Ok(())
    }

    /// An entry that could not be looked at: gone is nothing, anything else is counted.
    fn leave_out(&mut self, path: &SharePath, errno: Errno) -> Step {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK => {}
            errno if is_our_own_trouble(errno) => return Err(Stop::Failed(StoreError::Io(errno.into()))),
            _ => self.leave_unreadable(path, errno),
        }
        Ok(())
    }
}

/// A name and the path it makes, if both can travel.
fn as_path<'a>(name: &'a [u8], folder: &SharePath) -> Result<(&'a str, SharePath), PathError> {
    let name = std::str::from_utf8(name).map_err(|_| PathError::NotUtf8)?;
    Ok((name, folder.join(name)?))
}

/// A name that may not be a path, as text for the owner.
fn spelled(folder: &SharePath, name: &[u8]) -> String {
    let mut text = folder.to_string();
    if !text.is_empty() {
        text.push('/');
    }
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// A file that cannot be opened is better not promised.
pub(crate) fn is_readable(folder: &Folder, name: &str, stat: &Stat) -> bool {
    // What everybody may read needs no asking; that is nearly every file.
    let everybody = Mode::RUSR | Mode::RGRP | Mode::ROTH;
    Mode::from_raw_mode(stat.st_mode).contains(everybody)
        || !matches!(
            accessat(&folder.0, name, Access::READ_OK, AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW),
            Err(Errno::ACCESS | Errno::PERM)
        )
}

/// The names of one folder that are not hidden, in order.
#[derive(Debug)]
struct Names {
    shown: RawNames,
    /// All sidecars that lie there: most folders have none, and then no file needs a second look.
    sidecars: BTreeSet<Vec<u8>>,
}

impl Names {
    fn sorted(names: RawNames, view: &View, first: Option<&str>) -> Self {
        let mut sidecars = BTreeSet::new();
        let mut shown = Vec::with_capacity(names.len());
        for (name, kind) in names {
            if is_reserved(&name) {
                sidecars.insert(name);
            } else if view.shows_name(&name) && first.is_none_or(|first| name.as_slice() >= first.as_bytes()) {
                shown.push((name, kind));
            }
        }
        shown.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // A name that moved while the directory was read may have been seen twice.
        shown.dedup_by(|(one, _), (other, _)| one == other);
        Self { shown, sidecars }
    }

    fn may_be_part(&self, name: &str) -> bool {
        names::stem_of(name).is_some_and(|stem| self.sidecars.contains(names::sidecar_name(stem).as_bytes()))
    }
}
