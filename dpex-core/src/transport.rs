//! Joint 3: one bound datagram socket.
//!
//! A transport may lose, repeat, delay and reorder datagrams; it may not merge, split or alter one. Sending and
//! receiving take `&self`, so that many sessions send at once. A peer that vanished never makes the socket fail.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use crate::types::Buffer;

/// One or more datagrams of equal size (the last may be shorter) for one peer, back to back in one buffer.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The bytes of all the datagrams.
    pub payload: &'a [u8],
    /// The size of each datagram in bytes; the payload's length when there is only one. An empty payload is one empty
    /// datagram, and its `segment` is 0: `chunks(segment)` panics.
    pub segment: usize,
}

/// One or more received datagrams of equal size (the last may be shorter) from one peer, back to back in one buffer.
#[derive(Debug)]
pub struct Received {
    /// The sender's address, in the one form in which it is sent to. Not authenticated.
    pub from: SocketAddr,
    /// The bytes of all the datagrams. They may be opened in place.
    pub payload: Buffer,
    /// The size of each datagram in bytes, not 0; not less than the payload's length when there is only one. An empty
    /// payload is one empty datagram.
    pub segment: usize,
}

impl Received {
    /// One datagram, copied.
    #[must_use]
    pub fn one(from: SocketAddr, datagram: &[u8]) -> Self {
        Self { from, payload: datagram.into(), segment: datagram.len().max(1) }
    }

    /// The datagrams, in the order in which they came.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let empty: Option<&[u8]> = self.payload.is_empty().then_some(&[]);
        self.payload.chunks(self.segment).chain(empty)
    }

    /// The same, to be opened in place.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let empty: Option<&mut [u8]> = self.payload.is_empty().then_some(&mut []);
        self.payload.chunks_mut(self.segment).chain(empty)
    }

    /// Sorts the datagrams, in their order, by what `key` says of each, and leaves out those of which it says nothing.
    /// Nothing is copied where it says the same of all, as it does unless somebody mixes what they send.
    pub fn sorted<K: PartialEq>(self, key: impl FnMut(&[u8]) -> Option<K>) -> Vec<(K, Self)> {
        let keys: Vec<_> = self.datagrams().map(key).collect();
        if keys.windows(2).all(|two| two[0] == two[1]) {
            return keys.into_iter().next().flatten().map(|key| (key, self)).into_iter().collect();
        }
        let sorted = keys.into_iter().zip(self.datagrams());
        sorted.filter_map(|(key, datagram)| Some((key?, Self::one(self.from, datagram)))).collect()
    }
}

/// A bound datagram socket.
///
/// Its datagrams carry "don't fragment" where there is such a thing: the engine searches for the path's MTU with
/// datagrams that must be lost when they are too large.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends all datagrams of a transmit. Returning `Ok` promises nothing about arrival; a datagram the system
    /// refuses for a reason that concerns this peer alone (unreachable, too large) is lost, not an error. A full send
    /// buffer is waited for, or the datagram is lost.
    ///
    /// Many sessions send at once, also while [`recv`](Self::recv) waits: no lock is held across its wait.
    ///
    /// # Errors
    /// Only when the socket itself can no longer be used (`EBADF`, say). If in doubt it is the peer's trouble.
    async fn send(&self, transmit: Transmit<'_>) -> io::Result<()>;

    /// Waits for at least one datagram and appends it, and those that came with it, to `batch`.
    ///
    /// # Errors
    /// Only when the socket itself can no longer be used.
    async fn recv(&self, batch: &mut Vec<Received>) -> io::Result<()>;

    /// The most datagrams one [`Transmit`] may hold; at least 1.
    fn max_segments(&self) -> usize;

    /// The bound address.
    ///
    /// # Errors
    /// Whatever the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// What whoever runs this should know of it, a line each: what makes it slower than it could be, and the mend.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The address of this machine from which datagrams to `peer` would leave now, if that is known. A client asks now and
    /// then: another one means another network.
    fn source_towards(&self, peer: SocketAddr) -> Option<IpAddr> {
        let _ = peer;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(payload: &[u8], segment: usize) -> Received {
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        Received { from, payload: payload.into(), segment }
    }

    fn sorted(payload: &[u8], key: impl Fn(u8) -> Option<u8>) -> Vec<(u8, Vec<Vec<u8>>)> {
        let sorted = received(payload, 2).sorted(|datagram| key(*datagram.first()?));
        let datagrams = |received: &Received| received.datagrams().map(<[u8]>::to_vec).collect();
        sorted.iter().map(|(key, received)| (*key, datagrams(received))).collect()
    }

    #[test]
    fn datagrams_are_cut_at_the_segment_and_an_empty_one_is_one() {
        for (payload, segment, datagrams) in
            [(&b"aabbc"[..], 2, &[&b"aa"[..], b"bb", b"c"][..]), (b"aab", 5, &[b"aab"]), (b"", 1, &[b""])]
        {
            let mut received = received(payload, segment);
            assert!(received.datagrams().eq(datagrams.iter().copied()));
            assert!(received.datagrams_mut().map(|datagram| &*datagram).eq(datagrams.iter().copied()));
        }
    }

    #[test]
    fn what_is_of_one_key_stays_together_and_in_its_buffer() {
        let received = received(b"aabbc", 2);
        let before = received.payload.as_ptr();
        let sorted = received.sorted(|_| Some(7));
        assert_eq!(sorted.len(), 1);
        assert_eq!(sorted[0].1.payload.as_ptr(), before);
    }

    #[test]
    fn what_is_mixed_is_taken_apart_in_order_and_what_has_no_key_is_left_out() {
        let of = |first: u8| (first != b'x').then_some(first);
        let each = |all: &[&[u8]]| all.iter().map(|one| (one[0], vec![one.to_vec()])).collect::<Vec<_>>();
        assert_eq!(sorted(b"a1b2a3", of), each(&[b"a1", b"b2", b"a3"]));
        assert_eq!(sorted(b"x0a1x2a", of), each(&[b"a1", b"a"]));
        assert_eq!(sorted(b"x0x1", of), []);
        assert_eq!(sorted(b"", of), []);
    }
}
