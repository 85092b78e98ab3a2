//! `dpex server serve`: serves in the foreground until Ctrl-C, or until it is told to stop.

mod budget;
mod hook;
mod host;
mod left_out;
mod metrics;
mod nothing;
mod place;
mod repeats;
mod roster;
mod scribe;
mod shelf;
mod status;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dpex_core::engine::{EndpointConfig, IDLE_TIMEOUT, Limits};
use dpex_core::node::{Server, Steward};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use super::{Context, background, runtime, shelves};
use crate::args::ServeArgs;
use crate::backends;
use crate::config::Settings;
use crate::control::{Listener, Request};
use crate::error::{Blame, CliError, CliResult};
use crate::home::{Role, load_identity};

use hook::Hook;
use host::Host;
use roster::Roster;
use scribe::Scribe;
use status::Facts;

/// How often what was too much to tell of at once is told.
const EVERY: Duration = Duration::from_secs(60);
/// How often it is seen what caps hold at this time of day.
const CLOCK: Duration = Duration::from_secs(10);
/// How often the home is looked at unasked: secrets grow old.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long `stop` lets what is under way come to its end.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// How long its end may wait for whoever reads its log.
const LAST_LINES: Duration = Duration::from_secs(2);
/// The largest UDP payload this program takes.
const MAX_UDP_PAYLOAD: u16 = 65_000;

/// Runs it.
pub(super) fn run(context: &Context, args: &ServeArgs) -> CliResult {
    // What it makes is nobody else's business, and no core of it, with keys in it, is left behind.
    runtime::keep_to_itself();
    if args.background {
        background::detach()?;
    }
    let part = context.home.part(Role::Server);
    let settings = check(context, args)?;
    let suite = backends::crypto(&settings)?;
    let identity = load_identity(suite, &part.identity_file())?;
    let _alone = part.lock_serving()?;
    let own = dpex_core::enrol::fingerprint(suite, identity.public().spki());
    let address = address(&settings, args)?;
    let metrics_address = metrics::address(&settings)?;
    let command: Vec<String> = settings.value("on-delivered")?;
    let mut roster = Roster::new(context.clone(), suite, own)?;
    let mut enrolled = roster.read()?;
    let (knock, former_knock) = roster.gate();
    let config = EndpointConfig {
        suite,
        identity,
        knock,
        former_knock,
        max_udp_payload: MAX_UDP_PAYLOAD,
        idle: IDLE_TIMEOUT,
        limits: Limits::default(),
    };
    runtime::block_on(async {
        let transport = backends::bind(&settings, address)?;
        for note in transport.notes() {
            context.log.say(&note);
        }
        let bound = transport.local_addr().map_err(|e| CliError::new(Blame::Internal, e.to_string()))?;
        let scraped = match metrics_address {
            Some(address) => Some(metrics::bind(address).await?),
            None => None,
        };
        let listener = Listener::bind(&part)?;
        let scribe = Scribe::new(part.audit(), context.log.clone());
        let hook = Hook::new(command, context.log.clone());
        let host = Host::new((context.ui, context.log.clone()), part.clone(), scribe, hook);
        let host = Arc::new(host);
        host.announce(roster.announced());
        for person in &mut enrolled {
            host.offer(person);
        }
        let people = enrolled.into_iter().map(|enrolled| enrolled.person).collect();
        let server = Server::new(config, people, transport, Arc::clone(&host) as _)
            .map_err(|e| CliError::new(Blame::Internal, format!("failed to start: {e}")))?;
        let steward = server.steward();
        steward.cap(roster.caps());
        let facts = Facts { since: context.now(), address: bound };
        let running =
            Running { steward: steward.clone(), host: Arc::clone(&host), roster: Arc::new(Mutex::new(roster)) };
        tell_start(context, args, &host, bound);
        let measured = async {
            match scraped {
                Some(scraped) => {
                    let now = || async { (host.people(), steward.report().await.len()) };
                    metrics::run(scraped, &host.totals, facts.since.secs(), now).await
                }
                None => std::future::pending().await,
            }
        };
        background::ready(args.background, &context.log, &part)?;
        let ran = tokio::select! {
            ran = server.run(runtime::interrupted()) => ran,
            never = catch_up(&host) => match never {},
            never = watch(&running, context) => match never {},
            never = listener.run(answers(running.clone(), facts.clone())) => match never {},
            never = measured => match never {},
        };
        background::stopping();
        // As if the next minute had come, which it will not.
        host.catch_up(Instant::now() + EVERY);
        host.note("server-stopped", json!({}));
        host.finish();
        ran.map_err(|e| {
            CliError::new(Blame::Internal, format!("the socket failed: {e}")).hint("start the server again")
        })?;
        context.log.say("stopped");
        // Whoever waits for this server to end will look there.
        context.log.finish(LAST_LINES);
        Ok(())
    })
}

/// The settings, if a server could start with them and with who is enrolled. What only starting shows, as its port and the
/// passphrase of its key, is not tried.
pub(super) fn check(context: &Context, args: &ServeArgs) -> CliResult<Settings> {
    context.home.part(Role::Server).check()?;
    let settings = context.settings(Role::Server)?;
    backends::crypto(&settings)?;
    backends::check_store(&settings)?;
    backends::check_transport(&settings)?;
    address(&settings, args)?;
    metrics::address(&settings)?;
    settings.value::<Vec<String>>("on-delivered")?;
    shelves::opener(&settings, context.home.root()).map(drop)?;
    roster::limits(&settings)?;
    context.home.part(Role::Server).people().all()?;
    Ok(settings)
}

fn tell_start(context: &Context, args: &ServeArgs, host: &Host, bound: SocketAddr) {
    let count = host.people();
    if context.ui.json {
        context.log.record("serving", &json!({ "address": bound.to_string(), "people": count }));
    }
    let whom = if count == 1 { "1 person".to_owned() } else { format!("{count} people") };
    let end = if args.background { "" } else { "; Ctrl-C ends it" };
    context.log.say(&format!("serving {whom} on {bound}{end}"));
    host.note("server-started", json!({ "address": bound.to_string(), "people": count }));
}

/// A server that runs, as those see it who change it.
#[derive(Clone)]
struct Running {
    steward: Steward,
    host: Arc<Host>,
    roster: Arc<Mutex<Roster>>,
}

impl Running {
    /// Makes what the home says now so. After an error all is as before.
    async fn refresh(&self) -> CliResult {
        let mut roster = self.roster.lock().await;
        // First, and whatever comes of the rest: whoever is out is out.
        let expelled = tokio::task::block_in_place(|| self.host.keep_only(|name, id| roster.stays(name, id)));
        for gone in expelled {
            self.steward.expel(gone);
        }
        // Files are read and keys are parsed: other tasks go on meanwhile.
        let enrolled = tokio::task::block_in_place(|| roster.read())?;
        let (knock, former) = roster.gate();
        self.steward.knock(knock, former);
        for mut enrolled in enrolled {
            self.host.offer(&mut enrolled);
            let crowded = |_| CliError::usage("there are more people than a server takes");
            self.steward.enrol(enrolled.person).await.map_err(crowded)?;
        }
        self.steward.cap(roster.caps());
        self.host.announce(roster.announced());
        Ok(())
    }
}

impl Running {
    /// Ends an access that could not be ended on the disk, for as long as this server runs. Did anybody have it?
    async fn expel(&self, name: &str) -> bool {
        let mut roster = self.roster.lock().await;
        let gone = self.host.keep_only(|other, _| other.as_str() != name);
        for enrolment in &gone {
            roster.ban(*enrolment);
            self.steward.expel(*enrolment);
        }
        !gone.is_empty()
    }
}

/// An answer to a command, some time.
type Answer = Pin<Box<dyn Future<Output = Value> + Send>>;

/// What is answered to commands.
fn answers(running: Running, facts: Facts) -> impl Fn(Request) -> Answer + Clone + Send + 'static {
    move |request| {
        let (running, facts) = (running.clone(), facts.clone());
        Box::pin(async move {
            match request {
                Request::Status => status::status(&facts, &running.steward, &running.host).await,
                Request::Refresh => match running.refresh().await {
                    Ok(()) => json!({ "refreshed": true }),
                    Err(e) => json!({ "error": e.message(), "hint": e.hint_text() }),
                },
                Request::Expel { name } => {
                    let out = running.expel(&name).await;
                    json!({ "expelled": out })
                }
                Request::Stop => {
                    running.steward.drain(DRAIN);
                    json!({ "stopping": true, "pid": std::process::id() })
                }
            }
        })
    }
}

/// Keeps the caps in step with the time of day, and looks at the home again on SIGHUP.
async fn watch(running: &Running, context: &Context) -> Infallible {
    let mut hangup = signal(SignalKind::hangup()).ok();
    let mut clock = tokio::time::interval(CLOCK);
    let mut day = tokio::time::interval_at(tokio::time::Instant::now() + DAY, DAY);
    let mut before = running.roster.lock().await.caps();
    loop {
        let told = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = clock.tick() => {
                background::alive();
                // One that is being read sets them itself.
                let Ok(roster) = running.roster.try_lock() else { continue };
                let caps = roster.caps();
                if caps != before {
                    running.steward.cap(caps.clone());
                    before = caps;
                }
            }
            _ = day.tick() => look_again(running, context, ""),
            () = running.host.gate_is_shut.notified() => look_again(running, context, ""),
            _ = told => look_again(running, context, "looked at the home again"),
        }
    }
}

/// Not in the task of the caller, which also routes: files are read.
fn look_again(running: &Running, context: &Context, done: &'static str) {
    let (running, log) = (running.clone(), context.log.clone());
    tokio::spawn(async move {
        match running.refresh().await {
            Ok(()) if done.is_empty() => {}
            Ok(()) => log.say(done),
            Err(e) => log.warn(&format!("not taken: {}\nhint: {}", e.message(), e.hint_text())),
        }
    });
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
