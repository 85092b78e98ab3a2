//! The home: where this machine's identities, enrolments and settings live.
//!
//! ```text
//! HOME/server/  dpex.toml  identity.pem  knock.key     clients/NAME/{client.json, outgoing/}  log/  state/
//! HOME/client/  dpex.toml  identity.pem  request.json  servers/NAME.json                      state/
//! ```
//!
//! Everything secret is a file of mode 0600 in folders of mode 0700; anything looser is refused, never mended
//! silently, because somebody may have read it already.

mod audit;
mod fetched;
mod gate;
mod identity;
mod lock;
mod modes;
mod passphrase;
mod people;
mod record;
mod secret_file;
mod servers;
mod stamps;
mod values;

use data_encoding::BASE64;
use dpex_core::enrol::Slug;
use dpex_core::suite::CipherSuite;
use dpex_core::types::Secret;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

use etcetera::BaseStrategy as _;

use crate::error::{Blame, CliError, CliResult};

pub(crate) use audit::{Audit, Entry, Fault};
pub(crate) use fetched::{Fetched, Ledger};
pub(crate) use gate::{Came, Gate};
pub(crate) use identity::{load_identity, store_identity};
pub(crate) use lock::Lock;
pub(crate) use passphrase::{
    VARIABLE as PASSPHRASE_VARIABLE, chosen as chosen_passphrase, hand_over as hand_over_passphrase,
    hand_over_file as passphrase_file, known as known_passphrase,
};
pub(crate) use people::{People, Person, Status};
pub(crate) use secret_file::{create_folder, read as read_secret, write as write_secret};
pub(crate) use servers::{KnownServer, KnownServers};
pub(crate) use stamps::Stamps;
pub(crate) use values::Values;

/// Which of the two a part of the home belongs to. One machine can be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Gives files.
    Server,
    /// Fetches files.
    Client,
}

impl Role {
    /// The name of its folder, and of its commands.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// The command that sets it up.
    fn init_command(self) -> &'static str {
        match self {
            Self::Server => "dpex server init --host NAME-OR-ADDRESS",
            Self::Client => "dpex client init",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The folder that holds both roles. It need not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
    chosen: bool,
}

impl Home {
    /// The folder that was asked for, or the platform's place for a program's data.
    pub(crate) fn locate(asked: Option<&Path>) -> CliResult<Self> {
        let asked = asked.filter(|path| !path.as_os_str().is_empty());
        let chosen = asked.is_some();
        let root = match asked {
            Some(path) => path.to_owned(),
            None => etcetera::base_strategy::choose_native_strategy()
                .map_err(|_| {
                    CliError::usage("this account has no home folder")
                        .hint("name a folder with --home DIR or DPEX_HOME")
                })?
                .data_dir()
                .join("dpex"),
        };
        let root = std::path::absolute(&root).map_err(|e| CliError::disk("find", &root, &e))?;
        Ok(Self { root, chosen })
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Was it named by the person, rather than taken from the platform?
    pub(crate) fn was_chosen(&self) -> bool {
        self.chosen
    }

    /// The part of the home that belongs to a role. Nothing is touched.
    pub(crate) fn part(&self, role: Role) -> Part {
        Part { dir: self.root.join(role.name()), root: self.root.clone(), role }
    }
}

/// One role's folder in the home.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    dir: PathBuf,
    root: PathBuf,
    role: Role,
}

impl Part {
    /// Its settings.
    pub(crate) fn settings_file(&self) -> PathBuf {
        self.dir.join("dpex.toml")
    }

    /// Its private key.
    pub(crate) fn identity_file(&self) -> PathBuf {
        self.dir.join("identity.pem")
    }

    /// A client's own request, as it was sent.
    pub(crate) fn request_file(&self) -> PathBuf {
        self.dir.join("request.json")
    }

    /// A server's secret that all its clients share, the first gate's.
    pub(crate) fn gate(&self) -> Gate {
        Gate::new(self.dir.join("knock.key"), self.dir.join("knock.former"))
    }

    /// Has `init` been run to its end? The identity is the last thing it writes.
    pub(crate) fn is_made(&self) -> bool {
        self.identity_file().exists()
    }

    /// Checks that it is made, and that nobody else can look into it.
    pub(crate) fn check(&self) -> CliResult {
        if !self.identity_file().try_exists().map_err(|e| CliError::disk("look at", &self.identity_file(), &e))? {
            let (role, root) = (self.role, self.root.display());
            return Err(match role {
                Role::Client => CliError::not_enrolled(format!("there is no {role} in {root} yet")),
                Role::Server => CliError::usage(format!("there is no {role} in {root} yet")),
            }
            .hint(format!("run `{}` first, or name another home with --home DIR", role.init_command())));
        }
        modes::check_root(&self.root)?;
        modes::check_private_folder(&self.dir)
    }

    /// Makes the folder if need be, and checks it.
    pub(crate) fn prepare(&self) -> CliResult {
        create_folder(&self.root)?;
        modes::check_root(&self.root)?;
        create_folder(&self.dir)?;
        modes::check_private_folder(&self.dir)?;
        create_folder(&self.state())
    }

    /// Waits until no other command writes here.
    pub(crate) fn lock(&self) -> CliResult<Lock> {
        Lock::take(&self.dir.join("lock"))
    }

    /// Only one process serves from a home: two would each accept the stamps that the other has seen.
    pub(crate) fn lock_serving(&self) -> CliResult<Lock> {
        let busy = || {
            CliError::usage(format!("a server runs already in {}", self.root.display()))
                .hint("stop it first, or give this one a home of its own with --home DIR")
        };
        Lock::try_take(&self.state().join("serving"))?.ok_or_else(busy)
    }

    /// The secret that keys the versions of files, made when it is first needed. Losing it costs resumed transfers
    /// their start, no more.
    pub(crate) fn version_secret(&self, suite: &dyn CipherSuite) -> CliResult<Secret<32>> {
        let path = self.state().join("version.key");
        let _lock = self.lock()?;
        if let Some(secret) = secret_of(&path)? {
            return Ok(secret);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        suite
            .random(bytes.as_mut())
            .map_err(|e| CliError::new(Blame::Internal, format!("no secret could be made: {e}")))?;
        write_secret(&path, BASE64.encode(bytes.as_ref()).as_bytes())?;
        Ok(Secret::new(*bytes))
    }

    /// The people enrolled at this server.
    pub(crate) fn people(&self) -> People {
        People::new(self.dir.join("clients"))
    }

    /// The servers this client knows.
    pub(crate) fn servers(&self) -> KnownServers {
        KnownServers::new(self.dir.join("servers"))
    }

    /// The last handshake stamp of each peer.
    pub(crate) fn stamps(&self) -> Stamps {
        Stamps::new(self.state())
    }

    /// What was fetched from a server into a folder.
    pub(crate) fn fetched(&self, server: &Slug, target: &Path) -> CliResult<Ledger> {
        Ledger::load(&self.state().join("fetched"), server, target)
    }

    /// Block values of the files that this server has read.
    pub(crate) fn values(&self) -> Values {
        Values::new(self.state().join("values"))
    }

    /// Notes that clients are told of several places.
    pub(crate) fn remember_places(&self) -> CliResult {
        let _lock = self.lock()?;
        if self.has_told_places() { Ok(()) } else { write_secret(&self.told_places(), b"") }
    }

    /// Were clients ever told of several places?
    pub(crate) fn has_told_places(&self) -> bool {
        self.told_places().exists()
    }

    fn told_places(&self) -> PathBuf {
        self.state().join("told-places")
    }

    /// Where a running server listens for commands.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// Who got what.
    pub(crate) fn audit(&self) -> Audit {
        Audit::new(self.log_folder())
    }

    /// What a server in the background says goes there, too.
    pub(crate) fn log_folder(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Does a server run in this home?
    pub(crate) fn is_serving(&self) -> CliResult<bool> {
        Ok(Lock::try_take(&self.state().join("serving"))?.is_none())
    }

    /// What must survive a restart, and is of no use elsewhere.
    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }
}

/// A file of 32 secret bytes in base64; `None` if it is absent or something else.
fn secret_of(path: &Path) -> CliResult<Option<Secret<32>>> {
    let Some(text) = read_secret(path)? else { return Ok(None) };
    let Ok(bytes) = BASE64.decode(text.trim_ascii()).map(Zeroizing::new) else { return Ok(None) };
    Ok(Secret::try_from(bytes.as_slice()).ok())
}

/// Nobody but the owner may change what is offered: what others put there would be given away in the owner's name.
pub(crate) fn check_shelf(path: &Path) -> CliResult {
    modes::check_root(path)
}
