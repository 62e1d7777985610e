//! Why a Service does not get an address.

use std::fmt;
use std::net::IpAddr;

use sluice_model::{Protocol, ServiceName};

/// Why a Service does not get an address. The text is that of the Event, which names the Service beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// All addresses that it could have are taken; it waits.
    #[error("no {family} address is free in {}; the Service waits for one", Names(pools))]
    PoolExhausted {
        /// Where it looked.
        pools: Vec<Box<str>>,
        /// Of which family.
        family: Family,
    },
    /// There is nothing to wait for.
    #[error("no address pool gives {family} addresses to this Service")]
    NoPool {
        /// Of which family.
        family: Family,
    },
    /// The pool asked for has no addresses of a family.
    #[error("address pool {pool} has no {family} addresses")]
    NotInFamily {
        /// The pool asked for.
        pool: Box<str>,
        /// The family that it does not have.
        family: Family,
    },
    /// The pool asked for does not exist.
    #[error("there is no address pool {pool}")]
    NoSuchPool {
        /// As it was asked for.
        pool: Box<str>,
    },
    /// The address asked for belongs to no pool, or not to the one asked for.
    #[error("{address} is not in {}", pool.as_ref().map_or("any address pool".into(), |p| format!("address pool {p}")))]
    NotInPool {
        /// As it was asked for.
        address: IpAddr,
        /// The pool asked for; none: any.
        pool: Option<Box<str>>,
    },
    /// The pool is for other namespaces.
    #[error("address pool {pool} is not for namespace {namespace}")]
    NamespaceNotAllowed {
        /// The pool.
        pool: Box<str>,
        /// The Service's.
        namespace: Box<str>,
    },
    /// The pool is for Services with other labels.
    #[error("address pool {pool} is for Services with the label {label}")]
    LabelMissing {
        /// The pool.
        pool: Box<str>,
        /// The first label that it asks for and does not find, as `name=value`.
        label: Box<str>,
    },
    /// The address asked for is of a family that the Service does not have.
    #[error("{address} is asked for, but the Service has no {family} address (spec.ipFamilies)", family = Family::of(*address))]
    WrongFamily {
        /// As it was asked for.
        address: IpAddr,
    },
    /// The address asked for belongs to another Service; it waits.
    #[error("{address} is taken by Service {by}")]
    AddressTaken {
        /// As it was asked for.
        address: IpAddr,
        /// The first of those who have it.
        by: ServiceName,
    },
    /// Both have the sharing key, but the address cannot be shared; it waits.
    #[error("{address} cannot be shared with Service {with}: {conflict}")]
    SharingConflict {
        /// As it was asked for.
        address: IpAddr,
        /// The one in the way.
        with: ServiceName,
        /// What is in the way.
        conflict: Conflict,
    },
}

impl Refusal {
    /// A word for the `reason` of an Event.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PoolExhausted { .. } => "AddressPoolExhausted",
            Self::NoPool { .. } | Self::NotInFamily { .. } | Self::NoSuchPool { .. } => "NoAddressPool",
            Self::NotInPool { .. } => "AddressNotInPool",
            Self::NamespaceNotAllowed { .. } | Self::LabelMissing { .. } => "AddressPoolNotAllowed",
            Self::WrongFamily { .. } => "AddressFamily",
            Self::AddressTaken { .. } => "AddressTaken",
            Self::SharingConflict { .. } => "AddressSharingConflict",
        }
    }
}

/// Why two Services of one key cannot share an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Both have this port.
    Port(Protocol, u16),
    /// The external traffic policies differ, or both are Local with different selectors.
    Backends,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(protocol, port) => write!(f, "both have port {port}/{protocol}"),
            Self::Backends => {
                f.write_str("externalTrafficPolicy must be Cluster in both, or Local with the same selector")
            }
        }
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        Self::from_v6(address.is_ipv6())
    }

    pub(super) fn from_v6(v6: bool) -> Self {
        if v6 { Self::V6 } else { Self::V4 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

struct Names<'a>(&'a [Box<str>]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 { "address pool " } else { "address pools " })?;
        f.write_str(&self.0.join(", "))
    }
}
