//! Arguments of `sluice dns`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use hickory_proto::rr::RecordType;

use super::{ConfigFile, help, values};

/// What to do about DNS.
#[derive(Debug, Args)]
pub(crate) struct DnsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DnsCommand,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Check a Corefile, or a ConfigMap of CoreDNS or kube-dns, and print it in one spelling
    #[command(after_help = help::DNS_IMPORT)]
    Import(ImportArgs),
    /// Say what would be answered to a query, from which object, and why
    #[command(after_help = help::DNS_QUERY)]
    Query(QueryArgs),
    /// Ask another server what this gateway is asked, and say where it answers otherwise
    #[command(after_help = help::DNS_DIFF)]
    Diff(DiffArgs),
}

/// What to ask.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The name, whole; it needs no last dot
    pub name: String,
    /// The type: A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, …
    #[arg(default_value = "A", value_name = "TYPE", value_parser = values::record_type)]
    pub kind: RecordType,
    /// Who asks: a pod's address. Without it, somebody who may
    #[arg(long = "as", value_name = "ADDRESS")]
    pub client: Option<IpAddr>,
    /// The address that is asked, where addresses have clients of their own. Without it, one that has none
    #[arg(long = "at", value_name = "ADDRESS")]
    pub server: Option<IpAddr>,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Whom to compare with.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The other server; its port is 53 where none is given
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = values::server)]
    pub against: SocketAddr,
    /// What to ask, a name and perhaps a type on each line; `-` for the standard input. Without it, all names that the
    /// gateway has, in their types and some others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub names: Option<PathBuf>,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The Corefile, or the ConfigMap's manifest; `-` for the standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Manifest of the ConfigMap `coredns-custom`, which the Corefile of AKS and k3s imports
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub custom: Option<PathBuf>,
    /// What stands for a placeholder __PILLAR__NAME__ of NodeLocal DNSCache's template; NAME is DNS__DOMAIN, LOCAL__DNS,
    /// DNS__SERVER, CLUSTER__DNS or UPSTREAM__SERVERS
    #[arg(long = "pillar", value_name = "NAME=VALUE", value_parser = values::pillar)]
    pub pillars: Vec<(String, String)>,
}
