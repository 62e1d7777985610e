//! What the parser found.

use std::ops::{BitOr, BitOrAssign};

/// A classified frame: offsets into it and the fields every packet is judged by. Small, so that a burst of them stays
/// in the first-level cache; IPv6 addresses are read from the frame with [`v6_addrs`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// IPv4 source as a number, or the sender's protocol address of ARP; 0 for IPv6.
    pub src: u32,
    /// IPv4 destination as a number, or the target's protocol address of ARP; 0 for IPv6.
    pub dst: u32,
    /// Identification of the datagram (16 bits in IPv4); for IPv6 only with a fragment header, else 0.
    pub frag_id: u32,
    /// Offset of the transport header, or of the payload of a later fragment, in the frame.
    pub l4: u16,
    /// Offset of the end of the IP packet; what is behind it is padding.
    pub end: u16,
    /// TCP, UDP, SCTP: source port. ICMP, ICMPv6: type in the upper byte, code in the lower. ARP: the operation.
    /// 0 for others and for later fragments.
    pub sport: u16,
    /// TCP, UDP, SCTP: destination port. ICMP, ICMPv6 echo: the identifier. [`Kind::Other`]: the ethertype.
    /// 0 for others and for later fragments.
    pub dport: u16,
    /// VLAN identifier of the outermost tag; 0 for none and for a priority tag (tell them apart by [`Flags::VLAN`]).
    pub vlan: u16,
    /// Offset of this fragment's payload in the datagram, in bytes.
    pub frag_off: u16,
    /// What else is notable.
    pub flags: Flags,
    /// Offset of the IP (or ARP) header in the frame.
    pub l3: u8,
    /// What follows the Ethernet header.
    pub kind: Kind,
    /// Transport protocol: the first that is no IPv6 extension header. Of a later IPv6 fragment: what its fragment
    /// header says, which may still be an extension header; so fragments are followed by addresses and `frag_id` alone.
    pub proto: u8,
    /// TCP's flag byte (CWR to FIN); 0 for others.
    pub tcp_flags: u8,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// What follows the Ethernet header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Neither IP nor ARP: for the kernel.
    #[default]
    Other,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// ARP for IPv4 over Ethernet.
    Arp,
}

/// A set of notable properties of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// Nothing notable.
    pub const NONE: Self = Self(0);
    /// The first of several fragments: it has the transport header.
    pub const FRAGMENT_FIRST: Self = Self(1 << 0);
    /// A fragment behind the first: it has no transport header.
    pub const FRAGMENT_LATER: Self = Self(1 << 1);
    /// IPv4 with options.
    pub const V4_OPTIONS: Self = Self(1 << 2);
    /// IPv6 with extension headers.
    pub const V6_EXT: Self = Self(1 << 3);
    /// With a VLAN tag.
    pub const VLAN: Self = Self(1 << 4);
    /// Sent to a group MAC address, broadcast included.
    pub const MULTICAST_L2: Self = Self(1 << 5);
    /// Sent to the broadcast MAC address.
    pub const BROADCAST: Self = Self(1 << 6);
    /// IPv4's "don't fragment" bit; always set for IPv6.
    pub const DONT_FRAGMENT: Self = Self(1 << 7);

    /// Whether all of `other` is in the set.
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in the set.
    #[inline(always)]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[inline(always)]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set is empty.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Flags {
    #[inline(always)]
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl Parsed {
    /// The longest frame that is parsed, so that every offset fits 16 bits.
    pub const MAX_FRAME: usize = u16::MAX as usize;

    /// Whether the packet is a fragment, first or later.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        self.flags.intersects(Flags::FRAGMENT_FIRST.union(Flags::FRAGMENT_LATER))
    }

    /// ICMP's or ICMPv6's type.
    #[inline(always)]
    pub const fn icmp_type(&self) -> u8 {
        (self.sport >> 8) as u8
    }

    /// ICMP's or ICMPv6's code.
    #[inline(always)]
    pub const fn icmp_code(&self) -> u8 {
        self.sport as u8
    }

    /// The IP header with its options or extension headers, and nothing behind it. Empty for a frame that is not the
    /// parsed one.
    #[inline]
    pub fn l3_header<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        frame.get(usize::from(self.l3)..usize::from(self.l4)).unwrap_or_default()
    }

    /// The transport header and its payload, without padding. Empty for a frame that is not the parsed one.
    #[inline]
    pub fn l4_bytes<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        frame.get(usize::from(self.l4)..usize::from(self.end)).unwrap_or_default()
    }

    /// As [`Parsed::l4_bytes`], writable.
    #[inline]
    pub fn l4_bytes_mut<'f>(&self, frame: &'f mut [u8]) -> &'f mut [u8] {
        frame.get_mut(usize::from(self.l4)..usize::from(self.end)).unwrap_or_default()
    }
}

/// Source and destination of an IPv6 packet, as numbers. Zeroes for a frame that is not the parsed one.
#[inline(always)]
pub fn v6_addrs(frame: &[u8], parsed: &Parsed) -> (u128, u128) {
    let at = usize::from(parsed.l3) + 8;
    match frame.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
        Some(both) => {
            let (addresses, _) = both.as_chunks::<16>();
            (u128::from_be_bytes(addresses[0]), u128::from_be_bytes(addresses[1]))
        }
        None => (0, 0),
    }
}

const _: () = assert!(size_of::<Parsed>() <= 32, "a cache line holds two");
const _: () = assert!(size_of::<Result<Parsed, super::ParseError>>() == size_of::<Parsed>(), "no extra tag");
