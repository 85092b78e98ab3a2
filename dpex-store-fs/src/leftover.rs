//! What an earlier reception left: found, verified, replaced or kept.

use std::collections::BTreeMap;
use std::time::Duration;

use dpex_core::store::{Leftover, StoreError};
use dpex_core::transfer::{Geometry, block_value};
use dpex_core::types::Digest;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::deed::{Deed, Front, Identity, is_full_size};
use crate::error::{tolerate_unsupported, writing};
use crate::fence::{Folder, ctime, is_file, mtime};
use crate::journal::Journal;
use crate::names::{STEMS, kept_names, part_name, sidecar_name, stem};
use crate::parts::{Claim, is_still_named, lock};
use crate::publish::rename_to_free;
use crate::sys::{self, Sys};

/// `NONBLOCK`, because it may be a FIFO.
const OPEN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// A part that changed so much later than its sidecar was changed by somebody else: the journal is written right after
/// the part, but the clock of a disk may be coarse.
const SOON: Duration = Duration::from_secs(1);

/// What has the name of a sidecar.
pub(crate) enum Seen {
    /// Nothing, or nothing any more.
    Nothing,
    /// Something that is not ours, or not to be understood.
    Foreign,
    Left(Left),
}

/// The sidecar of an earlier reception, locked, and the part, if it is still there.
pub(crate) struct Left {
    sidecar: OwnedFd,
    stem: String,
    /// `None`: whoever wrote it did not come to its end.
    deed: Option<(Deed, Vec<u8>)>,
    part: Option<OwnedFd>,
    folder: Folder,
}

/// What is there under a stem.
///
/// # Errors
/// `Busy`, and what [`writing`] makes of the system's.
pub(crate) fn open(folder: &Folder, stem: &str) -> Result<Seen, StoreError> {
    let name = sidecar_name(stem);
    let sidecar = match sys::open(folder, &name, OPEN) {
        Ok(sidecar) => sidecar,
        Err(Errno::NOENT) => return Ok(Seen::Nothing),
        Err(Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO | Errno::ACCESS | Errno::PERM) => {
            return Ok(Seen::Foreign);
        }
        Err(errno) => return Err(writing(errno)),
    };
    if !is_file(&sys::fstat(&sidecar).map_err(writing)?) {
        return Ok(Seen::Foreign);
    }
    lock(&sidecar)?;
    if !is_still_named(folder, &name, &sidecar).map_err(writing)? {
        return Ok(Seen::Nothing);
    }
    let deed = match Front::read(&sidecar).map_err(writing)? {
        Front::Deed(deed, bytes) => Some((deed, bytes)),
        Front::Blank => None,
        Front::Strange | Front::Foreign => return Ok(Seen::Foreign),
    };
    let part = match &deed {
        Some((deed, _)) => open_part(folder, stem, deed).map_err(writing)?,
        None => None,
    };
    let folder = folder.enter(".").map_err(writing)?;
    Ok(Seen::Left(Left { sidecar, stem: stem.to_owned(), deed, part, folder }))
}

/// The very file that the deed names.
fn open_part(folder: &Folder, stem: &str, deed: &Deed) -> Sys<Option<OwnedFd>> {
    match sys::open(folder, &part_name(stem), OPEN) {
        Ok(part) => Ok((is_file(&sys::fstat(&part)?) && Identity::of(&part)? == deed.part).then_some(part)),
        Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What the last reception of `name` left, under whatever stem.
///
/// # Errors
/// As [`open`].
pub(crate) fn find(folder: &Folder, name: &str) -> Result<Option<Left>, StoreError> {
    for attempt in 0..STEMS {
        if let Seen::Left(left) = open(folder, &stem(name, attempt))?
            && !left.is_of_another(name)
            && left.deed.is_some()
        {
            return Ok(Some(left));
        }
    }
    Ok(None)
}

impl Left {
    /// Names of files may be such that two share a stem.
    pub(crate) fn is_of_another(&self, name: &str) -> bool {
        self.deed().is_some_and(|deed| deed.subject.name != name)
    }

    pub(crate) fn deed(&self) -> Option<&Deed> {
        self.deed.as_ref().map(|(deed, _)| deed)
    }

    /// Is there no part any more? A crash right after it became the file leaves that.
    pub(crate) fn is_done(&self) -> bool {
        self.deed.is_some() && self.part.is_none()
    }

    /// Removes it, or keeps the part as an ordinary file if anything is held of it.
    pub(crate) fn clear(self, leftover: Leftover) -> Result<(), StoreError> {
        let is_kept = leftover == Leftover::Keep && self.read()?.is_some_and(|journal| !journal.held().is_empty());
        let part_name = part_name(&self.stem);
        match (&self.part, self.deed()) {
            (Some(part), Some(deed)) if is_kept => keep(&self.folder, &part_name, part, deed)?,
            (Some(_), _) => sys::remove(&self.folder, &part_name).map_err(writing)?,
            (None, _) => {}
        }
        sys::remove(&self.folder, &sidecar_name(&self.stem)).map_err(writing)
    }

    /// The claim on this part again, with a journal of blocks that are all held. `None` if nothing of it can be trusted.
    pub(crate) fn resume(self) -> Result<Option<(Claim, Journal)>, StoreError> {
        let journal = self.read()?;
        let Self { stem, deed, part, folder, .. } = self;
        let (Some((deed, _)), Some(part), Some(journal)) = (deed, part, journal) else { return Ok(None) };
        let (part_name, sidecar_name) = (part_name(&stem), sidecar_name(&stem));
        Ok(Some((Claim { folder, part, part_name, deed, sidecar_name }, journal)))
    }

    /// The journal, of blocks that are all held. It shares the lock.
    fn read(&self) -> Result<Option<Journal>, StoreError> {
        let (Some((deed, bytes)), Some(part)) = (&self.deed, &self.part) else { return Ok(None) };
        let geometry = deed.subject.geometry;
        let stat = sys::fstat(part).map_err(writing)?;
        if !is_full_size(&stat, geometry) {
            return Ok(None);
        }
        let edited = is_edited(&stat, &sys::fstat(&self.sidecar).map_err(writing)?);
        let sidecar = self.sidecar.try_clone()?;
        let mut journal = Journal::read(sidecar, bytes, geometry.blocks()).map_err(writing)?;
        if edited || !journal.unsure().is_empty() {
            verify(&mut journal, part, geometry, edited).map_err(writing)?;
            self.folder.sync().map_err(writing)?;
        }
        Ok(Some(journal))
    }
}

/// Has somebody else changed the part since the journal was written?
fn is_edited(part: &Stat, sidecar: &Stat) -> bool {
    let changed = mtime(part).max(ctime(part));
    changed > mtime(sidecar).plus(SOON)
}

/// Reads back what is unsure, or everything, and makes what is right held.
fn verify(journal: &mut Journal, part: &OwnedFd, geometry: Geometry, everything: bool) -> Sys {
    let mut right = read_back(part, geometry, journal.unsure())?;
    if everything {
        let held = read_back(part, geometry, journal.held())?;
        if held.len() != journal.held().len() {
            // First of all, and while it still shows that the part was changed.
            journal.forget()?;
            right.extend(held);
        }
    }
    if right.len() == journal.unsure().len() && !everything {
        return journal.checkpoint(part);
    }
    journal.synced(sys::sync_data(part))?;
    journal.replace_unsure(right)
}

/// Those of the blocks that have these values.
fn read_back(part: &OwnedFd, geometry: Geometry, blocks: &BTreeMap<u64, Digest>) -> Sys<BTreeMap<u64, Digest>> {
    let mut right = BTreeMap::new();
    let mut buffer = Vec::new();
    for (&index, &value) in blocks {
        let Some(block) = geometry.block(index) else { continue };
        buffer.resize(block.len, 0);
        if sys::read_at(part, &mut buffer, block.offset)? == block.len && block_value(&block, &buffer) == value {
            right.insert(index, value);
        }
    }
    Ok(right)
}

fn keep(folder: &Folder, part_name: &str, part: &OwnedFd, deed: &Deed) -> Result<(), StoreError> {
    let mode = Mode::from_raw_mode(0o666) & deed.full_mode;
    tolerate_unsupported(sys::set_mode(part, mode)).map_err(writing)?;
    for name in kept_names(&deed.subject.name) {
        match rename_to_free(folder, part_name, &name) {
            Err(StoreError::Exists) => {}
            result => return result,
        }
    }
    Err(StoreError::Exists)
}
