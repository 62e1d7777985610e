//! Queries of clients that ask too much (response rate limiting).

use sluice_dns::{Asked, Unanswerable, limit};
use sluice_wire::parse::Parsed;
use sluice_wire::{PacketBuf, reply};

use super::dns::{HEADER, message, nobody, parse};
use super::slow::addresses_of;
use super::{Context, Worker};
use crate::Sink;
use crate::drops::{DropReason, Event};

impl<B: PacketBuf> Worker<B> {
    /// Gives back a query that is to be answered. One beyond its client's limit is dropped, or told to come back over TCP.
    ///
    /// Whatever gets no answer anyway is given back too.
    #[inline(never)]
    pub(super) fn within_limit(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) -> Option<B> {
        let zones = cx.snapshot.dns();
        let (client, server) = addresses_of(packet.data(), parsed);
        let Some((limit, query)) = zones.limit().zip(message(packet.data(), parsed)) else {
            return Some(packet);
        };
        let understood = parse(query);
        if limit.exempts(client)
            || nobody(parsed.sport)
            || client == server
            || understood == Err(Unanswerable::Silence)
        {
            return Some(packet);
        }
        let now = zones.time(cx.now.0);
        if let Ok(parsed) = &understood
            && limit::shows_cookie(zones, parsed, query, client, now)
        {
            return Some(packet);
        }
        if self.rates.admit(client, limit.per_second(), cx.now) {
            return Some(packet);
        }
        self.limited = self.limited.wrapping_add(1);
        let slips = limit.slip() != 0 && self.limited.is_multiple_of(limit.slip().into());
        let Ok(query) = understood else {
            self.drop_packet(packet, DropReason::DnsRateLimited);
            return None;
        };
        if !slips {
            self.drop_packet(packet, DropReason::DnsRateLimited);
            return None;
        }
        let start = usize::from(parsed.l4) + HEADER;
        let whole = usize::from(parsed.end);
        packet.truncate(whole);
        // Room for an OPT record with a cookie, which the query may have had no bytes for.
        if !packet.append((start + zones.max_udp()).saturating_sub(whole)) {
            self.drop_packet(packet, DropReason::NoBuffer);
            return None;
        }
        let asked = Asked { client, server, stream: false, resolver: false, turn: 0, now };
        let message = packet.data_mut().get_mut(start..).unwrap_or_default();
        let length = limit::truncated(zones, &query, message, &asked);
        match reply::udp_reply(&mut packet, parsed, length) {
            Ok(()) => self.answer(packet, Event::DnsSlipped, cx, sink),
            Err(_) => self.drop_packet(packet, DropReason::DnsIgnored),
        }
        None
    }
}
