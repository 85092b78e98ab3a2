//! Opening the socket: family, dual stack, buffers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};
use tracing::debug;

use crate::options::Options;

/// A bound, non-blocking socket. The IPv6 any-address is dual stack where the platform allows, and means the IPv4
/// one on a machine that has no IPv6 at all.
pub(crate) fn open(addr: SocketAddr, options: &Options) -> io::Result<UdpSocket> {
    let (socket, addr) = match create(addr) {
        Ok(socket) => (socket, addr),
        Err(error) if addr.is_ipv6() && addr.ip().is_unspecified() => {
            debug!(%error, "no IPv6 here, binding IPv4 only");
            let addr = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port());
            (create(addr)?, addr)
        }
        Err(error) => return Err(error),
    };
    if addr.is_ipv6()
        && addr.ip().is_unspecified()
        && let Err(error) = socket.set_only_v6(false)
    {
        debug!(%error, "no dual stack here, IPv6 only");
    }
    size_buffers(&socket, options);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn create(addr: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))
}

/// Best effort: a smaller buffer costs speed, not correctness.
fn size_buffers(socket: &Socket, options: &Options) {
    if options.send_buffer > 0
        && let Err(error) = socket.set_send_buffer_size(options.send_buffer)
    {
        debug!(%error, wanted = options.send_buffer, "the send buffer keeps its size");
    }
    if options.receive_buffer > 0
        && let Err(error) = socket.set_recv_buffer_size(options.receive_buffer)
    {
        debug!(%error, wanted = options.receive_buffer, "the receive buffer keeps its size");
    }
    if let (Ok(send), Ok(receive)) = (socket.send_buffer_size(), socket.recv_buffer_size()) {
        debug!(send, receive, "socket buffers as granted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(text: &str) -> SocketAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn buffers_are_as_wished_and_zero_means_untouched() {
        let untouched = open(any("127.0.0.1:0"), &Options { send_buffer: 0, receive_buffer: 0 }).expect("a free port");
        let wished = open(any("127.0.0.1:0"), &Options { send_buffer: 16_384, receive_buffer: 16_384 });
        let (untouched, wished) = (Socket::from(untouched), Socket::from(wished.expect("a free port")));
        let size = |socket: &Socket| socket.recv_buffer_size().expect("a bound socket has a size");
        // Linux doubles what is asked for; no system makes this small wish larger than its default.
        assert!((16_384..=32_768).contains(&size(&wished)), "{}", size(&wished));
        assert!(size(&untouched) > size(&wished), "{}", size(&untouched));
    }

    #[test]
    fn a_buffer_larger_than_the_system_allows_is_no_error() {
        let options = Options { send_buffer: 1 << 30, receive_buffer: 1 << 30 };
        assert!(open(any("127.0.0.1:0"), &options).is_ok());
    }
}
