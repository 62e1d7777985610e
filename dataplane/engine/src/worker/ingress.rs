//! TCP to the proxy's listeners: filtered here, answered by Linux's sockets. It takes no flow, so that a flood of
//! connections takes none from Services.

use sluice_wire::PacketBuf;
use sluice_wire::parse::{Flags, Parsed};

use super::fragments::key_of;
use super::slow::tuple_of;
use super::{Context, Worker};
use crate::drops::{DropReason, Event};
use crate::flow::state::tcp;
use crate::punt::PuntClass;
use crate::snapshot::AddressClass;
use crate::{Sink, Tuple};

const TCP: u8 = 6;

impl<B: PacketBuf> Worker<B> {
    /// Lets a packet to a listener pass, or drops it under the name of what is against it.
    #[inline(never)]
    pub(super) fn ingress(&mut self, packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        let tuple = tuple_of(packet.data(), parsed);
        if let Err(reason) = self.passes(parsed, &tuple, cx) {
            return self.drop_packet(packet, reason);
        }
        let first = parsed.flags.contains(Flags::FRAGMENT_FIRST).then(|| key_of(packet.data(), parsed));
        if first.is_some() {
            self.note_punted(packet.data(), parsed, Some(PuntClass::Ingress), cx);
        }
        self.punt_as(packet, PuntClass::Ingress, cx, sink);
        if let Some(key) = first {
            self.release_fragments(key, cx, sink);
        }
    }

    fn passes(&mut self, parsed: &Parsed, tuple: &Tuple, cx: &Context<'_>) -> Result<(), DropReason> {
        let ingress = cx.snapshot.ingress();
        if !ingress.admits(tuple.src) {
            return Err(DropReason::IngressClient);
        }
        match parsed.tcp_flags & (tcp::SYN | tcp::ACK | tcp::FIN | tcp::RST) {
            0 => return Err(DropReason::BadTcpFlags),
            // Whatever comes later can belong to no connection that did not begin with one of these.
            tcp::SYN => {}
            // An answer to a connection that nobody here has begun.
            control if control == tcp::SYN | tcp::ACK => return Err(DropReason::TcpNoFlow),
            control if control & tcp::SYN != 0 => return Err(DropReason::BadTcpFlags),
            _ => return Ok(()),
        }
        if !matches!(cx.snapshot.address(tuple.src), AddressClass::Other | AddressClass::ServiceRange) {
            return Err(DropReason::SpoofedSource);
        }
        if let Some(most) = ingress.syns_per_second()
            && !self.syns.admit(tuple.src, most, cx.now)
        {
            return Err(DropReason::IngressSynLimited);
        }
        self.counters.add(Event::IngressSyns, 1);
        Ok(())
    }
}

/// Whether a packet is one to a listener of the proxy.
#[inline]
pub(super) fn is_ingress(tuple: &Tuple, cx: &Context<'_>) -> bool {
    tuple.protocol == TCP && cx.snapshot.ingress().listens(tuple.dst, tuple.dport)
}
