//! A Service's names: its own, those of its ports, those of its endpoints.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;

use sluice_model::{NameKind, NamedEndpoint, NamedImport, NamedPort, NamedService, Protocol};

use super::record::{address, pointer, record};
use super::{Rules, zonal};
use crate::name::{Name, NameError, dashed};
use crate::node::{Builder, MOST, Node, Role};
use crate::query::kind;

/// The nodes of a Service in all zones. Names that cannot be (a hostname with a dot, one too long) are left out.
pub(crate) fn compile(service: &NamedService, rules: &Rules) -> Vec<Node> {
    let mut nodes = Vec::new();
    for zone in &rules.zones {
        // A Service whose own name is too long has none.
        if let Ok(base) = rules.service_name(&service.name, zone) {
            nodes.extend(in_zone(service, None, rules, zone, base));
        }
    }
    nodes
}

/// The names that a Service has not, because none of its endpoints is ready; without records.
pub(crate) fn unready(service: &NamedService, rules: &Rules) -> Vec<Node> {
    let settings = &rules.settings;
    let wants = match &service.kind {
        NameKind::Headless => settings.endpoints,
        NameKind::Cluster(_) => settings.hide_empty,
        NameKind::External(_) => false,
    };
    if !wants || service.endpoints.iter().any(|group| !group.endpoints.is_empty()) {
        return Vec::new();
    }
    let role = if zonal::has(service, None, rules) { Role::Zonal } else { rules.role };
    let base = |zone: &Name| {
        let name = rules.service_name(&service.name, zone).ok()?;
        Some(Builder::new(name, zone.wire().len()).role(role).build(rules.seed))
    };
    rules.zones.iter().filter_map(base).collect()
}

/// The nodes of a ServiceImport in all multicluster zones: its endpoints' names have their cluster's label (KEP-1645).
pub(crate) fn compile_import(import: &NamedImport, rules: &Rules) -> Vec<Node> {
    let mut nodes = Vec::new();
    for zone in &rules.multicluster_zones {
        if let Ok(base) = rules.service_name(&import.service.name, zone) {
            nodes.extend(in_zone(&import.service, Some(&import.clusters), rules, zone, base));
        }
    }
    nodes
}

/// The label of an endpoint's name (Kubernetes' DNS specification, section 2.4.1, and CoreDNS).
pub(crate) fn host(endpoint: &NamedEndpoint, pod_names: bool) -> String {
    let pod = endpoint.pod.as_deref().filter(|pod| pod_names && pod.len() < 64 && !pod.contains('.'));
    let given = endpoint.hostname.as_deref().filter(|host| !host.is_empty() && !host.contains('.'));
    given.or(pod).map_or_else(|| dashed(endpoint.address), str::to_owned)
}

/// Addresses of a family, and pairs of address and port, that one name keeps: more than any message carries. All endpoints at
/// all ports would be thousands of times what the objects take that say so.
const KEPT: usize = 8192;

/// Pairs of address and port that a Service has among its names; ports beyond them are left out, though never the first.
/// Each pair makes a few records: without a bound some objects of a megabyte would make gigabytes.
const PAIRS: usize = 1 << 18;

/// As many ports as so many addresses may have.
fn affordable(ports: &[NamedPort], addresses: usize) -> &[NamedPort] {
    let most = (PAIRS / addresses.max(1)).max(1);
    ports.get(..most).unwrap_or(ports)
}

/// What one name has.
#[derive(Default)]
pub(super) struct Owner {
    addresses: Vec<IpAddr>,
    /// How many of them are of each family.
    families: [usize; 2],
    targets: Vec<(u16, Rc<Name>)>,
    glue: Vec<(Rc<Name>, IpAddr)>,
    /// Pairs of address and port, those that are not kept included.
    pairs: usize,
}

impl Owner {
    fn address(&mut self, ip: IpAddr) {
        let count = &mut self.families[usize::from(ip.is_ipv6())];
        if *count < KEPT {
            *count += 1;
            self.addresses.push(ip);
        }
    }

    fn port(&mut self, ip: IpAddr, port: u16, target: &Rc<Name>) {
        self.pairs += 1;
        if self.targets.len() < KEPT {
            self.targets.push((port, Rc::clone(target)));
            self.glue.push((Rc::clone(target), ip));
        }
    }

    /// An address at all of its ports.
    fn endpoint(&mut self, ip: IpAddr, ports: &[NamedPort], target: &Rc<Name>) {
        self.address(ip);
        ports.iter().for_each(|port| self.port(ip, port.port, target));
    }
}

/// A Service's names in one zone; those of an import's endpoints are in their clusters, one for each group of endpoints.
pub(super) fn in_zone(
    service: &NamedService,
    clusters: Option<&[Option<Box<str>>]>,
    rules: &Rules,
    zone: &Name,
    base: Name,
) -> Vec<Node> {
    let zone_len = zone.wire().len();
    let mut owners: BTreeMap<Name, Owner> = BTreeMap::new();
    match &service.kind {
        NameKind::External(target) => return external(target, rules, zone_len, base).into_iter().collect(),
        NameKind::Cluster(addresses) => {
            let is_empty = service.endpoints.iter().all(|group| group.endpoints.is_empty());
            if rules.settings.hide_empty && is_empty {
                return Vec::new();
            }
            let target = Rc::new(base.clone());
            let ports = affordable(&service.ports, addresses.len());
            for ip in addresses {
                add(&mut owners, &base, *ip, ports, &target, rules.compat());
            }
        }
        NameKind::Headless => {
            if !rules.settings.endpoints {
                return Vec::new();
            }
        }
    }
    let is_zonal = zonal::has(service, clusters, rules);
    let mut zoned = zonal::Zoned::new();
    let count = service.endpoints.iter().map(|group| group.endpoints.len()).sum();
    let groups = service.endpoints.iter().enumerate().filter(|_| rules.settings.endpoints);
    for (n, group) in groups {
        let ports = affordable(&group.ports, count);
        // What endpoints' names are below; none where they have no names.
        let parent = match clusters.map(|clusters| clusters.get(n)) {
            None => Some(base.clone()),
            Some(cluster) => {
                cluster.and_then(Option::as_deref).and_then(|id| base.child(id).ok().map(Name::lowered))
            }
        };
        for endpoint in &group.endpoints {
            let label = host(endpoint, rules.settings.endpoint_pod_names);
            let name = parent.as_ref().and_then(|parent| parent.child(&label).ok().map(Name::lowered));
            let Some(name) = name else {
                // Without a name there is no target for its ports, but an import of unknown cluster is there.
                if clusters.is_some() && service.kind == NameKind::Headless {
                    owners.entry(base.clone()).or_default().address(endpoint.address);
                }
                continue;
            };
            let target = Rc::new(name);
            if service.kind == NameKind::Headless {
                add(&mut owners, &base, endpoint.address, ports, &target, rules.compat());
            }
            if let Some(zone) = endpoint.zone.as_ref().filter(|_| is_zonal) {
                let owner = zoned.entry(zone.to_ascii_lowercase()).or_default();
                owner.endpoint(endpoint.address, ports, &target);
            }
            let owner = owners.entry(Name::clone(&target)).or_default();
            owner.endpoint(endpoint.address, ports, &target);
        }
        // A cluster has names below it and so exists, without records (RFC 8020).
        if let Some(parent) = parent.filter(|_| clusters.is_some() && !group.endpoints.is_empty()) {
            owners.entry(parent).or_default();
        }
    }
    // `_tcp.service…` has names below it and so exists, without records (RFC 8020).
    let protocols: HashSet<Protocol> = service
        .ports
        .iter()
        .chain(service.endpoints.iter().flat_map(|group| &group.ports))
        .map(|p| p.protocol)
        .collect();
    // To CoreDNS it does not.
    if !owners.is_empty() && !rules.compat() {
        for protocol in protocols {
            if let Ok(name) = base.child(label(protocol))
                && owners.keys().any(|owner| {
                    owner.wire().len() > name.wire().len() && owner.wire().ends_with(name.wire())
                })
            {
                owners.entry(name).or_default();
            }
        }
    }
    let by_zone =
        if is_zonal && !owners.is_empty() { zonal::nodes(&zoned, &base, rules, zone) } else { vec![] };
    let role = |name: &Name| if is_zonal && *name == base { Role::Zonal } else { rules.role };
    let nodes = owners.into_iter().map(|(name, owner)| {
        let role = role(&name);
        node(name, role, &owner, rules, zone_len)
    });
    nodes.chain(by_zone).collect()
}

/// An address of the Service under its own name and those of its ports; for CoreDNS's answers (`compat`) also under those
/// with an underscore alone, which is any.
fn add(
    owners: &mut BTreeMap<Name, Owner>,
    base: &Name,
    ip: IpAddr,
    ports: &[NamedPort],
    target: &Rc<Name>,
    compat: bool,
) {
    owners.entry(base.clone()).or_default().endpoint(ip, ports, target);
    let mut named = HashSet::new();
    let mut put = |name: Name, port: &NamedPort| {
        let owner = owners.entry(name.clone()).or_default();
        if named.insert(name) {
            owner.address(ip);
        }
        owner.port(ip, port.port, target);
    };
    for port in ports {
        if !port.name.is_empty()
            && let Ok(name) = port_name(base, label(port.protocol), &port.name)
        {
            put(name, port);
        }
        if !compat {
            continue;
        }
        let mut any = vec![(label(port.protocol), ""), ("_", "")];
        if !port.name.is_empty() {
            any.push(("_", &port.name));
        }
        for (protocol, name) in any {
            if let Ok(name) = port_name(base, protocol, name) {
                put(name, port);
            }
        }
    }
}

pub(super) fn label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
        Protocol::Sctp => "_sctp",
    }
}

/// `_port._protocol.service…` (RFC 2782).
pub(super) fn port_name(base: &Name, protocol: &str, port: &str) -> Result<Name, NameError> {
    base.child(protocol)?.child(&format!("_{port}")).map(Name::lowered)
}

pub(super) fn node(name: Name, role: Role, owner: &Owner, rules: &Rules, zone_len: usize) -> Node {
    let ttl = rules.settings.ttl;
    let mut builder = Builder::new(name, zone_len).role(role);
    rules.addresses(&mut builder, &owner.addresses);
    // Shares are of all pairs of address and port, before equal ones become one record (as CoreDNS has it).
    let weight = (100 / owner.pairs.max(1)).max(1) as u16;
    let mut seen = HashSet::new();
    let mut answers = Vec::new();
    // Where each target stands in the message, for the owners of its addresses.
    let mut places: HashMap<&Name, usize> = HashMap::new();
    let mut at = builder.start();
    let mut room = MOST;
    for (port, target) in &owner.targets {
        if !seen.insert((port, target)) {
            continue;
        }
        let [high, low] = weight.to_be_bytes();
        let [port_high, port_low] = port.to_be_bytes();
        // Not compressed: RFC 2782 forbids it.
        let data = [&[0, 0, high, low, port_high, port_low], target.wire()].concat();
        let answer = record(&super::record::QUESTION, kind::SRV, ttl, &data);
        let Some(left) = room.checked_sub(answer.len()) else { break };
        room = left;
        places.entry(target).or_insert(at + answer.len() - target.wire().len());
        at += answer.len();
        answers.push(answer);
    }
    let mut seen = HashSet::new();
    let mut glue = Vec::new();
    for (target, ip) in &owner.glue {
        let Some(place) = places.get(&**target).filter(|_| seen.insert((target, ip))) else { continue };
        let glued = match pointer(*place) {
            Some(pointer) => address(&pointer, *ip, ttl),
            None => address(target.wire(), *ip, ttl),
        };
        let Some(left) = room.checked_sub(glued.len()) else { break };
        room = left;
        glue.push(glued);
    }
    builder.fixed(kind::SRV, &answers, &glue);
    builder.build(rules.seed)
}

/// An ExternalName Service: an alias. Something that is no name, an address above all, gives no name here either.
fn external(target: &str, rules: &Rules, zone_len: usize, base: Name) -> Option<Node> {
    if target.parse::<IpAddr>().is_ok() {
        return None;
    }
    let target = Name::parse(target).ok().filter(|target| target.wire().len() > 1)?;
    let mut builder = Builder::new(base, zone_len);
    let alias = record(&super::record::QUESTION, kind::CNAME, rules.settings.ttl, target.wire());
    builder.fixed(kind::CNAME, &[alias], &[]);
    Some(builder.build(rules.seed))
}
