//! Queries for names of the cluster beside floods of others.

use arrayvec::ArrayVec;
use sluice_dpdk::{Lcore, Mbuf, tsc};
use sluice_engine::BURST;
use sluice_runtime::lcore::now;
use sluice_wire::PacketBuf;

use super::flood::Flooded;
use super::rings::{Device, Pace, Plan, Supply, checksum, fill, next, run};
use super::{Bench, OTHER_CPU, dns::SERVICES};
use crate::dns;
use crate::gateway::{self, CLUSTER};

/// Queries that count in a second.
const BESIDE: f64 = 500_000.0;
/// How many different ones.
const QUERIES: u32 = 1_024;
/// Where a query's source address is.
const SOURCE: usize = 26;
/// The UDP checksum.
const CHECKSUM: usize = 40;
/// The flags of a reply, and its code.
const FLAGS: usize = 44;
/// The first byte of the name's first label: after its length.
const LABEL: usize = 55;
/// What the source's MAC address begins with where a query counts; the time it was sent follows. The reply goes back there.
const COUNTS: u8 = 0x02;
const STRANGER: u8 = 0x06;

/// What the flood is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strangers {
    /// Names below a domain of others, a new one each time, for which there is a resolver.
    Names,
    /// Queries for names of the cluster, each from another address.
    Sources,
}

impl Bench {
    /// 500,000 queries a second for names of 10,000 Services, beside a flood that is as fast as the worker takes it.
    ///
    /// # Panics
    /// Where the generator or the worker cannot run.
    pub fn dns_flood(&self, strangers: Strangers, seconds: f64) -> Flooded {
        let mut publisher = gateway::publisher(100);
        dns::names_beside(&mut publisher, SERVICES, strangers == Strangers::Names);
        let snapshot = gateway::snapshot(&mut publisher);
        let worker = gateway::worker::<Mbuf>(1 << 10, now());
        let mut supply = Queries {
            known: (0..QUERIES).map(|n| dns::query("a", n, SERVICES)).collect(),
            at: 0,
            flood: match strangers {
                Strangers::Names => dns::query("foreign", 0, SERVICES),
                Strangers::Sources => dns::query("a", 0, SERVICES),
            },
            strangers,
            random: tsc() | 1,
        };
        let _lcore = Lcore::attach(&self.eal, OTHER_CPU).unwrap();
        let plan = Plan { known: Pace::At(BESIDE), flood: Pace::Taken, seconds };
        let (_, outcome) = run(self, Device::Worker(Box::new(worker), snapshot), &mut supply, plan);
        Flooded::of(&outcome)
    }
}

struct Queries {
    known: Vec<Vec<u8>>,
    at: usize,
    flood: Vec<u8>,
    strangers: Strangers,
    random: u64,
}

impl Supply for Queries {
    #[inline]
    fn known(&mut self, side: usize, burst: &mut ArrayVec<Mbuf, BURST>, time: u64) {
        for packet in burst {
            self.at = (self.at + 1) % self.known.len();
            fill(packet, &self.known[self.at]);
            let [a, b, c, d, e, ..] = time.to_le_bytes();
            let frame = packet.data_mut();
            frame[..6].copy_from_slice(&gateway::MACS[side].0);
            frame[6..12].copy_from_slice(&[COUNTS, a, b, c, d, e]);
        }
    }

    #[inline]
    fn flood(&mut self, burst: &mut ArrayVec<Mbuf, BURST>) -> usize {
        for packet in burst {
            fill(packet, &self.flood);
            let [a, b, c, d, ..] = next(&mut self.random);
            let frame = packet.data_mut();
            frame[6] = STRANGER;
            match self.strangers {
                Strangers::Names => {
                    let letters = [a, b, c, d].map(|byte| b'a' + byte % 26);
                    frame[LABEL..LABEL + 4].copy_from_slice(&letters);
                }
                Strangers::Sources => {
                    frame[SOURCE + 2..SOURCE + 4].copy_from_slice(&[a, b]);
                    checksum(frame);
                }
            }
            // None, rather than one that takes the generator longer than the worker.
            frame[CHECKSUM..CHECKSUM + 2].fill(0);
        }
        usize::from(CLUSTER)
    }

    #[inline]
    fn sent(&self, frame: &[u8]) -> Option<u64> {
        let [COUNTS, a, b, c, d, e] = *frame.first_chunk()? else { return None };
        let [high, low] = *frame.get(FLAGS..)?.first_chunk()?;
        // The upper bits of the time are those of now: a query is under way for less than minutes.
        let now = tsc();
        let sent = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        let sent = (now & !0xFF_FFFF_FFFF | sent).wrapping_sub(if sent > now & 0xFF_FFFF_FFFF {
            1 << 40
        } else {
            0
        });
        (high & 0x80 != 0 && low & 15 == 0).then_some(sent)
    }
}
