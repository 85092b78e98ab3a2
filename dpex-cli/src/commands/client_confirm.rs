//! `dpex client confirm`: the eight words were compared.

use serde_json::json;

use super::{Context, lookup};
use crate::args::ClientConfirmArgs;
use crate::error::CliResult;
use crate::home::Role;

/// Runs it.
pub(super) fn run(context: &Context, args: &ClientConfirmArgs) -> CliResult {
    let part = context.home.part(Role::Client);
    part.check()?;
    let _lock = part.lock()?;
    let servers = part.servers();
    let (name, mut server) = lookup::server(&servers, args.name.as_deref())?;
    let words = server.grant.exchange_code();
    if server.confirmed.is_none() {
        server.confirmed = Some(context.now());
        servers.put(&name, &server)?;
    }
    if context.ui.json {
        context.ui.record("confirmed", json!({ "name": name.as_str(), "words": words }))?;
    }
    context.ui.say(&format!("`{name}` is confirmed. The words were: {words}"));
    Ok(())
}
