//! `dpex server rekey`: new secrets for people who are enrolled, handed to each in their next connection.

use dpex_core::enrol::Slug;
use dpex_core::suite::{CipherSuite, random_secret};
use dpex_core::types::{EnrolmentId, Secret, Timestamp};
use serde_json::json;

use super::{Context, lookup};
use crate::args::RekeyArgs;
use crate::backends;
use crate::control;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Person, Role, Status};

/// Runs it.
pub(super) fn run(context: &Context, args: &RekeyArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let suite = backends::crypto(&context.settings(Role::Server)?)?;
    let (renewed, gate_renewed, failure) = renew(context, &part, suite, args)?;
    if gate_renewed {
        super::write_down_of_nobody(context, &part, "gate-renewed", json!({}));
    }
    for (name, _) in renewed.iter().filter(|(_, is_new)| *is_new) {
        super::write_down(context, &part, "rekeyed", name.as_str(), json!({}));
    }
    control::refresh(&part, context.ui);
    report(context, &renewed, gate_renewed)?;
    failure.map_or(Ok(()), Err)
}

/// Who has a new secret, or had one that waits; whether the gate has; and what came in the way after some of that was done.
type Done = (Vec<(Slug, bool)>, bool, Option<CliError>);

fn renew(context: &Context, part: &Part, suite: &dyn CipherSuite, args: &RekeyArgs) -> CliResult<Done> {
    let _lock = part.lock()?;
    let is_over = |person: &Person| !person.is_welcome(context.now());
    let whom = if args.all {
        part.people().all()?.into_iter().filter(|(_, person)| !is_over(person)).collect()
    } else {
        named(part, &args.names)?
    };
    if let Some((name, _)) = whom.iter().find(|(_, person)| is_over(person)) {
        return Err(CliError::usage(format!("the last day of `{name}` is over"))
            .hint(format!("put it off with `dpex server set {name} --until DATE` first")));
    }
    if args.knock {
        // First: it may be refused, and then nothing is done.
        replace_gate(part, suite, args.anyway, context.now())?;
    }
    let mut renewed = Vec::new();
    for (name, person) in whom {
        match begin(part, suite, &name, &person.grant.enrolment) {
            Ok(is_new) => renewed.push((name, is_new)),
            Err(error) => return Ok((renewed, args.knock, Some(error))),
        }
    }
    Ok((renewed, args.knock, None))
}

fn named(part: &Part, names: &[String]) -> CliResult<Vec<(Slug, Person)>> {
    let people = part.people();
    let found = names.iter().map(|name| lookup::person(&people, name)).collect::<CliResult<Vec<_>>>()?;
    let is_out = |person: &Person| person.status != Status::Active;
    match found.iter().find(|(_, person)| is_out(person)) {
        Some((name, _)) => Err(CliError::usage(format!("the access of `{name}` was ended"))
            .hint("`dpex server add FILE --replace` lets them in again, with new secrets")),
        None => Ok(found),
    }
}

/// Makes a pre-shared key that waits for its first use; false if one waits already, since the client may hold that (ENR-28). The
/// caller holds the lock of the home.
pub(super) fn begin(part: &Part, suite: &dyn CipherSuite, name: &Slug, enrolment: &EnrolmentId) -> CliResult<bool> {
    let psk = random_secret(suite).map_err(failed)?;
    part.people().change(name, enrolment, |person| {
        let is_new = person.next_psk.is_none();
        person.next_psk.get_or_insert(psk);
        is_new
    })
}

/// Is this somebody who may come with the gate's old secret, and has to be told the new one? Also whose last day is over: it
/// may be put off. Not who never came, and is too late by now.
pub(super) fn is_expected(part: &Part, name: &Slug, person: &Person, now: Timestamp) -> CliResult<bool> {
    let came = part.stamps().last(name, &person.grant.enrolment)?.is_some();
    Ok(person.status == Status::Active && (came || now < person.grant.first_use_before))
}

/// Replaces the first gate's secret.
fn replace_gate(part: &Part, suite: &dyn CipherSuite, anyway: bool, now: Timestamp) -> CliResult {
    let (gate, people) = (part.gate(), part.people());
    let mut expected = Vec::new();
    for (name, person) in people.all()? {
        if is_expected(part, &name, &person, now)? {
            expected.push((name, person.grant.enrolment));
        }
    }
    let former = gate.former()?;
    let waiting: Vec<_> = expected
        .iter()
        .filter(|(_, enrolment)| former.as_ref().is_some_and(|former| former.waits_for(enrolment)))
        .collect();
    if !waiting.is_empty() && !anyway {
        let names: Vec<_> = waiting.iter().map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("these have not come since it was changed the last time: {}", names.join(", "));
        return Err(CliError::usage(message).hint(
            "wait for them, or revoke them; or run it again with --anyway, and they will have to be enrolled again with `dpex \
             server add FILE --replace`",
        ));
    }
    for (name, enrolment) in &waiting {
        // What is kept of their answer would not let them in any more.
        people.change(name, enrolment, Person::forget_answer)?;
    }
    let knock: Secret<32> = random_secret(suite).map_err(failed)?;
    gate.replace(&knock, expected.into_iter().map(|(_, enrolment)| enrolment))
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::new(Blame::Internal, format!("no secret could be made: {error}"))
}

fn report(context: &Context, renewed: &[(Slug, bool)], gate_renewed: bool) -> CliResult {
    if context.ui.json {
        for (name, is_new) in renewed {
            context.ui.record(
                "rekeyed",
                json!({ "name": name.as_str(), "state": if *is_new { "new" } else { "waiting" } }),
            )?;
        }
        if gate_renewed {
            context.ui.record("gate-renewed", json!({}))?;
        }
    }
    for (name, is_new) in renewed {
        context.ui.say(&if *is_new {
            format!("`{name}` is given a new secret the next time they connect; the old one works until they use it.")
        } else {
            format!("A new secret waits for `{name}` already.")
        });
    }
    if gate_renewed {
        context.ui.say(
            "The first gate has a new secret. Everybody is given it the next time they connect; the old one works until \
             all have come.",
        );
    }
    if renewed.is_empty() && !gate_renewed {
        context.ui.say("Nobody is enrolled who may come in.");
    }
    Ok(())
}
