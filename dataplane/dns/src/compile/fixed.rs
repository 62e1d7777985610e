//! Names that every zone has: its top, `svc`, `pod`, `dns-version`, the name server.

use std::net::IpAddr;

use sluice_model::PodNames;

use super::Rules;
use super::record::{QUESTION, address, pointer, record};
use crate::compat::Compat;
use crate::name::{Name, NameError};
use crate::node::{Builder, Node, Role};
use crate::query::{HEADER, kind};

/// The version of Kubernetes' DNS specification that is implemented.
const VERSION: &[u8] = b"1.1.0";
/// TTL of the version's record, as the specification's example has it.
const VERSION_TTL: u32 = 28_800;

/// The fixed names of a domain of Services.
pub(crate) fn forward(rules: &Rules, zone: &Name) -> Result<Vec<Node>, NameError> {
    let mut nodes = tops(rules, zone)?;
    nodes.extend([version(rules, zone)?, rules.bare(zone.child("svc")?, zone)]);
    if rules.pods(zone) != PodNames::Disabled {
        nodes.push(rules.bare(zone.child("pod")?, zone));
    }
    Ok(nodes)
}

/// The top of a zone of reverse names.
pub(crate) fn backward(rules: &Rules, zone: &Name) -> Result<Vec<Node>, NameError> {
    let mut nodes = tops(rules, zone)?;
    if rules.compat() {
        // CoreDNS takes a zone of reverse names for one of Services too.
        nodes.extend([
            rules.bare(zone.child("svc")?, zone),
            rules.bare(zone.child("pod")?, zone),
            version(rules, zone)?,
        ]);
    }
    Ok(nodes)
}

/// What CoreDNS has, but not for all who ask.
pub(crate) fn compat(rules: &Rules) -> Compat {
    let zones = || rules.zones.iter().chain(&rules.reverse_zones);
    Compat {
        servers: zones().filter_map(|zone| server(rules, zone).ok()).collect(),
        tops: zones().filter_map(|zone| apex(rules, zone).ok()).collect(),
    }
}

/// The top of a zone and its name server.
fn tops(rules: &Rules, zone: &Name) -> Result<Vec<Node>, NameError> {
    if rules.compat() {
        let top = Builder::new(zone.clone(), zone.wire().len()).role(Role::Apex);
        return Ok(vec![top.build(rules.seed)]);
    }
    Ok(vec![apex(rules, zone)?, rules.bare(zone.child("dns")?, zone), server(rules, zone)?])
}

/// `dns-version.zone`.
fn version(rules: &Rules, zone: &Name) -> Result<Node, NameError> {
    let mut version = Builder::new(zone.child("dns-version")?, zone.wire().len());
    let data = [&[VERSION.len() as u8], VERSION].concat();
    version.fixed(kind::TXT, &[record(&QUESTION, kind::TXT, VERSION_TTL, &data)], &[]);
    Ok(version.build(rules.seed))
}

/// `ns.dns.zone`.
fn server(rules: &Rules, zone: &Name) -> Result<Node, NameError> {
    let mut server = Builder::new(zone.child("dns")?.child("ns")?, zone.wire().len());
    rules.addresses(&mut server, &servers(rules));
    Ok(server.build(rules.seed))
}

/// A namespace: `namespace.svc.zone`, and `namespace.pod.zone` where pods have names.
pub(crate) fn namespace(rules: &Rules, namespace: &str, zone: &Name) -> Result<Vec<Node>, NameError> {
    let name = |parent: &str| Ok(zone.child(parent)?.child(namespace)?.lowered());
    let mut nodes = vec![rules.bare(name("svc")?, zone)];
    match rules.pods(zone) {
        PodNames::Disabled => {}
        PodNames::Insecure => {
            let pods = Builder::new(name("pod")?, zone.wire().len()).role(Role::Pods);
            nodes.push(pods.build(rules.seed));
        }
        PodNames::Verified => nodes.push(rules.bare(name("pod")?, zone)),
    }
    Ok(nodes)
}

/// A pod's address under its namespace.
pub(crate) fn pod(rules: &Rules, namespace: &str, ip: IpAddr, zone: &Name) -> Result<Node, NameError> {
    let name = zone.child("pod")?.child(namespace)?.child(&crate::name::dashed(ip))?.lowered();
    let mut builder = Builder::new(name, zone.wire().len());
    rules.addresses(&mut builder, &[ip]);
    Ok(builder.build(rules.seed))
}

/// Addresses of the name server: those that queries are answered on.
pub(super) fn servers(rules: &Rules) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for listen in &rules.settings.listen {
        if !addresses.contains(&listen.ip()) {
            addresses.push(listen.ip());
        }
    }
    addresses
}

/// The zone itself: SOA, which is made when it is asked for, and NS.
fn apex(rules: &Rules, zone: &Name) -> Result<Node, NameError> {
    let ttl = rules.settings.ttl;
    let mut builder = Builder::new(zone.clone(), zone.wire().len()).role(Role::Apex);
    let server = match &rules.settings.service {
        Some(service) if rules.zones.contains(zone) || rules.compat() => rules.service_name(service, zone)?,
        _ => zone.child("dns")?.child("ns")?,
    };
    // Not compressed, so that the record may also be the end of an alias.
    let answer = record(&QUESTION, kind::NS, ttl, server.wire());
    let place = HEADER + zone.wire().len() + 4 + answer.len() - server.wire().len();
    let owner = pointer(place).unwrap_or(QUESTION);
    let glue: Vec<Vec<u8>> = servers(rules).into_iter().map(|ip| address(&owner, ip, ttl)).collect();
    builder.fixed(kind::NS, &[answer], &glue);
    Ok(builder.build(rules.seed))
}
