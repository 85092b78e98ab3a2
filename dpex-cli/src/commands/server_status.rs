//! `dpex server status`: how the server stands.

use dpex_core::types::Timestamp;
use serde_json::Value;

use super::Context;
use crate::control::{self, Request};
use crate::error::{Blame, CliError, CliResult};
use crate::home::Role;
use crate::ui::{Table, escape, minute, size};

/// Runs it.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let Some(status) = control::ask(&part, &Request::Status)? else {
        if context.ui.json {
            context.ui.record("status", serde_json::json!({ "running": false }))?;
        }
        return Err(CliError::new(Blame::NoAnswer, "no server runs here").hint("`dpex server start` starts one"));
    };
    if context.ui.json {
        return context.ui.record("status", status);
    }
    let text = |key: &str| status[key].as_str().unwrap_or("?").to_owned();
    let people = status["people"].as_u64().unwrap_or(0);
    let sessions = status["sessions"].as_array().cloned().unwrap_or_default();
    let rate: u64 = sessions.iter().filter_map(|session| session["rate"].as_u64()).sum();
    let mut answer = format!(
        "serving on {} since {} (process {}); {} may come in, {} connected, {}/s\n",
        text("address"),
        moment(&status["since"]),
        status["pid"],
        counted(people, "person", "people"),
        counted(sessions.len() as u64, "session is", "sessions are"),
        size(rate),
    );
    if !sessions.is_empty() {
        let mut table = Table::new(&["PERSON", "FROM", "SINCE", "SENT", "RATE", "SENDING"]);
        for session in &sessions {
            let word = |key: &str| escape(session[key].as_str().unwrap_or("?")).into_owned();
            let bytes = |key: &str| size(session[key].as_u64().unwrap_or(0));
            let rate = format!("{}/s", bytes("rate"));
            table.row(
                [&word("person"), &word("from"), &moment(&session["since"]), &bytes("sent"), &rate, &sending(session)]
                    .map(String::as_str),
            );
        }
        answer.push_str(&table.render());
    }
    context.ui.answer(&answer)
}

fn moment(value: &Value) -> String {
    value.as_i64().and_then(|secs| Timestamp::new(secs, 0)).map_or_else(|| "?".into(), minute)
}

fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// The first file, how far it is, and how many there are besides.
fn sending(session: &Value) -> String {
    let files = session["files"].as_u64().unwrap_or(0);
    let Some(first) = session["sending"].as_array().and_then(|files| files.first()) else { return "-".into() };
    let path = escape(first["path"].as_str().unwrap_or("?")).into_owned();
    let bytes = |key: &str| size(first[key].as_u64().unwrap_or(0));
    let more = if files > 1 { format!(", and {} more", files - 1) } else { String::new() };
    format!("{path} ({} of {}){more}", bytes("begun"), bytes("size"))
}
