//! Lists of addresses and networks in objects.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use crate::FieldProblem;

/// An address that packets of strangers can be sent to.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    let Ok(ip) = text.trim().parse::<IpAddr>() else {
        return Err(format!("`{text}` is no IP address"));
    };
    let special = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    if special || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
        return Err(format!("{ip} is not an address that a service can have"));
    }
    Ok(ip)
}

/// A list of addresses, each once; what is none is left out and reported.
pub(super) fn hosts<'a>(
    list: impl IntoIterator<Item = (String, &'a str)>,
    problems: &mut Vec<FieldProblem>,
) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for (field, text) in list {
        match host(text) {
            Ok(ip) if ips.contains(&ip) => {}
            Ok(ip) => ips.push(ip),
            Err(message) => {
                problems.push(FieldProblem::new(field, format!("{message}; left out")));
            }
        }
    }
    ips
}

/// Source ranges: host bits are cleared, spaces trimmed, repetitions dropped. A range that is none is left out and
/// reported; where none is left, nobody may come in, for that is closer to what was meant than everybody.
pub(super) fn source_ranges<'a>(
    list: impl IntoIterator<Item = (String, &'a str)>,
    problems: &mut Vec<FieldProblem>,
) -> Vec<IpNet> {
    let mut ranges = Vec::new();
    let mut given = 0;
    for (field, text) in list {
        given += 1;
        match text.trim().parse::<IpNet>() {
            Ok(range) if ranges.contains(&range.trunc()) => {}
            Ok(range) => ranges.push(range.trunc()),
            Err(_) => problems.push(FieldProblem::new(
                field,
                format!("`{text}` is no network such as 10.0.0.0/8; left out"),
            )),
        }
    }
    if given > 0 && ranges.is_empty() {
        ranges.push(nobody());
    }
    ranges
}

/// A range that no packet comes from: the unspecified address is never a source on the wire (RFC 4291, 2.5.2).
fn nobody() -> IpNet {
    IpNet::V6(Ipv6Net::from(Ipv6Addr::UNSPECIFIED))
}
