//! Names of those endpoints of a headless Service that are in one topology zone: `zone.pin._zone.service…` and
//! `zone.prefer._zone.service…`, as CoreDNS has them.

use std::collections::BTreeMap;

use sluice_model::{NameKind, NamedService};

use super::Rules;
use super::service::{Owner, node};
use crate::name::Name;
use crate::node::{Node, Role};

/// The label that they are all below. It is no host's, and none of a port's.
pub(crate) const ANCHOR: &str = "_zone";
/// Only endpoints in the zone.
pub(crate) const PIN: &str = "pin";
/// Those in the zone, or all where there are none.
pub(crate) const PREFER: &str = "prefer";

/// The longest zone: it is the value of a Node's label.
const LONGEST: usize = 63;

/// What the endpoints of each zone have, by the zone in lower case. An endpoint is in one zone at most: whatever they are
/// called, there are no more of them than endpoints, and their names have no more records than twice the Service's own.
pub(super) type Zoned = BTreeMap<String, Owner>;

/// Whether a Service has such names; those of imports and of domains of external addresses have none.
pub(super) fn has(service: &NamedService, clusters: Option<&[Option<Box<str>>]>, rules: &Rules) -> bool {
    let is_headless = service.kind == NameKind::Headless;
    rules.settings.zonal && is_headless && clusters.is_none() && rules.role == Role::Plain
}

/// The names of the zones that endpoints are in. What is below `pin` and `prefer` else has none in the table, and exists.
pub(super) fn nodes(zoned: &Zoned, base: &Name, rules: &Rules, zone: &Name) -> Vec<Node> {
    let mut nodes = Vec::new();
    let Ok(anchor) = base.child(ANCHOR) else { return nodes };
    let mut above = vec![anchor.clone()];
    for directive in [PIN, PREFER] {
        let Ok(parent) = anchor.child(directive) else { continue };
        for (label, owner) in zoned {
            if let Some(name) = within(&parent, label) {
                nodes.push(node(name, rules.role, owner, rules, zone.wire().len()));
            }
        }
        above.push(parent);
    }
    // They have names below them and so exist, without records (RFC 8020). To CoreDNS they do not.
    if !rules.compat() {
        nodes.extend(above.into_iter().map(|name| rules.bare(name, zone)));
    }
    nodes
}

/// A zone's name; dots are between labels. None where it is nothing that a label of a Node says, or no name.
fn within(parent: &Name, zone: &str) -> Option<Name> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if zone.len() > LONGEST || !zone.bytes().all(valid) {
        return None;
    }
    zone.rsplit('.').try_fold(parent.clone(), |name, label| name.child(label)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::text;

    #[test]
    fn zones_that_are_names() {
        let parent = Name::parse("pin.x").unwrap();
        let named = |zone: &str| within(&parent, zone).map(|name| text(name.wire()));
        assert_eq!(named("a-1"), Some("a-1.pin.x.".into()));
        assert_eq!(named("corp.example_1.com"), Some("corp.example_1.com.pin.x.".into()));
        for zone in ["", ".", "a..b", "a.", "a b", "a*", "\u{e4}", &"a".repeat(64)] {
            assert_eq!(named(zone), None, "{zone}");
        }
        assert!(within(&Name::parse(&"a2345678.".repeat(27)).unwrap(), &"a".repeat(63)).is_none());
    }
}
