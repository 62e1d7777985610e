//! Aliases: an ExternalName Service whose target is a name of ours is followed here, but not into zones that whoever asks is not
//! answered: `whole` says that there are none.

use crate::answer::{address_record, pod_address, underscored};
use crate::compile::record::kind_of;
use crate::node::Node;
use crate::query::{kind, rcode};
use crate::reply::{Owner, Reply, Section};
use crate::visibility::Sight;
use crate::zonal;
use crate::zones::Zones;

/// Aliases that are followed for one query; CoreDNS follows as many.
pub(crate) const MOST: usize = 11;

/// What one who asks may see of what an alias leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'z> {
    /// Names of the cluster.
    pub whole: bool,
    /// Of these, not all.
    pub sight: Option<Sight<'z>>,
}

/// Whether the alias at `node` ends at a name of others.
pub(crate) fn leads_elsewhere<'z>(zones: &'z Zones, mut node: &'z Node, view: View<'z>) -> bool {
    for _ in 0..MOST {
        let Some(target) = node.set(kind::CNAME).and_then(|alias| alias.answer().get(12..)) else {
            return false;
        };
        // Nobody else is asked for such a name either.
        if !view.whole && zones.is_clusters(target) {
            return false;
        }
        match find(zones, target, view.sight) {
            Some(next) => node = next,
            None if pod(zones, target, view.sight).is_some() => return false,
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
    View { whole, sight }: View<'z>,
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
        if !whole && zones.is_clusters(target) {
            return (rcode::NOERROR, target);
        }
        let zone_at = at + target.len() - zone.len();
        let Some(pointer) = crate::compile::record::pointer(at) else { return (rcode::SERVFAIL, target) };
        owner = Owner::Pointer(pointer);
        let Some(next) = find(zones, target, sight) else {
            if let Some(ip) = pod(zones, target, sight) {
                if kind == kind_of(ip.is_ipv6()) {
                    let (bytes, length) = address_record(ip, zones.fixed.ttl);
                    reply.put_some(Section::Answer, bytes.get(..length).unwrap_or_default(), owner);
                } else if !zones.compat() {
                    zones.put_soa(reply, Section::Authority, zone_at, zone);
                }
                return (rcode::NOERROR, target);
            }
            if zones.compat() || zones.is_for_others(target) {
                return (rcode::NOERROR, target);
            }
            // The code is that of the last name (RFC 6604, section 3).
            zones.put_soa(reply, Section::Authority, zone_at, zone);
            return (rcode::NXDOMAIN, target);
        };
        if let Some(set) = next.set(kind) {
            reply.put_elsewhere(next, &set, owner);
            return (rcode::NOERROR, target);
        }
        if next.set(kind::CNAME).is_none() {
            if zones.compat() {
                return (rcode::NOERROR, target);
            }
            zones.put_soa(reply, Section::Authority, zone_at, zone);
            return (rcode::NOERROR, target);
        }
        node = next;
    }
    // Too long, or in a circle: the aliases are all there is to say.
    (rcode::NOERROR, target)
}

/// The node of an alias's target, which may be spelled in all ways that a query's name may.
pub(crate) fn find<'z>(zones: &'z Zones, target: &[u8], sight: Option<Sight<'z>>) -> Option<&'z Node> {
    let server = || zones.fixed.compat.as_ref()?.server(target);
    let spelled = || underscored(zones, target).or_else(|| zones.wildcard(target));
    let zonal = || zonal::find(zones, target);
    let node = zones.find(target).or_else(spelled).or_else(zonal).or_else(server);
    match sight {
        None => node,
        Some(sight) => sight.target(target, node),
    }
}

/// The address that a target spells, where it is a pod's name that need not be in the table.
pub(crate) fn pod(zones: &Zones, target: &[u8], sight: Option<Sight<'_>>) -> Option<std::net::IpAddr> {
    let may = zones.fixed.pods && !sight.is_some_and(|sight| sight.hides(target));
    may.then(|| pod_address(zones, target)).flatten()
}
