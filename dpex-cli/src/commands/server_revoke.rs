//! `dpex server revoke`: ends somebody's access.

use serde_json::json;

use super::{Context, lookup};
use crate::args::PersonArgs;
use crate::control::{self, Request};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Role, Status};

/// Runs it.
pub(super) fn run(context: &Context, args: &PersonArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    // On the disk first: whatever happens then, a server that starts again keeps this person out. The lock is let go of before
    // the server is asked: it may be waiting for it.
    let was_active = match end(&part, &args.name) {
        Err(error) if error.blame() == Blame::Disk => return Err(without_the_disk(&part, &args.name, error)),
        ended => ended?,
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
        "`{}` {already}. Their files stay in {}; what they have fetched is theirs.\n\
         They still know the secret of the first gate; `dpex server rekey --knock` changes it.",
        args.name,
        part.people().outgoing(&args.name.parse().map_err(|_| CliError::usage("no such name"))?).display()
    ));
    Ok(())
}

/// Ends it on the disk. Was there an access?
fn end(part: &Part, name: &str) -> CliResult<bool> {
    let _lock = part.lock()?;
    let people = part.people();
    let (name, mut person) = lookup::person(&people, name)?;
    let was_active = person.status == Status::Active;
    if was_active {
        person.status = Status::Revoked;
        people.put(&name, &person)?;
    }
    Ok(was_active)
}

/// The disk does not take it: the server that runs ends the access all the same.
fn without_the_disk(part: &Part, name: &str, error: CliError) -> CliError {
    let asked = control::ask(part, &Request::Expel { name: name.to_owned() });
    let is_out = asked.is_ok_and(|answer| answer.is_some_and(|answer| answer["expelled"] == true));
    if !is_out {
        return error;
    }
    let message = format!("`{name}` is out of the running server, but not for good: {}", error.message());
    CliError::new(error.blame(), message).hint("make room, and run it again before the server is started anew")
}
