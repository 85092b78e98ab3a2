//! Somebody in the world who has valid keys and bad manners.
//!
//! Whoever seizes one end of a client's path gets all that arrives there and speaks through the path's own links, with
//! their delays and losses: either the client itself is in bad hands ([`World::possess`]), or the server that it has
//! reached is not the one that everybody else has ([`World::lure`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ClientId, Way, World};
use crate::testing::Scripted;
use crate::testing::scripted::{Acquaintance, Victim};
use crate::types::Timestamp;

/// Round trips are shorter than this, and so is a signature.
const SOON: Duration = Duration::from_secs(1);

/// What arrived at the end of a path that was seized.
pub(super) struct Caught {
    /// The direction in which it was going.
    way: Way,
    datagrams: Vec<Vec<u8>>,
}

/// One end of a client's path, seized.
pub struct Hold<'a> {
    world: &'a mut World,
    client: ClientId,
}

impl World {
    /// This client is in bad hands from now on, and in session with the server.
    ///
    /// # Panics
    /// If the server does not answer within a second.
    pub fn possess(&mut self, client: ClientId) -> Scripted {
        let (keys, stamp) = (self.acquaintance(client), self.stamp(client));
        let (init, mut pending) = keys.init(stamp);
        let addr = self[client].address;
        let mut hold = self.seize(client, Way::Down);
        hold.deliver(addr, &init);
        hold.advance(SOON);
        let resp = hold.take_sent_to(addr).pop().expect("an answer");
        Scripted::answered(&keys, &mut pending, &resp, addr)
    }

    /// This client is in session with somebody who has the server's keys and uses them badly.
    ///
    /// # Panics
    /// If the client sends no INIT within a second.
    pub fn lure(&mut self, client: ClientId) -> Scripted {
        let (keys, addr) = (self.acquaintance(client), self.server.address);
        self.connect(client);
        let mut hold = self.seize(client, Way::Up);
        hold.advance(SOON);
        let init = hold.take_sent_to(addr).pop().expect("an INIT");
        let (mut peer, resp) = Scripted::answering(&keys, &init, addr);
        hold.deliver(addr, &resp);
        peer.wait(&mut hold, SOON);
        // Another INIT may have been on its way.
        peer.heard.strange = 0;
        peer
    }

    /// From now on all that goes this way along a client's path falls into other hands.
    pub fn seize(&mut self, client: ClientId, way: Way) -> Hold<'_> {
        self[client].caught = Some(Caught { way, datagrams: Vec::new() });
        self.hold(client)
    }

    /// The end of a client's path that was seized.
    pub fn hold(&mut self, client: ClientId) -> Hold<'_> {
        Hold { world: self, client }
    }

    /// A stamp for a client's next INIT.
    pub fn stamp(&mut self, client: ClientId) -> Timestamp {
        let stamp = self.wall().max(self[client].stamp.successor());
        self[client].stamp = stamp;
        stamp
    }

    /// What a client and the server know of each other.
    #[must_use]
    pub fn acquaintance(&self, client: ClientId) -> Acquaintance {
        let host = &self[client];
        Acquaintance {
            suite: host.suite,
            server: Arc::clone(&self.server.identity),
            client: Arc::clone(&host.identity),
            peering: host.peering,
            psk: host.psk.clone(),
            knock: self.server.knock.clone(),
        }
    }

    /// Somebody else gets this datagram, if that end of the path was taken.
    pub(super) fn catch(&mut self, client: ClientId, way: Way, datagram: &[u8]) -> bool {
        let caught = self[client].caught.as_mut().filter(|caught| caught.way == way);
        caught.map(|caught| caught.datagrams.push(datagram.to_vec())).is_some()
    }
}

impl Victim for Hold<'_> {
    fn now(&self) -> Instant {
        self.world.now
    }

    fn deliver(&mut self, _: SocketAddr, datagram: &[u8]) {
        match self.world[self.client].caught.as_ref().map(|caught| caught.way) {
            Some(Way::Down) => self.world.carry_up(self.client, datagram.to_vec()),
            Some(Way::Up) => self.world.carry_down(self.client, datagram.to_vec()),
            None => {}
        }
    }

    fn advance(&mut self, time: Duration) {
        self.world.run_for(time);
    }

    fn take_sent_to(&mut self, _: SocketAddr) -> Vec<Vec<u8>> {
        let caught = self.world[self.client].caught.as_mut();
        caught.map(|caught| std::mem::take(&mut caught.datagrams)).unwrap_or_default()
    }
}
