//! `dpex client init`: makes the identity once, and prints the request as often as wanted.

use dpex_core::enrol::{DisplayName, Request, Uid, words};
use dpex_core::suite::{CipherSuite, IdentityKey};
use serde_json::json;

use super::{Context, documents};
use crate::args::ClientInitArgs;
use crate::backends;
use crate::config::{manual, settings_file};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Part, Role, chosen_passphrase, load_identity, store_identity, write_secret};
use crate::ui::Waiting;

/// Others refuse a request that is older than a year; ours is renewed well before.
const RENEW_AFTER: i64 = 300 * 24 * 60 * 60;

/// Runs it.
pub(super) fn run(context: &Context, args: &ClientInitArgs) -> CliResult {
    let suite = backends::crypto(&context.settings(Role::Client)?)?;
    let part = context.home.part(Role::Client);
    if !part.is_made() {
        let name = name(args.name.as_deref())?;
        part.prepare()?;
        let _lock = part.lock()?;
        // Another process may have been faster while this one waited for the lock.
        if !part.is_made() {
            let text = make(context, suite, &part, args, &name)?;
            return print(context, suite, &part, &text, "Your identity is made.");
        }
    }
    part.check()?;
    let _lock = part.lock()?;
    let (text, said) = again(context, suite, &part, args)?;
    print(context, suite, &part, &text, said)
}

fn name(typed: Option<&str>) -> CliResult<DisplayName> {
    let login = || ["USER", "LOGNAME"].iter().find_map(|variable| std::env::var(variable).ok());
    let Some(name) = typed.map(str::to_owned).or_else(login) else {
        return Err(CliError::usage("nobody is logged in whose name could be used").hint("give your name with --name"));
    };
    name.parse().map_err(|error| {
        CliError::usage(format!("`{name}` cannot be a name: {error}")).hint("give another one with --name")
    })
}

fn make(
    context: &Context,
    suite: &dyn CipherSuite,
    part: &Part,
    args: &ClientInitArgs,
    name: &DisplayName,
) -> CliResult<String> {
    let passphrase = args.passphrase.then(chosen_passphrase).transpose()?;
    let bits = args.bits.unwrap_or_default().count();
    let waiting = Waiting::begin(context.ui, &format!("Making a key of {bits} bits; this can take a while."));
    let key = suite.generate_identity(bits);
    drop(waiting);
    let key = key.map_err(|e| CliError::new(Blame::Internal, format!("failed to make a key: {e}")))?;
    if !part.settings_file().exists() {
        write_secret(&part.settings_file(), settings_file(manual(Role::Client), &[]).as_bytes())?;
    }
    let text = request(context, suite, part, &*key, None, name.as_str())?;
    // Last: without the identity there is no client here, and the next `init` starts over.
    store_identity(suite, &*key, &part.identity_file(), passphrase.as_ref())?;
    Ok(text)
}

/// Makes a request and stores it.
fn request(
    context: &Context,
    suite: &dyn CipherSuite,
    part: &Part,
    key: &dyn IdentityKey,
    uid: Option<Uid>,
    name: &str,
) -> CliResult<String> {
    let uid = match uid {
        Some(uid) => uid,
        None => Uid::generate(suite).map_err(|e| CliError::new(Blame::Internal, e.to_string()))?,
    };
    let made = Request::create(suite, key, uid, name, context.now())
        .map_err(|e| documents::not_made(&e).while_trying("make the request"))?;
    let text = made.to_json();
    write_secret(&part.request_file(), text.as_bytes())?;
    Ok(text)
}

/// The request there is, or a new one for the same identity if that is too old or gone.
fn again(
    context: &Context,
    suite: &dyn CipherSuite,
    part: &Part,
    args: &ClientInitArgs,
) -> CliResult<(String, &'static str)> {
    const ELSE: &str = "leave the option out to print the request again, or make another identity with --home DIR";
    let key = load_identity(suite, &part.identity_file())?;
    let bits = key.public().modulus_len() * 8;
    if args.bits.is_some_and(|asked| asked.count() != bits) {
        return Err(CliError::usage(format!("the identity is made already, with {bits} bits")).hint(ELSE));
    }
    let Some((old, text)) = documents::own_request(suite, part)? else {
        let name = name(args.name.as_deref())?;
        let text = request(context, suite, part, &*key, None, name.as_str())?;
        return Ok((text, "Your request was gone; this is a new one for the same identity."));
    };
    if args.name.as_deref().is_some_and(|asked| asked != old.name().as_str()) {
        return Err(CliError::usage(format!("the identity is made already, for `{}`", old.name())).hint(ELSE));
    }
    if context.now().secs() - old.created().secs() > RENEW_AFTER {
        let text = request(context, suite, part, &*key, Some(old.uid().clone()), old.name().as_str())?;
        return Ok((text, "Your request had grown old; this is a new one for the same identity."));
    }
    Ok((text, "Your identity was made before; this is the same request again."))
}

fn print(context: &Context, suite: &dyn CipherSuite, part: &Part, text: &str, said: &str) -> CliResult {
    let ui = context.ui;
    let Some((request, _)) = documents::own_request(suite, part)? else {
        return Err(CliError::new(Blame::Internal, "the request is gone again"));
    };
    if ui.json {
        let document: serde_json::Value = serde_json::from_str(text)
            .map_err(|e| CliError::new(Blame::Internal, format!("the request is not json: {e}")))?;
        ui.record(
            "request",
            json!({
                "name": request.name().as_str(),
                "uid": request.uid().as_str(),
                "fingerprint": request.fingerprint().to_string(),
                "words": words(request.fingerprint().as_bytes()),
                "document": document,
            }),
        )?;
    } else {
        ui.answer(text)?;
    }
    ui.say(&format!(
        "{said}\n\
         Mail the request to the person who runs the server; it holds no secret.\n\
         What comes back goes into `dpex client update FILE`."
    ));
    ui.detail(&format!("Your fingerprint: {}", words(request.fingerprint().as_bytes())));
    ui.detail(&format!("The identity is {}", part.identity_file().display()));
    Ok(())
}
