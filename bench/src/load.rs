//! What is sent.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The name of the one big file.
pub(crate) const BIG: &str = "big";

/// Files to be sent, with content that does not compress.
#[derive(Debug)]
pub(crate) struct Load {
    /// Their paths, below the folder that is sent.
    files: Vec<PathBuf>,
    /// The size of each, in bytes.
    size: usize,
}

impl Load {
    /// One file of this many MiB.
    pub(crate) fn big(mib: usize) -> Self {
        Self { files: vec![BIG.into()], size: mib << 20 }
    }

    /// This many files of this many bytes, spread over folders that lie this deep.
    pub(crate) fn small(files: usize, size: usize, folders: usize, depth: usize) -> Self {
        let path = |i: usize| {
            let mut path: PathBuf = (0..depth).map(|level| format!("d{level}-{}", i % folders.max(1))).collect();
            path.push(format!("file-{i}"));
            path
        };
        Self { files: (0..files).map(path).collect(), size }
    }

    /// Is it a tree of files, and not one?
    pub(crate) fn is_small(&self) -> bool {
        self.files.len() > 1
    }

    /// How many bytes there are in all.
    pub(crate) fn bytes(&self) -> u64 {
        (self.files.len() * self.size) as u64
    }

    /// Writes the files.
    pub(crate) fn make(&self, into: &Path) -> Outcome {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut chunk = vec![0; self.size.min(1 << 20)];
        for file in &self.files {
            let path = into.join(file);
            fs::create_dir_all(path.parent().unwrap_or(into))?;
            let mut file = File::create(path)?;
            let mut left = self.size;
            while left > 0 {
                let part = left.min(chunk.len());
                for word in chunk[..part].chunks_mut(8) {
                    word.copy_from_slice(&random(&mut state).to_le_bytes()[..word.len()]);
                }
                file.write_all(&chunk[..part])?;
                left -= part;
            }
        }
        Ok(())
    }

    /// Gives the files other names, in another folder on the same disk.
    pub(crate) fn link(&self, from: &Path, into: &Path) -> Outcome {
        for file in &self.files {
            let path = into.join(file);
            fs::create_dir_all(path.parent().unwrap_or(into))?;
            fs::hard_link(from.join(file), path)?;
        }
        Ok(())
    }

    /// Did all of it arrive? Their sizes tell: whether the content is right is what the tests are for.
    pub(crate) fn check(&self, into: &Path) -> Outcome {
        for file in &self.files {
            let path = into.join(file);
            let size = fs::metadata(&path).map_err(|e| format!("{} did not arrive: {e}", path.display()))?.len();
            if size != self.size as u64 {
                return Err(format!("{} arrived with {size} bytes of {}", path.display(), self.size).into());
            }
        }
        Ok(())
    }
}

impl Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files.len() {
            1 => write!(f, "one file of {} MiB", self.size >> 20),
            count => write!(f, "{count} files of {} bytes", self.size),
        }
    }
}

/// A fast generator (xorshift64*), as good as needed for what must merely not compress.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
