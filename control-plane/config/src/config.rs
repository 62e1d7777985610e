//! The validated configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use sluice_corefile::{HostZone, Selector};
use sluice_model::http::HttpSettings;
use sluice_model::{ResolverSettings, Settings};

/// A whole YAML file, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// `node`: this gateway's node name.
    pub node: Box<str>,
    /// `runtime_dir`: sockets and locks; on tmpfs. Absolute.
    pub runtime_dir: PathBuf,
    /// `state_dir`: files that outlive a process, such as flows; `runtime_dir` where not given. Absolute.
    pub state_dir: PathBuf,
    /// `group`: numeric id of a group whose members may use the sockets beside root and the process's own user.
    pub group: Option<u32>,
    /// `log`.
    pub log: Log,
    /// `dataplane`.
    pub dataplane: Dataplane,
    /// `source`.
    pub source: Source,
    /// `source.shrink_hold`, in seconds in the file: how long a state that lost over half of all endpoints in one step is
    /// held back before it is taken to be meant. Zero: not at all.
    pub shrink_hold: Duration,
    /// `node`, `zone`, `local_nodes` and `services`, in the model's form. `is_node` is false: only a Node object tells.
    pub settings: Settings,
    /// `services.load_balancer_class`: the `spec.loadBalancerClass` that is ours, beside none.
    pub load_balancer_class: Box<str>,
    /// `services.external_ips`: whether `spec.externalIPs` are served.
    pub external_ips: bool,
    /// `services.address_pools`: where addresses of LoadBalancer Services come from; none overlap.
    pub address_pools: Vec<AddressPool>,
    /// `metrics`.
    pub metrics: Metrics,
    /// `dns`, as far as control needs it; the rest is in `settings`.
    pub names: Option<Names>,
    /// `dns`, as far as names that are not the cluster's go, and how the role `sluice proxy` serves.
    pub resolver: Option<ResolverSettings>,
    /// `dns.corefile` or `dns.config_map`: what else there is to say of DNS stands there, and only what a Corefile has no word
    /// for is in `settings`.
    pub corefile: Option<Corefile>,
    /// `ingress`.
    pub ingress: Option<Ingress>,
}

impl Config {
    /// The socket on which control serves the feed.
    pub fn feed_socket(&self) -> PathBuf {
        self.runtime_dir.join("feed.sock")
    }

    /// The admin socket of a role: `control`, `dataplane`.
    pub fn admin_socket(&self, role: &str) -> PathBuf {
        self.runtime_dir.join(format!("{role}.sock"))
    }

    /// The folder of the configuration file, against which its relative paths were resolved.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// `ingress`: HTTP for Ingresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// `controller`: the `spec.controller` of IngressClasses that are ours.
    pub controller: Box<str>,
    /// `class`: the `kubernetes.io/ingress.class` that is ours whether or not there is such an IngressClass.
    pub class: Box<str>,
    /// `watch_without_class`: whether Ingresses that name no class are ours.
    pub watch_without_class: bool,
    /// `hsts`: for how many seconds browsers are to come by TLS only, where there is TLS; none: they are not told.
    pub hsts: Option<u64>,
    /// `default_certificate`, where it is in files.
    pub certificate: Option<CertificateFiles>,
    /// `session_tickets`: files with keys of session tickets, the one that seals first. Absolute.
    pub session_tickets: Vec<PathBuf>,
    /// `clients`: who may connect; empty: everybody.
    pub clients: Vec<IpNet>,
    /// `external_names`: what Services of the type ExternalName may stand for, in lower case: names, or `*.` and a name for all
    /// that are below it.
    pub external_names: Vec<Box<str>>,
    /// `external_networks`: where such names may lead although it is not public.
    pub external_networks: Vec<IpNet>,
    /// `secret_namespaces`: whose Secrets are read; empty: those of all namespaces.
    pub secret_namespaces: Vec<Box<str>>,
    /// `syn_rate`: connections that a client may begin in a second on each lcore; 0: no limit.
    pub syn_rate: u32,
    /// The rest, as the proxy takes it.
    pub settings: HttpSettings,
}

/// A certificate of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, in PEM. Absolute.
    pub certificate: PathBuf,
    /// The private key, in PEM. Absolute.
    pub key: PathBuf,
}

/// A Corefile in place of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corefile {
    /// Where it is.
    pub source: CorefileSource,
    /// `dns.refuse_private`, for all its upstreams.
    pub refuse_private: bool,
    /// `dns.pillars`: what stands for the placeholders of NodeLocal DNSCache's template.
    pub pillars: Vec<(Box<str>, Box<str>)>,
}

/// Where a Corefile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorefileSource {
    /// `dns.corefile`: a file. Absolute.
    File(PathBuf),
    /// `dns.config_map`: a ConfigMap of CoreDNS or kube-dns.
    ConfigMap {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
}

impl std::fmt::Display for CorefileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::ConfigMap { namespace, name } => write!(f, "ConfigMap {namespace}/{name}"),
        }
    }
}

/// Which objects have names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `dns.namespaces`: only these have; empty for all.
    pub namespaces: Vec<Box<str>>,
    /// `dns.namespace_labels`: only namespaces with such labels; empty for all.
    pub namespace_labels: Selector,
    /// `dns.labels`: only Services and pods with such labels; empty for all.
    pub labels: Selector,
    /// `dns.external_zones[].hosts`: whose hosts are the names of which domains.
    pub hosts: Vec<HostZone>,
}

/// `log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `level`.
    pub level: LogLevel,
    /// `format`.
    pub format: LogFormat,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops something.
    Error,
    /// What an operator should look at.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// Why it changed.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As it is written in the file, which is also how `tracing` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `dataplane`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataplane {
    /// `lcores`: CPUs that poll, at least one, none twice.
    pub lcores: Vec<u32>,
    /// `memory`, in MiB.
    pub memory_mib: u32,
    /// `huge_pages`.
    pub huge_pages: HugePages,
    /// `flows`, for each lcore.
    pub flows: u32,
    /// `idle`.
    pub idle: Idle,
    /// `ports`, at least one; their order numbers them.
    pub ports: Vec<Port>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `eal_arguments`.
    pub eal_arguments: Vec<String>,
}

/// `dataplane.huge_pages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Huge pages where enough are free, ordinary ones otherwise.
    #[default]
    Auto,
    /// Huge pages, or no start.
    Required,
    /// Ordinary pages.
    Never,
}

/// `dataplane.idle`: what a worker does while there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// Polls on: lowest latency, a whole CPU.
    #[default]
    Poll,
    /// Sleeps for some tens of microseconds after a while without packets.
    Sleep,
}

/// One of `dataplane.ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// `name`; the kernel interface is `sl-` and this.
    pub name: String,
    /// `device`: a PCI address or a DPDK virtual device, with its arguments.
    pub device: String,
    /// `queues`.
    pub queues: Queues,
    /// `addresses` with their prefix lengths; host bits are kept.
    pub addresses: Vec<IpNet>,
    /// `mtu` in bytes.
    pub mtu: u16,
}

/// `dataplane.ports[].queues`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queues {
    /// One for each lcore, or as many as the device has.
    #[default]
    Auto,
    /// This many.
    Count(u16),
}

/// One of `dataplane.routes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `to`, host bits clear.
    pub to: IpNet,
    /// `via`, of the same family.
    pub via: IpAddr,
    /// Index into [`Dataplane::ports`]: `port`, else the one on whose subnet `via` lies.
    pub port: usize,
}

/// `source`: where Kubernetes objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `manifests`: a folder of ordinary manifests, followed for changes. Absolute, or relative to the working directory
    /// where the file's own path is.
    Manifests(PathBuf),
    /// `kubernetes`: an API server.
    Kubernetes(Kubernetes),
}

/// `source.kubernetes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// `kubeconfig`: a file; none: the credentials that a pod has. Absolute.
    pub kubeconfig: Option<PathBuf>,
    /// `context`: one of the kubeconfig's; none: its current one.
    pub context: Option<String>,
    /// `namespace`: where the Lease of who writes statuses lies.
    pub namespace: Box<str>,
    /// `streaming_lists`: whether first states are asked for as watches (Kubernetes 1.34 and later).
    pub streaming_lists: bool,
    /// `state_max_age`, in seconds in the file: a saved state that is older is not served; none: of any age.
    pub state_max_age: Option<Duration>,
}

/// One of `services.address_pools`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPool {
    /// `name`, unlike any other's.
    pub name: Box<str>,
    /// `addresses`: first and last of each range, of one family; sorted, none overlap.
    pub ranges: Vec<(IpAddr, IpAddr)>,
    /// `namespaces` whose Services may have addresses of it; empty: all.
    pub namespaces: Vec<Box<str>>,
    /// `labels` that a Service must have; empty: none.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// `automatic`: given to Services that ask for no address and no pool.
    pub automatic: bool,
}

/// `metrics`: where each role serves its metrics and its health; none: nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `dataplane`.
    pub dataplane: Option<SocketAddr>,
    /// `control`.
    pub control: Option<SocketAddr>,
    /// `proxy`.
    pub proxy: Option<SocketAddr>,
}
