//! `acl`, `dns64`, `header`, `local`: what counts who asks, and what changes replies.

use ipnet::IpNet;
use sluice_model::resolver::{self, HeaderBits};
use sluice_model::{DnsSettings, Elsewhere};

use super::elsewhere::Found;
use super::{Run, texts};
use crate::corefile::{Placed, Server};
use crate::plugins::{Acl, AclAction, AclPolicy, Dns64, Header, HeaderFlag, Local, Plugin};
use crate::zone::Zone;

/// AAAA.
const AAAA: u16 = 28;
/// What `local` answers whole, beside names that begin with `localhost`.
const LOCAL: [&str; 4] = ["localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa."];

pub(super) fn acl(acl: &Acl) -> resolver::Acl {
    let policy = |policy: &AclPolicy| resolver::AclPolicy {
        action: match policy.action {
            AclAction::Allow => resolver::AclAction::Allow,
            AclAction::Block => resolver::AclAction::Block,
            AclAction::Filter => resolver::AclAction::Filter,
            AclAction::Drop => resolver::AclAction::Drop,
        },
        types: policy.types.iter().map(|kind| kind.0).collect(),
        networks: policy.networks.clone(),
    };
    resolver::Acl { zones: texts(&acl.zones), policies: acl.policies.iter().map(policy).collect() }
}

pub(super) fn dns64(dns64: &Dns64) -> resolver::Dns64 {
    resolver::Dns64 { prefix: dns64.prefix, all: dns64.translate_all, ipv4: dns64.allow_ipv4 }
}

/// Whether replies of the server depend on more than what is asked, so that none may be kept for another client.
pub(super) fn tells_apart(server: &Server) -> bool {
    server.plugins.iter().any(|placed| match &placed.plugin {
        Plugin::Dns64(dns64) => !dns64.allow_ipv4,
        // What is kept is given with the bits of any answer that was kept.
        Plugin::Header(header) => !header.response.is_empty(),
        _ => false,
    })
}

impl Run<'_> {
    pub(super) fn header(&mut self, header: &Header, placed: &Placed) -> HeaderBits {
        let mut bits = HeaderBits::default();
        for rule in &header.query {
            match rule.flag {
                HeaderFlag::RecursionDesired => bits.desired = Some(rule.set),
                _ => self
                    .warn(placed.line("query"), "AA and RA of queries have no effect: nothing looks at them"),
            }
        }
        for rule in &header.response {
            let bit = match rule.flag {
                HeaderFlag::Authoritative => &mut bits.authoritative,
                HeaderFlag::RecursionAvailable => &mut bits.available,
                HeaderFlag::RecursionDesired => &mut bits.told_desired,
            };
            *bit = Some(rule.set);
        }
        bits
    }

    /// Queries that may be forbidden, of whatever server: the resolver looks at the rules, and at nothing that it has answered
    /// to others. Whoever is allowed everything before is asked about nothing.
    pub(super) fn of_acls(&self, server: &Server, found: &mut Found) {
        let mut before: Vec<(&Zone, &AclPolicy)> = Vec::new();
        for placed in &server.plugins {
            let Plugin::Acl(acl) = &placed.plugin else { continue };
            for policy in &acl.policies {
                for zone in &acl.zones {
                    if policy.action == AclAction::Allow {
                        // One for some types is left to the resolver, as are the queries that it allows.
                        before.extend(policy.types.is_empty().then_some((zone, policy)));
                        continue;
                    }
                    let allowed = || before.iter().filter(|(wide, _)| wide.contains(zone));
                    if allowed().any(|(_, policy)| policy.networks.is_empty()) {
                        continue;
                    }
                    let except: Vec<IpNet> =
                        allowed().flat_map(|(_, policy)| &policy.networks).copied().collect();
                    let every = policy.types.is_empty().then_some(None);
                    for kind in every.into_iter().chain(policy.types.iter().map(|kind| Some(kind.0))) {
                        let clients = policy.networks.clone();
                        found.some(
                            zone,
                            Elsewhere { kind, clients, except: except.clone(), ..Elsewhere::default() },
                        );
                    }
                }
            }
        }
    }

    pub(super) fn of_dns64(&self, dns64: &Dns64, found: &mut Found) {
        let v6 = IpNet::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 0).ok();
        let clients: Vec<IpNet> = v6.into_iter().filter(|_| !dns64.allow_ipv4).collect();
        for zone in found.zones().iter().filter(|zone| !zone.is_reverse()) {
            let setting = Elsewhere { kind: Some(AAAA), clients: clients.clone(), ..Elsewhere::default() };
            found.some(zone, setting);
        }
    }

    pub(super) fn of_local(&self, local: Local, found: &mut Found, dns: &mut DnsSettings) {
        for zone in LOCAL.iter().filter_map(|zone| Zone::parse(zone).ok()) {
            if found.is_within(&zone) {
                found.some(&zone, Elsewhere::default());
            }
        }
        dns.localhost |= local.localhost_prefix;
    }

    pub(super) fn of_header(&mut self, header: &Header, placed: &Placed, found: &mut Found) {
        if !header.response.is_empty() {
            found.everywhere(None);
            self.warn(
                placed.line("response"),
                "this rule is for the cluster's names, too: the resolver answers them all, and not the lcore",
            );
        }
        if header.query.iter().any(|rule| rule.flag == HeaderFlag::RecursionDesired) {
            self.note(
                placed.line("query"),
                "RD of queries for names of the cluster is copied to replies as it comes",
            );
        }
    }
}
