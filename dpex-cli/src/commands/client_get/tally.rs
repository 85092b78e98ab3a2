//! How many files came, how many were here, how many failed and why; and what that means for the exit code.

use dpex_core::engine::Failure;
use dpex_core::store::StoreError;
use dpex_core::types::{Digest, SharePath};
use serde_json::json;

use super::{room, words};
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
    failed: u64,
    /// Of those, how many because of this machine's disk, and because nobody answers any more.
    disk: u64,
    lost: u64,
    /// The first of those that failed, and the first because of the disk.
    first: Option<Missing>,
    first_disk: Option<Missing>,
    /// They failed for different reasons.
    mixed: bool,
    full: bool,
    unmatched: Vec<String>,
    /// Entries that the server cannot offer.
    skipped: u64,
    /// Files that were not asked for, because it would have been pointless.
    not_begun: u64,
    disconnected: Option<CliError>,
}

/// Something that was asked for and is not here.
#[derive(Clone, Debug)]
struct Missing {
    blame: Blame,
    name: String,
    why: String,
    hint: &'static str,
}

/// A disk that failed so often and took nothing will take nothing.
const DISK_FAILURES: u64 = 16;

impl Tally {
    /// Begins with what was not found.
    pub(super) fn begin(unmatched: Vec<String>, skipped: u64) -> Self {
        Self { unmatched, skipped, ..Self::default() }
    }

    /// Is it pointless to begin another file?
    pub(super) fn is_hopeless(&self) -> bool {
        self.full || self.lost > 0 || (self.fetched == 0 && self.disk >= DISK_FAILURES)
    }

    /// A file is complete, verified and under its name.
    pub(super) fn finished(&mut self, asked: &SharePath, name: &SharePath, root: Digest, bytes: u64) -> End {
        self.fetched += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let renamed = (asked != name).then(|| name.to_string());
        End::Done { hash: root.to_string(), renamed }
    }

    /// A request failed.
    pub(super) fn failed(&mut self, path: &SharePath, failure: &Failure) -> End {
        match failure {
            Failure::Store(e) => self.not_stored(path, e),
            other => {
                let (blame, why) = failures::explain(other);
                self.miss(blame, path, why, failures::failure_hint(other))
            }
        }
    }

    fn miss(&mut self, blame: Blame, path: &SharePath, why: String, hint: &'static str) -> End {
        let missing = || Missing { blame, name: path.to_string(), why: why.clone(), hint };
        self.failed += 1;
        self.mixed |= self.first.get_or_insert_with(missing).blame != blame;
        match blame {
            Blame::Disk => {
                self.disk += 1;
                self.first_disk.get_or_insert_with(missing);
            }
            Blame::NoAnswer => self.lost += 1,
            _ => {}
        }
        End::Failed(why)
    }

    /// The receiving folder did not take a file, perhaps because it has it.
    pub(super) fn not_stored(&mut self, path: &SharePath, error: &StoreError) -> End {
        let blame = match error {
            StoreError::Same => return self.same(),
            StoreError::Full | StoreError::Io(_) => Blame::Disk,
            _ => Blame::Partial,
        };
        self.full |= matches!(error, StoreError::Full);
        self.miss(blame, path, words(error), failures::store_hint(error))
    }

    /// It is known by now that there is too little room for it.
    pub(super) fn no_room(&mut self, path: &SharePath, error: &CliError) -> End {
        self.miss(Blame::Disk, path, error.message().to_owned(), room::HINT)
    }

    /// A file of that name is here, of another size or time, and was kept.
    pub(super) fn differs(&mut self, path: &SharePath) -> End {
        self.miss(Blame::Partial, path, failures::DIFFERS.to_owned(), failures::DIFFERS_HINT)
    }

    /// What was received could not be made to outlast a power cut.
    pub(super) fn not_settled(&mut self, error: &StoreError) {
        let missing = || Missing {
            blame: Blame::Disk,
            name: "what was fetched".to_owned(),
            why: words(error),
            hint: failures::store_hint(error),
        };
        self.first_disk.get_or_insert_with(missing);
    }

    /// The file that is wanted is here.
    pub(super) fn same(&mut self) -> End {
        self.here += 1;
        End::Skipped("already here".into())
    }

    /// So many files were not even asked for.
    pub(super) fn not_begun(&mut self, files: usize) {
        self.not_begun = files as u64;
    }

    /// The connection ended before the command did.
    pub(super) fn disconnected(&mut self, why: CliError) {
        self.disconnected.get_or_insert(why);
    }

    /// Says how it ended, and with which exit code.
    pub(super) fn conclude(self, ui: Ui) -> CliResult {
        if ui.json {
            ui.record(
                "summary",
                json!({
                    "fetched": self.fetched, "bytes": self.bytes, "here": self.here,
                    "failed": self.failed, "unmatched": self.unmatched, "left-out": self.skipped,
                    "not-begun": self.not_begun,
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
        tell(self.failed, "failed");
        tell(self.not_begun, "not begun");
        tell(self.skipped, "left out by the server");
        parts.join(", ")
    }

    /// Disk problems and a lost connection are told as such, since they stop the rest; other failures only if nothing
    /// worked and all have one reason.
    fn verdict(mut self) -> CliResult {
        if let Some(Missing { blame, name, why, hint }) = self.first_disk.take() {
            let message = format!("failed to store `{name}`: {why}{}", self.rest());
            return Err(CliError::new(blame, message).hint(hint));
        }
        if let Some(error) = self.disconnected.take_if(|_| self.failed + self.not_begun > 0) {
            let message = format!("{}{}", error.message(), self.rest());
            return Err(CliError::new(error.blame(), message).hint(error.hint_text()));
        }
        let unmatched = self.unmatched.first();
        let unmatched = unmatched.map(|name| Missing {
            blame: Blame::Refused,
            name: name.clone(),
            why: NOT_OFFERED.to_owned(),
            hint: failures::hint(Blame::Refused),
        });
        let mixed = self.mixed
            || unmatched.as_ref().zip(self.first.as_ref()).is_some_and(|(one, other)| one.blame != other.blame);
        let count = self.unmatched.len() as u64 + self.failed;
        let rest = self.rest();
        let Some(Missing { blame, name, why, hint }) = unmatched.or(self.first) else {
            return match self.skipped {
                0 => Ok(()),
                n => Err(CliError::new(Blame::Partial, failures::left_out(n)).hint(failures::LEFT_OUT_HINT)),
            };
        };
        let uniform = self.fetched + self.here == 0 && !mixed;
        let blame = if uniform { blame } else { Blame::Partial };
        let message = match count {
            1 => format!("failed to get `{name}`: {why}{rest}"),
            n => format!("failed to get {n} files; the first, `{name}`: {why}{rest}"),
        };
        Err(CliError::new(blame, message).hint(hint))
    }

    /// What to add to a reason: what else did not come.
    fn rest(&self) -> String {
        let mut rest = match self.not_begun {
            0 => String::new(),
            1 => "; 1 file was not begun".to_owned(),
            n => format!("; {n} files were not begun"),
        };
        if self.skipped > 0 {
            rest = format!("{rest}; {}", failures::left_out(self.skipped));
        }
        rest
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
    fn files_that_were_not_begun_are_counted_where_the_reason_is_told() {
        let mut tally = Tally { fetched: 56, ..Tally::default() };
        tally.failed(&path(), &Failure::Disconnected);
        tally.disconnected(crate::commands::connection::ended(None));
        tally.not_begun(19_000);
        assert_eq!(tally.sentence(), "56 fetched (0 B), 1 failed, 19000 not begun");
        let error = tally.verdict().expect_err("not all came");
        assert_eq!(error.message(), "the connection ended; 19000 files were not begun");
        let mut tally = Tally::default();
        tally.failed(&path(), &Failure::Store(StoreError::Full));
        tally.not_begun(1);
        let error = tally.verdict().expect_err("not all came");
        assert_eq!(error.message(), "failed to store `a`: the disk is full; 1 file was not begun");
    }

    #[test]
    fn what_the_server_left_out_is_not_everything_and_is_told_beside_other_reasons() {
        let left_out = |n| Tally { fetched: 3, ..Tally::begin(Vec::new(), n) };
        let error = left_out(1).verdict().expect_err("not all came");
        assert_eq!(error.blame().exit_code(), 1);
        assert_eq!(error.message(), "the server left out 1 name that it cannot offer");
        assert!(error.hint_text().contains("its log"), "{}", error.hint_text());
        assert_eq!(left_out(u64::MAX).sentence(), format!("3 fetched (0 B), {} left out by the server", u64::MAX));
        let mut both = left_out(2);
        both.differs(&path());
        let error = both.verdict().expect_err("not all came");
        let (differs, left_out) = (failures::DIFFERS, failures::left_out(2));
        assert_eq!(error.message(), format!("failed to get `a`: {differs}; {left_out}"));
    }

    #[test]
    fn a_hint_fits_its_reason() {
        let mut tally = Tally::default();
        tally.differs(&path());
        assert!(tally.verdict().expect_err("kept").hint_text().contains("--overwrite"));
        let mut tally = Tally::default();
        tally.not_stored(&path(), &StoreError::Exists);
        let error = tally.verdict().expect_err("kept");
        assert!(!error.hint_text().contains("--overwrite"), "a folder is never replaced: {}", error.hint_text());
    }

    #[test]
    fn sizes_that_cannot_be_added_do_not_stop_the_count() {
        let mut tally = Tally::default();
        for _ in 0..5 {
            tally.finished(&path(), &path(), Digest([0; 32]), (1 << 62) - 1);
        }
        assert_eq!((tally.fetched, tally.bytes), (5, u64::MAX));
    }

    #[test]
    fn what_is_here_already_is_no_failure() {
        let mut tally = Tally::default();
        assert!(matches!(tally.failed(&path(), &Failure::Store(StoreError::Same)), End::Skipped(_)));
        assert_eq!(tally.sentence(), "0 fetched (0 B), 1 already here");
        assert_eq!(code(tally), 0);
    }
}
