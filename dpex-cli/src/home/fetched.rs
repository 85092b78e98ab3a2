//! What this client has fetched: of each file in a target folder the version it had on the server, and what it was here
//! when it had arrived.
//!
//! With it a second run knows what is new or changed without reading a byte of content. It is a memory and no authority:
//! a line that is torn or missing costs a comparison, and what is really here is always looked at.
//!
//! Two commands may have one memory at once. Whoever writes holds the lock of the folder, and opens the file under it: so
//! nobody appends to one that another has just replaced. Reading takes no lock.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dpex_core::enrol::Slug;
use dpex_core::types::{SharePath, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::secret_file::{create_folder, write};
use crate::error::{CliError, CliResult};

/// The longest memory that is read, in bytes; a longer one is begun anew.
const MOST: u64 = 256 << 20;
/// Bytes of lines that are written together.
const TOGETHER: usize = 16 << 10;

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
    /// Whole lines that are still to be written.
    unwritten: String,
}

impl Ledger {
    /// Reads what is remembered. `dir` is the folder of all such memories, made when something is to be remembered.
    pub(super) fn load(dir: &Path, server: &Slug, target: &Path) -> CliResult<Self> {
        Self::load_up_to(MOST, dir, server, target)
    }

    fn load_up_to(most: u64, dir: &Path, server: &Slug, target: &Path) -> CliResult<Self> {
        // Two ways to name one folder are one folder; one that is not there yet is named as it was.
        let place =
            target.canonicalize().or_else(|_| std::path::absolute(target)).unwrap_or_else(|_| target.to_owned());
        let hash = blake3::hash(place.as_os_str().as_encoded_bytes()).to_hex();
        let path = dir.join(format!("{server}-{}.jsonl", &hash[..16]));
        let (known, lines) = read(&path, most)?;
        let mut ledger = Self { path, known, unwritten: String::new() };
        if is_long(lines, ledger.known.len()) {
            ledger.compact(most)?;
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
        self.unwritten.push_str(&line(path, &fetched)?);
        self.unwritten.push('\n');
        if self.unwritten.len() < TOGETHER { Ok(()) } else { self.flush() }
    }

    /// Hands what was remembered to the system.
    pub(crate) fn flush(&mut self) -> CliResult {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        // An end of line in front keeps what follows a torn line readable.
        let lines = format!("\n{}", std::mem::take(&mut self.unwritten));
        let _lock = self.lock()?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|e| CliError::disk("write", &self.path, &e))
    }

    fn lock(&self) -> CliResult<Lock> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        create_folder(dir)?;
        // No memory has this name: each ends in `.jsonl`.
        Lock::take(&dir.join("lock"))
    }

    /// Writes what is known, with what others have added meanwhile, in place of all the lines it took to come to it.
    fn compact(&mut self, most: u64) -> CliResult {
        let _lock = self.lock()?;
        let (known, lines) = read(&self.path, most)?;
        self.known = known;
        if !is_long(lines, self.known.len()) {
            return Ok(());
        }
        let mut text = String::new();
        for (path, fetched) in &self.known {
            text.push_str(&line(path, fetched)?);
            text.push('\n');
        }
        write(&self.path, text.as_bytes())
    }
}

/// What a file of lines knows, and how many lines it is. One of more than `most` bytes knows nothing, and is all too
/// long.
fn read(path: &Path, most: u64) -> CliResult<(HashMap<SharePath, Fetched>, usize)> {
    let text = match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > most => return Ok((HashMap::new(), usize::MAX)),
        Ok(_) => std::fs::read(path),
        Err(e) => Err(e),
    };
    let text = match text {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(CliError::disk("read", path, &e)),
    };
    let (mut known, mut lines) = (HashMap::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        lines += 1;
        if let Some((path, fetched)) = parse(line) {
            known.insert(path, fetched);
        }
    }
    Ok((known, lines))
}

/// Are most of the lines about what later ones know better?
fn is_long(lines: usize, known: usize) -> bool {
    lines > 2 * known + 1000
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
            let lines = whole[..cut].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            assert!(known == lines || known + 1 == lines, "{known} of {lines} at {cut}");
            // Nor does it cost what is written after it.
            let mut again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
            again.put(&path("d"), fetched(4)).expect("written");
            again.flush().expect("written");
            let again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
            assert_eq!((again.known.len(), again.get(&path("d"))), (known + 1, Some(&fetched(4))), "at {cut}");
        }
    }

    #[test]
    fn what_was_replaced_often_is_written_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = long(dir.path());
        let before = std::fs::metadata(&ledger.path).expect("there").len();
        let again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
        assert_eq!(again.get(&path("a")), Some(&fetched(1)));
        assert!(std::fs::metadata(&again.path).expect("there").len() < before / 1000);
    }

    #[test]
    fn one_that_is_too_long_is_begun_anew_and_remembers_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let most = std::fs::metadata(&long(dir.path()).path).expect("there").len() - 1;
        let load = || Ledger::load_up_to(most, dir.path(), &server(), dir.path()).expect("read");
        let mut ledger = load();
        assert_eq!(ledger.get(&path("a")), None);
        assert_eq!(std::fs::metadata(&ledger.path).expect("there").len(), 0);
        ledger.put(&path("b"), fetched(3)).expect("written");
        ledger.flush().expect("written");
        assert_eq!(load().get(&path("b")), Some(&fetched(3)));
    }

    /// A memory that is to be written anew.
    fn long(dir: &Path) -> Ledger {
        let mut ledger = Ledger::load(dir, &server(), dir).expect("empty");
        for n in 0..1500_u32 {
            ledger.put(&path("a"), fetched(u8::try_from(n % 2).expect("small"))).expect("written");
        }
        ledger.flush().expect("written");
        ledger
    }

    #[test]
    fn what_one_command_remembers_outlasts_that_another_writes_all_of_it_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut one = long(dir.path());
        let before = std::fs::metadata(&one.path).expect("there").len();
        Ledger::load(dir.path(), &server(), dir.path()).expect("read");
        assert!(std::fs::metadata(&one.path).expect("there").len() < before, "written anew");
        one.put(&path("b"), fetched(3)).expect("written");
        one.flush().expect("written");
        let again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
        assert_eq!((again.get(&path("a")), again.get(&path("b"))), (Some(&fetched(1)), Some(&fetched(3))));
    }

    #[test]
    fn commands_that_come_at_once_lose_nothing_and_do_not_stop_each_other() {
        let dir = tempfile::tempdir().expect("a folder");
        for round in 0..20_u8 {
            long(dir.path());
            let all = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                for n in 0..8_u8 {
                    let (all, dir) = (&all, dir.path());
                    scope.spawn(move || {
                        all.wait();
                        let mut ledger = Ledger::load(dir, &server(), dir).expect("read");
                        ledger.put(&path(&format!("{round}-{n}")), fetched(n)).expect("written");
                        ledger.flush().expect("written");
                    });
                }
            });
            let again = Ledger::load(dir.path(), &server(), dir.path()).expect("read");
            for n in 0..8 {
                assert_eq!(again.get(&path(&format!("{round}-{n}"))), Some(&fetched(n)), "round {round}");
            }
        }
    }
}
