//! From Services, namespaces and pods to the nodes that the DNS specification of Kubernetes gives them.

pub(crate) mod external;
pub(crate) mod fixed;
pub(crate) mod record;
pub(crate) mod reverse;
pub(crate) mod service;
pub(crate) mod zonal;

use std::net::IpAddr;

use sluice_model::{DnsMode, DnsSettings, PodNames, ServiceName};

use crate::name::{Name, NameError, Seed};
use crate::node::{Builder, Node, Role};
use external::External;
use record::{address, kind_of};

/// What all compilation depends on.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub settings: DnsSettings,
    pub seed: Seed,
    /// The domains of Services and pods, in lower case, the primary one first.
    pub zones: Vec<Name>,
    /// The domains of ServiceImports, in lower case.
    pub multicluster_zones: Vec<Name>,
    /// The domains of reverse names, in lower case.
    pub reverse_zones: Vec<Name>,
    /// The domains of the addresses that Services have outside.
    pub external_zones: Vec<External>,
    /// What names of Services are.
    pub role: Role,
}

impl Rules {
    /// Domains that are no names are left out: whoever made the settings has checked them.
    pub fn new(settings: DnsSettings, seed: Seed) -> Self {
        let names = |list: &[Box<str>]| {
            let parsed = list.iter().filter_map(|zone| Name::parse(zone).ok());
            parsed.map(Name::lowered).collect::<Vec<_>>()
        };
        Self {
            zones: names(&settings.zones),
            multicluster_zones: names(&settings.multicluster_zones),
            reverse_zones: names(&settings.reverse_zones),
            external_zones: settings
                .external_zones
                .iter()
                .filter_map(|it| External::new(it, &settings, seed))
                .collect(),
            role: Role::Plain,
            settings,
            seed,
        }
    }

    /// All domains but those of reverse names.
    pub fn forward_zones(&self) -> impl Iterator<Item = &Name> {
        self.zones.iter().chain(&self.multicluster_zones)
    }

    /// Whether pods have names in this domain, and how.
    pub fn pods(&self, zone: &Name) -> PodNames {
        if self.zones.contains(zone) { self.settings.pods } else { PodNames::Disabled }
    }

    /// Whether CoreDNS's answers are wanted.
    pub fn compat(&self) -> bool {
        self.settings.mode == DnsMode::Compat
    }

    /// `service.namespace.svc.zone`.
    pub fn service_name(&self, service: &ServiceName, zone: &Name) -> Result<Name, NameError> {
        zone.child("svc")?.child(&service.namespace)?.child(&service.name).map(Name::lowered)
    }

    /// A name without records.
    pub fn bare(&self, name: Name, zone: &Name) -> Node {
        Builder::new(name, zone.wire().len()).role(self.role).build(self.seed)
    }

    /// Addresses of both families, each once, in their order.
    pub fn addresses(&self, builder: &mut Builder, addresses: &[IpAddr]) {
        let mut seen = std::collections::HashSet::new();
        let unique: Vec<IpAddr> = addresses.iter().copied().filter(|ip| seen.insert(*ip)).collect();
        for v6 in [false, true] {
            let records: Vec<Vec<u8>> = unique
                .iter()
                .filter(|ip| ip.is_ipv6() == v6)
                .map(|ip| address(&record::QUESTION, *ip, self.settings.ttl))
                .collect();
            builder.rotating(kind_of(v6), &records);
        }
    }
}
