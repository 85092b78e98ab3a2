//! dpex itself, with each of its cryptography backends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Contestant, Ground, free_port};
use crate::Outcome;
use crate::load::BIG;
use crate::measured::{Measured, Server};
use crate::place::Side;

/// A server and a client with this backend.
pub(crate) struct Dpex {
    name: String,
    server: Server,
    client: Side,
    program: String,
    home: PathBuf,
    crypto: String,
    words: Vec<&'static str>,
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
        let name = format!("{name} ({crypto})");
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

        let program = program.display().to_string();
        let mut command = dpex(ground.place.server.command(&program), &home, crypto);
        let server = Server::start(command.args(["server", "serve"]).stderr(Stdio::null()))?;
        let words = if ground.load.is_small() { vec!["getall"] } else { vec!["get", BIG] };
        let client = ground.place.client.clone();
        let mut this = Self { name, server, client, program, home, crypto: crypto.into(), words };
        let (mut list, server) = (this.client(&["ls"]), &mut this.server);
        server.wait(|| list.output().is_ok_and(|ended| ended.status.success()))?;
        Ok(this)
    }

    fn client(&self, words: &[&str]) -> Command {
        let mut command = dpex(self.client.command(&self.program), &self.home, &self.crypto);
        command.arg("client").args(words);
        command
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
