//! Which `.part` is ours: names, sidecars, and the right to receive a file.
//!
//! A file `NAME` is received into `NAME.part`, beside a sidecar `.NAME.dpexpart`. The rules:
//!
//! * **The sidecar is the lock.** Whoever holds its `flock` receives that name; anybody else is told `Busy`. The system
//!   drops the lock with the process, so there is no stale one.
//! * **The sidecar is the title deed.** It records which file (inode and time of birth) the part is. A `.part` is ours,
//!   and may be deleted, only if the record names exactly that file. Everything else called `.part` belongs to somebody:
//!   it is listed, served and never touched; a part that would need its name takes the next one
//!   (`NAME~HASH.part`, with a sidecar to match). So does a name too long to carry the suffixes.
//! * A file whose own name is that of a part in the way (`foo.part`, while `foo` is being received) has to wait: `Busy`.
//! * **Doubt hides, and does not destroy.** A sidecar without a readable record (a crash between two writes) keeps its
//!   part out of listings, but is no licence to delete it.
//! * Names ending in `.dpexpart` are never listed, served or accepted from a peer, so a peer can forge no deed.
//!
//! The deed is written after the part is made and before anything is written into it; large parts wait until it is on disk.

use std::io::{Read as _, Write as _};

use dpex_core::store::StoreError;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fchmod, fdatasync, flock, fstat, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{tolerate_unsupported, writing};
use crate::fence::{Folder, is_file, wide};
use crate::portable::RESERVED_SUFFIX;

/// What a part's name ends in.
const PART_SUFFIX: &str = ".part";
/// The longest name a directory holds.
const MAX_NAME: usize = 255;
/// Names tried when others are in the way; each is in the way only by somebody's intent.
const STEMS: u32 = 8;
const MAGIC: &str = "dpex-part 1";
/// From this size on, a lost deed would cost more than a wait for the disk.
const WORTH_A_SYNC: u64 = 1 << 20;

/// Whose a file called `.part` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The record names it.
    Ours,
    /// There is a sidecar, but it records nothing.
    Unknown,
    /// No sidecar, or one that names another file.
    Foreign,
}

/// The right to receive one file, with the empty part it will be received into.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) folder: Folder,
    pub(crate) part: OwnedFd,
    pub(crate) part_name: String,
    /// What a new file with all rights asked for gets here: the umask, or the folder's default ACL.
    pub(crate) full_mode: Mode,
    identity: Identity,
    sidecar_name: String,
    /// Kept open for its lock.
    sidecar: OwnedFd,
}

impl Claim {
    /// Claims `name` inside `folder`, and clears away what an earlier claim left.
    ///
    /// # Errors
    /// `Busy` if it is claimed, `Exists` if no name for a part is free, and what [`writing`] makes of the system's.
    pub(crate) fn take(folder: Folder, name: &str, size: u64) -> Result<Self, StoreError> {
        for attempt in 0..STEMS {
            let stem = stem(name, attempt);
            let Some((sidecar, full_mode)) = lock(&folder, &stem)? else { continue };
            let (part_name, sidecar_name) = (part_name(&stem), sidecar_name(&stem));
            let made = make_part(&folder, &part_name).and_then(|part| {
                let identity = Identity::of(&folder, &part_name)?;
                Ok((part, identity))
            });
            let (part, identity) = match made {
                Ok(made) => made,
                Err(errno) => {
                    // Whatever has the name, the sidecar just made does not vouch for it.
                    remove(&folder, &sidecar_name).map_err(writing)?;
                    if errno == Errno::EXIST {
                        continue;
                    }
                    return Err(writing(errno));
                }
            };
            let claim = Self { folder, part, part_name, full_mode, identity, sidecar_name, sidecar };
            return match claim.write_deed(size) {
                Ok(()) => Ok(claim),
                Err(error) => {
                    let _ = claim.release();
                    Err(error)
                }
            };
        }
        Err(StoreError::Exists)
    }

    fn write_deed(&self, size: u64) -> Result<(), StoreError> {
        let mut file = std::fs::File::from(self.sidecar.try_clone()?);
        file.write_all(self.identity.record().as_bytes())
            .map_err(|e| Errno::from_io_error(&e).map_or(StoreError::Io(e), writing))?;
        if size >= WORTH_A_SYNC {
            retry_on_intr(|| fdatasync(&file)).map_err(writing)?;
        }
        Ok(())
    }

    /// Does the part's name still mean the part?
    pub(crate) fn is_in_place(&self) -> bool {
        Identity::of(&self.folder, &self.part_name).is_ok_and(|identity| identity == self.identity)
    }

    /// Removes the sidecar: the part has become the file.
    pub(crate) fn drop_sidecar(&self) -> Result<(), Errno> {
        remove(&self.folder, &self.sidecar_name)
    }

    /// Removes the part, then the sidecar.
    pub(crate) fn release(&self) -> Result<(), Errno> {
        if self.is_in_place() {
            remove(&self.folder, &self.part_name)?;
        }
        self.drop_sidecar()
    }
}

/// Whose is the file `name` inside `folder`? `None` if it is not called like a part.
pub(crate) fn owner(folder: &Folder, name: &str) -> Option<Owner> {
    let stem = stem_of(name)?;
    Some(match read_deed(folder, stem) {
        Deed::None => Owner::Foreign,
        Deed::Blank => Owner::Unknown,
        Deed::Of(identity) if Identity::of(folder, name).is_ok_and(|found| found == identity) => Owner::Ours,
        Deed::Of(_) => Owner::Foreign,
    })
}

/// The stem of a name that is called like a part.
pub(crate) fn stem_of(name: &str) -> Option<&str> {
    name.strip_suffix(PART_SUFFIX).filter(|stem| !stem.is_empty())
}

/// The sidecar that would vouch for the part of this stem.
pub(crate) fn sidecar_name(stem: &str) -> String {
    format!(".{stem}{RESERVED_SUFFIX}")
}

fn part_name(stem: &str) -> String {
    format!("{stem}{PART_SUFFIX}")
}

/// The name itself, as long as it fits and is free; else its beginning and a hash of all of it.
fn stem(name: &str, attempt: u32) -> String {
    let room = MAX_NAME - RESERVED_SUFFIX.len() - 1;
    if attempt == 0 && name.len() <= room {
        return name.to_owned();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes()).update(&attempt.to_be_bytes());
    let hash = &hasher.finalize().to_hex()[..16];
    let front = front(name, room - hash.len() - 1);
    format!("{front}~{hash}")
}

/// At most `most` bytes from the front, in whole characters.
pub(crate) fn front(name: &str, most: usize) -> &str {
    let end = (0..=most.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or_default();
    &name[..end]
}

/// A locked, fresh sidecar and its mode; `None` if something that is not ours has its name.
fn lock(folder: &Folder, stem: &str) -> Result<Option<(OwnedFd, Mode)>, StoreError> {
    let name = sidecar_name(stem);
    let create = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        match retry_on_intr(|| openat(&folder.0, &name, create, Mode::RWXU | Mode::RWXG | Mode::RWXO)) {
            Ok(sidecar) => {
                let full = Mode::from_raw_mode(fstat(&sidecar).map_err(writing)?.st_mode) & Mode::from_raw_mode(0o777);
                // Asked for with all rights only to learn which of them are granted.
                tolerate_unsupported(fchmod(&sidecar, Mode::RUSR | Mode::WUSR)).map_err(writing)?;
                lock_exclusively(&sidecar)?;
                if is_still_named(folder, &name, &sidecar) {
                    return Ok(Some((sidecar, full)));
                }
            }
            Err(Errno::EXIST) => {
                if !clear_leftover(folder, stem, &name)? {
                    return Ok(None);
                }
            }
            Err(errno) => return Err(writing(errno)),
        }
    }
}

/// Takes away a part and a sidecar that nobody holds. False if the sidecar is not one of ours.
fn clear_leftover(folder: &Folder, stem: &str, name: &str) -> Result<bool, StoreError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let sidecar = match retry_on_intr(|| openat(&folder.0, name, flags, Mode::empty())) {
        Ok(sidecar) => sidecar,
        Err(Errno::NOENT) => return Ok(true),
        Err(Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO | Errno::ACCESS | Errno::PERM) => return Ok(false),
        Err(errno) => return Err(writing(errno)),
    };
    if !is_file(&fstat(&sidecar).map_err(writing)?) {
        return Ok(false);
    }
    lock_exclusively(&sidecar)?;
    if !is_still_named(folder, name, &sidecar) {
        return Ok(true);
    }
    let part = part_name(stem);
    match read_deed(folder, stem) {
        Deed::None => return Ok(false),
        Deed::Of(identity) if Identity::of(folder, &part).is_ok_and(|found| found == identity) => {
            remove(folder, &part).map_err(writing)?;
        }
        Deed::Of(_) | Deed::Blank => {}
    }
    remove(folder, name).map_err(writing)?;
    Ok(true)
}

fn make_part(folder: &Folder, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| openat(&folder.0, name, flags, Mode::RUSR | Mode::WUSR))
}

fn lock_exclusively(file: &OwnedFd) -> Result<(), StoreError> {
    match retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy),
        result => result.map_err(writing),
    }
}

/// A lock on a file that lost its name meanwhile is a lock on nothing.
fn is_still_named(folder: &Folder, name: &str, file: &OwnedFd) -> bool {
    match (folder.stat(name), fstat(file)) {
        (Ok(named), Ok(open)) => (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino),
        _ => false,
    }
}

/// Unlinks a name; one that is gone already is what was wanted.
fn remove(folder: &Folder, name: &str) -> Result<(), Errno> {
    match unlinkat(&folder.0, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Which file a name means: inode numbers are used again, so the time of birth belongs to it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    birth: Option<(i64, u32)>,
}

impl Identity {
    fn of(folder: &Folder, name: &str) -> Result<Self, Errno> {
        let stat = folder.stat(name)?;
        if !is_file(&stat) {
            return Err(Errno::NXIO);
        }
        Ok(Self { inode: wide(stat.st_ino), birth: birth(folder, name) })
    }

    fn record(self) -> String {
        let birth = self.birth.map(|(secs, nanos)| format!("birth {secs} {nanos}\n")).unwrap_or_default();
        format!("{MAGIC}\ninode {}\n{birth}end\n", self.inode)
    }

    fn parse(record: &str) -> Option<Self> {
        let mut lines = record.strip_prefix(MAGIC)?.strip_prefix('\n')?.lines();
        let inode = lines.next()?.strip_prefix("inode ")?.parse().ok()?;
        let birth = match lines.next()? {
            "end" => None,
            line => {
                let (secs, nanos) = line.strip_prefix("birth ")?.split_once(' ')?;
                (lines.next()? == "end").then_some(())?;
                Some((secs.parse().ok()?, nanos.parse().ok()?))
            }
        };
        Some(Self { inode, birth })
    }
}

#[cfg(target_os = "linux")]
fn birth(folder: &Folder, name: &str) -> Option<(i64, u32)> {
    use rustix::fs::{StatxFlags, statx};

    let stat = statx(&folder.0, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    known.then_some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
}

#[cfg(not(target_os = "linux"))]
fn birth(_: &Folder, _: &str) -> Option<(i64, u32)> {
    None
}

enum Deed {
    /// No sidecar, or a file that only has such a name.
    None,
    /// A sidecar with nothing in it yet.
    Blank,
    Of(Identity),
}

fn read_deed(folder: &Folder, stem: &str) -> Deed {
    let Ok((file, _)) = folder.open_file(&sidecar_name(stem)) else { return Deed::None };
    let mut record = Vec::new();
    // Room for what comes after the deed in a later version of the file is not needed to read it.
    if std::fs::File::from(file).take(256).read_to_end(&mut record).is_err() {
        return Deed::Blank;
    }
    // After a power cut a file may have its length but not its bytes.
    if record.iter().all(|&byte| byte == 0) {
        return Deed::Blank;
    }
    match std::str::from_utf8(&record).ok() {
        Some(text) if text.starts_with(MAGIC) => Identity::parse(text).map_or(Deed::Blank, Deed::Of),
        _ => Deed::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_a_torn_one_is_not() {
        for identity in [Identity { inode: 7, birth: None }, Identity { inode: u64::MAX, birth: Some((-3, 999)) }] {
            let record = identity.record();
            assert_eq!(Identity::parse(&record), Some(identity));
            for cut in 0..record.len() - 1 {
                assert_eq!(Identity::parse(&record[..cut]), None, "{:?}", &record[..cut]);
            }
        }
    }

    #[test]
    fn every_stem_leaves_room_for_both_suffixes_and_differs_from_the_others() {
        for name in ["a", &"x".repeat(244), &"x".repeat(245), &"x".repeat(255), &"é".repeat(127)] {
            let mut stems = std::collections::BTreeSet::new();
            for attempt in 0..STEMS {
                let stem = stem(name, attempt);
                assert!(sidecar_name(&stem).len() <= MAX_NAME, "{stem}");
                assert!(part_name(&stem).len() <= MAX_NAME, "{stem}");
                assert!(stems.insert(stem), "{name}");
            }
        }
        assert_eq!(stem(&"x".repeat(245), 0), "x".repeat(245));
        assert_ne!(stem(&"x".repeat(246), 0), "x".repeat(246));
        assert_ne!(stem(&"x".repeat(254), 0), stem(&"x".repeat(255), 0));
    }
}
