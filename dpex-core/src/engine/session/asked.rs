//! What a session's owner may ask of it.

use super::fetching::Fetching;
use super::{Session, State, Upper};
use crate::enrol::Endpoint;
use crate::seal::Kind;
use crate::store::{Held, ListQuery};
use crate::suite::CryptoError;
use crate::transfer::ControlSender;
use crate::types::{Secret, SharePath};
use crate::wire::message::{MAX_PLACES, Message, RequestId};

impl Session {
    /// Asked, of a client: a listing, on at most so many pages. Answered by as many [`Page`](super::Event::Page), or fewer
    /// and [`Failed`](super::Event::Failed).
    pub fn list(&mut self, query: ListQuery, pages: u64) -> Option<RequestId> {
        self.fetching().map(|(f, control)| f.list(query, pages, control))
    }

    /// Asked, of a client: fetch a file, without the blocks that are `held`. Answered by
    /// [`Finished`](super::Event::Finished) or [`Failed`](super::Event::Failed).
    pub fn get(&mut self, path: SharePath, held: Option<Held>) -> Option<RequestId> {
        self.fetching().map(|(f, control)| f.get(path, held, control))
    }

    /// Asked, of a client: the hash of a file. Answered by [`Hashed`](super::Event::Hashed) or
    /// [`Failed`](super::Event::Failed).
    pub fn hash(&mut self, path: SharePath) -> Option<RequestId> {
        self.fetching().map(|(f, control)| f.hash(path, control))
    }

    /// Asked, of a server: tell the client where it is found from now on, best first; 1 to 8 places.
    pub fn announce(&mut self, endpoints: &[Endpoint]) {
        if matches!(self.upper, Upper::Server(_)) && self.state == State::Open && !endpoints.is_empty() {
            let places = endpoints.iter().map(|place| (place.host().to_string(), place.port()));
            self.link.control_out.send(&Message::Endpoints { places: places.take(MAX_PLACES).collect() });
        }
    }

    /// Asked, of a server: give the client these secrets in place of those that it came with. They must be safe on the disk,
    /// and work, before (ENR-26).
    ///
    /// # Errors
    /// [`CryptoError::Rng`], [`CryptoError::Internal`]; nothing is said then.
    pub fn renew(&mut self, psk: Option<&Secret>, knock: Option<&Secret>) -> Result<(), CryptoError> {
        let wrap = |kind, secret: Option<&Secret>| secret.map(|secret| self.wrap.seal(kind, secret)).transpose();
        let (psk, knock) = (wrap(Kind::Psk, psk)?, wrap(Kind::Knock, knock)?);
        if psk.is_some() || knock.is_some() {
            self.link.control_out.send(&Message::Renew { psk, knock });
        }
        Ok(())
    }

    /// Asked, of a client: give a request up.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some((f, control)) = self.fetching() {
            f.cancel(id, control);
        }
    }

    fn fetching(&mut self) -> Option<(&mut Fetching, &mut ControlSender)> {
        match &mut self.upper {
            Upper::Client(f) if self.state == State::Open => Some((f, &mut self.link.control_out)),
            _ => None,
        }
    }

    /// Asked, of a client: have the server show a sign of life, unless an answer is awaited anyway. A session that is
    /// asked so now and then is kept, even if nothing is under way (SES-6).
    pub fn probe(&mut self) {
        if self.state == State::Open && !self.link.awaits_answer() {
            self.link.ping();
        }
    }

    /// Told, of a client: its own address is another one now. The server hears of it at once, and whoever watches both paths
    /// finds no connection id on both (REC-12).
    pub fn rebound(&mut self) {
        if self.state == State::Open && matches!(self.upper, Upper::Client(_)) {
            self.link.rebound();
        }
    }

    /// Asked: let it be known as soon as may be that everything said on the control stream has arrived.
    pub fn flush(&mut self) {
        if self.state == State::Open && !self.is_flushed() {
            self.link.hurry();
        }
    }

    /// Asked: from now on send no more than is granted; or as much as the path takes. Acknowledgements need no grant.
    pub fn cap(&mut self, capped: bool) {
        self.link.cap(capped);
    }

    /// Told: so many more bytes may be sent.
    pub fn grant(&mut self, bytes: u64) {
        self.link.grant(bytes);
    }
}
