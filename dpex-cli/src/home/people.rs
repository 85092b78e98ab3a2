//! The people enrolled at this server: a folder each, with their enrolment and what is on offer for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dpex_core::enrol::{ServerGrant, Slug};
use dpex_core::types::{EnrolmentId, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::{modes, record, secret_file};
use crate::error::{CliError, CliResult};

/// May this person come in?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Yes.
    Active,
    /// Not any more.
    Revoked,
}

/// On which terms somebody may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Terms {
    /// Not from this moment on.
    #[serde(with = "record::moment")]
    pub(crate) until: Option<Timestamp>,
    /// Caps, as they were typed.
    pub(crate) limit: Vec<String>,
    /// Sessions at once.
    pub(crate) sessions: Option<u8>,
}

/// What is kept of one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// May this person come in?
    pub(crate) status: Status,
    /// When the eight words were compared.
    #[serde(with = "record::moment")]
    pub(crate) confirmed: Option<Timestamp>,
    /// Until when, how fast and how often.
    #[serde(default)]
    pub(crate) terms: Terms,
    /// The answer document as it was printed, so that it can be printed again. Empty when its secrets were renewed.
    pub(crate) answer: String,
    /// A pre-shared key that waits for its first use.
    #[serde(default, with = "record::secret")]
    pub(crate) next_psk: Option<Secret<32>>,
    /// When the pre-shared key was first used that is in the grant now, if it is not the answer's.
    #[serde(default, with = "record::moment")]
    pub(crate) psk_since: Option<Timestamp>,
    /// Keys and secrets.
    pub(crate) grant: ServerGrant,
}

impl Person {
    /// Somebody with these keys, and the answer that was made with them.
    pub(crate) fn new(terms: Terms, answer: String, grant: ServerGrant) -> Self {
        Self { status: Status::Active, confirmed: None, terms, answer, next_psk: None, psk_since: None, grant }
    }

    /// May this person come in at that moment?
    pub(crate) fn is_welcome(&self, now: Timestamp) -> bool {
        self.status == Status::Active && self.terms.until.is_none_or(|until| now < until)
    }

    /// The answer that was printed does not work any more. Was it there?
    pub(crate) fn forget_answer(&mut self) -> bool {
        !std::mem::take(&mut self.answer).is_empty()
    }

    /// Since when the pre-shared key is in use.
    pub(crate) fn psk_since(&self) -> Timestamp {
        self.psk_since.unwrap_or(self.grant.created)
    }
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct People {
    dir: PathBuf,
}

impl People {
    /// The people in `dir`, which need not exist.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// What `name` is offered is put there.
    pub(crate) fn outgoing(&self, name: &Slug) -> PathBuf {
        self.dir.join(name.as_str()).join("outgoing")
    }

    /// One person.
    pub(crate) fn get(&self, name: &Slug) -> CliResult<Option<Person>> {
        for folder in [&self.dir, &self.dir.join(name.as_str())] {
            if folder.is_dir() {
                modes::check_private_folder(folder)?;
            }
        }
        record::load(&self.file(name))
    }

    /// Everybody, by name.
    pub(crate) fn all(&self) -> CliResult<Vec<(Slug, Person)>> {
        let failed = |e: io::Error| CliError::disk("list", &self.dir, &e);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut people = Vec::new();
        for entry in entries {
            let file_name = entry.map_err(failed)?.file_name();
            // Hidden names are unfinished work, and a folder without a record is nobody.
            let Some(name) = file_name.to_str().and_then(|name| Slug::parse(name).ok()) else { continue };
            if let Some(person) = self.get(&name)? {
                people.push((name, person));
            }
        }
        people.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(people)
    }

    /// Adds a person, or replaces what is kept of one; their files stay. A new person's folder appears whole (ENR-22).
    pub(crate) fn put(&self, name: &Slug, person: &Person) -> CliResult {
        let folder = self.dir.join(name.as_str());
        if folder.is_dir() {
            secret_file::create_folder(&self.outgoing(name))?;
            return record::store(&self.file(name), person);
        }
        secret_file::create_folder(&self.dir)?;
        let beside = self.dir.join(format!(".{name}.new"));
        let made = Self::make_folder(&beside, person).and_then(|()| {
            fs::rename(&beside, &folder)
                .and_then(|()| secret_file::sync_folder(&folder))
                .map_err(|e| CliError::disk("make the folder", &folder, &e))
        });
        made.inspect_err(|_| {
            // Hidden and replaced by the next attempt; the failure that matters is already known.
            let _ = fs::remove_dir_all(&beside);
        })
    }

    /// Changes what is kept of somebody, if that enrolment is still theirs and `change` says that there is something to
    /// change. The caller holds the lock of the home.
    pub(crate) fn change(
        &self,
        name: &Slug,
        enrolment: &EnrolmentId,
        change: impl FnOnce(&mut Person) -> bool,
    ) -> CliResult<bool> {
        let Some(mut person) = self.get(name)? else { return Ok(false) };
        let is_news = person.grant.enrolment == *enrolment && change(&mut person);
        if is_news {
            self.put(name, &person)?;
        }
        Ok(is_news)
    }

    fn make_folder(beside: &Path, person: &Person) -> CliResult {
        match fs::remove_dir_all(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CliError::disk("remove the unfinished", beside, &error));
            }
            _ => {}
        }
        secret_file::create_folder(&beside.join("outgoing"))?;
        record::store(&beside.join("client.json"), person)
    }

    fn file(&self, name: &Slug) -> PathBuf {
        self.dir.join(name.as_str()).join("client.json")
    }
}
