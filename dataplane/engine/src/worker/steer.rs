//! Which lcore owns a flow, told from any packet of either direction.
//!
//! Full NAT: replies come to a source port that belongs to the owner's share, and packets from the client go by a hash of
//! its address and port. Where the client's address is preserved, replies carry nothing but the client to go by, and a
//! reply cannot tell whether the service keeps clients together (session affinity); there, the client's address alone
//! decides. NIC queues spread packets as they like; what arrives on another lcore is handed over. A packet whose flow is in this
//! lcore's table needs no such thought: flows are made by their owners alone.

use std::net::IpAddr;

use sluice_wire::PacketBuf;
use sluice_wire::parse::{Kind, Parsed};

use sluice_wire::quote::Quote;

use super::icmp::answer_to;
use super::ingress::is_ingress;
use super::slow::{addresses_of, tuple_of};
use super::{Context, Worker};
use crate::choice::bits;
use crate::nat::ports::PortShare;
use crate::snapshot::AddressClass;
use crate::{Sink, Tuple};

impl<B: PacketBuf> Worker<B> {
    /// Whether packets of this burst may be another lcore's.
    #[inline(always)]
    pub(super) fn is_shared(&self, cx: &Context<'_>) -> bool {
        self.config.lcores > 1 && !cx.handed_over
    }

    /// Gives a packet of no known flow back where it is this lcore's, and hands it to its owner where it is not.
    #[inline(never)]
    pub(super) fn keep(
        &mut self,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) -> Option<B> {
        let owner = self.owner(&packet, parsed, cx);
        if owner == self.config.lcore {
            return Some(packet);
        }
        self.pass_on(owner, packet, cx, sink);
        None
    }

    /// The lcore that is to work on this packet.
    pub(super) fn owner(&self, packet: &B, parsed: &Parsed, cx: &Context<'_>) -> u16 {
        let frame = packet.data();
        match parsed.kind {
            Kind::Arp | Kind::Other => self.config.lcore,
            Kind::V4 | Kind::V6 if parsed.is_fragment() => {
                // All fragments of a datagram meet on one lcore, which knows from the first where the others belong.
                let (src, dst) = addresses_of(frame, parsed);
                self.share(self.config.keys.v6(bits(src), bits(dst), parsed.frag_id, 0))
            }
            Kind::V4 | Kind::V6 => match parsed.proto {
                6 | 17 | 132 => {
                    let tuple = tuple_of(frame, parsed);
                    // Any lcore gives it to Linux.
                    if is_ingress(&tuple, cx) { self.config.lcore } else { self.owner_of(&tuple, cx) }
                }
                1 | 58 => Quote::find(frame, parsed)
                    .map_or(self.config.lcore, |quote| self.owner_of(&answer_to(&quote), cx)),
                _ => self.config.lcore,
            },
        }
    }

    /// Whether the fragments of this one's datagram meet here.
    pub(super) fn is_home(&self, packet: &B, parsed: &Parsed, cx: &Context<'_>) -> bool {
        self.owner(packet, parsed, cx) == self.config.lcore
    }

    /// The lcore that owns the flow of a packet with this tuple.
    pub(super) fn owner_of(&self, tuple: &Tuple, cx: &Context<'_>) -> u16 {
        let hit = match tuple.dst {
            IpAddr::V4(ip) => cx.snapshot.frontend4(tuple.protocol, ip.to_bits(), tuple.dport),
            IpAddr::V6(ip) => cx.snapshot.frontend6(tuple.protocol, ip.to_bits(), tuple.dport),
        };
        let client = |ip: IpAddr| self.config.keys.address(bits(ip));
        let by_socket = |tuple: &Tuple| self.config.keys.number(client(tuple.src) ^ u64::from(tuple.sport));
        let Some(service) = hit.and_then(|hit| cx.snapshot.service_port(hit.slot)) else {
            if cx.snapshot.is_snat_address(tuple.dst)
                && cx.snapshot.settings().snat_ports.contains(tuple.dport)
            {
                return PortShare::owner(tuple.dport, self.config.lcores);
            }
            // A frontend of a moment ago, whose connections may live on: its packets still come from the client.
            let to_us = !matches!(cx.snapshot.address(tuple.dst), AddressClass::Other);
            return self.share(if to_us { by_socket(tuple) } else { client(tuple.dst) });
        };
        if service.preserve_client || service.affinity.is_some() {
            self.share(client(tuple.src))
        } else {
            self.share(by_socket(tuple))
        }
    }

    fn share(&self, hash: u64) -> u16 {
        ((u128::from(hash) * u128::from(self.config.lcores)) >> 64) as u16
    }
}
