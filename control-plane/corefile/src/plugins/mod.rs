//! The plugins: what each takes, what it is by default, and how it is written.

mod acl;
mod answers;
mod balance;
mod bare;
mod bind;
mod cache;
mod endpoints;
mod errors;
mod forward;
mod hosts;
mod k8s_external;
mod kubernetes;
mod listeners;
mod log;
mod observe;
mod rewrite;
mod support;
mod template;
mod transfer;
mod view;
mod zonefile;

pub use acl::{Acl, AclAction, AclPolicy};
pub use answers::{Cancel, Chaos, Dns64, Header, HeaderFlag, HeaderRule, Local, Nsid};
pub use balance::{Loadbalance, Reload};
pub use bare::{Any, Debug, Loop, Minimal, Shed, Whoami};
pub use bind::{Bind, Bufsize};
pub use cache::{Cache, Keep, Prefetch, ServeStale};
pub use endpoints::{Health, Prometheus, Ready};
pub use errors::{Consolidate, Errors, LogLevel};
pub use forward::{Forward, HealthCheck, Host as UpstreamHost, Policy, Upstream, UpstreamError, UpstreamTls};
pub use hosts::{Host, Hosts};
pub use k8s_external::{K8sExternal, K8sGateway};
pub use kubernetes::{ClientTls, Kubernetes, PodMode};
pub use listeners::{ClientAuth, Limits, Multisocket, Timeouts, Tls};
pub use log::{COMBINED, COMMON, Log, LogClass};
pub use observe::{Dnstap, Pprof};
pub use rewrite::{
    AnswerRule, CnameRule, Edns0, Edns0Action, Edns0Data, Match, NameRule, RcodeRule, Rewrite, Rule, TtlRule,
};
pub(crate) use support::special;
pub use support::{Support, support};
pub use template::{Part, Template, Text, TextError};
pub use transfer::{Autopath, SearchPath, Transfer};
pub use view::{Metadata, View};
pub use zonefile::{Auto, File, Root, Secondary};

use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// What a second directive of the same name in one server block means to CoreDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// An error.
    Once,
    /// Nothing: the first one holds.
    First,
    /// The first one does not hold any more.
    Last,
    /// One more.
    Many,
}

/// How a plugin is read.
pub(crate) trait Read {
    /// What a second one means.
    const REPEAT: Repeat;

    /// Reads it; where something is wrong with it, that is told and what is returned is not used.
    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self;
}

/// How a plugin is written: so that reading gives the same.
pub(crate) trait Write {
    /// Writes it into a server block with these zones.
    fn write(&self, stanza: &mut Stanza, server: &[Zone]);
}

macro_rules! plugins {
    ($($(#[$doc:meta])* $name:literal $variant:ident($type:ty);)*) => {
        /// A plugin with its options, in the order of CoreDNS's `plugin.cfg`, in which queries pass them.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Plugin { $( $(#[$doc])* $variant($type), )* }

        /// The names of all plugins that are read, in their order.
        pub const NAMES: &[&str] = &[$($name),*];

        impl Plugin {
            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $name, )* }
            }

            /// Its place in the order, and what a second one means; `None` for names that are not known.
            pub(crate) fn order(name: &str) -> Option<(usize, Repeat)> {
                let order = NAMES.iter().position(|known| *known == name)?;
                let repeat = match name { $( $name => <$type as Read>::REPEAT, )* _ => return None };
                Some((order, repeat))
            }

            pub(crate) fn read(directive: &Directive, reader: &mut Reader<'_>) -> Option<Self> {
                Some(match directive.name.text.as_str() {
                    $( $name => Self::$variant(<$type as Read>::read(directive, reader)), )*
                    "proxy" => Self::Forward(forward::read_proxy(directive, reader)),
                    _ => return None,
                })
            }

            pub(crate) fn stanza(&self, server: &[Zone]) -> Stanza {
                let mut stanza = Stanza::new(self.name());
                match self { $( Self::$variant(plugin) => plugin.write(&mut stanza, server), )* }
                stanza
            }
        }
    };
}

plugins! {
    /// The folder of relative paths.
    "root" Root(Root);
    /// What is known about a query.
    "metadata" Metadata(Metadata);
    /// The time a query may take.
    "cancel" Cancel(Cancel);
    /// Limits of QUIC.
    "quic" Quic(Limits);
    /// Limits of gRPC.
    "grpc_server" GrpcServer(Limits);
    /// Limits of HTTPS.
    "https" Https(Limits);
    /// Limits of HTTP/3.
    "https3" Https3(Limits);
    /// Times that connections are waited for.
    "timeouts" Timeouts(Timeouts);
    /// Sockets of a listener.
    "multisocket" Multisocket(Multisocket);
    /// Reading the Corefile again.
    "reload" Reload(Reload);
    /// Which server answered.
    "nsid" Nsid(Nsid);
    /// The largest message.
    "bufsize" Bufsize(Bufsize);
    /// Where to listen.
    "bind" Bind(Bind);
    /// Nothing, here.
    "debug" Debug(Debug);
    /// Whether queries can be answered.
    "ready" Ready(Ready);
    /// Whether the process lives.
    "health" Health(Health);
    /// Nothing, here.
    "pprof" Pprof(Pprof);
    /// Dropping queries early.
    "shed" Shed(Shed);
    /// Metrics.
    "prometheus" Prometheus(Prometheus);
    /// Logging what goes wrong.
    "errors" Errors(Errors);
    /// Logging queries.
    "log" Log(Log);
    /// Sending queries to a collector.
    "dnstap" Dnstap(Dnstap);
    /// `localhost` and its like.
    "local" Local(Local);
    /// IPv6 addresses for IPv4 hosts.
    "dns64" Dns64(Dns64);
    /// Queries for ANY.
    "any" Any(Any);
    /// Class CH.
    "chaos" Chaos(Chaos);
    /// The order of addresses.
    "loadbalance" Loadbalance(Loadbalance);
    /// Changes on the way.
    "rewrite" Rewrite(Rewrite);
    /// Search paths.
    "autopath" Autopath(Autopath);
    /// Who may ask what.
    "acl" Acl(Acl);
    /// Kept answers.
    "cache" Cache(Cache);
    /// Bits of the header.
    "header" Header(Header);
    /// Who this server is.
    "tls" Tls(Tls);
    /// Short replies.
    "minimal" Minimal(Minimal);
    /// Answers made from questions.
    "template" Template(Template);
    /// Copies of zones for others.
    "transfer" Transfer(Transfer);
    /// Names from a hosts file.
    "hosts" Hosts(Hosts);
    /// Hosts of Ingresses and routes.
    "k8s_gateway" K8sGateway(K8sGateway);
    /// Services for the outside.
    "k8s_external" K8sExternal(K8sExternal);
    /// The cluster's names.
    "kubernetes" Kubernetes(Kubernetes);
    /// Zone files.
    "file" File(File);
    /// A folder of zone files.
    "auto" Auto(Auto);
    /// Copies of others' zones.
    "secondary" Secondary(Secondary);
    /// Forwarding in circles.
    "loop" Loop(Loop);
    /// Names that others answer.
    "forward" Forward(Forward);
    /// The client's own address.
    "whoami" Whoami(Whoami);
    /// For some queries only.
    "view" View(View);
}
