//! What can be typed. The help, the completions and the manual page are made from these definitions.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use dpex_core::enrol::Slug;

use crate::limit::Limit;

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

/// `dpex client ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Make your identity, and print the request to mail to the person who runs the server
    #[command(after_help = "\
The request holds no secret. Running this again prints the same request: the identity is made once.

Example:  dpex client init --name alice > alice.json")]
    Init(ClientInitArgs),
    /// Read the answer that came back by mail, and remember the server
    #[command(after_help = "Example:  dpex client update for-alice.json")]
    Update(UpdateArgs),
    /// List the servers you know
    Servers,
    /// Record that you compared the eight words with the person who runs the server
    Confirm(ClientConfirmArgs),
    /// List what is on offer for you
    Ls(LsArgs),
    /// Fetch files, folders, or what a pattern such as '*.pdf' matches
    #[command(after_help = "\
Files that are here already are not fetched again, and a file of more than 1 MiB that was interrupted
goes on where it was: just run the same command again. \"Already here\" means: as it was when it was
fetched, or of the same name, size and time. A file of the same size and another time is compared by
its hash. One that differs is kept, unless --overwrite or --rename is given.

With --to - each block is written when it is verified, and cannot be taken back. If the file changes
on the server meanwhile, or its rest never comes, a part of it is out and the command ends with
another code than 0: trust nothing of it before it has ended with 0.

Example:  dpex client get report.pdf 'photos/*.jpg' --to ~/Downloads")]
    Get(GetArgs),
    /// Fetch everything on offer; a second run fetches only what is new, and with --overwrite what has changed
    #[command(after_help = "\
Run it as often as you like. What is here already is known by its version, size and time, without
reading it; where only the time differs, the hashes are compared. What has changed on the server is
fetched with --overwrite or --rename; otherwise the file here is kept, and the command ends with
code 1. What is no longer on offer stays here. Files that are here already are counted, and named
with -v or --json.

Example:  dpex client getall --overwrite --to ~/Downloads/office")]
    Getall(GetallArgs),
    /// Compare what is here with what the server has, by content, and name what differs or is missing
    #[command(after_help = "\
Reads every file here that is on offer, and asks the server for its hash; nothing is fetched or
changed. Files that are only here are not looked at. Ends with code 7 if something differs, with 1 if
something is missing here.

It compares with what the server read when it last hashed that version of the file, as its size,
times and number on the disk tell it: what the server's disk has lost since then is not seen.

Example:  dpex client verify photos --to ~/Downloads")]
    Verify(VerifyArgs),
}

/// `dpex server ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Make the server's identity and a commented settings file
    #[command(after_help = "Example:  dpex server init --host files.example.org --port 9473")]
    Init(ServerInitArgs),
    /// Enrol the person who sent a request, and print the answer to mail back
    #[command(after_help = "\
Only the person who made the request can read the secret part of the answer. Adding the same request
again prints the same answer.

Example:  dpex server add alice.json > for-alice.json")]
    Add(AddArgs),
    /// List who is enrolled, until when, and what they have got
    Clients,
    /// Record that you compared the eight words with a person
    Confirm(PersonArgs),
    /// Print the folder of what is on offer for a person
    #[command(after_help = "Example:  cp report.pdf \"$(dpex server path alice)\"")]
    Path(PersonArgs),
    /// Change until when, how fast and how often somebody may come in; without NAME, how fast all together are served
    #[command(after_help = "\
A limit is in bytes a second: 500K, 20M, 1G, or `none`. One for some hours of the day is written
`08:00-18:00 2M`; of several that hold, the last one counts. A running server keeps to it at once.

Examples:  dpex server set alice --until 2027-01-31 --limit 5M --sessions 2
           dpex server set --limit 20M --limit '08:00-18:00 2M'
           dpex server set alice --until never --limit none")]
    Set(SetArgs),
    /// End a person's access, and what they are fetching just now; their files stay
    #[command(after_help = "`dpex server add FILE --replace` lets them in again, with a new answer.")]
    Revoke(PersonArgs),
    /// Give people new secrets in place of those that travelled in the answer, the next time they connect
    #[command(after_help = "\
A running server does so by itself every 90 days. The old secret works until the new one is used.
With --knock the secret that all clients share is changed, which somebody whose access was ended still
has: the old one works until everybody has come with the new one.

Examples:  dpex server rekey alice
           dpex server rekey --all --knock")]
    Rekey(RekeyArgs),
    /// Serve until Ctrl-C
    Serve(ServeArgs),
    /// Serve in the background
    Start(ServeArgs),
    /// End the server in the background, after at most 10 seconds for what is under way
    Stop,
    /// Stop, and start again; people's transfers go on by themselves
    Restart(ServeArgs),
    /// Say whether a server runs, since when, who is connected, and what is being sent
    #[command(after_help = "Ends with code 4 if none runs.")]
    Status,
    /// Have a running server look again at who is enrolled, and at `limit`, `require-confirmed`, `host` and `also`
    Reload,
    /// Say who got what, when, and how it ended
    #[command(after_help = "\
Each line of the log carries the hash of the line before. --verify follows them, and ends with code 7
if a line was changed or is missing. Keep the last hash that it prints elsewhere, to be sure of it.

Examples:  dpex server log alice --since 7d
           dpex server log --since 2026-11-01 --json
           dpex server log --verify")]
    Log(LogArgs),
    /// Print a unit for systemd, or a job for launchd, that keeps the server running
    #[command(after_help = "\
Examples:  dpex server unit > ~/.config/systemd/user/dpex.service
           systemctl --user enable --now dpex")]
    Unit(UnitArgs),
}

/// `dpex client init`
#[derive(Args, Debug)]
pub(crate) struct ClientInitArgs {
    /// Your name, as the person who runs the server knows you [default: your login name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Size of the RSA key
    #[arg(long)]
    pub(crate) bits: Option<Bits>,
    /// Keep the private key under a passphrase, asked for now and at every use (or taken from DPEX_PASSPHRASE)
    #[arg(long)]
    pub(crate) passphrase: bool,
}

/// `dpex client update`
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The answer, as a file or the mail with it; `-` reads standard input
    pub(crate) file: PathBuf,
    /// What to call the server here [default: the server's own name]
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<Slug>,
    /// Accept a new key for a server that is already known
    #[arg(long)]
    pub(crate) replace: bool,
}

/// `dpex client confirm`
#[derive(Args, Debug)]
pub(crate) struct ClientConfirmArgs {
    /// The server, as `dpex client servers` lists it; not needed while there is only one
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Which server a client command speaks to.
#[derive(Args, Debug)]
pub(crate) struct WhichServer {
    /// The server, as `dpex client servers` lists it; not needed while there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
}

/// Where received files go, and what happens to names that are taken.
#[derive(Args, Debug)]
pub(crate) struct Receiving {
    /// Folder to put the files into, or an object store's URL such as s3://bucket/prefix; `-` writes one file to standard
    /// output [default: the current folder, or `to` in the settings]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Replace files of the same name and other content
    #[arg(long, conflicts_with = "rename")]
    pub(crate) overwrite: bool,
    /// Keep files of the same name and other content, and put the new one beside as `name (2)`
    #[arg(long)]
    pub(crate) rename: bool,
    /// Keep what had arrived of a file that has changed on the server since, as an ordinary file `name (2).part`
    #[arg(long)]
    pub(crate) keep_changed_part: bool,
    /// Give up when nothing has come and the server has not answered for so long, such as 90s or 10m
    /// [default: 2m, or `timeout` in the settings]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Also take names that other systems cannot hold, such as `a:b`, or that differ from another only in case
    #[arg(long)]
    pub(crate) any_names: bool,
}

/// `dpex client ls`
#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// A folder, or a file, on the server [default: everything]
    pub(crate) path: Option<String>,
    /// Also sizes and times
    #[arg(short)]
    pub(crate) long: bool,
    /// Only files, in all folders, that are not in the target folder yet, differ there in size or time, or have changed
    /// on the server since they were fetched: what `getall` would look at
    #[arg(long)]
    pub(crate) new: bool,
    /// The target folder that --new looks at [default: the current folder, or `to` in the settings]
    #[arg(long, value_name = "DIR", requires = "new")]
    pub(crate) to: Option<PathBuf>,
    /// Which server
    #[command(flatten)]
    pub(crate) server: WhichServer,
}

/// `dpex client get`
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Files, folders, or patterns such as '*.pdf', as `dpex client ls` lists them; `.` is everything
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Where to
    #[command(flatten)]
    pub(crate) receiving: Receiving,
    /// Which server
    #[command(flatten)]
    pub(crate) server: WhichServer,
}

/// `dpex client verify`
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// A folder, or a file, on the server [default: everything]
    pub(crate) path: Option<String>,
    /// The folder to look at [default: the current folder, or `to` in the settings]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Which server
    #[command(flatten)]
    pub(crate) server: WhichServer,
}

/// `dpex client getall`
#[derive(Args, Debug)]
pub(crate) struct GetallArgs {
    /// Also compare the content of what seems to be here already with the server's, by its hash, as `verify` does
    #[arg(long)]
    pub(crate) verify: bool,
    /// Where to
    #[command(flatten)]
    pub(crate) receiving: Receiving,
    /// Which server
    #[command(flatten)]
    pub(crate) server: WhichServer,
}

/// `dpex server init`
#[derive(Args, Debug)]
pub(crate) struct ServerInitArgs {
    /// The name or address under which clients reach this machine
    #[arg(long)]
    pub(crate) host: String,
    /// The UDP port, which the router must forward [default: 9473]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// What the server calls itself, such as "Bob's files" [default: the host]
    #[arg(long, value_name = "SERVERNAME")]
    pub(crate) name: Option<String>,
    /// Size of the RSA key
    #[arg(long)]
    pub(crate) bits: Option<Bits>,
    /// Keep the private key under a passphrase, asked for now and at every use (or taken from DPEX_PASSPHRASE)
    #[arg(long)]
    pub(crate) passphrase: bool,
}

/// `dpex server add`
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The request, as a file or the mail with it; `-` reads standard input
    pub(crate) file: PathBuf,
    /// What to call the person here [default: made of the name in the request]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<Slug>,
    /// Accept a new request or key for a person who is already enrolled; their files stay
    #[arg(long)]
    pub(crate) replace: bool,
    /// The last day on which they may come in, such as 2027-01-31
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Until>,
}

/// `dpex server set`
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The person, as `dpex server clients` lists them [default: all together]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The last day on which they may come in, such as 2027-01-31, or `never` for no last day
    #[arg(long, value_name = "DATE", requires = "name")]
    pub(crate) until: Option<Until>,
    /// Bytes a second at most, such as 5M, or '08:00-18:00 2M' for some hours; again for more of them; `none` for no limit
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Vec<Limit>,
    /// Connections at once
    #[arg(long, value_name = "N", requires = "name", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) sessions: Option<u8>,
}

/// `dpex server log`
#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    /// Only what concerns this person
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Only from then on: a day such as 2026-11-01, or so long ago, such as 7d or 12h
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Since>,
    /// Follow the hashes from the first line to the last, and name what is changed or missing
    #[arg(long, conflicts_with_all = ["name", "since"])]
    pub(crate) verify: bool,
}

/// `dpex server unit`
#[derive(Args, Debug)]
pub(crate) struct UnitArgs {
    /// For the system's own manager instead of yours: a user of its own that the system makes up
    #[arg(long)]
    pub(crate) system: bool,
    /// A job for launchd, as on macOS
    #[arg(long, conflicts_with = "system")]
    pub(crate) launchd: bool,
}

/// A last day, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Through this day, in the time zone of this machine.
    Day(jiff::civil::Date),
    /// For good.
    Never,
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            _ => text.parse().map(Self::Day).map_err(|_| "it is a day, such as 2027-01-31, or `never`".into()),
        }
    }
}

/// A moment in the past.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Since {
    /// The beginning of this day, in the time zone of this machine.
    Day(jiff::civil::Date),
    /// So long ago.
    Ago(jiff::Span),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = text.parse().map(Self::Day);
        let ago = || text.parse::<jiff::Span>().map(|span| Self::Ago(span.abs()));
        day.or_else(|_| ago()).map_err(|_| "it is a day, such as 2026-11-01, or a time, such as 7d or 12h".into())
    }
}

/// Commands about one person.
#[derive(Args, Debug)]
pub(crate) struct PersonArgs {
    /// The person, as `dpex server clients` lists them
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `dpex server rekey`
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("whose").required(true).multiple(true).args(["names", "all", "knock"])))]
pub(crate) struct RekeyArgs {
    /// The people, as `dpex server clients` lists them
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub(crate) names: Vec<String>,
    /// Everybody who may come in
    #[arg(long)]
    pub(crate) all: bool,
    /// The secret of the first gate, which all share
    #[arg(long)]
    pub(crate) knock: bool,
    /// Also if some have not come since it was changed the last time: they lose their access
    #[arg(long, requires = "knock")]
    pub(crate) anyway: bool,
}

/// `dpex server serve`
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The address to listen on [default: every address of this machine, or `listen` in the settings]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::IpAddr>,
    /// The UDP port to listen on [default: `port` in the settings]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// For `start`: leave the terminal when all is ready
    #[arg(long, hide = true)]
    pub(crate) background: bool,
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
