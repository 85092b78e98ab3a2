//! How many files came, how many were here, how many failed and why; and what that means for the exit code.

use dpex_core::engine::Failure;
use dpex_core::store::StoreError;
use dpex_core::types::{Digest, SharePath};
use serde_json::json;

use super::words;
use crate::commands::failures;
use crate::error::{Blame, CliError, CliResult};
use crate::ui::{End, Ui, size};

/// Why a word that stands for nothing on the server got nothing.
pub(super) const NOT_OFFERED: &str = "it is not on offer";

/// The count of a command.
#[derive(Debug, Default)]
pub(super) struct Tally {
    fetched: u64,
    bytes: u64,
    here: u64,
    failed: Vec<Missing>,
    full: bool,
    unmatched: Vec<String>,
    /// Entries that the server could not read.
    skipped: u64,
    disconnected: Option<CliError>,
}

/// Something that was asked for and is not here.
#[derive(Debug)]
struct Missing {
    blame: Blame,
    name: String,
    why: String,
}

/// A disk that failed so often and took nothing will take nothing.
const DISK_FAILURES: usize = 16;

impl Tally {
    /// Begins with what was not found.
    pub(super) fn begin(unmatched: Vec<String>, skipped: u64) -> Self {
        Self { unmatched, skipped, ..Self::default() }
    }

    /// Is it pointless to begin another file?
    pub(super) fn is_hopeless(&self) -> bool {
        let count = |blame| self.failed.iter().filter(|missing| missing.blame == blame).count();
        self.full || count(Blame::NoAnswer) > 0 || (self.fetched == 0 && count(Blame::Disk) >= DISK_FAILURES)
    }

    /// A file is complete, verified and under its name.
    pub(super) fn finished(&mut self, asked: &SharePath, name: &SharePath, root: Digest, bytes: u64) -> End {
        self.fetched += 1;
        self.bytes += bytes;
        let renamed = (asked != name).then(|| name.to_string());
        End::Done { hash: root.to_string(), renamed }
    }

    /// A request failed.
    pub(super) fn failed(&mut self, path: &SharePath, failure: &Failure) -> End {
        match failure {
            Failure::Store(e) => self.not_stored(path, e),
            other => {
                let (blame, why) = failures::explain(other);
                self.miss(blame, path, why)
            }
        }
    }

    fn miss(&mut self, blame: Blame, path: &SharePath, why: String) -> End {
        self.failed.push(Missing { blame, name: path.to_string(), why: why.clone() });
        End::Failed(why)
    }

    /// The receiving folder did not take a file, perhaps because it has it.
    pub(super) fn not_stored(&mut self, path: &SharePath, error: &StoreError) -> End {
        let blame = match error {
            StoreError::Same => {
                self.here += 1;
                return End::Skipped("already here".into());
            }
            StoreError::Full | StoreError::Io(_) => Blame::Disk,
            _ => Blame::Partial,
        };
        self.full |= matches!(error, StoreError::Full);
        self.miss(blame, path, words(error))
    }

    /// The connection ended before the command did.
    pub(super) fn disconnected(&mut self, why: CliError) {
        self.disconnected = Some(why);
    }

    /// Says how it ended, and with which exit code.
    pub(super) fn conclude(self, ui: Ui) -> CliResult {
        if ui.json {
            ui.record(
                "summary",
                json!({
                    "fetched": self.fetched, "bytes": self.bytes, "here": self.here,
                    "failed": self.failed.len(), "unmatched": self.unmatched, "unreadable": self.skipped,
                }),
            )?;
        } else {
            ui.say(&self.sentence());
        }
        self.verdict()
    }

    fn sentence(&self) -> String {
        let mut parts = vec![format!("{} fetched ({})", self.fetched, size(self.bytes))];
        let mut tell = |count: u64, what: &str| {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        };
        tell(self.here, "already here");
        tell(self.failed.len() as u64, "failed");
        tell(self.skipped, "could not be read by the server, or have names that cannot travel");
        parts.join(", ")
    }

    /// Disk problems and a lost connection are told as such, since they stop the rest; other failures only if nothing
    /// worked and all have one reason.
    fn verdict(mut self) -> CliResult {
        if let Some(Missing { blame, name, why }) = self.failed.iter().find(|missing| missing.blame == Blame::Disk) {
            return Err(failures::with_hint(CliError::new(*blame, format!("failed to store `{name}`: {why}"))));
        }
        if let Some(error) = self.disconnected.take_if(|_| !self.failed.is_empty()) {
            return Err(error);
        }
        let unmatched = self.unmatched.into_iter();
        let unmatched = unmatched.map(|name| Missing { blame: Blame::Refused, name, why: NOT_OFFERED.to_owned() });
        let all: Vec<Missing> = unmatched.chain(self.failed).collect();
        let Some(Missing { blame, name, why }) = all.first() else { return Ok(()) };
        let uniform = self.fetched + self.here == 0 && all.iter().all(|missing| missing.blame == *blame);
        let (cause, blame) = (*blame, if uniform { *blame } else { Blame::Partial });
        let message = match all.len() {
            1 => format!("failed to get `{name}`: {why}"),
            n => format!("failed to get {n} files; the first, `{name}`: {why}"),
        };
        Err(failures::hint_at(CliError::new(blame, message), cause))
    }
}

#[cfg(test)]
mod tests {
    use dpex_core::wire::message::FailCode;

    use super::*;

    fn code(tally: Tally) -> u8 {
        tally.verdict().map_or_else(|e| e.blame().exit_code(), |()| 0)
    }

    fn path() -> SharePath {
        SharePath::parse("a").expect("a name")
    }

    fn not_found() -> Failure {
        Failure::Refused { code: FailCode::NotFound, text: String::new() }
    }

    #[test]
    fn the_exit_code_tells_what_a_script_must_do_next() {
        assert_eq!(code(Tally::default()), 0);
        assert_eq!(code(Tally { here: 3, ..Tally::default() }), 0);
        assert_eq!(code(Tally::begin(vec!["x".into()], 0)), 5, "nothing asked for is there");
        let some = || Tally { fetched: 1, ..Tally::default() };
        let mut tally = some();
        tally.failed(&path(), &not_found());
        assert_eq!(code(tally), 1, "one of several");
        let mut tally = Tally::default();
        tally.failed(&path(), &Failure::Mismatch);
        assert_eq!(code(tally), 7);
        let mut tally = some();
        tally.failed(&path(), &Failure::Store(StoreError::Full));
        tally.failed(&path(), &not_found());
        assert_eq!(code(tally), 6, "a full disk stops everything");
        let mut tally = some();
        tally.failed(&path(), &Failure::Disconnected);
        tally.disconnected(crate::commands::connection::ended(None));
        assert_eq!(code(tally), 4);
        let mut tally = Tally::default();
        tally.failed(&path(), &Failure::Store(StoreError::Exists));
        assert_eq!(code(tally), 1, "kept files are a partial result");
    }

    #[test]
    fn one_failure_of_the_disk_does_not_stop_the_rest_and_a_full_or_dead_one_does() {
        let io = || Failure::Store(StoreError::Io(std::io::ErrorKind::PermissionDenied.into()));
        let mut tally = Tally::default();
        for _ in 1..DISK_FAILURES {
            tally.failed(&path(), &io());
        }
        assert!(!tally.is_hopeless());
        tally.failed(&path(), &io());
        assert!(tally.is_hopeless());
        tally.fetched = 1;
        assert!(!tally.is_hopeless(), "it takes some");
        tally.failed(&path(), &Failure::Store(StoreError::Full));
        assert!(tally.is_hopeless());
    }

    #[test]
    fn what_is_here_already_is_no_failure() {
        let mut tally = Tally::default();
        assert!(matches!(tally.failed(&path(), &Failure::Store(StoreError::Same)), End::Skipped(_)));
        assert_eq!(tally.sentence(), "0 fetched (0 B), 1 already here");
        assert_eq!(code(tally), 0);
    }
}
