//! What packets hold while they are made, and what becomes of it.

use std::ops::Range;

use smallvec::SmallVec;

use crate::types::RangeSet;
use crate::wire::frame::Frame;

/// What an eliciting packet carried, and what is to be done if it is lost.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The highest packet number acknowledged by it.
    pub(super) ack: Option<u64>,
    /// It tests whether its size passes.
    pub(super) size_test: bool,
    /// Nearly always one: no packet needs memory of its own for that.
    pub(super) pieces: SmallVec<[Piece; 1]>,
}

/// One retransmittable part of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Control(Range<u64>),
    Data { transfer: u64, range: Range<u64> },
    MaxData,
    MaxControl,
    Ratchet,
}

/// A packet under construction at the end of a segment buffer.
pub(super) struct Draft<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// Where in `out` its payload must end.
    pub(super) end: usize,
    pub(super) contents: Contents,
    pub(super) eliciting: bool,
}

impl Draft<'_> {
    /// Bytes left for frames.
    pub(super) fn room(&self) -> usize {
        self.end.saturating_sub(self.out.len())
    }

    /// Notes a retransmittable part.
    pub(super) fn note(&mut self, piece: Piece) {
        self.contents.pieces.push(piece);
        self.eliciting = true;
    }
}

/// How soon a packet is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asks {
    /// Not at all by itself.
    Nothing,
    /// With others.
    Soon,
    AtOnce,
}

impl Asks {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::Ping => Self::AtOnce,
            frame if frame.is_eliciting() => Self::Soon,
            _ => Self::Nothing,
        }
    }
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrived,
    Lost,
}

/// Ranges of blocks as a set.
pub(super) fn set_of(ranges: &[Range<u64>]) -> RangeSet {
    ranges.iter().cloned().collect()
}
