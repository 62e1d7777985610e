//! What happened to live packets that match a filter: `sluice trace`.
//!
//! While nothing is traced, packets pay one test of an `Option`.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sluice_model::FrontendKind;
use sluice_wire::parse::{Kind, Parsed, v6_addrs};

use crate::drops::DropReason;
use crate::flow::entry::Direction;
use crate::punt::PuntClass;
use crate::{Now, PortId, Tuple};

/// Records kept until they are fetched; more are counted as lost.
const MOST_RECORDS: usize = 4096;
/// Stages of a packet that are kept.
const MOST_STAGES: usize = 12;

/// Which packets to record. What is not given matches everything; addresses and ports match either end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceFilter {
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Source network.
    pub src: Option<IpNet>,
    /// Destination network.
    pub dst: Option<IpNet>,
    /// Source or destination port.
    pub port: Option<u16>,
    /// Records to make before tracing ends by itself.
    pub limit: u32,
}

impl TraceFilter {
    /// Whether a packet as received matches.
    pub fn matches(&self, tuple: &Tuple) -> bool {
        self.protocol.is_none_or(|p| p == tuple.protocol)
            && self.src.is_none_or(|net| net.contains(&tuple.src))
            && self.dst.is_none_or(|net| net.contains(&tuple.dst))
            && self.port.is_none_or(|port| tuple.sport == port || tuple.dport == port)
    }

    /// Whether it asks for nothing in particular, so that frames that cannot be parsed match too.
    fn is_open(&self) -> bool {
        self.protocol.is_none() && self.src.is_none() && self.dst.is_none() && self.port.is_none()
    }
}

/// Something that happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its flow was found.
    FlowHit {
        /// It comes from the backend.
        reverse: bool,
    },
    /// It goes to a frontend.
    Frontend {
        /// Number of the service port.
        slot: u32,
        /// The field the frontend comes from.
        kind: FrontendKind,
    },
    /// This endpoint was chosen.
    Backend {
        /// Where it listens.
        address: SocketAddr,
    },
    /// A flow was made.
    NewFlow,
    /// Addresses, ports and checksums were rewritten.
    Rewritten,
    /// It waits for its next hop or its first fragment.
    Parked,
    /// Another lcore owns its flow.
    HandedOver {
        /// Which.
        lcore: u16,
    },
    /// It went to Linux.
    Punted(PuntClass),
    /// It was answered with a refusal.
    Refused,
    /// It was answered by the gateway itself: ARP, ND, an echo request, an ICMP error.
    Answered,
    /// It, or the answer to it, was sent.
    Transmitted {
        /// Out of which port.
        port: PortId,
    },
    /// It was dropped.
    Dropped(DropReason),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlowHit { reverse: false } => f.write_str("known flow"),
            Self::FlowHit { reverse: true } => f.write_str("known flow, reply"),
            Self::Frontend { slot, kind } => write!(f, "frontend {kind} of slot {slot}"),
            Self::Backend { address } => write!(f, "backend {address}"),
            Self::NewFlow => f.write_str("new flow"),
            Self::Rewritten => f.write_str("rewritten"),
            Self::Parked => f.write_str("waits"),
            Self::HandedOver { lcore } => write!(f, "handed over to lcore {lcore}"),
            Self::Punted(class) => write!(f, "to Linux ({})", class.name()),
            Self::Refused => f.write_str("refused"),
            Self::Answered => f.write_str("answered by the gateway"),
            Self::Transmitted { port } => write!(f, "sent out of port {port}"),
            Self::Dropped(reason) => write!(f, "dropped: {reason}"),
        }
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceRecord {
    /// Milliseconds of the monotonic clock.
    pub at_ms: u64,
    /// The lcore that worked on it.
    pub lcore: u16,
    /// The port that received it.
    pub port: PortId,
    /// As received; `None` where it is no IP packet or cannot be parsed.
    pub tuple: Option<Tuple>,
    /// What happened, in order.
    pub stages: Vec<Stage>,
    /// Packets right before this one that matched and found no room.
    pub lost: u64,
}

impl fmt::Display for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}.{:03}] lcore {} port {} ",
            self.at_ms / 1000,
            self.at_ms % 1000,
            self.lcore,
            self.port
        )?;
        match &self.tuple {
            Some(tuple) => write!(f, "{tuple}:")?,
            None => f.write_str("no IP packet:")?,
        }
        for (n, stage) in self.stages.iter().enumerate() {
            write!(f, "{} {stage}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Current {
    at: Now,
    lcore: u16,
    port: PortId,
    tuple: Option<Tuple>,
    /// The direction of its flow, where there was one before it.
    known: Option<Direction>,
    stages: ArrayVec<Stage, MOST_STAGES>,
}

/// Records packets of one lcore.
#[derive(Debug)]
pub struct Tracer {
    filter: TraceFilter,
    current: Option<Current>,
    done: VecDeque<TraceRecord>,
    made: u32,
    lost: u64,
}

impl Tracer {
    /// Records what `filter` lets through.
    pub fn new(filter: TraceFilter) -> Self {
        Self { filter, current: None, done: VecDeque::new(), made: 0, lost: 0 }
    }

    /// A packet is being worked on. `flow` looks its flow up.
    pub(crate) fn begin(
        &mut self,
        frame: &[u8],
        parsed: &Parsed,
        (at, lcore, port): (Now, u16, PortId),
        flow: impl FnOnce(&Tuple) -> Option<Direction>,
    ) {
        self.finish();
        let tuple = tuple(frame, parsed);
        let wanted = tuple.as_ref().map_or_else(|| self.filter.is_open(), |tuple| self.filter.matches(tuple));
        if wanted && self.made < self.filter.limit {
            let known = tuple.as_ref().and_then(flow);
            self.current = Some(Current { at, lcore, port, tuple, known, stages: ArrayVec::new() });
        }
    }

    /// A frame that cannot be parsed is being dropped.
    pub fn begin_unparsed(&mut self, now: Now, lcore: u16, port: PortId) {
        self.finish();
        if self.filter.is_open() && self.made < self.filter.limit {
            let stages = ArrayVec::new();
            self.current = Some(Current { at: now, lcore, port, tuple: None, known: None, stages });
        }
    }

    /// Something happened to it.
    pub fn stage(&mut self, stage: Stage) {
        if let Some(current) = &mut self.current {
            // The shortest way through the engine, of a known flow about which nothing is unusual, says only how it ends.
            if let (Stage::Transmitted { .. }, true, Some(direction)) =
                (stage, current.stages.is_empty(), current.known)
            {
                current.stages.push(Stage::FlowHit { reverse: direction == Direction::Reverse });
                current.stages.push(Stage::Rewritten);
            }
            // A packet with more stages than any way through the engine has: the last ones are left out.
            let _ = current.stages.try_push(stage);
        }
    }

    /// The records since the last call.
    pub fn take(&mut self) -> Vec<TraceRecord> {
        self.finish();
        self.done.drain(..).collect()
    }

    /// Counts records that nobody took, and what was lost before them.
    pub(crate) fn lose(&mut self, records: &[TraceRecord]) {
        self.lost += records.iter().map(|record| record.lost + 1).sum::<u64>();
    }

    fn finish(&mut self) {
        let Some(Current { at, lcore, port, tuple, known: _, stages }) = self.current.take() else { return };
        if self.done.len() >= MOST_RECORDS {
            self.lost += 1;
            return;
        }
        self.made += 1;
        let lost = std::mem::take(&mut self.lost);
        self.done.push_back(TraceRecord { at_ms: at.0, lcore, port, tuple, stages: stages.to_vec(), lost });
    }
}

fn tuple(frame: &[u8], parsed: &Parsed) -> Option<Tuple> {
    let (src, dst): (IpAddr, IpAddr) = match parsed.kind {
        Kind::V4 => (IpAddr::V4(parsed.src.into()), IpAddr::V4(parsed.dst.into())),
        Kind::V6 => {
            let (src, dst) = v6_addrs(frame, parsed);
            (IpAddr::V6(src.into()), IpAddr::V6(dst.into()))
        }
        Kind::Arp | Kind::Other => return None,
    };
    Some(Tuple { src, dst, sport: parsed.sport, dport: parsed.dport, protocol: parsed.proto })
}
