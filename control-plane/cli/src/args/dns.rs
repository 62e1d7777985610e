//! Arguments of `sluice dns`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{help, values};

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
