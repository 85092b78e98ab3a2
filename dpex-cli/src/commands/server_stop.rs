//! `dpex server stop` and `restart`: end the server that runs in this home, and start it again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Context, server_serve, server_start};
use crate::args::ServeArgs;
use crate::control::{self, Request};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Role};

/// How long it has to take its leave after what was under way has come to its end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs `stop`.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let ran = stop(&part)?;
    if context.ui.json {
        context.ui.record("stopped", json!({ "ran": ran }))?;
    }
    context.ui.say(if ran { "The server has ended." } else { "No server runs here." });
    Ok(())
}

/// Runs `restart`.
pub(super) fn restart(context: &Context, args: &ServeArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    // Before the one that runs is ended: one that serves is better than one that will not start.
    server_serve::check(context, args)?;
    stop(&part)?;
    server_start::run(context, args)
}

/// Asks the server to end, and waits until it has. Did one run?
fn stop(part: &Part) -> CliResult<bool> {
    let asked = control::ask(part, &Request::Stop)?;
    if asked.is_none() && !part.is_serving()? {
        return Ok(false);
    }
    let until = Instant::now() + server_serve::DRAIN + FAREWELL;
    while part.is_serving()? {
        if Instant::now() >= until {
            let message =
                if asked.is_some() { "the server does not end" } else { "a server runs, and cannot be asked to end" };
            return Err(CliError::new(Blame::NoAnswer, message)
                .hint("if it was started in a terminal or by a service manager, end it there"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}
