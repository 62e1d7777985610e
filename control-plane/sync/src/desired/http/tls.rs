//! Server names: what TLS connections for a name come to.

use sluice_model::http::{HostPattern, ServerName, TlsAction};

use super::Http;
use super::claims::{problem, routes};
use super::index::{wildcard_of, www_of};
use crate::object::ingress::{Backend, IngressObject};
use crate::{Level, Problem};

impl Http {
    /// What TLS connections for these names come to, and who wanted something else.
    ///
    /// A name in an entry's `hosts` goes before one that only follows: from a rule of an Ingress with an entry without
    /// hosts, from an alias.
    pub(super) fn join_name(&self, host: &HostPattern) -> (Option<ServerName>, Vec<Problem>) {
        let claimants = self.claimants(host);
        let mut explicit = claimants.iter().filter_map(|it| Some((*it, explicit(it, host)?)));
        let Some((winner, action)) = explicit.next() else {
            let implied = claimants.iter().find_map(|ingress| implied(ingress, host));
            return (implied.map(|action| ServerName { host: host.clone(), action }), Vec::new());
        };
        let losers = explicit.filter(|(_, other)| *other != action);
        let problems = losers.map(|(loser, _)| {
            let message = format!("{host} has another certificate in Ingress {}, which counts", winner.name);
            problem(loser, Level::Error, "spec.tls", message)
        });
        let problems = problems.collect();
        (Some(ServerName { host: host.clone(), action }), problems)
    }

    /// Whether connections for this host may come by TLS under a certificate that was meant for it.
    pub(super) fn has_tls(&self, host: &HostPattern) -> bool {
        let own = self.join_name(host).0;
        let name = own.or_else(|| self.join_name(&wildcard_of(host)?).0);
        name.is_some_and(|name| matches!(name.action, TlsAction::Terminate(_)))
    }
}

/// What an Ingress says of a host outright.
fn explicit(ingress: &IngressObject, host: &HostPattern) -> Option<TlsAction> {
    if ingress.options.passthrough && routes(ingress, host) {
        let rules = ingress.rules.iter().filter(|rule| rule.host == *host);
        let paths: Vec<_> = rules.flat_map(|rule| &rule.paths).collect();
        let root = paths.iter().find(|path| &*path.path == "/").or(paths.first());
        let backend = root.map(|path| &path.backend).or(ingress.default_backend.as_ref());
        if let Some(Backend::Service(upstream)) = backend {
            let proxy_protocol = ingress.options.policy.proxy_protocol;
            return Some(TlsAction::Passthrough { upstream: upstream.clone(), proxy_protocol });
        }
    }
    let entry = ingress.tls.iter().find(|entry| entry.hosts.contains(host))?;
    Some(TlsAction::Terminate(entry.secret.clone()))
}

/// What follows for a host from what an Ingress says of others.
fn implied(ingress: &IngressObject, host: &HostPattern) -> Option<TlsAction> {
    let open = ingress.tls.iter().find(|entry| entry.hosts.is_empty());
    if let Some(open) = open
        && (*host == HostPattern::Any || ingress.rules.iter().any(|rule| rule.host == *host))
    {
        return Some(TlsAction::Terminate(open.secret.clone()));
    }
    let options = &ingress.options;
    let alias_of = ingress.rules.first().filter(|_| options.aliases.contains(host)).map(|rule| &rule.host);
    let mut followed = ingress.rules.iter().map(|rule| &rule.host);
    let followed = followed.find(|of| options.www_redirect && www_of(of).as_ref() == Some(host));
    let followed = alias_of.or(followed)?;
    let entry = ingress.tls.iter().find(|entry| entry.hosts.contains(followed)).or(open)?;
    Some(TlsAction::Terminate(entry.secret.clone()))
}
