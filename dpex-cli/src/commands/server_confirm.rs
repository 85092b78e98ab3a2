//! `dpex server confirm`: the eight words were compared.

use serde_json::json;

use super::{Context, lookup};
use crate::args::PersonArgs;
use crate::control;
use crate::error::CliResult;
use crate::home::Role;

/// Runs it.
pub(super) fn run(context: &Context, args: &PersonArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let lock = part.lock()?;
    let people = part.people();
    let (name, mut person) = lookup::person(&people, &args.name)?;
    let words = person.grant.exchange_code();
    let is_new = person.confirmed.is_none();
    if is_new {
        person.confirmed = Some(context.now());
        people.put(&name, &person)?;
    }
    drop(lock);
    if is_new {
        super::write_down(context, &part, "confirmed", name.as_str(), json!({}));
    }
    control::refresh(&part, context.ui);
    if context.ui.json {
        context.ui.record("confirmed", json!({ "name": name.as_str(), "words": words }))?;
    }
    context.ui.say(&format!("`{name}` is confirmed. The words were: {words}"));
    Ok(())
}
