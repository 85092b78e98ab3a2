//! `dpex server rekey`: new secrets for people who are enrolled, handed to each in their next connection.

use dpex_core::engine::MAX_PEOPLE;
use dpex_core::enrol::Slug;
use dpex_core::suite::{CipherSuite, random_secret};
use dpex_core::types::{EnrolmentId, Secret, Timestamp};
use serde_json::json;

use super::{Context, lookup};
use crate::args::RekeyArgs;
use crate::backends;
use crate::control;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Person, Role};

/// Runs it.
pub(super) fn run(context: &Context, args: &RekeyArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let suite = backends::crypto(&context.settings(Role::Server)?)?;
    let (mut renewed, mut gate_renewed) = (Vec::new(), false);
    {
        let _lock = part.lock()?;
        let whom = if args.all { part.people().all()? } else { named(&part, &args.names)? };
        let whom: Vec<_> = whom.into_iter().filter(|(_, person)| person.is_welcome(context.now())).collect();
        if args.knock {
            // First: it may be refused, and then nothing is done.
            replace_gate(&part, suite, context.now(), args.anyway)?;
            gate_renewed = true;
        }
        for (name, person) in whom {
            let is_new = begin(&part, suite, &name, &person.grant.enrolment)?;
            renewed.push((name, is_new));
        }
    }
    if gate_renewed {
        super::write_down_of_nobody(context, &part, "gate-renewed", json!({}));
    }
    for (name, _) in renewed.iter().filter(|(_, is_new)| *is_new) {
        super::write_down(context, &part, "rekeyed", name.as_str(), json!({}));
    }
    control::refresh(&part, context.ui);
    report(context, &renewed, gate_renewed)
}

fn named(part: &Part, names: &[String]) -> CliResult<Vec<(Slug, Person)>> {
    let people = part.people();
    let found = names.iter().map(|name| lookup::person(&people, name)).collect::<CliResult<Vec<_>>>()?;
    let is_out = |person: &Person| person.status != crate::home::Status::Active;
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

/// Replaces the first gate's secret.
fn replace_gate(part: &Part, suite: &dyn CipherSuite, now: Timestamp, anyway: bool) -> CliResult {
    let (gate, people) = (part.gate(), part.people().all()?);
    let welcome = || people.iter().filter(|(_, person)| person.is_welcome(now));
    if let Some(former) = gate.former()?.filter(|_| !anyway) {
        let waiting = welcome().filter(|(_, person)| former.waits_for(&person.grant.enrolment));
        let names: Vec<_> = waiting.map(|(name, _)| format!("`{name}`")).collect();
        if !names.is_empty() {
            let message = format!("these have not come since it was changed the last time: {}", names.join(", "));
            return Err(CliError::usage(message).hint(
                "wait for them; or run it again with --anyway, and they will have to be enrolled again with `dpex server add \
                 FILE --replace`",
            ));
        }
    }
    debug_assert!(people.len() <= MAX_PEOPLE);
    let knock: Secret<32> = random_secret(suite).map_err(failed)?;
    gate.replace(&knock, welcome().map(|(_, person)| person.grant.enrolment))
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
