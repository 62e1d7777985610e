//! Lines of hosts files, both ways round.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;

/// Addresses of a name.
type Addresses = (Vec<Ipv4Addr>, Vec<Ipv6Addr>);

/// Names and addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    addresses: HashMap<Name, Addresses>,
    names: HashMap<IpAddr, Vec<Name>>,
}

impl Table {
    /// Adds a line; says whether it is one. Nothing, and a comment, are.
    pub(crate) fn add(&mut self, line: &str) -> bool {
        let line = line.split('#').next().unwrap_or_default();
        let mut fields = line.split_ascii_whitespace();
        let Some(address) = fields.next() else { return true };
        // A zone index, as in fe80::1%lo0, means nothing to a client.
        let Ok(address) = address.split('%').next().unwrap_or_default().parse::<IpAddr>() else {
            return false;
        };
        let mut any = false;
        for field in fields {
            let Ok(mut name) = Name::from_ascii(field) else { return false };
            name.set_fqdn(true);
            self.put(address, name.to_lowercase());
            any = true;
        }
        any
    }

    fn put(&mut self, address: IpAddr, name: Name) {
        let names = self.names.entry(address).or_default();
        if names.contains(&name) {
            return;
        }
        names.push(name.clone());
        let (v4, v6) = self.addresses.entry(name).or_default();
        match address {
            IpAddr::V4(address) => v4.push(address),
            IpAddr::V6(address) => v6.push(address),
        }
    }

    pub(crate) fn addresses(&self, name: &Name) -> Option<&Addresses> {
        self.addresses.get(name)
    }

    pub(crate) fn names(&self, address: IpAddr) -> Vec<Name> {
        self.names.get(&address).cloned().unwrap_or_default()
    }

    /// Pairs of name and address.
    pub(crate) fn len(&self) -> usize {
        self.names.values().map(Vec::len).sum()
    }
}
