//! Races dpex against what else brings files from one machine to another: the same files, over the same path, in turn, in
//! one run. What is compared are ratios within a run; machines differ too much, and from minute to minute, for more.
//!
//! `cargo run --release --package dpex-bench -- --help`

mod beside;
mod contestant;
mod crowd;
mod load;
mod machine;
mod measured;
mod place;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::contestant::{Contestant, Dpex, Ground, Rsync, Scp, Sshd, Web};
use crate::load::Load;
use crate::place::Place;
use crate::table::Table;

/// What can go wrong here is shown and ends the race.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Races dpex against scp, rsync and nginx with curl, whichever are installed.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    race: Race,
}

#[derive(Debug, Args)]
struct Options {
    /// The dpex to race, as `PATH` or `NAME=PATH`; several are raced against each other. Else the one built beside this.
    #[arg(long, global = true, value_name = "[NAME=]PATH")]
    dpex: Vec<String>,
    /// Which backends of dpex race, of those that are built in.
    #[arg(long, global = true, value_delimiter = ',', default_value = "awslc,openssl,rustcrypto")]
    crypto: Vec<String>,
    /// Who else races, where it is installed.
    #[arg(long, global = true, value_delimiter = ',', default_value = "scp,rsync,web")]
    rivals: Vec<String>,
    /// How often each one runs; the medians are compared.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Where the files lie that are sent and received: a folder on the disk to be measured. Else: in memory for one big
    /// file, in the system's temporary folder for many small ones.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints each run as JSON as well, a line each.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Race {
    /// Many small files over loopback.
    Small {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        files: usize,
        /// The size of each, in bytes.
        #[arg(long, default_value_t = 4096)]
        size: usize,
        /// In how many folders.
        #[arg(long, default_value_t = 100)]
        folders: usize,
        /// How many folders lie inside of each other.
        #[arg(long, default_value_t = 1)]
        depth: usize,
    },
    /// One big file over loopback.
    Big {
        /// Its size, in MiB.
        #[arg(long, default_value_t = 1024)]
        mib: usize,
    },
    /// One big file between two network namespaces, joined by a pair of Ethernet devices. Needs root.
    Veth {
        /// Its size, in MiB.
        #[arg(long, default_value_t = 1024)]
        mib: usize,
    },
    /// One file to many people at once over loopback: what it costs the server.
    Crowd {
        /// Its size, in MiB.
        #[arg(long, default_value_t = 64)]
        mib: usize,
        /// How many people, one number after the other.
        #[arg(long, value_delimiter = ',', default_value = "1,10,50")]
        clients: Vec<usize>,
    },
    /// dpex and curl at once over an emulated link: what each leaves the other. Needs root, and a link emulator.
    Beside {
        /// The size of the file, in MiB.
        #[arg(long, default_value_t = 128)]
        mib: usize,
        #[command(flatten)]
        link: place::Link,
    },
    /// One big file over an emulated link. Needs root, and a link emulator.
    Far {
        /// Its size, in MiB.
        #[arg(long, default_value_t = 256)]
        mib: usize,
        #[command(flatten)]
        link: place::Link,
    },
}

fn main() -> Outcome {
    let cli = Cli::parse();
    let options = &cli.options;
    let (place, load) = match &cli.race {
        Race::Small { files, size, folders, depth } => {
            (Place::loopback(), Load::small(*files, *size, *folders, *depth))
        }
        Race::Big { mib } | Race::Crowd { mib, .. } => (Place::loopback(), Load::big(*mib)),
        Race::Veth { mib } => (Place::veth()?, Load::big(*mib)),
        Race::Far { mib, link } | Race::Beside { mib, link } => (Place::emulated(link)?, Load::big(*mib)),
    };
    let scratch = match &options.dir {
        Some(dir) => tempfile::Builder::new().prefix("race-").tempdir_in(dir)?,
        None if load.is_small() || !Path::new("/dev/shm").is_dir() => {
            tempfile::Builder::new().prefix("race-").tempdir()?
        }
        None => tempfile::Builder::new().prefix("race-").tempdir_in("/dev/shm")?,
    };
    let ground = Ground { place: &place, load: &load, dir: scratch.path() };
    load.make(&ground.source())?;
    println!("{}\n{load}, {place}, files in {}\n", machine::description(), scratch.path().display());
    match &cli.race {
        Race::Crowd { clients, .. } => {
            let program = programs(options)?.swap_remove(0).1;
            for crypto in Dpex::backends(&program, &options.crypto)? {
                println!("{crypto}");
                crowd::run(&ground, &program, &crypto, clients)?;
            }
            Ok(())
        }
        Race::Beside { .. } => {
            let program = programs(options)?.swap_remove(0).1;
            let crypto = Dpex::backends(&program, &options.crypto)?.swap_remove(0);
            let dpex = Dpex::start(&ground, "dpex", &program, &crypto)?;
            let web = Web::start(&ground)?.ok_or("nginx, curl and openssl are not all here")?;
            beside::run(scratch.path(), &dpex, &web, options.rounds)
        }
        _ => race(options, &ground),
    }
}

/// The programs that race, by name: those that were named, or the one built beside this.
fn programs(options: &Options) -> Outcome<Vec<(String, PathBuf)>> {
    if options.dpex.is_empty() {
        return Ok(vec![("dpex".into(), std::env::current_exe()?.with_file_name("dpex"))]);
    }
    let named = options.dpex.iter().map(|named| named.split_once('=').unwrap_or(("dpex", named)));
    Ok(named.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect())
}

/// Everybody in turn, round after round, so that what else the machine does hits all alike.
fn race(options: &Options, ground: &Ground<'_>) -> Outcome {
    let mut contestants = contestants(options, ground)?;
    let mut table = Table::new(contestants.iter().map(|contestant| contestant.name()), ground.load.bytes());
    let names = contestants.len();
    for round in 0..options.rounds {
        for (row, contestant) in contestants.iter_mut().enumerate() {
            let target = ground.fresh_target(round * names + row)?;
            let measured = contestant.fetch(&target)?;
            ground.load.check(&target)?;
            if options.json {
                println!("{}", measured.json(&contestant.name(), round));
            }
            table.add(row, measured);
        }
    }
    println!("{table}");
    Ok(())
}

fn contestants(options: &Options, ground: &Ground<'_>) -> Outcome<Vec<Box<dyn Contestant>>> {
    let mut all: Vec<Box<dyn Contestant>> = Vec::new();
    for (name, path) in programs(options)? {
        for crypto in Dpex::backends(&path, &options.crypto)? {
            all.push(Box::new(Dpex::start(ground, &name, &path, &crypto)?));
        }
    }
    let wanted = |rival: &str| options.rivals.iter().any(|name| name == rival);
    if wanted("scp") || wanted("rsync") {
        match Sshd::start(ground)? {
            Some(sshd) => {
                let sshd = std::rc::Rc::new(sshd);
                if wanted("scp") {
                    all.push(Box::new(Scp::new(ground, sshd.clone())));
                }
                match Rsync::new(ground, sshd) {
                    Some(rsync) if wanted("rsync") => all.push(Box::new(rsync)),
                    _ => {}
                }
            }
            None => println!("left out, as there is no sshd here: scp, rsync"),
        }
    }
    if wanted("web") && !ground.load.is_small() {
        match Web::start(ground)? {
            Some(web) => all.push(Box::new(web)),
            None => println!("left out, as nginx, curl and openssl are not all here: nginx and curl"),
        }
    }
    Ok(all)
}
