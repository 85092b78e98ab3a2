//! How time goes on: drain every machine, jump to what comes next, tell whom it concerns.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::client::{Standing, State};
use super::disk::{Disk, Knowledge};
use super::server::ServerSession;
use super::trace::Mark;
use super::{ClientId, Way, World};
use crate::engine::{ConnectorEvent, CryptoJob, DiskRequest, EndpointEvent, Moment, SessionId};

/// Segments in one batch, as a socket with segmentation offload takes them.
const SEGMENTS: usize = 16;
/// What may go to an address that an open session seems to have moved to, for each byte that came from there (PTH-3).
const AMPLIFICATION: u64 = 3;
/// The server, where a mark names a host.
const SERVER: usize = usize::MAX;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    AtServer { from: SocketAddr, bytes: Vec<u8> },
    AtClient { client: ClientId, bytes: Vec<u8> },
    ServerDisk { session: SessionId, request: DiskRequest },
    ClientDisk { client: ClientId, generation: u64, request: DiskRequest },
    ServerCrypto { job: CryptoJob },
    ClientCrypto { client: ClientId, generation: u64, job: CryptoJob },
}

impl World {
    /// Goes on until `done`, at most for so long. Returns whether it is done.
    pub fn run_until(&mut self, most: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + most;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            if !self.advance(end) {
                return done(self);
            }
        }
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Drains every machine and goes on to the next moment at which something happens. False if nothing ever will.
    pub fn step(&mut self) -> bool {
        self.drain();
        let far = self.now + Duration::from_secs(1 << 30);
        self.advance(far)
    }

    /// Jumps to the next event, but not beyond `end`. False if `end` came first.
    fn advance(&mut self, end: Instant) -> bool {
        let next = self.next_moment().filter(|at| *at <= end);
        let Some(next) = next else {
            self.now = self.now.max(end);
            return false;
        };
        self.check_progress(next);
        self.now = self.now.max(next);
        self.ring();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            self.handle(happening);
            // Each machine is drained between two things it is told, as its contract wants.
            self.drain();
        }
        true
    }

    fn next_moment(&self) -> Option<Instant> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let sessions = self.server.sessions.values().filter_map(|s| s.session.poll_timeout());
        let clients = self.clients.iter().filter_map(|client| match &client.state {
            State::Idle => None,
            State::Connecting(connector) => connector.poll_timeout(),
            State::Connected { session, .. } => session.poll_timeout(),
        });
        sessions.chain(clients).chain(queued).min()
    }

    /// Tells every machine whose time has come.
    fn ring(&mut self) {
        let now = self.now;
        for s in self.server.sessions.values_mut() {
            if s.session.poll_timeout().is_some_and(|at| at <= now) {
                s.session.handle_timeout(now);
            }
        }
        for client in &mut self.clients {
            match &mut client.state {
                State::Connecting(connector) if connector.poll_timeout().is_some_and(|at| at <= now) => {
                    connector.handle_timeout(now);
                }
                State::Connected { session, .. } if session.poll_timeout().is_some_and(|at| at <= now) => {
                    session.handle_timeout(now);
                }
                _ => {}
            }
        }
        self.drain();
    }

    /// Something happens then.
    pub(super) fn happens(&mut self, at: Instant, happening: Happening) {
        self.queue.insert((at, self.next_happening), happening);
        self.next_happening += 1;
    }

    fn note(&mut self, what: &'static str, host: usize, size: usize, bytes: &[u8]) {
        self.trace.note(Mark { at: self.now - self.began, what, host, size }, bytes);
    }

    fn handle(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::AtServer { from, bytes } => self.at_server(from, bytes),
            Happening::AtClient { client, mut bytes } => {
                self.note("received", client.0, bytes.len(), &bytes);
                let from = self.server.address;
                if self.catch(client, Way::Down, &bytes) {
                    return;
                }
                match &mut self[client].state {
                    State::Idle => {}
                    State::Connecting(connector) => connector.handle_datagram(now, &bytes),
                    State::Connected { session, .. } => session.handle_datagram(now, from, &mut bytes),
                }
            }
            Happening::ServerDisk { session, request } => {
                self.note("disk", SERVER, 0, &[]);
                let Some(s) = self.server.sessions.get_mut(&session) else { return };
                if !self.server.config.disk.remembers {
                    self.server.values.clear();
                }
                let knowledge = Knowledge::Server(&mut self.server.values);
                if let Some(reply) = s.disk.run(&self.server.store, request, knowledge) {
                    s.session.handle_disk(now, reply);
                }
            }
            Happening::ClientDisk { client, generation, request } => {
                self.note("disk", client.0, 0, &[]);
                let host = &mut self[client];
                if host.generation != generation {
                    return;
                }
                let State::Connected { session, disk } = &mut host.state else { return };
                if let Some(reply) = disk.run(&host.store, request, Knowledge::Client(&host.paths)) {
                    session.handle_disk(now, reply);
                }
            }
            Happening::ServerCrypto { job } => {
                self.note("crypto", SERVER, 0, &[]);
                let done = job.run(self.server.suite);
                let moment = self.moment();
                self.server.endpoint.handle_crypto(moment, done);
            }
            Happening::ClientCrypto { client, generation, job } => {
                self.note("crypto", client.0, 0, &[]);
                let host = &mut self[client];
                if host.generation != generation {
                    return;
                }
                if let State::Connecting(connector) = &mut host.state {
                    connector.handle_crypto(now, job.run(host.suite));
                }
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment { at: self.now, wall: self.wall() }
    }

    fn at_server(&mut self, from: SocketAddr, mut bytes: Vec<u8>) {
        self.note("received", SERVER, bytes.len(), &bytes);
        if let Some(&client) = self.by_address.get(&from)
            && self.catch(client, Way::Up, &bytes)
        {
            return;
        }
        self.count_received(from, bytes.len());
        let moment = self.moment();
        let Some(id) = self.server.endpoint.handle_datagram(moment, from, &bytes) else { return };
        if let Some(s) = self.server.sessions.get_mut(&id) {
            s.session.handle_datagram(moment.at, from, &mut bytes);
        }
    }

    /// Carries out what every machine wants, until none wants anything.
    fn drain(&mut self) {
        self.drain_endpoint();
        let sessions: Vec<_> = self.server.sessions.keys().copied().collect();
        for id in sessions {
            self.drain_server_session(id);
        }
        // A session that opened may have made the endpoint say something.
        self.drain_endpoint();
        for client in 0..self.clients.len() {
            self.drain_client(ClientId(client));
        }
        self.check();
    }

    fn drain_endpoint(&mut self) {
        while let Some(job) = self.server.endpoint.poll_crypto() {
            let start = self.server.crypto_free_at.map_or(self.now, |at| at.max(self.now));
            let end = start + self.server.config.crypto;
            self.server.crypto_free_at = Some(end);
            self.happens(end, Happening::ServerCrypto { job });
        }
        while let Some(event) = self.server.endpoint.poll_event() {
            match event {
                EndpointEvent::Session { id, person, session } => {
                    let s = ServerSession { person, session, disk: Disk::default() };
                    self.server.sessions.insert(id, s);
                }
                EndpointEvent::Stamp { person, stamp } => {
                    let before = self.server.stamps.insert(person, stamp);
                    assert!(before < Some(stamp), "a stamp went backwards");
                }
                EndpointEvent::Renewed { .. } => {}
                EndpointEvent::Rejected { person, why, .. } => self.server.rejections.push((person, why)),
                EndpointEvent::Evict { id, code, why } => {
                    if let Some(s) = self.server.sessions.get_mut(&id) {
                        s.session.close(self.now, code, why);
                    }
                }
            }
        }
        while let Some((to, bytes)) = self.server.endpoint.poll_transmit() {
            self.send_down(to, bytes, 1);
        }
    }

    fn drain_server_session(&mut self, id: SessionId) {
        let (now, mut buffer) = (self.now, std::mem::take(&mut self.buffer));
        while let Some(s) = self.server.sessions.get_mut(&id) {
            if let Some(event) = s.session.poll_event() {
                let person = s.person;
                self.server.on_event(now, id, person, event);
            } else if let Some(request) = s.session.poll_disk() {
                let at = s.disk.submit(now, self.server.config.disk, &request);
                self.happens(at, Happening::ServerDisk { session: id, request });
            } else if let Some(batch) = s.session.poll_transmit(now, SEGMENTS, &mut buffer) {
                for datagram in buffer.chunks(batch.segment) {
                    self.send_down(batch.to, datagram.to_vec(), AMPLIFICATION);
                }
            } else {
                if s.session.is_gone() {
                    self.server.sessions.remove(&id);
                    self.server.endpoint.session_closed(id);
                }
                break;
            }
        }
        self.buffer = buffer;
    }

    fn drain_client(&mut self, client: ClientId) {
        self.drain_connector(client);
        self.drain_client_session(client);
    }

    fn drain_connector(&mut self, client: ClientId) {
        let (now, wall) = (self.now, self.wall());
        loop {
            let host = &mut self.clients[client.0];
            let State::Connecting(connector) = &mut host.state else { return };
            let generation = host.generation;
            if connector.wants_stamp() {
                // Later than all before.
                host.stamp = wall.max(host.stamp.successor());
                connector.attempt(now, host.stamp);
            } else if let Some(job) = connector.poll_crypto() {
                let start = host.crypto_free_at.map_or(now, |at| at.max(now));
                let end = start + host.config.crypto;
                host.crypto_free_at = Some(end);
                self.happens(end, Happening::ClientCrypto { client, generation, job });
            } else if let Some(datagram) = connector.poll_transmit() {
                self.send_up(client, datagram.to_vec());
            } else if let Some(event) = connector.poll_event() {
                match event {
                    ConnectorEvent::Connected { session, .. } => {
                        host.standing = Standing::Connected;
                        host.state = State::Connected { session, disk: Disk::default() };
                    }
                    ConnectorEvent::Refused { code } => {
                        host.standing = Standing::Refused(code);
                        host.state = State::Idle;
                    }
                    ConnectorEvent::TimedOut => {
                        host.standing = Standing::TimedOut;
                        host.state = State::Idle;
                    }
                    ConnectorEvent::ServerKeyDiffers => host.key_warnings += 1,
                    ConnectorEvent::Failed(e) => panic!("the null suite failed: {e}"),
                }
            } else {
                return;
            }
        }
    }

    fn drain_client_session(&mut self, client: ClientId) {
        let (now, mut buffer) = (self.now, std::mem::take(&mut self.buffer));
        loop {
            let host = &mut self.clients[client.0];
            let (generation, config) = (host.generation, host.config.disk);
            let State::Connected { session, disk } = &mut host.state else { break };
            if let Some(event) = session.poll_event() {
                host.on_event(event);
            } else if let Some(request) = session.poll_disk() {
                let at = disk.submit(now, config, &request);
                self.happens(at, Happening::ClientDisk { client, generation, request });
            } else if let Some(batch) = session.poll_transmit(now, SEGMENTS, &mut buffer) {
                for datagram in buffer.chunks(batch.segment) {
                    self.send_up(client, datagram.to_vec());
                }
            } else {
                // Its last disk work is still to be done: the parts of what was given up.
                if session.is_gone() && disk.outstanding() == 0 {
                    host.state = State::Idle;
                }
                break;
            }
        }
        self.buffer = buffer;
    }

    fn send_up(&mut self, client: ClientId, bytes: Vec<u8>) {
        self.check_size(client, bytes.len());
        self.carry_up(client, bytes);
    }

    pub(super) fn carry_up(&mut self, client: ClientId, bytes: Vec<u8>) {
        self.note("sent", client.0, bytes.len(), &bytes);
        let from = self[client].address;
        let arrivals = self.links[client.0][Way::Up as usize].carry(self.now, self.now - self.began, bytes);
        for (at, bytes) in arrivals {
            self.happens(at, Happening::AtServer { from, bytes });
        }
    }

    fn send_down(&mut self, to: SocketAddr, bytes: Vec<u8>, factor: u64) {
        self.note("sent", SERVER, bytes.len(), &bytes);
        self.check_amplification(to, bytes.len(), factor);
        let Some(&client) = self.by_address.get(&to) else {
            self.server.strays.push((to, bytes));
            return;
        };
        self.check_size(client, bytes.len());
        self.carry_down(client, bytes);
    }

    pub(super) fn carry_down(&mut self, client: ClientId, bytes: Vec<u8>) {
        let arrivals = self.links[client.0][Way::Down as usize].carry(self.now, self.now - self.began, bytes);
        for (at, bytes) in arrivals {
            self.happens(at, Happening::AtClient { client, bytes });
        }
    }
}
