//! One writer at a time in each part of the home.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{CliError, CliResult};

/// Held while a command writes; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held open for its lock, never read")] File);

impl Lock {
    /// Takes the lock if nobody has it.
    pub(super) fn try_take(path: &Path) -> CliResult<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(CliError::disk("lock", path, &e)),
        }
    }

    /// Waits for the lock. The file stays behind, empty: removing it would let two writers lock two files of one name.
    pub(super) fn take(path: &Path) -> CliResult<Self> {
        let file = open(path)?;
        file.lock().map_err(|e| CliError::disk("lock", path, &e))?;
        Ok(Self(file))
    }
}

fn open(path: &Path) -> CliResult<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|e| CliError::disk("open", path, &e))
}
