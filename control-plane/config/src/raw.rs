//! The file's schema. Scalars keep their place and are read by the checks, which know better words for what is wrong.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

pub(crate) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub node: Text,
    pub zone: Option<Text>,
    #[serde(default)]
    pub local_nodes: Vec<Text>,
    pub runtime_dir: Option<Text>,
    pub state_dir: Option<Text>,
    pub group: Option<Spanned<u32>>,
    #[serde(default)]
    pub log: Log,
    pub dataplane: Spanned<Dataplane>,
    pub source: Spanned<Source>,
    #[serde(default)]
    pub services: Services,
    #[serde(default)]
    pub metrics: Metrics,
    pub dns: Option<Spanned<Dns>>,
    pub ingress: Option<Spanned<Ingress>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ingress {
    pub addresses: Vec<Text>,
    pub http_port: Option<Spanned<u64>>,
    pub https_port: Option<Spanned<u64>>,
    pub class: Option<Text>,
    pub controller: Option<Text>,
    pub watch_without_class: Option<bool>,
    pub clients: Vec<Text>,
    pub syn_rate: Option<Spanned<u64>>,
    pub default_certificate: Option<Spanned<DefaultCertificate>>,
    pub session_tickets: Vec<Text>,
    pub tls_minimum: Option<Text>,
    pub hsts: Option<Spanned<u64>>,
    pub http2: Option<bool>,
    pub trusted_proxies: Vec<Text>,
    pub proxy_protocol: Vec<Text>,
    pub external_names: Vec<Text>,
    pub external_networks: Vec<Text>,
    pub secret_namespaces: Vec<Text>,
    pub limits: HttpLimits,
    pub access_log: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultCertificate {
    pub secret: Option<Text>,
    pub certificate: Option<Text>,
    pub key: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpLimits {
    pub head: Option<Spanned<u64>>,
    pub connections: Option<Spanned<u64>>,
    pub keep_alive: Option<Spanned<u64>>,
    pub head_timeout: Option<Spanned<u64>>,
    pub body_timeout: Option<Spanned<u64>>,
    pub drain: Option<Spanned<u64>>,
    pub passthrough: Option<Spanned<u64>>,
    pub upstream_idle: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    pub corefile: Option<Text>,
    pub config_map: Option<Text>,
    pub pillars: std::collections::BTreeMap<String, Text>,
    pub addresses: Vec<Spanned<DnsAddress>>,
    pub service: Option<Text>,
    pub clients: Option<Vec<Text>>,
    pub recursion: Option<bool>,
    pub cluster_zones: Option<bool>,
    pub zones: Option<Vec<Text>>,
    pub multicluster_zones: Vec<Text>,
    pub reverse_zones: Option<Vec<Text>>,
    pub external_zones: Vec<Spanned<ExternalZone>>,
    pub namespaces: Vec<Text>,
    pub namespace_labels: Option<Text>,
    pub labels: Option<Text>,
    pub visibility: Vec<Spanned<Visibility>>,
    pub suppress_aaaa: Vec<Text>,
    pub ttl: Option<Spanned<u64>>,
    pub negative_ttl: Option<Spanned<u64>>,
    pub pods: Option<Text>,
    pub mode: Option<Text>,
    pub endpoint_pod_names: Option<Spanned<bool>>,
    pub hide_empty_services: Option<Spanned<bool>>,
    pub endpoints: Option<Spanned<bool>>,
    pub zonal: Option<Spanned<bool>>,
    pub max_udp_size: Option<Spanned<u64>>,
    pub cookie_secret: Option<Text>,
    pub rate_limit: Option<RateLimit>,
    pub fallthrough: Vec<Text>,
    pub upstreams: Vec<Text>,
    pub stub_zones: Vec<Spanned<StubZone>>,
    pub cache: Option<Spanned<bool>>,
    pub refuse_private: Option<bool>,
    pub health: Option<Text>,
    pub ready: Option<Text>,
    pub lameduck: Option<Spanned<u64>>,
    pub log: Option<DnsLog>,
    pub nsid: Option<Text>,
    pub tls: Option<Spanned<Secure>>,
    pub https: Option<Spanned<Secure>>,
    pub transfer: Vec<Text>,
    pub autopath: Option<Spanned<bool>>,
}

/// An address, alone or with what holds at it. Which of both it is shows before anything is read, so that places and names of
/// keys are not lost, as they are in an untagged enum.
#[derive(Debug)]
pub(crate) enum DnsAddress {
    Plain(String),
    Own(Box<OwnAddress>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OwnAddress {
    pub address: Option<Text>,
    pub clients: Option<Spanned<Vec<Text>>>,
    pub recursion: Option<bool>,
    pub cluster_zones: Option<bool>,
}

impl<'de> Deserialize<'de> for DnsAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = DnsAddress;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an address, or a mapping of `address`, `clients`, `recursion` and `cluster_zones`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DnsAddress, E> {
                Ok(DnsAddress::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DnsAddress, A::Error> {
                let own = OwnAddress::deserialize(MapAccessDeserializer::new(map))?;
                Ok(DnsAddress::Own(Box::new(own)))
            }
        }

        from.deserialize_any(Either)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExternalZone {
    pub zone: Option<Text>,
    pub ttl: Option<Spanned<u64>>,
    pub apex: Option<Text>,
    pub headless: bool,
    pub hosts: Vec<Text>,
    pub secondary: Option<Text>,
    pub ingress_classes: Vec<Text>,
    pub service_labels: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RateLimit {
    pub per_second: Option<Spanned<u64>>,
    pub slip: Option<Spanned<u64>>,
    pub exempt: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsLog {
    pub file: Option<Text>,
    pub sample: Option<Spanned<u64>>,
    pub rate: Option<Spanned<u64>>,
    pub zones: Vec<Text>,
    pub classes: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secure {
    pub addresses: Vec<Text>,
    pub certificate: Option<Text>,
    pub key: Option<Text>,
    pub path: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Visibility {
    pub namespaces: Vec<Text>,
    pub clients: Vec<Text>,
    pub see: Option<Vec<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StubZone {
    pub zone: Text,
    pub upstreams: Vec<Text>,
    #[serde(default)]
    pub namespaces: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub level: Option<Text>,
    pub format: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dataplane {
    pub lcores: Spanned<Vec<Spanned<u32>>>,
    pub memory: Option<Text>,
    pub huge_pages: Option<Text>,
    pub flows: Option<Spanned<u64>>,
    pub idle: Option<Text>,
    pub ports: Spanned<Vec<Spanned<Port>>>,
    #[serde(default)]
    pub routes: Vec<Spanned<Route>>,
    #[serde(default)]
    pub eal_arguments: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Port {
    pub name: Text,
    pub device: Text,
    pub queues: Option<Text>,
    #[serde(default)]
    pub addresses: Vec<Text>,
    pub mtu: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub to: Text,
    pub via: Text,
    pub port: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub manifests: Option<Text>,
    pub kubernetes: Option<Spanned<Kubernetes>>,
    pub shrink_hold: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kubernetes {
    pub kubeconfig: Option<Text>,
    pub context: Option<Text>,
    pub namespace: Option<Text>,
    pub streaming_lists: Option<bool>,
    pub state_max_age: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    pub proxy: Option<Text>,
    pub dataplane: Option<Text>,
    pub control: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    pub name: Text,
    pub addresses: Spanned<Vec<Text>>,
    #[serde(default)]
    pub namespaces: Vec<Text>,
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, Text>,
    pub automatic: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Services {
    pub node_port_addresses: Vec<Text>,
    pub cluster_cidrs: Vec<Text>,
    pub service_cidrs: Vec<Text>,
    pub snat: Snat,
    pub load_balancer_class: Option<Text>,
    pub external_ips: Option<bool>,
    pub address_pools: Vec<Spanned<Pool>>,
    pub mss_clamp: Option<Spanned<u64>>,
    pub timeouts: Timeouts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Snat {
    pub addresses: Option<Spanned<OneOrMany>>,
    pub ports: Option<Text>,
}

/// `auto`, or a list. Inside an untagged enum places are lost, so there is one around it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    pub tcp_handshake: Option<Spanned<u64>>,
    pub tcp_established: Option<Spanned<u64>>,
    pub tcp_closing: Option<Spanned<u64>>,
    pub udp_one_way: Option<Spanned<u64>>,
    pub udp: Option<Spanned<u64>>,
    pub sctp: Option<Spanned<u64>>,
}
