//! Names for the outside: `service.namespace.zone` has the addresses that a Service is reached at from there, as CoreDNS's
//! plugin `k8s_external` has it; in a domain of hosts, the names that Ingresses and Services ask for, as `k8s_gateway` has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sluice_model::{
    DnsMode, DnsSettings, ExternalAddress, ExternalZone, NameKind, NamedHost, NamedService, PodNames,
    ServiceName,
};

use super::Rules;
use super::record::{QUESTION, address, pointer, record};
use super::service::{in_zone, label, port_name};
use crate::name::{self, Name, NameError, Seed};
use crate::node::{Builder, Node, Role};
use crate::query::{HEADER, kind};
use crate::soa::Relative;

/// A domain of external addresses.
#[derive(Clone, Debug)]
pub(crate) struct External {
    /// Its name, in lower case.
    pub zone: Name,
    /// The name below which its name server is; of a domain of hosts the name server's own.
    apex: Name,
    headless: bool,
    /// Its names are those of hosts.
    pub hosts: bool,
    /// A second name server, of a domain of hosts.
    secondary: Option<Name>,
    /// The rules of names in it.
    rules: Box<Rules>,
}

impl External {
    /// None where the zone or its apex is no name: whoever made the settings has checked them.
    pub fn new(settings: &ExternalZone, all: &DnsSettings, seed: Seed) -> Option<Self> {
        let zone = Name::parse(&settings.zone).ok()?.lowered();
        let apex = Name::parse(&format!("{}.{}", settings.apex, settings.zone)).ok()?.lowered();
        let rules = Rules {
            settings: DnsSettings {
                ttl: settings.ttl,
                hide_empty: false,
                pods: PodNames::Disabled,
                mode: DnsMode::Strict,
                external_zones: Vec::new(),
                ..all.clone()
            },
            seed,
            zones: Vec::new(),
            multicluster_zones: Vec::new(),
            reverse_zones: Vec::new(),
            external_zones: Vec::new(),
            role: Role::External,
        };
        let secondary = settings.secondary.as_ref().filter(|_| settings.hosts);
        let secondary = secondary.and_then(|name| Name::parse(&format!("{name}.{}", settings.zone)).ok());
        let external = Self {
            zone,
            apex,
            headless: settings.headless,
            hosts: settings.hosts,
            secondary: secondary.map(Name::lowered),
            rules: Box::new(rules),
        };
        external.server().is_ok().then_some(external)
    }

    /// The name of its server.
    fn server(&self) -> Result<Name, NameError> {
        if self.hosts { Ok(self.apex.clone()) } else { self.apex.child("ns1").map(Name::lowered) }
    }

    /// Its SOA record.
    pub fn soa(&self) -> Option<Relative> {
        let end = self.zone.wire().len();
        let relative = |name: Name| name.wire().get(..name.wire().len() - end).map(<[u8]>::to_vec);
        let operator = self.apex.child("hostmaster").ok()?.lowered();
        Some(Relative::new(
            self.zone.clone(),
            &relative(self.server().ok()?)?,
            &relative(operator)?,
            self.rules.settings.ttl,
        ))
    }

    /// The TTL of its records.
    pub fn ttl(&self) -> u32 {
        self.rules.settings.ttl
    }

    /// Whether a name is the server's, below it or above it: no object has such a name.
    fn is_taken(&self, name: &[u8]) -> bool {
        name::is_within(name, self.apex.wire()) || name::is_within(self.apex.wire(), name)
    }

    /// Its top, its name server, which has these addresses, and the names between.
    pub fn fixed(&self, servers: &[IpAddr]) -> Vec<Node> {
        if self.hosts {
            return Vec::new();
        }
        let Ok(server) = self.server() else { return Vec::new() };
        let zone_len = self.zone.wire().len();
        let answer = record(&QUESTION, kind::NS, self.ttl(), server.wire());
        let place = HEADER + zone_len + 4 + answer.len() - server.wire().len();
        let owner = pointer(place).unwrap_or(QUESTION);
        let glue: Vec<Vec<u8>> = servers.iter().map(|ip| address(&owner, *ip, self.ttl())).collect();
        let mut top = Builder::new(self.zone.clone(), zone_len).role(Role::External);
        top.fixed(kind::NS, &[answer], &glue);
        let mut nodes = vec![top.build(self.rules.seed)];
        let mut between = self.apex.wire();
        while between.len() > zone_len {
            nodes.push(self.bare(Name::from_wire(between)));
            between =
                between.get(usize::from(between.first().copied().unwrap_or(0)) + 1..).unwrap_or_default();
        }
        let mut own = Builder::new(server, zone_len).role(Role::External);
        self.rules.addresses(&mut own, servers);
        nodes.push(own.build(self.rules.seed));
        nodes
    }

    /// A name that others are below.
    pub fn bare(&self, name: Name) -> Node {
        self.rules.bare(name.lowered(), &self.zone)
    }

    /// `namespace.zone`, where no name of the server is so.
    pub fn namespace(&self, namespace: &str) -> Option<Node> {
        let name = self.zone.child(namespace).ok()?.lowered();
        (!self.hosts && !self.is_taken(name.wire())).then(|| self.bare(name))
    }

    /// A Service's names.
    pub fn service(&self, service: &NamedService) -> Vec<Node> {
        if self.hosts {
            return Vec::new();
        }
        let Ok(base) = self.base(&service.name) else { return Vec::new() };
        let zone = &self.zone;
        let addresses = ips(&service.external);
        let of = |kind, endpoints| {
            let seen = NamedService {
                name: service.name.clone(),
                kind,
                ports: service.ports.clone(),
                endpoints,
                external: Vec::new(),
            };
            in_zone(&seen, None, &self.rules, zone, base.clone())
        };
        let mut nodes = if !addresses.is_empty() {
            of(NameKind::Cluster(addresses), Vec::new())
        } else if !service.external.is_empty() {
            self.hosts(service, &base)
        } else if self.headless && !matches!(service.kind, NameKind::External(_)) {
            let kind = match service.kind {
                NameKind::Headless => NameKind::Headless,
                _ => NameKind::Cluster(Vec::new()),
            };
            of(kind, service.endpoints.clone())
        } else {
            Vec::new()
        };
        // A name above others exists (RFC 8020).
        if !nodes.is_empty() && !nodes.iter().any(|node| node.name() == base.wire()) {
            nodes.push(self.bare(base));
        }
        nodes.retain(|node| !self.is_taken(node.name()));
        nodes
    }

    fn base(&self, service: &ServiceName) -> Result<Name, NameError> {
        self.zone.child(&service.namespace)?.child(&service.name).map(Name::lowered)
    }

    /// A Service that is reached at names: an alias, of which there can be but one, and its ports at each name.
    fn hosts(&self, service: &NamedService, base: &Name) -> Vec<Node> {
        let hosts: Vec<Name> = names(&service.external).take(MOST_HOSTS).collect();
        let Some(first) = hosts.first() else { return Vec::new() };
        let zone_len = self.zone.wire().len();
        let alias = self.alias(base.clone(), first);
        let mut names: BTreeMap<Name, Vec<Vec<u8>>> = BTreeMap::new();
        for port in service.ports.iter().filter(|port| !port.name.is_empty()) {
            let protocol = label(port.protocol);
            let (Ok(above), Ok(name)) = (base.child(protocol), port_name(base, protocol, &port.name)) else {
                continue;
            };
            names.entry(above.lowered()).or_default();
            let weight = (100 / hosts.len().max(1)).max(1) as u16;
            let records = names.entry(name).or_default();
            for host in &hosts {
                let [[a, b], [c, d]] = [weight, port.port].map(u16::to_be_bytes);
                let data = [&[0, 0, a, b, c, d], host.wire()].concat();
                let record = record(&QUESTION, kind::SRV, self.ttl(), &data);
                if !records.contains(&record) {
                    records.push(record);
                }
            }
        }
        let mut nodes = vec![alias];
        for (name, records) in names {
            let mut builder = Builder::new(name, zone_len).role(Role::External);
            builder.fixed(kind::SRV, &records, &[]);
            nodes.push(builder.build(self.rules.seed));
        }
        nodes
    }

    fn alias(&self, name: Name, target: &Name) -> Node {
        let mut alias = Builder::new(name, self.zone.wire().len()).role(Role::External);
        alias.fixed(kind::CNAME, &[record(&QUESTION, kind::CNAME, self.ttl(), target.wire())], &[]);
        alias.build(self.rules.seed)
    }

    /// The names of a domain of hosts that are there whatever there is: its top, and its name servers.
    pub fn own(&self) -> impl Iterator<Item = &Name> {
        [Some(&self.zone), Some(&self.apex), self.secondary.as_ref()].into_iter().flatten()
    }

    /// The names between this one and the top of the zone, both not included.
    pub fn parents(&self, name: &Name) -> impl Iterator<Item = Name> + use<'_> {
        let (zone_len, mut rest) = (self.zone.wire().len(), name.wire().to_vec());
        std::iter::from_fn(move || {
            rest.drain(..(usize::from(*rest.first()?) + 1).min(rest.len()));
            (rest.len() > zone_len).then(|| Name::from_wire(&rest))
        })
    }

    /// A name of a domain of hosts, as `known` says of hosts; `servers` are the addresses of the name server where it is no
    /// host. None: there is no such name, unless others are below it.
    pub fn host<'h>(
        &self,
        name: &Name,
        known: impl Fn(&Name) -> Option<&'h NamedHost>,
        servers: &[IpAddr],
    ) -> Option<Node> {
        let addresses = |name: &Name| known(name).map(|host| ips(&host.addresses)).unwrap_or_default();
        let mut own = addresses(name);
        let mut node = Builder::new(name.clone(), self.zone.wire().len()).role(Role::External);
        let server = |name: &Name| match addresses(name) {
            own if own.is_empty() && *name == self.apex => servers.to_vec(),
            own => own,
        };
        if *name == self.zone {
            self.name_servers(&mut node, server);
        } else if *name == self.apex {
            own = server(name);
        } else if Some(name) == self.secondary.as_ref() {
            // It is there, whether or not anything says where.
        } else if name::is_within(name.wire(), self.apex.wire()) {
            return None;
        } else if let Some(host) = known(name).filter(|_| own.is_empty()) {
            // An address is an answer to who asks for one, and an alias only leads there: addresses go before.
            return names(&host.addresses).next().map(|target| self.alias(name.clone(), &target));
        } else if own.is_empty() {
            return None;
        }
        self.rules.addresses(&mut node, &own);
        Some(node.build(self.rules.seed))
    }

    /// NS records, with the servers' addresses.
    fn name_servers(&self, top: &mut Builder, addresses: impl Fn(&Name) -> Vec<IpAddr>) {
        let (mut answers, mut glue) = (Vec::new(), Vec::new());
        let mut at = top.start();
        for server in self.own().skip(1) {
            let answer = record(&QUESTION, kind::NS, self.ttl(), server.wire());
            at += answer.len();
            let Some(owner) = pointer(at - server.wire().len()) else { continue };
            glue.extend(addresses(server).into_iter().map(|ip| address(&owner, ip, self.ttl())));
            answers.push(answer);
        }
        top.fixed(kind::NS, &answers, &glue);
    }
}

fn ips(addresses: &[ExternalAddress]) -> Vec<IpAddr> {
    let ips = addresses.iter().filter_map(|address| match address {
        ExternalAddress::Ip(ip) => Some(*ip),
        ExternalAddress::Host(_) => None,
    });
    ips.collect()
}

/// Those of the addresses that are names.
fn names(addresses: &[ExternalAddress]) -> impl Iterator<Item = Name> {
    addresses.iter().filter_map(|address| match address {
        ExternalAddress::Host(host) => Name::parse(host).ok().filter(|name| name.wire().len() > 1),
        ExternalAddress::Ip(_) => None,
    })
}

/// Names that a Service's ports are at; a cloud gives one.
const MOST_HOSTS: usize = 64;

/// The addresses of the zones' name server: those that the Service in front is reached at, else those that queries are
/// answered on; of these the ones for the outside, if there are any: who asks there need not know of the others.
pub(crate) fn servers(rules: &Rules, front: Option<&NamedService>) -> Vec<IpAddr> {
    let addresses = front.map(|service| ips(&service.external)).unwrap_or_default();
    if !addresses.is_empty() {
        return addresses;
    }
    let all = super::fixed::servers(rules);
    let outside: Vec<IpAddr> = all.iter().copied().filter(|ip| rules.settings.is_for_outside(*ip)).collect();
    if outside.is_empty() { all } else { outside }
}
