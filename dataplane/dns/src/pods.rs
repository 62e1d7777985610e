//! Who asks: the namespaces of the pods that have an address, by address, and whether they have IPv6.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use sluice_model::NamedPod;

use crate::name::{Name, Seed};
use crate::node::{Builder, Node};
use crate::query::kind;

/// The longest key: a label with a digit for each four bits of an address, and the root's.
pub(crate) const MOST: usize = 34;

/// The publisher's side: how many pods of each namespace have an address. Of several namespaces' one while another pod replaces the
/// former one.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    of: HashMap<IpAddr, Owners>,
}

#[derive(Debug, Default)]
struct Owners {
    namespaces: BTreeMap<Box<str>, usize>,
    /// How many of the pods have IPv6.
    ipv6: usize,
}

/// What became of an address.
pub(crate) enum Effect {
    /// Its node is new or another.
    Set(Node),
    /// It is no pod's any more.
    Gone(Node),
}

impl Pods {
    /// A pod comes, or goes; what becomes of its addresses.
    pub fn update(&mut self, pod: &NamedPod, comes: bool, seed: Seed) -> Vec<Effect> {
        let mut effects = Vec::new();
        let ipv6 = pod.addresses.iter().any(|ip| ip.to_canonical().is_ipv6());
        for ip in pod.addresses.iter().filter(|_| pod.client) {
            let ip = ip.to_canonical();
            let owners = self.of.entry(ip).or_default();
            let before = owners.seen(&pod.name.namespace);
            owners.count(&pod.name.namespace, ipv6, comes);
            if owners.namespaces.is_empty() {
                self.of.remove(&ip);
                effects.push(Effect::Gone(node(ip, &Owners::default(), seed)));
            } else if before != owners.seen(&pod.name.namespace) {
                effects.push(Effect::Set(node(ip, owners, seed)));
            }
        }
        effects
    }
}

impl Owners {
    /// What a node says of one namespace, and of all.
    fn seen(&self, namespace: &str) -> (bool, bool) {
        (self.namespaces.contains_key(namespace), self.ipv6 > 0)
    }

    fn count(&mut self, namespace: &str, ipv6: bool, comes: bool) {
        let step = |count: usize| if comes { count + 1 } else { count.saturating_sub(1) };
        let count = self.namespaces.entry(namespace.into()).or_default();
        *count = step(*count);
        if *count == 0 {
            self.namespaces.remove(namespace);
        }
        if ipv6 {
            self.ipv6 = step(self.ipv6);
        }
    }
}

/// The namespaces of an address, as labels one behind the other; and a set of AAAA records, of whatever, where one of its pods has
/// IPv6.
fn node(ip: IpAddr, owners: &Owners, seed: Seed) -> Node {
    let mut bytes = [0; MOST];
    let mut builder = Builder::new(Name::from_wire(key(ip, &mut bytes)), 0);
    // A namespace's name is a label (RFC 1123), and few have one address.
    let labels = owners.namespaces.keys().filter(|name| name.len() < 64);
    let labels: Vec<Vec<u8>> = labels.map(|name| [&[name.len() as u8], name.as_bytes()].concat()).collect();
    builder.fixed(kind::TXT, &labels, &[]);
    if owners.ipv6 > 0 {
        builder.fixed(kind::AAAA, &[Vec::new()], &[]);
    }
    builder.build(seed)
}

/// Whether a node is of pods that have IPv4 addresses alone.
pub(crate) fn is_ipv4_only(node: &Node) -> bool {
    node.set(kind::AAAA).is_none()
}

/// The labels of a node.
pub(crate) fn namespaces(node: &Node) -> &[u8] {
    node.set(kind::TXT).map(|set| set.answer()).unwrap_or_default()
}

/// What an address is found by: a name, for tables are of names.
pub(crate) fn key(ip: IpAddr, bytes: &mut [u8; MOST]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut write = |octets: &[u8]| {
        bytes[0] = octets.len() as u8 * 2;
        let (pairs, _) = bytes[1..].as_chunks_mut::<2>();
        for (pair, octet) in pairs.iter_mut().zip(octets) {
            *pair = [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]];
        }
        octets.len() * 2 + 2
    };
    let length = match ip {
        IpAddr::V4(ip) => write(&ip.octets()),
        IpAddr::V6(ip) => write(&ip.octets()),
    };
    bytes[length - 1] = 0;
    bytes.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sluice_model::ServiceName;

    use super::*;
    use crate::name;
    use crate::table::Table;

    #[test]
    fn an_address_is_of_those_that_have_it() {
        let seed = Seed([3, 5]);
        let (mut pods, mut table) = (Pods::default(), Table::default());
        let mut apply = |namespace: &str, address: &str, comes: bool| {
            let pod = NamedPod {
                name: ServiceName::new(namespace, "p"),
                addresses: vec![address.parse().unwrap()],
                named: false,
                client: true,
            };
            for effect in pods.update(&pod, comes, seed) {
                match effect {
                    Effect::Set(node) => drop(table.insert(node)),
                    Effect::Gone(node) => drop(table.remove(&node)),
                }
            }
            let mut bytes = [0; MOST];
            let key = key(address.parse().unwrap(), &mut bytes);
            table.get(name::hash(key, seed), key).map(|node| namespaces(node).to_vec())
        };
        assert_eq!(apply("a", "10.65.0.97", true).as_deref(), Some(&b"\x01a"[..]));
        // Differs in nothing but the case of what would be letters.
        assert_eq!(apply("b", "10.97.0.65", true).as_deref(), Some(&b"\x01b"[..]));
        assert_eq!(apply("bc", "10.65.0.97", true).as_deref(), Some(&b"\x01a\x02bc"[..]));
        assert_eq!(apply("a", "10.65.0.97", true).as_deref(), Some(&b"\x01a\x02bc"[..]));
        assert_eq!(apply("a", "10.65.0.97", false).as_deref(), Some(&b"\x01a\x02bc"[..]));
        assert_eq!(apply("a", "10.65.0.97", false).as_deref(), Some(&b"\x02bc"[..]));
        assert_eq!(apply("bc", "10.65.0.97", false), None);
        assert_eq!(apply("c", "fd00::61", true).as_deref(), Some(&b"\x01c"[..]));
        assert_eq!(apply("c", "fd00::61", false), None);
        assert_eq!(pods.of.len(), 1);
    }
}
