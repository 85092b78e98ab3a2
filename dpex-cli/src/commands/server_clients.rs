//! `dpex server clients`: who is enrolled.

use std::collections::BTreeMap;

use dpex_core::types::Timestamp;
use serde_json::json;

use super::Context;
use crate::error::CliResult;
use crate::home::{Person, Role, Status};
use crate::ui::{Table, day, minute, size};

/// Runs it.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let people = part.people().all()?;
    let ui = context.ui;
    let mut got: BTreeMap<String, u64> = BTreeMap::new();
    part.audit().read(|_, line| {
        if let (Some("got" | "not-got"), Some(person)) = (line["type"].as_str(), line["person"].as_str()) {
            *got.entry(person.to_owned()).or_default() += line["sent"].as_u64().unwrap_or(0);
        }
        Ok(())
    })?;
    let mut table = Table::new(&["NAME", "PERSON", "SINCE", "ACCESS", "WORDS COMPARED", "LAST SEEN", "FETCHED"]);
    for (name, person) in &people {
        let grant = &person.grant;
        let terms = &person.terms;
        let is_over = terms.until.is_some_and(|until| until <= context.now());
        let access = match (person.status, terms.until) {
            (Status::Revoked, _) => "revoked".to_owned(),
            (Status::Active, Some(_)) if is_over => "expired".to_owned(),
            (Status::Active, Some(until)) => format!("until {}", minute(until)),
            (Status::Active, None) => "active".to_owned(),
        };
        let seen = part.stamps().last(name, &grant.enrolment)?;
        let fetched = got.get(name.as_str()).copied().unwrap_or(0);
        if ui.json {
            ui.record(
                "client",
                json!({
                    "name": name.as_str(),
                    "person": grant.name.as_str(),
                    "since": grant.created.secs(),
                    "access": if is_over { "expired" } else if person.status == Status::Active { "active" } else { "revoked" },
                    "until": terms.until.map(Timestamp::secs),
                    "limit": terms.limit,
                    "sessions": terms.sessions,
                    "last-seen": seen.map(Timestamp::secs),
                    "fetched": fetched,
                    "confirmed": person.confirmed.is_some(),
                    "fingerprint": grant.client.to_string(),
                    "exchange": grant.exchange.to_string(),
                    "words": grant.exchange_code(),
                }),
            )?;
            continue;
        }
        let confirmed = person.confirmed.map_or_else(|| "unconfirmed".to_owned(), day);
        let seen = seen.map_or_else(|| "never".to_owned(), minute);
        let since = day(grant.created);
        table.row([name.as_str(), grant.name.as_str(), &since, &access, &confirmed, &seen, &size(fetched)]);
    }
    if people.is_empty() {
        ui.say("Nobody is enrolled yet. `dpex server add FILE` enrols the person whose request is in FILE.");
        return Ok(());
    }
    if !ui.json {
        ui.answer(&table.render())?;
    }
    let former = part.gate().former()?;
    let is_awaited = |person: &Person| former.as_ref().is_some_and(|former| former.waits_for(&person.grant.enrolment));
    let awaited: Vec<_> =
        people.iter().filter(|(_, person)| is_awaited(person)).map(|(name, _)| format!("`{name}`")).collect();
    if !awaited.is_empty() {
        ui.say(&format!("The first gate's old secret works until these have come: {}", awaited.join(", ")));
    }
    for (name, person) in people.iter().filter(|(_, person)| person.confirmed.is_none()) {
        ui.say(&format!("The words for `{name}`: {}", person.grant.exchange_code()));
    }
    Ok(())
}
