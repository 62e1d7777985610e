//! Asking Linux to resolve next hops: it sends the ARP requests and neighbour solicitations, we mirror the answers.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
};
use sluice_engine::PortId;

use super::family;
use super::socket::{NetlinkError, Socket};
use crate::stop::Stop;

/// Least time between two requests for one neighbour; Linux itself retries within a second.
const PAUSE: Duration = Duration::from_secs(1);
/// How often gateways are asked for again, for kernels that do not keep them resolved by themselves (before 5.16).
const GATEWAYS: Duration = Duration::from_secs(15);
/// Requests that may wait; the worker asks again with the next packet.
const QUEUE: usize = 1024;
/// Neighbours remembered as asked for. When full, those longer ago than [`PAUSE`] go.
const REMEMBERED: usize = 4096;
/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);

/// Sends requests to the [`Resolver`]; cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Asker(SyncSender<Ask>);

#[derive(Debug)]
enum Ask {
    Neighbor(PortId, IpAddr),
    Gateways(HashSet<(PortId, IpAddr)>),
}

impl Asker {
    /// Asks for a neighbour; false where the queue is full, and nothing happens.
    pub fn neighbor(&self, port: PortId, ip: IpAddr) -> bool {
        self.0.try_send(Ask::Neighbor(port, ip)).is_ok()
    }

    /// Says which gateways to keep resolved from now on.
    pub fn gateways(&self, gateways: HashSet<(PortId, IpAddr)>) {
        // Not to be lost, so this may wait; only the resolver's end ends it early.
        if let Err(TrySendError::Full(ask)) = self.0.try_send(Ask::Gateways(gateways)) {
            let _ = self.0.send(ask);
        }
    }
}

/// The receiving end: asks the kernel.
#[derive(Debug)]
pub struct Resolver {
    socket: Socket,
    asks: Receiver<Ask>,
    interfaces: HashMap<PortId, u32>,
    gateways: HashSet<(PortId, IpAddr)>,
    asked: HashMap<(PortId, IpAddr), Instant>,
    next_round: Instant,
}

impl Resolver {
    /// A resolver for ports with these kernel interfaces.
    ///
    /// # Errors
    /// Those of [`Socket::route`].
    pub fn new(interfaces: HashMap<PortId, u32>) -> Result<(Self, Asker), NetlinkError> {
        let (sender, asks) = sync_channel(QUEUE);
        let resolver = Self {
            socket: Socket::route(0)?,
            asks,
            interfaces,
            gateways: HashSet::new(),
            asked: HashMap::new(),
            next_round: Instant::now() + GATEWAYS,
        };
        Ok((resolver, Asker(sender)))
    }

    /// Works until told to stop.
    pub fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            match self.asks.recv_timeout(TICK) {
                Ok(Ask::Neighbor(port, ip)) => self.once(port, ip),
                Ok(Ask::Gateways(gateways)) => self.replace(gateways),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= self.next_round {
                self.next_round = Instant::now() + GATEWAYS;
                for (port, ip) in self.gateways.clone() {
                    self.once(port, ip);
                }
            }
        }
    }

    fn replace(&mut self, gateways: HashSet<(PortId, IpAddr)>) {
        let before = std::mem::replace(&mut self.gateways, gateways);
        // Asked for without the flag, a former gateway becomes an ordinary neighbour again and can age out.
        let changed: Vec<_> = before.symmetric_difference(&self.gateways).copied().collect();
        for (port, ip) in changed {
            self.asked.remove(&(port, ip));
            self.once(port, ip);
        }
    }

    /// Asks for a neighbour unless that has just been done.
    fn once(&mut self, port: PortId, ip: IpAddr) {
        let now = Instant::now();
        if self.asked.get(&(port, ip)).is_some_and(|at| now.duration_since(*at) < PAUSE) {
            return;
        }
        if self.asked.len() >= REMEMBERED {
            self.asked.retain(|_, at| now.duration_since(*at) < PAUSE);
            if self.asked.len() >= REMEMBERED {
                return;
            }
        }
        self.asked.insert((port, ip), now);
        let Some(&index) = self.interfaces.get(&port) else {
            return;
        };
        let managed = self.gateways.contains(&(port, ip));
        if let Err(error) = ask(&mut self.socket, index, ip, managed) {
            tracing::debug!(%error, %ip, port, "asking Linux for a neighbour");
        }
    }
}

/// Makes Linux resolve `ip` on an interface now and, where `managed`, keep it resolved from then on.
///
/// # Errors
/// The kernel's refusal, for example of an address of the interface itself.
pub fn ask(socket: &mut Socket, index: u32, ip: IpAddr, managed: bool) -> Result<(), NetlinkError> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = index;
    message.header.flags = NeighbourFlags::Use;
    message.attributes = vec![NeighbourAttribute::Destination(ip.into())];
    if managed {
        // Named on each request: one without it takes the flag away.
        message.header.flags = NeighbourFlags::empty();
        message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
    }
    socket.request(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE, &format!("resolve {ip}"))
}
