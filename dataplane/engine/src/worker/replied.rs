//! What is left to do about a reply before it goes, where the settings want more than that it is sent.

use sluice_dns::{Asked, Query, nsid};
use sluice_wire::PacketBuf;
use sluice_wire::parse::Parsed;

use super::dns::HEADER;
use super::{Context, Worker};
use crate::drops::Event;
use crate::query_log::Replied;

/// A query and its reply, which stands in the packet.
pub(super) struct Reply<'a> {
    pub(super) query: Option<&'a Query>,
    pub(super) asked: &'a Asked,
    /// Octets of the query and of the reply.
    pub(super) size: usize,
    pub(super) length: usize,
    pub(super) code: u8,
}

impl<B: PacketBuf> Worker<B> {
    /// Tells who answers, if that was asked, and has the log take note. The reply's length.
    #[inline(never)]
    pub(super) fn attend(
        &mut self,
        packet: &mut B,
        parsed: &Parsed,
        reply: &Reply<'_>,
        cx: &Context<'_>,
    ) -> usize {
        let zones = cx.snapshot.dns();
        let start = usize::from(parsed.l4) + HEADER;
        let message = packet.data_mut().get_mut(start..).unwrap_or_default();
        let mut length = reply.length;
        if let Some(query) = reply.query {
            length = nsid::tell(zones, query, message, length, reply.asked);
        }
        if let Some(log) = zones.log() {
            let replied = Replied {
                client: reply.asked.client,
                port: parsed.sport,
                query: reply.query,
                size: reply.size,
                code: reply.code,
                message: message.get(..length).unwrap_or_default(),
            };
            let lost = !self.log.note(log, &replied, cx.now);
            self.counters.add(Event::DnsLogLost, u64::from(lost));
        }
        length
    }
}
