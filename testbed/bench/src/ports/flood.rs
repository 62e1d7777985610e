//! A SYN flood beside known connections, latencies against load, and the ceiling of the generator that shows them.

use arrayvec::ArrayVec;
use sluice_dpdk::{Lcore, Mbuf, tsc};
use sluice_engine::{BURST, PortId};
use sluice_runtime::lcore::now;
use sluice_wire::PacketBuf;

use super::rings::{Device, Outcome, Pace, Plan, Supply, checksum, fill, next, run};
use super::{Bench, OTHER_CPU};
use crate::gateway::{self, CLUSTER, PORT, UPLINK};
use crate::stamp::Stamps;
use crate::traffic::{self, Ends};

/// Known connections.
const KNOWN: u32 = 100_000;
/// Packets of theirs in a second beside a flood.
const BESIDE: f64 = 500_000.0;
/// What a payload that counts begins with.
const MARK: [u8; 8] = *b"SLTSTAMP";
/// Where it is: behind headers of Ethernet, IPv4 and TCP.
const PAYLOAD: usize = 54;
/// Shares of what a worker forwards, in percent, at which latencies are measured.
pub const LOADS: [u32; 6] = [10, 25, 50, 75, 90, 100];

/// What a flood does to those who were there before.
#[derive(Clone, Copy, Debug)]
pub struct Flooded {
    /// Percent of their packets that were lost.
    pub loss: f64,
    /// Of these, percent of their packets that found the queue full.
    pub full: f64,
    /// Microseconds that half, 99 % and 99.9 % of them took at most.
    pub latency: [f64; 3],
    /// Packets of the flood in a second that the worker took.
    pub taken: f64,
    /// Those that were sent.
    pub sent: f64,
}

impl Flooded {
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self {
            loss: outcome.loss(),
            full: 100.0 * outcome.full as f64 / outcome.sent.max(1) as f64,
            latency: [0.5, 0.99, 0.999].map(|share| outcome.latency(share)),
            taken: outcome.flood as f64 / outcome.seconds,
            sent: (outcome.flood + outcome.flood_full) as f64 / outcome.seconds,
        }
    }
}

impl Bench {
    /// 100,000 known connections whose packets come at a fixed pace beside SYNs of strangers: as many as the worker takes,
    /// then as many as the generator makes.
    ///
    /// # Panics
    /// Where the generator or the worker cannot run.
    pub fn synflood(&self, seconds: f64) -> [Flooded; 2] {
        let (device, mut supply) = self.known_connections();
        let _lcore = Lcore::attach(&self.eal, OTHER_CPU).unwrap();
        let mut plan = Plan { known: Pace::At(BESIDE), flood: Pace::Taken, seconds };
        let (device, taken) = run(self, device, &mut supply, plan);
        plan.flood = Pace::Made;
        let (_, made) = run(self, device, &mut supply, plan);
        [taken, made].map(|outcome| Flooded::of(&outcome))
    }

    /// Packets of 100,000 known connections that a worker behind rings forwards in a second, and for each of [`LOADS`] the
    /// microseconds that half, 99 % and 99.9 % of them take at most, and how many percent are lost.
    ///
    /// # Panics
    /// As [`Bench::synflood`].
    pub fn latencies(&self, seconds: f64) -> (f64, Vec<(u32, [f64; 3], f64)>) {
        let (mut device, mut supply) = self.known_connections();
        let _lcore = Lcore::attach(&self.eal, OTHER_CPU).unwrap();
        let mut plan = Plan { known: Pace::Taken, flood: Pace::None, seconds };
        let (used, most) = run(self, device, &mut supply, plan);
        device = used;
        let capacity = most.back as f64 / most.seconds;
        let mut rows = Vec::new();
        for load in LOADS {
            plan.known = Pace::At(capacity * f64::from(load) / 100.0);
            let (used, outcome) = run(self, device, &mut supply, plan);
            device = used;
            rows.push((load, [0.5, 0.99, 0.999].map(|share| outcome.latency(share)), outcome.loss()));
        }
        drop(device);
        (capacity, rows)
    }

    /// Packets a second that go out of the generator and come back where the device does nothing with them.
    ///
    /// # Panics
    /// As [`Bench::synflood`].
    pub fn ring_ceiling(&self, seconds: f64) -> f64 {
        let ends = traffic::client(0, false, PORT);
        let mut supply = supply([ends, ends], [Stamps::default(), Stamps::default()]);
        let _lcore = Lcore::attach(&self.eal, OTHER_CPU).unwrap();
        let plan = Plan { known: Pace::Taken, flood: Pace::None, seconds };
        let (_, outcome) = run(self, Device::Echo, &mut supply, plan);
        outcome.back as f64 / outcome.seconds
    }

    fn known_connections(&self) -> (Device, Connections) {
        let snapshot = gateway::snapshot(&mut gateway::publisher(100));
        let mut worker = gateway::worker::<Mbuf>(1 << 19, now());
        let lend = |frame: &[u8]| self.pool.copy_of(frame).unwrap();
        let client = |n| traffic::client(n, false, PORT);
        let all = traffic::connect(&mut worker, &snapshot, now(), KNOWN, client, lend);
        let order = || (0..all.len()).map(|n| all[n.wrapping_mul(40_503) % all.len()]);
        let ends = [all[0].client, all[0].pod];
        let stamps = [
            Stamps::of(order().map(|c| segment(c.client, UPLINK))),
            Stamps::of(order().map(|c| segment(c.pod, CLUSTER))),
        ];
        (Device::Worker(Box::new(worker), snapshot), supply(ends, stamps))
    }
}

/// Packets of known connections, and SYNs of strangers.
struct Connections {
    /// A frame for each port.
    frames: [Vec<u8>; 2],
    /// The connections whose packets they become.
    stamps: [Stamps; 2],
    /// A SYN; its source becomes another stranger each time.
    syn: Vec<u8>,
    random: u64,
}

impl Supply for Connections {
    #[inline]
    fn known(&mut self, side: usize, burst: &mut ArrayVec<Mbuf, BURST>, time: u64) {
        for packet in &mut *burst {
            fill(packet, &self.frames[side]);
            packet.data_mut()[PAYLOAD + 8..PAYLOAD + 16].copy_from_slice(&time.to_le_bytes());
        }
        self.stamps[side].put(burst);
    }

    #[inline]
    fn flood(&mut self, burst: &mut ArrayVec<Mbuf, BURST>) -> usize {
        for packet in burst {
            fill(packet, &self.syn);
            // Sources in a /16 and their ports.
            let [a, b, c, d, ..] = next(&mut self.random);
            let frame = packet.data_mut();
            frame[28..30].copy_from_slice(&[a, b]);
            frame[34..36].copy_from_slice(&[c | 4, d]);
            checksum(frame);
        }
        usize::from(UPLINK)
    }

    #[inline]
    fn sent(&self, frame: &[u8]) -> Option<u64> {
        let (mark, time) = frame.get(PAYLOAD..PAYLOAD + 16)?.split_at(8);
        (mark == MARK).then(|| u64::from_le_bytes(time.try_into().unwrap_or_default()))
    }
}

fn supply(ends: [Ends; 2], stamps: [Stamps; 2]) -> Connections {
    // Known clients are of 198.18.0.0/16.
    let stranger = Ends { src: ([198, 19, 0, 1].into(), 1024), ..traffic::client(0, false, PORT) };
    Connections {
        frames: [segment(ends[0], UPLINK), segment(ends[1], CLUSTER)],
        stamps,
        syn: traffic::syn(stranger),
        random: tsc() | 1,
    }
}

/// The frame of one of these connections, as it arrives on a port.
fn segment(ends: Ends, port: PortId) -> Vec<u8> {
    let payload = [MARK, [0; 8]].concat();
    traffic::segment_of(ends, port, &payload)
}
