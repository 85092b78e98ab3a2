//! dpex itself, with each of its cryptography backends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Contestant, Ground, Streaming, free_port};
use crate::Outcome;
use crate::load::BIG;
use crate::measured::{Measured, Server, children_time, processor_time};
use crate::place::Side;

/// A server and a client with this backend.
pub(crate) struct Dpex {
    name: String,
    server: Server,
    client: Side,
    program: String,
    home: PathBuf,
    /// Homes of further clients.
    others: Vec<PathBuf>,
    crypto: String,
    words: Vec<&'static str>,
}

/// Processor time of a server, and of all clients so far.
pub(crate) struct Spent {
    server: Duration,
    clients: Duration,
}

impl Spent {
    /// What was used since.
    pub(crate) fn since(&self, before: &Self) -> (Duration, Duration) {
        (self.server.saturating_sub(before.server), self.clients.saturating_sub(before.clients))
    }
}

impl Dpex {
    /// The backends that this build has, of those that are wanted.
    pub(crate) fn backends(program: &Path, wanted: &[String]) -> Outcome<Vec<String>> {
        let version = output(Command::new(program).arg("--version"))?;
        let built = version.lines().find(|line| line.trim_start().starts_with("crypto")).unwrap_or_default();
        let words: Vec<&str> = built.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let have: Vec<String> = wanted.iter().filter(|name| words.contains(&name.as_str())).cloned().collect();
        if have.is_empty() {
            return Err(format!("{} has none of the backends {wanted:?}:\n{version}", program.display()).into());
        }
        Ok(have)
    }

    /// Enrols a client with a server of its own, and starts that.
    pub(crate) fn start(ground: &Ground<'_>, name: &str, program: &Path, crypto: &str) -> Outcome<Self> {
        Self::crowd(ground, &format!("{name} ({crypto})"), program, crypto, 1)
    }

    /// The same with so many clients.
    pub(crate) fn crowd(
        ground: &Ground<'_>,
        name: &str,
        program: &Path,
        crypto: &str,
        clients: usize,
    ) -> Outcome<Self> {
        let name = name.to_owned();
        let home = ground.own(&name)?;
        let run = |words: &[&str]| output(dpex(Command::new(program), &home, crypto).args(words));
        let port = free_port()?.to_string();
        let request = home.join("request.json");
        let answer = home.join("answer.json");
        fs::write(&request, run(&["client", "init", "--name", "racer"])?)?;
        run(&["server", "init", "--host", &ground.place.addr, "--port", &port])?;
        fs::write(&answer, run(&["server", "add", text(&request)?])?)?;
        run(&["client", "update", text(&answer)?])?;
        let shelf = PathBuf::from(run(&["server", "path", "racer"])?.trim_end());
        // The same files under names of their own: each copy would fill the memory that they lie in.
        ground.load.link(&ground.source(), &shelf)?;
        let mut others = Vec::new();
        for n in 1..clients {
            let other = home.join(n.to_string());
            let theirs = |words: &[&str]| output(dpex(Command::new(program), &other, crypto).args(words));
            fs::create_dir(&other)?;
            let (person, request, answer) = (format!("racer-{n}"), other.join("request"), other.join("answer"));
            fs::write(&request, theirs(&["client", "init", "--bits", "3072", "--name", &person])?)?;
            fs::write(&answer, run(&["server", "add", text(&request)?])?)?;
            theirs(&["client", "update", text(&answer)?])?;
            ground.load.link(&ground.source(), Path::new(run(&["server", "path", &person])?.trim_end()))?;
            others.push(other);
        }

        let program = program.display().to_string();
        let mut command = dpex(ground.place.server.command(&program), &home, crypto);
        let server = Server::start(command.args(["server", "serve"]).stderr(Stdio::null()))?;
        let words = if ground.load.is_small() { vec!["getall"] } else { vec!["get", BIG] };
        let client = ground.place.client.clone();
        let mut this = Self { name, server, client, program, home, others, crypto: crypto.into(), words };
        let (mut list, server) = (this.client(&["ls"]), &mut this.server);
        server.wait(|| list.output().is_ok_and(|ended| ended.status.success()))?;
        Ok(this)
    }

    fn client(&self, words: &[&str]) -> Command {
        self.client_of(&self.home, words)
    }

    fn client_of(&self, home: &Path, words: &[&str]) -> Command {
        let mut command = dpex(self.client.command(&self.program), home, &self.crypto);
        command.arg("client").args(words);
        command
    }

    /// Everybody brings the big file to standard output.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Command> {
        let homes = std::iter::once(&self.home).chain(&self.others);
        homes.map(|home| self.client_of(home, &["get", BIG, "--to", "-"]))
    }

    /// What was used until now.
    pub(crate) fn times(&self) -> Outcome<Spent> {
        Ok(Spent { server: processor_time(self.server.id())?, clients: children_time()? })
    }

    /// The server's process.
    pub(crate) fn server(&self) -> u32 {
        self.server.id()
    }
}

impl Contestant for Dpex {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn fetch(&mut self, into: &Path) -> Outcome<Measured> {
        Measured::run(self.client(&self.words).arg("--to").arg(into), self.server.id())
    }
}

impl Streaming for Dpex {
    fn stream(&self) -> Command {
        self.client(&["get", BIG, "--to", "-"])
    }
}

fn dpex(mut command: Command, home: &Path, crypto: &str) -> Command {
    command.env("DPEX_HOME", home.join("home")).env("DPEX_CRYPTO", crypto);
    command
}

fn output(command: &mut Command) -> Outcome<String> {
    let ended = command.stdin(Stdio::null()).output().map_err(|e| format!("failed to run {command:?}: {e}"))?;
    if !ended.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&ended.stderr)).into());
    }
    Ok(String::from_utf8(ended.stdout)?)
}

fn text(path: &Path) -> Outcome<&str> {
    Ok(path.to_str().ok_or("the folder's name is not text")?)
}
