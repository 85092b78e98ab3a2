//! What a power cut may take: of each file what was written since it was last made durable, of each folder the names that
//! were made, removed or moved since.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::{Step, Sys};

/// Files up to this size, in bytes, are small: journals are.
const SMALL: u64 = 16 << 10;

/// A file or folder, whatever its name.
type Id = (u64, u64);

#[derive(Debug)]
pub(super) struct Power {
    graveyard: PathBuf,
    graves: u64,
    /// Both in the order of their first change, so that a seed means the same in every run.
    files: Vec<(Id, Volatile)>,
    folders: Vec<(Id, OwnedFd, Vec<Change>)>,
}

/// A file as it was when it was last durable, as far as it was changed since.
#[derive(Debug)]
struct Volatile {
    /// Opened anew, so that it shares no lock.
    file: File,
    /// And its time, which goes with its length.
    content: Option<(Vec<u8>, SystemTime)>,
    /// The disk failed to take it, and will not say so again.
    is_doomed: bool,
    stamp: Option<(u32, SystemTime)>,
}

/// What was done in a folder.
#[derive(Debug)]
enum Change {
    Made(String),
    Removed(String, Option<PathBuf>),
    /// From, to, and what had that name.
    Renamed(String, String, Option<PathBuf>),
}

impl Power {
    pub(super) fn new(graveyard: &Path) -> Self {
        Self { graveyard: graveyard.to_owned(), graves: 0, files: Vec::new(), folders: Vec::new() }
    }

    /// Does the work of a step, and remembers how to take it back.
    pub(super) fn around<T>(&mut self, step: &Step<'_>, work: &mut impl FnMut() -> Sys<T>) -> Sys<T> {
        let (folder, change) = match *step {
            Step::Write(file, ..) | Step::Resize(file) => {
                self.note(file, |volatile| {
                    if volatile.content.is_none() {
                        volatile.content = Some((content(&volatile.file)?, volatile.file.metadata()?.modified()?));
                    }
                    Ok(())
                })?;
                return work();
            }
            Step::Stamp(file) => {
                self.note(file, |volatile| {
                    let meta = volatile.file.metadata()?;
                    volatile.stamp.get_or_insert((meta.mode(), meta.modified()?));
                    Ok(())
                })?;
                return work();
            }
            Step::Look | Step::MakeUnnamed => return work(),
            Step::Sync(_) | Step::SyncData(_) | Step::SyncDisk => {
                let done = work()?;
                self.made_durable(step)?;
                return Ok(done);
            }
            Step::Make(folder, name) => (folder, Change::Made(name.to_owned())),
            Step::Remove(folder, name) => (folder, Change::Removed(name.to_owned(), self.bury(folder, name))),
            Step::Rename(folder, from, to) => {
                (folder, Change::Renamed(from.to_owned(), to.to_owned(), self.bury(folder, to)))
            }
        };
        let done = work()?;
        let id = id(folder)?;
        if let Some((.., changes)) = self.folders.iter_mut().find(|(other, ..)| *other == id) {
            changes.push(change);
        } else {
            self.folders.push((id, folder.try_clone_to_owned().map_err(errno)?, vec![change]));
        }
        Ok(done)
    }

    fn note(&mut self, file: BorrowedFd<'_>, note: impl FnOnce(&mut Volatile) -> io::Result<()>) -> Sys {
        if self.file(file)?.is_none() {
            let handle = OpenOptions::new().read(true).write(true).open(at(file)).map_err(errno)?;
            self.files.push((id(file)?, Volatile { file: handle, content: None, is_doomed: false, stamp: None }));
        }
        let volatile = self.file(file)?.ok_or(Errno::BADF)?;
        note(volatile).map_err(errno)
    }

    fn file(&mut self, file: BorrowedFd<'_>) -> Sys<Option<&mut Volatile>> {
        let id = id(file)?;
        Ok(self.files.iter_mut().find(|(other, _)| *other == id).map(|(_, volatile)| volatile))
    }

    /// A second name for what may have to come back.
    fn bury(&mut self, folder: BorrowedFd<'_>, name: &str) -> Option<PathBuf> {
        self.graves += 1;
        let grave = self.graveyard.join(self.graves.to_string());
        std::fs::hard_link(at(folder).join(name), &grave).is_ok().then_some(grave)
    }

    fn made_durable(&mut self, step: &Step<'_>) -> Sys {
        match *step {
            Step::Sync(file) => {
                let id = id(file)?;
                self.files.retain(|(other, volatile)| *other != id || volatile.is_doomed);
                self.folders.retain(|(other, ..)| *other != id);
            }
            Step::SyncData(file) => {
                if let Some(volatile) = self.file(file)?.filter(|volatile| !volatile.is_doomed) {
                    volatile.content = None;
                }
            }
            _ => {
                self.files.retain(|(_, volatile)| volatile.is_doomed);
                self.folders.clear();
            }
        }
        Ok(())
    }

    /// A step failed.
    pub(super) fn failed(&mut self, step: &Step<'_>, errno: Errno) -> Sys {
        match *step {
            Step::Sync(file) | Step::SyncData(file) if errno == Errno::IO => {
                if let Some(volatile) = self.file(file)? {
                    volatile.is_doomed = true;
                }
            }
            Step::SyncDisk if errno == Errno::IO => {
                self.files.iter_mut().for_each(|(_, volatile)| volatile.is_doomed = true);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes back some of it: all for the seed 0; for the seed 1 the content of all large files and of no small one, so that
    /// a record survives what it speaks of, if nothing kept them in order; for others what the dice say.
    pub(super) fn lose(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        // The innermost first: it may go with the one it is in.
        for (_, folder, changes) in self.folders.drain(..).rev() {
            let kept = match seed {
                0 => 0,
                1 => changes.len(),
                _ => dice.below(changes.len() + 1),
            };
            for change in changes.into_iter().skip(kept).rev() {
                change.undo(&at(&folder)).expect("a change can be taken back");
            }
        }
        for (_, volatile) in self.files.drain(..) {
            let is_large = volatile.file.metadata().is_ok_and(|meta| meta.len() > SMALL);
            match seed {
                1 if !is_large => {}
                0 | 1 => volatile.undo(true, &mut dice).expect("a file can be put back"),
                _ => volatile.undo(false, &mut dice).expect("a file can be put back"),
            }
        }
    }
}

impl Change {
    fn undo(self, folder: &Path) -> io::Result<()> {
        match self {
            // With all that is in it, should it be a folder.
            Self::Made(name) => match std::fs::symlink_metadata(folder.join(&name)) {
                Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(folder.join(name)),
                Ok(_) => std::fs::remove_file(folder.join(name)),
                // It went with the folder.
                Err(_) => Ok(()),
            },
            Self::Removed(name, grave) => grave.map_or(Ok(()), |grave| std::fs::hard_link(grave, folder.join(name))),
            Self::Renamed(from, to, grave) => {
                std::fs::rename(folder.join(&to), folder.join(from))?;
                grave.map_or(Ok(()), |grave| std::fs::hard_link(grave, folder.join(to)))
            }
        }
    }
}

impl Volatile {
    fn undo(self, all: bool, dice: &mut Dice) -> io::Result<()> {
        let meta = self.file.metadata()?;
        let mut modified = meta.modified()?;
        if let Some((before, modified_before)) = self.content {
            let mut mixed = content(&self.file)?;
            let lengths = [mixed.len(), before.len(), before.len().midpoint(mixed.len())];
            let len = if all { before.len() } else { lengths[dice.below(lengths.len())] };
            if len == before.len() {
                modified = modified_before;
            }
            mixed.resize(mixed.len().max(before.len()), 0);
            // A journal fits in a page, and may be torn inside of one all the same.
            let piece = if mixed.len() as u64 <= SMALL { 32 } else { 4096 };
            for (number, piece_now) in mixed.chunks_mut(piece).enumerate() {
                if all || dice.below(2) == 0 {
                    let was = before.iter().skip(number * piece).copied().chain(std::iter::repeat(0));
                    piece_now.iter_mut().zip(was).for_each(|(now, was)| *now = was);
                }
            }
            mixed.truncate(len);
            self.file.set_len(0)?;
            self.file.write_all_at(&mixed, 0)?;
        }
        let (mode, modified) = match self.stamp {
            Some(before) if all || dice.below(2) == 0 => before,
            _ => (meta.mode(), modified),
        };
        self.file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7777))?;
        self.file.set_modified(modified)
    }
}

fn content(file: &File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut content = vec![0; len];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

/// An open file or folder as a path.
fn at(file: impl std::os::fd::AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
}

fn id(file: BorrowedFd<'_>) -> Sys<Id> {
    let stat = rustix::fs::fstat(file)?;
    Ok((crate::fence::wide(stat.st_dev), stat.st_ino))
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % bound.max(1) as u64).unwrap_or_default()
    }
}
