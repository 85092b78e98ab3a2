//! `dpex client update`: checks the server's answer, and remembers the server.

use dpex_core::enrol::{Answer, ClientGrant, Slug};
use serde_json::json;

use super::{Context, documents};
use crate::args::UpdateArgs;
use crate::backends;
use crate::error::{CliError, CliResult};
use crate::home::{KnownServer, Role, load_identity};

/// What storing an answer would mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// A server that was not known.
    New(Slug),
    /// A newer answer of a server that was known.
    Renewed(Slug),
    /// This very answer is stored already.
    Same(Slug),
}

/// Runs it.
pub(super) fn run(context: &Context, args: &UpdateArgs) -> CliResult {
    let part = context.home.part(Role::Client);
    part.check()?;
    let suite = backends::crypto(&context.settings(Role::Client)?)?;
    let text = documents::read(context.ui, &args.file)?;
    let (own, _) = documents::own_request(suite, &part)?.ok_or_else(|| {
        CliError::not_enrolled("this client has no request that an answer could belong to")
            .hint("run `dpex client init` and mail what it prints")
    })?;
    let identity = load_identity(suite, &part.identity_file())?;
    let doing = format!("accept {}", documents::place(&args.file));
    let grant = Answer::open(suite, &*identity, &own, &text, context.now())
        .map_err(|e| documents::refused(&e).while_trying(&doing))?;
    let _lock = part.lock()?;
    let servers = part.servers();
    let known = servers.all()?;
    let change = change(&grant, &known, args)?;
    if let Change::New(name) | Change::Renewed(name) = &change {
        servers.put(name, &KnownServer { confirmed: None, grant: grant.clone() })?;
    }
    report(context, &change, &grant)
}

/// Decides where the answer belongs, or why it may not be stored.
fn change(grant: &ClientGrant, known: &[(Slug, KnownServer)], args: &UpdateArgs) -> CliResult<Change> {
    let same_key = known.iter().find(|(_, server)| server.grant.server == grant.server);
    if let Some((name, server)) = same_key {
        if let Some(asked) = args.name.as_ref().filter(|asked| *asked != name) {
            let message = format!("this server is known already, as `{name}` and not as `{asked}`");
            return Err(CliError::usage(message).hint("leave --as out"));
        }
        // The key that signed is the key that is pinned, so no question needs to be asked.
        // What has changed since (places, secrets) came from the server itself, and is newer than the answer.
        let same = server.grant.enrolment == grant.enrolment && server.grant.exchange == grant.exchange;
        return Ok(if same { Change::Same(name.clone()) } else { Change::Renewed(name.clone()) });
    }
    let name = args.name.clone().unwrap_or_else(|| Slug::from_name(grant.server_name.as_str()));
    match known.iter().any(|(taken, _)| *taken == name) {
        false => Ok(Change::New(name)),
        true if args.replace => Ok(Change::Renewed(name)),
        true => Err(CliError::usage(format!("another server, with another key, is known as `{name}`")).hint(
            "give this one another name with --as NAME; or, if you know from its owner that the key is new, --replace",
        )),
    }
}

fn report(context: &Context, change: &Change, grant: &ClientGrant) -> CliResult {
    let ui = context.ui;
    let (name, said, state) = match change {
        Change::New(name) => (name, "The server is stored", "new"),
        Change::Renewed(name) => (name, "The server's new answer is stored", "renewed"),
        Change::Same(name) => (name, "This answer was stored before", "same"),
    };
    let code = grant.exchange_code();
    if ui.json {
        ui.record(
            "server",
            json!({
                "name": name.as_str(),
                "serverName": grant.server_name.as_str(),
                "state": state,
                "fingerprint": grant.server.to_string(),
                "exchange": grant.exchange.to_string(),
                "words": code,
            }),
        )?;
    }
    ui.say(&format!(
        "{said}, as `{name}`.\n\
         Compare these words with the person who runs it, by telephone:\n\n    {code}\n\n\
         If they agree: `dpex client confirm {name}`. What is on offer: `dpex client ls`."
    ));
    Ok(())
}
