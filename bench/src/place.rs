//! The path between the two machines: loopback, a pair of Ethernet devices, or an emulated link.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::Outcome;

/// A path from one machine to another, both of them this one.
#[derive(Debug)]
pub(crate) struct Place {
    /// The address under which the server is reached.
    pub(crate) addr: String,
    what: String,
    /// The machine that has the files.
    pub(crate) server: Side,
    /// The machine that receives them.
    pub(crate) client: Side,
    /// Run at the end.
    undo: Vec<Vec<String>>,
}

/// An emulated link.
#[derive(Args, Clone, Debug)]
pub(crate) struct Link {
    /// The program that sets it up, called as `EMULATOR up RATE DELAY LOSS QUEUE` and `EMULATOR down`; between the two
    /// calls there must be the namespaces `wana`, which is 10.77.0.1, and `wanb`, which is 10.77.0.2.
    #[arg(long, env = "RACE_EMULATOR", value_name = "EMULATOR")]
    emulator: PathBuf,
    /// Mbit/s in each direction.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Milliseconds, there and back.
    #[arg(long, default_value_t = 80)]
    rtt: u32,
    /// Percent of all packets, in each direction.
    #[arg(long, default_value_t = 1.0)]
    loss: f64,
    /// The bottleneck's queue in KB. Else what fits into the link.
    #[arg(long)]
    queue: Option<u32>,
}

impl Place {
    /// The loopback device of this machine.
    pub(crate) fn loopback() -> Self {
        Self {
            addr: "127.0.0.1".into(),
            what: "over loopback".into(),
            server: Side(None),
            client: Side(None),
            undo: Vec::new(),
        }
    }

    /// Two network namespaces joined by a pair of devices with the usual 1,500 bytes.
    pub(crate) fn veth() -> Outcome<Self> {
        let [a, b] = ["dpex-race-a", "dpex-race-b"];
        let mut place = Self {
            addr: "10.79.0.1".into(),
            what: "between two namespaces on a pair of Ethernet devices of 1500 bytes".into(),
            server: Side(Some(a.into())),
            client: Side(Some(b.into())),
            undo: Vec::new(),
        };
        for namespace in [a, b] {
            ip(&["netns", "add", namespace])?;
            place.undo.push(["ip", "netns", "del", namespace].map(String::from).to_vec());
        }
        ip(&["-n", a, "link", "add", "race", "type", "veth", "peer", "name", "race", "netns", b])?;
        for (namespace, addr) in [(a, "10.79.0.1/24"), (b, "10.79.0.2/24")] {
            ip(&["-n", namespace, "addr", "add", addr, "dev", "race"])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", namespace, "link", "set", "race", "up"])?;
        }
        Ok(place)
    }

    /// A link that loses, delays and queues.
    pub(crate) fn emulated(link: &Link) -> Outcome<Self> {
        let bdp = link.rate * link.rtt / 8;
        let queue = link.queue.unwrap_or(bdp.max(16));
        let numbers = [link.rate.to_string(), (link.rtt / 2).to_string(), link.loss.to_string(), queue.to_string()];
        let emulator = link.emulator.display().to_string();
        let place = Self {
            addr: "10.77.0.1".into(),
            what: format!("over {} Mbit/s, {} ms, {} % loss, a queue of {queue} KB", link.rate, link.rtt, link.loss),
            server: Side(Some("wana".into())),
            client: Side(Some("wanb".into())),
            undo: vec![vec![emulator.clone(), "down".into()]],
        };
        done(Command::new(emulator).arg("up").args(numbers))?;
        Ok(place)
    }
}

/// One of the two machines.
#[derive(Clone, Debug)]
pub(crate) struct Side(Option<String>);

impl Side {
    /// A command that is run there. What it becomes is the same process.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(namespace) = &self.0 else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for command in &self.undo {
            if let Err(e) = done(Command::new(&command[0]).args(&command[1..])) {
                eprintln!("{e}");
            }
        }
    }
}

fn ip(words: &[&str]) -> Outcome {
    done(Command::new("ip").args(words))
}

/// Runs a command that must succeed.
pub(crate) fn done(command: &mut Command) -> Outcome {
    let ended = command.output().map_err(|e| format!("failed to run {command:?}: {e}"))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&ended.stderr).trim()).into())
}
