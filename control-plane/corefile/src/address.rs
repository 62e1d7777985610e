//! Addresses: where a server listens, where it sends to.

use std::fmt;
use std::net::IpAddr;

/// How DNS messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP and TCP (RFC 1035), port 53.
    Dns,
    /// TLS (RFC 7858), port 853.
    Tls,
    /// QUIC (RFC 9250), port 853.
    Quic,
    /// gRPC as CoreDNS has it, port 443.
    Grpc,
    /// HTTPS (RFC 8484), port 443.
    Https,
    /// HTTP/3, port 443.
    Https3,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Dns, Self::Tls, Self::Quic, Self::Grpc, Self::Https, Self::Https3];

    /// As it stands before `://`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
        }
    }

    /// The port where none is given.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
        }
    }

    /// The transport and what is behind its scheme; `Err` with a scheme that nobody knows.
    pub(crate) fn split(text: &str) -> Result<(Self, &str), &str> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok((Self::Dns, text)) };
        Self::ALL.into_iter().find(|known| known.scheme() == scheme).map(|known| (known, rest)).ok_or(scheme)
    }
}

/// A TCP address to listen on: `:8080`, `127.0.0.1:9153`, `[::1]:8181`, `localhost:9153`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// A name or an address, without brackets; empty for all addresses.
    pub host: String,
    /// The port; 0 for any.
    pub port: u16,
}

impl Listen {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        let named = host.parse::<IpAddr>().is_ok()
            || host.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'));
        named.then(|| Self::new(host, port))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// An address with a port to transfer zones to or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl Peer {
    /// Reads `address[:port]`; the port is 53 where none is given.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse() {
            return Some(Self { ip, port: 53 });
        }
        let (host, port) = match text.strip_suffix(':') {
            Some(host) => (unbracketed(host)?, 53),
            None => split_port(text)?,
        };
        Some(Self { ip: host.parse().ok()?, port })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, 53) => ip.fmt(f),
            (IpAddr::V4(ip), port) => write!(f, "{ip}:{port}"),
            (IpAddr::V6(ip), port) => write!(f, "[{ip}]:{port}"),
        }
    }
}

/// Splits `host:port` as Go does: a host with colons is in brackets.
pub(crate) fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((unbracketed(host)?, port.parse().ok()?))
}

fn unbracketed(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').filter(|inner| !inner.contains(['[', ']'])),
        None => Some(host).filter(|host| !host.contains([':', '[', ']'])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for text in [":8080", "127.0.0.1:9153", "[::1]:8181", "localhost:9153"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        for bad in ["8080", ":", ":http", "::1:80", "[::1]", "a b:1", ":65536", ":-1"] {
            assert_eq!(Listen::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn peers_have_port_53_where_none_is_given() {
        for (text, written) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:53", "10.0.0.1"),
            ("10.0.0.1:", "10.0.0.1"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(Peer::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(Peer::parse("example.org"), None);
        assert_eq!(Peer::parse("10.0.0.1::53"), None);
    }

    #[test]
    fn schemes() {
        assert_eq!(Transport::split("tls://a"), Ok((Transport::Tls, "a")));
        assert_eq!(Transport::split("a"), Ok((Transport::Dns, "a")));
        assert_eq!(Transport::split("htps://a"), Err("htps"));
    }
}
