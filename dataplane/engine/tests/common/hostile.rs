//! Hostile input to the engine: bytes become bursts, changes of services and time. One body for the fuzz target and for
//! the test that replays its corpus.

#[path = "mod.rs"]
mod common;

use common::*;
use sluice_engine::snapshot::FibChange;
use sluice_engine::{DropReason, Event};
use sluice_model::{Change, Protocol, ServiceName};

/// Takes the input apart byte by byte; zeroes after its end.
struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let n = n.min(self.0.len());
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken.to_vec()
    }
}

/// Runs one input through a gateway with two lcores.
///
/// # Panics
/// Where a packet is lost without a name, or a packet that leaves is not well-formed.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let lcores = 1 + u16::from(bytes.next() & 1);
    let mut world = World::with(lcores, 64);
    let endpoints = ["10.244.1.5:8080", "10.244.2.5:8080", "[fd00:10:244:1::5]:8080"];
    world.serve(service("web", Protocol::Tcp, &endpoints));
    let mut udp = service("udp", Protocol::Udp, &endpoints);
    udp.ports[0].node_port = Some(30081);
    world.serve(udp);
    while !bytes.0.is_empty() {
        match bytes.next() % 8 {
            0 => {
                let port = bytes.next() & 1;
                let len = usize::from(bytes.next());
                let frame = bytes.take(len);
                world.send(port, &[frame]);
            }
            1..=4 => {
                let frames: Vec<_> =
                    (0..1 + bytes.next() % 4).flat_map(|_| well_formed(&mut bytes)).collect();
                let port = bytes.next() & 1;
                let lcore = usize::from(bytes.next()) % usize::from(lcores);
                world.send_to(lcore, port, &frames);
            }
            5 => {
                world.advance(u64::from(bytes.next()) * 100);
            }
            6 => match bytes.next() % 4 {
                0 => world.serve(service("web", Protocol::Tcp, &endpoints[..usize::from(bytes.next()) % 4])),
                1 => world.serve(service("udp", Protocol::Udp, &endpoints[..usize::from(bytes.next()) % 4])),
                2 => world.apply([Change::ServiceGone(ServiceName::new("default", "udp"))]),
                _ => world.serve(affine(service("web", Protocol::Tcp, &endpoints), 1)),
            },
            _ => {
                let (port, ip) = (bytes.next() & 1, ip(CLIENT));
                if bytes.next() & 1 == 0 {
                    world.apply_fib(FibChange::NeighborGone { port, ip });
                } else {
                    world.apply_fib(FibChange::Neighbor { port, ip, mac: [2, 0, 0, 0, 1, bytes.next()] });
                }
            }
        }
    }
    // All that waits gives up in the end; then every packet that came has gone somewhere by name.
    world.advance(10_000);
    let drops: u64 = DropReason::ALL.iter().map(|&r| world.drops(r)).sum();
    let sent = world.events(Event::Transmitted) + world.events(Event::Punted);
    let both = world.events(Event::IcmpSent);
    assert_eq!(world.events(Event::Received), sent + drops - both, "{}", world.report());
}

/// A packet as clients and endpoints send them, or nearly so.
fn well_formed(bytes: &mut Bytes<'_>) -> Vec<Vec<u8>> {
    const V4: [&str; 8] = [CLIENT, VIP, CLUSTER_IP, NODE, SNAT, "10.244.1.5", "10.244.3.3", "203.0.113.99"];
    const V6: [&str; 8] =
        [CLIENT6, VIP6, CLUSTER_IP6, NODE6, SNAT6, "fd00:10:244:1::5", "fd00:10:244:3::3", "2001:db8:99::1"];
    let hosts = if bytes.next() & 1 == 0 { V4 } else { V6 };
    let (src, dst) = (hosts[usize::from(bytes.next() & 7)], hosts[usize::from(bytes.next() & 7)]);
    let ports = [80, 8080, 30080, 30081, 40000, 1024 + u16::from(bytes.next()), 53, 179];
    let (sport, dport) = (ports[usize::from(bytes.next() & 7)], ports[usize::from(bytes.next() & 7)]);
    let base = packet(src, dst).ttl(bytes.next() % 66);
    let payload_len = usize::from(bytes.next()) * 8;
    let payload = vec![0x42; payload_len];
    let base = match bytes.next() % 6 {
        0 | 1 => base.tcp(sport, dport, bytes.next()).payload(payload),
        2 => base.udp(sport, dport).payload(payload),
        3 => base.sctp(sport, dport, 1).payload(payload),
        4 => {
            let quote = packet(dst, src).udp(dport, sport).payload([0; 32]).packet();
            base.icmp(bytes.next(), bytes.next(), [0, 0, 5, 0]).payload(quote)
        }
        _ => base.raw(bytes.next()).payload(payload),
    };
    let base = match bytes.next() % 8 {
        0 => base.options(&[bytes.next(), bytes.next(), bytes.next(), bytes.next()]),
        1 => base.extension(bytes.next(), &[0; 6]),
        2 => base.vlan(u16::from(bytes.next() & 1)),
        _ => base,
    };
    let base = base.macs(if bytes.next() & 1 == 0 { UPLINK_MAC } else { CLUSTER_MAC }, CLIENT_MAC);
    let mut frames = match bytes.next() % 4 {
        0 => base.id(u32::from(bytes.next())).fragments(8 * (1 + usize::from(bytes.next()))),
        _ => vec![base.frame()],
    };
    for _ in 0..bytes.next() % 3 {
        let (frame, at, value) = (bytes.next(), bytes.next(), bytes.next());
        let n = frames.len();
        if let Some(byte) =
            frames.get_mut(usize::from(frame) % n.max(1)).and_then(|f| f.get_mut(usize::from(at)))
        {
            *byte = value;
        }
    }
    if bytes.next() & 7 == 0 {
        frames.reverse();
    }
    frames
}
