//! `dpex server path`: where the files for a person go.

use serde_json::json;

use super::{Context, lookup, shelves};
use crate::args::PersonArgs;
use crate::error::CliResult;
use crate::home::Role;

/// Runs it.
pub(super) fn run(context: &Context, args: &PersonArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let people = part.people();
    let (name, _) = lookup::person(&people, &args.name)?;
    let path = shelves::shelf(&context.settings(Role::Server)?, &people, &name)?.display().to_string();
    if context.ui.json {
        return context.ui.record("path", json!({ "name": name.as_str(), "path": path }));
    }
    context.ui.answer(&path)
}
