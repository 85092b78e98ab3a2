//! Files whose content the system makes up while they are read, as below `/proc` and `/sys`.
//!
//! Their size is a word without a meaning, so that nothing true can be promised of them; and reading one may do
//! something. On Linux a whole disk of them is told by its kind, without reading. Elsewhere, and for other systems in user
//! space, a file that says it is empty is asked for one byte.

use rustix::fd::OwnedFd;
use rustix::fs::{Stat, fstat};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::fence::{Folder, size};

/// Why such a file is left out.
pub(crate) const WHY: &str = "the system makes up its content";

/// Is this an open file that can be promised? It must not block, as [`Folder::open_file`] sees to.
///
/// # Errors
/// `NXIO` if the system makes it up.
pub(crate) fn check(file: &OwnedFd, stat: &Stat) -> Result<(), Errno> {
    if has_blocks(stat) {
        return Ok(());
    }
    if is_of_the_system(file) || (size(stat) == 0 && has_content(file)?) { Err(Errno::NXIO) } else { Ok(()) }
}

/// The same for a file that is not open.
///
/// # Errors
/// `NXIO` if the system makes it up; what opening it gives.
pub(crate) fn check_named(folder: &Folder, name: &str, stat: &Stat) -> Result<(), Errno> {
    if has_blocks(stat) {
        return Ok(());
    }
    if is_of_the_system(&folder.0) {
        return Err(Errno::NXIO);
    }
    if size(stat) > 0 {
        return Ok(());
    }
    let (file, stat) = folder.open_file(name)?;
    check(&file, &stat)
}

/// What takes room on a disk is no fancy of the system: that is nearly every file, and costs no call.
fn has_blocks(stat: &Stat) -> bool {
    size(stat) > 0 && stat.st_blocks > 0
}

/// Is there a byte in a file that says it has none?
fn has_content(file: &OwnedFd) -> Result<bool, Errno> {
    let read = match retry_on_intr(|| pread(file, &mut [0; 1], 0)) {
        Ok(read) => read,
        // It would wait for something to happen, as no file on a disk does.
        Err(Errno::AGAIN) => return Ok(true),
        Err(errno) => return Err(errno),
    };
    // A file that was written to since it was looked at says so now.
    Ok(read > 0 && size(&fstat(file)?) == 0)
}

/// Kinds of file systems without a disk: proc, sysfs, cgroup2, debugfs, tracefs, securityfs, configfs.
#[cfg(target_os = "linux")]
fn is_of_the_system(file: &OwnedFd) -> bool {
    const KINDS: [u64; 7] = [0x9fa0, 0x6265_6572, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x6265_6570];
    rustix::fs::fstatfs(file).is_ok_and(|disk| KINDS.contains(&crate::fence::wide(disk.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_of_the_system(_: &OwnedFd) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;

    use super::*;

    fn open(path: &str) -> (OwnedFd, Stat) {
        let file = OwnedFd::from(File::open(path).expect("this system has it"));
        let stat = fstat(&file).expect("open");
        (file, stat)
    }

    #[test]
    fn a_file_that_says_it_is_empty_and_is_not_is_found_out_by_a_byte() {
        let (status, stat) = open("/proc/self/status");
        assert!(size(&stat) == 0 && !has_blocks(&stat));
        assert_eq!(has_content(&status), Ok(true));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "").expect("written");
        let (file, stat) = open(empty.to_str().expect("text"));
        assert_eq!((has_content(&file), check(&file, &stat)), (Ok(false), Ok(())));
    }

    #[test]
    fn a_file_that_grew_since_it_was_looked_at_is_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "").expect("written");
        let (file, stat) = open(path.to_str().expect("text"));
        std::fs::write(&path, "a line").expect("written");
        assert_eq!(check(&file, &stat), Ok(()));
    }

    #[test]
    fn a_disk_of_the_system_is_told_without_reading() {
        assert!(is_of_the_system(&open("/proc/self/status").0));
        if std::fs::exists("/sys/kernel/mm").unwrap_or(false) {
            assert!(is_of_the_system(&open("/sys/kernel/mm").0));
        }
        assert!(!is_of_the_system(&open(env!("CARGO_MANIFEST_DIR")).0));
    }
}
