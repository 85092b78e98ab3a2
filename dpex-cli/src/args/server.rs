//! What can be typed behind `dpex server`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand};
use dpex_core::enrol::Slug;

use super::Bits;
use crate::limit::Limit;

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
