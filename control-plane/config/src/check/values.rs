//! Values of one scalar each.

use std::net::IpAddr;

use ipnet::IpNet;
use sluice_model::PortRange;

use super::Report;
use crate::raw::Text;

/// An IP address of a host.
pub(super) fn address(text: &Text, key: &str, out: &mut Report) -> Option<IpAddr> {
    let ip = match text.value.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) => {
            let hint = text.value.split_once('/').and_then(|(ip, _)| {
                ip.parse::<IpAddr>().ok()?;
                Some(format!("without a prefix length: {ip}"))
            });
            let message = format!("`{}` is not an IP address", text.value);
            out.hint(text.referenced, key, message, hint);
            return None;
        }
    };
    if !is_host(ip) {
        out.add(text.referenced, key, format!("{ip} is not the address of a host"));
        return None;
    }
    Some(ip)
}

/// An address with its prefix length, as an interface has it.
pub(super) fn interface_address(text: &Text, key: &str, out: &mut Report) -> Option<IpNet> {
    let net = match text.value.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => {
            let hint = text.value.parse::<IpAddr>().ok().map(|ip| {
                let length = if ip.is_ipv4() { 24 } else { 64 };
                format!("with its prefix length, such as {ip}/{length}")
            });
            let message = format!("`{}` is not an address with a prefix length", text.value);
            out.hint(text.referenced, key, message, hint);
            return None;
        }
    };
    let edge = match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 => v4.addr() == v4.network() || v4.addr() == v4.broadcast(),
        _ => false,
    };
    if edge || !is_host(net.addr()) || net.prefix_len() == 0 {
        let message = format!("{net} is not the address of a host");
        out.add(text.referenced, key, message);
        return None;
    }
    Some(net)
}

/// A network, host bits clear.
pub(super) fn network(text: &Text, key: &str, out: &mut Report) -> Option<IpNet> {
    match text.value.parse::<IpNet>() {
        Ok(net) if net.trunc() == net => Some(net),
        Ok(net) => {
            out.hint(
                text.referenced,
                key,
                format!("{net} has bits set beyond its prefix"),
                Some(format!("did you mean {}?", net.trunc())),
            );
            None
        }
        Err(_) => {
            let hint = text.value.parse::<IpAddr>().ok().map(|ip| {
                let length = if ip.is_ipv4() { 32 } else { 128 };
                format!("did you mean {ip}/{length}?")
            });
            let message = format!("`{}` is not a network such as 10.0.0.0/8", text.value);
            out.hint(text.referenced, key, message, hint);
            None
        }
    }
}

/// A size of memory in MiB.
pub(super) fn memory(text: &Text, key: &str, out: &mut Report) -> Option<u32> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let value = text.value.trim();
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let unit = unit.trim();
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (Some((_, factor)), Ok(number)) = (known, number.parse::<u64>()) else {
        let meant = match unit.to_ascii_lowercase().as_str() {
            "" | "m" | "mb" | "mi" | "mib" => Some("MiB"),
            "g" | "gb" | "gi" | "gib" => Some("GiB"),
            _ => None,
        };
        let hint = meant.filter(|_| !number.is_empty()).map(|unit| format!("did you mean {number}{unit}?"));
        let message = format!("`{value}` is not a size such as 256MiB or 2GiB");
        out.hint(text.referenced, key, message, hint);
        return None;
    };
    let mib = number.checked_mul(*factor).map(|bytes| bytes >> 20);
    match mib {
        Some(mib @ 32..=0x10_0000) => u32::try_from(mib).ok(),
        _ => {
            let message = format!("{value} is not within 32MiB to 1024GiB");
            out.add(text.referenced, key, message);
            None
        }
    }
}

/// A range of ports, `1024-65535`.
pub(super) fn port_range(text: &Text, key: &str, out: &mut Report) -> Option<PortRange> {
    let range = text.value.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        PortRange::new(first, last)
    });
    if range.is_none() {
        let message = format!("`{}` is not a range of ports such as 1024-65535", text.value);
        out.add(text.referenced, key, message);
    }
    range
}

/// Whether a host can have this address.
pub(super) fn is_host(ip: IpAddr) -> bool {
    let v4_only = match ip {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        // A mapped address never stands in a packet (RFC 4291, 2.5.5.2).
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_none(),
    };
    v4_only && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback()
}
