//! How many files came, how many were here, how many failed and why; and what that means for the exit code.

use dpex_core::engine::Failure;
use dpex_core::store::StoreError;
use dpex_core::types::{Digest, SharePath};
use serde_json::json;

use super::words;
use crate::commands::failures;
use crate::error::{Blame, CliError, CliResult};
use crate::ui::{End, Ui, size};

/// The count of a command.
#[derive(Debug, Default)]
pub(super) struct Tally {
    fetched: u64,
    bytes: u64,
    here: u64,
    failed: Vec<(Blame, String)>,
    unmatched: Vec<String>,
    /// Entries that the server could not read.
    skipped: u64,
    disconnected: Option<CliError>,
}

impl Tally {
    /// Begins with what was not found.
    pub(super) fn begin(unmatched: Vec<String>, skipped: u64) -> Self {
        Self { unmatched, skipped, ..Self::default() }
    }

    /// Is it pointless to begin another file?
    pub(super) fn is_hopeless(&self) -> bool {
        let hopeless = |blame: &Blame| matches!(blame, Blame::Disk | Blame::NoAnswer);
        self.failed.iter().any(|(blame, _)| hopeless(blame))
    }

    /// A file is complete, verified and under its name.
    pub(super) fn finished(&mut self, asked: &SharePath, name: &SharePath, root: Digest, bytes: u64) -> End {
        self.fetched += 1;
        self.bytes += bytes;
        let renamed = (asked != name).then(|| name.to_string());
        End::Done { hash: root.to_string(), renamed }
    }

    /// A request failed.
    pub(super) fn failed(&mut self, failure: &Failure) -> End {
        match failure {
            Failure::Store(e) => self.not_stored(e),
            other => {
                let (blame, why) = failures::explain(other);
                self.failed.push((blame, why.clone()));
                End::Failed(why)
            }
        }
    }

    /// The receiving folder did not take a file, perhaps because it has it.
    pub(super) fn not_stored(&mut self, error: &StoreError) -> End {
        if matches!(error, StoreError::Same) {
            self.here += 1;
            return End::Skipped("already here".into());
        }
        End::Failed(self.store_failed(error))
    }

    /// The receiving folder failed.
    pub(super) fn store_failed(&mut self, error: &StoreError) -> String {
        let why = words(error);
        let blame = match error {
            StoreError::Full | StoreError::Io(_) => Blame::Disk,
            _ => Blame::Partial,
        };
        self.failed.push((blame, why.clone()));
        why
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

    /// A full disk and a lost connection are told as such, since they stopped the rest; other failures only if nothing
    /// worked and all have one reason.
    fn verdict(mut self) -> CliResult {
        if let Some((blame, why)) = self.failed.iter().find(|(blame, _)| *blame == Blame::Disk) {
            return Err(failures::with_hint(CliError::new(*blame, format!("failed to store a file: {why}"))));
        }
        if let Some(error) = self.disconnected.take_if(|_| !self.failed.is_empty()) {
            return Err(error);
        }
        let missing = self.unmatched.iter().map(|word| (Blame::Refused, format!("there is no `{word}` on offer")));
        let all: Vec<(Blame, String)> = missing.chain(self.failed).collect();
        let Some((blame, why)) = all.first() else { return Ok(()) };
        let uniform = self.fetched + self.here == 0 && all.iter().all(|(b, _)| b == blame);
        let blame = if uniform { *blame } else { Blame::Partial };
        let message = match all.len() {
            1 => format!("failed to get a file: {why}"),
            n => format!("failed to get {n} files; the first: {why}"),
        };
        Err(failures::with_hint(CliError::new(blame, message)))
    }
}

#[cfg(test)]
mod tests {
    use dpex_core::wire::message::FailCode;

    use super::*;

    fn code(tally: Tally) -> u8 {
        tally.verdict().map_or_else(|e| e.blame().exit_code(), |()| 0)
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
        tally.failed(&not_found());
        assert_eq!(code(tally), 1, "one of several");
        let mut tally = Tally::default();
        tally.failed(&Failure::Mismatch);
        assert_eq!(code(tally), 7);
        let mut tally = some();
        tally.failed(&Failure::Store(StoreError::Full));
        tally.failed(&not_found());
        assert_eq!(code(tally), 6, "a full disk stops everything");
        let mut tally = some();
        tally.failed(&Failure::Disconnected);
        tally.disconnected(crate::commands::connection::ended(None));
        assert_eq!(code(tally), 4);
        let mut tally = Tally::default();
        tally.failed(&Failure::Store(StoreError::Exists));
        assert_eq!(code(tally), 1, "kept files are a partial result");
    }

    #[test]
    fn what_is_here_already_is_no_failure() {
        let mut tally = Tally::default();
        assert!(matches!(tally.failed(&Failure::Store(StoreError::Same)), End::Skipped(_)));
        assert_eq!(tally.sentence(), "0 fetched (0 B), 1 already here");
        assert_eq!(code(tally), 0);
    }
}
