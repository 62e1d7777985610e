//! Who may ask.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks of clients, as masks: a query is compared with few of them, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    everyone: bool,
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Clients {
    /// Clients in one of these networks; everyone, where there is none.
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        let mut clients = Self { everyone: networks.is_empty(), ..Self::default() };
        for network in networks {
            match network {
                IpNet::V4(net) => clients.v4.push((net.netmask().to_bits(), net.network().to_bits())),
                IpNet::V6(net) => clients.v6.push((net.netmask().to_bits(), net.network().to_bits())),
            }
        }
        clients
    }

    /// Clients in one of these networks, and nobody else.
    pub(crate) fn only(networks: &[IpNet]) -> Self {
        Self { everyone: false, ..Self::new(networks) }
    }

    /// One of them.
    pub(crate) fn any(&self) -> IpAddr {
        self.some().next().unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }

    /// One of each network.
    pub(crate) fn some(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.iter().map(|(_, net)| IpAddr::from(net.to_be_bytes()));
        v4.chain(self.v6.iter().map(|(_, net)| IpAddr::from(net.to_be_bytes())))
    }

    /// Whether a client is among them.
    pub(crate) fn contain(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(ip) => self.contain_v4(ip.to_bits()),
            IpAddr::V6(ip) => self.contain_v6(ip.to_bits()),
        }
    }

    #[inline(always)]
    pub(crate) fn contain_v4(&self, client: u32) -> bool {
        self.everyone || self.v4.iter().any(|(mask, net)| client & mask == *net)
    }

    #[inline(always)]
    pub(crate) fn contain_v6(&self, client: u128) -> bool {
        self.everyone || self.v6.iter().any(|(mask, net)| client & mask == *net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families() {
        let clients = Clients::new(&["10.1.2.3/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let may = |ip: &str| clients.contain(ip.parse().unwrap());
        assert!(may("10.255.0.1") && may("fd12::1"));
        assert!(!may("11.0.0.1") && !may("2001:db8::1") && !may("::ffff:10.1.2.3"));
        let everyone = Clients::new(&["0.0.0.0/0".parse().unwrap()]);
        assert!(everyone.contain("192.0.2.1".parse().unwrap()));
        assert!(!everyone.contain("::1".parse().unwrap()));
        assert!(Clients::new(&[]).contain("::1".parse().unwrap()));
    }
}
