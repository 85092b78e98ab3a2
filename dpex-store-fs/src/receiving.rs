//! The beginning of a reception: may the name be taken, is there room, who else is at it, what is there already.

use std::io;
use std::sync::Arc;

use dpex_core::store::{Held, Incoming, StoreError};
use dpex_core::types::{Fingerprint, SharePath};
use rustix::io::Errno;

use crate::deed::Subject;
use crate::error::{looking_up, writing};
use crate::fence::{Durable, Folder};
use crate::journal::Journal;
use crate::leftover;
use crate::partial::FsPartial;
use crate::parts::Claim;
use crate::portable::Rules;
use crate::publish::check_target;
use crate::sys;

/// Checks what can be checked before the first byte, and makes the part or finds it again.
pub(crate) fn begin(root: Arc<Folder>, incoming: &Incoming, rules: Rules) -> Result<FsPartial, StoreError> {
    rules.check(&incoming.path)?;
    let (Some(parent), Some(name)) = (incoming.path.parent(), incoming.path.file_name()) else {
        return Err(StoreError::Exists);
    };
    let subject = Subject::of(incoming, name)?;
    // Made durable with the names of part and sidecar: they may be another's, who has not come to it.
    let folder = make_folders(&root, &parent, Durable::Later)?;
    if let Err(refused) = check_target(&folder, name, incoming) {
        return Err(tidy(&folder, name, refused));
    }
    let (claim, journal) = match &incoming.held {
        Some(held) => resume(&folder, incoming, &subject, held)?,
        None => anew(folder, incoming, &subject)?,
    };
    Ok(FsPartial::new(root, claim, journal, incoming.clone(), subject.geometry))
}

/// A file that is here already may be the part of a run that ended before it took its sidecar away.
fn tidy(folder: &Folder, name: &str, refused: StoreError) -> StoreError {
    if matches!(refused, StoreError::Same)
        && let Ok(Some(left)) = leftover::find(folder, name)
        && left.is_done()
    {
        // Harmless if it stays.
        let _ = left.clear(dpex_core::store::Leftover::Replace);
    }
    refused
}

fn anew(folder: Folder, incoming: &Incoming, subject: &Subject) -> Result<(Claim, Journal), StoreError> {
    if let Some(left) = leftover::find(&folder, &subject.name)? {
        left.clear(incoming.leftover)?;
    }
    let (claim, journal) = Claim::take(folder, subject, incoming.leftover)?;
    // Again, now that nobody else can: another reception may have ended between the look and the claim.
    let checked = check_target(&claim.folder, &subject.name, incoming)
        .and_then(|()| check_room(&claim.folder, incoming.meta.size))
        // At once, so that what is not written stays a hole.
        .and_then(|()| sys::resize(&claim.part, incoming.meta.size).map_err(writing));
    match checked {
        Ok(()) => Ok((claim, journal)),
        Err(refused) => {
            let _ = claim.release();
            Err(refused)
        }
    }
}

fn resume(
    folder: &Folder,
    incoming: &Incoming,
    subject: &Subject,
    held: &Held,
) -> Result<(Claim, Journal), StoreError> {
    let left = leftover::find(folder, &subject.name)?;
    let left = left.filter(|left| left.deed().is_some_and(|deed| deed.subject == *subject)).ok_or(StoreError::Gone)?;
    let (claim, journal) = left.resume()?.ok_or(StoreError::Gone)?;
    let has_all = held.values.iter().all(|(index, value)| journal.held().get(index) == Some(value));
    if !has_all || held.version != subject.version || held.block_log2 != subject.geometry.block_log2() {
        return Err(StoreError::Gone);
    }
    check_target(folder, &subject.name, incoming)?;
    let here = journal.held().keys().filter_map(|&index| subject.geometry.block(index));
    let here: u64 = here.map(|block| block.len as u64).sum();
    check_room(folder, incoming.meta.size.saturating_sub(here))?;
    Ok((claim, journal))
}

/// What is held of a file, after what is unsure was read back.
pub(crate) fn held(
    root: &Folder,
    path: &SharePath,
    origin: &Fingerprint,
    rules: Rules,
) -> Result<Option<Held>, StoreError> {
    let (Some(parent), Some(name), Ok(())) = (path.parent(), path.file_name(), rules.check(path)) else {
        return Ok(None);
    };
    let folder = match root.walk(parent.parts()).map_err(looking_up) {
        Err(StoreError::NotFound) => return Ok(None),
        found => found?,
    };
    let left = leftover::find(&folder, name)?;
    let is_theirs = |left: &leftover::Left| left.deed().is_some_and(|deed| deed.subject.origin == *origin);
    let Some(left) = left.filter(is_theirs) else { return Ok(None) };
    let Some((claim, journal)) = left.resume()? else { return Ok(None) };
    let subject = claim.deed.subject;
    let held =
        Held { version: subject.version, block_log2: subject.geometry.block_log2(), values: journal.held().clone() };
    Ok(Some(held).filter(|held| !held.values.is_empty()))
}

pub(crate) fn make_folders(root: &Folder, path: &SharePath, durable: Durable) -> Result<Folder, StoreError> {
    root.make(path.parts(), durable).map_err(making)
}

/// What is in the way of a folder is `Exists`.
pub(crate) fn making(errno: Errno) -> StoreError {
    match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::EXIST => StoreError::Exists,
        errno => writing(errno),
    }
}

fn check_room(folder: &Folder, size: u64) -> Result<(), StoreError> {
    // A disk that cannot say is asked by writing.
    let room = room(folder)?.unwrap_or(u64::MAX);
    if size > room { Err(StoreError::Full) } else { Ok(()) }
}

/// How many bytes this process may still write here, if the disk can say.
pub(crate) fn room(folder: &Folder) -> Result<Option<u64>, StoreError> {
    match sys::room(folder) {
        Ok(disk) => Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize))),
        Err(Errno::NOSYS | Errno::NOTSUP) => Ok(None),
        Err(errno) => Err(StoreError::Io(io::Error::from(errno))),
    }
}
