//! Services of the type ExternalName, which stand for names outside the cluster.
//!
//! Whoever may write Services could have the gateway speak to whatever it can reach: so only names that the configuration
//! lists are looked up at all, and only public addresses are taken, but for networks that it lists too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use sluice_model::http::{Upstream, UpstreamEndpoint, UpstreamName};

use super::Http;
use super::upstreams::Backends;

/// Names that are looked up at most.
const MOST: usize = 256;

/// Which names may be backends, and where they may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalRules {
    /// Names in lower case, or `*.` and a name for all that are below it.
    pub names: Vec<Box<str>>,
    /// Where they may lead although it is not public.
    pub networks: Vec<IpNet>,
}

/// What is known of names, and who wants to know.
#[derive(Debug, Default)]
pub(super) struct Externals {
    users: BTreeMap<Box<str>, BTreeSet<UpstreamName>>,
    known: BTreeMap<Box<str>, Result<Vec<IpAddr>, String>>,
}

impl ExternalRules {
    /// Whether a name may be a backend.
    fn allow(&self, name: &str) -> bool {
        self.names.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(below) => name.strip_suffix(below).is_some_and(|rest| !rest.is_empty()),
            None => **allowed == *name,
        })
    }
}

impl Externals {
    /// Keeps what names have come to, and forgets whose they are.
    pub(super) fn without_users(self) -> Self {
        Self { users: BTreeMap::new(), known: self.known }
    }

    fn drop(&mut self, upstream: &UpstreamName) {
        self.users.retain(|_, users| {
            users.remove(upstream);
            !users.is_empty()
        });
        let Self { users, known } = self;
        known.retain(|name, _| users.contains_key(name));
    }
}

impl Http {
    /// Names that have to be looked up.
    pub fn external_names(&self) -> impl Iterator<Item = &str> {
        self.externals.users.keys().map(|name| &**name)
    }

    /// What a name has come to: its addresses, or why it has none. True where that is news.
    pub fn set_external(&mut self, name: &str, outcome: Result<Vec<IpAddr>, String>) -> bool {
        let Some(users) = self.externals.users.get(name) else { return false };
        let news = self.externals.known.insert(name.into(), outcome.clone()) != Some(outcome);
        if news {
            self.dirty_upstreams.extend(users.iter().cloned());
        }
        news
    }

    /// The upstream of a Service's port, if it is of that type.
    pub(super) fn join_external(
        &mut self,
        name: &UpstreamName,
        backends: &Backends<'_>,
    ) -> Option<(Upstream, Option<String>)> {
        let found = backends.external(name);
        if found.is_none() || !self.users.contains_key(name) {
            if !self.externals.users.is_empty() {
                self.externals.drop(name);
            }
            return None;
        }
        let (external, port) = found?;
        let endpoints = port.and_then(|port| {
            self.use_external(name, external)?;
            self.external_endpoints(name, external, port, backends)
        });
        let (addresses, fault) = match endpoints {
            Ok(addresses) => (addresses, None),
            Err(fault) => {
                let message = format!("Service {} is of type ExternalName, {fault}", name.service);
                (BTreeSet::new(), Some(message))
            }
        };
        let endpoints = addresses.into_iter().map(|address| UpstreamEndpoint { address, pod: None });
        Some((Upstream { name: name.clone(), endpoints: endpoints.collect() }, fault))
    }

    fn use_external(&mut self, upstream: &UpstreamName, external: &str) -> Result<(), String> {
        let users = &mut self.externals.users;
        if users.get(external).is_none_or(|users| !users.contains(upstream)) {
            self.externals.drop(upstream);
        }
        let rules = self.rules.as_ref().map(|rules| &rules.external);
        if !rules.is_some_and(|rules| rules.allow(external)) {
            return Err(format!("and ingress.external_names does not allow `{external}`"));
        }
        let users = &mut self.externals.users;
        if users.len() >= MOST && !users.contains_key(external) {
            return Err(format!("and there are {MOST} others already"));
        }
        users.entry(external.into()).or_default().insert(upstream.clone());
        Ok(())
    }

    /// Where a name leads. One that has not been looked up leads where it did before.
    fn external_endpoints(
        &self,
        upstream: &UpstreamName,
        external: &str,
        port: u16,
        backends: &Backends<'_>,
    ) -> Result<BTreeSet<SocketAddr>, String> {
        let addresses = match self.externals.known.get(external) {
            Some(Ok(addresses)) => addresses.clone(),
            Some(Err(error)) => return Err(format!("and `{external}` has no address: {error}")),
            None => {
                let before =
                    self.upstreams.wanted.get(upstream).or_else(|| self.upstreams.told.get(upstream));
                let before = before.iter().flat_map(|before| &before.endpoints);
                before.map(|endpoint| endpoint.address.ip()).collect()
            }
        };
        let (good, bad): (Vec<IpAddr>, Vec<IpAddr>) = addresses
            .into_iter()
            .map(|address| address.to_canonical())
            .partition(|&address| self.may_lead_to(address, backends));
        match (good.is_empty(), bad.first()) {
            (true, Some(bad)) => Err(format!(
                "and `{external}` leads to {bad}, which is not public and in none of ingress.external_networks"
            )),
            _ => Ok(good.into_iter().map(|address| SocketAddr::new(address, port)).collect()),
        }
    }

    fn may_lead_to(&self, address: IpAddr, backends: &Backends<'_>) -> bool {
        let Some(rules) = &self.rules else { return false };
        let settings = &rules.settings;
        // To the gateway itself never: a request would go round and round.
        if settings.http.iter().chain(&settings.https).any(|own| own.ip() == address) {
            return false;
        }
        rules.external.networks.iter().any(|network| network.contains(&address))
            || (is_public(address) && !backends.has_address(address))
    }
}

impl Backends<'_> {
    /// The name that a Service stands for, and the number of its port.
    fn external(&self, name: &UpstreamName) -> Option<(&str, Result<u16, String>)> {
        let backend = self.services.get(&name.service)?.backend.as_ref()?;
        let external = backend.external.as_deref()?;
        // Such Services need not list their ports.
        let port = match (&name.port, self.number(name)) {
            (_, Some(number)) | (&sluice_model::http::UpstreamPort::Number(number), None) => Ok(number),
            _ => Err("and has no such port".to_owned()),
        };
        Some((external, port))
    }

    /// Whether a Service has the address.
    fn has_address(&self, address: IpAddr) -> bool {
        let mut services = self.services.values().filter_map(|object| object.service.as_ref());
        services.any(|service| {
            let all = [&service.cluster_ips, &service.external_ips, &service.load_balancer_ips];
            all.into_iter().any(|addresses| addresses.contains(&address))
        })
    }
}

/// Whether an address is one of the Internet's hosts (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        // RFC 6598: shared; RFC 6890: protocol assignments; RFC 7526: 6to4 relays; RFC 2544: benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let last = |at: usize| {
        let octets = address.octets();
        let four: Option<[u8; 4]> = octets.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.is_some_and(|four| is_public_v4(four.into()))
    };
    match (a, b) {
        // RFC 6052, RFC 3056: an address of IPv4 within.
        (0x64, 0xff9b) => address.segments().get(2..6) == Some(&[0; 4][..]) && last(12),
        (0x2002, _) => last(2),
        // RFC 2928 (Teredo and others), RFC 3849 and RFC 9637: no hosts, or not to be told whose.
        (0x2001, 0..0x200) | (0x2001, 0xdb8) | (0x3fff, 0..0x1000) => false,
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_those_of_hosts_on_the_internet() {
        for (address, public) in [
            ("1.1.1.1", true),
            ("203.0.114.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("127.0.0.53", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("192.0.0.8", false),
            ("198.18.0.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1", true),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2001::1", false),
            ("64:ff9b::101:101", true),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b:1::101:101", false),
            ("2002:7f00:1::", false),
            ("2002:101:101::", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn names_are_allowed_as_they_are_or_below_one() {
        let rules = ExternalRules { names: vec!["a.test".into(), "*.b.test".into()], networks: Vec::new() };
        for (name, allowed) in [
            ("a.test", true),
            ("x.a.test", false),
            ("b.test", false),
            ("x.b.test", true),
            ("y.x.b.test", true),
            (".b.test", false),
            ("xb.test", false),
            ("", false),
        ] {
            assert_eq!(rules.allow(name), allowed, "{name}");
        }
    }
}
