//! Packets for Linux: sorted into classes, each with its own limit, so that a flood of one cannot starve another.

use sluice_wire::parse::{Flags, Kind, Parsed};

use crate::Now;
use crate::limit::TokenBucket;

/// What a punted packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum PuntClass {
    /// ARP.
    Arp,
    /// Neighbour and router discovery (RFC 4861), multicast listeners (RFC 3810).
    NeighborDiscovery,
    /// BGP, OSPF, BFD, VRRP: what keeps routes alive.
    Routing,
    /// DHCP and DHCPv6.
    Dhcp,
    /// Other packets to the gateway's own addresses: SSH, metrics, the proxy's sockets.
    Management,
    /// DNS for the resolver: other names than the cluster's, and TCP.
    Resolver,
    /// TCP to the proxy's listeners of HTTP.
    Ingress,
    /// Other ICMP and ICMPv6.
    Icmp,
    /// Other multicast and broadcast.
    Multicast,
    /// Packets that Linux routes.
    Forward,
    /// Everything else: VLANs, LLDP, unknown ethertypes.
    Other,
}

impl PuntClass {
    /// How many there are.
    pub const COUNT: usize = 11;
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Arp,
        Self::NeighborDiscovery,
        Self::Routing,
        Self::Dhcp,
        Self::Management,
        Self::Resolver,
        Self::Ingress,
        Self::Icmp,
        Self::Multicast,
        Self::Forward,
        Self::Other,
    ];

    /// Its name in metrics and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arp => "arp",
            Self::NeighborDiscovery => "neighbor_discovery",
            Self::Routing => "routing",
            Self::Dhcp => "dhcp",
            Self::Management => "management",
            Self::Resolver => "resolver",
            Self::Ingress => "ingress",
            Self::Icmp => "icmp",
            Self::Multicast => "multicast",
            Self::Forward => "forward",
            Self::Other => "other",
        }
    }

    /// Packets a second, and at once, on each lcore. A kernel interface takes a few hundred thousand packets a second in
    /// all; what keeps the box reachable takes little of that and is never in want.
    const fn limit(self) -> (u64, u64) {
        match self {
            Self::Arp | Self::NeighborDiscovery => (10_000, 2_000),
            Self::Routing => (20_000, 4_000),
            Self::Dhcp | Self::Icmp | Self::Multicast | Self::Other => (2_000, 500),
            // More than the resolver answers, less than keeps its machine from other work.
            Self::Resolver => (50_000, 5_000),
            // As much as a kernel interface takes, and a third less than what else may be as fast as that.
            Self::Ingress => (300_000, 30_000),
            // Bulk transfers to and through the gateway's kernel are allowed to be as fast as it is.
            Self::Management | Self::Forward => (500_000, 50_000),
        }
    }
}

/// Sorts a packet; `own` says that it is for one of the gateway's own addresses.
pub fn classify(parsed: &Parsed, own: bool) -> PuntClass {
    match parsed.kind {
        Kind::Arp => return PuntClass::Arp,
        Kind::Other => return PuntClass::Other,
        Kind::V4 | Kind::V6 => {}
    }
    if parsed.flags.contains(Flags::VLAN) {
        return PuntClass::Other;
    }
    let port = |number: u16| parsed.sport == number || parsed.dport == number;
    let group = parsed.flags.contains(Flags::MULTICAST_L2);
    match parsed.proto {
        58 if (130..=137).contains(&parsed.icmp_type()) || parsed.icmp_type() == 143 => {
            PuntClass::NeighborDiscovery
        }
        89 | 112 => PuntClass::Routing,
        6 if own && port(179) => PuntClass::Routing,
        17 if own && matches!(parsed.dport, 3784 | 3785 | 4784) => PuntClass::Routing,
        17 if matches!(parsed.dport, 67 | 68 | 546 | 547) && (own || group) => PuntClass::Dhcp,
        _ if group => PuntClass::Multicast,
        1 | 58 if own => PuntClass::Icmp,
        _ if own => PuntClass::Management,
        _ => PuntClass::Forward,
    }
}

/// Queries for the resolver a second, and at once, while an lcore has more to do than it can: a way to Linux costs as much as
/// many answers, and what waits meanwhile is lost in front of the port, whatever it is.
const STRAINED: (u64, u64) = (5_000, 500);
/// What full bursts add, and the sum from which the lcore has too much to do. One that is not full takes away one, so that
/// polling an idle port in between does not hide a full one.
const FULL: u8 = 2;
const MANY: u8 = 32;
const MOST: u8 = 64;

/// The limits of one lcore, and what passed and did not.
#[derive(Clone, Debug)]
pub struct PuntLimits {
    buckets: [TokenBucket; PuntClass::COUNT],
    passed: [u64; PuntClass::COUNT],
    limited: [u64; PuntClass::COUNT],
    strain: u8,
    strained: TokenBucket,
}

impl PuntLimits {
    /// Full buckets at `now`.
    pub fn new(now: Now) -> Self {
        let bucket = |class: PuntClass| {
            let (rate, burst) = class.limit();
            TokenBucket::new(rate, burst, now)
        };
        Self {
            buckets: PuntClass::ALL.map(bucket),
            passed: [0; PuntClass::COUNT],
            limited: [0; PuntClass::COUNT],
            strain: 0,
            strained: TokenBucket::new(STRAINED.0, STRAINED.1, now),
        }
    }

    /// A burst has come; one that is full may have left more behind.
    #[inline(always)]
    pub fn burst(&mut self, full: bool) {
        self.strain = if full { (self.strain + FULL).min(MOST) } else { self.strain.saturating_sub(1) };
    }

    /// Whether another packet of `class` may go to Linux.
    #[inline]
    pub fn admit(&mut self, class: PuntClass, now: Now) -> bool {
        let within = class != PuntClass::Resolver || self.strain < MANY || self.strained.take(now);
        let admitted = within && self.buckets[class as usize].take(now);
        let counter = if admitted { &mut self.passed } else { &mut self.limited };
        counter[class as usize] += 1;
        admitted
    }

    /// For each class, packets that passed and packets that did not.
    pub fn counts(&self) -> impl Iterator<Item = (PuntClass, u64, u64)> {
        PuntClass::ALL.iter().map(|&class| (class, self.passed[class as usize], self.limited[class as usize]))
    }
}

#[cfg(test)]
mod tests {
    use sluice_wire::build::Packet;
    use sluice_wire::parse::parse;

    use super::*;

    fn class(packet: Packet, own: bool) -> PuntClass {
        classify(&parse(&packet.frame()).unwrap(), own)
    }

    #[test]
    fn classes() {
        let v4 = || Packet::v4([192, 0, 2, 100], [192, 0, 2, 1]);
        assert_eq!(class(v4().tcp(40000, 179, 2), true), PuntClass::Routing);
        assert_eq!(class(v4().tcp(40000, 179, 2), false), PuntClass::Forward);
        assert_eq!(class(v4().udp(49152, 3784), true), PuntClass::Routing);
        assert_eq!(class(v4().raw(89), true), PuntClass::Routing);
        assert_eq!(class(v4().tcp(40000, 22, 2), true), PuntClass::Management);
        assert_eq!(class(v4().icmp(8, 0, [0; 4]), true), PuntClass::Icmp);
        assert_eq!(class(v4().udp(68, 67), true), PuntClass::Dhcp);
        assert_eq!(class(v4().tcp(1, 2, 2).vlan(7), false), PuntClass::Other);
    }

    #[test]
    fn a_flood_of_one_class_leaves_the_others_alone() {
        let mut limits = PuntLimits::new(Now(0));
        let flood = (0..1_000_000).filter(|n| limits.admit(PuntClass::Icmp, Now(n / 1000))).count();
        assert!(flood < 3000, "{flood}");
        assert!(
            (0..100)
                .all(|_| limits.admit(PuntClass::Arp, Now(1000))
                    && limits.admit(PuntClass::Routing, Now(1000)))
        );
        let (_, passed, limited) = limits.counts().find(|(class, ..)| *class == PuntClass::Icmp).unwrap();
        assert_eq!(passed + limited, 1_000_000);
    }

    #[test]
    fn an_lcore_with_too_much_to_do_gives_the_resolver_less() {
        let mut limits = PuntLimits::new(Now(0));
        let mut second = |full: &dyn Fn(u64) -> bool, start: u64| {
            let mut passed = 0;
            for millisecond in start..start + 1000 {
                for n in 0..10 {
                    limits.burst(full(n));
                    passed += (0..10).filter(|_| limits.admit(PuntClass::Resolver, Now(millisecond))).count();
                }
            }
            assert!(limits.admit(PuntClass::Management, Now(start + 1000)));
            passed
        };
        let calm = second(&|n| n % 4 == 0, 0);
        assert!((50_000..=55_000).contains(&calm), "{calm}");
        let full = second(&|_| true, 1000);
        assert!((5_000..=6_000).contains(&full), "{full}");
        // A full port beside an idle one.
        let one = second(&|n| n % 2 == 0, 2000);
        assert!((4_000..=5_500).contains(&one), "{one}");
        let calm = second(&|_| false, 3000);
        assert!(calm > 49_000, "{calm}");
    }
}
