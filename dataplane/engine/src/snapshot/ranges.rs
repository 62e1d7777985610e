//! Sets of networks that addresses are tested against.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of networks: disjoint intervals in order, searched by halving.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    nets: Vec<IpNet>,
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Ranges {
    /// The union of `nets`.
    pub(super) fn new(nets: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { nets: nets.to_vec(), v4: joined(v4), v6: joined(v6) }
    }

    /// The networks it was made of.
    pub(super) fn nets(&self) -> &[IpNet] {
        &self.nets
    }

    #[inline]
    pub(super) fn contains4(&self, address: u32) -> bool {
        contains(&self.v4, address)
    }

    #[inline]
    pub(super) fn contains6(&self, address: u128) -> bool {
        contains(&self.v6, address)
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.contains4(ip.to_bits()),
            IpAddr::V6(ip) => self.contains6(ip.to_bits()),
        }
    }
}

#[inline]
fn contains<A: Ord + Copy>(ranges: &[(A, A)], address: A) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).is_some_and(|at| address <= ranges[at].1)
}

fn joined<A: Ord + Copy>(mut ranges: Vec<(A, A)>) -> Box<[(A, A)]> {
    ranges.sort_unstable();
    let mut out: Vec<(A, A)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(open) if first <= open.1 => open.1 = open.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_scan(nets in proptest::collection::vec((any::<u32>(), 4_u8..=32), 0..20), probes in proptest::collection::vec(any::<u32>(), 50)) {
            let nets: Vec<IpNet> = nets
                .iter()
                .map(|&(ip, len)| IpNet::new(Ipv4Addr::from_bits(ip).into(), len).unwrap().trunc())
                .collect();
            let ranges = Ranges::new(&nets);
            let edges = nets.iter().flat_map(|n| match n {
                IpNet::V4(n) => [n.network().to_bits(), n.broadcast().to_bits(), n.broadcast().to_bits().wrapping_add(1)],
                IpNet::V6(_) => [0; 3],
            });
            for probe in probes.iter().copied().chain(edges) {
                let ip: IpAddr = Ipv4Addr::from_bits(probe).into();
                prop_assert_eq!(ranges.contains(ip), nets.iter().any(|n| n.contains(&ip)));
            }
        }
    }
}
