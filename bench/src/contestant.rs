//! Who races.

mod dpex;
mod ssh;
mod web;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::load::Load;
use crate::measured::Measured;
use crate::place::Place;

pub(crate) use self::dpex::Dpex;
pub(crate) use self::ssh::{Rsync, Scp, Sshd};
pub(crate) use self::web::Web;

/// Something that brings files here, with its server running.
pub(crate) trait Contestant {
    /// What it is called in the table.
    fn name(&self) -> String;

    /// Brings all of the load into this empty folder.
    fn fetch(&mut self, into: &Path) -> Outcome<Measured>;
}

/// One that can also bring the one big file to its standard output, so that it is seen how far it has come.
pub(crate) trait Streaming: Contestant {
    /// The command that does so.
    fn stream(&self) -> Command;
}

/// Where a race takes place.
pub(crate) struct Ground<'a> {
    pub(crate) place: &'a Place,
    pub(crate) load: &'a Load,
    pub(crate) dir: &'a Path,
}

impl Ground<'_> {
    /// The folder that is sent.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.join("source")
    }

    /// A folder for a contestant's own files.
    pub(crate) fn own(&self, name: &str) -> Outcome<PathBuf> {
        let own = self.dir.join(name);
        fs::create_dir_all(&own)?;
        Ok(own)
    }

    /// An empty folder to receive into. What the runs before left is written to the disk first: it must not be in the way
    /// of this one. It is removed only if it is big: ext4 is slow to make files for minutes after many were removed.
    pub(crate) fn fresh_target(&self, run: usize) -> Outcome<PathBuf> {
        let target = |run: usize| self.dir.join(format!("target-{run}"));
        if run > 0 && !self.load.is_small() {
            fs::remove_dir_all(target(run - 1))?;
        }
        fs::create_dir(target(run))?;
        rustix::fs::sync();
        Ok(target(run))
    }
}

/// A port that nobody uses; between now and its use somebody could, and then the race fails.
fn free_port() -> Outcome<u16> {
    let tcp = TcpListener::bind(("127.0.0.1", 0))?;
    let port = tcp.local_addr()?.port();
    UdpSocket::bind(("127.0.0.1", port))?;
    Ok(port)
}

/// Where a program of this name is, in the usual places and those that hold servers.
fn which(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    places.map(|place| place.join(program)).find(|path| path.is_file()).map(|path| path.display().to_string())
}
