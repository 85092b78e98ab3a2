//! How a client command comes by its connection: settings, identity, the server's addresses, and the handshake.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dpex_core::engine::{CloseReason, Closer, ConnectorConfig, IDLE_TIMEOUT, Limits};
use dpex_core::enrol::{ClientGrant, Endpoint, Host, Slug};
use dpex_core::node::{self, Client, ConnectError, News};
use dpex_core::seal::{Knock, PairKeys, Peering};
use dpex_core::suite::{CipherSuite, IdentityKey};
use dpex_core::types::{EnrolmentId, Fingerprint, Secret, Timestamp};
use dpex_core::wire::frame::CloseCode;
use tokio::time::timeout;

use super::{Context, lookup};
use crate::args::WhichServer;
use crate::backends;
use crate::config::Settings;
use crate::error::{Blame, CliError, CliResult, reason};
use crate::home::{KnownServer, Part, Role, load_identity};
use crate::ui::{Waiting, escape};

/// The largest UDP payload this program takes.
const MAX_UDP_PAYLOAD: u16 = 65_000;
/// Clocks further apart than this are worth a word.
const SKEW: i64 = 5 * 60;

/// A server, and what is needed to speak to it.
pub(super) struct Prospect {
    part: Part,
    name: Slug,
    known: KnownServer,
    suite: &'static dyn CipherSuite,
    identity: Arc<dyn IdentityKey>,
    /// The secrets with which the present connection was made: the pre-shared key, and the gate's.
    came_with: Mutex<Option<(Secret<32>, Secret<32>)>>,
    /// What was remembered last of what the server says of itself.
    learnt: Mutex<News>,
}

impl Prospect {
    /// What the server is called here.
    pub(super) fn name(&self) -> &Slug {
        &self.name
    }

    /// Who the server is.
    pub(super) fn origin(&self) -> Fingerprint {
        self.known.grant.server
    }

    /// Finds the server that was meant, and loads what belongs to it. Nothing is sent.
    pub(super) fn find(context: &Context, settings: &Settings, which: &WhichServer) -> CliResult<Self> {
        let part = context.home.part(Role::Client);
        part.check()?;
        backends::check_transport(settings)?;
        let configured = settings.text("server")?;
        let typed = which.server.as_deref().or(configured.as_deref());
        let (name, known) = lookup::server(&part.servers(), typed)?;
        let suite = backends::crypto(settings)?;
        let identity = load_identity(suite, &part.identity_file())?;
        Ok(Self { part, name, known, suite, identity, came_with: Mutex::default(), learnt: Mutex::default() })
    }

    /// Remembers what the server says of itself: where it is found from now on, and with which secrets. Whatever comes in the
    /// way is no failure of the command: it will be told again.
    pub(super) async fn learn(&self, context: &Context, client: &Client) {
        let news = client.news();
        if news == *locked(&self.learnt) {
            return;
        }
        let News { endpoints, psk, knock } = news.clone();
        // What this connection was told replaces what it came with. Another command may have been told something newer since.
        let Some((psk_before, knock_before)) = locked(&self.came_with).clone() else { return };
        let (part, name, enrolment) = (self.part.clone(), self.name.clone(), self.known.grant.enrolment);
        let kept = tokio::task::spawn_blocking(move || -> CliResult<Option<KnownServer>> {
            let _lock = part.lock()?;
            let Some(mut known) = part.servers().get(&name)? else { return Ok(None) };
            let before = known.grant.clone();
            if before.enrolment != enrolment {
                return Ok(None);
            }
            let grant = &mut known.grant;
            grant.endpoints = endpoints.unwrap_or_else(|| before.endpoints.clone());
            // In one step with the rest, and in place of the old ones, which the server drops when these are used (ENR-29).
            if let Some(psk) = psk.filter(|_| before.psk == psk_before) {
                grant.psk = psk;
            }
            if let Some(knock) = knock.filter(|_| before.knock == knock_before) {
                grant.knock = knock;
            }
            if *grant == before {
                return Ok(None);
            }
            part.servers().put(&name, &known)?;
            Ok(Some(known))
        });
        let kept = kept.await;
        if matches!(kept, Ok(Ok(_))) {
            *locked(&self.learnt) = news;
        }
        if let Ok(Ok(Some(known))) = kept {
            let now = known.grant;
            if now.endpoints != self.known.grant.endpoints {
                let shown = now.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                context.ui.say(&format!("`{}` is found at {} from now on", self.name, escape(&shown)));
            }
            if now.psk != self.known.grant.psk || now.knock != self.known.grant.knock {
                context.ui.detail(&format!("`{}` has given new secrets for the next time", self.name));
            }
        }
    }

    /// The grant as it is now: another command may have been told news since this one began.
    fn grant(&self) -> ClientGrant {
        let now = self.part.servers().get(&self.name).ok().flatten().map(|known| known.grant);
        now.filter(|grant| grant.enrolment == self.known.grant.enrolment).unwrap_or_else(|| self.known.grant.clone())
    }

    /// Connects, trying one address after the other.
    pub(super) async fn connect(&self, context: &Context, settings: &Settings) -> CliResult<Client> {
        // Nobody is waited for that long.
        self.connect_within(context, settings, Duration::MAX).await
    }

    /// The same, but waits for each address no longer than this.
    pub(super) async fn connect_within(
        &self,
        context: &Context,
        settings: &Settings,
        patience: Duration,
    ) -> CliResult<Client> {
        let waiting = Waiting::begin(context.ui, &format!("connecting to {}", self.name));
        let mut failure = None;
        let grant = self.grant();
        for endpoint in &grant.endpoints {
            let addresses = match resolve(endpoint).await {
                Ok(addresses) => addresses,
                Err(e) => {
                    failure = Some(e);
                    continue;
                }
            };
            for address in addresses {
                context.ui.detail(&format!("trying {address}"));
                let trying = timeout(patience, self.connect_to(context, settings, &grant, endpoint, address));
                let nobody = |_| Err(refused(&ConnectError::NoAnswer, &self.name, endpoint, address));
                match trying.await.unwrap_or_else(nobody) {
                    Ok(client) => {
                        *locked(&self.came_with) = Some((grant.psk, grant.knock));
                        drop(waiting);
                        warn_of_skew(context, &client);
                        return Ok(client);
                    }
                    Err(e) if e.blame() == Blame::NoAnswer => failure = Some(e),
                    Err(e) => return Err(e),
                }
            }
        }
        Err(failure.unwrap_or_else(|| CliError::new(Blame::NoAnswer, format!("{} has no address", self.name))))
    }

    async fn connect_to(
        &self,
        context: &Context,
        settings: &Settings,
        grant: &ClientGrant,
        endpoint: &Endpoint,
        server: SocketAddr,
    ) -> CliResult<Client> {
        let peering = Peering {
            server: grant.server,
            client: grant.client,
            enrolment: grant.enrolment,
            exchange: grant.exchange,
        };
        let damaged = |_| CliError::usage(format!("what is kept of the server `{}` is damaged", self.name));
        let config = ConnectorConfig {
            suite: self.suite,
            identity: Arc::clone(&self.identity),
            server_key: grant.server_key(self.suite).map_err(damaged)?,
            pair: Arc::new(PairKeys::new(self.suite, &grant.psk, &peering)),
            knock: Knock::new(self.suite, &grant.knock),
            server,
            max_udp_payload: MAX_UDP_PAYLOAD,
            idle: IDLE_TIMEOUT,
            limits: Limits::default(),
        };
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let transport = backends::bind(settings, SocketAddr::new(any, 0))?;
        for note in transport.notes() {
            context.ui.detail(&note);
        }
        let stamps = Stamps { part: self.part.clone(), name: self.name.clone(), enrolment: grant.enrolment };
        let connected = node::connect(transport, config, &stamps).await;
        connected.map_err(|e| refused(&e, &self.name, endpoint, server))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses of an endpoint, those first that this machine has a way to.
async fn resolve(endpoint: &Endpoint) -> CliResult<Vec<SocketAddr>> {
    let port = endpoint.port();
    let name = match endpoint.host() {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name.to_string(),
    };
    let found = tokio::net::lookup_host((name.as_str(), port)).await;
    let mut found: Vec<SocketAddr> = found
        .map_err(|e| {
            CliError::new(Blame::NoAnswer, format!("the address of {name} could not be found: {}", reason(&e)))
                .hint("check this computer's connection, and the name with the person who runs the server")
        })?
        .collect();
    found.sort_by_key(|address| !has_route(*address));
    Ok(found)
}

/// Connecting a UDP socket sends nothing; it only asks the system for a way.
fn has_route(address: SocketAddr) -> bool {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(address)).is_ok()
}

/// The stamps of this client's handshakes with one server.
struct Stamps {
    part: Part,
    name: Slug,
    enrolment: EnrolmentId,
}

#[async_trait]
impl node::Stamps for Stamps {
    async fn next(&self, now: Timestamp) -> io::Result<Timestamp> {
        let (part, name, enrolment) = (self.part.clone(), self.name.clone(), self.enrolment);
        let kept = tokio::task::spawn_blocking(move || {
            let _lock = part.lock()?;
            part.stamps().next(&name, &enrolment, now)
        });
        kept.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }
}

fn refused(error: &ConnectError, name: &Slug, endpoint: &Endpoint, address: SocketAddr) -> CliError {
    let whom = format!("failed to connect to `{name}` at {endpoint}");
    match error {
        ConnectError::NoAnswer => CliError::new(Blame::NoAnswer, format!("{whom}: no answer")).hint(
            "the server may be down, its port not forwarded, your access ended, or this computer's clock or home have \
             gone backwards: a silent server does not say which",
        ),
        ConnectError::ServerKeyDiffers => {
            CliError::new(Blame::Verification, format!("{whom}: another key answered than the one you were given")).hint(
                "somebody may be between you and the server, or it was set up anew: ask by phone, and for a new answer document",
            )
        }
        ConnectError::Refused(code) => CliError::new(Blame::Refused, format!("{whom}: it refused (reason {code})"))
            .hint("one of the two programs is too old for the other: update it"),
        ConnectError::Stamp(e) => CliError::new(Blame::Disk, format!("{whom}: {}", reason(e)))
            .hint("the client's home must be writable: its state folder keeps what stops replays"),
        ConnectError::Socket(e) => CliError::new(Blame::NoAnswer, format!("{whom}: {address}: {}", reason(e)))
            .hint("check this computer's network connection"),
        ConnectError::Crypto(e) => CliError::new(Blame::Internal, format!("{whom}: {e}")),
    }
}

/// Why a connection that stood has ended.
pub(super) fn ended(reason: Option<&CloseReason>) -> CliError {
    let Some(CloseReason { by, code, text }) = reason else {
        return CliError::new(Blame::NoAnswer, "the connection ended").hint("run the same command again");
    };
    let lost = |message: &str, hint: &str| CliError::new(Blame::NoAnswer, message).hint(hint);
    match (by, code) {
        (_, CloseCode::Idle) => lost("the server does not answer any more", "run the same command again"),
        (_, CloseCode::Shutdown) => lost("the server was stopped", "run the same command again when it is back"),
        (Closer::Peer, CloseCode::Revoked) => {
            let why = if text.is_empty() { String::new() } else { format!(": {text}") };
            CliError::new(Blame::Refused, format!("the server has ended your access{why}"))
                .hint("ask the person who runs it")
        }
        (Closer::Peer, CloseCode::TooManySessions) => {
            CliError::new(Blame::Refused, "too many connections of yours at once").hint("end one of the others")
        }
        (_, CloseCode::KeyLimit) => lost("the connection's keys are used up", "run the same command again"),
        (Closer::Us, CloseCode::Internal) => {
            lost("this computer's socket failed", "check the network connection, then run the same command again")
        }
        (Closer::Us, CloseCode::Protocol) => {
            CliError::new(Blame::Verification, "the server broke the protocol").hint("update dpex on both sides")
        }
        _ => lost(
            "the server ended the connection",
            "run the same command again; if it stays so, update dpex on both sides",
        ),
    }
}

fn warn_of_skew(context: &Context, client: &Client) {
    let apart = context.now().secs() - client.server_time().secs();
    if apart.abs() > SKEW {
        let (minutes, way) = (apart.abs() / 60, if apart > 0 { "ahead of" } else { "behind" });
        context.ui.say(&format!("this computer's clock is {minutes} minutes {way} the server's"));
    }
}
