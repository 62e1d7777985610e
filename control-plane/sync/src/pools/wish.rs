//! What a Service asks for, and what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sluice_model::Protocol;

use super::Refusal;

/// What a Service of type LoadBalancer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// `metadata.creationTimestamp` in seconds since the Unix epoch: the older Service goes first.
    pub created: i64,
    /// Families of the addresses.
    pub families: Families,
    /// These addresses and no others in their families; any number of each.
    pub addresses: Vec<IpAddr>,
    /// This pool and no other.
    pub pool: Option<Box<str>>,
    /// With whom an address may be shared; none: with nobody.
    pub sharing: Option<Sharing>,
    /// Ports that it takes of an address.
    pub ports: BTreeSet<(Protocol, u16)>,
    /// `metadata.labels`, by which pools choose.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Addresses that its status has: kept where that is possible.
    pub held: Vec<IpAddr>,
}

/// Families of addresses that a Service gets, one address of each unless it asks for certain ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// One of each.
    Both,
    /// One of each, but one alone will do (`ipFamilyPolicy: PreferDualStack`).
    Either,
}

impl Families {
    /// Whether an address of this family is wanted.
    pub fn has(self, v6: bool) -> bool {
        match self {
            Self::V4 => !v6,
            Self::V6 => v6,
            Self::Both | Self::Either => true,
        }
    }

    /// The families, IPv6 as true.
    pub(super) fn each(self) -> impl Iterator<Item = bool> {
        [false, true].into_iter().filter(move |&v6| self.has(v6))
    }
}

/// Who may share an address: Services of equal key and equal backends whose ports differ.
///
/// The rule is MetalLB's: with `externalTrafficPolicy: Local` it is the endpoints that decide which nodes an address may
/// be announced from, so Services that share one must have the same pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sharing {
    /// What they have agreed on, across namespaces.
    pub key: Box<str>,
    /// The selector where the policy is Local; none with Cluster.
    pub backends: Option<Box<str>>,
}

/// What a Service has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Its addresses, sorted; IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Why it has not all that it asks for; empty where it has.
    pub refusals: Vec<Refusal>,
}
