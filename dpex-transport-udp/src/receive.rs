//! One receive call, and cutting what it brought into datagrams.

use std::io::{self, IoSliceMut};

use bytes::BytesMut;
use dpex_core::transport::Datagram;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use crate::address::canonical;

/// Messages per call. With receive offload each may hold dozens of datagrams.
const MESSAGES: usize = 8;

/// No UDP message is longer, offloaded or not: IP's length field has 16 bits.
const MESSAGE_LEN: usize = 1 << 16;

/// The memory the system writes into: half a mebibyte, made once, whatever arrives.
///
/// Datagrams are copied out of it, one allocation a message. Handing the buffer itself over would save no work,
/// because without `unsafe` its successor must be zeroed, which costs as much as the copy; and a small datagram
/// waiting in a queue would hold 64 KiB.
#[derive(Debug)]
pub(crate) struct Buffers(Box<[u8]>);

impl Buffers {
    pub(crate) fn new() -> Self {
        Self(vec![0; MESSAGES * MESSAGE_LEN].into_boxed_slice())
    }

    /// Receives what is there without waiting.
    pub(crate) fn receive(
        &mut self,
        state: &UdpSocketState,
        socket: UdpSockRef<'_>,
        batch: &mut Vec<Datagram>,
    ) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); MESSAGES];
        let mut slices: Vec<_> = self.0.chunks_exact_mut(MESSAGE_LEN).map(IoSliceMut::new).collect();
        let count = state.recv(socket, &mut slices, &mut metas)?;
        for (meta, buffer) in metas.iter().zip(slices).take(count) {
            let message = buffer.get(..meta.len).unwrap_or_default();
            split(message, meta, batch);
        }
        Ok(())
    }
}

/// Cuts one message at its stride.
fn split(message: &[u8], meta: &RecvMeta, batch: &mut Vec<Datagram>) {
    let from = canonical(meta.addr);
    let mut rest = BytesMut::from(message);
    if meta.stride > 0 {
        while rest.len() > meta.stride {
            batch.push(Datagram { from, data: rest.split_to(meta.stride) });
        }
    }
    // The last one, the only one, or an empty one: an empty datagram is a datagram.
    batch.push(Datagram { from, data: rest });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(message: &[u8], stride: usize) -> Vec<Vec<u8>> {
        let mut meta = RecvMeta::default();
        meta.len = message.len();
        meta.stride = stride;
        let mut batch = Vec::new();
        split(message, &meta, &mut batch);
        batch.iter().map(|datagram| datagram.data.to_vec()).collect()
    }

    #[test]
    fn a_message_is_cut_at_its_stride_and_the_last_piece_may_be_short() {
        assert_eq!(cut(b"aaabbbc", 3), [b"aaa".to_vec(), b"bbb".to_vec(), b"c".to_vec()]);
        assert_eq!(cut(b"aaabbb", 3), [b"aaa".to_vec(), b"bbb".to_vec()]);
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
}
