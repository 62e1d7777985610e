//! Names by a topology zone that no endpoint of the Service is in. Any zone has some, so that they are in no table.

use crate::compile::zonal::{ANCHOR, PIN, PREFER};
use crate::name;
use crate::node::{Node, Role};
use crate::zones::Zones;

/// Labels before `zone.pin`: `_zone`, the Service, its namespace and `svc`.
const ABOVE: usize = 5;

/// A name by zone, in its parts.
#[derive(Clone, Copy, Debug)]
struct Parts<'n> {
    /// Whether all endpoints are told where the zone has none.
    prefers: bool,
    /// The Service's own name.
    service: &'n [u8],
}

/// The node whose records such a name has: of a headless Service and a zone where none of its endpoints is. What it has none of
/// exists all the same.
pub(crate) fn find<'z>(zones: &'z Zones, asked: &[u8]) -> Option<&'z Node> {
    let Parts { prefers, service } = parts(zones, asked)?;
    let ready = zones.find(service).filter(|node| node.role() == Role::Zonal);
    match ready {
        Some(node) if prefers => Some(node),
        Some(_) => nothing(zones, asked),
        // To CoreDNS a Service without ready endpoints has no name, but names by zone.
        None if zones.compat() && is_unready(zones, asked) => nothing(zones, asked),
        None => None,
    }
}

/// Whether such a name is not there for want of a ready endpoint of its Service.
pub(crate) fn is_unready(zones: &Zones, asked: &[u8]) -> bool {
    let service = parts(zones, asked).map(|parts| parts.service);
    let unready = service.and_then(|service| zones.unready.get(zones.hash(service), service));
    unready.is_some_and(|node| node.role() == Role::Zonal)
}

/// Whether a name asks for endpoints of a zone, and for all where that has none; none where it is no name by zone.
pub(crate) fn prefers(zones: &Zones, asked: &[u8]) -> Option<bool> {
    parts(zones, asked).map(|parts| parts.prefers)
}

/// A node without records in the same zone of names: `svc`, which each has.
fn nothing<'z>(zones: &'z Zones, asked: &[u8]) -> Option<&'z Node> {
    let zone = zones.zone(asked)?;
    zones.find(asked.get(asked.len().checked_sub(zone.len() + "svc".len() + 1)?..)?)
}

/// A name of that form, whether or not there is such a Service.
fn parts<'n>(zones: &Zones, asked: &'n [u8]) -> Option<Parts<'n>> {
    if !zones.fixed.zonal {
        return None;
    }
    let relative = asked.get(..asked.len() - zones.zone(asked)?.len())?;
    let before = name::labels(relative).count().checked_sub(ABOVE).filter(|labels| *labels > 0)?;
    let at: usize = name::labels(relative).take(before).map(|label| label.len() + 1).sum();
    let rest = asked.get(at..)?;
    let mut labels = name::labels(rest);
    let (directive, anchor) = (labels.next()?, labels.next()?);
    if !anchor.eq_ignore_ascii_case(ANCHOR.as_bytes()) {
        return None;
    }
    let prefers = directive.eq_ignore_ascii_case(PREFER.as_bytes());
    if !prefers && !directive.eq_ignore_ascii_case(PIN.as_bytes()) {
        return None;
    }
    let service = rest.get(directive.len() + anchor.len() + 2..)?;
    Some(Parts { prefers, service })
}
