//! `dpex server reload`: a running server looks at its home again.

use serde_json::json;

use super::Context;
use crate::control::{self, Request};
use crate::error::{Blame, CliError, CliResult};
use crate::home::Role;

/// Runs it.
pub(super) fn run(context: &Context) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let Some(answer) = control::ask(&part, &Request::Refresh)? else {
        return Err(CliError::new(Blame::NoAnswer, "no server runs here").hint("`dpex server start` starts one"));
    };
    if let Some(why) = answer["error"].as_str() {
        let error = CliError::usage(format!("the server has not taken it: {why}"));
        return Err(match answer["hint"].as_str() {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    if context.ui.json {
        context.ui.record("reloaded", json!({}))?;
    }
    context.ui.say(
        "The server has looked again. Other settings than `limit`, `require-confirmed`, `host` and `also`\n\
         need a restart.",
    );
    Ok(())
}
