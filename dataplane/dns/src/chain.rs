//! Aliases: an ExternalName Service whose target is a name of ours is followed here.

use crate::node::Node;
use crate::query::{kind, rcode};
use crate::reply::{Owner, Reply, Section};
use crate::zones::Zones;

/// Aliases that are followed for one query.
const MOST: usize = 10;

/// Whether the alias at `node` ends at a name of others.
pub(crate) fn leads_elsewhere<'z>(zones: &'z Zones, mut node: &'z Node) -> bool {
    for _ in 0..MOST {
        let Some(target) = node.set(kind::CNAME).and_then(|alias| alias.answer().get(12..)) else {
            return false;
        };
        match zones.find(target) {
            Some(next) => node = next,
            None => return zones.zone(target).is_none() || zones.is_for_others(target),
        }
    }
    false
}

/// Writes the alias at `node`, and whatever records of type `kind` it leads to among our names. The reply's code, and the
/// last name of the chain.
pub(crate) fn follow<'z>(
    zones: &'z Zones,
    mut node: &'z Node,
    kind: u16,
    reply: &mut Reply<'_>,
) -> (u8, &'z [u8]) {
    let mut owner = Owner::Same;
    let mut target: &[u8] = node.name();
    for _ in 0..MOST {
        let Some(alias) = node.set(kind::CNAME) else { return (rcode::SERVFAIL, target) };
        let start = reply.at();
        // Owner, type, class, TTL and length are before the target.
        target = alias.answer().get(12..).unwrap_or_default();
        if !reply.put_some(Section::Answer, alias.answer(), owner) {
            reply.truncate();
            return (rcode::NOERROR, target);
        }
        let at = start + 12;
        let Some(zone) = zones.zone(target) else { return (rcode::NOERROR, target) };
        let zone_at = at + target.len() - zone.len();
        let Some(next) = zones.find(target) else {
            if zones.is_for_others(target) {
                return (rcode::NOERROR, target);
            }
            // The code is that of the last name (RFC 6604, section 3).
            reply.soa(Section::Authority, zone_at, &zones.soa);
            return (rcode::NXDOMAIN, target);
        };
        let Some(pointer) = crate::compile::record::pointer(at) else { return (rcode::SERVFAIL, target) };
        owner = Owner::Pointer(pointer);
        if let Some(set) = next.set(kind) {
            reply.put_elsewhere(next, &set, owner);
            return (rcode::NOERROR, target);
        }
        if next.set(kind::CNAME).is_none() {
            reply.soa(Section::Authority, zone_at, &zones.soa);
            return (rcode::NOERROR, target);
        }
        node = next;
    }
    // Too long, or in a circle: the aliases are all there is to say.
    (rcode::NOERROR, target)
}
