//! Tenants: clients that see some namespaces' names, and of all others nothing, whether or not they exist.
//!
//! A name's namespace is what its labels say, so that a name that is hidden and one that is not there cannot be told apart. Reverse
//! names are hidden record by record: an address may be of several namespaces' objects.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::catalog::zone_of;
use crate::clients::Clients;
use crate::compile::Rules;
use crate::name::{self, MAX_LABEL, Name};
use crate::node::{Builder, Node};
use crate::pods;
use crate::query::kind;
use crate::reply::record_len;
use crate::zones::Zones;

/// All namespaces, in the settings.
const ALL: &str = "*";
/// Bytes of a record with a name before the name, where its owner is a pointer.
const DATA: usize = 12;

/// Who sees what.
#[derive(Debug)]
pub(crate) struct Policy {
    entries: Vec<Sees>,
    /// The entry of each namespace that has one of its own.
    of: HashMap<Box<[u8]>, usize>,
    /// That of all others.
    others: Option<usize>,
    /// Those of clients that are no pods which are known.
    strangers: Vec<(Clients, usize)>,
    /// Zones whose names say their namespace.
    forward: Vec<Name>,
    reverse: Vec<Name>,
}

#[derive(Debug)]
struct Sees {
    all: bool,
    namespaces: HashSet<Box<[u8]>>,
}

impl Sees {
    fn contains(&self, namespace: &[u8]) -> bool {
        self.all || self.namespaces.contains(namespace)
    }
}

/// What a client sees that does not see everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'z> {
    policy: &'z Policy,
    /// The namespaces whose pod it is, as labels: all of them must see a name.
    own: &'z [u8],
    stranger: Option<&'z Sees>,
}

/// What there is of a name, to one who does not see everything.
pub(crate) enum Seen<'z> {
    /// What there is to everybody; or nothing.
    As(Option<&'z Node>),
    /// A reverse name with pointers, of which some are seen.
    Part(&'z Node),
    /// A name that is above others, or might be.
    Inner,
}

impl Policy {
    /// None where everybody sees everything.
    pub fn new(rules: &Rules) -> Option<Self> {
        let settings = &rules.settings.visibility;
        if settings.is_empty() {
            return None;
        }
        let mut policy = Self {
            entries: Vec::new(),
            of: HashMap::new(),
            others: None,
            strangers: Vec::new(),
            forward: rules.forward_zones().cloned().collect(),
            reverse: rules.reverse_zones.clone(),
        };
        let bytes = |name: &str| Box::<[u8]>::from(name.to_ascii_lowercase().as_bytes());
        for (n, entry) in settings.iter().enumerate() {
            policy.entries.push(Sees {
                all: entry.see.iter().any(|name| &**name == ALL),
                namespaces: entry.see.iter().map(|name| bytes(name)).collect(),
            });
            for name in &entry.namespaces {
                match &**name {
                    ALL => policy.others = Some(n),
                    name => drop(policy.of.insert(bytes(name), n)),
                }
            }
            if !entry.clients.is_empty() {
                policy.strangers.push((Clients::only(&entry.clients), n));
            }
        }
        Some(policy)
    }

    /// What pods of a namespace see besides their own; none: everything.
    fn of(&self, namespace: &[u8]) -> Option<&Sees> {
        let entry = self.of.get(namespace).copied().or(self.others)?;
        self.entries.get(entry).filter(|sees| !sees.all)
    }

    /// The label of the namespace that a name is of; none where it is of none.
    fn namespace<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let zone = zone_of(&self.forward, name)?;
        let mut labels = [None; 2];
        for label in name::labels(name.get(..name.len() - zone.wire().len())?) {
            labels = [labels[1], Some(label)];
        }
        let [namespace, last] = labels;
        namespace.filter(|_| {
            last.is_some_and(|last| last.eq_ignore_ascii_case(b"svc") || last.eq_ignore_ascii_case(b"pod"))
        })
    }
}

impl Zones {
    /// What this client sees; none: everything.
    #[inline(always)]
    pub(crate) fn sight(&self, client: IpAddr) -> Option<Sight<'_>> {
        let policy = self.policy.as_deref()?;
        self.sight_by(policy, client)
    }

    /// Whether a name is of a namespace that this client does not see, whether or not there is any such name.
    pub fn hides(&self, name: &[u8], client: IpAddr) -> bool {
        self.sight(client).is_some_and(|sight| sight.hides(name))
    }

    #[inline(never)]
    fn sight_by<'z>(&'z self, policy: &'z Policy, client: IpAddr) -> Option<Sight<'z>> {
        let client = client.to_canonical();
        let own = self.namespaces_of(client);
        if !own.is_empty() {
            let limited = name::labels(own).any(|namespace| policy.of(namespace).is_some());
            return limited.then_some(Sight { policy, own, stranger: None });
        }
        let (_, entry) = policy.strangers.iter().find(|(clients, _)| clients.contain(client))?;
        let sees = policy.entries.get(*entry).filter(|sees| !sees.all)?;
        Some(Sight { policy, own, stranger: Some(sees) })
    }

    /// The namespaces whose pod has this address, as labels; mostly one, and none where nobody wants to know.
    pub(crate) fn namespaces_of(&self, client: IpAddr) -> &[u8] {
        self.pod_at(client).map(pods::namespaces).unwrap_or_default()
    }

    /// The namespace whose pod a client is; none where it is of none that is known, or of several.
    pub fn namespace_of(&self, client: IpAddr) -> Option<Box<str>> {
        let mut labels = name::labels(self.namespaces_of(client.to_canonical()));
        let (label, None) = (labels.next()?, labels.next()) else { return None };
        std::str::from_utf8(label).ok().map(Box::from)
    }

    /// All of them, as text.
    pub(crate) fn namespaces_of_client(&self, client: IpAddr) -> Vec<String> {
        let labels = name::labels(self.namespaces_of(client.to_canonical()));
        labels.map(|label| String::from_utf8_lossy(label).into_owned()).collect()
    }
}

impl<'z> Sight<'z> {
    /// Whether a name is of a namespace that is not seen.
    pub fn hides(&self, name: &[u8]) -> bool {
        let Some(label) = self.policy.namespace(name) else { return false };
        let mut lower = [0; MAX_LABEL];
        let Some(lower) = lower.get_mut(..label.len()) else { return true };
        lower.copy_from_slice(label);
        lower.make_ascii_lowercase();
        let seen = match self.stranger {
            Some(sees) => sees.contains(lower),
            None => name::labels(self.own)
                .all(|own| own == lower || self.policy.of(own).is_none_or(|sees| sees.contains(lower))),
        };
        !seen
    }

    /// What there is of a name that these tables have so.
    pub fn of(&self, zones: &Zones, name: &[u8], node: Option<&'z Node>) -> Seen<'z> {
        if !self.is_reverse(name) {
            return Seen::As(node.filter(|_| !self.hides(name)));
        }
        if let Some(node) = node.filter(|node| node.set(kind::PTR).is_some()) {
            let (mut seen, mut hidden) = (false, false);
            pointers(node).for_each(|record| match self.hides(target(record)) {
                true => hidden = true,
                false => seen = true,
            });
            return match (seen, hidden) {
                (true, true) => Seen::Part(node),
                (false, true) => Seen::As(None),
                _ => Seen::As(Some(node)),
            };
        }
        // Which addresses there are shows in what is above them, too: to these clients there might be some below each.
        let is_top = node.is_some_and(Node::is_top);
        match !is_top && !zones.compat() && is_above(name) {
            true if zones.falls_through(name) => Seen::As(None),
            true => Seen::Inner,
            false => Seen::As(node),
        }
    }

    /// The records of a reverse name that are seen.
    pub fn pointers(&self, node: &'z Node) -> impl Iterator<Item = &'z [u8]> {
        pointers(node).filter(|record| !self.hides(target(record)))
    }

    /// What an alias leads to: no reverse name.
    pub fn target(&self, name: &[u8], node: Option<&'z Node>) -> Option<&'z Node> {
        node.filter(|_| !self.hides(name) && !self.is_reverse(name))
    }

    /// A node of a zone that is transferred, with what is seen of it.
    pub fn whole(&self, zones: &Zones, node: &'z Node) -> Option<Node> {
        match self.of(zones, node.name(), Some(node)) {
            Seen::As(node) => node.cloned(),
            // It has no records.
            Seen::Inner => None,
            Seen::Part(node) => {
                let records: Vec<Vec<u8>> = self.pointers(node).map(<[u8]>::to_vec).collect();
                let mut builder =
                    Builder::new(Name::from_wire(node.name()), node.zone_len()).role(node.role());
                builder.fixed(kind::PTR, &records, &[]);
                Some(builder.build(zones.seed))
            }
        }
    }

    fn is_reverse(&self, name: &[u8]) -> bool {
        zone_of(&self.policy.reverse, name).is_some()
    }
}

/// The PTR records of a node.
fn pointers(node: &Node) -> impl Iterator<Item = &[u8]> {
    let mut rest = node.set(kind::PTR).map(|set| set.answer()).unwrap_or_default();
    std::iter::from_fn(move || {
        let (record, more) = rest.split_at_checked(record_len(rest)?)?;
        rest = more;
        Some(record)
    })
}

fn target(record: &[u8]) -> &[u8] {
    record.get(DATA..).unwrap_or_default()
}

/// Whether a name is above reverse names of addresses (RFC 1035, section 3.5; RFC 3596, section 2.5).
fn is_above(name: &[u8]) -> bool {
    let digits = |zone: &[u8], long: usize, most: usize, valid: fn(&u8) -> bool| {
        let end = name.len().checked_sub(zone.len()).filter(|_| name::is_within(name, zone));
        let labels = || name::labels(end.and_then(|end| name.get(..end)).unwrap_or_default());
        end.is_some()
            && (1..most).contains(&labels().count())
            && labels().all(|label| label.len() <= long && label.iter().all(valid))
    };
    digits(b"\x07in-addr\x04arpa\x00", 3, 4, u8::is_ascii_digit)
        || digits(b"\x03ip6\x04arpa\x00", 1, 32, u8::is_ascii_hexdigit)
}
