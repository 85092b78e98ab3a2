//! Block values of files that the server has read, kept in `state/values`: a client that goes on with a file, or asks for
//! its hash, costs no reading.
//!
//! One small file a version: a head, then pairs of block number and value, and a checksum over all. It is a memory: what
//! is damaged or gone is read again from the file that is served. The oldest go when there are too many.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dpex_core::node::{BlockValues, MAX_VALUES};
use dpex_core::types::{Digest, Version};

use super::secret_file::create_folder;

const MAGIC: &[u8; 16] = b"dpex-values 1\n\n\n";
const PAIR: usize = 8 + 32;
const CHECK: usize = 32;
/// Bytes of all memories together.
const MOST: u64 = 64 << 20;

/// The folder of all memories.
#[derive(Debug)]
pub(crate) struct Values {
    dir: Arc<PathBuf>,
    /// One writer at a time: two might lose what the other has added.
    writing: Arc<Mutex<()>>,
}

impl Values {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir: Arc::new(dir), writing: Arc::default() }
    }
}

#[async_trait]
impl BlockValues for Values {
    async fn load(&self, version: &Version) -> BTreeMap<u64, Digest> {
        let path = self.dir.join(version.to_string());
        tokio::task::spawn_blocking(move || read(&path)).await.unwrap_or_default()
    }

    async fn keep(&self, version: &Version, values: &BTreeMap<u64, Digest>) {
        let (dir, version, values) = (Arc::clone(&self.dir), *version, values.clone());
        let writing = Arc::clone(&self.writing);
        let kept = tokio::task::spawn_blocking(move || {
            let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            keep(&dir, &version, values)
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::debug!(error = %e, "block values could not be kept"),
            Err(e) => tracing::debug!(error = %e, "block values could not be kept"),
        }
    }
}

/// What is in a memory; nothing if anything is wrong with it.
fn read(path: &Path) -> BTreeMap<u64, Digest> {
    let longest = (MAGIC.len() + CHECK + PAIR * MAX_VALUES) as u64;
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() <= longest => {}
        _ => return BTreeMap::new(),
    }
    fs::read(path).ok().and_then(|bytes| parse(path, &bytes)).unwrap_or_default()
}

fn parse(path: &Path, bytes: &[u8]) -> Option<BTreeMap<u64, Digest>> {
    let (content, check) = bytes.split_last_chunk::<CHECK>()?;
    if checksum(path, content) != *check {
        return None;
    }
    let (pairs, rest) = content.strip_prefix(MAGIC.as_slice())?.as_chunks::<PAIR>();
    if !rest.is_empty() {
        return None;
    }
    let pair = |pair: &[u8; PAIR]| {
        let (number, value) = pair.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*number), Digest(value.try_into().ok()?)))
    };
    pairs.iter().map(pair).collect()
}

/// Over the name, too: a memory under another version's name is none.
fn checksum(path: &Path, content: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes()).update(&[0]).update(content);
    *hasher.finalize().as_bytes()
}

fn keep(dir: &Path, version: &Version, values: BTreeMap<u64, Digest>) -> io::Result<()> {
    create_folder(dir).map_err(|e| io::Error::other(e.message().to_owned()))?;
    let path = dir.join(version.to_string());
    let mut all = read(&path);
    all.extend(values);
    let mut bytes = MAGIC.to_vec();
    for (number, Digest(value)) in all.iter().take(MAX_VALUES) {
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(value);
    }
    let check = checksum(&path, &bytes);
    bytes.extend_from_slice(&check);
    // Renamed, so that a reader never meets a half; not flushed, since the checksum knows a torn one.
    let draft = dir.join(".draft");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(&bytes)?;
    fs::rename(&draft, &path)?;
    make_room(dir)
}

/// Removes the oldest memories when all together are too large.
fn make_room(dir: &Path) -> io::Result<()> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        all.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    let mut total: u64 = all.iter().map(|(_, len, _)| len).sum();
    if total <= MOST {
        return Ok(());
    }
    all.sort();
    for (_, len, path) in all {
        // Down to three quarters, so that not every file makes room for the next.
        if total <= MOST / 4 * 3 {
            break;
        }
        fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn values(numbers: std::ops::Range<u64>) -> BTreeMap<u64, Digest> {
        numbers.map(|n| (n, Digest([u8::try_from(n % 251).expect("small"); 32]))).collect()
    }

    #[test]
    fn what_was_kept_in_parts_is_read_back_and_another_version_knows_nothing_of_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().join("values");
        keep(&dir, &Version([1; 16]), values(0..3)).expect("kept");
        keep(&dir, &Version([1; 16]), values(2..9)).expect("kept");
        let kept = dir.join(Version([1; 16]).to_string());
        assert_eq!(read(&kept), values(0..9));
        assert_eq!(fs::metadata(&kept).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(read(&dir.join(Version([2; 16]).to_string())).is_empty());
    }

    #[test]
    fn a_damaged_memory_is_none() {
        let dir = tempfile::tempdir().expect("a folder");
        keep(dir.path(), &Version([1; 16]), values(0..3)).expect("kept");
        let path = dir.path().join(Version([1; 16]).to_string());
        let whole = fs::read(&path).expect("there");
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            assert!(read(&path).is_empty(), "flipped at {at}");
            fs::write(&path, &whole[..at]).expect("written");
            assert!(read(&path).is_empty(), "cut at {at}");
        }
        let other = dir.path().join(Version([2; 16]).to_string());
        fs::write(&other, &whole).expect("written");
        assert!(read(&other).is_empty(), "under another name");
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let dir = tempfile::tempdir().expect("a folder");
        let name = |n: u8| dir.path().join(Version([n; 16]).to_string());
        for n in 0..5 {
            fs::write(name(n), vec![0; usize::try_from(MOST / 4).expect("small")]).expect("written");
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(n));
            fs::File::open(name(n)).and_then(|file| file.set_modified(time)).expect("dated");
        }
        make_room(dir.path()).expect("made");
        let left: Vec<_> = (0..5).filter(|n| name(*n).exists()).collect();
        assert_eq!(left, [2, 3, 4]);
    }
}
