//! Who got what: an append-only log of JSON lines under a hash chain.
//!
//! ```text
//! {"v":1,"type":"got","n":17,"at":"2026-11-26T10:00:00Z","person":"alice", ... ,"prev":"<BLAKE3 of line 16>"}
//! ```
//!
//! Each line carries its number and the hash of the line before, so that a changed, missing or inserted one is found.
//! `audit.head` holds the number and the hash of the last line, and the number of the file's first, so that missing ones at
//! either end are found as well.
//! Whoever may write all of this folder could write the chain anew; against that, keep what `--verify` prints elsewhere.
//!
//! A file that has become long is put aside, with the number of its first line in its name; the chain goes on in the next.

mod chain;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dpex_core::types::Timestamp;
use serde_json::{Value, json};

use super::lock::Lock;
use super::{record, secret_file};
use crate::error::{CliError, CliResult};

pub(crate) use chain::{Fault, Report};
use chain::{Head, Link};

/// From this length on, a file is put aside.
const LONG: u64 = 64 << 20;
/// Longer than any line: a path of 1,024 bytes, each escaped in six, and what goes with it.
const MAX_LINE: u64 = 32 * 1024;

/// Something that is written down.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) kind: &'static str,
    /// Whom it concerns.
    pub(crate) person: Option<String>,
    /// What else is to be said of it: an object.
    pub(crate) fields: Value,
}

/// The log in one folder. Clones share nothing but the files, which are locked while one writes.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    dir: PathBuf,
    long: u64,
}

impl Audit {
    /// The log in `dir`, which need not exist.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, long: LONG }
    }

    /// Writes entries down; they are on the disk then. A last line that a crash tore is cut off, and that is written down
    /// first.
    pub(crate) fn append(&self, entries: Vec<Entry>) -> CliResult {
        secret_file::create_folder(&self.dir)?;
        let _lock = Lock::take(&self.dir.join("lock"))?;
        let path = self.current();
        let failed = |e: io::Error| CliError::disk("write the log", &path, &e);
        let mut file = open(&path).map_err(failed)?;
        let (mut link, torn) = self.end(&mut file).map_err(failed)?;
        let mut first = first_number(&path).map_err(failed)?;
        if let Some(number) = first.filter(|_| file.metadata().is_ok_and(|file| file.len() >= self.long)) {
            let aside = self.dir.join(format!("audit-{number:012}.jsonl"));
            file.sync_data().and_then(|()| fs::rename(&path, aside)).map_err(failed)?;
            file = open(&path).map_err(failed)?;
            first = None;
        }
        let first = first.unwrap_or(link.next());
        let mut text = String::new();
        let torn = torn.map(|bytes| {
            let at = entries.first().map_or(Timestamp::EPOCH, |entry| entry.at);
            Entry { at, kind: "torn", person: None, fields: json!({ "bytes": bytes }) }
        });
        for entry in torn.into_iter().chain(entries) {
            text.push_str(&link.add(entry)?);
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        secret_file::write(&self.head_file(), &record::to_json(&link.head(first))?)
    }

    /// Hands every line to `take`, oldest first, with what it says.
    pub(crate) fn read(&self, mut take: impl FnMut(&str, &Value) -> CliResult) -> CliResult {
        for path in self.files()? {
            let failed = |e: io::Error| CliError::disk("read the log", &path, &e);
            let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
            while let Some(line) = next_line(&mut reader).map_err(failed)? {
                // What is damaged is `--verify`'s to name.
                let Ok(text) = String::from_utf8(line) else { continue };
                let Ok(value) = serde_json::from_str(&text) else { continue };
                take(&text, &value)?;
            }
        }
        Ok(())
    }

    /// Follows the chain from its beginning to its end.
    pub(crate) fn verify(&self) -> CliResult<Report> {
        let head: Option<Head> = record::load(&self.head_file())?;
        let mut follower = chain::Follower::new(head);
        for path in self.files()? {
            let failed = |e: io::Error| CliError::disk("read the log", &path, &e);
            let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
            follower.begin(number_of(&path));
            let mut number = 0;
            while let Some(line) = next_line(&mut reader).map_err(failed)? {
                number += 1;
                follower.take(&path, number, &line);
            }
        }
        Ok(follower.finish())
    }

    /// The files of the log, oldest first.
    fn files(&self) -> CliResult<Vec<PathBuf>> {
        let failed = |e: io::Error| CliError::disk("list", &self.dir, &e);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if number_of(&path).is_some() {
                files.push(path);
            }
        }
        files.sort();
        let current = self.current();
        if current.exists() {
            files.push(current);
        }
        Ok(files)
    }

    /// Where the chain stands. A torn end is cut off; so many bytes, if any.
    fn end(&self, file: &mut File) -> io::Result<(Link, Option<u64>)> {
        let len = file.metadata()?.len();
        let from = len.saturating_sub(MAX_LINE);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        io::Read::by_ref(file).take(MAX_LINE).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = (tail.len() - whole) as u64;
        if torn > 0 {
            file.set_len(len - torn)?;
        }
        tail.truncate(whole);
        let last = tail.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
        let link = match last {
            Some(line) => Link::after(line),
            None => self.link_aside()?,
        };
        Ok((link, Some(torn).filter(|torn| *torn > 0)))
    }

    /// Where the chain stood when the last file was put aside.
    fn link_aside(&self) -> io::Result<Link> {
        let Some(path) = self.files().ok().and_then(|files| files.into_iter().rfind(|path| number_of(path).is_some()))
        else {
            return Ok(Link::default());
        };
        let mut reader = BufReader::new(File::open(path)?);
        let len = reader.get_ref().metadata()?.len();
        reader.seek(SeekFrom::Start(len.saturating_sub(MAX_LINE)))?;
        let mut last = None;
        while let Some(line) = next_line(&mut reader)? {
            last = Some(line);
        }
        Ok(last.map_or_else(Link::default, |line| Link::after(&line)))
    }

    fn current(&self) -> PathBuf {
        self.dir.join("audit.jsonl")
    }

    fn head_file(&self) -> PathBuf {
        self.dir.join("audit.head")
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// The number of a file's first line, if it has one.
fn first_number(path: &Path) -> io::Result<Option<u64>> {
    let line = next_line(&mut BufReader::new(File::open(path)?))?;
    Ok(line.and_then(|line| chain::number(&line)))
}

/// The number of the first line of a file that was put aside, as its name has it.
fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// The next line, without its end; one that is too long ends where it is too long.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(2 * MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Entry {
        let at = Timestamp::new(1_800_000_000 + n.cast_signed(), 0).expect("a moment");
        Entry {
            at,
            kind: "got",
            person: Some("alice".into()),
            fields: json!({ "path": format!("file {n}\n\u{202e}") }),
        }
    }

    fn log(lines: u64) -> (tempfile::TempDir, Audit) {
        let dir = tempfile::tempdir().expect("a folder");
        let audit = Audit::new(dir.path().join("log"));
        for n in 0..lines {
            audit.append(vec![entry(n)]).expect("written");
        }
        (dir, audit)
    }

    fn lines(audit: &Audit) -> Vec<String> {
        let text = fs::read_to_string(audit.current()).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    fn faults(audit: &Audit, lines: &[String]) -> usize {
        fs::write(audit.current(), lines.join("\n") + "\n").expect("written");
        audit.verify().expect("readable").faults.len()
    }

    #[test]
    fn a_log_as_it_was_written_is_unbroken_and_its_text_is_escaped() {
        let (_dir, audit) = log(20);
        audit.append(vec![entry(20), entry(21)]).expect("written");
        let report = audit.verify().expect("readable");
        assert_eq!((report.lines, report.faults.len()), (22, 0), "{report:?}");
        assert!(lines(&audit).iter().all(|line| line.bytes().all(|byte| byte >= b' ')));
        let mut seen = 0;
        audit
            .read(|_, value| {
                seen += 1;
                assert_eq!(value["n"], seen);
                Ok(())
            })
            .expect("readable");
        assert_eq!(seen, 22);
    }

    #[test]
    fn any_line_that_is_changed_missing_moved_or_added_is_found() {
        let (_dir, audit) = log(6);
        let whole = lines(&audit);
        assert_eq!(faults(&audit, &whole), 0);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] = changed[at].replace("alice", "bob");
            assert!(faults(&audit, &changed) > 0, "line {at} changed");
            let mut missing = whole.clone();
            missing.remove(at);
            assert!(faults(&audit, &missing) > 0, "line {at} missing");
            let mut twice = whole.clone();
            twice.insert(at, whole[at].clone());
            assert!(faults(&audit, &twice) > 0, "line {at} twice");
            let mut garbage = whole.clone();
            garbage[at] = "no json".into();
            assert!(faults(&audit, &garbage) > 0, "line {at} is garbage");
        }
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert!(faults(&audit, &swapped) > 0);
        assert!(faults(&audit, &[]) > 0, "all gone");
    }

    #[test]
    fn a_line_torn_by_a_crash_is_cut_off_and_told_and_the_chain_goes_on() {
        let (_dir, audit) = log(3);
        let whole = fs::read(audit.current()).expect("text");
        fs::write(audit.current(), &whole[..whole.len() - 10]).expect("written");
        audit.append(vec![entry(3)]).expect("written");
        let all = lines(&audit);
        assert!(all.len() == 4 && all[2].contains("\"torn\"") && all[3].contains("file 3"), "{all:?}");
        // The head knew of the third line, which is another one now.
        let report = audit.verify().expect("readable");
        assert!(report.faults.is_empty(), "{report:?}");
    }

    #[test]
    fn a_long_file_is_put_aside_and_the_chain_goes_on_in_the_next() {
        let (_dir, mut audit) = log(0);
        audit.long = 1000;
        for n in 0..30 {
            audit.append(vec![entry(n)]).expect("written");
        }
        let files = audit.files().expect("files");
        assert!(files.len() > 3, "{files:?}");
        let report = audit.verify().expect("readable");
        assert_eq!((report.lines, report.faults.len()), (30, 0), "{report:?}");
        fs::remove_file(&files[1]).expect("removed");
        assert_eq!(audit.verify().expect("readable").faults.len(), 1);
    }

    #[test]
    fn who_puts_old_files_elsewhere_is_told_where_the_rest_begins() {
        let (_dir, mut audit) = log(0);
        audit.long = 1000;
        for n in 0..30 {
            audit.append(vec![entry(n)]).expect("written");
        }
        fs::remove_file(&audit.files().expect("files")[0]).expect("removed");
        let report = audit.verify().expect("readable");
        assert!(report.faults.is_empty() && report.first > 1, "{report:?}");
    }
}
