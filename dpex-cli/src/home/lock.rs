//! One writer at a time in each part of the home.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{CliError, CliResult};

/// Held while a command writes; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held open for its lock, never read")] File);

impl Lock {
    /// Waits for the lock. The file stays behind, empty: removing it would let two writers lock two files of one name.
    pub(super) fn take(path: &Path) -> CliResult<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|e| CliError::disk("open", path, &e))?;
        file.lock().map_err(|e| CliError::disk("lock", path, &e))?;
        Ok(Self(file))
    }
}
