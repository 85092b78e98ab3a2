//! Which `.part` is ours, and the right to receive a file.
//!
//! A file `NAME` is received into `NAME.part`, beside a sidecar `.NAME.dpexpart`. The rules:
//!
//! * **The sidecar is the lock.** Whoever holds its `flock` receives that name; anybody else is told `Busy`. The system
//!   drops the lock with the process, so there is no stale one.
//! * **The sidecar is the title deed.** It records which file (inode and time of birth) the part is. A `.part` is ours,
//!   and may be deleted, only if the record names exactly that file. Everything else called `.part` belongs to somebody:
//!   it is listed, served and never touched; a part that would need its name takes the next one
//!   (`NAME~HASH.part`, with a sidecar to match). So does a name too long to carry the suffixes.
//! * **The sidecar is the journal** of what the part holds; see [`crate::journal`].
//! * A file whose own name is that of a part in the way (`foo.part`, while `foo` is being received) has to wait: `Busy`.
//! * **Doubt hides, and does not destroy.** A sidecar without a readable record keeps its part out of listings, but is no
//!   licence to delete it. A sidecar of another version of this program is left alone.
//! * Names ending in `.dpexpart` are never listed, served or accepted from a peer, so a peer can forge no deed.
//!
//! The part gets its name when the deed is on the disk, so that no crash leaves one that nobody vouches for. Where files
//! without names are not to be had, the name comes first, and what such a crash leaves is an empty file.

use dpex_core::store::{Leftover, StoreError};
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::deed::{Deed, Front, Identity, Subject};
use crate::error::{tolerate_unsupported, writing};
use crate::fence::Folder;
use crate::journal::Journal;
use crate::leftover::{self, Seen};
use crate::names::{STEMS, part_name, sidecar_name, stem, stem_of};
use crate::sys::{self, Sys};

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
const EVERYTHING: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

/// Whose a file called `.part` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The record names it.
    Ours,
    /// There is a sidecar, but it records nothing that can be understood.
    Unknown,
    /// No sidecar, or one that names another file.
    Foreign,
}

/// Whose is the file `name` inside `folder`? `None` if it is not called like a part.
pub(crate) fn owner(folder: &Folder, name: &str) -> Option<Owner> {
    let stem = stem_of(name)?;
    Some(match Front::look(folder, stem) {
        Front::Foreign => Owner::Foreign,
        Front::Blank | Front::Strange => Owner::Unknown,
        Front::Deed(deed, _) => match Identity::named(folder, name) {
            Ok(found) if found == deed.part => Owner::Ours,
            Ok(_) | Err(Errno::NOENT | Errno::NXIO) => Owner::Foreign,
            Err(_) => Owner::Unknown,
        },
    })
}

/// The right to receive one file, with the part it is received into. The lock is the journal's.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) folder: Folder,
    pub(crate) part: OwnedFd,
    pub(crate) part_name: String,
    pub(crate) deed: Deed,
    pub(crate) sidecar_name: String,
}

impl Claim {
    /// Claims a name inside `folder`, with an empty part.
    ///
    /// # Errors
    /// `Busy` if it is claimed, `Exists` if no name for a part is free, and what [`writing`] makes of the system's.
    pub(crate) fn take(folder: Folder, subject: &Subject, leftover: Leftover) -> Result<(Self, Journal), StoreError> {
        for attempt in 0..STEMS {
            let stem = stem(&subject.name, attempt);
            let Some((sidecar, full_mode)) = new_sidecar(&folder, &stem, subject, leftover)? else { continue };
            let (part_name, sidecar_name) = (part_name(&stem), sidecar_name(&stem));
            match make_part(&folder, &part_name, &sidecar, full_mode, subject) {
                Ok((part, deed)) => {
                    let journal = Journal::new(sidecar, deed.text().as_bytes());
                    return Ok((Self { folder, part, part_name, deed, sidecar_name }, journal));
                }
                Err(errno) => {
                    // Whatever has the part's name, the sidecar just made does not vouch for it.
                    let removed = sys::remove(&folder, &sidecar_name);
                    if errno != Errno::EXIST {
                        return Err(writing(errno));
                    }
                    removed.map_err(writing)?;
                }
            }
        }
        Err(StoreError::Exists)
    }

    /// Does the part's name still mean the part?
    pub(crate) fn is_in_place(&self) -> Sys<bool> {
        match Identity::named(&self.folder, &self.part_name) {
            Ok(found) => Ok(found == self.deed.part),
            Err(Errno::NOENT | Errno::NXIO) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Removes the sidecar: the part has become the file.
    pub(crate) fn drop_sidecar(&self) -> Sys {
        sys::remove(&self.folder, &self.sidecar_name)
    }

    /// Removes the part, then the sidecar.
    pub(crate) fn release(&self) -> Sys {
        if self.is_in_place()? {
            sys::remove(&self.folder, &self.part_name)?;
        }
        self.drop_sidecar()
    }
}

/// A locked, empty sidecar, and what mode it got when it asked for all; `None` if something that is not ours, or is
/// another name's, has its name.
fn new_sidecar(
    folder: &Folder,
    stem: &str,
    subject: &Subject,
    leftover: Leftover,
) -> Result<Option<(OwnedFd, Mode)>, StoreError> {
    let name = sidecar_name(stem);
    loop {
        match sys::create(folder, &name, EVERYTHING) {
            Ok(sidecar) => match secure(folder, &name, &sidecar) {
                Ok(Some(full_mode)) => return Ok(Some((sidecar, full_mode))),
                Ok(None) => {}
                Err(StoreError::Busy) => return Err(StoreError::Busy),
                Err(error) => {
                    let _ = sys::remove(folder, &name);
                    return Err(error);
                }
            },
            Err(Errno::EXIST) => match leftover::open(folder, stem)? {
                Seen::Nothing => {}
                Seen::Foreign => return Ok(None),
                Seen::Left(left) if left.is_of_another(&subject.name) => return Ok(None),
                Seen::Left(left) => left.clear(leftover)?,
            },
            Err(errno) => return Err(writing(errno)),
        }
    }
}

/// Makes a new sidecar private and locks it. `None` if another was faster and has taken it away.
fn secure(folder: &Folder, name: &str, sidecar: &OwnedFd) -> Result<Option<Mode>, StoreError> {
    let full = Mode::from_raw_mode(sys::fstat(sidecar).map_err(writing)?.st_mode) & EVERYTHING;
    // Asked for with all rights only to learn which of them are granted.
    tolerate_unsupported(sys::set_mode(sidecar, PRIVATE)).map_err(writing)?;
    lock(sidecar)?;
    Ok(is_still_named(folder, name, sidecar).map_err(writing)?.then_some(full))
}

fn make_part(
    folder: &Folder,
    name: &str,
    sidecar: &OwnedFd,
    full_mode: Mode,
    subject: &Subject,
) -> Sys<(OwnedFd, Deed)> {
    let vouch = |part: &OwnedFd| {
        let deed = Deed { part: Identity::of(part)?, full_mode, subject: subject.clone() };
        sys::write_at(sidecar, deed.text().as_bytes(), 0)?;
        sys::sync_data(sidecar)?;
        Ok(deed)
    };
    let unnamed = sys::create_unnamed(folder, PRIVATE).and_then(|part| {
        let deed = vouch(&part)?;
        sys::link_unnamed(&part, folder, name)?;
        Ok((part, deed))
    });
    match unnamed {
        Err(errno) if sys::is_unable(errno) => {}
        made => return made,
    }
    let part = sys::create(folder, name, PRIVATE)?;
    let deed = sys::resize(sidecar, 0).and_then(|()| vouch(&part));
    if deed.is_err() {
        let _ = sys::remove(folder, name);
    }
    Ok((part, deed?))
}

/// `Busy` if somebody else has it.
pub(crate) fn lock(file: &OwnedFd) -> Result<(), StoreError> {
    match sys::lock(file) {
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy),
        result => result.map_err(writing),
    }
}

/// A lock on a file that lost its name meanwhile is a lock on nothing.
pub(crate) fn is_still_named(folder: &Folder, name: &str, file: &OwnedFd) -> Sys<bool> {
    let open = sys::fstat(file)?;
    match folder.stat(name) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
