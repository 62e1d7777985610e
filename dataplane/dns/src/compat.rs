//! What CoreDNS answers otherwise than the RFCs, for those who ask for its answers (`dns.mode: compat`): all that is not a
//! matter of which names and records are compiled. None of it is on the way of a query that finds its records.

use crate::answer::{self, Verdict, address_record, pod_address};
use crate::chain::{self, View};
use crate::compile::record::{self, QUESTION, kind_of};
use crate::name::{self, Name};
use crate::node::{Node, Role};
use crate::query::{Query, kind, rcode, reason};
use crate::reply::{Owner, Reply, Section};
use crate::visibility::{Seen, Sight};
use crate::zones::Zones;

/// Nodes that only some spellings of their names find.
#[derive(Debug, Default)]
pub(crate) struct Compat {
    /// `ns.dns` of each zone.
    pub servers: Vec<Node>,
    /// The top of each zone with its NS record.
    pub tops: Vec<Node>,
}

impl Compat {
    /// The name server that is called so, in whatever case.
    pub fn server(&self, name: &[u8]) -> Option<&Node> {
        self.servers.iter().find(|node| name::equal(node.name(), name))
    }
}

/// What came of looking for a reply.
enum Found<'z> {
    /// These records of that node.
    Node(&'z Node),
    /// The name is there, without such records.
    NoData,
    /// The name is not.
    Absent,
}

/// A reply to come.
pub(crate) struct Asked<'a> {
    pub zones: &'a Zones,
    pub query: &'a Query,
    pub limit: usize,
    pub cookie: Option<[u8; 24]>,
    pub by: &'a answer::Asked,
    pub sight: Option<Sight<'a>>,
}

impl Asked<'_> {
    /// The reply to a name that is there without records of the type asked for.
    pub fn without_records(&self, node: &Node, message: &mut [u8]) -> Verdict {
        let kind = self.query.kind;
        let only = node.set(kind::PTR).is_some() || node.set(kind::TXT).is_some();
        let bare = node.kinds().next().is_none() || node.role() == Role::Apex;
        if kind == kind::NS
            && node.role() == Role::Apex
            && let Some(top) = self.spelled(message, |compat| &compat.tops)
        {
            return self.reply(Found::Node(top), message);
        }
        let found = match kind {
            kind::SOA if node.role() == Role::Apex => {
                let mut reply = self.begin(message);
                let at = self.query.end() - 4 - node.zone_len();
                reply.soa(Section::Answer, at, &self.zones.soa);
                return finished(reply, rcode::NOERROR);
            }
            kind::SOA => Found::NoData,
            _ if only => Found::Absent,
            kind::TXT if bare => Found::Absent,
            _ => Found::NoData,
        };
        self.reply(found, message)
    }

    /// The reply to a name that is an alias, where the alias alone was not asked for.
    pub fn aliased(&self, node: &Node, message: &mut [u8]) -> Verdict {
        if !matches!(self.query.kind, kind::A | kind::AAAA) {
            return self.reply(Found::NoData, message);
        }
        let zones = self.zones;
        let zone = zones.zone(node.name()).unwrap_or_default();
        let mut at = node;
        for _ in 0..chain::MOST {
            let Some(target) = at.set(kind::CNAME).and_then(|alias| alias.answer().get(12..)) else { break };
            if !name::is_within(target, zone) {
                let view = View { whole: true, sight: self.sight };
                if zones.fixed.forward && zones.leaves(self.by) && chain::leads_elsewhere(zones, node, view) {
                    return Verdict::Forward;
                }
                return self.chain(node, message);
            }
            let Some(next) = chain::find(zones, target, self.sight) else {
                if chain::pod(zones, target, self.sight)
                    .is_some_and(|ip| kind_of(ip.is_ipv6()) == self.query.kind)
                {
                    return self.chain(node, message);
                }
                break;
            };
            let hidden = zones.fixed.compat.as_ref().is_some_and(|compat| compat.server(target).is_some())
                && !self.is_lower(message, zone.len());
            if hidden {
                break;
            }
            if next.set(self.query.kind).is_some() {
                return self.chain(node, message);
            }
            at = next;
        }
        // Nowhere, in a circle, or too far.
        self.reply(Found::NoData, message)
    }

    /// The reply to a name that is not in the table, where it is another than that of all such names.
    pub fn missed(&self, message: &mut [u8]) -> Option<Verdict> {
        let kind = self.query.kind;
        if let Some(server) = self.spelled(message, |compat| &compat.servers) {
            return Some(self.reply(
                match kind {
                    kind::TXT | kind::PTR => Found::Absent,
                    _ if server.set(kind).is_some() => Found::Node(server),
                    _ => Found::NoData,
                },
                message,
            ));
        }
        if kind == kind::SOA {
            return Some(self.reply(Found::NoData, message));
        }
        let hidden = self.sight.is_some_and(|sight| sight.hides(self.query.name(message)));
        if let Some(verdict) = (self.zones.fixed.pods && !hidden).then(|| self.pod(message)).flatten() {
            return Some(verdict);
        }
        let name = (kind == kind::PTR).then(|| pointed(self.query.name(message))).flatten()?;
        let node = self.zones.find(name.wire()).filter(|node| node.set(kind::PTR).is_some())?;
        match self.sight.map(|sight| sight.of(self.zones, name.wire(), Some(node))) {
            None | Some(Seen::As(Some(_))) => Some(self.reply(Found::Node(node), message)),
            // Who does not see all of it spells it as it is written.
            Some(_) => None,
        }
    }

    /// A pod's name with up to two labels too many, and its SRV record.
    fn pod(&self, message: &mut [u8]) -> Option<Verdict> {
        let asked = self.query.name(message);
        let mut start = 0;
        let ip = (0..3).find_map(|_| {
            let rest = asked.get(start..)?;
            let found = pod_address(self.zones, rest);
            if found.is_none() {
                start += usize::from(*rest.first()?) + 1;
            }
            found
        })?;
        let (address, length) = address_record(ip, self.ttl());
        let address = address.get(..length).unwrap_or_default();
        let kind = self.query.kind;
        if kind == kind_of(ip.is_ipv6()) {
            let mut reply = self.begin(message);
            reply.put(Section::Answer, 1, address);
            return Some(finished(reply, rcode::NOERROR));
        }
        if kind != kind::SRV {
            return Some(self.reply(Found::NoData, message));
        }
        let zone_len = self.zones.zone(asked)?.len();
        let mut target = asked.get(start..)?.to_vec();
        let lowered = target.len() - zone_len;
        target.get_mut(..lowered)?.make_ascii_lowercase();
        let data = [&[0, 0, 0, 100, 0, 0], &target[..]].concat();
        let mut reply = self.begin(message);
        let owner = record::pointer(reply.at() + 12 + 6)?;
        reply.put(Section::Answer, 1, &record::record(&QUESTION, kind::SRV, self.ttl(), &data));
        reply.put_some(Section::Additional, address, Owner::Pointer(owner));
        Some(finished(reply, rcode::NOERROR))
    }

    /// The node of this list that is asked for, with the zone in lower case.
    fn spelled(&self, message: &[u8], list: impl Fn(&Compat) -> &Vec<Node>) -> Option<&Node> {
        let asked = self.query.name(message);
        let compat = self.zones.fixed.compat.as_ref()?;
        let node = list(compat).iter().find(|node| name::equal(node.name(), asked))?;
        self.is_lower(message, node.zone_len()).then_some(node)
    }

    /// Whether the last bytes of the name, those of its zone, are in lower case.
    fn is_lower(&self, message: &[u8], zone: usize) -> bool {
        let asked = self.query.name(message);
        let zone = asked.get(asked.len().saturating_sub(zone)..).unwrap_or_default();
        !zone.iter().any(u8::is_ascii_uppercase)
    }

    fn ttl(&self) -> u32 {
        self.zones.fixed.ttl
    }

    fn begin<'m>(&self, message: &'m mut [u8]) -> Reply<'m> {
        Reply::new(message, self.query, self.limit, self.zones.fixed.max_udp, self.cookie)
    }

    fn chain(&self, node: &Node, message: &mut [u8]) -> Verdict {
        let mut reply = self.begin(message);
        let view = View { whole: true, sight: self.sight };
        let rcode = chain::follow(self.zones, node, self.query.kind, &mut reply, view).0;
        finished(reply, rcode)
    }

    fn reply(&self, found: Found<'_>, message: &mut [u8]) -> Verdict {
        let asked = self.query.name(message);
        let zone_at = self.query.end() - 4 - self.zones.zone(asked).map_or(0, <[u8]>::len);
        if matches!(found, Found::Absent) && self.zones.falls_through(asked) {
            return match self.zones.leaves(self.by) {
                true => Verdict::Forward,
                false => answer::refuse(self.begin(message), reason::NOT_AUTHORITATIVE),
            };
        }
        let mut reply = self.begin(message);
        let rcode = if matches!(found, Found::Absent) { rcode::NXDOMAIN } else { rcode::NOERROR };
        match found {
            Found::Node(node) => {
                if let Some(set) = node.set(self.query.kind) {
                    reply.put_elsewhere(node, &set, Owner::Same);
                }
            }
            Found::NoData | Found::Absent => {
                reply.soa(Section::Authority, zone_at, &self.zones.soa);
            }
        }
        finished(reply, rcode)
    }
}

fn finished(reply: Reply<'_>, rcode: u8) -> Verdict {
    Verdict::Reply { length: reply.finish(rcode, true), rcode }
}

/// The usual reverse name of what a name under `ip6.arpa` is taken for: up to three labels too many do not matter, and an
/// address of IPv4 that is mapped to IPv6 (RFC 4291, section 2.5.5.2) is one of IPv4.
fn pointed(asked: &[u8]) -> Option<Name> {
    let labels: Vec<&[u8]> = name::labels(asked).collect();
    let (nibbles, zone) = labels.split_at_checked(labels.len().checked_sub(2)?)?;
    let is_zone = zone[0].eq_ignore_ascii_case(b"ip6") && zone[1].eq_ignore_ascii_case(b"arpa");
    if !is_zone || !(32..36).contains(&nibbles.len()) {
        return None;
    }
    let mut octets = [0; 16];
    for (n, label) in nibbles.iter().rev().take(32).enumerate() {
        let [digit] = label else { return None };
        let digit = char::from(*digit).to_digit(16)?;
        *octets.get_mut(n / 2)? |= (digit as u8) << (4 * (1 - n % 2));
    }
    Some(name::reverse(std::net::IpAddr::V6(octets.into()).to_canonical()))
}
