//! Clients, their connections, and the packets of these.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;
use sluice_engine::snapshot::Snapshot;
use sluice_engine::{BURST, Now, PortId, Sink, Worker};
use sluice_wire::build::Packet;
use sluice_wire::parse::{Kind, parse, v6_addrs};
use sluice_wire::{MacAddr, PacketBuf};

use crate::gateway::{self, CLUSTER, MACS, PEERS, PORT, UPLINK, VIP, VIP6};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// One of the two ends of a connection as the gateway's ports see it: what arrives.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Sender.
    pub src: (IpAddr, u16),
    /// Receiver.
    pub dst: (IpAddr, u16),
}

/// An established connection: what arrives from the client, and what from the pod.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// On the uplink.
    pub client: Ends,
    /// On the cluster's port.
    pub pod: Ends,
}

/// Client number `n` and the frontend it talks to.
pub fn client(n: u32, v6: bool, port: u16) -> Ends {
    let (host, sport) = (n / 16_384, 1024 + (n % 16_384) as u16);
    if v6 {
        let ip = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, (host >> 16) as u16, host as u16 + 1);
        Ends { src: (ip.into(), sport), dst: (VIP6.into(), port) }
    } else {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + host);
        Ends { src: (ip.into(), sport), dst: (VIP.into(), port) }
    }
}

/// Client number `n` and the one of the first `services` Services that it talks to by its cluster address: all over
/// the place.
pub fn client_of(n: u32, services: u32) -> Ends {
    let mut ends = client(n, false, PORT);
    ends.dst.0 = gateway::cluster_ip(n.wrapping_mul(40_503) % services).into();
    ends
}

/// A TCP frame with these flags as it arrives on `port`, padded to Ethernet's 60 bytes.
pub fn frame(ends: Ends, port: PortId, flags: u8, numbers: (u32, u32)) -> Vec<u8> {
    let (to, from): (MacAddr, MacAddr) = (MACS[usize::from(port)], PEERS[usize::from(port)]);
    let payload: &[u8] = if ends.src.0.is_ipv4() { &[0; 6] } else { &[] };
    let payload = if flags & SYN == 0 { payload } else { &[] };
    Packet::new(ends.src.0, ends.dst.0)
        .tcp_segment(ends.src.1, ends.dst.1, flags, numbers, &[])
        .payload(payload)
        .macs(to, from)
        .frame()
}

/// An ordinary segment of an established connection.
pub fn segment(ends: Ends, port: PortId) -> Vec<u8> {
    frame(ends, port, ACK, (1001, 5001))
}

/// An ordinary segment with this payload.
pub fn segment_of(ends: Ends, port: PortId, payload: &[u8]) -> Vec<u8> {
    Packet::new(ends.src.0, ends.dst.0)
        .tcp_segment(ends.src.1, ends.dst.1, ACK, (1001, 5001), &[])
        .payload(payload)
        .macs(MACS[usize::from(port)], PEERS[usize::from(port)])
        .frame()
}

/// The client's first.
pub fn syn(ends: Ends) -> Vec<u8> {
    frame(ends, UPLINK, SYN, (1000, 0))
}

/// Keeps what the engine sends, and counts what it hands over.
struct Kept<B>(Vec<B>, u32);

impl<B> Sink<B> for Kept<B> {
    fn transmit(&mut self, _: PortId, packet: B) {
        self.0.push(packet);
    }

    fn punt(&mut self, _: PortId, _: B) {
        panic!("a packet of the benchmark was given to Linux");
    }

    fn hand_over(&mut self, _: u16, _: PortId, _: B) {
        self.1 += 1;
    }
}

/// Sets `count` connections up through the gateway, each with its handshake. Of the clients, counted from 0, those are
/// left out that another of the worker's lcores would serve.
///
/// # Panics
/// Where one of them does not come to be.
pub fn connect<B: PacketBuf>(
    worker: &mut Worker<B>,
    snapshot: &Snapshot,
    now: Now,
    count: u32,
    client: impl Fn(u32) -> Ends,
    mut buffer: impl FnMut(&[u8]) -> B,
) -> Vec<Connection> {
    let mut connections = Vec::with_capacity(count as usize);
    let mut pass = |port, frames: &mut dyn Iterator<Item = Vec<u8>>| {
        let mut burst: ArrayVec<B, BURST> = frames.map(|f| buffer(&f)).collect();
        let mut kept = Kept(Vec::with_capacity(BURST), 0);
        worker.process(port, &mut burst, snapshot, now, &mut kept);
        kept
    };
    // Whose packet was handed over shows only where there is but one.
    let mut step = BURST as u32;
    let mut first = 0;
    while connections.len() < count as usize {
        let most = step.min(count - connections.len() as u32);
        let clients: Vec<Ends> = (first..first + most).map(&client).collect();
        let opened = pass(UPLINK, &mut clients.iter().map(|&c| syn(c)));
        if opened.1 > 0 {
            first += if step == 1 { 1 } else { 0 };
            step = 1;
            continue;
        }
        first += most;
        assert_eq!(opened.0.len(), clients.len(), "every connection must open");
        let pods: Vec<Ends> = opened.0.iter().map(|packet| reversed(packet.data())).collect();
        drop(opened);
        let answered = pass(CLUSTER, &mut pods.iter().map(|&p| frame(p, CLUSTER, SYN | ACK, (5000, 1001))));
        assert_eq!(answered.0.len(), clients.len(), "every answer must reach its client");
        drop(answered);
        let done = pass(UPLINK, &mut clients.iter().map(|&c| frame(c, UPLINK, ACK, (1001, 5001))));
        assert_eq!(done.0.len(), clients.len());
        connections.extend(clients.into_iter().zip(pods).map(|(client, pod)| Connection { client, pod }));
    }
    assert_eq!(worker.flows().established, count, "every connection must be established");
    connections
}

/// The answer to a frame: its ends the other way round.
fn reversed(frame: &[u8]) -> Ends {
    let parsed = parse(frame).unwrap();
    let (src, dst): (IpAddr, IpAddr) = if parsed.kind == Kind::V6 {
        let (src, dst) = v6_addrs(frame, &parsed);
        (Ipv6Addr::from_bits(src).into(), Ipv6Addr::from_bits(dst).into())
    } else {
        (Ipv4Addr::from_bits(parsed.src).into(), Ipv4Addr::from_bits(parsed.dst).into())
    };
    Ends { src: (dst, parsed.dport), dst: (src, parsed.sport) }
}
