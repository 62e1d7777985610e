//! The command line.

mod dns;
mod help;
mod roles;
mod show;
pub(crate) mod values;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ipnet::IpNet;
use sluice_model::Protocol;
use sluice_proxy::admin::protocol::HttpQuery;

pub(crate) use dns::{DiffArgs, DnsArgs, DnsCommand, ImportArgs, QueryArgs};
pub(crate) use roles::{CheckArgs, ConfigFile, LogArgs, LogFormat, RoleArgs, RunArgs};
pub(crate) use show::{CounterFilter, FlowFilter, Show, ShowArgs, ShowDns, ShowHttp, What};

/// Sluice, a Kubernetes edge gateway on DPDK.
///
/// Forwards NodePort, LoadBalancer and ClusterIP traffic at the border of a cluster: one YAML file says which ports and
/// cores it has and where the Kubernetes objects come from.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true, after_help = help::SLUICE, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Where and how; for all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// How data is printed: table, json (with stable field names) or yaml (with the same ones)
    #[arg(short = 'o', long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    #[arg(hide_possible_values = true)]
    pub output: Format,
    /// Folder of the daemon's sockets, where no configuration tells it [default: /run/sluice]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub runtime_dir: Option<PathBuf>,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people
    #[default]
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole gateway in the foreground
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Run the packet path alone
    #[command(after_help = help::DATAPLANE)]
    Dataplane(RoleArgs),
    /// Run the control plane alone
    #[command(after_help = help::CONTROL)]
    Control(RoleArgs),
    /// Run the proxy alone: HTTP, DNS over TCP, and names that are not the cluster's
    #[command(after_help = help::PROXY)]
    Proxy(RoleArgs),
    /// Check a configuration and the manifests it names, without starting anything
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Cluster DNS: what is answered and why, how that differs from others, what CoreDNS is configured with
    #[command(after_help = help::DNS)]
    Dns(DnsArgs),
    /// Look at the machine: what is missing for DPDK, and how to mend it
    #[command(after_help = help::DOCTOR)]
    Doctor(ConfigFile),
    /// Show what a running gateway knows
    #[command(after_help = help::SHOW)]
    Show(ShowArgs),
    /// Let a loss of endpoints through that control holds back
    #[command(after_help = help::RELEASE)]
    Release(ConfigFile),
    /// Say what would happen to a packet or a request, and why
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Watch live packets on their way through
    #[command(after_help = help::TRACE)]
    Trace(TraceArgs),
    /// Say which releases these are
    #[command(after_help = help::VERSION)]
    Version(ConfigFile),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
        /// Write the script into this folder, under the name that the shell expects
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Write the manual pages into a folder
    #[command(after_help = help::MAN)]
    Man {
        /// The folder; without it, the page of `sluice` itself goes to the standard output
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// What to explain.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExplainArgs {
    /// A packet.
    #[command(flatten)]
    pub packet: PacketArgs,
    /// Something else.
    #[command(subcommand)]
    pub what: Option<ExplainWhat>,
}

/// What else to explain.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainWhat {
    /// Say what would become of a request for a URL, and why: host, route, upstream
    #[command(after_help = help::EXPLAIN_HTTP)]
    Http(ExplainHttpArgs),
}

/// A request to explain.
#[derive(Debug, Args)]
pub(crate) struct ExplainHttpArgs {
    /// What is asked for, such as https://shop.example/cart
    #[arg(value_parser = values::url)]
    pub url: HttpQuery,
    /// Who asks; without, somebody whom every route lets in
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<IpAddr>,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// A packet to explain. All of it is there where there is no subcommand.
#[derive(Debug, Args)]
pub(crate) struct PacketArgs {
    /// Its source address
    #[arg(required = true)]
    pub source: Option<IpAddr>,
    /// Its destination address
    #[arg(required = true)]
    pub destination: Option<IpAddr>,
    /// Its transport: tcp, udp or sctp
    #[arg(required = true, value_parser = values::protocol)]
    pub protocol: Option<Protocol>,
    /// Its destination port
    #[arg(required = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Its source port, on which the choice of the endpoint depends
    #[arg(long, value_name = "PORT")]
    pub sport: Option<u16>,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Packets to trace.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// Only packets from this address or network
    #[arg(long, value_name = "ADDRESS", value_parser = values::network)]
    pub src: Option<IpNet>,
    /// Only packets to this address or network
    #[arg(long, value_name = "ADDRESS", value_parser = values::network)]
    pub dst: Option<IpNet>,
    /// Only packets of this transport: tcp, udp, sctp, icmp, icmpv6 or a number
    #[arg(long, value_name = "PROTOCOL", value_parser = values::protocol_number)]
    pub proto: Option<u8>,
    /// Only packets with this source or destination port
    #[arg(long)]
    pub port: Option<u16>,
    /// End after so many packets
    #[arg(long, short = 'n', default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// End after so many seconds
    #[arg(long, short = 's', default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Which gateway to ask.
    #[command(flatten)]
    pub config: ConfigFile,
}

#[cfg(test)]
mod tests;
