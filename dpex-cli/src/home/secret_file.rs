//! Writing and reading files that nobody else may see, so that a crash leaves the old content or the new.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::modes;
use crate::error::{CliError, CliResult};

/// No file of ours is larger; a larger one is not ours.
const MAX_LEN: u64 = 1 << 20;

/// Makes a folder of mode 0700, and those above it; an existing one is left as it is.
pub(crate) fn create_folder(path: &Path) -> CliResult {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| CliError::disk("make the folder", path, &e))
}

/// Writes a file of mode 0600 in one step: a new file beside it, made durable, then renamed over the old one.
///
/// The caller holds the lock of the home, or of the folder in it: the name of the new file is always the same, so that what a crash left behind
/// is found and replaced.
pub(crate) fn write(path: &Path, content: &[u8]) -> CliResult {
    let beside = name_beside(path);
    let written = remove_leftover(&beside)
        .and_then(|()| write_new(&beside, content))
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|error| {
        // The new file may or may not exist; the failure that matters is already known.
        let _ = std::fs::remove_file(&beside);
        CliError::disk("write", path, &error)
    })
}

/// Removes a file, if it is there, for good.
pub(super) fn remove(path: &Path) -> CliResult {
    let removed = remove_leftover(path).and_then(|()| sync_folder(path));
    removed.map_err(|e| CliError::disk("remove", path, &e))
}

/// Reads a file that must be private. `None` if there is none.
pub(crate) fn read(path: &Path) -> CliResult<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::disk("read", path, &error)),
    };
    let metadata = file.metadata().map_err(|e| CliError::disk("read", path, &e))?;
    modes::check_private_file(path, &metadata)?;
    // Reserved at once: a growing buffer would leave copies of a secret behind.
    let expected = usize::try_from(metadata.len().min(MAX_LEN)).unwrap_or(0);
    let mut content = Zeroizing::new(Vec::with_capacity(expected + 1));
    file.take(MAX_LEN).read_to_end(&mut content).map_err(|e| CliError::disk("read", path, &e))?;
    Ok(Some(content))
}

/// Makes a rename, or a new name, in the folder that holds `path` durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Hidden, and no name that a person or a server can have: those do not begin with a dot.
fn name_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[test]
    fn a_written_file_is_private_whatever_was_there_before() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("identity.pem");
        std::fs::write(&path, "old").expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("ours");
        write(&path, b"new").expect("written");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path).expect("private").expect("there").as_slice(), b"new");
    }

    #[test]
    fn what_an_interrupted_write_left_behind_does_not_stop_the_next() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("x.json");
        std::fs::write(name_beside(&path), "half").expect("writable");
        write(&path, b"whole").expect("written");
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("taken");
        std::fs::create_dir(&path).expect("writable");
        std::fs::write(path.join("inside"), "kept").expect("writable");
        let error = write(&path, b"new").expect_err("a file cannot replace a folder");
        assert_eq!(error.blame().exit_code(), 6);
        assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_readable_secret_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("it's.json");
        write(&path, b"x").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("ours");
        let error = read(&path).expect_err("refused");
        let hint = error.hint_text().to_owned();
        assert!(hint.contains("chmod 600"), "{hint}");
        assert!(hint.contains(r"it'\''s.json"), "{hint}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
        assert!(read(&path).expect("private again").is_some());
    }
}
