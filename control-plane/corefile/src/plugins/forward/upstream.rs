//! Whom to ask.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::address::{Transport, split_port};
use crate::zone::Zone;

/// A server that is asked, or a file that lists some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A server.
    Server {
        /// [`Dns`](Transport::Dns), [`Tls`](Transport::Tls) or [`Https`](Transport::Https).
        transport: Transport,
        /// Where it is.
        host: Host,
        /// Its port.
        port: u16,
        /// Behind a `%`: the name on its certificate (TLS), or the interface of a link-local address.
        percent: Option<String>,
    },
    /// A file as `/etc/resolv.conf`, whose name servers are asked.
    File(String),
}

/// A server's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Its address.
    Address(IpAddr),
    /// Its name, which is looked up.
    Name(String),
}

/// Why a word names nobody to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It is neither an address nor a name nor a path.
    #[error(
        "`{0}` is no upstream: it is neither an address, nor a name, nor a path such as /etc/resolv.conf"
    )]
    Nobody(String),
    /// Upstreams are not asked by this.
    #[error("`{0}`: upstreams are asked by dns://, tls:// or https://, not by `{1}`")]
    Transport(String, String),
    /// HTTPS with a path.
    #[error("`{0}`: an upstream of https:// has no path; it is always /dns-query")]
    Path(String),
}

impl Upstream {
    /// The name on its certificate, where it has one of its own.
    pub fn server_name(&self) -> Option<&str> {
        match self {
            Self::Server { transport: Transport::Tls, percent, .. } => percent.as_deref(),
            _ => None,
        }
    }

    /// Reads `[scheme://]host[%name][:port]`, or a path.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let nobody = || UpstreamError::Nobody(text.to_owned());
        let (transport, rest) = Transport::split(text)
            .map_err(|scheme| UpstreamError::Transport(text.to_owned(), scheme.to_owned()))?;
        if !matches!(transport, Transport::Dns | Transport::Tls | Transport::Https) {
            return Err(UpstreamError::Transport(text.to_owned(), transport.scheme().to_owned()));
        }
        if transport == Transport::Https && rest.contains('/') {
            return Err(UpstreamError::Path(text.to_owned()));
        }
        if rest.contains('/') || rest.ends_with(".conf") {
            // Whatever its scheme: the servers in it are asked by plain DNS.
            return if text == rest { Ok(Self::File(rest.to_owned())) } else { Err(nobody()) };
        }
        let (host, port, percent) = split(rest).ok_or_else(nobody)?;
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return Err(nobody()),
        };
        let percent = match percent {
            Some(percent) if percent.chars().any(|char| !is_plain(char)) || percent.is_empty() => {
                return Err(nobody());
            }
            percent => percent.map(str::to_owned),
        };
        Ok(Self::Server { transport, host, port: port.unwrap_or(transport.default_port()), percent })
    }
}

/// Host, port and what is behind `%`: `1.1.1.1`, `[::1%eth0]:53`, `::1`, `9.9.9.9%dns.quad9.net:853`.
fn split(text: &str) -> Option<(&str, Option<u16>, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, port) = rest.split_once(']')?;
        let port = match port {
            "" => None,
            port => Some(split_port(port)?.1),
        };
        let (host, percent) = cut(inside);
        return Some((host, port, percent));
    }
    let (host, percent) = cut(text);
    if let Some(percent) = percent {
        let (percent, port) = match percent.rsplit_once(':') {
            Some((percent, port)) => (percent, Some(port.parse().ok()?)),
            None => (percent, None),
        };
        return Some((host, port, Some(percent)));
    }
    if host.parse::<Ipv6Addr>().is_ok() || !host.contains(':') {
        return Some((host, None, None));
    }
    split_port(host).map(|(host, port)| (host, Some(port), None))
}

fn cut(text: &str) -> (&str, Option<&str>) {
    text.split_once('%').map_or((text, None), |(host, percent)| (host, Some(percent)))
}

fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

fn is_name(host: &str) -> bool {
    // All digits and dots were meant to be an address.
    host.chars().all(is_plain)
        && host.chars().any(|char| char.is_ascii_alphabetic())
        && Zone::parse(host).is_ok()
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, host, port, percent) = match self {
            Self::File(path) => return f.write_str(path),
            Self::Server { transport, host, port, percent } => (transport, host, port, percent),
        };
        if *transport != Transport::Dns {
            write!(f, "{}://", transport.scheme())?;
        }
        let percent = percent.as_ref().map(|percent| format!("%{percent}")).unwrap_or_default();
        let plain = *port == transport.default_port();
        match host {
            Host::Address(IpAddr::V6(address)) if !plain => write!(f, "[{address}{percent}]:{port}"),
            Host::Address(address) if plain => write!(f, "{address}{percent}"),
            Host::Address(address) => write!(f, "{address}{percent}:{port}"),
            // With its port always: a name that ends in `.conf` would be a file.
            Host::Name(name) if plain && !name.ends_with(".conf") => write!(f, "{name}{percent}"),
            Host::Name(name) => write!(f, "{name}{percent}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_and_written() {
        for (text, written) in [
            ("8.8.8.8", "8.8.8.8"),
            ("dns://8.8.8.8:53", "8.8.8.8"),
            ("8.8.8.8:5353", "8.8.8.8:5353"),
            ("tls://9.9.9.9", "tls://9.9.9.9"),
            ("tls://9.9.9.9%dns.quad9.net:853", "tls://9.9.9.9%dns.quad9.net"),
            ("tls://9.9.9.9%dns.quad9.net:8853", "tls://9.9.9.9%dns.quad9.net:8853"),
            ("https://1.1.1.1", "https://1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[fe80::1%eth0]:5353", "[fe80::1%eth0]:5353"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("/etc/resolv.conf", "/etc/resolv.conf"),
            ("resolv.conf", "resolv.conf"),
            ("dns.Example.org", "dns.example.org"),
            ("dns.example.org:5353", "dns.example.org:5353"),
            ("a.conf:53", "a.conf:53"),
        ] {
            let upstream = Upstream::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(upstream.to_string(), written);
            assert_eq!(Upstream::parse(written), Ok(upstream));
        }
        let name = Upstream::parse("tls://9.9.9.9%dns.quad9.net").unwrap();
        assert_eq!(name.server_name(), Some("dns.quad9.net"));
        for bad in [
            "",
            "8.9.1043",
            "8.8.8.8.8",
            "grpc://1.1.1.1",
            "unix:///a",
            "https://1.1.1.1/dns-query",
            "a b",
            "tls:///x",
        ] {
            assert!(Upstream::parse(bad).is_err(), "{bad}");
        }
    }
}
