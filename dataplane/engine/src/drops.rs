//! Why packets are dropped, and what else is counted.
//!
//! One enum is the list of counters, the metric labels and what `sluice trace` prints.

macro_rules! counted {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// How many there are.
            pub const COUNT: usize = [$($label),+].len();
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant),+];

            /// The counter's name, as metrics and the CLI print it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What it means, in a sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }
    };
}

counted! {
    /// The reason for which the engine let a packet go.
    DropReason {
        /// A header or length field does not hold together.
        Malformed = "malformed",
        /// The frame ends before a header does.
        Truncated = "truncated",
        /// The IPv4 header checksum is wrong.
        BadChecksum = "bad_checksum",
        /// The source address cannot be a sender's: multicast, broadcast, loopback or unspecified.
        MartianSource = "martian_source",
        /// The source address is one of the gateway's own or the frontend itself.
        SpoofedSource = "spoofed_source",
        /// IPv4 source routing or an IPv6 type 0 routing header (RFC 5095).
        SourceRoute = "source_route",
        /// Too many IPv6 extension headers or VLAN tags.
        TooManyHeaders = "too_many_headers",
        /// A fragment that overlaps the transport header or is too small to hold it (RFC 1858, RFC 3128).
        BadFragment = "bad_fragment",
        /// TCP flags that no stack sends together.
        BadTcpFlags = "bad_tcp_flags",
        /// A TCP packet of no known flow that does not open one.
        TcpNoFlow = "tcp_no_flow",
        /// The source is outside `loadBalancerSourceRanges`.
        SourceRange = "source_range",
        /// Traffic policy Local and no endpoint here.
        NoLocalEndpoint = "no_local_endpoint",
        /// An address of the service ranges that no Service has.
        UnallocatedService = "unallocated_service_address",
        /// The service has no endpoint and the packet cannot be answered with a refusal.
        NoEndpoint = "no_endpoint",
        /// The service or the endpoint of a running flow is gone.
        FlowEnded = "flow_ended",
        /// TTL or hop limit ran out.
        TtlExceeded = "ttl_exceeded",
        /// No route to the endpoint or the client.
        NoRoute = "no_route",
        /// The next hop did not answer ARP or ND in time.
        NeighborUnresolved = "neighbor_unresolved",
        /// Too many packets wait for a next hop to resolve.
        ParkFull = "park_full",
        /// No source address of the packet's family for full NAT on the egress port.
        NoSnatAddress = "no_snat_address",
        /// All source ports towards this endpoint are taken.
        SnatExhausted = "snat_exhausted",
        /// The flow table is full of flows that may not be evicted.
        FlowTableFull = "flow_table_full",
        /// The packet is larger than the egress port's MTU and may not be fragmented.
        TooBig = "too_big",
        /// A later fragment whose first fragment never came.
        FragmentOrphan = "fragment_orphan",
        /// Too many fragments wait for their first one.
        FragmentWaitFull = "fragment_wait_full",
        /// An ICMP error that quotes no flow of ours.
        IcmpNoFlow = "icmp_no_flow",
        /// An ICMP error, refusal or echo reply that the rate limit kept back.
        ReplyLimited = "reply_limited",
        /// A punted packet above its class's rate limit.
        PuntLimited = "punt_limited",
        /// Linux's reply or request for a punted packet found no room on the way.
        NoBuffer = "no_buffer",
        /// The frame is addressed to another host's MAC.
        NotForUs = "not_for_us",
        /// The packet arrived in several buffers and could not be joined.
        NotContiguous = "not_contiguous",
        /// A DNS message that gets no answer: one that is itself an answer, or from a port or address that nobody asks from.
        DnsIgnored = "dns_ignored",
        /// A DNS query beyond its client's limit (`dns.rate_limit`).
        DnsRateLimited = "dns_rate_limited",
        /// TCP to a listener of HTTP from a network that may not connect there (`ingress.clients`).
        IngressClient = "ingress_client",
        /// A TCP connection to a listener of HTTP beyond its client's limit (`ingress.syn_rate`).
        IngressSynLimited = "ingress_syn_limited",
        /// A packet handed over between lcores came back to one that is not its owner.
        HandOverLoop = "hand_over_loop",
    }
}

counted! {
    /// Things counted that are no drops.
    Event {
        /// Packets received.
        Received = "received",
        /// Bytes received, Ethernet header included.
        ReceivedBytes = "received_bytes",
        /// Packets sent on, replies included.
        Transmitted = "transmitted",
        /// Packets given to Linux.
        Punted = "punted",
        /// Packets handed to the lcore that owns their flow.
        HandedOver = "handed_over",
        /// Packets of known flows.
        FlowHits = "flow_hits",
        /// Flows made.
        FlowsCreated = "flows_created",
        /// Flows that idled out or were closed.
        FlowsExpired = "flows_expired",
        /// Flows pushed out by new ones while the table or their class was full.
        FlowsEvicted = "flows_evicted",
        /// Flows moved to another endpoint after theirs went.
        FlowsMoved = "flows_moved",
        /// TCP resets and ICMP unreachables sent in refusal.
        Refused = "refused",
        /// ICMP errors translated between the two sides of a flow.
        IcmpTranslated = "icmp_translated",
        /// ICMP errors the gateway itself sent.
        IcmpSent = "icmp_sent",
        /// Echo requests to frontends answered.
        EchoReplies = "echo_replies",
        /// ARP requests and neighbour solicitations for frontends answered.
        NeighborReplies = "neighbor_replies",
        /// DNS queries answered with NOERROR.
        DnsNoError = "dns_noerror",
        /// DNS queries answered with NXDOMAIN.
        DnsNxDomain = "dns_nxdomain",
        /// DNS queries refused.
        DnsRefused = "dns_refused",
        /// DNS queries answered with another code: SERVFAIL, FORMERR, NOTIMP, BADVERS.
        DnsFailed = "dns_failed",
        /// DNS queries given to the resolver.
        DnsForwarded = "dns_forwarded",
        /// DNS queries answered with what the resolver had answered before.
        DnsKept = "dns_kept",
        /// Those of them whose answer was that there is no such name.
        DnsKeptNxDomain = "dns_kept_nxdomain",
        /// Names at the end of search lists that the resolver was told of before they were asked for.
        DnsHinted = "dns_hinted",
        /// DNS queries beyond their client's limit that were told to come back over TCP.
        DnsSlipped = "dns_slipped",
        /// DNS queries answered that were to be logged, and found no room.
        DnsLogLost = "dns_log_lost",
        /// TCP connections begun to listeners of HTTP, given to the proxy.
        IngressSyns = "ingress_syns",
        /// Later fragments translated.
        Fragments = "fragments",
        /// Packets that waited for a next hop.
        Parked = "parked",
        /// Source ports tried beyond the first while choosing one for full NAT.
        SnatRetries = "snat_retries",
        /// Flow hits that had to be checked against a changed service.
        Revalidated = "revalidated",
    }
}

counted! {
    /// Types of DNS queries, as CoreDNS's metrics have them.
    QueryType {
        /// IPv4 addresses.
        A = "A",
        /// IPv6 addresses.
        Aaaa = "AAAA",
        /// Aliases.
        Cname = "CNAME",
        /// Keys of zones.
        Dnskey = "DNSKEY",
        /// Fingerprints of keys.
        Ds = "DS",
        /// HTTPS services.
        Https = "HTTPS",
        /// Mail exchangers.
        Mx = "MX",
        /// Name servers.
        Ns = "NS",
        /// Names of addresses.
        Ptr = "PTR",
        /// Beginnings of zones.
        Soa = "SOA",
        /// Ports of services.
        Srv = "SRV",
        /// Texts.
        Txt = "TXT",
        /// All others, and what could not be understood.
        Other = "other",
    }
}

impl QueryType {
    /// Of a number (IANA, DNS parameters).
    pub const fn of(number: u16) -> Self {
        match number {
            1 => Self::A,
            28 => Self::Aaaa,
            33 => Self::Srv,
            12 => Self::Ptr,
            2 => Self::Ns,
            5 => Self::Cname,
            6 => Self::Soa,
            15 => Self::Mx,
            16 => Self::Txt,
            43 => Self::Ds,
            48 => Self::Dnskey,
            65 => Self::Https,
            _ => Self::Other,
        }
    }
}

/// One lcore's counters, plain numbers that only it writes.
#[derive(Clone, Debug)]
pub struct Counters {
    /// By [`DropReason`].
    pub drops: [u64; DropReason::COUNT],
    /// By [`Event`].
    pub events: [u64; Event::COUNT],
    /// DNS queries that were answered, over IPv4 and IPv6, by the number of their type; the last is for all from there on.
    numbers: [[u64; NUMBERS]; 2],
}

/// Numbers of types that are counted apart: more than there are names for, but found without looking.
const NUMBERS: usize = 128;

impl Counters {
    /// All zero.
    pub const fn new() -> Self {
        Self { drops: [0; DropReason::COUNT], events: [0; Event::COUNT], numbers: [[0; NUMBERS]; 2] }
    }

    /// Counts an answered query of a type.
    #[inline(always)]
    pub fn query(&mut self, v6: bool, number: u16) {
        self.numbers[usize::from(v6)][usize::from(number).min(NUMBERS - 1)] += 1;
    }

    /// Answered queries of a type, over IPv4 or IPv6.
    pub fn queries(&self, v6: bool, kind: QueryType) -> u64 {
        let numbered = (0_u16..).zip(&self.numbers[usize::from(v6)]);
        numbered.filter(|(number, _)| QueryType::of(*number) == kind).map(|(_, count)| count).sum()
    }

    /// Counts one dropped packet.
    #[inline]
    pub fn dropped(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Counts `n` of `event`.
    #[inline]
    pub fn add(&mut self, event: Event, n: u64) {
        self.events[event as usize] += n;
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}
