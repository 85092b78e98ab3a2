//! `dpex client servers`: the servers this client knows.

use dpex_core::enrol::Endpoint;
use serde_json::json;

use super::Context;
use crate::error::CliResult;
use crate::home::Role;
use crate::ui::{Table, day};

/// Runs it.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Client);
    part.check()?;
    let servers = part.servers().all()?;
    let ui = context.ui;
    let mut table = Table::new(&["NAME", "SERVER", "ADDRESS", "SINCE", "WORDS COMPARED"]);
    for (name, server) in &servers {
        let grant = &server.grant;
        let addresses: Vec<String> = grant.endpoints.iter().map(Endpoint::to_string).collect();
        if ui.json {
            ui.record(
                "server",
                json!({
                    "name": name.as_str(),
                    "serverName": grant.server_name.as_str(),
                    "endpoints": addresses,
                    "since": grant.created.secs(),
                    "confirmed": server.confirmed.is_some(),
                    "fingerprint": grant.server.to_string(),
                    "exchange": grant.exchange.to_string(),
                    "words": grant.exchange_code(),
                }),
            )?;
            continue;
        }
        let confirmed = server.confirmed.map_or_else(|| "unconfirmed".to_owned(), day);
        table.row([name.as_str(), grant.server_name.as_str(), &addresses.join(" "), &day(grant.created), &confirmed]);
    }
    if servers.is_empty() {
        ui.say("No server is known yet. The answer to your request makes one known: `dpex client update FILE`.");
        return Ok(());
    }
    if !ui.json {
        ui.answer(&table.render())?;
    }
    for (name, server) in servers.iter().filter(|(_, server)| server.confirmed.is_none()) {
        ui.say(&format!("The words for `{name}`: {}", server.grant.exchange_code()));
    }
    Ok(())
}
