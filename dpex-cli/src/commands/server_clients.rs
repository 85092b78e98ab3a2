//! `dpex server clients`: who is enrolled.

use serde_json::json;

use super::Context;
use crate::error::CliResult;
use crate::home::{Role, Status};
use crate::ui::{Table, day};

/// Runs it.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let people = part.people().all()?;
    let ui = context.ui;
    let mut table = Table::new(&["NAME", "PERSON", "SINCE", "ACCESS", "WORDS COMPARED"]);
    for (name, person) in &people {
        let grant = &person.grant;
        let access = match person.status {
            Status::Active => "active",
            Status::Revoked => "revoked",
        };
        if ui.json {
            ui.record(
                "client",
                json!({
                    "name": name.as_str(),
                    "person": grant.name.as_str(),
                    "since": grant.created.secs(),
                    "access": access,
                    "confirmed": person.confirmed.is_some(),
                    "fingerprint": grant.client.to_string(),
                    "exchange": grant.exchange.to_string(),
                    "words": grant.exchange_code(),
                }),
            )?;
            continue;
        }
        let confirmed = person.confirmed.map_or_else(|| "unconfirmed".to_owned(), day);
        table.row([name.as_str(), grant.name.as_str(), &day(grant.created), access, &confirmed]);
    }
    if people.is_empty() {
        ui.say("Nobody is enrolled yet. `dpex server add FILE` enrols the person whose request is in FILE.");
        return Ok(());
    }
    if !ui.json {
        ui.answer(&table.render())?;
    }
    for (name, person) in people.iter().filter(|(_, person)| person.confirmed.is_none()) {
        ui.say(&format!("The words for `{name}`: {}", person.grant.exchange_code()));
    }
    Ok(())
}
