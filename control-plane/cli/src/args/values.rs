//! Values that have their own syntax.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use sluice_model::Protocol;
use sluice_proxy::admin::protocol::HttpQuery;

/// A transport that Services balance.
pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => Ok(Protocol::Tcp),
        "udp" | "17" => Ok(Protocol::Udp),
        "sctp" | "132" => Ok(Protocol::Sctp),
        _ => Err("Services balance tcp, udp and sctp".to_owned()),
    }
}

/// Any protocol's IANA number.
pub(super) fn protocol_number(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "icmp" => Ok(1),
        "icmpv6" | "icmp6" => Ok(58),
        other => match protocol(other) {
            Ok(protocol) => Ok(protocol.number()),
            Err(_) => {
                other.parse().map_err(|_| "tcp, udp, sctp, icmp, icmpv6 or a number from 0 to 255".to_owned())
            }
        },
    }
}

/// An address, or a network with its prefix length.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    text.parse().map_err(|_| "an address such as 192.0.2.1 or a network such as 192.0.2.0/24".to_owned())
}

/// A type of records, by name or as `TYPE65`.
pub(crate) fn record_type(text: &str) -> Result<RecordType, String> {
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok()) {
        return Ok(number.into());
    }
    upper.parse().map_err(|_| "a type such as A, AAAA, SRV, PTR, TXT or TYPE65".to_owned())
}

/// The address of a name server, with or without a port.
pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
    parsed.map_err(|_| "an address such as 10.96.0.10 or [fd00::10]:1053".to_owned())
}

/// A URL of HTTP; `http` where it has no scheme.
pub(super) fn url(text: &str) -> Result<HttpQuery, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err("a URL begins with http:// or https://".to_owned()),
    };
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    // The colons of an IPv6 address stand in brackets.
    let named = authority.rfind(':').filter(|at| authority.rfind(']').is_none_or(|bracket| bracket < *at));
    let (host, port) = named.map_or((authority, None), |at| {
        let (host, port) = authority.split_at(at);
        (host, port.get(1..))
    });
    if host.is_empty() || host.contains('@') {
        return Err("a URL has a host, and no user".to_owned());
    }
    let port = match port {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) => port.parse().map_err(|_| "the port is a number up to 65535".to_owned())?,
    };
    Ok(HttpQuery {
        tls,
        host: host.to_owned(),
        port,
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        query: query.map(str::to_owned),
        client: None,
    })
}

/// `NAME=VALUE` for a placeholder of NodeLocal DNSCache.
pub(super) fn pillar(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
    if !sluice_corefile::Pillars::default().set(name, value) {
        return Err(format!("there is no placeholder __PILLAR__{name}__"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        for (text, wanted) in [
            ("https://shop.example/a/b?c=d#e", (true, "shop.example", 443, "/a/b", Some("c=d"))),
            ("HTTP://shop.example:8080", (false, "shop.example", 8080, "/", None)),
            ("shop.example/x", (false, "shop.example", 80, "/x", None)),
            ("http://shop.example?q", (false, "shop.example", 80, "/", Some("q"))),
            ("https://[2001:db8::1]:8443/", (true, "[2001:db8::1]", 8443, "/", None)),
            ("https://[2001:db8::1]", (true, "[2001:db8::1]", 443, "/", None)),
        ] {
            let query = url(text).unwrap();
            let parts =
                (query.tls, query.host.as_str(), query.port, query.path.as_str(), query.query.as_deref());
            assert_eq!(parts, wanted, "{text}");
        }
        for text in ["ftp://a/", "http://", "https:///x", "http://a:b/", "http://a:70000/", "http://user@a/"]
        {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
