//! When the peer, or this side, is at another address.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::draft::{Contents, Fate, Piece};
use super::super::path::Moved;
use super::{INITIAL_RTT, Link};
use crate::recovery::{BASE, Bbr, Pacer, RttEstimator, SizeSearch};
use crate::seal::{Direction, SealError};
use crate::wire::frame;
use crate::wire::packet::{HEADER_LEN, TAG_LEN};

/// How long an address has to answer a challenge, at least (PTH-4).
const CHALLENGE_WAIT: Duration = Duration::from_secs(1);

impl Link {
    /// The address that packets go to.
    pub(in crate::engine::session) fn peer(&self) -> SocketAddr {
        self.paths.current()
    }

    /// A packet was opened: has the peer moved (PTH-2)? Only a server follows: what a client speaks to is the server's own
    /// place.
    pub(in crate::engine::session) fn on_heard_from(&mut self, now: Instant, from: SocketAddr, pn: u64, bytes: usize) {
        if self.sends == Direction::ClientToServer {
            return;
        }
        let is_newest = self.opener.highest() == Some(pn);
        let suite = self.suite;
        let is_news = self.paths.on_packet(now, from, bytes, is_newest, || {
            let mut token = [0; 8];
            suite.random(&mut token).ok().map(|()| token)
        });
        if is_news {
            self.ids.draw_for_candidate();
        }
    }

    /// A challenge was answered. If by that the peer has moved, tells `settle` what was on the way to where it was, and
    /// returns that address.
    pub(in crate::engine::session) fn on_path_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        token: [u8; 8],
        mut settle: impl FnMut(Piece, Fate),
    ) -> Option<SocketAddr> {
        let before = self.paths.current();
        let moved = self.paths.on_response(from, token)?;
        self.ids.take_candidates();
        if moved == Moved::Elsewhere {
            // Nothing is known of the path there, and what went the old one is not waited for (PTH-5).
            self.rtt = RttEstimator::new(INITIAL_RTT);
            self.controller = Box::new(Bbr::new(BASE));
            self.size = SizeSearch::new(self.max_datagram);
            self.pacer = Pacer::new(now);
            self.pacer.set_rate(now, self.controller.pacing_rate(&self.rtt));
            self.paced_until = None;
            for packet in self.sent.abandon() {
                for piece in packet.content.pieces {
                    self.settle(piece, Fate::Lost, &mut settle);
                }
            }
        }
        // So that both sides soon know the path.
        self.ping = true;
        Some(before)
    }

    /// Fills `out` with a challenge of an address, if one is due (PTH-3, PTH-4).
    pub(in crate::engine::session) fn build_challenge(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Option<SocketAddr>, SealError> {
        let Some(challenge) = self.paths.poll_challenge(now) else { return Ok(None) };
        let wait = (self.pto() * 3).max(CHALLENGE_WAIT);
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        frame::put_path_challenge(out, challenge.token);
        // As large as any other, if that many bytes may go there: the path must carry them.
        let budget = usize::try_from(challenge.budget).unwrap_or(usize::MAX);
        if budget >= BASE {
            frame::put_padding(out, start + BASE - TAG_LEN - out.len());
        }
        out.resize(out.len() + TAG_LEN, 0);
        let bytes = out.len() - start;
        if bytes > budget {
            out.truncate(start);
            self.paths.on_challenged(now, 0, wait);
            return Ok(None);
        }
        self.paths.on_challenged(now, bytes as u64, wait);
        // Its loss says nothing of the path that is in use.
        let contents = Contents::default();
        self.sealer.seal_in_place(self.ids.candidates(), self.sent.next_pn(), &mut out[start..])?;
        self.sent_bytes += bytes as u64;
        self.sent.on_size_probe_sent(now, bytes, contents);
        Ok(Some(challenge.to))
    }

    // FRM-6.
    pub(in crate::engine::session) fn on_path_challenge(&mut self, token: [u8; 8]) {
        self.path_response = Some(token);
    }

    /// A client's own address is another one: who watches both paths is not to see the same id on them, and the server is to
    /// hear of it.
    pub(in crate::engine::session) fn rebound(&mut self) {
        self.ids.draw();
        self.ping = true;
    }
}
