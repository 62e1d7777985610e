//! Cluster names, from the same tables as the packet path has them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::BinEncodable;
use ipnet::IpNet;
use sluice_dns::{Asked, Verdict, Zones, answer, parse};
use sluice_model::{Generation, Serving};
use sluice_resolver::{Authority, Continuation, Messages, Transport, Verdict as Outcome};

use crate::autopath::{self, Completed};

/// Answers for the cluster's zones.
#[derive(Debug)]
pub struct ClusterNames {
    zones: Arc<ArcSwap<Zones>>,
    turn: AtomicU32,
    told: ArcSwap<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// Who may have whole zones.
    transfer: Vec<IpNet>,
    /// Whether search lists are completed.
    autopath: bool,
}

impl ClusterNames {
    /// By these tables, as they are when a query comes.
    pub fn new(zones: Arc<ArcSwap<Zones>>) -> Self {
        Self { zones, turn: AtomicU32::new(0), told: ArcSwap::default() }
    }

    /// From now on, who may have whole zones, and whether search lists are completed.
    pub fn set(&self, serving: &Serving) {
        let Serving { transfer, autopath, .. } = serving;
        self.told.store(Arc::new(Told { transfer: transfer.clone(), autopath: *autopath }));
    }

    /// The reply to a name that does not exist, in `out`, or to what the client's search list makes of it.
    fn completed(&self, zones: &Zones, query: &[u8], asked: &Asked, out: &mut Vec<u8>) -> Outcome {
        let Ok(parsed) = parse(query) else { return Outcome::Answered };
        let limit = match parsed.edns {
            _ if asked.stream => usize::from(u16::MAX),
            Some(edns) => usize::from(edns.size).min(zones.max_udp()).max(512),
            None => 512,
        };
        match autopath::complete(zones, &parsed, query, asked, limit) {
            None => Outcome::Answered,
            Some(Completed::Here(reply)) => {
                *out = reply;
                Outcome::Answered
            }
            Some(Completed::Bare(target)) => {
                let Some(alias) = autopath::alias_to(out, &target) else { return Outcome::Answered };
                let otherwise = Some(std::mem::replace(out, alias));
                Outcome::Continue(Continuation { target, mask: false, otherwise })
            }
        }
    }
}

impl Authority for ClusterNames {
    fn generation(&self) -> Generation {
        self.zones.load().generation()
    }

    fn conceals(&self, name: &Name, client: SocketAddr, server: IpAddr) -> bool {
        let (zones, client) = (self.zones.load(), client.ip().to_canonical());
        // What cannot be written is told nobody.
        !zones.has_cluster(client, server)
            && name.to_bytes().map_or(true, |name| zones.conceals(&name, client, server))
    }

    fn transfer(&self, query: &[u8], client: SocketAddr, server: IpAddr) -> Option<Messages> {
        let client = client.ip().to_canonical();
        if !self.told.load().transfer.iter().any(|net| net.contains(&client)) {
            return None;
        }
        let parsed = parse(query).ok()?;
        let zones = self.zones.load();
        // BADVERS is an ordinary answer.
        if parsed.edns.is_some_and(|edns| edns.version != 0) {
            return None;
        }
        if zones.conceals(parsed.name(query), client, server) {
            return None;
        }
        let messages = sluice_dns::transfer(&zones, &parsed, query, serial(query), client)?;
        Some(Box::new(messages))
    }

    fn namespace(&self, client: IpAddr) -> Option<Box<str>> {
        self.zones.load().namespace_of(client)
    }

    fn without_ipv6(&self, client: IpAddr) -> bool {
        self.zones.load().without_ipv6(client)
    }

    fn answer(
        &self,
        query: &[u8],
        client: SocketAddr,
        server: IpAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let zones = self.zones.load();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let asked = Asked {
            client: client.ip().to_canonical(),
            server,
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
            Verdict::Reply { length, rcode } => {
                out.truncate(length);
                if rcode == autopath::NXDOMAIN && self.told.load().autopath {
                    return self.completed(&zones, query, &asked, out);
                }
                Outcome::Answered
            }
            Verdict::Silence => Outcome::Drop,
            Verdict::Forward | Verdict::Elsewhere => {
                out.truncate(query.len());
                let name = parsed.map(|query| query.name(out).to_vec()).unwrap_or_default();
                match answer::aliases(&zones, parsed, out, &asked) {
                    Some(target) if zones.zone(&name).is_some() => {
                        Outcome::Continue(Continuation { target, mask: zones.compat(), otherwise: None })
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

/// The serial of the SOA record that a query for an incremental transfer has (RFC 1995, section 3).
fn serial(query: &[u8]) -> Option<u32> {
    let query = Message::from_vec(query).ok()?;
    query.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })
}
