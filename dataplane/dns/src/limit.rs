//! What the settings say of clients that ask too much, and what such a client is told.

use std::net::IpAddr;

use sluice_model::RateLimit;

use crate::answer::{Asked, terms};
use crate::clients::Clients;
use crate::query::{Query, rcode};
use crate::reply::{self, Reply};
use crate::zones::Zones;

/// The settings. Who counts is the lcore.
#[derive(Debug)]
pub struct Limit {
    per_second: u32,
    slip: u8,
    /// None where nobody is: an empty list of clients means everyone.
    exempt: Option<Clients>,
}

impl Limit {
    pub(crate) fn new(settings: &RateLimit) -> Self {
        let exempt = (!settings.exempt.is_empty()).then(|| Clients::new(&settings.exempt));
        Self { per_second: settings.per_second.max(1), slip: settings.slip, exempt }
    }

    /// Queries a second to one address.
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// One of so many queries beyond gets a truncated reply; 0: none does.
    pub fn slip(&self) -> u8 {
        self.slip
    }

    /// Whether there is no limit for this client.
    pub fn exempts(&self, client: IpAddr) -> bool {
        self.exempt.as_ref().is_some_and(|exempt| exempt.contain(client))
    }
}

/// Whether the query that `message` begins with shows a cookie that its client was given here (RFC 7873, section 5.2.4): the
/// address is then nobody else's.
pub fn shows_cookie(zones: &Zones, query: &Query, message: &[u8], client: IpAddr, now: u32) -> bool {
    let (Some(key), Some(edns)) = (&zones.fixed.cookie_key, &query.edns) else { return false };
    reply::cookie(message, edns, key, client, now).is_some_and(|(_, valid)| valid)
}

/// Makes the query that `message` begins with a reply without records that says TC, so that who really asked comes back over
/// TCP; its length. It is as long as the query, and a cookie longer where the client asks for one.
pub fn truncated(zones: &Zones, query: &Query, message: &mut [u8], asked: &Asked) -> usize {
    let (limit, cookie) = terms(zones, query, message, asked);
    let mut reply = Reply::new(message, query, limit, zones.fixed.max_udp, cookie);
    reply.truncate();
    reply.finish(rcode::NOERROR, false)
}
