//! `dpex server revoke`: ends somebody's access.

use serde_json::json;

use super::{Context, lookup};
use crate::args::PersonArgs;
use crate::control;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Role, Status};

/// Runs it.
pub(super) fn run(context: &Context, args: &PersonArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let was_active = {
        let _lock = part.lock()?;
        let people = part.people();
        let (name, mut person) = lookup::person(&people, &args.name)?;
        let was_active = person.status == Status::Active;
        if was_active {
            // On the disk first: whatever happens then, a server that starts again keeps this person out.
            person.status = Status::Revoked;
            people.put(&name, &person)?;
        }
        was_active
    };
    if was_active {
        super::write_down(context, &part, "revoked", &args.name, json!({}));
    }
    // Also if it was so already: perhaps the server was not told then.
    let told = control::refresh(&part, context.ui);
    if !told && part.is_serving()? {
        let message = format!("`{}` is revoked on the disk, but the running server has not taken it", args.name);
        return Err(CliError::new(Blame::NoAnswer, message).hint("`dpex server restart` ends the access for certain"));
    }
    if context.ui.json {
        context.ui.record("revoked", json!({ "name": args.name, "at-once": told }))?;
    }
    let already = if was_active { "has no access any more" } else { "had no access already" };
    context.ui.say(&format!(
        "`{}` {already}. Their files stay in {}; what they have fetched is theirs.",
        args.name,
        part.people().outgoing(&args.name.parse().map_err(|_| CliError::usage("no such name"))?).display()
    ));
    Ok(())
}
