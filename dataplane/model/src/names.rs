//! What cluster DNS knows: Services by name, namespaces, pods, and how queries are to be answered.
//!
//! The Kubernetes DNS specification 1.1.0 says which names these make.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Protocol, ServiceName};

/// A Service as DNS sees it, with the endpoints of all its EndpointSlices that are ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedService {
    /// Its name.
    pub name: ServiceName,
    /// What its name stands for.
    pub kind: NameKind,
    /// `spec.ports`.
    pub ports: Vec<NamedPort>,
    /// Ready endpoints (`conditions.ready` true or absent), slice by slice.
    pub endpoints: Vec<EndpointGroup>,
    /// Where it is reached from outside: `spec.externalIPs`, then `status.loadBalancer.ingress`.
    pub external: Vec<ExternalAddress>,
}

/// Where a Service is reached from outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalAddress {
    /// An address.
    Ip(IpAddr),
    /// `status.loadBalancer.ingress[].hostname`, a name.
    Host(Box<str>),
}

/// A domain in which Services have the addresses that they are reached at from outside: `service.namespace.zone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalZone {
    /// Its name without the last dot; neither within one of the other zones nor around one.
    pub zone: Box<str>,
    /// TTL of its records, in seconds, at most 3600.
    pub ttl: u32,
    /// Labels that the zone's name server is below: `ns1.apex.zone`; of a domain of hosts its own, `apex.zone`.
    pub apex: Box<str>,
    /// Whether headless Services without such addresses, and endpoints, have names there.
    pub headless: bool,
    /// Whether its names are those of [`NamedHost`]s, and not of Services.
    pub hosts: bool,
    /// Labels of a second name server, of a domain of hosts: `secondary.zone`.
    pub secondary: Option<Box<str>>,
}

/// A host that Ingresses or Services name, in a domain of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedHost {
    /// The whole name, in lower case and without the last dot; its first label may be a star, which is any one label.
    pub name: Box<str>,
    /// Where it is reached, at least one.
    pub addresses: Vec<ExternalAddress>,
}

/// A ServiceImport as DNS sees it: a Service of several clusters (KEP-1645), with the ready endpoints of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedImport {
    /// Its name, what it stands for (never an alias), its ports and its endpoints.
    pub service: NamedService,
    /// Which cluster each of the service's groups of endpoints is in; none where nobody says so.
    pub clusters: Vec<Option<Box<str>>>,
}

/// What a Service's name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameKind {
    /// `spec.clusterIPs`, at least one.
    Cluster(Vec<IpAddr>),
    /// Its endpoints.
    Headless,
    /// `spec.externalName`, as it is written there.
    External(Box<str>),
}

/// A port with a name for SRV records; an unnamed one has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPort {
    /// `name`.
    pub name: Box<str>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`, never 0.
    pub port: u16,
}

/// Endpoints that share their ports: an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointGroup {
    /// Its `ports` that have a number.
    pub ports: Vec<NamedPort>,
    /// Its endpoints, in the slice's order.
    pub endpoints: Vec<NamedEndpoint>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedEndpoint {
    /// `addresses[0]`.
    pub address: IpAddr,
    /// `hostname`.
    pub hostname: Option<Box<str>>,
    /// `targetRef.name` where it is a Pod.
    pub pod: Option<Box<str>>,
    /// `zone`, as it is written there; only where names go by it.
    pub zone: Option<Box<str>>,
}

/// A pod's addresses, for pod names that are verified, and for who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPod {
    /// Namespace and name.
    pub name: ServiceName,
    /// `status.podIPs`.
    pub addresses: Vec<IpAddr>,
    /// Whether it may have names.
    pub named: bool,
    /// Whether its addresses tell who asks: they are not its node's, and somebody wants to know.
    pub client: bool,
}

/// Which of the cluster's names some clients see: those of these namespaces, and all that are of no namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// Pods of these namespaces, which see their own besides; `*` stands for all namespaces that nothing else is said of.
    pub namespaces: Vec<Box<str>>,
    /// Clients of these networks that are no pods which are known.
    pub clients: Vec<IpNet>,
    /// The namespaces; `*` stands for all.
    pub see: Vec<Box<str>>,
}

/// The `dns` part of the YAML file, as far as answers depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsSettings {
    /// Addresses and ports on which queries are answered.
    pub listen: Vec<SocketAddr>,
    /// Who may ask; empty means everyone.
    pub clients: Vec<IpNet>,
    /// Of whom the resolver answers queries for names of others; none: of all who may ask. Nobody else has recursion.
    pub recursion: Option<Vec<IpNet>>,
    /// Who is answered names of the cluster, those of all zones but `external_zones`; none: all who may ask. To everybody else it is
    /// as if there were no such zones.
    pub cluster_zones: Option<Vec<IpNet>>,
    /// Addresses where something else holds.
    pub addresses: Vec<DnsAddress>,
    /// Domains of Services and pods, without the last dot, such as `cluster.local`. The first is the one that PTR records
    /// point into.
    pub zones: Vec<Box<str>>,
    /// Domains of ServiceImports, such as `clusterset.local`; none of them is among the others.
    pub multicluster_zones: Vec<Box<str>>,
    /// Domains of reverse names, such as `in-addr.arpa` and `10.in-addr.arpa`.
    pub reverse_zones: Vec<Box<str>>,
    /// Domains of the addresses that Services have outside.
    pub external_zones: Vec<ExternalZone>,
    /// TTL of all records but those of `external_zones`, in seconds.
    pub ttl: u32,
    /// TTL of SOA records, which says how long resolvers may believe that there is nothing (RFC 2308); none: as all.
    pub negative_ttl: Option<u32>,
    /// Names of pods.
    pub pods: PodNames,
    /// Endpoints without a hostname are named after their pod.
    pub endpoint_pod_names: bool,
    /// A Service with a cluster IP but without ready endpoints has no name.
    pub hide_empty: bool,
    /// Headless Services' endpoints have names.
    pub endpoints: bool,
    /// Those of one topology zone have a name, too; not without `endpoints`.
    pub zonal: bool,
    /// The largest reply over UDP in bytes, 512 to 4096.
    pub max_udp: u16,
    /// The Service in front of the gateway's DNS, which the NS records name.
    pub service: Option<ServiceName>,
    /// The secret of the cookies that clients are given (RFC 9018), the same on all gateways; none: no cookies.
    pub cookie_key: Option<[u8; 16]>,
    /// How many queries over UDP a client is answered; none: any number.
    pub rate_limit: Option<RateLimit>,
    /// A resolver answers for names outside of the zones.
    pub forward: bool,
    /// It has answers of its own, from files and rules, which are not asked of others: who has no recursion has those.
    pub tables: bool,
    /// Its answers may be kept as long as their TTLs say.
    pub keep: bool,
    /// Domains within the zones for whose unknown names the resolver is asked.
    pub fallthrough: Vec<Box<str>>,
    /// Servers that the resolver copies zones from: what they say of changes is its to hear (RFC 1996), whether or not they may ask.
    pub primaries: Vec<IpAddr>,
    /// Queries that are the resolver's before all: rules and tables come before those of the cluster, or who asks counts.
    pub elsewhere: Vec<Elsewhere>,
    /// So are those for names that begin with the label `localhost`.
    pub localhost: bool,
    /// Whose answers are given where RFCs and CoreDNS differ.
    pub mode: DnsMode,
    /// Where the resolver serves DNS over TLS and HTTPS; those that are addresses of `listen` are reached through the ports.
    pub secure: Vec<SocketAddr>,
    /// The resolver completes the search lists of pods that are known.
    pub autopath: bool,
    /// Not all namespaces have names: the configuration says which do.
    pub selected: bool,
    /// Who sees less than all names; no namespace stands in two of them.
    pub visibility: Vec<Visibility>,
    /// Domains of others whose names the resolver answers one client otherwise than another: by its namespace.
    pub tenant_zones: Vec<Box<str>>,
    /// Clients of these networks have no IPv6: others are asked nothing of type AAAA for them.
    pub suppress_aaaa: Vec<IpNet>,
    /// Nor have pods that are known to have IPv4 addresses alone.
    pub suppress_aaaa_of_pods: bool,
    /// What is known is of a former run, and may have changed since: the source has not been heard yet.
    pub stale: bool,
}

/// What holds at one address in place of what holds at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAddress {
    /// Which.
    pub address: IpAddr,
    /// Who may ask there, and nobody else; none: as at all.
    pub clients: Option<Vec<IpNet>>,
    /// As [`DnsSettings::recursion`]; none: as at all.
    pub recursion: Option<Vec<IpNet>>,
    /// As [`DnsSettings::cluster_zones`]; none: as at all.
    pub cluster_zones: Option<Vec<IpNet>>,
}

/// How many queries over UDP are answered to one address; networks around it have multiples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Queries a second to one address, on each lcore; at least 1.
    pub per_second: u32,
    /// One of so many queries beyond gets an empty, truncated reply; 0: none does.
    pub slip: u8,
    /// Clients that have no limit.
    pub exempt: Vec<IpNet>,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 50, slip: 2, exempt: Vec::new() }
    }
}

/// Queries that the resolver is asked first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Elsewhere {
    /// For this name and all below.
    pub zone: Box<str>,
    /// Only of this type; none: all.
    pub kind: Option<u16>,
    /// Only of clients of these networks; none: of everybody.
    pub clients: Vec<IpNet>,
    /// But not of these.
    pub except: Vec<IpNet>,
}

/// Whose answers are given where RFCs and CoreDNS differ about names and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsMode {
    /// The RFCs'.
    #[default]
    Strict,
    /// CoreDNS's.
    Compat,
}

/// `a-b-c-d.namespace.pod.zone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodNames {
    /// There are none.
    #[default]
    Disabled,
    /// Any address, in a namespace that exists.
    Insecure,
    /// Only a pod's address in its namespace.
    Verified,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            clients: Vec::new(),
            recursion: None,
            cluster_zones: None,
            addresses: Vec::new(),
            zones: vec!["cluster.local".into()],
            multicluster_zones: Vec::new(),
            reverse_zones: vec!["in-addr.arpa".into(), "ip6.arpa".into()],
            external_zones: Vec::new(),
            ttl: 5,
            negative_ttl: None,
            pods: PodNames::Disabled,
            endpoint_pod_names: false,
            hide_empty: false,
            endpoints: true,
            zonal: false,
            max_udp: 1232,
            service: None,
            cookie_key: None,
            rate_limit: None,
            forward: false,
            tables: false,
            keep: true,
            fallthrough: Vec::new(),
            primaries: Vec::new(),
            elsewhere: Vec::new(),
            localhost: false,
            mode: DnsMode::Strict,
            secure: Vec::new(),
            autopath: false,
            selected: false,
            visibility: Vec::new(),
            tenant_zones: Vec::new(),
            suppress_aaaa: Vec::new(),
            suppress_aaaa_of_pods: false,
            stale: false,
        }
    }
}

impl DnsSettings {
    /// Whether it matters which pod asks.
    pub fn knows_clients(&self) -> bool {
        !self.visibility.is_empty() || !self.tenant_zones.is_empty() || self.suppress_aaaa_of_pods
    }
}
