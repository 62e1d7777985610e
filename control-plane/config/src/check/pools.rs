//! `services.address_pools`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::values::is_host;
use super::{Report, name};
use crate::AddressPool;
use crate::raw::{self, Text};

/// Checks all pools, also against each other: no address may come from two.
pub(super) fn check(raw: &[Spanned<raw::Pool>], out: &mut Report) -> Vec<AddressPool> {
    let mut pools: Vec<AddressPool> = Vec::new();
    for (i, pool) in raw.iter().enumerate() {
        let at = |key: &str| format!("services.address_pools[{i}].{key}");
        let raw = &pool.value;
        let own = name(&raw.name, &at("name"), out);
        if pools.iter().any(|other| other.name == own) {
            out.add(raw.name.referenced, &at("name"), format!("another pool is called `{own}`"));
        }
        if raw.addresses.value.is_empty() {
            out.add(raw.addresses.referenced, &at("addresses"), "at least one address is needed");
        }
        let mut ranges: Vec<(IpAddr, IpAddr)> = Vec::new();
        for (j, text) in raw.addresses.value.iter().enumerate() {
            let key = at(&format!("addresses[{j}]"));
            let Some((first, last)) = range(text, &key, out) else { continue };
            let all = pools.iter().flat_map(|other| &other.ranges).chain(&ranges);
            if let Some((from, to)) = all.into_iter().find(|(from, to)| *from <= last && first <= *to) {
                let message = format!("{first}-{last} overlaps {from}-{to}");
                out.add(text.referenced, &key, message);
            }
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        let namespaces = raw.namespaces.iter().enumerate();
        let labels = raw.labels.iter();
        pools.push(AddressPool {
            name: own,
            ranges,
            namespaces: namespaces.map(|(j, n)| name(n, &at(&format!("namespaces[{j}]")), out)).collect(),
            labels: labels.map(|(k, v)| (k.as_str().into(), v.value.as_str().into())).collect(),
            automatic: raw.automatic.unwrap_or(true),
        });
    }
    pools
}

/// A single address, a CIDR, or `first-last`. Of an IPv4 CIDR the network's own and the broadcast address are left out,
/// as some clients refuse to talk to them.
fn range(text: &Text, key: &str, out: &mut Report) -> Option<(IpAddr, IpAddr)> {
    let value = text.value.trim();
    let parsed = match value.split_once('-') {
        Some((first, last)) => first.trim().parse().ok().zip(last.trim().parse().ok()),
        None => match value.parse::<IpAddr>() {
            Ok(ip) => Some((ip, ip)),
            Err(_) => value.parse::<IpNet>().ok().map(|net| edges(&net)),
        },
    };
    let Some((first, last)) = parsed else {
        let message = format!("`{value}` is none of an address, a network and first-last");
        out.add(text.referenced, key, message);
        return None;
    };
    let hosts = is_host(first) && is_host(last);
    if first.is_ipv4() != last.is_ipv4() || last < first || !hosts {
        out.add(text.referenced, key, format!("{first}-{last} is no range of host addresses"));
        return None;
    }
    Some((first, last))
}

fn edges(net: &IpNet) -> (IpAddr, IpAddr) {
    match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 => {
            let (first, last) = (v4.network().to_bits() + 1, v4.broadcast().to_bits() - 1);
            (std::net::Ipv4Addr::from_bits(first).into(), std::net::Ipv4Addr::from_bits(last).into())
        }
        net => (net.network(), net.broadcast()),
    }
}
