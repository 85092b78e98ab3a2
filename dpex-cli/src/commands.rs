//! What each command does, one file each.

mod background;
mod client_confirm;
mod client_get;
mod client_init;
mod client_ls;
mod client_servers;
mod client_update;
mod client_verify;
mod config;
mod connection;
mod demo;
mod documents;
mod failures;
mod generated;
mod line;
mod lookup;
mod places;
mod runtime;
mod selection;
mod server_add;
mod server_clients;
mod server_confirm;
mod server_init;
mod server_log;
mod server_path;
mod server_rekey;
mod server_reload;
mod server_revoke;
mod server_serve;
mod server_set;
mod server_start;
mod server_status;
mod server_stop;
mod server_unit;
mod shelves;

use std::path::PathBuf;
use std::time::SystemTime;

use dpex_core::types::Timestamp;
use serde_json::Value;

use crate::args::{Cli, ClientCommand, Command, ServerCommand};
use crate::config::{self as config_layers, Layer, Settings, SettingsFile, Sources};
use crate::error::CliResult;
use crate::home::{Entry, Home, Part, Role};
use crate::ui::{Log, Ui};

/// What every command starts from.
#[derive(Clone)]
struct Context {
    ui: Ui,
    home: Home,
    config: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    /// Settings that were typed as flags of every command.
    typed: Vec<Layer>,
    /// The same as words, for a command that starts another.
    typed_words: Vec<String>,
    log: Log,
}

impl Context {
    /// A role's settings.
    fn settings(&self, role: Role) -> CliResult<Settings> {
        let in_home = self.home.part(role).settings_file();
        let file = self.config.as_deref().map_or(SettingsFile::InHome(&in_home), SettingsFile::Named);
        Settings::load(role, Sources { file, env: std::env::vars_os().collect(), typed: self.typed.clone() })
    }

    /// The time by the clock of this machine.
    fn now(&self) -> Timestamp {
        Timestamp::from_system(SystemTime::now())
    }
}

/// Runs what was typed.
pub(crate) fn run(cli: Cli, ui: Ui, log: &Log) -> CliResult {
    let home = || Home::locate(cli.global.home.as_deref());
    let joints = [("crypto", &cli.global.crypto), ("store", &cli.global.store), ("transport", &cli.global.transport)];
    let mut typed: Vec<_> = joints
        .into_iter()
        .filter_map(|(key, value)| Some(config_layers::typed(&format!("--{key}"), key, value.clone()?)))
        .collect();
    let flags = joints.iter().filter_map(|(key, value)| Some([format!("--{key}"), value.as_ref()?.clone()]));
    let flags: Vec<String> = flags.flatten().collect();
    if cli.command.receiving().is_some_and(|receiving| receiving.any_names) {
        typed.push(config_layers::typed("--any-names", "store-fs.any-names", true));
    }
    runtime::leave_no_core();
    if let Some(file) = &cli.global.passphrase_file {
        crate::home::passphrase_file(file)?;
    }
    let passphrase_file = cli.global.passphrase_file.clone();
    let context = || {
        let (config, typed) = (cli.global.config.clone(), typed.clone());
        let passphrase_file = passphrase_file.clone();
        Ok(Context { ui, home: home()?, config, passphrase_file, typed, typed_words: flags.clone(), log: log.clone() })
    };
    match cli.command {
        Command::Client(command) => client(&context()?, command),
        Command::Server(command) => server(&context()?, command),
        Command::Config(args) => config::run(&context()?, &args),
        Command::Completions(args) => generated::completions(ui, args.shell),
        Command::Man(args) => generated::man(ui, args.to.as_deref()),
        Command::Demo(args) => demo::run(ui, &args, flags),
    }
}

/// Writes down what the owner has done. That it could not be is said, and undoes nothing.
fn write_down(context: &Context, part: &Part, kind: &'static str, person: &str, fields: Value) {
    write_entry(context, part, kind, Some(person.to_owned()), fields);
}

/// The same of something that concerns nobody in particular.
fn write_down_of_nobody(context: &Context, part: &Part, kind: &'static str, fields: Value) {
    write_entry(context, part, kind, None, fields);
}

fn write_entry(context: &Context, part: &Part, kind: &'static str, person: Option<String>, fields: Value) {
    let entry = Entry { at: context.now(), kind, person, fields };
    if let Err(error) = part.audit().append(vec![entry]) {
        context.ui.say(&format!("It is done, and could not be written in the log: {}", error.message()));
    }
}

fn client(context: &Context, command: ClientCommand) -> CliResult {
    match command {
        ClientCommand::Init(args) => client_init::run(context, &args),
        ClientCommand::Update(args) => client_update::run(context, &args),
        ClientCommand::Servers => client_servers::run(context),
        ClientCommand::Confirm(args) => client_confirm::run(context, &args),
        ClientCommand::Ls(args) => client_ls::run(context, &args),
        ClientCommand::Get(args) => client_get::get(context, &args),
        ClientCommand::Getall(args) => client_get::getall(context, &args),
        ClientCommand::Verify(args) => client_verify::run(context, &args),
    }
}

fn server(context: &Context, command: ServerCommand) -> CliResult {
    match command {
        ServerCommand::Init(args) => server_init::run(context, &args),
        ServerCommand::Add(args) => server_add::run(context, &args),
        ServerCommand::Clients => server_clients::run(context),
        ServerCommand::Confirm(args) => server_confirm::run(context, &args),
        ServerCommand::Path(args) => server_path::run(context, &args),
        ServerCommand::Set(args) => server_set::run(context, &args),
        ServerCommand::Revoke(args) => server_revoke::run(context, &args),
        ServerCommand::Rekey(args) => server_rekey::run(context, &args),
        ServerCommand::Serve(args) => server_serve::run(context, &args),
        ServerCommand::Start(args) => server_start::run(context, &args),
        ServerCommand::Stop => server_stop::run(context),
        ServerCommand::Restart(args) => server_stop::restart(context, &args),
        ServerCommand::Status => server_status::run(context),
        ServerCommand::Reload => server_reload::run(context),
        ServerCommand::Log(args) => server_log::run(context, &args),
        ServerCommand::Unit(args) => server_unit::run(context, &args),
    }
}
