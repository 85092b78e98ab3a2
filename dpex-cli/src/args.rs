//! What can be typed. The help, the completions and the manual page are made from these definitions.

mod client;
mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use client::{
    ClientCommand, ClientConfirmArgs, ClientInitArgs, GetArgs, GetallArgs, LsArgs, Receiving, UpdateArgs, VerifyArgs,
    WhichServer,
};
pub(crate) use server::{
    AddArgs, LogArgs, PersonArgs, RekeyArgs, ServeArgs, ServerCommand, ServerInitArgs, SetArgs, Since, UnitArgs, Until,
};

/// Give named people files from your own machine, over one silent UDP port.
#[derive(Debug, Parser)]
#[command(name = "dpex", version, long_version = crate::backends::version(), max_term_width = 100, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  she:  dpex client init --name alice > alice.json      and mails alice.json to you
  you:  dpex server init --host files.example.org       once
  you:  dpex server add alice.json > for-alice.json     and mail for-alice.json to her
  she:  dpex client update for-alice.json
  you:  cp report.pdf \"$(dpex server path alice)\" && dpex server start
  she:  dpex client get report.pdf

Exit codes: 0 done; 1 some of the files failed; 2 bad usage or configuration; 3 not enrolled, or no
server known; 4 the server did not answer; 5 refused by the server; 6 a local disk problem;
7 verification failed; 130 interrupted.";

/// Flags of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Folder with this machine's identities, enrolments and settings [default: the platform's data folder, dpex/]
    #[arg(long, global = true, env = "DPEX_HOME", value_name = "DIR", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Settings file to use instead of the dpex.toml in the home
    #[arg(long, global = true, env = "DPEX_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print answers as JSON, one object a line, for programs
    #[arg(long, global = true, overrides_with = "json")]
    pub(crate) json: bool,
    /// The cryptography backend to use, or `auto`: `dpex --version` lists what there is
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) crypto: Option<String>,
    /// The store to use, or `auto`
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) store: Option<String>,
    /// The transport to use, or `auto`
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) transport: Option<String>,
    /// A file whose first line is the passphrase of the private key; nobody else may be able to read it
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// No guidance and no progress, only answers and errors
    #[arg(short, long, global = true, overrides_with = "quiet")]
    pub(crate) quiet: bool,
    /// Say more of what is done
    #[arg(short, long, global = true, overrides_with = "verbose")]
    pub(crate) verbose: bool,
}

/// The first word.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch files from servers you were given access to
    #[command(subcommand)]
    Client(ClientCommand),
    /// Give files to people you named
    #[command(subcommand)]
    Server(ServerCommand),
    /// Show each setting in effect and where it came from
    Config(ConfigArgs),
    /// Try everything on this machine, in a temporary home, step by step
    Demo(DemoArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

impl Command {
    /// What was typed of where to receive, by a command that does.
    pub(crate) fn receiving(&self) -> Option<&Receiving> {
        match self {
            Self::Client(ClientCommand::Get(args)) => Some(&args.receiving),
            Self::Client(ClientCommand::Getall(args)) => Some(&args.receiving),
            _ => None,
        }
    }
}

/// `dpex config`
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Whose settings [default: both]
    pub(crate) role: Option<WhichRole>,
    /// Print the commented settings file with all defaults, which is the manual
    #[arg(long, requires = "role")]
    pub(crate) defaults: bool,
}

/// Whose settings to show.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WhichRole {
    /// The server's
    Server,
    /// The client's
    Client,
}

/// `dpex demo`
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// A file to hand over [default: one made for the purpose]
    pub(crate) file: Option<PathBuf>,
}

/// `dpex completions`
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// `dpex man`
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write one page a command into this folder instead
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

/// Sizes of RSA keys that every backend can make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bits {
    /// Made in a fraction of the time
    #[value(name = "3072")]
    B3072,
    /// The default
    #[default]
    #[value(name = "4096")]
    B4096,
}

impl Bits {
    /// The number.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
