//! One form per address. A dual-stack socket speaks IPv4 as `::ffff:a.b.c.d`; nobody above has to know.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The address family a socket was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Takes IPv4 destinations only.
    V4,
    /// Takes IPv6 destinations, and IPv4 ones in their mapped form.
    V6,
}

impl Family {
    /// The family of a bound address.
    pub(crate) fn of(addr: SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The destination in the form this socket takes, or `None` where no datagram could ever go.
    ///
    /// Port 0 is refused here and not by the system, because its answer (`EINVAL`) would be taken for a failure of
    /// segmentation offload and switch that off for everybody.
    pub(crate) fn destination(self, to: SocketAddr) -> Option<SocketAddr> {
        if to.port() == 0 {
            return None;
        }
        match (self, canonical(to)) {
            (Self::V4, SocketAddr::V6(_)) => None,
            (Self::V6, SocketAddr::V4(v4)) => Some(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()),
            (_, same) => Some(same),
        }
    }
}

/// IPv4 as IPv4, and IPv6 without the flow label, so that one sender has one address.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match (addr, addr.ip().to_canonical()) {
        (_, IpAddr::V4(ip)) => SocketAddr::new(ip.into(), addr.port()),
        (SocketAddr::V6(v6), IpAddr::V6(ip)) => SocketAddrV6::new(ip, addr.port(), 0, v6.scope_id()).into(),
        (SocketAddr::V4(_), IpAddr::V6(_)) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("a literal address")
    }

    #[test]
    fn a_mapped_sender_is_shown_as_ipv4_and_an_ipv6_one_keeps_its_scope() {
        assert_eq!(canonical(addr("[::ffff:192.0.2.7]:9")), addr("192.0.2.7:9"));
        assert_eq!(canonical(addr("192.0.2.7:9")), addr("192.0.2.7:9"));
        let labelled = SocketAddrV6::new("fe80::1".parse().expect("a literal"), 9, 77, 3);
        assert_eq!(canonical(labelled.into()), SocketAddrV6::new(*labelled.ip(), 9, 0, 3).into());
    }

    #[test]
    fn an_ipv6_socket_reaches_ipv4_in_mapped_form() {
        assert_eq!(Family::V6.destination(addr("192.0.2.7:9")), Some(addr("[::ffff:192.0.2.7]:9")));
        assert_eq!(Family::V6.destination(addr("[2001:db8::1]:9")), Some(addr("[2001:db8::1]:9")));
    }

    #[test]
    fn an_ipv4_socket_reaches_ipv4_in_both_forms_and_ipv6_never() {
        assert_eq!(Family::V4.destination(addr("[::ffff:192.0.2.7]:9")), Some(addr("192.0.2.7:9")));
        assert_eq!(Family::V4.destination(addr("[2001:db8::1]:9")), None);
    }

    #[test]
    fn port_zero_is_nowhere() {
        assert_eq!(Family::V4.destination(addr("192.0.2.7:0")), None);
        assert_eq!(Family::V6.destination(addr("[2001:db8::1]:0")), None);
    }
}
