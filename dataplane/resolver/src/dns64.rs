//! IPv6 addresses for names that have only IPv4 ones (RFC 6147), for clients behind a translator (NAT64).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{RData, Record, RecordType};
use ipnet::Ipv6Net;

use crate::config::Dns64;
use crate::message::Request;

/// The longest TTL of a made-up record whose zone does not tell one for absence (RFC 6147, 5.1.7).
const TTL: u32 = 600;

/// Whether a query is one for which addresses may be made up.
pub(crate) fn is_for(dns64: &Dns64, request: &Request, client: IpAddr) -> bool {
    // Who checks signatures himself does the translation, too (RFC 6147, 5.5).
    let checks = request.dnssec() && request.metadata.checking_disabled;
    request.rtype() == RecordType::AAAA && (dns64.ipv4 || client.to_canonical().is_ipv6()) && !checks
}

/// Whether the reply to it leaves something to be made up: names that do not exist have no addresses, and other failures are
/// as good as no records (RFC 6147, 5.1.2).
pub(crate) fn lacks(dns64: &Dns64, reply: &Message) -> bool {
    reply.metadata.response_code != ResponseCode::NXDomain && (dns64.all || !reply.answers.iter().any(counts))
}

/// An IPv4 address in disguise is none that a client could use (RFC 6147, 5.1.4).
fn counts(record: &Record) -> bool {
    matches!(&record.data, RData::AAAA(AAAA(ip)) if ip.to_ipv4_mapped().is_none())
}

/// The reply to the query of which `lacking` was the reply and `v4` that for type A; `None` if there are no addresses.
pub(crate) fn join(prefix: Ipv6Net, lacking: &Message, mut v4: Message) -> Option<Message> {
    let absent = lacking.authorities.iter().filter(|record| record.record_type() == RecordType::SOA);
    let most = absent.map(|record| record.ttl).next_back().unwrap_or(TTL);
    let mut any = false;
    for record in &mut v4.answers {
        let RData::A(address) = &record.data else { continue };
        record.data = RData::AAAA(AAAA(embed(prefix, address.0)));
        record.ttl = record.ttl.min(most);
        any = true;
    }
    if !any || v4.metadata.response_code != ResponseCode::NoError {
        return None;
    }
    v4.queries.clone_from(&lacking.queries);
    // Nobody vouches for what was made up here.
    v4.metadata.authentic_data = false;
    Some(v4)
}

/// The address behind the prefix, around the octet that must be zero (RFC 6052, 2.2).
fn embed(prefix: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.network().octets();
    let start = usize::from(prefix.prefix_len() / 8);
    let places = (start..octets.len()).filter(|at| *at != 8);
    for (at, octet) in places.zip(address.octets()) {
        if let Some(place) = octets.get_mut(at) {
            *place = octet;
        }
    }
    Ipv6Addr::from(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_embedded_as_rfc_6052_has_them() {
        for (prefix, expected) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let found = embed(prefix.parse().unwrap(), Ipv4Addr::new(192, 0, 2, 33));
            assert_eq!(found, expected.parse::<Ipv6Addr>().unwrap(), "{prefix}");
        }
    }
}
