//! Routes, upstreams and certificates as rows.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sluice_model::http::{HostPattern, PathMatch};

use super::x509;
use crate::table::{CompiledAction, CompiledCanary, CompiledRoute, HeaderSwitch, Table};
use crate::upstream::{Member, Millis, UpstreamState};

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// The virtual host: a name, `*.` and a suffix, or `*` for all.
    pub host: String,
    /// The path as it was given.
    pub path: String,
    /// How it is compared.
    pub kind: PathKind,
    /// What is done with a request.
    pub action: ActionRow,
    /// Requests without TLS are sent to `https` with this status.
    pub https_redirect: Option<u16>,
    /// The object that it comes from.
    pub origin: String,
}

/// How a route's path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// As a whole.
    Exact,
    /// By its first elements.
    Prefix,
    /// As a regular expression, from its beginning and in any case.
    Pattern,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionRow {
    /// It goes to an endpoint.
    Forward {
        /// Of this Service's port.
        upstream: String,
        /// Of this one where that has none.
        fallback: Option<String>,
        /// What takes some requests.
        canary: Option<CanaryRow>,
    },
    /// It is answered with another address.
    Redirect {
        /// The status.
        status: u16,
        /// Where to; none where scheme or host alone differ.
        location: Option<String>,
    },
    /// It is answered with this status.
    Respond(u16),
}

/// What takes some of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRow {
    /// The Service's port.
    pub upstream: String,
    /// Those with this header, and which values of it.
    pub header: Option<String>,
    /// Those with this cookie.
    pub cookie: Option<String>,
    /// So many of `total`.
    pub weight: u32,
    /// At least 1.
    pub total: u32,
}

/// An endpoint of an upstream; one row without an endpoint where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRow {
    /// The Service's port.
    pub upstream: String,
    /// Where it listens.
    pub endpoint: Option<SocketAddr>,
    /// Its pod.
    pub pod: Option<String>,
    /// Whether it takes requests.
    pub state: EndpointState,
    /// Requests that it has, of all upstreams it is in.
    pub in_flight: u32,
    /// Failures in a row.
    pub failures: u32,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It does.
    In,
    /// It failed, and gets none for a while where there are others.
    Ejected,
    /// There is no endpoint: requests are answered with 503.
    None,
}

impl std::fmt::Display for EndpointState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::Ejected => "ejected",
            Self::None => "no endpoint",
        })
    }
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// Namespace and name of its Secret, or its file.
    pub certificate: String,
    /// Names that it vouches for.
    pub names: Vec<String>,
    /// When it ends to be valid, in seconds since 1970; none where the certificate cannot be read.
    pub not_after: Option<i64>,
    /// Names of servers that it is shown for; `*` for all that have none of their own.
    pub server_names: Vec<String>,
}

impl CertificateRow {
    /// The row of a certificate in DER.
    pub fn new(certificate: String, der: &[u8], server_names: Vec<String>) -> Self {
        let described = x509::describe(der).ok();
        let not_after = described.as_ref().map(|described| described.not_after);
        let names = described.map(|described| described.names).unwrap_or_default();
        Self { certificate, names, not_after, server_names }
    }
}

/// All routes by host, then by path.
pub fn routes(table: &Table) -> Vec<RouteRow> {
    let rows = table.hosts().flat_map(|(host, paths)| {
        paths.values().map(move |route| RouteRow::new(&host, route)).collect::<Vec<_>>()
    });
    let mut rows: Vec<RouteRow> = rows.collect();
    rows.sort_by(|a, b| (&a.host, &a.path, a.kind as u8).cmp(&(&b.host, &b.path, b.kind as u8)));
    rows
}

/// All endpoints by upstream, then by address.
pub fn upstreams(table: &Table, now: Millis) -> Vec<UpstreamRow> {
    let mut rows: Vec<UpstreamRow> =
        table.upstreams().flat_map(|upstream| UpstreamRow::all(upstream, now)).collect();
    rows.sort_by(|a, b| (&a.upstream, a.endpoint).cmp(&(&b.upstream, b.endpoint)));
    rows
}

impl RouteRow {
    pub(super) fn new(host: &HostPattern, route: &CompiledRoute) -> Self {
        let (kind, path) = kind_and_text(route.path());
        let action = match route.action() {
            CompiledAction::Forward(forward) => ActionRow::Forward {
                upstream: forward.upstream.name().to_string(),
                fallback: forward.fallback.as_ref().map(|target| target.name().to_string()),
                canary: forward.canary.as_deref().map(CanaryRow::new),
            },
            CompiledAction::Redirect(redirect) => ActionRow::Redirect {
                status: redirect.status,
                location: redirect.location.as_deref().map(str::to_owned),
            },
            CompiledAction::Respond(status) => ActionRow::Respond(*status),
        };
        Self {
            host: host.to_string(),
            path: path.to_owned(),
            kind,
            action,
            https_redirect: route.policy().https_redirect,
            origin: route.origin().to_string(),
        }
    }
}

impl CanaryRow {
    fn new(canary: &CompiledCanary) -> Self {
        let header = canary.header.as_ref().map(|(name, switch)| match switch {
            HeaderSwitch::Switch => format!("{name}: always"),
            HeaderSwitch::Exact(value) => format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
            HeaderSwitch::Pattern(pattern) => format!("{name}: /{pattern}/"),
        });
        Self {
            upstream: canary.upstream.name().to_string(),
            header,
            cookie: canary.cookie.as_deref().map(str::to_owned),
            weight: canary.weight,
            total: canary.total,
        }
    }
}

impl UpstreamRow {
    pub(super) fn all(upstream: &UpstreamState, now: Millis) -> Vec<Self> {
        let name = upstream.name().to_string();
        if upstream.members().is_empty() {
            let none = EndpointState::None;
            return vec![Self {
                upstream: name,
                endpoint: None,
                pod: None,
                state: none,
                in_flight: 0,
                failures: 0,
            }];
        }
        upstream.members().iter().map(|member| Self::of(&name, member, now)).collect()
    }

    fn of(upstream: &str, member: &Member, now: Millis) -> Self {
        let endpoint = member.endpoint();
        Self {
            upstream: upstream.to_owned(),
            endpoint: Some(endpoint.address()),
            pod: member.pod().map(str::to_owned),
            state: if endpoint.is_ejected(now) { EndpointState::Ejected } else { EndpointState::In },
            in_flight: endpoint.in_flight(),
            failures: endpoint.failures(),
        }
    }
}

/// How a path is compared, and its text.
pub(super) fn kind_and_text(path: &PathMatch) -> (PathKind, &str) {
    match path {
        PathMatch::Exact(text) => (PathKind::Exact, text),
        PathMatch::Prefix(text) => (PathKind::Prefix, text),
        PathMatch::Pattern(text) => (PathKind::Pattern, text),
    }
}
