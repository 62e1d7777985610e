//! Values that have their own syntax.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use sluice_model::Protocol;

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

/// `NAME=VALUE` for a placeholder of NodeLocal DNSCache.
pub(super) fn pillar(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
    if !sluice_corefile::Pillars::default().set(name, value) {
        return Err(format!("there is no placeholder __PILLAR__{name}__"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
