//! Question and answer, as the admin socket carries them and `sluice explain -o json` prints them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sluice_model::{FrontendKind, Generation, Protocol, Step, TrafficPolicy};

use crate::PortId;

/// The first packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Its source address.
    pub source: IpAddr,
    /// Its source port, on which the choice of the endpoint depends; `None`: any.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Its destination.
    pub destination: SocketAddr,
    /// Its transport.
    pub protocol: Protocol,
}

/// What would happen to it, and why. What does not come up stays empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked.
    pub query: Query,
    /// The generation of the tables that were asked.
    pub generation: Generation,
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The frontend it goes to.
    pub frontend: Option<Frontend>,
    /// Where the client is counted.
    pub client: Option<Client>,
    /// The traffic policy, and what it came to.
    pub policy: Option<Policy>,
    /// `loadBalancerSourceRanges`, where the Service has any.
    pub source_ranges: Option<SourceRanges>,
    /// `sessionAffinity: ClientIP`.
    pub affinity: Option<Affinity>,
    /// The endpoints of the packet's family.
    pub endpoints: Vec<Endpoint>,
    /// The source that the endpoint sees.
    pub source: Option<Source>,
    /// The way of replies to the client.
    pub back: Option<Hop>,
}

impl Explanation {
    pub(super) fn new(query: Query, generation: Generation) -> Self {
        Self {
            query,
            generation,
            verdict: Verdict::Impossible,
            frontend: None,
            client: None,
            policy: None,
            source_ranges: None,
            affinity: None,
            endpoints: Vec::new(),
            source: None,
            back: None,
        }
    }
}

/// What becomes of the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Verdict {
    /// It goes to an endpoint.
    Forward {
        /// Which; `None` where that depends on a source port that was not given.
        endpoint: Option<SocketAddr>,
    },
    /// It is answered by a TCP reset or ICMP port unreachable.
    Refuse {
        /// A Service has this port, but no endpoint; else no Service has this port of a service address.
        served: bool,
    },
    /// It is dropped and counted.
    Drop {
        /// Name of the counter.
        reason: String,
        /// What that means.
        help: String,
    },
    /// It goes to Linux.
    Linux {
        /// The port whose address it is; `None` where it is someone else's, so that Linux routes it or not.
        own: Option<String>,
    },
    /// It goes to the proxy, which serves HTTP there.
    Proxy,
    /// No such packet: its addresses are of different families.
    Impossible,
}

/// The frontend at the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontend {
    /// The field of the Service that it comes from.
    pub kind: FrontendKind,
    /// Namespace and name of the Service.
    pub service: String,
    /// The Service's port.
    pub port: u16,
    /// The port's name, which may be empty.
    pub port_name: String,
}

/// Where a client is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Client {
    /// Outside `services.cluster_cidrs`: `externalTrafficPolicy` holds.
    Outside,
    /// Inside them: all endpoints, whatever `externalTrafficPolicy` says.
    Inside,
    /// It makes no difference: `internalTrafficPolicy` holds for a ClusterIP.
    Any,
}

/// The traffic policy, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The policy that holds for this client; `None` where the object is not at hand.
    pub policy: Option<TrafficPolicy>,
    /// What decided which endpoints are used.
    pub step: Step,
}

/// `loadBalancerSourceRanges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRanges {
    /// The ranges.
    pub ranges: Vec<IpNet>,
    /// Whether they hold for this frontend and client.
    pub apply: bool,
    /// Whether the client may come in.
    pub allowed: bool,
}

/// `sessionAffinity: ClientIP`. A client that is remembered keeps its endpoint; the one named is a new client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affinity {
    /// How long a client is remembered after its last connection, in seconds.
    pub timeout_seconds: u32,
    /// All ports of the Service share a client's endpoint.
    pub across_ports: bool,
}

/// An endpoint of the Service port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its pod.
    pub pod: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// Its share of new flows against its siblings.
    pub weight: u16,
    /// Why it takes no new flow of this client; `None`: it may.
    pub excluded: Option<Exclusion>,
    /// It is the one that this packet gets.
    pub chosen: bool,
    /// The way there; `None`: no route, or not asked since it is excluded.
    pub hop: Option<Hop>,
}

/// Why an endpoint takes no new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// It is not ready.
    NotReady,
    /// It is on its way out, and ready ones are left.
    Terminating,
    /// It is not local, and the policy is Local.
    NotLocal,
    /// Topology hints send this gateway's traffic to others.
    HintedElsewhere,
    /// The Service has more endpoints than are used.
    TooMany,
}

/// The source that the endpoint sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "nat", rename_all = "snake_case")]
pub enum Source {
    /// The client's own.
    Preserved,
    /// One of the gateway's.
    Translated {
        /// One of these addresses.
        addresses: Vec<IpAddr>,
        /// The lowest port.
        first_port: u16,
        /// The highest port.
        last_port: u16,
    },
}

/// A way through the routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The route's prefix.
    pub route: IpNet,
    /// The router, or the destination itself where it is on the link.
    pub next_hop: IpAddr,
    /// The port's name.
    pub port: String,
    /// The port's number.
    pub port_id: PortId,
    /// Whether the next hop's hardware address is known; else packets wait until it is.
    pub resolved: bool,
}
