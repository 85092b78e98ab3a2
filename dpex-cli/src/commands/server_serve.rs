//! `dpex server serve`: serves in the foreground until Ctrl-C.

mod host;
mod nothing;
mod repeats;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dpex_core::engine::{EndpointConfig, IDLE_TIMEOUT, Limits, Person};
use dpex_core::enrol::Slug;
use dpex_core::node::Server;
use dpex_core::seal::{Knock, PairKeys, Peering};
use dpex_core::suite::CipherSuite;
use dpex_core::types::Timestamp;
use serde_json::json;

use super::{Context, runtime, shelves};
use crate::args::ServeArgs;
use crate::backends;
use crate::config::Settings;
use crate::error::{Blame, CliError, CliResult};
use crate::home::{self, Part, Role, Status, load_identity};

use host::{Host, Shelf};

/// How often what was too much to tell of at once is told.
const EVERY: Duration = Duration::from_secs(60);
/// The largest UDP payload this program takes.
const MAX_UDP_PAYLOAD: u16 = 65_000;

/// Runs it.
pub(super) fn run(context: &Context, args: &ServeArgs) -> CliResult {
    let part = context.home.part(Role::Server);
    part.check()?;
    let settings = context.settings(Role::Server)?;
    let suite = backends::crypto(&settings)?;
    backends::check_store(&settings)?;
    backends::check_transport(&settings)?;
    let identity = load_identity(suite, &part.identity_file())?;
    let knock = part.knock()?;
    let _alone = part.lock_serving()?;
    let config = EndpointConfig {
        suite,
        identity: Arc::clone(&identity),
        knock: Arc::new(Knock::new(suite, &knock)),
        max_udp_payload: MAX_UDP_PAYLOAD,
        idle: IDLE_TIMEOUT,
        limits: Limits::default(),
    };
    let own = dpex_core::enrol::fingerprint(suite, identity.public().spki());
    let (people, shelves) = people(context, &part, &settings, suite, own)?;
    let address = address(&settings, args)?;
    let host = Arc::new(Host::new(context.ui, context.log.clone(), part.stamps(), part.values(), shelves));
    runtime::block_on(async {
        let transport = backends::bind(&settings, address)?;
        let bound = transport.local_addr().map_err(|e| CliError::new(Blame::Internal, e.to_string()))?;
        let count = people.len();
        let server = Server::new(config, people, transport, Arc::clone(&host) as _)
            .map_err(|e| CliError::new(Blame::Internal, format!("failed to start: {e}")))?;
        if context.ui.json {
            context.log.record("serving", &json!({ "address": bound.to_string(), "people": count }));
        }
        let whom = if count == 1 { "1 person".to_owned() } else { format!("{count} people") };
        context.log.say(&format!("serving {whom} on {bound}; Ctrl-C ends it"));
        let ran = tokio::select! {
            ran = server.run(runtime::interrupted()) => ran,
            never = catch_up(&host) => match never {},
        };
        // As if the next minute had come, which it will not.
        host.catch_up(Instant::now() + EVERY);
        ran.map_err(|e| {
            CliError::new(Blame::Internal, format!("the socket failed: {e}")).hint("start the server again")
        })?;
        context.log.say("stopped");
        Ok(())
    })
}

/// Tells now and then of what was too much to tell of at once.
async fn catch_up(host: &Host) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        host.catch_up(Instant::now());
    }
}

fn address(settings: &Settings, args: &ServeArgs) -> CliResult<SocketAddr> {
    let configured = settings.text("listen")?;
    let parsed = configured.map(|text| {
        text.parse::<IpAddr>().map_err(|_| {
            CliError::usage(format!("the setting `listen` in {} is `{text}`", settings.source("listen")))
                .hint("it is an IP address of this machine, or empty for all of them")
        })
    });
    let listen = args.listen.or(parsed.transpose()?).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let port = match args.port {
        Some(port) => port,
        None => settings.value("port")?,
    };
    Ok(SocketAddr::new(listen, port))
}

/// Everybody who may come in, and what each is offered.
fn people(
    context: &Context,
    part: &Part,
    settings: &Settings,
    suite: &'static dyn CipherSuite,
    own: dpex_core::types::Fingerprint,
) -> CliResult<(Vec<Person>, Vec<Shelf>)> {
    let confirmed_only: bool = settings.value("require-confirmed")?;
    let secret = part.version_secret(suite)?;
    let all = part.people();
    let place = shelves::bucket(settings)?.map_or_else(|| context.home.root().to_owned(), PathBuf::from);
    let open = backends::server_store(settings, &place, context.home.root())?;
    let (mut people, mut shelves) = (Vec::new(), Vec::new());
    for (name, person) in all.all()? {
        if person.status != Status::Active {
            continue;
        }
        let grant = &person.grant;
        let damaged = |_| CliError::usage(format!("what is kept of `{name}` is damaged"));
        let peering =
            Peering { server: own, client: grant.client, enrolment: grant.enrolment, exchange: grant.exchange };
        people.push(Person {
            pair: PairKeys::new(suite, &grant.psk, &peering),
            key: grant.client_key(suite).map_err(damaged)?,
            last_stamp: part.stamps().last(&name, &grant.enrolment)?.unwrap_or(Timestamp::EPOCH),
            first_use_before: Some(grant.first_use_before),
            not_after: None,
        });
        let files = if confirmed_only && person.confirmed.is_none() {
            Arc::new(nothing::Nothing) as _
        } else {
            let root = shelves::shelf(settings, &all, &name)?;
            let is_ours = || if backends::is_url(&root) { Ok(()) } else { home::check_shelf(&root) };
            match is_ours().and_then(|()| open(&root, secret.clone())) {
                Ok(files) => files,
                Err(refused) => {
                    tell_refused(context, &name, &root, &refused);
                    Arc::new(nothing::Nothing) as _
                }
            }
        };
        shelves.push(Shelf { name, enrolment: grant.enrolment, files });
    }
    Ok((people, shelves))
}

/// One person's folder that cannot be served is no reason to serve nobody.
fn tell_refused(context: &Context, name: &Slug, root: &Path, refused: &CliError) {
    let (why, mut hint) = (refused.message(), refused.hint_text().to_owned());
    if !backends::is_url(root) && !root.exists() {
        hint = format!("make it again with `mkdir {}`", root.display());
    }
    let hint = format!("{hint}; then start the server again");
    if context.ui.json {
        context.log.record("shelf-refused", &json!({ "person": name.as_str(), "why": why, "hint": hint }));
    } else {
        context.log.warn(&format!("{name}: nothing is on offer: {why}\nhint: {hint}"));
    }
}
