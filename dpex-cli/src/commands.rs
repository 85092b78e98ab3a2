//! What each command does, one file each.

mod client_confirm;
mod client_init;
mod client_servers;
mod client_update;
mod config;
mod documents;
mod generated;
mod lookup;
mod network;
#[cfg_attr(not(test), expect(dead_code, reason = "the commands that fetch select by it"))]
mod selection;
mod server_add;
mod server_clients;
mod server_confirm;
mod server_init;
mod server_path;

use std::path::PathBuf;
use std::time::SystemTime;

use dpex_core::types::Timestamp;

use crate::args::{Cli, ClientCommand, Command, ServerCommand};
use crate::config::{Settings, SettingsFile, Sources};
use crate::error::CliResult;
use crate::home::{Home, Role};
use crate::ui::Ui;

/// What every command starts from.
struct Context {
    ui: Ui,
    home: Home,
    config: Option<PathBuf>,
}

impl Context {
    /// A role's settings, with nothing typed.
    fn settings(&self, role: Role) -> CliResult<Settings> {
        let in_home = self.home.part(role).settings_file();
        let file = self.config.as_deref().map_or(SettingsFile::InHome(&in_home), SettingsFile::Named);
        Settings::load(role, Sources { file, env: std::env::vars_os().collect(), typed: Vec::new() })
    }

    /// The time by the clock of this machine.
    fn now(&self) -> Timestamp {
        Timestamp::from_system(SystemTime::now())
    }
}

/// Runs what was typed.
pub(crate) fn run(cli: Cli, ui: Ui) -> CliResult {
    let home = || Home::locate(cli.global.home.as_deref());
    let context = || Ok(Context { ui, home: home()?, config: cli.global.config.clone() });
    match cli.command {
        Command::Client(command) => client(&context()?, command),
        Command::Server(command) => server(&context()?, command),
        Command::Config(args) => config::run(&context()?, &args),
        Command::Completions(args) => generated::completions(ui, args.shell),
        Command::Man(args) => generated::man(ui, args.to.as_deref()),
        Command::Demo(_) => network::demo(),
    }
}

fn client(context: &Context, command: ClientCommand) -> CliResult {
    match command {
        ClientCommand::Init(args) => client_init::run(context, &args),
        ClientCommand::Update(args) => client_update::run(context, &args),
        ClientCommand::Servers => client_servers::run(context),
        ClientCommand::Confirm(args) => client_confirm::run(context, &args),
        ClientCommand::Ls(_) => network::ls(),
        ClientCommand::Get(_) => network::get(),
        ClientCommand::Getall(_) => network::getall(),
    }
}

fn server(context: &Context, command: ServerCommand) -> CliResult {
    match command {
        ServerCommand::Init(args) => server_init::run(context, &args),
        ServerCommand::Add(args) => server_add::run(context, &args),
        ServerCommand::Clients => server_clients::run(context),
        ServerCommand::Confirm(args) => server_confirm::run(context, &args),
        ServerCommand::Path(args) => server_path::run(context, &args),
        ServerCommand::Serve(_) => network::serve(),
    }
}
