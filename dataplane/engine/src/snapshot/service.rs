//! Services compiled for the packet path.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use sluice_memory::prefetch_read;
use sluice_model::{
    Affinity, Empty, FrontendKind, Protocol, Scope, Selection, Service, ServiceName, Settings, Step,
    TrafficPolicy, select,
};

use super::maglev;
use super::ranges::Ranges;

/// What a frontend leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Number of the service port.
    pub slot: u32,
    /// The field the frontend comes from.
    pub kind: FrontendKind,
}

/// One port of one Service.
#[derive(Debug)]
pub struct ServicePortEntry {
    /// The Service.
    pub name: ServiceName,
    /// Name of the port, empty where it has none.
    pub port_name: Box<str>,
    /// Index into the Service's ports.
    pub port_index: u16,
    /// The port clients use.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// Session affinity.
    pub affinity: Option<Affinity>,
    /// What affinity is remembered under: the Service, and the port unless all ports share an endpoint.
    pub affinity_key: u64,
    /// Clients from outside keep their address towards the endpoint.
    pub preserve_client: bool,
    sources: Option<Ranges>,
    /// By family (IPv4, IPv6) and scope.
    sets: [[Arc<BackendSet>; 3]; 2],
    /// Endpoints that serve, ready or terminating; sorted.
    serving: Box<[SocketAddr]>,
}

impl ServicePortEntry {
    /// Port `index` of `service`, compiled.
    pub(super) fn compile(service: &Service, index: usize, settings: &Settings) -> Option<Self> {
        let port = service.ports.get(index)?;
        let sets = [false, true].map(|v6| {
            let mut made: Vec<Arc<BackendSet>> = Vec::with_capacity(3);
            [Scope::Internal, Scope::External, Scope::ExternalFromCluster].map(|scope| {
                let selection = select(service, index, v6, scope, settings);
                // Nearly always the three are the same: one table serves them all.
                if let Some(same) = made.iter().find(|set| set.is(&selection)) {
                    return same.clone();
                }
                let set = Arc::new(BackendSet::new(&selection));
                made.push(set.clone());
                set
            })
        });
        let mut serving: Vec<SocketAddr> =
            port.endpoints.iter().filter(|e| e.ready || e.serving).map(|e| e.address).collect();
        serving.sort_unstable();
        let across = service.affinity.is_some_and(|a| a.across_ports);
        Some(Self {
            name: service.name.clone(),
            port_name: port.name.clone(),
            port_index: index as u16,
            port: port.port,
            protocol: port.protocol,
            affinity: service.affinity,
            affinity_key: affinity_key(&service.name, (!across).then_some((port.port, port.protocol))),
            preserve_client: service.external_policy == TrafficPolicy::Local,
            sources: (!service.source_ranges.is_empty()).then(|| Ranges::new(&service.source_ranges)),
            sets,
            serving: serving.into(),
        })
    }

    /// Starts loading what a new flow reads of it.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        prefetch_read(&self.affinity);
        prefetch_read(&self.preserve_client);
        prefetch_read(&self.sets);
    }

    /// The endpoints for new flows of a family in a scope.
    #[inline]
    pub fn set(&self, v6: bool, scope: Scope) -> &BackendSet {
        let scope = match scope {
            Scope::Internal => 0,
            Scope::External => 1,
            Scope::ExternalFromCluster => 2,
        };
        &self.sets[usize::from(v6)][scope]
    }

    /// Whether an endpoint at this address is there and serves, if only running flows.
    pub fn serves(&self, address: SocketAddr) -> bool {
        self.serving.binary_search(&address).is_ok()
    }

    /// Whether the source ranges let this IPv4 client in. With ranges of one family only, the other is shut out.
    #[inline]
    pub fn source_allowed4(&self, address: u32) -> bool {
        self.sources.as_ref().is_none_or(|ranges| ranges.contains4(address))
    }

    /// As [`ServicePortEntry::source_allowed4`], for IPv6.
    #[inline]
    pub fn source_allowed6(&self, address: u128) -> bool {
        self.sources.as_ref().is_none_or(|ranges| ranges.contains6(address))
    }

    /// The source ranges, where there are any.
    pub fn source_ranges(&self) -> Vec<IpNet> {
        self.sources.as_ref().map(|ranges| ranges.nets().to_vec()).unwrap_or_default()
    }
}

/// FNV-1a: stable over processes and versions, since affinity may outlive them; not secret.
fn affinity_key(name: &ServiceName, port: Option<(u16, Protocol)>) -> u64 {
    let mut text = name.to_string().into_bytes();
    if let Some((port, protocol)) = port {
        text.extend(port.to_be_bytes());
        text.push(protocol.number());
    }
    text.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// An endpoint that takes new flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its share against its siblings.
    pub weight: u16,
    /// Its pod.
    pub pod: Option<Box<str>>,
    /// Its node.
    pub node: Option<Box<str>>,
}

/// Endpoints that take new flows, and the table that picks among them.
#[derive(Debug)]
pub struct BackendSet {
    /// The endpoints, sorted by address.
    pub backends: Box<[Backend]>,
    /// What decided that it is these.
    pub step: Step,
    maglev: Box<[u16]>,
}

impl BackendSet {
    fn new(selection: &Selection<'_>) -> Self {
        let mut backends: Vec<Backend> = selection
            .endpoints
            .iter()
            .map(|e| Backend { addr: e.address, weight: e.weight, pod: e.pod.clone(), node: e.node.clone() })
            .collect();
        backends.sort_by_key(|b| b.addr);
        backends.truncate(maglev::MOST);
        let weights: Vec<(SocketAddr, u16)> = backends.iter().map(|b| (b.addr, b.weight)).collect();
        Self { maglev: maglev::table(&weights), backends: backends.into(), step: selection.step }
    }

    fn is(&self, selection: &Selection<'_>) -> bool {
        self.step == selection.step
            && self.backends.len() == selection.endpoints.len()
            && selection.endpoints.iter().all(|e| self.by_address(e.address).is_some())
    }

    /// The endpoint for a flow with this hash.
    #[inline]
    pub fn pick(&self, hash: u64) -> Option<&Backend> {
        match self.place(hash) {
            Some(&backend) => self.backends.get(usize::from(backend)),
            None => self.backends.first(),
        }
    }

    /// Where the number of the endpoint for this hash stands, where there are several.
    #[inline]
    pub(super) fn place(&self, hash: u64) -> Option<&u16> {
        let at = ((u128::from(hash) * self.maglev.len() as u128) >> 64) as usize;
        self.maglev.get(at)
    }

    /// The endpoint at this address.
    #[inline]
    pub fn by_address(&self, address: SocketAddr) -> Option<&Backend> {
        let at = self.backends.binary_search_by_key(&address, |b| b.addr).ok()?;
        self.backends.get(at)
    }

    /// An endpoint with this IP address, whatever its port.
    pub fn by_ip(&self, ip: IpAddr) -> Option<&Backend> {
        let at = self.backends.partition_point(|b| b.addr.ip() < ip);
        self.backends.get(at).filter(|b| b.addr.ip() == ip)
    }

    /// What happens to traffic, where there is no endpoint for it.
    #[inline]
    pub fn empty(&self) -> Option<Empty> {
        match self.step {
            Step::Nothing(empty) => Some(empty),
            _ if self.backends.is_empty() => Some(Empty::Refuse),
            _ => None,
        }
    }
}
