//! What a session sends.

use std::time::Instant;

use super::draft::Draft;
use super::{Session, SessionTransmit, State, Upper};
use crate::seal::SealError;
use crate::wire::frame::CloseCode;

/// What fits into one system call, in bytes.
const MAX_BATCH: usize = 65_507;

impl Session {
    /// Wants: fills `out` with up to `max_segments` datagrams of equal size (the last may be shorter) (SES-1, SES-7).
    pub fn poll_transmit(&mut self, now: Instant, max_segments: usize, out: &mut Vec<u8>) -> Option<SessionTransmit> {
        out.clear();
        match &mut self.state {
            State::HalfOpen { .. } | State::Gone => return None,
            State::Closing { due, last, .. } => {
                if !std::mem::take(due) {
                    return None;
                }
                *last = Some(now);
                let reason = self.closed.as_ref()?;
                self.link.build_close(now, out, reason.code, &reason.text).ok()?;
                return Some(SessionTransmit { to: self.link.peer(), segment: out.len() });
            }
            State::Open => {}
        }
        match self.link.build_challenge(now, out) {
            Ok(None) => {}
            Ok(Some(to)) => return Some(SessionTransmit { to, segment: out.len() }),
            Err(_) => {
                out.clear();
                self.vanish(CloseCode::KeyLimit, "no more packets may be sealed");
                return None;
            }
        }
        let Ok(segment) = self.build_batch(now, max_segments, out) else {
            out.clear();
            self.vanish(CloseCode::KeyLimit, "no more packets may be sealed");
            return None;
        };
        (segment > 0).then_some(SessionTransmit { to: self.link.peer(), segment })
    }

    /// Fills `out` with a test of a size, or with packets of which all but the last are full. Returns the first one's size.
    fn build_batch(&mut self, now: Instant, max_segments: usize, out: &mut Vec<u8>) -> Result<usize, SealError> {
        if self.link.build_size_test(now, out)? {
            return Ok(out.len());
        }
        let full = self.link.datagram();
        for _ in 0..max_segments.min(MAX_BATCH / full).max(1) {
            let start = out.len();
            if !self.build(now, out)? || out.len() - start < full {
                break;
            }
        }
        Ok(full.min(out.len()))
    }

    fn build(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<bool, SealError> {
        let more = match &self.upper {
            Upper::Server(s) => s.has_data(),
            Upper::Client(f) => f.has_frames(),
        };
        let upper = &mut self.upper;
        self.link.build(now, out, more, |draft: &mut Draft<'_>| match upper {
            Upper::Server(s) => s.fill(draft),
            Upper::Client(f) => f.fill(draft),
        })
    }
}
