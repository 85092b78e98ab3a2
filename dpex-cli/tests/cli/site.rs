//! A server on loopback with people enrolled at it.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::running::Running;
use crate::support::{Ended, Machine};

/// A machine that serves, and where.
pub(crate) struct Site {
    pub(crate) server: Machine,
    pub(crate) port: u16,
}

impl Site {
    /// One at which nobody is enrolled yet.
    pub(crate) fn new() -> Self {
        let port = free_port();
        let server = Machine::server().with_env("DPEX_HOST", "127.0.0.1").with_env("DPEX_PORT", &port.to_string());
        Self { server, port }
    }

    /// The two mails: a client of that name, which knows this server.
    pub(crate) fn enrol(&self, name: &str) -> Machine {
        self.enrol_through(name, self.port)
    }

    /// The same for a client that comes in through another port.
    pub(crate) fn enrol_through(&self, name: &str, port: u16) -> Machine {
        let client = Machine::client(name);
        let request = self.server.file("request.json", &client.ok(&["client", "init"]));
        let mut add = self.server.command(&["server", "add", text(&request)]);
        add.env("DPEX_PORT", port.to_string());
        let answer = client.file("answer.json", &Running::start(add).ended().ok());
        client.ok(&["client", "update", text(&answer)]);
        client
    }

    /// The folder of what is on offer for a person.
    pub(crate) fn shelf(&self, name: &str) -> PathBuf {
        PathBuf::from(self.server.ok(&["server", "path", name]).trim_end())
    }

    /// Starts to serve.
    pub(crate) fn serve(&self) -> Running {
        let mut server = Running::start(self.server.command(&["server", "serve", "--listen", "127.0.0.1", "--json"]));
        let serving = server.wait_for("serving", |_| true);
        assert_eq!(serving["address"], format!("127.0.0.1:{}", self.port));
        server
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Writes so many bytes, different for each `seed`, and returns their hash.
pub(crate) fn put(path: &Path, len: usize, seed: &str) -> blake3::Hash {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut content);
    fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    fs::write(path, &content).expect("writable");
    blake3::hash(&content)
}

/// The hash of a file, read in pieces.
pub(crate) fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path).expect("there")).expect("readable");
    hasher.finalize()
}

/// The records that a program printed.
pub(crate) fn records(ended: &Ended) -> Vec<Value> {
    let parsed = ended.stdout.lines().map(serde_json::from_str::<Value>);
    let records: Vec<Value> = parsed.collect::<Result<_, _>>().expect("one object a line");
    assert!(records.iter().all(|record| record["v"] == 1 && record["type"].is_string()), "{ended:?}");
    records
}

/// The counts of a command that fetched.
pub(crate) fn summary(ended: &Ended) -> (u64, u64, u64) {
    let records = records(ended);
    let summary = records.iter().find(|record| record["type"] == "summary");
    let summary = summary.unwrap_or_else(|| panic!("no summary: {ended:?}"));
    let count = |name: &str| summary[name].as_u64().expect("a number");
    (count("fetched"), count("here"), count("failed"))
}

/// A port that nobody has, out of the range from which the system gives clients theirs.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() * 41 % 20_000;
    let mut tried = (0..20_000).map(|_| {
        let next = begin + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        10_000 + u16::try_from(next % 20_000).expect("small")
    });
    tried.find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
