//! One lcore's packet work.
//!
//! A burst is worked in passes so that memory latency overlaps: parse and hash all, start loading their index buckets,
//! then their entries, then act. Packets of known flows take the short way in [`hit`]; everything else goes through
//! [`slow`].

mod create;
mod deliver;
mod dns;
mod fragments;
mod hint;
mod hit;
mod icmp;
mod ingress;
mod limited;
mod park;
mod replied;
mod reply;
mod revalidate;
mod slow;
mod steer;

use arrayvec::ArrayVec;
use rtrb::Producer;
use sluice_dns::Kept;
use sluice_memory::{StorageError, prefetch_slice};
use sluice_wire::PacketBuf;
use sluice_wire::parse::{Flags, Kind, ParseError, Parsed, parse_into, v6_addrs};

use crate::affinity::AffinityTable;
use crate::clients::{Clients, TopClients};
use crate::drops::{Counters, DropReason, Event};
use crate::flow::table::tick;
use crate::flow::{FlowRecord, FlowRef, FlowStats, FlowStorage, FlowTable, HashKeys};
use crate::limit::TokenBucket;
use crate::nat::pressure::Pressure;
use crate::punt::PuntLimits;
use crate::query_log::{QueryLog, QueryRecord};
use crate::rate::RateTable;
use crate::snapshot::Snapshot;
use crate::trace::{TraceFilter, TraceRecord, Tracer};
use crate::{BURST, Now, PortId, Sink};

use dns::Asking;
use fragments::Fragments;
use hint::Hints;
use park::Parked;

/// Refusals, ICMP errors and echo replies that one lcore sends in a second at most (RFC 1812, section 4.3.2.8).
const REPLIES_PER_SECOND: u64 = 10_000;
/// How many of them at once.
const REPLIES_BURST: u64 = 1_000;
/// Flows looked at for expiry each turn: bounds the pause, keeps up with 10 M expiries a second.
const EXPIRE_PER_TICK: usize = 32;

/// What a worker is made from.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// This lcore's number among the workers, from 0.
    pub lcore: u16,
    /// How many workers there are.
    pub lcores: u16,
    /// Keys of this boot, the same for all workers.
    pub keys: HashKeys,
    /// Fragmented datagrams followed at once.
    pub fragments: u32,
    /// Clients remembered for session affinity.
    pub affinity: u32,
}

/// The state of one lcore. It owns everything it writes.
#[derive(Debug)]
pub struct Worker<B> {
    config: WorkerConfig,
    flows: FlowTable,
    affinity: AffinityTable,
    fragments: Fragments<B>,
    parked: Parked<B>,
    replies: TokenBucket,
    punts: PuntLimits,
    pressure: Pressure,
    counters: Counters,
    tracer: Option<Box<Tracer>>,
    /// Grows with each query, so that the order of answers differs.
    turn: u32,
    /// Answers of the resolver.
    kept: Kept,
    hints: Hints,
    /// Who asks most.
    clients: Clients,
    /// How often clients asked, where there is a limit.
    rates: RateTable,
    /// Queries beyond it.
    limited: u32,
    log: QueryLog,
    /// How often clients began connections to the proxy, where there is a limit.
    syns: RateTable,
    scratch: Box<Scratch>,
}

/// What no known flow's packets are.
const UNUSUAL: Flags =
    Flags::FRAGMENT_FIRST.union(Flags::FRAGMENT_LATER).union(Flags::VLAN).union(Flags::MULTICAST_L2);

/// What is the same for all packets of a burst.
struct Context<'a> {
    snapshot: &'a Snapshot,
    /// The port that received them.
    port: PortId,
    now: Now,
    /// The port's MAC address; frames to others are not for the gateway.
    mac: Option<[u8; 6]>,
    /// The port of UDP on which queries are answered, where it is none of those that connections get when their source is
    /// translated: then nothing else comes to it. 0: none.
    dns_port: u16,
    /// The proxy serves HTTP.
    ingress: bool,
    /// They come from another lcore, which found this one to be the owner.
    handed_over: bool,
}

impl<'a> Context<'a> {
    /// Of a burst of this port, to whichever MAC address.
    #[inline(always)]
    fn of(snapshot: &'a Snapshot, port: PortId, now: Now) -> Self {
        let dns_port = snapshot.dns().port();
        let dns_port = if snapshot.settings().snat_ports.contains(dns_port) { 0 } else { dns_port };
        let ingress = !snapshot.ingress().is_empty();
        Self { snapshot, port, now, mac: None, dns_port, ingress, handed_over: false }
    }
}

/// Which way a packet of the burst takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Slow,
    Fast4,
    Fast6,
    Dns,
    Drop(DropReason),
}

/// What the passes of a burst leave for each other.
#[derive(Debug)]
struct Scratch {
    parsed: [Parsed; BURST],
    hashes: [u64; BURST],
    /// What [`FlowTable::candidate`] gave.
    candidates: [Option<FlowRef>; BURST],
    ways: [Way; BURST],
    queries: [Asking; BURST],
}

impl<B: PacketBuf> Worker<B> {
    /// A worker on `storage`.
    ///
    /// # Errors
    /// Those of the tables' memory.
    pub fn new(config: WorkerConfig, storage: FlowStorage, now: Now) -> Result<Self, StorageError> {
        let keys = config.keys;
        Ok(Self {
            flows: FlowTable::new(storage, keys, Default::default(), now)?,
            affinity: AffinityTable::new(config.affinity, keys)?,
            fragments: Fragments::new(config.fragments, keys),
            parked: Parked::default(),
            replies: TokenBucket::new(REPLIES_PER_SECOND, REPLIES_BURST, now),
            punts: PuntLimits::new(now),
            pressure: Pressure::default(),
            counters: Counters::new(),
            tracer: None,
            turn: 0,
            kept: Kept::default(),
            hints: Hints::new(now),
            clients: Clients::new(keys.number(config.lcore.into()), now),
            rates: RateTable::new(keys),
            limited: 0,
            log: QueryLog::default(),
            syns: RateTable::new(keys),
            scratch: Box::new(Scratch {
                parsed: [Parsed::default(); BURST],
                hashes: [0; BURST],
                candidates: [None; BURST],
                ways: [Way::Slow; BURST],
                queries: [Asking::default(); BURST],
            }),
            config,
        })
    }

    /// Works a burst received on `port`; every packet goes to `sink` or is dropped and counted, and `burst` is empty
    /// afterwards.
    #[inline]
    pub fn process(
        &mut self,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        snapshot: &Snapshot,
        now: Now,
        sink: &mut impl Sink<B>,
    ) {
        self.counters.add(Event::Received, burst.len() as u64);
        self.punts.burst(burst.len() == BURST);
        let mac = snapshot.fib().port(port).map(|info| info.mac);
        let cx = Context { mac, ..Context::of(snapshot, port, now) };
        self.run(&cx, burst, sink);
    }

    /// As [`Worker::process`], for packets that another lcore handed over because this one owns their flow.
    pub fn process_handed_over(
        &mut self,
        port: PortId,
        burst: &mut ArrayVec<B, BURST>,
        snapshot: &Snapshot,
        now: Now,
        sink: &mut impl Sink<B>,
    ) {
        let cx = Context { handed_over: true, ..Context::of(snapshot, port, now) };
        self.run(&cx, burst, sink);
    }

    /// Everything that time brings: flows that end, packets that waited. To be called on every turn of the lcore's loop.
    #[inline]
    pub fn tick(&mut self, snapshot: &Snapshot, now: Now, sink: &mut impl Sink<B>) {
        let expired = self.flows.expire(now, EXPIRE_PER_TICK);
        self.counters.add(Event::FlowsExpired, expired);
        if !self.parked.is_empty() {
            self.retry_parked(snapshot, now, sink);
        }
        self.expire_fragments(now);
    }

    /// A new snapshot has come: what the worker itself keeps of it is renewed, and packets that wait are tried again.
    pub fn adopt(&mut self, snapshot: &Snapshot) {
        self.flows.set_timeouts(snapshot.settings().timeouts);
        self.parked.renew();
        if snapshot.dns().limit().is_none() {
            self.rates.clear();
        }
        if snapshot.ingress().syns_per_second().is_none() {
            self.syns.clear();
        }
    }

    /// The counters. Only this worker writes them.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How full the flow table is.
    pub fn flows(&self) -> FlowStats {
        self.flows.stats()
    }

    /// Bytes the flow table may touch for each flow it can hold.
    pub fn bytes_per_flow(&self) -> f64 {
        self.flows.bytes_per_flow()
    }

    /// Appends up to `most` flows, from entry `from` on, and says where to go on.
    pub fn dump(&self, from: u32, most: usize, now: Now, out: &mut Vec<FlowRecord>) -> Option<u32> {
        self.flows.dump(from, most, now, out)
    }

    /// What was punted and what was kept back, by class.
    pub fn punts(&self) -> &PuntLimits {
        &self.punts
    }

    /// Which services' new flows found source ports scarce since [`Worker::clear_pressure`].
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Begins to count [`Worker::pressure`] anew.
    pub fn clear_pressure(&mut self) {
        self.pressure.clear();
    }

    /// The clients that sent most DNS queries.
    pub fn top_clients(&mut self, now: Now) -> TopClients {
        self.clients.top(now)
    }

    /// From now on, queries that are logged go there; before, they are lost.
    pub fn set_query_log(&mut self, ring: Producer<QueryRecord>) {
        self.log.set(ring);
    }

    /// Starts or stops recording what happens to packets that match.
    pub fn set_trace(&mut self, filter: Option<TraceFilter>) {
        self.tracer = filter.map(|filter| Box::new(Tracer::new(filter)));
    }

    /// What was recorded since the last call.
    pub fn take_trace(&mut self) -> Vec<TraceRecord> {
        self.tracer.as_mut().map(|tracer| tracer.take()).unwrap_or_default()
    }

    /// Nobody took these records: the next one says so.
    pub fn trace_lost(&mut self, records: &[TraceRecord]) {
        if let Some(tracer) = &mut self.tracer {
            tracer.lose(records);
        }
    }

    #[inline(always)]
    fn run(&mut self, cx: &Context<'_>, burst: &mut ArrayVec<B, BURST>, sink: &mut impl Sink<B>) {
        let count = burst.len();
        let mut bytes = 0;
        for packet in burst.iter().take(4) {
            prefetch_slice(packet.data());
        }
        for i in 0..count {
            if let Some(ahead) = burst.get(i + 4) {
                prefetch_slice(ahead.data());
            }
            let frame = burst[i].data();
            bytes += frame.len() as u64;
            self.classify(i, frame, cx);
        }
        if !cx.handed_over {
            self.counters.add(Event::ReceivedBytes, bytes);
        }
        let mut new = 0;
        for i in 0..count {
            let v6 = match self.scratch.ways[i] {
                Way::Fast4 => false,
                Way::Fast6 => true,
                _ => continue,
            };
            let candidate = self.flows.candidate(self.scratch.hashes[i], v6);
            self.scratch.candidates[i] = candidate;
            if candidate.is_none() {
                new += 1;
            }
        }
        if new > 1 && cx.snapshot.is_large() {
            self.load_ahead(burst, cx);
        }
        let traced = self.tracer.is_some();
        for (i, packet) in burst.drain(..).enumerate() {
            let parsed = self.scratch.parsed[i];
            match self.scratch.ways[i] {
                Way::Drop(reason) => self.refuse_frame(packet, reason, cx),
                _ if traced => self.careful(i, packet, parsed, cx, sink),
                Way::Fast4 => self.fast4(i, packet, &parsed, cx, sink),
                Way::Fast6 => self.fast6(i, packet, &parsed, cx, sink),
                Way::Dns => self.dns(i, packet, &parsed, cx, sink),
                Way::Slow => self.careful(i, packet, parsed, cx, sink),
            }
        }
        let evicted = self.flows.take_evicted();
        self.counters.add(Event::FlowsEvicted, evicted);
    }

    /// First pass: what is it, and where would its flow be?
    #[inline(always)]
    fn classify(&mut self, i: usize, frame: &[u8], cx: &Context<'_>) {
        // Parsed where it stays: a copy right behind would wait for each of the stores it is made of.
        if let Err(error) = parse_into(frame, &mut self.scratch.parsed[i]) {
            self.scratch.ways[i] = Way::Drop(drop_reason(error));
            return;
        }
        let parsed = &self.scratch.parsed[i];
        if let (Some(mac), Some(to)) = (cx.mac, frame.first_chunk::<6>())
            && *to != mac
            && to[0] & 1 == 0
        {
            self.scratch.ways[i] = Way::Drop(DropReason::NotForUs);
            return;
        }
        // A query has no flow, and nothing else comes to that port of the addresses that are asked.
        if parsed.dport == cx.dns_port && self.foresee(i, frame, cx) {
            return;
        }
        let parsed = &self.scratch.parsed[i];
        let balanced = matches!(parsed.proto, 6 | 17 | 132);
        let way = match parsed.kind {
            Kind::V4 if balanced && !parsed.flags.intersects(UNUSUAL) => {
                let hash = self.flows.hash4(addresses4(parsed), ports(parsed), parsed.proto);
                self.flows.prefetch_index(hash);
                self.scratch.hashes[i] = hash;
                Way::Fast4
            }
            Kind::V6 if balanced && !parsed.flags.intersects(UNUSUAL) => {
                let (src, dst) = v6_addrs(frame, parsed);
                let hash = self.flows.hash6(src, dst, ports(parsed), parsed.proto);
                self.flows.prefetch_index(hash);
                self.scratch.hashes[i] = hash;
                Way::Fast6
            }
            _ => Way::Slow,
        };
        self.scratch.ways[i] = way;
    }

    /// Starts loading what packets without a flow will look up.
    #[inline(never)]
    fn load_ahead(&self, burst: &[B], cx: &Context<'_>) {
        let Scratch { parsed, candidates, ways, .. } = &*self.scratch;
        let new = burst.iter().zip(parsed).zip(candidates).zip(ways).filter_map(
            |(((packet, parsed), candidate), way)| {
                let is_new = candidate.is_none() && matches!(way, Way::Fast4 | Way::Fast6);
                is_new.then(|| slow::tuple_of(packet.data(), parsed))
            },
        );
        cx.snapshot.load_ahead(new);
    }

    /// The third pass where packets are traced, or are not of those whose flow says whose they are.
    #[inline(never)]
    fn careful(&mut self, i: usize, packet: B, parsed: Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        self.trace_begin(&packet, &parsed, cx);
        if self.scratch.ways[i] == Way::Dns {
            // Any lcore answers.
            return self.dns(i, packet, &parsed, cx, sink);
        }
        let packet = if self.config.lcores > 1 && parsed.is_fragment() && self.is_home(&packet, &parsed, cx) {
            match self.at_home(packet, &parsed, cx, sink) {
                Some(packet) => packet,
                None => return,
            }
        } else {
            packet
        };
        let packet = if self.scratch.ways[i] == Way::Slow && self.is_shared(cx) {
            match self.keep(packet, &parsed, cx, sink) {
                Some(packet) => packet,
                None => return,
            }
        } else {
            packet
        };
        match self.scratch.ways[i] {
            Way::Fast4 => self.fast4(i, packet, &parsed, cx, sink),
            Way::Fast6 => self.fast6(i, packet, &parsed, cx, sink),
            _ => self.slow(packet, parsed, cx, sink),
        }
    }

    /// The current time as flows keep it.
    #[inline(always)]
    fn tick_of(cx: &Context<'_>) -> u32 {
        tick(cx.now)
    }
}

/// `source << 32 | destination`.
#[inline(always)]
fn addresses4(parsed: &Parsed) -> u64 {
    u64::from(parsed.src) << 32 | u64::from(parsed.dst)
}

/// `source << 16 | destination`.
#[inline(always)]
fn ports(parsed: &Parsed) -> u32 {
    u32::from(parsed.sport) << 16 | u32::from(parsed.dport)
}

/// The counter for a frame that the parser refuses.
fn drop_reason(error: ParseError) -> DropReason {
    match error {
        ParseError::EthernetTruncated
        | ParseError::ArpTruncated
        | ParseError::Ipv4Truncated
        | ParseError::Ipv6Truncated
        | ParseError::Ipv6ExtensionTruncated
        | ParseError::L4Truncated => DropReason::Truncated,
        ParseError::Ipv4Checksum => DropReason::BadChecksum,
        ParseError::Ipv4SourceRoute | ParseError::Ipv6RoutingType0 => DropReason::SourceRoute,
        ParseError::VlanStackTooDeep | ParseError::Ipv6ExtensionChain => DropReason::TooManyHeaders,
        ParseError::BadFragment | ParseError::TinyFragment | ParseError::OverlappingFragment => {
            DropReason::BadFragment
        }
        ParseError::MartianSource => DropReason::MartianSource,
        ParseError::FrameTooLong
        | ParseError::ArpUnknown
        | ParseError::Ipv4Version
        | ParseError::Ipv4HeaderLength
        | ParseError::Ipv4TotalLength
        | ParseError::Ipv4Options
        | ParseError::Ipv6Version
        | ParseError::Ipv6ExtensionOrder
        | ParseError::TcpDataOffset
        | ParseError::UdpLength => DropReason::Malformed,
    }
}
