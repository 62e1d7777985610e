//! Routes with what can be made of them beforehand.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use regex::bytes::Regex;
use sluice_model::http::{Action, Canary, Forward, HeaderMatch, PathMatch, Redirect, Route, UpstreamName};

use super::CompiledPolicy;
use crate::routes::Pattern;

/// A route as requests go by it.
#[derive(Debug)]
pub struct CompiledRoute {
    path: PathMatch,
    pattern: Option<Arc<Pattern>>,
    action: CompiledAction,
    /// As it came, to tell whether a change is one.
    source: Action,
    policy: Arc<CompiledPolicy>,
    origin: Arc<str>,
}

/// What is done with a request.
#[derive(Debug)]
pub enum CompiledAction {
    /// It goes to an endpoint.
    Forward(CompiledForward),
    /// It is answered with another address.
    Redirect(Redirect),
    /// It is answered with a status.
    Respond(u16),
}

/// Where a request goes.
#[derive(Debug)]
pub struct CompiledForward {
    /// The upstream.
    pub upstream: Target,
    /// What takes the request where that has no endpoint.
    pub fallback: Option<Target>,
    /// What takes some of the requests.
    pub canary: Option<Box<CompiledCanary>>,
}

/// An upstream's name and where it is in the table.
#[derive(Debug)]
pub struct Target {
    name: Arc<UpstreamName>,
    hash: u64,
}

/// Which requests go to another upstream.
#[derive(Debug)]
pub struct CompiledCanary {
    /// The other upstream.
    pub upstream: Target,
    /// By a header's value.
    pub header: Option<(HeaderName, HeaderSwitch)>,
    /// By the value of a cookie.
    pub cookie: Option<Box<str>>,
    /// So many of `total`.
    pub weight: u32,
    /// At least 1.
    pub total: u32,
}

/// Which values of a header choose the canary.
#[derive(Debug)]
pub enum HeaderSwitch {
    /// `always` and `never`.
    Switch,
    /// This one.
    Exact(HeaderValue),
    /// Those with a part that fits.
    Pattern(Regex),
}

impl CompiledRoute {
    /// Compiles a route; `hash` tells where the table has an upstream.
    ///
    /// A pattern that cannot be compiled fits nothing, and is logged: control refuses those.
    pub fn new(route: &Route, policy: Arc<CompiledPolicy>, hash: impl Fn(&UpstreamName) -> u64) -> Self {
        let pattern = match &route.path {
            PathMatch::Pattern(text) => match Pattern::new(text) {
                Ok(pattern) => Some(Arc::new(pattern)),
                Err(error) => {
                    tracing::error!(origin = %route.origin, pattern = %text, %error, "a route's pattern fits nothing");
                    None
                }
            },
            _ => None,
        };
        let target = |name: &UpstreamName| Target { name: Arc::new(name.clone()), hash: hash(name) };
        let action = match &route.action {
            Action::Forward(Forward { upstream, fallback, canary }) => {
                CompiledAction::Forward(CompiledForward {
                    upstream: target(upstream),
                    fallback: fallback.as_ref().map(target),
                    canary: canary.as_ref().map(|canary| {
                        Box::new(CompiledCanary::new(canary, target(&canary.upstream), &route.origin))
                    }),
                })
            }
            Action::Redirect(redirect) => CompiledAction::Redirect(redirect.clone()),
            Action::Respond(status) => CompiledAction::Respond(*status),
        };
        let (path, source) = (route.path.clone(), route.action.clone());
        Self { path, pattern, action, source, policy, origin: Arc::from(&*route.origin) }
    }

    /// Whether it is what compiling this route would come to.
    pub fn is_of(&self, route: &Route) -> bool {
        self.path == route.path
            && self.source == route.action
            && **self.policy == route.policy
            && *self.origin == *route.origin
    }

    /// Which paths are its.
    pub fn path(&self) -> &PathMatch {
        &self.path
    }

    /// Its pattern, compiled.
    pub fn pattern(&self) -> Option<&Arc<Pattern>> {
        self.pattern.as_ref()
    }

    /// What is done with a request.
    pub fn action(&self) -> &CompiledAction {
        &self.action
    }

    /// Under which rules.
    pub fn policy(&self) -> &CompiledPolicy {
        &self.policy
    }

    /// The object that it comes from.
    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }
}

impl Target {
    /// The upstream's name.
    pub fn name(&self) -> &Arc<UpstreamName> {
        &self.name
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

impl CompiledCanary {
    fn new(canary: &Canary, upstream: Target, origin: &str) -> Self {
        let header = canary.header.as_ref().and_then(|(name, switch)| {
            let switch = match switch {
                HeaderMatch::Switch => Some(HeaderSwitch::Switch),
                HeaderMatch::Exact(value) => HeaderValue::from_str(value).ok().map(HeaderSwitch::Exact),
                HeaderMatch::Pattern(text) => compile(text).map(HeaderSwitch::Pattern),
            };
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(switch);
            if header.is_none() {
                tracing::error!(origin, header = %name, "a canary's header fits nothing");
            }
            header
        });
        let Canary { cookie, weight, total, .. } = canary;
        Self { upstream, header, cookie: cookie.clone(), weight: *weight, total: *total }
    }
}

fn compile(text: &str) -> Option<Regex> {
    let size = 128 << 10;
    regex::bytes::RegexBuilder::new(text).size_limit(size).dfa_size_limit(size).nest_limit(64).build().ok()
}
