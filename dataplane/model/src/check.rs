//! The rules that every value of the model obeys, for those who receive one from another process.
//!
//! Whoever makes a value obeys them by construction; a check after decoding keeps a damaged or hostile stream from
//! reaching the packet path.

use crate::{
    DnsSettings, Endpoint, IngressSettings, NameKind, NamedHost, NamedImport, NamedPod, NamedService,
    ResolverSettings, Service, ServiceName, Settings,
};

/// The most ports of a Service.
pub const MAX_PORTS: usize = 4096;
/// The most endpoints of one service port.
pub const MAX_ENDPOINTS: usize = 200_000;
/// The most addresses in any list of a Service or of the settings.
pub const MAX_ADDRESSES: usize = 4096;
/// The most addresses of a host: many objects may name very many of them.
pub const MAX_HOST_ADDRESSES: usize = 64;

/// The most zones of the resolver.
pub const MAX_ZONES: usize = 20_000;
/// The most namespaces and networks that visibility is said of.
pub const MAX_VISIBILITY: usize = 65_536;
/// The most names within the cluster's zones that are the resolver's.
pub const MAX_ELSEWHERE: usize = 65_536;

/// A value that breaks a rule of the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A Service without a namespace or a name.
    #[error("a service without a name")]
    Nameless,
    /// A rule of Services.
    #[error("service {service}: {rule}")]
    Service {
        /// Which one.
        service: ServiceName,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A rule of hosts.
    #[error("host {host}: {rule}")]
    Host {
        /// Which one.
        host: Box<str>,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A rule of HTTP's objects.
    #[error("{object}: {rule}")]
    Http {
        /// Which one.
        object: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A rule of settings.
    #[error("settings: {0}")]
    Settings(&'static str),
}

impl Service {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.namespace.is_empty() || self.name.name.is_empty() {
            return Err(Invalid::Nameless);
        }
        match self.broken_rule() {
            None => Ok(()),
            Some(rule) => Err(Invalid::Service { service: self.name.clone(), rule }),
        }
    }

    fn broken_rule(&self) -> Option<&'static str> {
        let lists = [
            self.cluster_ips.len(),
            self.external_ips.len(),
            self.load_balancer_ips.len(),
            self.source_ranges.len(),
        ];
        if lists.iter().any(|&length| length > MAX_ADDRESSES) {
            return Some("a list is too long");
        }
        if self.source_ranges.iter().any(|r| r.trunc() != *r) {
            return Some("a source range has host bits");
        }
        if self.affinity.is_some_and(|a| !(1..=86_400).contains(&a.timeout_seconds)) {
            return Some("the affinity timeout is not within 1 to 86400 s");
        }
        if self.health_check_node_port == Some(0) {
            return Some("the health check node port is 0");
        }
        if self.ports.len() > MAX_PORTS {
            return Some("too many ports");
        }
        for port in &self.ports {
            if port.port == 0 || port.node_port == Some(0) {
                return Some("a port is 0");
            }
            if port.endpoints.len() > MAX_ENDPOINTS {
                return Some("too many endpoints");
            }
            if port.endpoints.iter().any(|e| !e.is_valid()) {
                return Some("an endpoint has port 0, weight 0 or no proper address");
            }
            if !port.endpoints.is_sorted_by(|a, b| a.address < b.address) {
                return Some("endpoints are not sorted or not unique");
            }
        }
        None
    }
}

impl Endpoint {
    fn is_valid(&self) -> bool {
        let ip = self.address.ip();
        self.address.port() != 0
            && self.weight != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !ip.is_loopback()
    }
}

impl NamedService {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.namespace.is_empty() || self.name.name.is_empty() {
            return Err(Invalid::Nameless);
        }
        match self.broken_rule() {
            None => Ok(()),
            Some(rule) => Err(Invalid::Service { service: self.name.clone(), rule }),
        }
    }

    fn broken_rule(&self) -> Option<&'static str> {
        if let NameKind::Cluster(addresses) = &self.kind
            && (addresses.is_empty() || addresses.len() > MAX_ADDRESSES)
        {
            return Some("the list of addresses is empty or too long");
        }
        if self.external.len() > 2 * MAX_ADDRESSES {
            return Some("the list of external addresses is too long");
        }
        let groups = self.endpoints.iter().map(|group| &group.ports);
        if groups.chain([&self.ports]).any(|ports| ports.len() > MAX_PORTS) {
            return Some("too many ports");
        }
        if self.endpoints.iter().map(|group| group.endpoints.len()).sum::<usize>() > MAX_ENDPOINTS {
            return Some("too many endpoints");
        }
        None
    }
}

impl NamedImport {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        self.service.check()?;
        let broken = if matches!(self.service.kind, NameKind::External(_)) {
            "an import is no alias"
        } else if self.clusters.len() != self.service.endpoints.len() {
            "endpoints of an import without a cluster's place"
        } else {
            return Ok(());
        };
        Err(Invalid::Service { service: self.service.name.clone(), rule: broken })
    }
}

impl NamedHost {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.is_empty() || self.name.len() > 253 {
            return Err(Invalid::Nameless);
        }
        if self.addresses.is_empty() || self.addresses.len() > MAX_HOST_ADDRESSES {
            let rule = "the list of addresses is empty or too long";
            return Err(Invalid::Host { host: self.name.clone(), rule });
        }
        Ok(())
    }
}

impl NamedPod {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.name.namespace.is_empty() || self.name.name.is_empty() {
            return Err(Invalid::Nameless);
        }
        if self.addresses.len() > MAX_ADDRESSES {
            return Err(Invalid::Service {
                service: self.name.clone(),
                rule: "a pod has too many addresses",
            });
        }
        Ok(())
    }
}

impl DnsSettings {
    fn broken_rule(&self) -> Option<&'static str> {
        if self.listen.len() > 64
            || self.zones.len() > 64
            || self.multicluster_zones.len() > 64
            || self.external_zones.len() > 64
            || self.reverse_zones.len() > 1024
            || self.tenant_zones.len() > MAX_ZONES
        {
            return Some("dns: a list is too long");
        }
        if self.clients.len() > MAX_ADDRESSES || self.clients.iter().any(|n| n.trunc() != *n) {
            return Some("dns: too many clients, or a network with host bits");
        }
        let own = self
            .addresses
            .iter()
            .flat_map(|it| it.clients.iter().chain(&it.recursion).chain(&it.cluster_zones));
        let lists = || own.clone().chain(&self.recursion).chain(&self.cluster_zones);
        if self.addresses.len() > 64
            || lists().any(|list| list.len() > MAX_ADDRESSES || list.iter().any(|n| n.trunc() != *n))
        {
            return Some("dns: too many addresses or networks of their own, or a network with host bits");
        }
        if !(512..=4096).contains(&self.max_udp) {
            return Some("dns: the size of replies is not within 512 to 4096");
        }
        if self.ttl > 3600 || self.external_zones.iter().any(|it| it.ttl > 3600) {
            return Some("dns: the TTL is above an hour");
        }
        if self.suppress_aaaa.len() > MAX_ADDRESSES || self.suppress_aaaa.iter().any(|n| n.trunc() != *n) {
            return Some("dns: too many networks without IPv6, or one with host bits");
        }
        let seen = self.visibility.iter();
        let lists = seen.clone().map(|it| it.namespaces.len() + it.see.len() + it.clients.len());
        if lists.sum::<usize>() > MAX_VISIBILITY || seen.flat_map(|it| &it.clients).any(|n| n.trunc() != *n) {
            return Some("dns: too much is said of visibility, or of a network with host bits");
        }
        let networks: usize = self.elsewhere.iter().map(|it| it.clients.len() + it.except.len()).sum();
        if self.elsewhere.len() > MAX_ELSEWHERE || networks > MAX_ELSEWHERE {
            return Some("dns: too many names are the resolver's");
        }
        None
    }
}

impl ResolverSettings {
    /// Whether the value obeys all rules; the resolver knows more of them.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.zones.len() > MAX_ZONES || self.protected.len() > MAX_ZONES {
            return Err(Invalid::Settings("resolver: too many zones"));
        }
        let crate::Serving { secure, transfer, log, nsid, .. } = &self.serving;
        let logged = log.as_ref().map_or(0, |log| log.zones.len());
        let addresses = secure.iter().map(|secure| secure.addresses.len()).sum();
        if [transfer.len(), secure.len(), addresses, logged].iter().any(|&length| length > MAX_ADDRESSES) {
            return Err(Invalid::Settings("resolver: a list is too long"));
        }
        if nsid.as_deref().is_some_and(|text| !crate::serving::can_be_nsid(text)) {
            return Err(Invalid::Settings("resolver: NSID is empty or too long"));
        }
        Ok(())
    }
}

impl Settings {
    /// Whether the value obeys all rules.
    pub fn check(&self) -> Result<(), Invalid> {
        let lists = [
            self.local_nodes.len(),
            self.node_port_addresses.len(),
            self.cluster_cidrs.len(),
            self.service_cidrs.len(),
        ];
        if lists.iter().any(|&length| length > MAX_ADDRESSES) {
            return Err(Invalid::Settings("a list is too long"));
        }
        if let crate::SnatAddresses::List(list) = &self.snat_addresses
            && (list.is_empty() || list.len() > MAX_ADDRESSES)
        {
            return Err(Invalid::Settings("the list of source addresses is empty or too long"));
        }
        let mut networks = self.cluster_cidrs.iter().chain(&self.service_cidrs);
        if networks.any(|n| n.trunc() != *n) {
            return Err(Invalid::Settings("a network has host bits"));
        }
        if self.mss_clamp.is_some_and(|mss| mss < 88) {
            return Err(Invalid::Settings("the MSS clamp is below 88"));
        }
        if let Some(rule) = self.dns.as_ref().and_then(DnsSettings::broken_rule) {
            return Err(Invalid::Settings(rule));
        }
        if let Some(rule) = self.ingress.as_ref().and_then(IngressSettings::broken_rule) {
            return Err(Invalid::Settings(rule));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affinity, PortRange, Protocol, ServicePort, SnatAddresses, TrafficPolicy};

    fn endpoint(address: &str) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            ready: true,
            serving: true,
            terminating: false,
            node: None,
            zone: None,
            hint_zones: vec![],
            hint_nodes: vec![],
            pod: None,
            weight: 1,
        }
    }

    fn service() -> Service {
        Service {
            name: ServiceName::new("shop", "web"),
            created: 0,
            cluster_ips: vec!["10.96.0.1".parse().unwrap()],
            external_ips: vec![],
            load_balancer_ips: vec![],
            external_policy: TrafficPolicy::Cluster,
            internal_policy: TrafficPolicy::Cluster,
            affinity: None,
            source_ranges: vec!["10.0.0.0/8".parse().unwrap()],
            health_check_node_port: None,
            ports: vec![ServicePort {
                name: "".into(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: None,
                endpoints: vec![endpoint("10.244.0.1:80"), endpoint("10.244.0.2:80")],
            }],
        }
    }

    #[test]
    fn each_rule_of_services_is_seen() {
        service().check().unwrap();
        let broken: [fn(&mut Service); 10] = [
            |s| s.name.name = "".into(),
            |s| s.cluster_ips = vec!["10.96.0.1".parse().unwrap(); MAX_ADDRESSES + 1],
            |s| s.source_ranges = vec!["10.1.0.0/8".parse().unwrap()],
            |s| {
                s.affinity = Some(Affinity { timeout_seconds: 0, across_ports: false });
            },
            |s| s.health_check_node_port = Some(0),
            |s| s.ports[0].port = 0,
            |s| s.ports[0].endpoints.reverse(),
            |s| s.ports[0].endpoints[1] = endpoint("10.244.0.1:80"),
            |s| s.ports[0].endpoints[0].weight = 0,
            |s| s.ports[0].endpoints[0] = endpoint("0.0.0.0:80"),
        ];
        for (number, breaks) in broken.iter().enumerate() {
            let mut value = service();
            breaks(&mut value);
            assert!(value.check().is_err(), "rule {number}");
        }
    }

    #[test]
    fn each_rule_of_settings_is_seen() {
        Settings::default().check().unwrap();
        let ingress = |listen: &str, clients: &str, syns| {
            Some(IngressSettings {
                listen: vec![listen.parse().unwrap()],
                clients: vec![clients.parse().unwrap()],
                syns_per_second: syns,
            })
        };
        let good = ingress("203.0.113.80:443", "10.0.0.0/8", Some(1));
        Settings { ingress: good, ..Settings::default() }.check().unwrap();
        for bad in [
            ingress("203.0.113.80:0", "10.0.0.0/8", None),
            ingress("127.0.0.1:443", "10.0.0.0/8", None),
            ingress("[::]:443", "10.0.0.0/8", None),
            ingress("203.0.113.80:443", "10.0.0.1/8", None),
            ingress("203.0.113.80:443", "10.0.0.0/8", Some(0)),
        ] {
            assert!(Settings { ingress: bad.clone(), ..Settings::default() }.check().is_err(), "{bad:?}");
        }
        let broken: [fn(&mut Settings); 4] = [
            |s| s.local_nodes = vec!["n".into(); MAX_ADDRESSES + 1],
            |s| s.snat_addresses = SnatAddresses::List(vec![]),
            |s| s.cluster_cidrs = vec!["10.244.0.1/16".parse().unwrap()],
            |s| s.mss_clamp = Some(1),
        ];
        for (number, breaks) in broken.iter().enumerate() {
            let mut value = Settings::default();
            breaks(&mut value);
            assert!(value.check().is_err(), "rule {number}");
        }
        assert_eq!(PortRange::try_from((5, 4)), Err(crate::settings::EmptyRange));
    }
}
