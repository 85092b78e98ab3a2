//! One receive call, and what it brought.

use std::io::{self, IoSliceMut};

use dpex_core::transport::Received;
use dpex_core::types::{Buffer, Buffers};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use crate::address::canonical;

/// Messages per call. With receive offload each may hold dozens of datagrams.
const MESSAGES: usize = 8;

/// No UDP message is longer, offloaded or not: IP's length field has 16 bits.
const MESSAGE_LEN: usize = 1 << 16;

/// A message of at least so many bytes is handed on in the buffer that it came in. A shorter one is copied, so that
/// what waits in a queue never takes more than twice its own size.
const WORTH_ITS_BUFFER: usize = MESSAGE_LEN / 2;

/// Buffers kept for later: what a session of a fast peer holds at a time, most of the time.
const MOST_SPARE: usize = 32;

/// The memory the system writes into: half a mebibyte, and what is handed on in its place until it comes back.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Buffer>,
    spare: Buffers,
}

impl Slots {
    pub(crate) fn new() -> Self {
        let spare = Buffers::keeping(MOST_SPARE);
        Self { slots: std::iter::repeat_with(|| spare.take(MESSAGE_LEN)).take(MESSAGES).collect(), spare }
    }

    /// Receives what is there without waiting.
    pub(crate) fn receive(
        &mut self,
        state: &UdpSocketState,
        socket: UdpSockRef<'_>,
        batch: &mut Vec<Received>,
    ) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); MESSAGES];
        let mut slices: Vec<_> = self.slots.iter_mut().map(|slot| IoSliceMut::new(slot)).collect();
        let count = state.recv(socket, &mut slices, &mut metas)?;
        for (meta, slot) in metas.iter().zip(&mut self.slots).take(count) {
            batch.push(received(meta, slot, &self.spare));
        }
        Ok(())
    }
}

/// Takes a message out of its slot.
fn received(meta: &RecvMeta, slot: &mut Buffer, spare: &Buffers) -> Received {
    let len = meta.len.min(slot.len());
    let payload = if len < WORTH_ITS_BUFFER {
        Buffer::from(&slot[..len])
    } else {
        let mut taken = std::mem::replace(slot, spare.take(MESSAGE_LEN));
        taken.truncate(len);
        taken
    };
    // Some systems leave the stride out when there is one datagram only.
    let segment = if meta.stride == 0 { len.max(1) } else { meta.stride };
    Received { from: canonical(meta.addr), payload, segment }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(message: &[u8], stride: usize) -> Vec<Vec<u8>> {
        let mut meta = RecvMeta::default();
        meta.len = message.len();
        meta.stride = stride;
        let spare = Buffers::keeping(1);
        let mut slot = spare.take(MESSAGE_LEN);
        slot[..message.len()].copy_from_slice(message);
        let mut received = received(&meta, &mut slot, &spare);
        assert_eq!(slot.len(), MESSAGE_LEN, "the slot can be used again");
        let opened: Vec<_> = received.datagrams_mut().map(|datagram| datagram.to_vec()).collect();
        assert!(received.datagrams().eq(&opened));
        opened
    }

    #[test]
    fn a_message_is_cut_at_its_stride_and_the_last_piece_may_be_short() {
        assert_eq!(cut(b"aaabbbc", 3), [b"aaa".to_vec(), b"bbb".to_vec(), b"c".to_vec()]);
        assert_eq!(cut(b"aaabbb", 3), [b"aaa".to_vec(), b"bbb".to_vec()]);
        let long: Vec<_> = (0..=u8::MAX).cycle().take(50_000).collect();
        assert_eq!(cut(&long, 1_400), long.chunks(1_400).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_without_stride_is_one_datagram() {
        assert_eq!(cut(b"aaabbb", 6), [b"aaabbb".to_vec()]);
        assert_eq!(cut(b"aaabbb", 0), [b"aaabbb".to_vec()]);
    }

    #[test]
    fn an_empty_message_is_one_empty_datagram() {
        assert_eq!(cut(b"", 0), [Vec::<u8>::new()]);
    }

    #[test]
    fn what_waits_never_takes_more_than_twice_its_size() {
        let spare = Buffers::keeping(1);
        let mut slot = spare.take(MESSAGE_LEN);
        for len in [1, WORTH_ITS_BUFFER - 1, WORTH_ITS_BUFFER, MESSAGE_LEN] {
            let mut meta = RecvMeta::default();
            meta.len = len;
            let payload = received(&meta, &mut slot, &spare).payload;
            assert_eq!(payload.len(), len);
            assert!(payload.capacity() <= 2 * len, "{len}");
        }
    }
}
