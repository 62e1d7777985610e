//! A worker behind rings, on its CPU, and a generator on the other: what a queue adds to a packet's way, and what it loses.
//!
//! The rings are as long as a NIC's queues can be. What finds no room in one is lost, as there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrayvec::ArrayVec;
use sluice_dpdk::{Lcore, Mbuf, RingReceiver, RingSender, ring, tsc};
use sluice_engine::snapshot::Snapshot;
use sluice_engine::{BURST, PortId, Worker};
use sluice_runtime::lcore::{Egress, LcoreShared, Outlet, now};
use sluice_wire::PacketBuf;

use super::{Bench, WORKER_CPU};

/// Packets that wait on the way in.
const QUEUE: u32 = 2047;
/// Packets under way at most, where the generator waits for the worker.
const WINDOW: u64 = 512;
/// Packets that count are sent in bursts of at most so many.
const SMALL: usize = 32;
/// Seconds before anything is counted.
const WARM: f64 = 0.1;
/// Seconds for the last packets to come back.
const GRACE: f64 = 0.05;
/// Who takes the packets.
pub(super) enum Device {
    /// A gateway.
    Worker(Box<Worker<Mbuf>>, Arc<Snapshot>),
    /// Everything goes back as it came: the ceiling of generator and rings.
    Echo,
}

/// As many packets a second, or as many as the worker takes, or as many as the generator makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    None,
    At(f64),
    Taken,
    Made,
}

/// What is sent: packets that count, and a flood beside them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) known: Pace,
    pub(super) flood: Pace,
    pub(super) seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Packets that count and were sent, whether or not there was room.
    pub(super) sent: u64,
    /// Those that came back.
    pub(super) back: u64,
    /// Those that found no room on the way in.
    pub(super) full: u64,
    /// Packets of the flood that the worker was given.
    pub(super) flood: u64,
    /// Those that found no room.
    pub(super) flood_full: u64,
    pub(super) seconds: f64,
    /// Nanoseconds from the sender's hand to its hand, in order.
    latencies: Vec<u32>,
}

impl Outcome {
    /// Packets that count and did not come back, in percent.
    pub(super) fn loss(&self) -> f64 {
        100.0 * (1.0 - self.back as f64 / self.sent.max(1) as f64)
    }

    /// Microseconds that this share of the packets did not exceed.
    pub(super) fn latency(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        self.latencies.get((last * share).round() as usize).map_or(f64::NAN, |ns| f64::from(*ns) / 1e3)
    }
}

/// What there is to send.
pub(super) trait Supply {
    /// Fills packets that count, for one of both ports, with the time in them.
    fn known(&mut self, side: usize, burst: &mut ArrayVec<Mbuf, BURST>, time: u64);
    /// Fills packets of the flood; the port they come to.
    fn flood(&mut self, burst: &mut ArrayVec<Mbuf, BURST>) -> usize;
    /// When a packet that counts and has come back was sent.
    fn sent(&self, frame: &[u8]) -> Option<u64>;
}

/// Sends what the plan says to the device and takes back what comes; the device comes back as well.
pub(super) fn run(bench: &Bench, device: Device, supply: &mut dyn Supply, plan: Plan) -> (Device, Outcome) {
    let pair = || ring(&bench.eal, QUEUE).unwrap();
    let ([(in0, from0), (in1, from1)], [(out0, back0), (out1, back1)]) = ([pair(), pair()], [pair(), pair()]);
    let (stop, taken) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let _lcore = Lcore::attach(&bench.eal, WORKER_CPU).unwrap();
            serve(device, [from0, from1], [out0, out1], &stop, &taken)
        });
        let generator = Generator {
            bench,
            into: [in0, in1],
            back: [back0, back1],
            supply,
            out: Outcome::default(),
            side: 0,
            given: 0,
            taken: &taken,
        };
        let outcome = generator.run(plan);
        stop.store(true, Ordering::Relaxed);
        (worker.join().unwrap(), outcome)
    })
}

fn serve(
    mut device: Device,
    mut inlets: [RingReceiver; 2],
    outlets: [RingSender; 2],
    stop: &AtomicBool,
    taken: &AtomicU64,
) -> Device {
    let outlets = outlets.map(Outlet::Ring).into();
    let mut egress = Egress::new(outlets, Vec::new(), vec![None], Arc::new(LcoreShared::new(2)));
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    let mut packets = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = now();
        for (port, inlet) in inlets.iter_mut().enumerate() {
            packets += inlet.receive(&mut burst) as u64;
            match &mut device {
                Device::Worker(worker, snapshot) => {
                    worker.process(port as PortId, &mut burst, snapshot, now, &mut egress);
                }
                Device::Echo => burst.drain(..).for_each(|packet| egress.send(port, packet)),
            }
        }
        if let Device::Worker(worker, snapshot) = &mut device {
            worker.tick(snapshot, now, &mut egress);
        }
        egress.flush();
        taken.store(packets, Ordering::Relaxed);
    }
    device
}

struct Generator<'a> {
    bench: &'a Bench,
    into: [RingSender; 2],
    back: [RingReceiver; 2],
    supply: &'a mut dyn Supply,
    out: Outcome,
    /// The port whose turn it is.
    side: usize,
    /// Packets that found room, and those that the worker has taken.
    given: u64,
    taken: &'a AtomicU64,
}

impl Generator<'_> {
    fn run(mut self, plan: Plan) -> Outcome {
        let hz = self.bench.hz();
        let start = tsc();
        let warm = start + self.bench.ticks(WARM);
        let end = warm + self.bench.ticks(plan.seconds);
        let last = end + self.bench.ticks(GRACE);
        let (mut known, mut flood) = (0, 0);
        loop {
            let now = tsc();
            if now >= last {
                break;
            }
            let counts = now >= warm;
            if now < end {
                let elapsed = (now - start) as f64 / hz;
                let count = self.due(plan.known, elapsed, known).min(SMALL);
                known += count as u64;
                self.known(count, counts);
                let count = self.due(plan.flood, elapsed, flood);
                flood += count as u64;
                self.flood(count, counts);
            }
            self.take_back(warm);
        }
        self.out.seconds = (end - warm) as f64 / hz;
        self.out.latencies.sort_unstable();
        self.out
    }

    /// How many packets are to go out now, of which so many went.
    fn due(&self, pace: Pace, elapsed: f64, went: u64) -> usize {
        let most = match pace {
            Pace::None => 0,
            Pace::At(rate) => ((elapsed * rate) as u64).saturating_sub(went),
            Pace::Taken => WINDOW.saturating_sub(self.given - self.taken.load(Ordering::Relaxed)),
            Pace::Made => BURST as u64,
        };
        most.min(BURST as u64) as usize
    }

    /// Packets that count, at both ports in turn.
    #[inline]
    fn known(&mut self, count: usize, counts: bool) {
        if count == 0 {
            return;
        }
        self.side ^= 1;
        let mut burst = self.buffers(count);
        self.supply.known(self.side, &mut burst, tsc());
        let sent = self.into[self.side].send(&mut burst);
        self.given += sent as u64;
        if counts {
            // The pool is large enough for all rings: what could not be had would have found no room either.
            self.out.sent += count as u64;
            self.out.full += (count - sent) as u64;
        }
    }

    #[inline]
    fn flood(&mut self, count: usize, counts: bool) {
        if count == 0 {
            return;
        }
        let mut burst = self.buffers(count);
        let side = self.supply.flood(&mut burst);
        let sent = self.into[side].send(&mut burst);
        self.given += sent as u64;
        if counts {
            self.out.flood += sent as u64;
            self.out.flood_full += (count - sent) as u64;
        }
    }

    fn buffers(&self, count: usize) -> ArrayVec<Mbuf, BURST> {
        let mut burst = ArrayVec::new();
        if count == BURST && self.bench.pool.alloc_bulk(&mut burst) == BURST {
            return burst;
        }
        burst.extend((0..count).map_while(|_| self.bench.pool.alloc()));
        burst
    }

    #[inline]
    fn take_back(&mut self, warm: u64) {
        for receiver in &mut self.back {
            let mut burst = ArrayVec::<Mbuf, BURST>::new();
            if receiver.receive(&mut burst) == 0 {
                continue;
            }
            let now = tsc();
            for packet in &burst {
                let Some(sent) = self.supply.sent(packet.data()).filter(|sent| *sent >= warm) else {
                    continue;
                };
                self.out.back += 1;
                let ns = (now.saturating_sub(sent)) as f64 * 1e9 / self.bench.hz();
                self.out.latencies.push(ns as u32);
            }
        }
    }
}

/// Makes an empty packet this frame.
#[inline]
pub(super) fn fill(packet: &mut Mbuf, frame: &[u8]) {
    assert!(packet.append(frame.len()), "a buffer has room for a frame");
    packet.data_mut().copy_from_slice(frame);
}

/// Makes the header's checksum right (RFC 791).
#[inline]
pub(super) fn checksum(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let sum: u32 = frame[14..34].chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// Xorshift: numbers that nobody need believe to be random.
#[inline]
pub(super) fn next(random: &mut u64) -> [u8; 8] {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    random.to_le_bytes()
}
