//! What can be typed behind `dpex client`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use dpex_core::enrol::Slug;

use super::Bits;

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
