//! Arguments of `show`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use sluice_model::Protocol;

use super::{ConfigFile, values};

/// What to show, and whether again and again.
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ShowArgs {
    /// Show it again every so many seconds, until Ctrl-C
    #[arg(long, short = 'w', global = true, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub watch: Option<u16>,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: GlobalConfigFile,
    /// What to show.
    #[command(subcommand)]
    pub what: Show,
}

/// [`ConfigFile`], accepted behind the subcommand too.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GlobalConfigFile {
    /// The gateway's configuration
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = "SLUICE_CONFIG",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    config: Option<std::path::PathBuf>,
}

impl From<GlobalConfigFile> for ConfigFile {
    fn from(file: GlobalConfigFile) -> Self {
        Self { config: file.config }
    }
}

/// The tables.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Show {
    /// How the packet path is: generation, flows, buffers, conflicts
    Status,
    /// What control knows, has published, and who has it
    Sync,
    /// What is wrong with manifests and Services, by file and line
    Problems,
    /// Services and the addresses they are reached at
    #[command(visible_alias = "service")]
    Services(What),
    /// Endpoints of the Services, with their conditions
    #[command(visible_alias = "endpoints")]
    Backends(What),
    /// Connections: client, frontend, source the backend sees, backend
    Flows(FlowFilter),
    /// Ports: device, driver, link, addresses, packets
    Ports,
    /// Routes taken over from Linux
    Routes,
    /// Neighbours taken over from Linux (ARP and ND)
    #[command(visible_alias = "neighbors")]
    Neighbours,
    /// Packets by what became of them, every drop under its reason
    Counters(CounterFilter),
    /// Polling cores: load, packets, flows
    Lcores,
    /// HTTP: routes, certificates, upstreams
    #[command(subcommand, arg_required_else_help = true)]
    Http(ShowHttp),
    /// DNS: zones, and what is known and asked of others
    #[command(subcommand, arg_required_else_help = true)]
    Dns(ShowDns),
}

/// The tables of HTTP.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ShowHttp {
    /// Routes: host, path, where requests go, and the object that says so
    Routes {
        /// Only those of this host, as it is listed
        #[arg(value_name = "HOST")]
        host: Option<String>,
    },
    /// Certificates: names, the end of their validity, and whom they are shown to
    Certificates,
    /// Endpoints that requests go to: health, requests in flight
    Upstreams,
}

/// The tables of DNS.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ShowDns {
    /// Zones answered on the lcores: names, serial, addresses, generation
    Zones,
    /// Who asks most, as estimated on the lcores: clients, their pods, sums of namespaces
    Clients,
    /// The resolver's cache, zone by zone: entries, memory, hits, misses
    Cache,
    /// Servers asked for other names: health, questions, failures, times
    Upstreams,
}

/// Which connections.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FlowFilter {
    /// Only those with this address at one end, before or after translation
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<IpAddr>,
    /// Only those with this port at one end, before or after translation
    #[arg(long)]
    pub port: Option<u16>,
    /// Only those of this transport: tcp, udp or sctp
    #[arg(long, value_name = "PROTOCOL", value_parser = values::protocol)]
    pub proto: Option<Protocol>,
    /// Only those of this Service, as NAMESPACE/NAME
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
}

impl FlowFilter {
    /// Whether the address is all that it asks about.
    pub(crate) fn is_by_address(&self) -> bool {
        self.port.is_none() && self.proto.is_none() && self.service.is_none()
    }
}

/// Which counters.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CounterFilter {
    /// Those that stand at zero too
    #[arg(long, short)]
    pub all: bool,
    /// A column for each lcore
    #[arg(long)]
    pub per_lcore: bool,
    /// Only those whose name contains this
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Which Services.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct What {
    /// Only this namespace
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Only the Service of this name, which may be given as NAMESPACE/NAME
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

impl What {
    /// Namespace and name, whichever way they were given.
    pub(crate) fn parts(&self) -> (Option<String>, Option<String>) {
        match self.name.as_deref().and_then(|name| name.split_once('/')) {
            Some((namespace, name)) => (Some(namespace.to_owned()), Some(name.to_owned())),
            None => (self.namespace.clone(), self.name.clone()),
        }
    }
}
