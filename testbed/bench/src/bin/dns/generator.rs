//! The generator: queries out of one DPDK port, their answers in, on one CPU.

use arrayvec::ArrayVec;
use sluice_dpdk::{
    Eal, EalOptions, HugePages, Lcore, Mbuf, Mempool, Port, PortOptions, RxQueue, TxQueue, tsc, tsc_hz,
};
use sluice_wire::PacketBuf;

use crate::link::{CLIENTS, STRANGERS};
use crate::plan::{Outcome, Plan};
use crate::queries::{self, Asker, Query};

/// Packets sent and received at a time.
const BURST: usize = 64;
/// Bursts received between two that are sent, if so many are there: a flood's answers come with those that count, and more
/// packets go out in a round than one burst brings back.
const BURSTS: usize = 8;
/// Before anything is counted.
const WARM: f64 = 0.2;
/// For answers, after the last query.
const GRACE: f64 = 0.15;
/// Source ports from here on are those of queries that count; a flood's are below.
const COUNTED: u16 = 32_768;

/// Does what the plan says, in this process, which must be on no other CPU.
pub(crate) fn run(plan: &Plan, cpu: usize, huge: bool) -> Outcome {
    let pages = if huge { HugePages::Required } else { HugePages::Never };
    let options = EalOptions::new().main_cpu(cpu).memory_mib(128).huge_pages(pages);
    let eal = Eal::init(options.file_prefix(format!("sluice-dns-{}", std::process::id()))).unwrap();
    let pool = Mempool::builder("dns").capacity(16_383).build(&eal).unwrap();
    let device: sluice_dpdk::DeviceSpec = plan.device.parse().unwrap();
    eal.attach(&device).unwrap();
    let (port, mut rx, mut tx) =
        Port::open(&eal, device.name(), &PortOptions::new(1, 1).descriptors(2048, 2048), &pool).unwrap();
    let _lcore = Lcore::attach(&eal, cpu).unwrap();
    let (rx, tx) = (rx.remove(0), tx.remove(0));
    let mut outcome = Generator::new(plan, pool, rx, tx, tsc_hz(&eal) as f64).run(plan);
    outcome.missed = port.stats().map_or(0, |stats| stats.rx_missed);
    drop(port);
    outcome
}

/// The query that was sent last with an identifier.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// When; 0: it has been answered.
    sent: u64,
    query: u16,
    port: u16,
    counts: bool,
}

/// So many packets a second.
struct Pace {
    per_tick: Option<f64>,
    start: u64,
    sent: u64,
}

impl Pace {
    fn new(rate: Option<f64>, hz: f64, start: u64) -> Self {
        Self { per_tick: rate.map(|rate| rate / hz), start, sent: 0 }
    }

    /// How many are to go out now.
    fn due(&self, now: u64) -> usize {
        let Some(per_tick) = self.per_tick else { return BURST };
        let due = ((now - self.start) as f64 * per_tick) as u64;
        due.saturating_sub(self.sent).min(BURST as u64) as usize
    }
}

struct Generator {
    pool: Mempool,
    rx: RxQueue,
    tx: TxQueue,
    hz: f64,
    queries: Vec<Query>,
    slots: Vec<Slot>,
    next: usize,
    random: u64,
    echo: bool,
    out: Outcome,
    latencies: Vec<u32>,
}

impl Generator {
    fn new(plan: &Plan, pool: Mempool, rx: RxQueue, tx: TxQueue, hz: f64) -> Self {
        Self {
            pool,
            rx,
            tx,
            hz,
            queries: queries::all(plan.names),
            slots: vec![Slot::default(); 1 << 16],
            next: 0,
            random: tsc() | 1,
            echo: plan.echo,
            out: Outcome::default(),
            latencies: Vec::with_capacity((plan.seconds * 1.5e6) as usize),
        }
    }

    fn run(mut self, plan: &Plan) -> Outcome {
        let start = tsc();
        let ticks = |seconds: f64| (seconds * self.hz) as u64;
        let warm = start + ticks(WARM);
        let (end, last) = (warm + ticks(plan.seconds), warm + ticks(plan.seconds + GRACE));
        let mut pace = Pace::new(plan.rate, self.hz, start);
        let mut beside = plan.beside.map(|flood| {
            let spoofed = if flood.spoofed { STRANGERS } else { CLIENTS };
            (Pace::new(flood.rate, self.hz, start), queries::all(flood.names), spoofed)
        });
        loop {
            let now = tsc();
            if now >= last {
                break;
            }
            if now < end {
                pace.sent += self.ask(pace.due(now), now >= warm) as u64;
                if let Some((pace, queries, sources)) = &mut beside {
                    let sent = self.flood(pace.due(now), queries, *sources);
                    pace.sent += sent as u64;
                    self.out.beside += if now >= warm { sent as u64 } else { 0 };
                }
            }
            for _ in 0..BURSTS {
                if self.receive() < BURST {
                    break;
                }
            }
        }
        self.out.seconds = (end - warm) as f64 / self.hz;
        self.latencies.sort_unstable();
        if let Some(most) = self.latencies.len().checked_sub(1) {
            self.out.latency = [0.5, 0.99, 0.999]
                .map(|share| f64::from(self.latencies[(most as f64 * share).round() as usize]) / 1e3);
        }
        self.out
    }

    /// Queries that are counted.
    #[inline]
    fn ask(&mut self, count: usize, counts: bool) -> usize {
        let mut burst = self.buffers(count);
        let (first, made) = (self.next, burst.len());
        let now = tsc();
        for packet in &mut burst {
            let random = self.random();
            let query = self.next % self.queries.len();
            let port = COUNTED | random as u16;
            let source = CLIENTS.0 | ((random >> 16) as u32 & CLIENTS.1);
            let asker = Asker { source, port, id: self.next as u16 };
            self.slots[self.next & 0xFFFF] = Slot { sent: now, query: query as u16, port, counts };
            fill(packet, &self.queries[query], asker, 0);
            self.next += 1;
        }
        let sent = self.tx.transmit(&mut burst);
        // What found no room is not sent: the next round takes these identifiers again.
        self.next = first + sent;
        for n in sent..made {
            self.slots[(first + n) & 0xFFFF] = Slot::default();
        }
        self.out.sent += if counts { sent as u64 } else { 0 };
        sent
    }

    /// Queries that are not.
    #[inline]
    fn flood(&mut self, count: usize, queries: &[Query], sources: (u32, u32)) -> usize {
        let mut burst = self.buffers(count);
        for packet in &mut burst {
            let random = self.random();
            let source = sources.0 | ((random >> 24) as u32 & sources.1);
            let asker = Asker { source, port: 1024 + (random as u16 & 0x3FFF), id: (random >> 48) as u16 };
            let digits = self.random();
            fill(packet, &queries[(random >> 8) as usize % queries.len()], asker, digits);
        }
        self.tx.transmit(&mut burst)
    }

    fn buffers(&self, count: usize) -> ArrayVec<Mbuf, BURST> {
        let mut burst = ArrayVec::new();
        if count == BURST && self.pool.alloc_bulk(&mut burst) == BURST {
            return burst;
        }
        burst.extend((0..count).map_while(|_| self.pool.alloc()));
        burst
    }

    /// Answers that have come; how many packets.
    #[inline]
    fn receive(&mut self) -> usize {
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        let received = self.rx.receive(&mut burst);
        let now = tsc();
        for packet in &burst {
            self.account(packet.data(), now);
        }
        received
    }

    #[inline]
    fn account(&mut self, frame: &[u8], now: u64) {
        // IPv4 without options, UDP, from port 53.
        if frame.len() < 54 || frame[12..15] != [8, 0, 0x45] || frame[23] != 17 || frame[34..36] != [0, 53] {
            // The peer's kernel asks for neighbours now and then.
            return;
        }
        let port = u16::from_be_bytes([frame[36], frame[37]]);
        if port < COUNTED {
            return;
        }
        let slot = &mut self.slots[usize::from(u16::from_be_bytes([frame[42], frame[43]]))];
        if slot.sent == 0 || slot.port != port {
            self.out.stray += 1;
            return;
        }
        let (sent, counts) = (slot.sent, slot.counts);
        slot.sent = 0;
        let length = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
        let message = frame.get(42..34 + length).unwrap_or(&[]);
        if !self.queries[usize::from(slot.query)].is_answered_by(message, self.echo) {
            self.out.wrong += 1;
        } else if counts {
            self.out.answered += 1;
            self.latencies.push(((now - sent) as f64 * 1e9 / self.hz) as u32);
        }
    }

    /// Xorshift: sources and ports need to differ, not to be secret.
    #[inline]
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[inline]
fn fill(packet: &mut Mbuf, query: &Query, asker: Asker, digits: u64) {
    assert!(packet.append(query.len()), "a buffer has room for a query");
    query.write(packet.data_mut(), asker, digits);
}
