//! The first gate's secret, and the one before it while somebody may still come with that.

use std::collections::BTreeSet;
use std::path::PathBuf;

use data_encoding::BASE64;
use dpex_core::types::{EnrolmentId, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{record, secret_file, secret_of};
use crate::error::{CliError, CliResult};

/// A gate that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Former {
    /// Its secret.
    #[serde(with = "record::secret")]
    pub(crate) knock: Option<Secret<32>>,
    /// Who has not come with the new one yet.
    waiting: BTreeSet<String>,
}

/// Both, in a server's part of the home. Whoever writes holds its lock.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    current: PathBuf,
    former: PathBuf,
}

impl Gate {
    /// Kept in these two files.
    pub(super) fn new(current: PathBuf, former: PathBuf) -> Self {
        Self { current, former }
    }

    /// The secret that new people are told.
    pub(crate) fn knock(&self) -> CliResult<Secret<32>> {
        let damaged = || {
            CliError::usage(format!("{} is gone or damaged", self.current.display()))
                .hint("put the file back from a backup; with a new one everybody would have to enrol again")
        };
        secret_of(&self.current)?.ok_or_else(damaged)
    }

    /// Writes a new one over it.
    pub(crate) fn put(&self, knock: &Secret<32>) -> CliResult {
        let line = Zeroizing::new(format!("{}\n", *Zeroizing::new(BASE64.encode(knock.expose()))));
        secret_file::write(&self.current, line.as_bytes())
    }

    /// The one before it, if somebody may still come with that.
    pub(crate) fn former(&self) -> CliResult<Option<Former>> {
        let former: Option<Former> = record::load(&self.former)?;
        let Some(former) = former else { return Ok(None) };
        // After a crash between the two writes of `replace` it is the current one still.
        let is_former = former.knock.is_some() && former.knock != secret_of(&self.current)?;
        Ok(is_former.then_some(former))
    }

    /// Replaces the secret; the old one works until all of these have come with the new one.
    pub(crate) fn replace(&self, knock: &Secret<32>, waiting: impl Iterator<Item = EnrolmentId>) -> CliResult {
        let waiting: BTreeSet<String> = waiting.map(|enrolment| enrolment.to_string()).collect();
        if waiting.is_empty() {
            secret_file::remove(&self.former)?;
        } else {
            record::store(&self.former, &Former { knock: Some(self.knock()?), waiting })?;
        }
        self.put(knock)
    }

    /// Nobody is waited for but those who are on the list and `stay`. The old gate is gone when nobody is left. Says whether
    /// that changed anything.
    pub(crate) fn keep_waiting(&self, stay: impl Fn(&str) -> bool) -> CliResult<bool> {
        let Some(mut former) = self.former()? else { return Ok(false) };
        let before = former.waiting.len();
        former.waiting.retain(|enrolment| stay(enrolment));
        if former.waiting.is_empty() {
            secret_file::remove(&self.former)?;
        } else if former.waiting.len() < before {
            record::store(&self.former, &former)?;
        }
        Ok(former.waiting.len() < before)
    }
}

/// What became of somebody's coming with the current secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// They were not waited for, or came with another secret than the current one.
    Nothing,
    /// One less is waited for.
    OneLess,
    /// They were the last: the old secret is gone.
    Last,
}

impl Gate {
    /// Somebody came with this secret.
    pub(crate) fn came(&self, enrolment: &EnrolmentId, knock: &Secret<32>) -> CliResult<Came> {
        // It may have been replaced since.
        let is_current = secret_of(&self.current)?.as_ref() == Some(knock);
        let enrolment = enrolment.to_string();
        if !is_current || !self.keep_waiting(|other| other != enrolment)? {
            return Ok(Came::Nothing);
        }
        Ok(if self.former()?.is_some() { Came::OneLess } else { Came::Last })
    }
}

impl Former {
    /// Has this one not come with the new secret yet?
    pub(crate) fn waits_for(&self, enrolment: &EnrolmentId) -> bool {
        self.waiting.contains(&enrolment.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(n: u8) -> Secret<32> {
        Secret::new([n; 32])
    }

    fn gate() -> (tempfile::TempDir, Gate) {
        let dir = tempfile::tempdir().expect("a folder");
        let gate = Gate::new(dir.path().join("knock.key"), dir.path().join("knock.former"));
        gate.put(&secret(1)).expect("written");
        (dir, gate)
    }

    // ENR-26.
    #[test]
    fn the_former_gate_is_kept_until_everybody_has_come_with_the_new_one() {
        let (_dir, gate) = gate();
        let [a, b] = [EnrolmentId([1; 16]), EnrolmentId([2; 16])];
        gate.replace(&secret(2), [a, b].into_iter()).expect("written");
        assert_eq!(gate.knock().expect("there"), secret(2));
        let former = gate.former().expect("readable").expect("open");
        assert_eq!(former.knock, Some(secret(1)));
        assert!(former.waits_for(&a) && former.waits_for(&b));
        assert!(gate.keep_waiting(|id| id != a.to_string()).expect("written"));
        assert!(!gate.keep_waiting(|id| id != a.to_string()).expect("nothing to do"));
        assert!(!gate.former().expect("readable").expect("open").waits_for(&a));
        assert!(gate.keep_waiting(|_| false).expect("written"));
        assert!(gate.former().expect("readable").is_none());
        assert_eq!(gate.knock().expect("there"), secret(2));
    }

    // ENR-26: nobody is taken for told who came with a secret that was current before.
    #[test]
    fn who_comes_with_another_secret_than_the_current_one_is_waited_for_still() {
        let (_dir, gate) = gate();
        let [a, b] = [EnrolmentId([1; 16]), EnrolmentId([2; 16])];
        gate.replace(&secret(2), [a, b].into_iter()).expect("written");
        assert_eq!(gate.came(&a, &secret(1)).expect("readable"), Came::Nothing);
        assert_eq!(gate.came(&EnrolmentId([3; 16]), &secret(2)).expect("readable"), Came::Nothing);
        assert_eq!(gate.came(&a, &secret(2)).expect("readable"), Came::OneLess);
        assert_eq!(gate.came(&a, &secret(2)).expect("readable"), Came::Nothing);
        assert_eq!(gate.came(&b, &secret(2)).expect("readable"), Came::Last);
        assert!(gate.former().expect("readable").is_none());
    }

    #[test]
    fn a_crash_between_the_two_writes_leaves_the_gate_as_it_was() {
        let (_dir, gate) = gate();
        let waiting = [EnrolmentId([1; 16]).to_string()].into();
        record::store(&gate.former, &Former { knock: Some(secret(1)), waiting }).expect("written");
        assert!(gate.former().expect("readable").is_none());
        assert_eq!(gate.knock().expect("there"), secret(1));
        gate.replace(&secret(2), [EnrolmentId([1; 16])].into_iter()).expect("and it may be tried again");
        assert_eq!(gate.former().expect("readable").expect("open").knock, Some(secret(1)));
    }
}
