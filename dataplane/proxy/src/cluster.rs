//! Cluster names, from the same tables as the packet path has them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use sluice_dns::{Asked, Verdict, Zones, answer, parse};
use sluice_resolver::{Authority, Continuation, Transport, Verdict as Outcome};

/// Answers for the cluster's zones.
#[derive(Debug)]
pub struct ClusterNames {
    zones: Arc<ArcSwap<Zones>>,
    turn: AtomicU32,
}

impl ClusterNames {
    /// By these tables, as they are when a query comes.
    pub fn new(zones: Arc<ArcSwap<Zones>>) -> Self {
        Self { zones, turn: AtomicU32::new(0) }
    }
}

impl Authority for ClusterNames {
    fn answer(&self, query: &[u8], client: SocketAddr, transport: Transport, out: &mut Vec<u8>) -> Outcome {
        let zones = self.zones.load();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let asked = Asked {
            client: client.ip(),
            stream: transport.is_stream(),
            resolver: true,
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
            now: now.as_secs() as u32,
        };
        let room = if asked.stream { usize::from(u16::MAX) } else { zones.max_udp() };
        out.extend_from_slice(query);
        out.resize(room.max(query.len()), 0);
        let parsed = parse(query);
        match answer::answer(&zones, parsed, out, &asked) {
            Verdict::Reply { length, .. } => {
                out.truncate(length);
                Outcome::Answered
            }
            Verdict::Silence => Outcome::Drop,
            Verdict::Forward => {
                out.truncate(query.len());
                let name = parsed.map(|query| query.name(out).to_vec()).unwrap_or_default();
                match answer::aliases(&zones, parsed, out, &asked) {
                    Some(target) if zones.zone(&name).is_some() => {
                        Outcome::Continue(Continuation { target, mask: zones.compat() })
                    }
                    _ => {
                        out.clear();
                        Outcome::NotMine
                    }
                }
            }
        }
    }
}
