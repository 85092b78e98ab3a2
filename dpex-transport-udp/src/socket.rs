//! Opening the socket: family, dual stack, buffers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
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

/// What the system did not grant of what was wished, in words.
pub(crate) fn shortages(socket: &SockRef<'_>, options: &Options) -> Vec<String> {
    let granted = [
        ("receive into", "rmem_max", options.receive_buffer, socket.recv_buffer_size()),
        ("send from", "wmem_max", options.send_buffer, socket.send_buffer_size()),
    ];
    let told =
        granted.into_iter().filter_map(|(what, limit, wished, granted)| shortage(what, limit, wished, granted.ok()?));
    told.collect()
}

fn shortage(what: &str, limit: &str, wished: usize, granted: usize) -> Option<String> {
    // Linux counts its own bookkeeping, as much again.
    let granted = if cfg!(target_os = "linux") { granted / 2 } else { granted };
    let mend = if cfg!(target_os = "linux") {
        format!("; `sysctl -w net.core.{limit}={wished}` mends it")
    } else {
        String::new()
    };
    (granted < wished).then(|| {
        let [granted, wished] = [granted / 1024, wished / 1024];
        format!("the system grants {granted} KiB of {wished} to {what}, so fast transfers may stutter{mend}")
    })
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
    fn what_the_system_does_not_grant_is_told_with_its_mend() {
        let double = if cfg!(target_os = "linux") { 2 } else { 1 };
        assert_eq!(shortage("send from", "wmem_max", 2 << 20, (2 << 20) * double), None);
        assert_eq!(shortage("send from", "wmem_max", 0, 1), None, "nothing was wished");
        let told = shortage("receive into", "rmem_max", 2 << 20, 212_992 * double).expect("it is short");
        assert!(told.contains("208 KiB of 2048 to receive into"), "{told}");
        assert_eq!(told.contains("net.core.rmem_max=2097152"), cfg!(target_os = "linux"), "{told}");
    }

    #[test]
    fn a_buffer_larger_than_the_system_allows_is_no_error() {
        let options = Options { send_buffer: 1 << 30, receive_buffer: 1 << 30 };
        assert!(open(any("127.0.0.1:0"), &options).is_ok());
    }
}
