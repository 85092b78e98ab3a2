//! One page of a subtree, in the order of [`SharePath`].
//!
//! Each page walks again from the folder asked for to the cursor, reads the names of the folders it passes, and looks
//! (`stat`) only at the entries that go into the page and at the one that proves there are more. A link that is followed
//! is listed as what it leads to. Entries may come and go
//! meanwhile: what is there for the whole listing is listed once.

use std::collections::BTreeSet;
use std::io;

use dpex_core::store::{Entry, EntryKind, ListQuery, MAX_NAMED, Page, Skipped, StoreError};
use dpex_core::types::{PathError, SharePath};
use dpex_core::wire::message::{MAX_PAGE_BYTES, entry_len};
use rustix::fs::{Access, AtFlags, FileType, Mode, Stat, accessat};
use rustix::io::Errno;

use crate::error::{is_our_own_trouble, looking_up};
use crate::fence::{Folder, RawNames, file_type, is_file, mtime};
use crate::links::{Found, Lost};
use crate::made_up;
use crate::names;
use crate::place::{Id, Place};
use crate::portable::is_reserved;
use crate::source::meta;
use crate::view::{Trail, View};

impl View {
    /// Answers a query (MSG-10).
    pub(crate) fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        if !query.path.parts().all(|part| self.shows_name(part.as_bytes())) {
            return Err(StoreError::NotFound);
        }
        let mut walk = Walk {
            view: self,
            limit: query.limit.max(1),
            bytes: 0,
            recursive: query.recursive,
            page: Page::default(),
            pending: Pending::default(),
            trail: Trail::default(),
        };
        match self.fill(&mut walk, query) {
            Ok(()) | Err(Stop::Full) => Ok(walk.finish()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn fill(&self, walk: &mut Walk<'_>, query: &ListQuery) -> Step {
        let failed = |errno| Stop::Failed(looking_up(errno));
        let (found, trail) = self.find(&query.path).map_err(Stop::Failed)?;
        match found {
            Found::Folder(place, _) => {
                walk.trail = trail;
                let names = place.folder().names().map_err(failed)?;
                walk.folder(&place, names, &query.path, &Start::of(&query.path, query.after.as_ref()))
            }
            // NAM-6: what is not permitted is not found.
            Found::Other(place, name, stat) if is_offered(place.folder(), &name, &stat) => {
                if query.after.as_ref().is_none_or(|after| *after < query.path) {
                    walk.file(place.folder(), &name, query.path.clone(), &stat)?;
                }
                Ok(())
            }
            Found::Other(..) => Err(Stop::Failed(StoreError::NotFound)),
        }
    }
}

/// May this be listed when it is asked for alone?
pub(crate) fn is_offered(folder: &Folder, name: &str, stat: &Stat) -> bool {
    is_file(stat)
        && View::shows_file(folder, name)
        && is_readable(folder, name, stat)
        && made_up::check_named(folder, name, stat).is_ok()
}

/// Where inside a folder a page begins.
enum Start<'a> {
    /// With its first entry.
    Front,
    /// After this path, relative to the folder; never empty.
    After(Vec<&'a str>),
    /// Behind its last entry.
    Past,
}

impl<'a> Start<'a> {
    fn of(folder: &SharePath, after: Option<&'a SharePath>) -> Self {
        let Some(after) = after else { return Self::Front };
        if after <= folder {
            return Self::Front;
        }
        if !after.starts_with(folder) {
            return Self::Past;
        }
        Self::After(after.parts().skip(folder.parts().count()).collect())
    }

    /// The same for a folder inside.
    fn inside(&self, name: &str) -> Self {
        match self {
            Self::After(parts) if parts.first() == Some(&name) && parts.len() > 1 => Self::After(parts[1..].to_vec()),
            _ => Self::Front,
        }
    }
}

/// Why a walk ends before the end.
enum Stop {
    /// The page is full and there is more.
    Full,
    Failed(StoreError),
}

type Step<T = ()> = Result<T, Stop>;

struct Walk<'a> {
    view: &'a View,
    limit: usize,
    /// What the page takes on its way. What goes beyond a page that can travel would be looked at for nothing.
    bytes: usize,
    recursive: bool,
    page: Page,
    /// Left out since the last entry of the page; they count for the page of the next entry, if there is one.
    pending: Pending,
    /// The folders that the walk is in.
    trail: Trail,
}

#[derive(Default)]
struct Pending {
    count: u64,
    named: Vec<Skipped>,
}

impl Pending {
    fn add(&mut self, skipped: impl FnOnce() -> Skipped) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(skipped());
        }
    }

    fn add_unreadable(&mut self, path: &SharePath, errno: Errno) {
        self.add(|| Skipped { name: path.to_string(), why: io::Error::from(errno).kind().to_string() });
    }
}

impl Walk<'_> {
    fn finish(mut self) -> Page {
        if !self.page.more {
            self.count_pending();
        }
        self.page
    }

    fn count_pending(&mut self) {
        let Pending { count, named } = std::mem::take(&mut self.pending);
        self.page.skipped += count;
        let room = MAX_NAMED - self.page.named.len();
        self.page.named.extend(named.into_iter().take(room));
    }

    fn push(&mut self, path: SharePath, kind: EntryKind) -> Step {
        let entry = Entry { path, kind };
        self.bytes += entry_len(&entry);
        let count = self.page.entries.len();
        if count == self.limit || (count > 0 && self.bytes > MAX_PAGE_BYTES) {
            self.page.more = true;
            return Err(Stop::Full);
        }
        self.page.entries.push(entry);
        self.count_pending();
        Ok(())
    }

    /// Everything in one folder that sorts after `start`.
    fn folder(&mut self, place: &Place, names: RawNames, path: &SharePath, start: &Start<'_>) -> Step {
        let first = match start {
            Start::Past => return Ok(()),
            Start::Front => None,
            Start::After(parts) => parts.first().copied(),
        };
        let names = Names::sorted(names, self.view, first);
        for name in &names.offered {
            let (name, path) = match as_path(name, path) {
                Ok(found) => found,
                Err(why) => {
                    self.pending.add(|| Skipped { name: spelled(path, name), why: why.to_string() });
                    continue;
                }
            };
            let listed_before = first == Some(name);
            let is_folder = listed_before || self.entry(place, name, path.clone(), &names)?;
            if self.recursive && is_folder {
                self.inside(place, name, &path, &start.inside(name))?;
            }
        }
        Ok(())
    }

    /// What is in the folder `name` of `place`.
    fn inside(&mut self, place: &Place, name: &str, path: &SharePath, start: &Start<'_>) -> Step {
        let (inside, stat) = match self.view.step(place, name) {
            Ok(Found::Folder(inside, stat)) => (inside, stat),
            // It was a folder when it was listed.
            Ok(Found::Other(..)) => return Ok(()),
            Err(Lost::System(errno)) => return self.leave_out(path, errno),
            Err(lost) => return self.leave_out_link(path, lost),
        };
        let names = match inside.folder().names() {
            Ok(names) => names,
            Err(errno) => return self.leave_out(path, errno),
        };
        let is_new = self.trail.enter(Id::of(&stat));
        let listed =
            if is_new || self.view.links.is_none() { self.folder(&inside, names, path, start) } else { Ok(()) };
        self.trail.leave();
        listed
    }

    /// One name of a folder. Says whether it is a folder.
    fn entry(&mut self, place: &Place, name: &str, path: SharePath, names: &Names) -> Step<bool> {
        let stat = match place.folder().stat(name) {
            Ok(stat) => stat,
            Err(errno) => return self.leave_out(&path, errno).map(|()| false),
        };
        match file_type(&stat) {
            FileType::Directory => return self.folder_entry(path, &stat),
            FileType::RegularFile if !names.may_be_part(name) || View::shows_file(place.folder(), name) => {
                self.file(place.folder(), name, path, &stat)?;
            }
            FileType::Symlink if self.view.links.is_some() => return self.link(place, name, path),
            _ => {}
        }
        Ok(false)
    }

    /// A link, as what it leads to.
    fn link(&mut self, place: &Place, name: &str, path: SharePath) -> Step<bool> {
        match self.view.follow(place, name) {
            Ok(Found::Folder(_, stat)) => return self.folder_entry(path, &stat),
            Ok(Found::Other(place, name, stat)) => {
                if is_file(&stat) && View::shows_file(place.folder(), &name) {
                    self.file(place.folder(), &name, path, &stat)?;
                }
            }
            Err(lost) => self.leave_out_link(&path, lost)?,
        }
        Ok(false)
    }

    fn folder_entry(&mut self, path: SharePath, stat: &Stat) -> Step<bool> {
        if self.view.links.is_some() && self.trail.holds(Id::of(stat)) {
            let why = "it leads back to a folder that it lies in".to_owned();
            self.pending.add(|| Skipped { name: path.to_string(), why });
            return Ok(false);
        }
        self.push(path, EntryKind::Folder(mtime(stat))).map(|()| true)
    }

    fn file(&mut self, folder: &Folder, name: &str, path: SharePath, stat: &Stat) -> Step {
        if !is_readable(folder, name, stat) {
            self.pending.add_unreadable(&path, Errno::ACCESS);
            return Ok(());
        }
        match made_up::check_named(folder, name, stat) {
            Ok(()) => self.push(path, EntryKind::File(meta(stat, &self.view.secret))),
            Err(Errno::NXIO) => {
                self.pending.add(|| Skipped { name: path.to_string(), why: made_up::WHY.to_owned() });
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
        self.pending.add(|| Skipped { name: path.to_string(), why: why.to_owned() });
        Ok(())
    }

    /// An entry that could not be looked at: gone is nothing, anything else is counted.
    fn leave_out(&mut self, path: &SharePath, errno: Errno) -> Step {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK => {}
            errno if is_our_own_trouble(errno) => return Err(Stop::Failed(StoreError::Io(errno.into()))),
            _ => self.pending.add_unreadable(path, errno),
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

/// The names of one folder that may be offered, in order.
struct Names {
    offered: Vec<Vec<u8>>,
    /// All sidecars that lie there: most folders have none, and then no file needs a second look.
    sidecars: BTreeSet<Vec<u8>>,
}

impl Names {
    fn sorted(names: RawNames, view: &View, first: Option<&str>) -> Self {
        let mut sidecars = BTreeSet::new();
        let mut offered = Vec::with_capacity(names.len());
        for (name, kind) in names {
            let wanted = match kind {
                FileType::Directory | FileType::RegularFile | FileType::Unknown => true,
                FileType::Symlink => view.links.is_some(),
                _ => false,
            };
            if is_reserved(&name) {
                sidecars.insert(name);
            } else if wanted && view.shows_name(&name) && first.is_none_or(|first| name.as_slice() >= first.as_bytes())
            {
                offered.push(name);
            }
        }
        offered.sort_unstable();
        // A name that moved while the directory was read may have been seen twice.
        offered.dedup();
        Self { offered, sidecars }
    }

    fn may_be_part(&self, name: &str) -> bool {
        names::stem_of(name).is_some_and(|stem| self.sidecars.contains(names::sidecar_name(stem).as_bytes()))
    }
}
