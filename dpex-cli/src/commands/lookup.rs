//! Finding a person or a server by the name that was typed.

use dpex_core::enrol::Slug;

use crate::config::nearest;
use crate::error::{CliError, CliResult};
use crate::home::{KnownServer, KnownServers, People, Person};

/// The person of that name.
pub(super) fn person(people: &People, typed: &str) -> CliResult<(Slug, Person)> {
    let all = people.all()?;
    let names: Vec<String> = all.iter().map(|(name, _)| name.to_string()).collect();
    let found = all.into_iter().find(|(name, _)| name.as_str() == typed);
    found.ok_or_else(|| unknown("nobody", typed, &names, "enrol somebody with `dpex server add FILE`"))
}

/// The server of that name, or the only one there is.
pub(super) fn server(servers: &KnownServers, typed: Option<&str>) -> CliResult<(Slug, KnownServer)> {
    const NONE: &str = "the answer to your request makes one known: `dpex client update FILE`";
    let mut all = servers.all()?;
    let names: Vec<String> = all.iter().map(|(name, _)| name.to_string()).collect();
    match typed {
        Some(typed) => all
            .into_iter()
            .find(|(name, _)| name.as_str() == typed)
            .ok_or_else(|| unknown("no server", typed, &names, NONE)),
        None if all.len() == 1 => Ok(all.swap_remove(0)),
        None if all.is_empty() => Err(CliError::not_enrolled("this client knows no server yet").hint(NONE)),
        None => Err(CliError::usage(format!("there are {} servers", all.len()))
            .hint(format!("say which: {}", names.join(", ")))),
    }
}

fn unknown(nobody: &str, typed: &str, names: &[String], none: &str) -> CliError {
    let error = CliError::not_enrolled(format!("{nobody} of the name `{typed}` is known"));
    let lower = typed.to_lowercase();
    match nearest(&lower, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.hint(none),
        None => error.hint(format!("known are: {}", names.join(", "))),
    }
}
