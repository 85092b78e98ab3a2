//! `dpex server add`: enrols the person who sent a request, and prints the answer to mail back.

use std::path::Path;
use std::time::Duration;

use dpex_core::engine::MAX_PEOPLE;
use dpex_core::enrol::{Answer, DisplayName, Policy, Request, Slug, Terms};
use dpex_core::types::Timestamp;
use serde_json::json;

use super::{Context, documents, places, server_set, shelves};
use crate::args::AddArgs;
use crate::backends;
use crate::config::Settings;
use crate::control;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Person, Role, Status, load_identity};

const DAY: u64 = 24 * 60 * 60;

/// What adding a request would mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// Somebody who was not enrolled.
    New(Slug),
    /// A new enrolment in place of the one there is.
    Replace(Slug),
    /// This very request was answered before.
    Same(Slug),
}

impl Change {
    fn name(&self) -> &Slug {
        let (Self::New(name) | Self::Replace(name) | Self::Same(name)) = self;
        name
    }
}

/// Runs it.
pub(super) fn run(context: &Context, args: &AddArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let settings = context.settings(Role::Server)?;
    let suite = backends::crypto(&settings)?;
    let answer_terms = terms(&settings, context.now())?;
    let until = match args.until {
        Some(until) => server_set::end_of(until)?,
        None => None,
    };
    let text = documents::read(context.ui, &args.file)?;
    let doing = format!("add {}", documents::place(&args.file));
    let request =
        Request::read(suite, &text, context.now()).map_err(|e| documents::refused(&e).while_trying(&doing))?;
    let lock = part.lock()?;
    let people = part.people();
    let known = people.all()?;
    let change = change(&request, &known, args)?;
    // Before anything is kept: who is enrolled must be told the answer.
    let outgoing = shelves::shelf(&settings, &people, change.name())?;
    let (name, person) = match &change {
        Change::Same(name) => match known.into_iter().find(|(known, _)| known == name) {
            Some((name, mut person)) => {
                if until.is_some() {
                    person.terms.until = until;
                    people.put(&name, &person)?;
                }
                (name, person)
            }
            None => return Err(CliError::new(Blame::Internal, "the person is gone again")),
        },
        Change::New(name) | Change::Replace(name) => {
            let identity = load_identity(suite, &part.identity_file())?;
            let knock = part.gate().knock()?;
            let (answer, grant) = Answer::create(suite, &*identity, &request, &knock, &answer_terms, context.now())
                .map_err(|e| documents::not_made(&e).while_trying(&doing))?;
            // Terms that were set stay, but for a last day that is over.
            let before = known.into_iter().find(|(known, _)| known == name).map(|(_, person)| person.terms);
            let mut terms = before.unwrap_or_default();
            terms.until = until.or(terms.until.filter(|until| *until > context.now()));
            let answer = answer.to_json();
            let person = Person::new(terms, answer, grant);
            people.put(name, &person)?;
            (name.clone(), person)
        }
    };
    drop(lock);
    let kind = match &change {
        Change::New(_) => Some("enrolled"),
        Change::Replace(_) => Some("replaced"),
        Change::Same(_) => None,
    };
    if let Some(kind) = kind {
        let fields =
            json!({ "fingerprint": person.grant.client.to_string(), "until": person.terms.until.map(Timestamp::secs) });
        super::write_down(context, &part, kind, name.as_str(), fields);
    }
    control::refresh(&part, context.ui);
    report(context, &change, &name, &person, &outgoing)
}

/// Decides whom the request concerns, or why it may not be added.
fn change(request: &Request, known: &[(Slug, Person)], args: &AddArgs) -> CliResult<Change> {
    let is_same = |person: &Person| person.grant.client == *request.fingerprint() || person.grant.uid == *request.uid();
    let mut same = known.iter().filter(|(_, person)| is_same(person));
    if let Some((name, person)) = same.next() {
        if let Some((other, _)) = same.next() {
            let message =
                format!("the request has the key of one person and the number of another: `{name}`, `{other}`");
            return Err(CliError::new(Blame::Verification, message).hint("ask who sent it"));
        }
        if let Some(asked) = args.name.as_ref().filter(|asked| *asked != name) {
            let message = format!("this person is enrolled already, as `{name}` and not as `{asked}`");
            return Err(CliError::usage(message).hint("leave --name out"));
        }
        if args.replace {
            return Ok(Change::Replace(name.clone()));
        }
        return match person.status {
            Status::Active if person.grant.request_hash == *request.hash() && person.answer.is_empty() => {
                let message = format!("`{name}` is enrolled, and the secrets of that answer were renewed since");
                Err(CliError::usage(message).hint("if they lost theirs, run it again with --replace"))
            }
            Status::Active if person.grant.request_hash == *request.hash() => Ok(Change::Same(name.clone())),
            Status::Active => Err(CliError::usage(format!("`{name}` is enrolled already, with another request"))
                .hint("ask whether they made a new one; then run it again with --replace, which keeps their files")),
            Status::Revoked => Err(CliError::usage(format!("the access of `{name}` was ended"))
                .hint("run it again with --replace to let them in again")),
        };
    }
    let name = args.name.clone().unwrap_or_else(|| Slug::from_name(request.name().as_str()));
    match known.iter().any(|(taken, _)| *taken == name) {
        true if args.replace => Ok(Change::Replace(name)),
        true => Err(CliError::usage(format!("somebody with another key is enrolled as `{name}`")).hint(
            "if it is the same person with a new key, run it again with --replace; if not, give another name with --name",
        )),
        false if known.len() >= MAX_PEOPLE => {
            Err(CliError::usage(format!("{MAX_PEOPLE} people are enrolled, and there cannot be more"))
                .hint("a second server, with --home DIR and a port of its own, takes more"))
        }
        false => Ok(Change::New(name)),
    }
}

fn terms(settings: &Settings, now: Timestamp) -> CliResult<Terms> {
    let endpoints = places::all(settings)?;
    let shown = match settings.text("name")? {
        Some(name) => name,
        None => places::host(settings)?.to_string(),
    };
    let server_name: DisplayName = shown
        .parse()
        .map_err(|e| CliError::usage(format!("the setting `name` in {}: {e}", settings.source("name"))))?;
    let days = u64::from(settings.value::<u32>("first-use-days")?);
    let first_use_before = now.plus(Duration::from_secs(days * DAY));
    Ok(Terms { server_name, endpoints, first_use_before, policy: Policy::default() })
}

fn report(context: &Context, change: &Change, name: &Slug, person: &Person, outgoing: &Path) -> CliResult {
    let ui = context.ui;
    let code = person.grant.exchange_code();
    let (said, state) = match change {
        Change::New(_) => ("is enrolled", "new"),
        Change::Replace(_) => ("is enrolled anew, with the same files; the old enrolment has ended", "replaced"),
        Change::Same(_) => ("was enrolled before; this is the same answer again", "same"),
    };
    if ui.json {
        let document: serde_json::Value = serde_json::from_str(&person.answer)
            .map_err(|e| CliError::new(Blame::Internal, format!("the answer is not json: {e}")))?;
        ui.record(
            "answer",
            json!({
                "name": name.as_str(),
                "state": state,
                "fingerprint": person.grant.client.to_string(),
                "exchange": person.grant.exchange.to_string(),
                "words": code,
                "path": outgoing.display().to_string(),
                "document": document,
            }),
        )?;
    } else {
        ui.answer(&person.answer)?;
    }
    ui.say(&format!(
        "`{name}` {said}. Mail the answer back; only that person can read its secret part.\n\
         Compare these words by telephone:\n\n    {code}\n\n\
         If they agree: `dpex server confirm {name}`. Files go into {}.",
        outgoing.display()
    ));
    Ok(())
}
