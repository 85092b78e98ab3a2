//! `dpex server init`: the identity, the shared gate secret, and a commented settings file.

use dpex_core::enrol::{DEFAULT_PORT, DisplayName, Endpoint, Host, fingerprint, words};
use dpex_core::suite::{CipherSuite, random_secret};
use serde_json::json;

use super::Context;
use crate::args::ServerInitArgs;
use crate::backends;
use crate::config::{Settings, manual, quoted, settings_file};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Role, chosen_passphrase, load_identity, store_identity, write_secret};
use crate::ui::Waiting;

/// What was asked for, checked.
struct Wanted {
    endpoint: Endpoint,
    name: Option<DisplayName>,
}

/// Runs it.
pub(super) fn run(context: &Context, args: &ServerInitArgs) -> CliResult {
    let wanted = wanted(args)?;
    let suite = backends::crypto(&context.settings(Role::Server)?)?;
    let part = context.home.part(Role::Server);
    let mut made = false;
    if !part.is_made() {
        part.prepare()?;
        let _lock = part.lock()?;
        // Another process may have been faster while this one waited for the lock.
        if !part.is_made() {
            make(context, suite, &part, args, &wanted)?;
            made = true;
        }
    }
    part.check()?;
    if !made {
        agrees(&context.settings(Role::Server)?, &part, args, &wanted)?;
    }
    report(context, suite, &part, made)
}

fn wanted(args: &ServerInitArgs) -> CliResult<Wanted> {
    let host: Host = args.host.parse().map_err(|error| {
        CliError::usage(format!("`{}` cannot be a host: {error}", args.host))
            .hint("give the name or address under which others reach this machine, without a port")
    })?;
    let endpoint =
        Endpoint::new(host, args.port.unwrap_or(DEFAULT_PORT)).map_err(|e| CliError::usage(e.to_string()))?;
    let name = args.name.as_deref().map(str::parse::<DisplayName>).transpose().map_err(|error| {
        CliError::usage(format!("this cannot be the server's name: {error}")).hint("give another one with --name")
    })?;
    Ok(Wanted { endpoint, name })
}

fn make(context: &Context, suite: &dyn CipherSuite, part: &Part, args: &ServerInitArgs, wanted: &Wanted) -> CliResult {
    let failed = |e| CliError::new(Blame::Internal, format!("failed to make a key: {e}"));
    let passphrase = args.passphrase.then(chosen_passphrase).transpose()?;
    let bits = args.bits.unwrap_or_default().count();
    let waiting = Waiting::begin(context.ui, &format!("Making a key of {bits} bits; this can take a while."));
    let key = suite.generate_identity(bits);
    drop(waiting);
    let key = key.map_err(failed)?;
    let knock = random_secret(suite).map_err(failed)?;
    // A settings file that somebody put there first is theirs, but then it must already say the same.
    if part.settings_file().exists() {
        agrees(&context.settings(Role::Server)?, part, args, wanted)?;
    } else {
        let mut chosen =
            vec![("host", quoted(&wanted.endpoint.host().to_string())), ("port", wanted.endpoint.port().to_string())];
        chosen.extend(wanted.name.iter().map(|name| ("name", quoted(name.as_str()))));
        write_secret(&part.settings_file(), settings_file(manual(Role::Server), &chosen).as_bytes())?;
    }
    part.gate().put(&knock)?;
    // Last: without the identity there is no server here, and the next `init` starts over.
    store_identity(suite, &*key, &part.identity_file(), passphrase.as_ref())
}

/// The settings in force must be the ones asked for; `init` never changes them.
fn agrees(settings: &Settings, part: &Part, args: &ServerInitArgs, wanted: &Wanted) -> CliResult {
    let host = settings.text("host")?.unwrap_or_default();
    let port: u16 = settings.value("port")?;
    let name = settings.text("name")?;
    let differs = if host != wanted.endpoint.host().to_string() {
        Some(("host", host))
    } else if args.port.is_some_and(|asked| asked != port) {
        Some(("port", port.to_string()))
    } else if args.name.is_some() && args.name != name {
        Some(("name", name.unwrap_or_default()))
    } else {
        None
    };
    match differs {
        None => Ok(()),
        Some((key, value)) => Err(CliError::usage(format!(
            "this home has settings for a server already, with `{key}` = `{value}` from {}",
            settings.source(key)
        ))
        .hint(format!("change it in {}, or name another home with --home DIR", part.settings_file().display()))),
    }
}

fn report(context: &Context, suite: &dyn CipherSuite, part: &Part, made: bool) -> CliResult {
    let ui = context.ui;
    let key = load_identity(suite, &part.identity_file())?;
    let identity = fingerprint(suite, key.public().spki());
    let settings = part.settings_file();
    if ui.json {
        ui.record(
            "server-identity",
            json!({
                "made": made,
                "fingerprint": identity.to_string(),
                "words": words(identity.as_bytes()),
                "settings": settings.display().to_string(),
            }),
        )?;
    }
    let said = if made { "The server is set up." } else { "The server was set up before; nothing was changed." };
    ui.say(&format!(
        "{said} Its settings are in {}.\n\
         Next: `dpex server add FILE`, with the request that somebody sent you.",
        settings.display()
    ));
    ui.detail(&format!("The server's fingerprint: {}", words(identity.as_bytes())));
    Ok(())
}
