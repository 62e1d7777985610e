//! Who may ask at which address, for names of which zones, and who has recursion there.

use std::net::IpAddr;

use ipnet::IpNet;
use sluice_model::DnsSettings;

use crate::clients::Clients;

/// The settings of all addresses.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// Who may ask for every name wherever queries are answered; nobody, as soon as an address has something of its own about
    /// that. It is looked at first, so that addresses cost a query nothing where all are the same.
    everywhere: Clients,
    /// Somebody may ask who is not answered names of the cluster.
    narrow: bool,
    /// What holds at an address that has nothing of its own.
    rest: Terms,
    own: Vec<(IpAddr, Terms)>,
}

/// What holds at an address.
#[derive(Debug, Default)]
struct Terms {
    clients: Clients,
    /// None: all that may ask.
    recursion: Option<Clients>,
    /// Who is answered names of the cluster; none: all that may ask.
    cluster: Option<Clients>,
}

impl Terms {
    /// Whether a client that may ask is answered names of the cluster.
    fn has_cluster(&self, client: IpAddr) -> bool {
        self.cluster.as_ref().is_none_or(|clients| clients.contain(client))
    }
}

impl Access {
    pub(crate) fn new(settings: &DnsSettings) -> Self {
        let only = |networks: Option<&[IpNet]>| networks.map(Clients::only);
        let some = |networks: Option<&[IpNet]>| only(networks.filter(|networks| !is_everybody(networks)));
        let clients = Clients::new(&settings.clients);
        let own = settings.addresses.iter().map(|own| {
            let recursion = only(settings.recursion_at(own.address));
            let cluster = some(settings.cluster_zones_at(own.address));
            let named = only(own.clients.as_deref());
            (own.address, Terms { clients: named.unwrap_or_else(|| clients.clone()), recursion, cluster })
        });
        let own: Vec<_> = own.collect();
        let recursion = only(settings.recursion.as_deref());
        let rest = Terms { recursion, cluster: some(settings.cluster_zones.as_deref()), clients };
        let same = settings.addresses.iter().all(|own| own.clients.is_none() && own.cluster_zones.is_none());
        let everywhere = match &settings.cluster_zones {
            _ if !same => Clients::default(),
            Some(cluster) if !settings.clients.is_empty() => {
                Clients::only(&common(&settings.clients, cluster))
            }
            Some(cluster) => Clients::only(cluster),
            None => rest.clients.clone(),
        };
        let narrow = own.iter().map(|(_, terms)| terms).chain([&rest]).any(|terms| terms.cluster.is_some());
        Self { everywhere, narrow, own, rest }
    }

    /// Whether this client may ask at that address.
    pub(crate) fn may_ask(&self, client: IpAddr, server: IpAddr) -> bool {
        self.everywhere.contain(client) || self.at(server).clients.contain(client)
    }

    /// Whether this client, of IPv4, may ask at that address for every name there is.
    #[inline(always)]
    pub(crate) fn may_ask_v4(&self, client: u32, server: u32) -> bool {
        self.everywhere.contain_v4(client)
            || self.may_ask_for_all(IpAddr::V4(client.into()), IpAddr::V4(server.into()))
    }

    /// As [`Access::may_ask_v4`], of IPv6.
    #[inline(always)]
    pub(crate) fn may_ask_v6(&self, client: u128, server: u128) -> bool {
        self.everywhere.contain_v6(client)
            || self.may_ask_for_all(IpAddr::V6(client.into()), IpAddr::V6(server.into()))
    }

    #[inline(never)]
    fn may_ask_for_all(&self, client: IpAddr, server: IpAddr) -> bool {
        let there = self.at(server);
        there.clients.contain(client) && there.has_cluster(client)
    }

    /// Whether this client is answered names of the cluster at that address, if it may ask there.
    #[inline]
    pub(crate) fn has_cluster(&self, client: IpAddr, server: IpAddr) -> bool {
        !self.narrow || self.at(server).has_cluster(client)
    }

    /// Whether others are asked for this client, which asks at that address.
    pub(crate) fn recurses(&self, client: IpAddr, server: IpAddr) -> bool {
        self.at(server).recursion.as_ref().is_none_or(|clients| clients.contain(client))
    }

    /// One that may ask at that address, for every name if there is such a one.
    pub(crate) fn any(&self, server: IpAddr) -> IpAddr {
        let there = self.at(server);
        let mut some = there.cluster.iter().chain([&there.clients]).flat_map(Clients::some);
        let all = some.find(|client| there.clients.contain(*client) && there.has_cluster(*client));
        all.unwrap_or_else(|| there.clients.any())
    }

    fn at(&self, server: IpAddr) -> &Terms {
        let own = self.own.iter().find(|(address, _)| *address == server);
        own.map_or(&self.rest, |(_, terms)| terms)
    }
}

/// Whether that is all addresses, written as the two networks of them.
fn is_everybody(networks: &[IpNet]) -> bool {
    let all = |v4: bool| networks.iter().any(|net| net.prefix_len() == 0 && net.addr().is_ipv4() == v4);
    all(true) && all(false)
}

/// The networks that are in both lists: of two that have addresses in common one is within the other.
fn common(one: &[IpNet], other: &[IpNet]) -> Vec<IpNet> {
    let within = |net: &&IpNet, list: &[IpNet]| list.iter().any(|around| around.contains(*net));
    let both = one.iter().filter(|net| within(net, other)).chain(other.iter().filter(|net| within(net, one)));
    both.copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sluice_model::DnsAddress;

    use super::*;

    /// Few bits, so that networks and addresses meet.
    fn address() -> impl Strategy<Value = IpAddr> {
        let v6 = |low: u8| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(low)]);
        prop_oneof![(0..8_u8).prop_map(|low| IpAddr::from([10, 0, 0, low])), (0..8_u8).prop_map(v6),]
    }

    fn networks() -> impl Strategy<Value = Vec<IpNet>> {
        let network = (address(), 0..4_u8).prop_map(|(ip, short)| {
            let length = if ip.is_ipv4() { 32 } else { 128 } - short;
            IpNet::new(ip, length).unwrap().trunc()
        });
        prop::collection::vec(network, 0..4)
    }

    fn settings() -> impl Strategy<Value = DnsSettings> {
        let own = (address(), prop::option::of(networks()), prop::option::of(networks()), cluster_zones())
            .prop_map(|(address, clients, recursion, cluster_zones)| DnsAddress {
                address,
                clients,
                recursion,
                cluster_zones,
            });
        let addresses = prop::collection::vec(own, 0..4);
        (networks(), prop::option::of(networks()), cluster_zones(), addresses).prop_map(
            |(clients, recursion, cluster_zones, addresses)| DnsSettings {
                clients,
                recursion,
                cluster_zones,
                addresses,
                ..DnsSettings::default()
            },
        )
    }

    fn cluster_zones() -> impl Strategy<Value = Option<Vec<IpNet>>> {
        let everybody = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        prop::option::of(prop_oneof![networks(), Just(everybody)])
    }

    proptest! {
        #[test]
        fn as_the_settings_say(dns in settings(), client in address(), server in address()) {
            let access = Access::new(&dns);
            let among = |list: &[IpNet]| list.iter().any(|net| net.contains(&client));
            let own = dns.addresses.iter().find(|own| own.address == server);
            let may = match own.and_then(|own| own.clients.as_ref()) {
                Some(own) => among(own),
                None => dns.clients.is_empty() || among(&dns.clients),
            };
            let recurses = match own.and_then(|own| own.recursion.as_ref()).or(dns.recursion.as_ref()) {
                Some(list) => among(list),
                None => true,
            };
            let all = match own.and_then(|own| own.cluster_zones.as_ref()).or(dns.cluster_zones.as_ref()) {
                Some(list) => among(list),
                None => true,
            };
            prop_assert_eq!(access.may_ask(client, server), may);
            prop_assert_eq!(access.recurses(client, server), recurses);
            prop_assert_eq!(access.has_cluster(client, server), all);
            match (client, server) {
                (IpAddr::V4(client), IpAddr::V4(server)) => {
                    prop_assert_eq!(access.may_ask_v4(client.to_bits(), server.to_bits()), may && all);
                }
                (IpAddr::V6(client), IpAddr::V6(server)) => {
                    prop_assert_eq!(access.may_ask_v6(client.to_bits(), server.to_bits()), may && all);
                }
                _ => {}
            }
        }
    }
}
