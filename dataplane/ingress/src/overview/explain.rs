//! What would become of a request, and why: `sluice explain http`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sluice_model::http::{HostPattern, PathMatch};

use super::rows::kind_and_text;
use super::{PathKind, RouteRow, UpstreamRow};
use crate::forward::Refusal;
use crate::routes::{Authority, Found, normalise};
use crate::table::{CompiledAction, CompiledForward, CompiledRoute, Lookup, Table};
use crate::upstream::Millis;

/// Routes of the host that are named beside the one that was found.
const MOST_CANDIDATES: usize = 64;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpQuery {
    /// It comes by TLS.
    pub tls: bool,
    /// The host, without a port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, without a query.
    pub path: String,
    /// What stands behind `?`.
    pub query: Option<String>,
    /// Who asks; none: somebody whom every route lets in.
    pub client: Option<IpAddr>,
}

/// What becomes of it. What does not come up stays empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpExplanation {
    /// What was asked.
    pub query: HttpQuery,
    /// What becomes of the request.
    pub verdict: HttpVerdict,
    /// What TLS shows for the name.
    pub tls: Option<TlsExplained>,
    /// The virtual host.
    pub host: Option<HostExplained>,
    /// The path as routes see it: without dot segments, otherwise as it came.
    pub path: Option<String>,
    /// The route.
    pub route: Option<RouteRow>,
    /// Other routes of the host: those that fit as well first.
    pub others: Vec<CandidateRow>,
    /// Routes of the host that are not listed.
    pub more: usize,
    /// The endpoints of the upstream that takes it.
    pub endpoints: Vec<UpstreamRow>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum HttpVerdict {
    /// Nothing is served on the port in this way.
    NotServed,
    /// The TLS connection goes to an endpoint as it is.
    Passthrough {
        /// Of this Service's port.
        upstream: String,
    },
    /// The gateway answers with an error.
    Refuse {
        /// Its status.
        status: u16,
        /// Why, as logs name it.
        reason: String,
        /// The same in words.
        help: String,
    },
    /// The gateway answers with another address.
    Redirect {
        /// The status.
        status: u16,
        /// `https` where that is why; `route` where the route says so.
        by: RedirectBy,
        /// Where to.
        location: String,
    },
    /// The gateway answers with a status, as the route says.
    Respond {
        /// The status.
        status: u16,
    },
    /// It goes to an endpoint.
    Forward {
        /// Of this Service's port.
        upstream: String,
        /// It is the route's second choice, since the first has no endpoint.
        fallback: bool,
        /// The path that the endpoint is told.
        path: String,
        /// The `Host` that the endpoint is told.
        host: String,
    },
}

/// Why a request is answered with another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectBy {
    /// It came without TLS, and the route wants that.
    Https,
    /// It is what the route does.
    Route,
}

/// What TLS does with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsExplained {
    /// The entry of server names: a name, `*.` and a suffix, or `*`.
    pub server_name: String,
    /// The certificate that is shown; none: the gateway's own.
    pub certificate: Option<String>,
    /// The upstream that the connection goes to as it is.
    pub passthrough: Option<String>,
}

/// The virtual host of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostExplained {
    /// The name in lower case, without a final dot.
    pub name: String,
    /// The virtual host; none where none fits.
    pub pattern: Option<String>,
    /// Virtual hosts that fit as well, and are not looked at.
    pub passed_over: Vec<String>,
}

/// Another route of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateRow {
    /// Its path.
    pub path: String,
    /// How that is compared.
    pub kind: PathKind,
    /// The object that it comes from.
    pub origin: String,
    /// Whether it fits; then another one comes before it.
    pub fits: bool,
}

/// Explains what the table does with a request. `tls` says what TLS does with a name.
pub fn explain(
    table: &Table,
    query: HttpQuery,
    tls: impl FnOnce(&str) -> Option<TlsExplained>,
    now: Millis,
) -> HttpExplanation {
    let mut out = HttpExplanation {
        query,
        verdict: HttpVerdict::NotServed,
        tls: None,
        host: None,
        path: None,
        route: None,
        others: Vec::new(),
        more: 0,
        endpoints: Vec::new(),
    };
    out.verdict = verdict(table, tls, now, &mut out);
    out
}

fn verdict(
    table: &Table,
    tls: impl FnOnce(&str) -> Option<TlsExplained>,
    now: Millis,
    out: &mut HttpExplanation,
) -> HttpVerdict {
    let settings = table.settings();
    let listeners = if out.query.tls { &settings.https } else { &settings.http };
    if !listeners.iter().any(|at| at.port() == out.query.port) {
        return HttpVerdict::NotServed;
    }
    let Ok(Authority { host, .. }) = Authority::parse(&out.query.host) else {
        return refuse(Refusal::MalformedHost);
    };
    let host = host.into_owned();
    if out.query.tls {
        out.tls = tls(&host);
        if let Some(upstream) = out.tls.as_ref().and_then(|tls| tls.passthrough.clone()) {
            return HttpVerdict::Passthrough { upstream };
        }
    }
    out.host = Some(host_explained(table, &host));
    let Ok(path) = normalise(&out.query.path).map(std::borrow::Cow::into_owned) else {
        return refuse(Refusal::MalformedPath);
    };
    out.path = Some(path.clone());
    let lookup = table.find(&host, &path);
    let chosen = match &lookup {
        Lookup::Route(found) => Some(found.value),
        _ => None,
    };
    let pattern = table.host_entry(&host).map(|(pattern, paths)| {
        let others =
            paths.values().filter(|route| chosen.is_none_or(|chosen| !std::sync::Arc::ptr_eq(chosen, route)));
        (out.others, out.more) = candidates(others.map(|route| &**route), &paths.matched(&path));
        pattern
    });
    let found = match lookup {
        Lookup::Route(found) => found,
        Lookup::NoPath => return refuse(Refusal::NoRoute),
        Lookup::NoHost => return refuse(Refusal::NoHost),
    };
    out.route = pattern.map(|pattern| RouteRow::new(&pattern, found.value));
    of_route(table, &found, &host, &path, now, out)
}

/// What the route makes of it, in the forwarder's order.
fn of_route(
    table: &Table,
    found: &Found<'_, std::sync::Arc<CompiledRoute>>,
    host: &str,
    path: &str,
    now: Millis,
    out: &mut HttpExplanation,
) -> HttpVerdict {
    let (route, policy) = (found.value, found.value.policy());
    let query = out.query.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    if let Some(status) = policy.https_redirect.filter(|_| !out.query.tls) {
        let port = table.settings().https.first().map_or(443, std::net::SocketAddr::port);
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        let location = format!("https://{host}{port}{path}{query}");
        return HttpVerdict::Redirect { status, by: RedirectBy::Https, location };
    }
    if let Some(client) = out.query.client {
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        if is_in(&policy.deny) || (!policy.allow.is_empty() && !is_in(&policy.allow)) {
            return refuse(Refusal::Forbidden);
        }
    }
    match route.action() {
        CompiledAction::Respond(status) => HttpVerdict::Respond { status: *status },
        CompiledAction::Redirect(redirect) => {
            let own = if out.query.tls { "https" } else { "http" };
            let scheme = redirect.scheme.as_deref().unwrap_or(own);
            let authority = redirect.host.as_deref().unwrap_or(host);
            let location = match redirect.location.as_deref() {
                Some(location) if location.contains("://") => location.to_owned(),
                Some(location) => {
                    let query = if redirect.keep_query { query.as_str() } else { "" };
                    format!("{scheme}://{authority}{location}{query}")
                }
                None => format!("{scheme}://{authority}{path}{query}"),
            };
            HttpVerdict::Redirect { status: redirect.status, by: RedirectBy::Route, location }
        }
        CompiledAction::Forward(forward) => {
            let rewritten = policy.rewrite().map(|rewrite| rewrite.of(found, path)).transpose();
            let Ok(rewritten) = rewritten else { return refuse(Refusal::MalformedPath) };
            let told = policy.host().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
            let path = rewritten.unwrap_or_else(|| path.to_owned());
            forwarded(table, forward, (path, told.unwrap_or_else(|| host.to_owned())), now, out)
        }
    }
}

fn forwarded(
    table: &Table,
    forward: &CompiledForward,
    (path, host): (String, String),
    now: Millis,
    out: &mut HttpExplanation,
) -> HttpVerdict {
    let choices = [Some(&forward.upstream), forward.fallback.as_ref()];
    for (target, fallback) in choices.into_iter().zip([false, true]) {
        let Some(upstream) = target.and_then(|target| table.upstream(target)) else { continue };
        if upstream.members().is_empty() {
            continue;
        }
        out.endpoints = UpstreamRow::all(upstream, now);
        return HttpVerdict::Forward { upstream: upstream.name().to_string(), fallback, path, host };
    }
    refuse(Refusal::NoEndpoint)
}

fn host_explained(table: &Table, host: &str) -> HostExplained {
    let pattern = table.host_entry(host).map(|(pattern, _)| pattern);
    let wildcard = host.split_once('.').map(|(_, suffix)| HostPattern::Wildcard(suffix.into()));
    let fits = [Some(HostPattern::Exact(host.into())), wildcard, Some(HostPattern::Any)];
    let others = fits.into_iter().flatten().filter(|fits| Some(fits) != pattern.as_ref());
    HostExplained {
        name: host.to_owned(),
        passed_over: others.filter(|fits| table.has_host(fits)).map(|fits| fits.to_string()).collect(),
        pattern: pattern.map(|pattern| pattern.to_string()),
    }
}

/// Those that fit first, the longest text of them first; and how many are left out.
fn candidates<'a>(routes: impl Iterator<Item = &'a CompiledRoute>, path: &str) -> (Vec<CandidateRow>, usize) {
    let mut rows: Vec<CandidateRow> = routes
        .map(|route| {
            let (kind, text) = kind_and_text(route.path());
            CandidateRow {
                path: text.to_owned(),
                kind,
                origin: route.origin().to_string(),
                fits: fits(route, path),
            }
        })
        .collect();
    rows.sort_by(|a, b| {
        (b.fits, b.path.len()).cmp(&(a.fits, a.path.len())).then_with(|| a.path.cmp(&b.path))
    });
    let more = rows.len().saturating_sub(MOST_CANDIDATES);
    rows.truncate(MOST_CANDIDATES);
    (rows, more)
}

fn fits(route: &CompiledRoute, path: &str) -> bool {
    match route.path() {
        PathMatch::Exact(text) => **text == *path,
        PathMatch::Prefix(text) => {
            let text = text.strip_suffix('/').unwrap_or(text);
            path.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Pattern(_) => route.pattern().is_some_and(|pattern| pattern.fits(path)),
    }
}

fn refuse(refusal: Refusal) -> HttpVerdict {
    HttpVerdict::Refuse {
        status: refusal.status().as_u16(),
        reason: refusal.as_str().to_owned(),
        help: refusal.to_string(),
    }
}
