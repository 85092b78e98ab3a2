//! What only a folder of this machine has: links, names that are not UTF-8, and no listing but its own.
//!
//! The library follows links. So a name is looked at, part by part, before the library gets it, and a link or a device
//! is refused. Between the look and the use somebody with access to the folder could put a link there: where such people
//! are, `dpex-store-fs` is the right store.

use std::io;
use std::path::{Path, PathBuf};

use dpex_core::store::StoreError;
use dpex_core::types::SharePath;

/// What a folder says of one name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    File(String),
    Folder(String),
    /// What cannot be offered, and why. What of a name is no UTF-8 is written `\xff`.
    Never(String, &'static str),
}

/// Is any part of the path something else than a file or a folder? What is not there is neither.
pub(crate) async fn has_link(root: &Path, path: &SharePath) -> Result<bool, StoreError> {
    let (mut here, parts) = (root.to_owned(), path.parts().map(String::from).collect::<Vec<_>>());
    blocking(move || {
        for part in parts {
            here.push(part);
            match std::fs::symlink_metadata(&here) {
                Ok(found) if found.is_dir() => {}
                Ok(found) => return Ok(!found.is_file()),
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    })
    .await
}

/// What is in a folder, unordered; nothing if there is no such folder.
pub(crate) async fn names(folder: PathBuf) -> Result<Vec<Named>, StoreError> {
    blocking(move || {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            names.push(match entry.file_name().into_string() {
                Err(name) => Named::Never(spelled(name.as_encoded_bytes()), "the name is not UTF-8"),
                Ok(name) if kind.is_dir() => Named::Folder(name),
                Ok(name) if !kind.is_file() => Named::Never(name, "it is a link, a pipe, a socket or a device"),
                Ok(name) if is_staged(&name) => continue,
                Ok(name) => Named::File(name),
            });
        }
        Ok(names)
    })
    .await
}

fn spelled(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The library writes `NAME#1` beside a file that is not complete, and takes no such name as one of ours.
pub(crate) fn is_staged(name: &str) -> bool {
    name.split_once('#').is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(StoreError::Io(io::Error::other(e))))
}
