//! Requests and answers of the admin socket, as JSON.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sluice_dns::explain::Question;
use sluice_engine::explain::{Explanation, Query};
use sluice_engine::flow::FlowRecord;
use sluice_engine::snapshot::Conflict;
use sluice_engine::trace::TraceFilter;
use sluice_model::{FrontendKind, Generation, Protocol};
use sluice_observe::admin::Request;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdminRequest {
    /// Which program this is: [`AdminResponse::Version`].
    Version,
    /// How it is: [`AdminResponse::Status`].
    Status,
    /// The Services in effect: [`AdminResponse::Services`], in parts.
    Services {
        /// Only those of this namespace.
        #[serde(default)]
        namespace: Option<String>,
        /// Only those of this name.
        #[serde(default)]
        name: Option<String>,
    },
    /// Their endpoints: [`AdminResponse::Backends`], in parts.
    Backends {
        /// Only those of Services of this namespace.
        #[serde(default)]
        namespace: Option<String>,
        /// Only those of Services of this name.
        #[serde(default)]
        name: Option<String>,
    },
    /// The flows: [`AdminResponse::Flows`], in parts, while the lcores go on.
    Flows {
        /// Only those with this address at one end, before or after translation.
        #[serde(default)]
        address: Option<IpAddr>,
        /// At most so many.
        #[serde(default)]
        limit: Option<u64>,
    },
    /// The ports: [`AdminResponse::Ports`].
    Ports,
    /// The routes taken over from Linux: [`AdminResponse::Routes`].
    Routes,
    /// The neighbours taken over from Linux: [`AdminResponse::Neighbors`].
    Neighbors,
    /// The zones of DNS that are answered: [`AdminResponse::DnsZones`], in parts.
    DnsZones,
    /// Who sends most DNS queries: [`AdminResponse::DnsClients`].
    DnsClients,
    /// All counters: [`AdminResponse::Counters`].
    Counters,
    /// The lcores: [`AdminResponse::Lcores`].
    Lcores,
    /// What would happen to a packet: [`AdminResponse::Explain`].
    Explain(Query),
    /// What would be answered to a query: [`AdminResponse::Dns`].
    Dns(Question),
    /// The names that queries are answered for: [`AdminResponse::DnsNames`], in parts.
    DnsNames,
    /// Traces live packets until the asker hangs up, the filter's limit is reached or `seconds` are over:
    /// [`AdminResponse::Trace`], in parts, empty ones among them as a sign of life. One trace at a time.
    Trace {
        /// Which packets, and how many.
        filter: TraceFilter,
        /// At most so long.
        seconds: u32,
    },
    /// Ends the process in order, as SIGTERM does.
    Shutdown,
}

/// A part of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
pub enum AdminResponse {
    /// Which program this is.
    Version(VersionInfo),
    /// How it is.
    Status(Status),
    /// Services.
    Services(Vec<ServiceRow>),
    /// Endpoints.
    Backends(Vec<BackendRow>),
    /// Flows.
    Flows(Vec<FlowRow>),
    /// Ports.
    Ports(Vec<PortRow>),
    /// Routes.
    Routes(Vec<RouteRow>),
    /// Neighbours.
    Neighbors(Vec<NeighborRow>),
    /// Zones.
    DnsZones(Vec<DnsZoneRow>),
    /// Clients of DNS.
    DnsClients(Box<DnsClients>),
    /// Counters.
    Counters(Vec<CounterRow>),
    /// Lcores.
    Lcores(Vec<LcoreRow>),
    /// What would happen to a packet.
    Explain(Box<Explanation>),
    /// What would be answered to a query.
    Dns(Box<sluice_dns::explain::Explanation>),
    /// Names, and the types of their records.
    DnsNames(Vec<DnsNameRow>),
    /// What happened to packets.
    Trace(Vec<TraceRow>),
}

impl Request for AdminRequest {
    const ROLE: &'static str = "the data plane";
    type Response = AdminResponse;
}

/// Which program this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Sluice's release.
    pub sluice: String,
    /// DPDK's release, as the loaded library says.
    pub dpdk: String,
    /// Process id.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

/// How the data plane is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether packets are forwarded: the first generation has come, or was given up waiting for.
    pub ready: bool,
    /// The generation in effect; 0 before the first.
    pub generation: Generation,
    /// Whether control is connected.
    pub feed_connected: bool,
    /// Why not.
    pub feed_error: Option<String>,
    /// Services in effect.
    pub services: u64,
    /// Routes and neighbours taken over from Linux.
    pub routes: u64,
    /// Neighbours with a hardware address.
    pub neighbors: u64,
    /// Flows over all lcores.
    pub flows: u64,
    /// Flows that fit.
    pub flow_capacity: u64,
    /// Whether packets lie in huge pages.
    pub huge_pages: bool,
    /// Packet buffers, and those that are free.
    pub buffers: [u64; 2],
    /// Frontends that two Services claim; the older one has it.
    pub conflicts: Vec<Conflict>,
}

/// A zone of DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsZoneRow {
    /// The domain.
    pub zone: String,
    /// What it has names of.
    pub kind: ZoneKind,
    /// Its names, those without records included.
    pub names: u64,
    /// The serial of its SOA record.
    pub serial: u32,
    /// The TTL of its records, in seconds.
    pub ttl: u32,
    /// Where queries for its names are answered.
    pub addresses: Vec<SocketAddr>,
    /// The generation that the names are of.
    pub generation: Generation,
}

/// Who sends most DNS queries to the lcores. Rates are estimates of the last ten seconds, from one query in 64.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsClients {
    /// Queries a second, all clients'.
    pub per_second: f64,
    /// The clients, at most 64, those that ask most first.
    pub clients: Vec<DnsClientRow>,
    /// Sums over the clients whose pods are known, by namespace.
    pub namespaces: Vec<DnsNamespaceRow>,
}

/// A client of DNS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsClientRow {
    /// Its address.
    pub client: IpAddr,
    /// Namespace and name of its pod, where pods are known (`dns.pods: verified`).
    pub pod: Option<String>,
    /// Queries a second.
    pub per_second: f64,
    /// By how many they may be too many, since the table has room for few clients.
    pub error: f64,
    /// Part of all queries, 0 to 1.
    pub share: f64,
}

/// A namespace's pods as clients of DNS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsNamespaceRow {
    /// The namespace.
    pub namespace: String,
    /// Clients among those that ask most.
    pub clients: u64,
    /// Their queries a second.
    pub per_second: f64,
    /// Part of all queries, 0 to 1.
    pub share: f64,
}

/// What a zone has names of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// Services, endpoints and pods.
    Cluster,
    /// ServiceImports.
    Multicluster,
    /// Addresses.
    Reverse,
    /// Services at the addresses that they have outside.
    External,
}

impl std::fmt::Display for ZoneKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Multicluster => "multicluster",
            Self::Reverse => "reverse",
            Self::External => "external",
        })
    }
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRow {
    /// Namespace and name.
    pub name: String,
    /// One of its frontends.
    pub address: SocketAddr,
    /// Its transport.
    pub protocol: Protocol,
    /// Which field it comes from.
    pub kind: FrontendKind,
    /// The Service port's name.
    pub port: String,
    /// Endpoints of the frontend's family that are ready.
    pub ready: u64,
    /// All endpoints of the frontend's family.
    pub endpoints: u64,
}

/// An endpoint of a Service port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendRow {
    /// Namespace and name of the Service.
    pub service: String,
    /// The Service port's name.
    pub port: String,
    /// Its transport.
    pub protocol: Protocol,
    /// The endpoint.
    pub address: SocketAddr,
    /// Takes new flows.
    pub ready: bool,
    /// Still answers.
    pub serving: bool,
    /// Is on its way out.
    pub terminating: bool,
    /// Its node.
    pub node: Option<String>,
    /// Its zone.
    pub zone: Option<String>,
}

/// A name that queries are answered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsNameRow {
    /// It, as text.
    pub name: String,
    /// The types of its records.
    pub kinds: Vec<u16>,
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// The lcore that owns it.
    pub lcore: u16,
    /// The Service, where it still exists.
    pub service: Option<String>,
    /// The flow.
    #[serde(flatten)]
    pub record: FlowRecord,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its number.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// Its device, as configured.
    pub device: String,
    /// DPDK's driver for it.
    pub driver: String,
    /// Its kernel interface.
    pub interface: String,
    /// Its hardware address.
    pub mac: String,
    /// Its MTU in bytes.
    pub mtu: u16,
    /// Whether the link is up.
    pub link_up: bool,
    /// Link speed in Mbit/s, where known.
    pub speed_mbps: Option<u32>,
    /// Receive queues.
    pub queues: u16,
    /// Addresses on the kernel interface.
    pub addresses: Vec<IpNet>,
    /// What the device counted.
    pub device_counters: DeviceCounters,
    /// What the device of the kernel interface counted: received from Linux, sent to Linux.
    pub punt_counters: DeviceCounters,
    /// Packets that found no room in the port's transmit queue.
    pub tx_full: u64,
    /// Packets that found no room on the way to Linux.
    pub punt_full: u64,
}

/// Counters of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that came while no receive descriptor was free.
    pub rx_missed: u64,
    /// Damaged packets.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Receptions for which no buffer was free.
    pub rx_no_buffer: u64,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteRow {
    /// The prefix.
    pub to: IpNet,
    /// The gateway; none where destinations are on the link.
    pub via: Option<IpAddr>,
    /// The port's name.
    pub port: String,
    /// Lower wins.
    pub metric: u32,
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NeighborRow {
    /// The port's name.
    pub port: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its hardware address.
    pub mac: String,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRow {
    /// Its name.
    pub name: String,
    /// `drop`, `event`, `punt` for the classes of packets that Linux gets, `service` for what concerns one Service's port.
    pub kind: String,
    /// What it counts.
    pub help: String,
    /// Over all lcores.
    pub total: u64,
    /// By lcore.
    pub lcores: Vec<u64>,
}

/// An lcore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LcoreRow {
    /// Its number, from 0.
    pub lcore: u16,
    /// The CPU it runs on.
    pub cpu: u32,
    /// Loop turns since the start.
    pub turns: u64,
    /// Those that found packets.
    pub busy_turns: u64,
    /// Packets received from ports.
    pub received: u64,
    /// Flows it owns.
    pub flows: u32,
    /// Flows it can own.
    pub flow_capacity: u32,
    /// The generation it works by.
    pub generation: Generation,
}

/// What happened to a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRow {
    /// Milliseconds of the monotonic clock.
    pub at_ms: u64,
    /// The lcore that worked on it.
    pub lcore: u16,
    /// The port that received it.
    pub port: String,
    /// Source, destination and transport, where it is an IP packet that can be parsed.
    pub packet: Option<String>,
    /// What happened, in order.
    pub stages: Vec<String>,
    /// The counter's name, where it was dropped.
    pub drop: Option<String>,
    /// Packets right before this one that matched, and came faster than they could be told.
    pub lost: u64,
}
