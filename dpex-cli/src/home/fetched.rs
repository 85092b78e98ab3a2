//! What this client has fetched: of each file in a target folder the version it had on the server, and what it was here
//! when it had arrived.
//!
//! With it a second run knows what is new or changed without reading a byte of content. It is a memory and no authority:
//! a line that is torn or missing costs a comparison, and what is really here is always looked at.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dpex_core::enrol::Slug;
use dpex_core::types::{SharePath, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::secret_file::{create_folder, write};
use crate::error::{CliError, CliResult};

/// The longest memory that is read, in bytes; a longer one is begun anew.
const MOST: u64 = 256 << 20;

/// What was fetched under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The version it had on the server.
    pub(crate) version: Version,
    /// Its size here, in bytes, when it had arrived.
    pub(crate) size: u64,
    /// Its time of change here then.
    pub(crate) mtime: Timestamp,
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(rename = "p")]
    path: std::borrow::Cow<'a, str>,
    #[serde(rename = "v")]
    version: String,
    #[serde(rename = "s")]
    size: u64,
    #[serde(rename = "t")]
    mtime: (i64, u32),
}

/// The memory of one target folder and one server.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    known: HashMap<SharePath, Fetched>,
    out: Option<BufWriter<File>>,
}

impl Ledger {
    /// Reads what is remembered. `dir` is the folder of all such memories, made when something is to be remembered.
    pub(super) fn load(dir: &Path, server: &Slug, target: &Path) -> CliResult<Self> {
        // Two ways to name one folder are one folder; one that is not there yet is named as it was.
        let place =
            target.canonicalize().or_else(|_| std::path::absolute(target)).unwrap_or_else(|_| target.to_owned());
        let hash = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
        let path = dir.join(format!("{server}-{}.jsonl", &hash[..16]));
        let text = match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() <= MOST => std::fs::read(&path),
            Ok(_) => Ok(Vec::new()),
            Err(e) => Err(e),
        };
        let text = match text {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(CliError::disk("read", &path, &e)),
        };
        let (mut known, mut lines) = (HashMap::new(), 0_usize);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            if let Some((path, fetched)) = parse(line) {
                known.insert(path, fetched);
            }
        }
        let ledger = Self { path, known, out: None };
        if lines > 2 * ledger.known.len() + 1000 {
            ledger.compact()?;
        }
        Ok(ledger)
    }

    /// What is remembered of a name.
    pub(crate) fn get(&self, path: &SharePath) -> Option<&Fetched> {
        self.known.get(path)
    }

    /// Remembers a file that is here.
    pub(crate) fn put(&mut self, path: &SharePath, fetched: Fetched) -> CliResult {
        if self.known.insert(path.clone(), fetched) == Some(fetched) {
            return Ok(());
        }
        let failed = |e: std::io::Error, at: &Path| CliError::disk("write", at, &e);
        let out = match &mut self.out {
            Some(out) => out,
            none => {
                if let Some(dir) = self.path.parent() {
                    create_folder(dir)?;
                }
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
                none.insert(BufWriter::new(file.map_err(|e| failed(e, &self.path))?))
            }
        };
        // A whole line in front keeps what follows a torn one readable.
        let line = format!("{}\n", line(path, &fetched)?);
        out.write_all(line.as_bytes()).map_err(|e| failed(e, &self.path))
    }

    /// Hands what was remembered to the system.
    pub(crate) fn flush(&mut self) -> CliResult {
        let Some(out) = &mut self.out else { return Ok(()) };
        out.flush().map_err(|e| CliError::disk("write", &self.path, &e))
    }

    fn compact(&self) -> CliResult {
        let mut text = String::new();
        for (path, fetched) in &self.known {
            text.push_str(&line(path, fetched)?);
            text.push('\n');
        }
        write(&self.path, text.as_bytes())
    }
}

fn line(path: &SharePath, fetched: &Fetched) -> CliResult<String> {
    let Fetched { version, size, mtime } = fetched;
    let mtime = (mtime.secs(), mtime.nanos());
    let line = Line { path: path.as_str().into(), version: version.to_string(), size: *size, mtime };
    serde_json::to_string(&line)
        .map_err(|e| CliError::new(crate::error::Blame::Internal, format!("a line could not be written: {e}")))
}

fn parse(line: &[u8]) -> Option<(SharePath, Fetched)> {
    let Line { path, version, size, mtime: (secs, nanos) } = serde_json::from_slice(line).ok()?;
    let fetched = Fetched { version: Version::from_hex(&version)?, size, mtime: Timestamp::new(secs, nanos)? };
    Some((SharePath::parse(&path).ok()?, fetched))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn path(text: &str) -> SharePath {
        SharePath::parse(text).expect("a name")
    }

    fn fetched(n: u8) -> Fetched {
        let mtime = Timestamp::new(-5, 7).expect("valid");
        Fetched { version: Version([n; 16]), size: u64::MAX, mtime }
    }

    fn server() -> Slug {
        "bob".parse().expect("a slug")
    }

    #[test]
    fn what_was_fetched_is_remembered_for_that_folder_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let (memories, here) = (dir.path().join("fetched"), dir.path());
        let mut ledger = Ledger::load(&memories, &server(), here).expect("empty");
        assert!(!memories.exists(), "nothing is made before there is something to remember");
        ledger.put(&path("a/\u{e9}\"x"), fetched(1)).expect("written");
        ledger.put(&path("b"), fetched(1)).expect("written");
        ledger.put(&path("b"), fetched(2)).expect("written");
        ledger.flush().expect("written");
        let mode = std::fs::metadata(&ledger.path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "what somebody fetched is nobody's business");
        let again = Ledger::load(&memories, &server(), &here.join(".")).expect("read");
        assert_eq!(again.get(&path("a/\u{e9}\"x")), Some(&fetched(1)));
        assert_eq!(again.get(&path("b")), Some(&fetched(2)));
        assert_eq!(again.get(&path("c")), None);
        assert!(Ledger::load(&memories, &server(), &memories).expect("empty").get(&path("b")).is_none());
    }

    #[test]
    fn a_torn_line_costs_itself_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut ledger = Ledger::load(dir.path(), &server(), dir.path()).expect("empty");
        for name in ["a", "b", "c"] {
            ledger.put(&path(name), fetched(3)).expect("written");
        }
        ledger.flush().expect("written");
        let whole = std::fs::read(&ledger.path).expect("there");
        for cut in 0..whole.len() {
            std::fs::write(&ledger.path, &whole[..cut]).expect("written");
            let known = Ledger::load(dir.path(), &server(), dir.path()).expect("read").known.len();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert!(known == lines || known == lines + 1, "{known} of {lines} at {cut}");
        }
    }

    #[test]
    fn what_was_replaced_often_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut ledger = Ledger::load(dir.path(), &server(), dir.path()).expect("empty");
        for n in 0..1500_u32 {
            ledger.put(&path("a"), fetched(u8::try_from(n % 2).expect("small"))).expect("written");
        }
        ledger.flush().expect("written");
        let before = std::fs::metadata(&ledger.path).expect("there").len();
        let again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
        assert_eq!(again.get(&path("a")), Some(&fetched(1)));
        assert!(std::fs::metadata(&again.path).expect("there").len() < before / 1000);
    }
}
