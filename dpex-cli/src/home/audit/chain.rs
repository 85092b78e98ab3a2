//! The chain itself: lines that name the line before.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Entry;
use crate::error::{Blame, CliError, CliResult};
use crate::home::record::rfc3339;

/// Faults that are named; all are counted.
const MAX_NAMED: usize = 20;

/// The last line: its number and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    n: u64,
    hash: String,
    /// The number of the first line in the file of the last one.
    first: u64,
}

/// Where the chain stands.
#[derive(Clone, Debug)]
pub(super) struct Link {
    n: u64,
    hash: String,
}

impl Default for Link {
    fn default() -> Self {
        Self { n: 0, hash: "0".repeat(64) }
    }
}

impl Link {
    /// After this line. One without a number counts as none: that break is found by whoever follows the chain.
    pub(super) fn after(line: &[u8]) -> Self {
        Self { n: number(line).unwrap_or(0), hash: hash(line) }
    }

    /// The number of the next line.
    pub(super) fn next(&self) -> u64 {
        self.n + 1
    }

    /// The next line, with its end.
    pub(super) fn add(&mut self, Entry { at, kind, person, fields }: Entry) -> CliResult<String> {
        let at =
            rfc3339(at).map_err(|e| CliError::new(Blame::Internal, format!("a moment that cannot be written: {e}")))?;
        self.n += 1;
        let Value::Object(mut fields) = fields else { unreachable!("the fields are an object") };
        fields.insert("n".to_owned(), self.n.into());
        fields.insert("at".to_owned(), at.into());
        if let Some(person) = person {
            fields.insert("person".to_owned(), person.into());
        }
        fields.insert("prev".to_owned(), std::mem::take(&mut self.hash).into());
        let line = crate::ui::record_line(kind, &Value::Object(fields));
        self.hash = hash(line.trim_end().as_bytes());
        Ok(line)
    }

    pub(super) fn head(&self, first: u64) -> Head {
        Head { n: self.n, hash: self.hash.clone(), first }
    }
}

/// The number of a line.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(line).ok()?["n"].as_u64()
}

fn hash(line: &[u8]) -> String {
    HEXLOWER.encode(blake3::hash(line).as_bytes())
}

/// What is wrong with a line.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// In which file.
    pub(crate) file: PathBuf,
    /// Which line of it, from 1.
    pub(crate) line: u64,
    /// What.
    pub(crate) what: String,
}

/// What following the chain has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Lines in all.
    pub(crate) lines: u64,
    /// The number of the first one: above 1 if older files were put elsewhere.
    pub(crate) first: u64,
    /// The hash of the last one.
    pub(crate) head: String,
    /// What is wrong, the first of it by name.
    pub(crate) faults: Vec<Fault>,
}

/// Follows a chain line by line.
#[derive(Debug)]
pub(super) struct Follower {
    wanted: Option<Head>,
    before: Option<Link>,
    /// The number that the next line must have, if it is the first of all.
    begins: u64,
    last: (PathBuf, u64),
    report: Report,
    head_seen: bool,
}

impl Follower {
    pub(super) fn new(wanted: Option<Head>) -> Self {
        Self { wanted, before: None, begins: 1, last: Default::default(), report: Report::default(), head_seen: false }
    }

    /// The next file: one that was put aside says in its name where it begins, and the head says it of the last one.
    pub(super) fn begin(&mut self, number: Option<u64>) {
        self.begins = number.or(self.wanted.as_ref().map(|head| head.first)).unwrap_or(1);
    }

    /// The next line.
    pub(super) fn take(&mut self, file: &Path, line: u64, text: &[u8]) {
        self.report.lines += 1;
        self.last = (file.to_owned(), line);
        let value: Option<Value> = serde_json::from_slice(text).ok();
        let fields = value.as_ref().and_then(|value| Some((value["n"].as_u64()?, value["prev"].as_str()?)));
        let Some((n, prev)) = fields else {
            self.fault("it is not a line of this log".into());
            // What comes next is compared with what was written here.
            self.before = self.before.take().map(|before| Link { n: before.n + 1, hash: hash(text) });
            return;
        };
        match &self.before {
            None => {
                self.report.first = n;
                if n != self.begins {
                    self.fault(format!("lines {} to {} are missing before it", self.begins, n.saturating_sub(1)));
                }
            }
            Some(before) if n == before.n + 1 && prev == before.hash => {}
            Some(before) if n == before.n + 1 => {
                self.fault(format!("the line before, number {}, was changed", before.n));
            }
            Some(before) if n > before.n + 1 => {
                self.fault(format!("lines {} to {} are missing before it", before.n + 1, n - 1));
            }
            Some(before) => self.fault(format!("its number is {n}, after {}", before.n)),
        }
        let hash = hash(text);
        if let Some(head) = self.wanted.as_ref().filter(|head| head.n == n) {
            self.head_seen |= head.hash == hash;
        }
        self.before = Some(Link { n, hash });
    }

    fn fault(&mut self, what: String) {
        if self.report.faults.len() < MAX_NAMED {
            let (file, line) = self.last.clone();
            self.report.faults.push(Fault { file, line, what });
        }
    }

    pub(super) fn finish(mut self) -> Report {
        let reached = self.before.as_ref().map_or(0, |before| before.n);
        match self.wanted.take() {
            Some(head) if reached < head.n => {
                self.fault(format!("lines {} to {} are missing after it", reached + 1, head.n));
            }
            Some(head) if !self.head_seen => {
                self.fault(format!("line number {} is not the one that was written", head.n));
            }
            _ => {}
        }
        self.report.head = self.before.map(|before| before.hash).unwrap_or_default();
        self.report
    }
}
