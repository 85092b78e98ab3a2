//! Who may look: modes and owners of what is in the home.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::error::{CliError, CliResult};

/// Bits by which anybody but the owner gets anything.
const OTHERS: u32 = 0o077;
/// Bits by which anybody but the owner may change it.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with this bit, only its owner may rename what is in it.
const STICKY: u32 = 0o1000;

/// A file that holds a secret: ours alone, a regular file, mode 0600 or stricter (ENR-25).
pub(super) fn check_private_file(path: &Path, metadata: &Metadata) -> CliResult {
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a regular file", path.display())));
    }
    check_owner(path, metadata)?;
    match mode(metadata) & OTHERS {
        0 => Ok(()),
        _ => Err(too_loose(path, metadata, "600")),
    }
}

/// A folder that holds secrets: ours alone, mode 0700 or stricter.
pub(super) fn check_private_folder(path: &Path) -> CliResult {
    let metadata = folder(path)?;
    check_owner(path, &metadata)?;
    match mode(&metadata) & OTHERS {
        0 => Ok(()),
        _ => Err(too_loose(path, &metadata, "700")),
    }
}

/// The home itself may be seen, but nobody else may exchange what is in it.
pub(super) fn check_root(path: &Path) -> CliResult {
    let metadata = folder(path)?;
    match mode(&metadata) {
        mode if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 => Err(too_loose(path, &metadata, "go-w")),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> CliResult<Metadata> {
    let metadata = std::fs::metadata(path).map_err(|e| CliError::disk("look at", path, &e))?;
    if metadata.is_dir() { Ok(metadata) } else { Err(CliError::usage(format!("{} is not a folder", path.display()))) }
}

fn check_owner(path: &Path, metadata: &Metadata) -> CliResult {
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() == me {
        return Ok(());
    }
    let message = format!("{} belongs to another user (number {})", path.display(), metadata.uid());
    Err(CliError::usage(message).hint(format!("run dpex as that user, or `chown {me} {}`", shell_quoted(path))))
}

fn too_loose(path: &Path, metadata: &Metadata, wanted: &str) -> CliError {
    let message = format!("{} is open to other users (mode {:04o})", path.display(), mode(metadata));
    CliError::usage(message).hint(format!("close it with `chmod {wanted} {}`", shell_quoted(path)))
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// The path as a shell takes it back.
fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_folder_of_secrets_is_refused_from_the_first_loose_bit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (mode, fine) in [(0o700, true), (0o500, true), (0o710, false), (0o704, false), (0o755, false)] {
            std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).expect("ours");
            assert_eq!(check_private_folder(dir.path()).is_ok(), fine, "{mode:o}");
        }
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("ours");
    }

    #[test]
    fn the_home_may_be_seen_but_not_rearranged_by_others() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (mode, fine) in [(0o755, true), (0o775, false), (0o777, false), (0o1777, true)] {
            std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).expect("ours");
            assert_eq!(check_root(dir.path()).is_ok(), fine, "{mode:o}");
        }
    }
}
