//! Routes: which requests of a host are meant, and what is done with them.

use serde::{Deserialize, Serialize};

use super::{Policy, UpstreamName};

/// Requests of a virtual host, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which paths are its.
    pub path: PathMatch,
    /// What is done with a request.
    pub action: Action,
    /// Under which rules.
    pub policy: Policy,
    /// The object that it comes from, for people: kind, namespace and name, such as `Ingress default/web`.
    pub origin: Box<str>,
}

/// Which paths are meant, of the path as it was sent, dot segments removed, percent-encoding as it is, case as it is.
///
/// `Exact` comes first, then a `Pattern`, then a `Prefix`, of each kind the longest text. A whole path is the longest that can
/// fit, so for Ingress this is its order, the longest first and of equal ones `Exact`; the slash at the end of a prefix does
/// not count against a whole path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PathMatch {
    /// The whole path, byte by byte.
    Exact(Box<str>),
    /// The path's first elements: `/a/b` fits `/a/b`, `/a/b/` and `/a/b/c`, not `/a/bc`. `/` fits all.
    Prefix(Box<str>),
    /// A regular expression that fits from the path's beginning, in any case.
    Pattern(Box<str>),
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It goes to an endpoint.
    Forward(Forward),
    /// It is answered with another address.
    Redirect(Redirect),
    /// It is answered with a status and nothing else.
    Respond(u16),
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The upstream.
    pub upstream: UpstreamName,
    /// What takes the request where that has no endpoint.
    pub fallback: Option<UpstreamName>,
    /// What takes some of the requests in its place.
    pub canary: Option<Canary>,
}

/// Which requests go to another upstream. Header before cookie before weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The other upstream.
    pub upstream: UpstreamName,
    /// By the value of a header.
    pub header: Option<(Box<str>, HeaderMatch)>,
    /// By the value of a cookie of this name: `always` or `never`.
    pub cookie: Option<Box<str>>,
    /// So many of `total` requests that nothing above decides.
    pub weight: u32,
    /// At least 1, and no less than `weight`.
    pub total: u32,
}

/// Which values of a header choose the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderMatch {
    /// `always` does, `never` does not and ends the choice; others leave it to what comes next.
    Switch,
    /// This value does; others leave the choice to what comes next.
    Exact(Box<str>),
    /// Values with a part that fits this regular expression do; others leave the choice to what comes next.
    Pattern(Box<str>),
}

/// Another address for the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`; none: as it came.
    pub scheme: Option<Box<str>>,
    /// Another host, with a port where it has one; none: as it came.
    pub host: Option<Box<str>>,
    /// What stands in place of path and query; none: as they came. An absolute URL stands in place of all.
    pub location: Option<Box<str>>,
    /// The query that came stays behind `location`, which is no absolute URL.
    pub keep_query: bool,
}

/// Another path for the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rewrite {
    /// What stands in place of the whole path; `$1` to `$9` are what the groups of a [`PathMatch::Pattern`] took, nothing where
    /// they took nothing. The query stays.
    pub path: Box<str>,
}
