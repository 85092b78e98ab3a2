//! Where a server is reached: a host that may be looked up, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The port a server uses unless told otherwise.
pub const DEFAULT_PORT: u16 = 9473;

/// A host name or address that is safe to look up, to show, and to write into a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name: lower-case letters, digits and hyphens in labels of 1-63, 253 in all, no dot at the end.
    Name(String),
    /// An address of one machine: neither unspecified nor multicast, without a zone.
    Ip(IpAddr),
}

/// A host and a UDP port other than 0 (ENR-17).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The host is empty, or longer than a DNS name can be.
    #[error("a host name has 1 to 253 characters")]
    Length,
    /// A label of the name is not valid.
    #[error("a host name consists of letters, digits and hyphens between dots")]
    Name,
    /// The name holds characters beyond ASCII.
    #[error("an international host name is written in its xn-- form")]
    NotAscii,
    /// All digits, but not an address.
    #[error("not a complete ip address")]
    Address,
    /// An address with a zone, such as `fe80::1%eth0`.
    #[error("an address with a zone means nothing on another machine")]
    Zone,
    /// The unspecified or a multicast address.
    #[error("not the address of one machine")]
    NotOneMachine,
    /// An IPv6 address with a port, without brackets.
    #[error("an ipv6 address before a port is written in brackets, as in [2001:db8::1]:9473")]
    Brackets,
    /// The port is missing, zero, or not a number.
    #[error("a port is a number from 1 to 65535")]
    Port,
}

impl Host {
    fn ip(ip: IpAddr) -> Result<Self, EndpointError> {
        // An IPv4 address written as one of IPv6 reaches what it reaches by itself.
        let plain = ip.to_canonical();
        if plain.is_unspecified() || plain.is_multicast() || plain == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(EndpointError::NotOneMachine);
        }
        Ok(Self::Ip(ip))
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    /// Reads a name or an address, IPv6 without brackets. Upper-case letters are lowered.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() || text.len() > 253 {
            return Err(EndpointError::Length);
        }
        if !text.is_ascii() {
            return Err(EndpointError::NotAscii);
        }
        if text.contains('%') {
            return Err(EndpointError::Zone);
        }
        if text.contains(':') {
            return Self::ip(text.parse::<Ipv6Addr>().map_err(|_| EndpointError::Address)?.into());
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Self::ip(ip.into());
        }
        let name = text.to_ascii_lowercase();
        for label in name.split('.') {
            let letters = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            if !letters || label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
                return Err(EndpointError::Name);
            }
        }
        // What resolvers take for an address must not pass as a name: 127.1, 2130706433 or 0x7f.1 (WHATWG URL, 3.5).
        let last = name.rsplit('.').next().unwrap_or_default();
        let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if hex || last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Address);
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    /// An IPv6 address without brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

impl Endpoint {
    /// Joins a host and a port.
    ///
    /// # Errors
    /// [`EndpointError::Port`] for port 0.
    pub fn new(host: Host, port: u16) -> Result<Self, EndpointError> {
        if port == 0 {
            return Err(EndpointError::Port);
        }
        Ok(Self { host, port })
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The UDP port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `host:port`, an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::Port)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => Host::Ip(match inner.strip_suffix(']').ok_or(EndpointError::Brackets)?.parse()? {
                Host::Ip(ip @ IpAddr::V6(_)) => ip,
                Host::Ip(IpAddr::V4(_)) | Host::Name(_) => return Err(EndpointError::Address),
            }),
            None if host.contains(':') => return Err(EndpointError::Brackets),
            None => host.parse()?,
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        Self::new(host, port.parse().map_err(|_| EndpointError::Port)?)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_back_as_it_is_shown() {
        for (text, shown) in [
            ("files.example.org:9473", "files.example.org:9473"),
            ("Files.Example.ORG:1", "files.example.org:1"),
            ("localhost:65535", "localhost:65535"),
            ("xn--bcher-kva.example:9473", "xn--bcher-kva.example:9473"),
            ("192.0.2.7:9473", "192.0.2.7:9473"),
            ("[2001:DB8:0::1]:9473", "[2001:db8::1]:9473"),
            ("[::FFFF:192.0.2.7]:9473", "[::ffff:192.0.2.7]:9473"),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse(), Ok(endpoint));
        }
    }

    // ENR-17.
    #[test]
    fn what_is_no_endpoint_is_refused_with_its_reason() {
        use EndpointError as E;
        for (text, reason) in [
            ("", E::Port),
            ("example.org", E::Port),
            ("example.org:", E::Port),
            ("example.org:0", E::Port),
            ("example.org:+80", E::Port),
            ("example.org:65536", E::Port),
            (":9473", E::Length),
            ("exa mple.org:1", E::Name),
            ("example.org.:1", E::Name),
            ("-a.org:1", E::Name),
            ("a_b.org:1", E::Name),
            ("a/../b:1", E::Name),
            ("bücher.example:1", E::NotAscii),
            ("1.2.3:1", E::Address),
            ("127.1:1", E::Address),
            ("2130706433:1", E::Address),
            ("0x7f.0x1:1", E::Address),
            ("[192.0.2.7]:1", E::Address),
            ("[::1:1", E::Brackets),
            ("2001:db8::1:9473", E::Brackets),
            ("[fe80::1%eth0]:1", E::Zone),
            ("0.0.0.0:1", E::NotOneMachine),
            ("[::]:1", E::NotOneMachine),
            ("[ff02::1]:1", E::NotOneMachine),
            ("224.0.0.1:1", E::NotOneMachine),
            ("255.255.255.255:1", E::NotOneMachine),
            ("[::ffff:0.0.0.0]:1", E::NotOneMachine),
            ("[::ffff:224.0.0.1]:1", E::NotOneMachine),
            ("[::ffff:255.255.255.255]:1", E::NotOneMachine),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_name_may_be_as_long_as_dns_allows_and_no_longer() {
        let label = "a".repeat(63);
        let longest = [&label[..], &label, &label, &label[..61]].join(".");
        assert_eq!(longest.len(), 253);
        assert!(longest.parse::<Host>().is_ok());
        assert_eq!([&label[..], &label, &label, &label[..62]].join(".").parse::<Host>(), Err(EndpointError::Length));
        assert_eq!("a".repeat(64).parse::<Host>(), Err(EndpointError::Name));
    }
}
