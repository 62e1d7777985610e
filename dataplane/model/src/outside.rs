//! Who may ask at an address, for whose names, who has recursion there, and what is done where the public may ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{DnsAddress, DnsSettings, RateLimit};

/// Networks that no packet from the Internet is of: private ones (RFC 1918, RFC 6598, RFC 4193), loopback and link-local.
const PRIVATE: [IpNet; 9] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v6(0xfc00, 0, 7),
    v6(0, 1, 128),
    v6(0xfe80, 0, 10),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(first: u16, last: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last), length))
}

impl DnsSettings {
    /// Who may ask at an address; of [`DnsSettings::clients`] none means everyone.
    pub fn clients_at(&self, address: IpAddr) -> &[IpNet] {
        self.at(address).and_then(|own| own.clients.as_deref()).unwrap_or(&self.clients)
    }

    /// Who has recursion at an address; none: all who may ask there.
    pub fn recursion_at(&self, address: IpAddr) -> Option<&[IpNet]> {
        self.at(address).and_then(|own| own.recursion.as_deref()).or(self.recursion.as_deref())
    }

    /// Who is answered names of the cluster at an address; none: all who may ask there.
    pub fn cluster_zones_at(&self, address: IpAddr) -> Option<&[IpNet]> {
        self.at(address).and_then(|own| own.cluster_zones.as_deref()).or(self.cluster_zones.as_deref())
    }

    /// Whether nobody is answered names of the cluster at an address: it is for the outside alone.
    pub fn is_outer(&self, address: IpAddr) -> bool {
        self.cluster_zones_at(address).is_some_and(<[_]>::is_empty)
    }

    /// Whether those from outside may be sent to an address: there are some who are not answered names of the cluster there, and it
    /// is no address of those who are.
    pub fn is_for_outside(&self, address: IpAddr) -> bool {
        self.cluster_zones_at(address).is_some_and(|inside| !inside.iter().any(|net| net.contains(&address)))
    }

    fn at(&self, address: IpAddr) -> Option<&DnsAddress> {
        self.addresses.iter().find(|own| own.address == address)
    }

    /// Fills in what is not said of addresses that clients beyond private networks and the cluster's may ask, where such
    /// clients are named for the one address or names are for the outside: they get no recursion, and are answered so many
    /// queries and no more; where names are for the outside, they are all that such clients are answered. Whoever serves the public
    /// is not to be a reflector or an open resolver, nor to tell what the cluster consists of, for want of a word.
    pub fn guard(&mut self, cluster: &[IpNet]) {
        let trusted: Vec<IpNet> = PRIVATE.iter().chain(cluster).copied().collect();
        let is_open = |clients: &[IpNet]| {
            clients.is_empty() || clients.iter().any(|net| !trusted.iter().any(|known| known.contains(net)))
        };
        let (said, told) = (self.recursion.is_some(), self.cluster_zones.is_some());
        let outside = !self.external_zones.is_empty();
        let mut public = outside && is_open(&self.clients);
        if public && !said {
            self.recursion = Some(trusted.clone());
        }
        if public && !told {
            // One address may be for all: the cluster goes on being answered there.
            self.cluster_zones = Some(trusted.clone());
        }
        for own in &mut self.addresses {
            if own.clients.as_deref().is_some_and(is_open) {
                public = true;
                if own.recursion.is_none() && !said {
                    // Nobody: from out there come forged private addresses, too, and the cluster has addresses of its own.
                    own.recursion = Some(Vec::new());
                }
                if own.cluster_zones.is_none() && outside && !told {
                    own.cluster_zones = Some(Vec::new());
                }
            }
        }
        if public && self.rate_limit.is_none() {
            self.rate_limit = Some(RateLimit { exempt: trusted, ..RateLimit::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExternalZone;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn outside() -> Vec<ExternalZone> {
        vec![ExternalZone {
            zone: "example.org".into(),
            ttl: 5,
            apex: "dns".into(),
            headless: false,
            hosts: false,
            secondary: None,
        }]
    }

    fn own(clients: &[&str], recursion: Option<&[&str]>) -> DnsAddress {
        let (clients, recursion) = (Some(nets(clients)), recursion.map(nets));
        DnsAddress { address: [203, 0, 113, 53].into(), clients, recursion, cluster_zones: None }
    }

    #[test]
    fn what_holds_at_an_address() {
        let dns = DnsSettings {
            clients: nets(&["10.0.0.0/8"]),
            addresses: vec![own(&["192.0.2.0/24"], Some(&[]))],
            ..DnsSettings::default()
        };
        let (there, other) = ([203, 0, 113, 53].into(), [10, 96, 0, 10].into());
        assert_eq!(dns.clients_at(there), nets(&["192.0.2.0/24"]));
        assert_eq!(dns.clients_at(other), nets(&["10.0.0.0/8"]));
        assert_eq!((dns.recursion_at(there), dns.recursion_at(other)), (Some(&[][..]), None));
    }

    #[test]
    fn private_clients_are_left_as_they_are() {
        let every = ["10.0.0.0/9", "172.31.0.0/16", "192.168.1.0/24", "100.127.0.0/16", "127.0.0.1/32"];
        let v6 =
            ["169.254.20.10/32", "fd00::/8", "fe80::/64", "::1/128", "2001:db8:1:2::/64", "198.51.100.0/25"];
        let clients = nets(&[&every[..], &v6].concat());
        let before = DnsSettings {
            addresses: vec![DnsAddress { clients: Some(clients.clone()), ..own(&[], None) }],
            clients,
            external_zones: outside(),
            ..DnsSettings::default()
        };
        let mut dns = before.clone();
        dns.guard(&nets(&["2001:db8:1::/48", "198.51.100.0/24"]));
        assert_eq!(dns, before);
        // A network that holds one of them holds more.
        for wide in ["10.0.0.0/7", "172.16.0.0/11", "0.0.0.0/0", "fc00::/6", "::/127", "2001:db8::/32"] {
            let mut dns = DnsSettings { clients: nets(&[wide]), ..before.clone() };
            dns.guard(&nets(&["2001:db8:1::/48"]));
            assert!(dns.rate_limit.is_some() && dns.recursion.is_some(), "{wide}");
        }
    }

    #[test]
    fn the_public_is_not_told_of_the_cluster_for_want_of_a_word() {
        let cluster = nets(&["198.51.100.0/24"]);
        let (outer, inner) = ([203, 0, 113, 53].into(), [10, 96, 0, 10].into());
        let public = |cluster_zones| {
            let own = DnsAddress { cluster_zones, ..own(&["0.0.0.0/0"], None) };
            DnsSettings {
                clients: nets(&["10.0.0.0/8"]),
                addresses: vec![own],
                external_zones: outside(),
                ..DnsSettings::default()
            }
        };
        let guarded = |mut dns: DnsSettings| {
            dns.guard(&cluster);
            dns
        };
        let dns = guarded(public(None));
        assert_eq!((dns.cluster_zones_at(outer), dns.cluster_zones_at(inner)), (Some(&[][..]), None));
        assert!(dns.is_outer(outer) && dns.is_for_outside(outer));
        assert!(!dns.is_outer(inner) && !dns.is_for_outside(inner));
        // Where there is nothing else to ask for, that is what he wants.
        let dns = guarded(DnsSettings { external_zones: vec![], ..public(None) });
        assert_eq!(dns.cluster_zones_at(outer), None);
        // One address for all: those who are not the public go on.
        let all = DnsSettings { clients: nets(&["0.0.0.0/0"]), addresses: vec![], ..public(None) };
        let dns = guarded(all.clone());
        let told = dns.cluster_zones_at(outer).unwrap();
        assert!(told.contains(&cluster[0]) && told.len() == PRIVATE.len() + 1);
        assert!(!dns.is_outer(outer) && dns.is_for_outside(outer) && !dns.is_for_outside(inner));
        assert_eq!(guarded(DnsSettings { external_zones: vec![], ..all }).cluster_zones, None);
        // Words hold: at the address, and for all.
        let everybody = nets(&["0.0.0.0/0", "::/0"]);
        let dns = guarded(public(Some(everybody.clone())));
        assert_eq!(dns.cluster_zones_at(outer), Some(&*everybody));
        for word in [vec![], everybody] {
            let dns = guarded(DnsSettings { cluster_zones: Some(word.clone()), ..public(None) });
            assert_eq!(dns.cluster_zones_at(outer), Some(&*word));
            assert_eq!(dns.is_outer(inner), word.is_empty());
        }
    }

    #[test]
    fn who_serves_the_public_limits_it() {
        let open = |external_zones, clients: &[&str], addresses| DnsSettings {
            clients: nets(clients),
            addresses,
            external_zones,
            ..DnsSettings::default()
        };
        let cluster = nets(&["198.51.100.0/24"]);
        let guarded = |mut dns: DnsSettings| {
            dns.guard(&cluster);
            dns
        };
        let inside = guarded(open(vec![], &["0.0.0.0/0"], vec![]));
        assert_eq!((inside.rate_limit, inside.recursion), (None, None), "he wrote that he wants it");
        let at = [203, 0, 113, 53].into();
        let named = guarded(open(vec![], &["10.0.0.0/8"], vec![own(&["0.0.0.0/0"], None)]));
        assert_eq!((&named.recursion, named.recursion_at(at)), (&None, Some(&[][..])));
        let trusted = named.rate_limit.unwrap().exempt;
        assert!(trusted.contains(&cluster[0]) && trusted.len() == PRIVATE.len() + 1);
        // What is said for all holds there, too.
        for word in [vec![], nets(&["0.0.0.0/0"])] {
            let all = DnsSettings {
                recursion: Some(word.clone()),
                ..open(outside(), &["10.0.0.0/8"], vec![own(&["0.0.0.0/0"], None)])
            };
            assert_eq!(guarded(all).recursion_at(at), Some(&*word));
        }

        for dns in [
            open(outside(), &["0.0.0.0/0"], vec![]),
            open(outside(), &["10.0.0.0/8"], vec![own(&["0.0.0.0/0"], Some(&[]))]),
        ] {
            let limit = guarded(dns).rate_limit.unwrap();
            assert_eq!((limit.per_second, limit.slip, limit.exempt), (50, 2, trusted.clone()));
        }
        let given = Some(RateLimit { per_second: 9, ..RateLimit::default() });
        let said = DnsSettings {
            rate_limit: given.clone(),
            ..open(outside(), &["10.0.0.0/8"], vec![own(&["::/0"], Some(&["0.0.0.0/0"]))])
        };
        let said = guarded(said);
        assert_eq!(said.rate_limit, given);
        assert_eq!(said.recursion_at([203, 0, 113, 53].into()), Some(&*nets(&["0.0.0.0/0"])));
    }
}
