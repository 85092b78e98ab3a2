//! A real client and a real server that meet over a path with somebody on it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Victim;
use super::client::ClientHost;
use super::keys::Acquaintance;
use super::server::ServerHost;
use crate::engine::Limits;
use crate::suite::CipherSuite;
use crate::testing::MemStore;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A datagram that somebody on the path has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which way it goes.
    pub way: Way,
    /// What it is.
    pub datagram: Vec<u8>,
}

/// A client, a server, and the path between them: 5 ms one way, without loss.
#[derive(Debug)]
pub struct Couple {
    /// The keys of both.
    pub keys: Acquaintance,
    /// The server.
    pub server: ServerHost,
    /// The client.
    pub client: ClientHost,
    /// The files of the server.
    pub shelf: MemStore,
    /// What the client received.
    pub received: MemStore,
    /// Everything that honestly passed so far.
    pub log: Vec<Passed>,
}

impl Couple {
    /// Where the client is.
    pub const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 40_000);
    /// Where the server is.
    pub const SERVER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 9473);
    const DELAY: Duration = Duration::from_millis(5);

    /// Two that have not met yet; the first INIT is on its way.
    #[must_use]
    pub fn new(suite: &'static dyn CipherSuite) -> Self {
        Self::of(Acquaintance::new(suite))
    }

    /// The same with keys that are there already.
    #[must_use]
    pub fn of(keys: Acquaintance) -> Self {
        let (shelf, received) = (MemStore::new(), MemStore::new());
        let server = ServerHost::new(&keys, &shelf, Limits::default());
        let client = ClientHost::new(server.now(), &keys, Self::SERVER, &received, Limits::default());
        Self { keys, server, client, shelf, received, log: Vec::new() }
    }

    /// One path delay: what was sent arrives. Before each datagram arrives, `tamper` may do anything; it sees what has
    /// passed before.
    pub fn tick(&mut self, tamper: &mut impl FnMut(&mut ServerHost, &mut ClientHost, &[Passed], &Passed)) -> bool {
        let up = self.client.take_sent().into_iter().map(|datagram| Passed { way: Way::ToServer, datagram });
        let down = self.server.take_sent_to(Self::CLIENT).into_iter();
        let down = down.map(|datagram| Passed { way: Way::ToClient, datagram });
        let flying: Vec<_> = up.chain(down).collect();
        self.client.advance(Self::DELAY);
        self.server.advance(Self::DELAY);
        for passed in &flying {
            tamper(&mut self.server, &mut self.client, &self.log, passed);
            match passed.way {
                Way::ToServer => self.server.deliver(Self::CLIENT, &passed.datagram),
                Way::ToClient => self.client.deliver(Self::SERVER, &passed.datagram),
            }
            self.log.push(passed.clone());
        }
        !flying.is_empty()
    }

    /// Lets them meet, fetch the files and hang up, and gives back all that passed.
    ///
    /// # Panics
    /// If they do not meet.
    pub fn play(
        &mut self,
        files: &[&str],
        tamper: &mut impl FnMut(&mut ServerHost, &mut ClientHost, &[Passed], &Passed),
    ) -> Vec<Passed> {
        while self.client.session().is_none() {
            assert!(self.log.len() < 100, "they do not meet");
            self.tick(tamper);
        }
        for file in files {
            self.client.get(file);
        }
        let mut quiet = 0;
        while quiet < 20 {
            quiet = if self.tick(tamper) { 0 } else { quiet + 1 };
            assert!(self.log.len() < 100_000, "they never finish");
        }
        self.log.clone()
    }
}
