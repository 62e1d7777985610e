//! Why a frame is refused.

/// The reason for which [`super::parse`] refuses a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ParseError {
    /// Shorter than its Ethernet header with tags.
    EthernetTruncated,
    /// Longer than 65,535 bytes, which no offset in [`super::Parsed`] reaches.
    FrameTooLong,
    /// More than two VLAN tags.
    VlanStackTooDeep,
    /// ARP that ends within its 28 bytes.
    ArpTruncated,
    /// ARP for something other than IPv4 over Ethernet.
    ArpUnknown,
    /// The frame ends within the IPv4 header, or before the packet's total length.
    Ipv4Truncated,
    /// An IPv4 frame whose IP version is not 4.
    Ipv4Version,
    /// An IPv4 header length below 20 bytes.
    Ipv4HeaderLength,
    /// An IPv4 total length that does not hold the header.
    Ipv4TotalLength,
    /// The IPv4 header checksum is wrong.
    Ipv4Checksum,
    /// An IPv4 option whose length runs past the header or is below 2.
    Ipv4Options,
    /// IPv4 loose or strict source routing (RFC 7126 sections 4.3 and 4.4: to be dropped).
    Ipv4SourceRoute,
    /// The frame ends within the IPv6 header or before its payload length.
    Ipv6Truncated,
    /// An IPv6 frame whose IP version is not 6.
    Ipv6Version,
    /// An IPv6 extension header that runs past the packet's end.
    Ipv6ExtensionTruncated,
    /// More than eight IPv6 extension headers.
    Ipv6ExtensionChain,
    /// A hop-by-hop header that is not first, or a second fragment header (RFC 8200 section 4.1).
    Ipv6ExtensionOrder,
    /// An IPv6 type 0 routing header (RFC 5095: to be dropped).
    Ipv6RoutingType0,
    /// A fragment whose length is no multiple of eight though more follow, that is empty, or that ends past byte 65,535.
    BadFragment,
    /// A first fragment that does not hold its whole transport header (RFC 1858 section 3, RFC 7112).
    TinyFragment,
    /// A later fragment that would overwrite the transport header (RFC 3128).
    OverlappingFragment,
    /// The packet ends within its transport header.
    L4Truncated,
    /// A TCP data offset below 20 bytes or past the packet's end.
    TcpDataOffset,
    /// A UDP length below 8 or past the packet's end.
    UdpLength,
    /// A source that no single host can have: unspecified, loopback, multicast or broadcast.
    MartianSource,
}

impl ParseError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 25] = [
        Self::EthernetTruncated,
        Self::FrameTooLong,
        Self::VlanStackTooDeep,
        Self::ArpTruncated,
        Self::ArpUnknown,
        Self::Ipv4Truncated,
        Self::Ipv4Version,
        Self::Ipv4HeaderLength,
        Self::Ipv4TotalLength,
        Self::Ipv4Checksum,
        Self::Ipv4Options,
        Self::Ipv4SourceRoute,
        Self::Ipv6Truncated,
        Self::Ipv6Version,
        Self::Ipv6ExtensionTruncated,
        Self::Ipv6ExtensionChain,
        Self::Ipv6ExtensionOrder,
        Self::Ipv6RoutingType0,
        Self::BadFragment,
        Self::TinyFragment,
        Self::OverlappingFragment,
        Self::L4Truncated,
        Self::TcpDataOffset,
        Self::UdpLength,
        Self::MartianSource,
    ];

    /// A short name for traces, in words joined by underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EthernetTruncated => "ethernet_truncated",
            Self::FrameTooLong => "frame_too_long",
            Self::VlanStackTooDeep => "vlan_stack_too_deep",
            Self::ArpTruncated => "arp_truncated",
            Self::ArpUnknown => "arp_unknown",
            Self::Ipv4Truncated => "ipv4_truncated",
            Self::Ipv4Version => "ipv4_version",
            Self::Ipv4HeaderLength => "ipv4_header_length",
            Self::Ipv4TotalLength => "ipv4_total_length",
            Self::Ipv4Checksum => "ipv4_checksum",
            Self::Ipv4Options => "ipv4_options",
            Self::Ipv4SourceRoute => "ipv4_source_route",
            Self::Ipv6Truncated => "ipv6_truncated",
            Self::Ipv6Version => "ipv6_version",
            Self::Ipv6ExtensionTruncated => "ipv6_extension_truncated",
            Self::Ipv6ExtensionChain => "ipv6_extension_chain",
            Self::Ipv6ExtensionOrder => "ipv6_extension_order",
            Self::Ipv6RoutingType0 => "ipv6_routing_type_0",
            Self::BadFragment => "bad_fragment",
            Self::TinyFragment => "tiny_fragment",
            Self::OverlappingFragment => "overlapping_fragment",
            Self::L4Truncated => "l4_truncated",
            Self::TcpDataOffset => "tcp_data_offset",
            Self::UdpLength => "udp_length",
            Self::MartianSource => "martian_source",
        }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for ParseError {}
