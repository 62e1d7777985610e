//! Virtual hosts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Route;

/// Which hosts are meant; of several that fit, the precise one comes before the wildcard, and that before all.
///
/// Names are in lower case, without a port and without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostPattern {
    /// This name.
    Exact(Box<str>),
    /// Exactly one label before this suffix, which is without the star and its dot: `example.com` for `*.example.com`.
    Wildcard(Box<str>),
    /// Every name, and none.
    Any,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// All routes of a host. Where a host fits and none of its routes does, the answer is 404: no other host is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualHost {
    /// Which requests are its.
    pub host: HostPattern,
    /// Its routes, in no order that matters: [`PathMatch`](super::PathMatch) says which comes first. None fit the same paths.
    pub routes: Vec<Route>,
    /// Paths are matched decoded, and several slashes as one. What endpoints are sent stays as it came.
    pub decoded: bool,
}
