//! The system calls: thin functions, one a call, each begun again when a signal interrupts it.
//!
//! All that receives goes through here and through nothing else, so that a test can stand between: with the feature
//! `faults` each call first asks the plan of faults that is installed, if one is. Without it they are the plain calls.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Stat, StatVfs, Timestamps};
use rustix::io::{Errno, retry_on_intr};

#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "faults")]
mod power;

#[cfg(feature = "faults")]
pub(crate) use faults::carry;
#[cfg(feature = "faults")]
use faults::guard;

pub(crate) type Sys<T = ()> = Result<T, Errno>;

/// What a call is about to do, as far as a crash could undo it.
#[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "only a plan of faults looks inside"))]
pub(crate) enum Step<'a> {
    /// Nothing that lasts.
    Look,
    Write(BorrowedFd<'a>, &'a [u8], u64),
    Resize(BorrowedFd<'a>),
    /// Times or mode.
    Stamp(BorrowedFd<'a>),
    /// A new name in a folder.
    Make(BorrowedFd<'a>, &'a str),
    MakeUnnamed,
    Remove(BorrowedFd<'a>, &'a str),
    Rename(BorrowedFd<'a>, &'a str, &'a str),
    /// Content, metadata, or the names in a folder.
    Sync(BorrowedFd<'a>),
    SyncData(BorrowedFd<'a>),
    SyncDisk,
}

fn call<T>(step: &Step<'_>, mut work: impl FnMut() -> Sys<T>) -> Sys<T> {
    retry_on_intr(|| guard(step, &mut work))
}

#[cfg(not(feature = "faults"))]
fn guard<T>(_: &Step<'_>, work: &mut impl FnMut() -> Sys<T>) -> Sys<T> {
    work()
}

/// Lets work that another thread will do meet the faults of this one.
#[cfg(not(feature = "faults"))]
pub(crate) fn carry<T, F: FnOnce() -> T>(work: F) -> F {
    work
}

const NEW: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub(crate) fn open_root(path: &Path, flags: OFlags) -> Sys<OwnedFd> {
    call(&Step::Look, || rustix::fs::openat(CWD, path, flags, Mode::empty()))
}

/// Opens what is there.
pub(crate) fn open(folder: impl AsFd, name: &str, flags: OFlags) -> Sys<OwnedFd> {
    call(&Step::Look, || rustix::fs::openat(&folder, name, flags, Mode::empty()))
}

/// Makes a file, and never opens one.
pub(crate) fn create(folder: impl AsFd, name: &str, mode: Mode) -> Sys<OwnedFd> {
    call(&Step::Make(folder.as_fd(), name), || rustix::fs::openat(&folder, name, NEW, mode))
}

/// Makes a file that has no name yet, for [`link_unnamed`]; [`is_unable`] says that there are none here.
#[cfg(target_os = "linux")]
pub(crate) fn create_unnamed(folder: impl AsFd, mode: Mode) -> Sys<OwnedFd> {
    static CAN_BE_LINKED: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| rustix::fs::access("/proc/self/fd", rustix::fs::Access::EXISTS).is_ok());
    if !*CAN_BE_LINKED {
        return Err(Errno::NOSYS);
    }
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    call(&Step::MakeUnnamed, || rustix::fs::openat(&folder, ".", flags, mode))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn create_unnamed(_: impl AsFd, _: Mode) -> Sys<OwnedFd> {
    Err(Errno::NOSYS)
}

/// Gives a file without a name its first one, if that is free.
#[cfg(target_os = "linux")]
pub(crate) fn link_unnamed(file: impl AsFd, folder: impl AsFd, name: &str) -> Sys {
    use std::os::fd::AsRawFd as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Linux before 6.10 takes the file itself from the privileged alone, and tells others that there is none.
    static TAKES_ITSELF: AtomicBool = AtomicBool::new(true);

    call(&Step::Make(folder.as_fd(), name), || {
        if TAKES_ITSELF.load(Ordering::Relaxed) {
            match rustix::fs::linkat(&file, "", &folder, name, AtFlags::EMPTY_PATH) {
                Err(Errno::NOENT) => TAKES_ITSELF.store(false, Ordering::Relaxed),
                linked => return linked,
            }
        }
        let here = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        rustix::fs::linkat(CWD, &here, &folder, name, AtFlags::SYMLINK_FOLLOW)
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn link_unnamed(_: impl AsFd, _: impl AsFd, _: &str) -> Sys {
    Err(Errno::NOSYS)
}

/// Files without names are not for this disk, or not without `/proc`. What else says the same says it again when a name
/// is tried: a folder that is gone, for one.
pub(crate) fn is_unable(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::ISDIR | Errno::NOENT)
}

pub(crate) fn make_folder(folder: impl AsFd, name: impl AsRef<OsStr>, mode: Mode) -> Sys {
    let name = name.as_ref();
    call(&Step::Make(folder.as_fd(), &name.to_string_lossy()), || rustix::fs::mkdirat(&folder, name, mode))
}

pub(crate) fn link(folder: impl AsFd, from: &str, to: &str) -> Sys {
    call(&Step::Make(folder.as_fd(), to), || rustix::fs::linkat(&folder, from, &folder, to, AtFlags::empty()))
}

/// Over whatever has the name `to`.
pub(crate) fn rename(folder: impl AsFd, from: &str, to: &str) -> Sys {
    call(&Step::Rename(folder.as_fd(), from, to), || rustix::fs::renameat(&folder, from, &folder, to))
}

/// `EXIST` if the name `to` is taken.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn rename_to_free(folder: impl AsFd, from: &str, to: &str) -> Sys {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    call(&Step::Rename(folder.as_fd(), from, to), || rustix::fs::renameat_with(&folder, from, &folder, to, flags))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn rename_to_free(_: impl AsFd, _: &str, _: &str) -> Sys {
    Err(Errno::NOSYS)
}

/// A name that is gone already is what was wanted.
pub(crate) fn remove(folder: impl AsFd, name: &str) -> Sys {
    match call(&Step::Remove(folder.as_fd(), name), || rustix::fs::unlinkat(&folder, name, AtFlags::empty())) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Takes an exclusive lock, or `WOULDBLOCK`.
pub(crate) fn lock(file: impl AsFd) -> Sys {
    call(&Step::Look, || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
}

/// What a name in a folder means, itself, not what it points at.
pub(crate) fn stat(folder: impl AsFd, name: &str) -> Sys<Stat> {
    call(&Step::Look, || rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW))
}

pub(crate) fn fstat(file: impl AsFd) -> Sys<Stat> {
    call(&Step::Look, || rustix::fs::fstat(&file))
}

/// When a file in a folder was made, where the disk knows; without a name, when the open file itself was.
#[cfg(target_os = "linux")]
pub(crate) fn birth(file: impl AsFd, name: &str) -> Sys<Option<(i64, u32)>> {
    use rustix::fs::{StatxFlags, statx};

    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let found = call(&Step::Look, || statx(&file, name, flags, StatxFlags::BTIME));
    match found {
        Ok(stat) if StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME) => {
            Ok(Some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)))
        }
        Ok(_) | Err(Errno::NOSYS | Errno::INVAL | Errno::PERM) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn birth(_: impl AsFd, _: &str) -> Sys<Option<(i64, u32)>> {
    Ok(None)
}

pub(crate) fn room(folder: impl AsFd) -> Sys<StatVfs> {
    call(&Step::Look, || rustix::fs::fstatvfs(&folder))
}

/// Fills the buffer as far as the file goes, and says how far that was.
pub(crate) fn read_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> Sys<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match call(&Step::Look, || rustix::io::pread(&file, &mut *rest, offset + done as u64))? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// Writes all of it. `NOSPC` is also the answer of a disk that takes nothing.
pub(crate) fn write_at(file: impl AsFd, data: &[u8], offset: u64) -> Sys {
    let mut done = 0;
    while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
        let at = offset + done as u64;
        match call(&Step::Write(file.as_fd(), rest, at), || rustix::io::pwrite(&file, rest, at))? {
            0 => return Err(Errno::NOSPC),
            n => done += n,
        }
    }
    Ok(())
}

pub(crate) fn resize(file: impl AsFd, size: u64) -> Sys {
    call(&Step::Resize(file.as_fd()), || rustix::fs::ftruncate(&file, size))
}

pub(crate) fn set_mode(file: impl AsFd, mode: Mode) -> Sys {
    call(&Step::Stamp(file.as_fd()), || rustix::fs::fchmod(&file, mode))
}

pub(crate) fn set_times(file: impl AsFd, times: &Timestamps) -> Sys {
    call(&Step::Stamp(file.as_fd()), || rustix::fs::futimens(&file, times))
}

/// Makes a file durable, or what names are in a folder.
pub(crate) fn sync(file: impl AsFd) -> Sys {
    call(&Step::Sync(file.as_fd()), || rustix::fs::fsync(&file))
}

/// Makes a file's content durable, and as much else as it takes to read it.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn sync_data(file: impl AsFd) -> Sys {
    call(&Step::SyncData(file.as_fd()), || rustix::fs::fdatasync(&file))
}

#[cfg(target_vendor = "apple")]
pub(crate) fn sync_data(file: impl AsFd) -> Sys {
    sync(file)
}

/// Can all of a disk be made durable here?
pub(crate) const SYNCS_DISKS: bool = cfg!(target_os = "linux");

/// Makes all of a disk durable; `NOSYS` where that cannot be asked, or gives no answer.
#[cfg(target_os = "linux")]
pub(crate) fn sync_disk(folder: impl AsFd) -> Sys {
    call(&Step::SyncDisk, || rustix::fs::syncfs(&folder))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_disk(_: impl AsFd) -> Sys {
    Err(Errno::NOSYS)
}
