//! Who may ask at which address, and who has recursion there.

use std::net::IpAddr;

use ipnet::IpNet;
use sluice_model::DnsSettings;

use crate::clients::Clients;

/// The settings of all addresses.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// Who may ask wherever queries are answered; nobody, as soon as an address has clients of its own. It is looked at first, so
    /// that addresses cost a query nothing where all are the same.
    everywhere: Clients,
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
}

impl Access {
    pub(crate) fn new(settings: &DnsSettings) -> Self {
        let only = |networks: Option<&[IpNet]>| networks.map(Clients::only);
        let clients = Clients::new(&settings.clients);
        let own = settings.addresses.iter().map(|own| {
            let recursion = settings.recursion_at(own.address);
            let named = only(own.clients.as_deref());
            (
                own.address,
                Terms { clients: named.unwrap_or_else(|| clients.clone()), recursion: only(recursion) },
            )
        });
        let same = settings.addresses.iter().all(|own| own.clients.is_none());
        Self {
            everywhere: if same { clients.clone() } else { Clients::default() },
            own: own.collect(),
            rest: Terms { recursion: only(settings.recursion.as_deref()), clients },
        }
    }

    /// Whether this client may ask at that address.
    pub(crate) fn may_ask(&self, client: IpAddr, server: IpAddr) -> bool {
        self.everywhere.contain(client) || self.at(server).clients.contain(client)
    }

    /// As [`Access::may_ask`], of IPv4 addresses as numbers.
    #[inline(always)]
    pub(crate) fn may_ask_v4(&self, client: u32, server: u32) -> bool {
        self.everywhere.contain_v4(client)
            || self.may_ask_there(IpAddr::V4(client.into()), IpAddr::V4(server.into()))
    }

    /// As [`Access::may_ask`], of IPv6 addresses as numbers.
    #[inline(always)]
    pub(crate) fn may_ask_v6(&self, client: u128, server: u128) -> bool {
        self.everywhere.contain_v6(client)
            || self.may_ask_there(IpAddr::V6(client.into()), IpAddr::V6(server.into()))
    }

    #[inline(never)]
    fn may_ask_there(&self, client: IpAddr, server: IpAddr) -> bool {
        self.at(server).clients.contain(client)
    }

    /// Whether others are asked for this client, which asks at that address.
    pub(crate) fn recurses(&self, client: IpAddr, server: IpAddr) -> bool {
        self.at(server).recursion.as_ref().is_none_or(|clients| clients.contain(client))
    }

    /// One that may ask at that address.
    pub(crate) fn any(&self, server: IpAddr) -> IpAddr {
        self.at(server).clients.any()
    }

    fn at(&self, server: IpAddr) -> &Terms {
        let own = self.own.iter().find(|(address, _)| *address == server);
        own.map_or(&self.rest, |(_, terms)| terms)
    }
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
        let own = (address(), prop::option::of(networks()), prop::option::of(networks()))
            .prop_map(|(address, clients, recursion)| DnsAddress { address, clients, recursion });
        let addresses = prop::collection::vec(own, 0..4);
        (networks(), prop::option::of(networks()), addresses).prop_map(|(clients, recursion, addresses)| {
            DnsSettings { clients, recursion, addresses, ..DnsSettings::default() }
        })
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
            prop_assert_eq!(access.may_ask(client, server), may);
            prop_assert_eq!(access.recurses(client, server), recurses);
            match (client, server) {
                (IpAddr::V4(client), IpAddr::V4(server)) => {
                    prop_assert_eq!(access.may_ask_v4(client.to_bits(), server.to_bits()), may);
                }
                (IpAddr::V6(client), IpAddr::V6(server)) => {
                    prop_assert_eq!(access.may_ask_v6(client.to_bits(), server.to_bits()), may);
                }
                _ => {}
            }
        }
    }
}
