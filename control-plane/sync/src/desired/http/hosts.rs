//! Virtual hosts: the routes of all Ingresses that have some for a host.

use std::collections::BTreeMap;

use sluice_model::ServiceName;
use sluice_model::http::{
    Action, Canary, Forward, HostPattern, PathMatch, Policy, Redirect, Route, UpstreamName, UpstreamPort,
    VirtualHost,
};

use super::Http;
use super::claims::{problem, routes, rules_for};
use super::index::www_of;
use crate::object::ingress::{Backend, IngressObject, IngressPath};
use crate::{Level, Problem};

/// What ingress-nginx sends clients to another address with.
const STATUS: u16 = 308;
/// What nginx sends clients to a slash at the end with.
const SLASH: u16 = 301;
/// The status of `app-root`.
const APP_ROOT: u16 = 302;

impl Http {
    /// The routes of a host, if there is any, and what is to be said of them.
    pub(super) fn join_host(&self, host: &HostPattern) -> (Option<VirtualHost>, Vec<Problem>) {
        let claimants = self.claimants(host);
        let routed = claimants.iter().any(|ingress| routes(ingress, host));
        let mut problems = Vec::new();
        let has = |ingress: &IngressObject| ingress.options.aliases.contains(host);
        let mut aliases = claimants.iter().filter(|ingress| has(ingress) && !ingress.rules.is_empty());
        let alias = if routed { None } else { aliases.next() };
        for ingress in aliases {
            let message = match alias {
                Some(other) => format!("{host} is an alias of Ingress {} already; left out", other.name),
                None => format!("{host} is a host of its own; left out"),
            };
            problems.push(problem(ingress, Level::Error, &annotation("server-alias"), message));
        }
        if let Some(rule) = alias.and_then(|ingress| ingress.rules.first())
            && rule.host != *host
        {
            let of = self.claimants(&rule.host);
            let join = Join::new(self, &rule.host, host, &of);
            return (Some(join.host(host)), problems);
        }
        if !routed && let Some(host) = self.www(host, &claimants) {
            return (Some(host), problems);
        }
        let mut join = Join::new(self, host, host, &claimants);
        problems.append(&mut join.problems);
        let exists = routed || !join.routes.is_empty();
        (exists.then(|| join.host(host)), problems)
    }

    /// A host that only leads to the one with `www.` before it, or without.
    fn www(&self, host: &HostPattern, claimants: &[&IngressObject]) -> Option<VirtualHost> {
        let from = claimants.iter().filter(|ingress| ingress.options.www_redirect);
        let (ingress, of) = from
            .flat_map(|ingress| ingress.rules.iter().map(move |rule| (*ingress, &rule.host)))
            .find(|(_, of)| www_of(of).as_ref() == Some(host))?;
        let redirect = Redirect {
            status: STATUS,
            scheme: None,
            host: Some(of.to_string().into()),
            location: None,
            keep_query: false,
        };
        let route = Route {
            path: PathMatch::Prefix("/".into()),
            action: Action::Redirect(redirect),
            policy: Policy::default(),
            origin: origin(ingress),
        };
        Some(VirtualHost { host: host.clone(), routes: vec![route], decoded: false })
    }
}

/// The routes of a host while they are put together.
struct Join<'a> {
    host: &'a HostPattern,
    /// Paths are regular expressions.
    regex: bool,
    /// It is served as ingress-nginx does, for the class of one of its Ingresses says so.
    compat: bool,
    /// Whether there is TLS for those that come.
    tls: bool,
    hsts: Option<u64>,
    routes: BTreeMap<PathMatch, (Route, &'a ServiceName)>,
    problems: Vec<Problem>,
}

impl<'a> Join<'a> {
    /// The routes of `host`, for clients that come to `shown`: the same, or an alias.
    fn new(http: &Http, host: &'a HostPattern, shown: &HostPattern, claimants: &[&'a IngressObject]) -> Self {
        let routed: Vec<&IngressObject> =
            claimants.iter().copied().filter(|ingress| routes(ingress, host)).collect();
        let mut join = Self {
            host,
            regex: routed.iter().any(|ingress| ingress.options.regex),
            compat: routed.iter().any(|ingress| http.is_compat(ingress)),
            tls: http.has_tls(shown),
            hsts: http.rules.as_ref().and_then(|rules| rules.hsts),
            routes: BTreeMap::new(),
            problems: Vec::new(),
        };
        for ingress in &routed {
            join.root(ingress);
            for path in rules_for(ingress, host).flat_map(|rule| &rule.paths) {
                join.path(ingress, path);
            }
        }
        for ingress in claimants.iter().filter(|ingress| ingress.options.canary.is_some()) {
            for path in rules_for(ingress, host).flat_map(|rule| &rule.paths) {
                join.canary(ingress, path);
            }
        }
        join.regex_of_others(&routed);
        if join.compat && !join.regex {
            join.slashes();
        }
        if join.compat {
            let others = routed.iter().copied().filter(|ingress| !http.is_compat(ingress));
            for ingress in others {
                let message = format!(
                    "{} is served as ingress-nginx serves it, for another Ingress's class says so",
                    join.host
                );
                join.say(ingress, Level::Warning, "spec.rules", message);
            }
        }
        join.default_backend(claimants);
        join
    }

    /// What they are for a host.
    fn host(self, host: &HostPattern) -> VirtualHost {
        let decoded = self.compat;
        let routes = self.routes.into_values().map(|(route, _)| route).collect();
        VirtualHost { host: host.clone(), routes, decoded }
    }

    /// A path that only lacks the slash at another one's end leads there, as nginx has it for its plain locations. One that has
    /// a route of its own, whole or as a prefix (which ingress-nginx makes both), does not.
    fn slashes(&mut self) {
        let slashed = self.routes.values().filter_map(|(route, owner)| match &route.path {
            PathMatch::Exact(text) | PathMatch::Prefix(text) if text.len() > 1 => {
                Some((Box::<str>::from(text.strip_suffix('/')?), text.clone(), route, *owner))
            }
            _ => None,
        });
        let missing: Vec<_> = slashed
            .filter(|(without, ..)| {
                let known = [PathMatch::Exact(without.clone()), PathMatch::Prefix(without.clone())];
                !known.iter().any(|path| self.routes.contains_key(path))
            })
            .map(|(without, text, route, owner)| {
                let path = PathMatch::Exact(without);
                let to = Redirect {
                    status: SLASH,
                    scheme: None,
                    host: None,
                    location: Some(text),
                    keep_query: true,
                };
                let policy = Policy { rewrite: None, ..route.policy.clone() };
                (path.clone(), (Route { path, action: Action::Redirect(to), policy, ..route.clone() }, owner))
            })
            .collect();
        for (path, route) in missing {
            self.routes.entry(path).or_insert(route);
        }
    }

    /// How a path is matched.
    fn matched(&self, ingress: &IngressObject, path: &IngressPath) -> PathMatch {
        let text = path.path.clone();
        if !self.regex {
            return if path.exact { PathMatch::Exact(text) } else { PathMatch::Prefix(text) };
        }
        // Whoever has not asked for regular expressions is not to lose a path that is none.
        let is_one = ingress.options.regex || regex_syntax::parse(&text).is_ok();
        PathMatch::Pattern(if is_one { text } else { regex_syntax::escape(&text).into() })
    }

    fn path(&mut self, ingress: &'a IngressObject, path: &IngressPath) {
        let matched = self.matched(ingress, path);
        if let PathMatch::Pattern(text) = &matched
            && let Err(error) = regex_syntax::parse(text)
        {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{text}` is no regular expression that is known: {why}; left out");
            return self.say(ingress, Level::Error, "spec.rules", message);
        }
        let options = &ingress.options;
        let action = match (&path.backend, &options.redirect) {
            _ if options.denied => Action::Respond(503),
            (_, Some(redirect)) => Action::Redirect(redirect.clone()),
            (Backend::Service(upstream), None) => Action::Forward(Forward {
                upstream: upstream.clone(),
                fallback: options.default_backend.as_ref().map(|service| UpstreamName {
                    service: ServiceName::new(&ingress.name.namespace, service),
                    port: UpstreamPort::First,
                }),
                canary: None,
            }),
            (Backend::None, None) => Action::Respond(503),
        };
        let mut policy = self.policy(ingress);
        policy.rewrite = policy.rewrite.filter(|to| to.path != path.path);
        self.add(ingress, matched, action, policy);
    }

    /// What requests of an Ingress's routes are under.
    fn policy(&self, ingress: &IngressObject) -> Policy {
        let options = &ingress.options;
        let redirected = options.force_ssl_redirect || (options.ssl_redirect && self.tls);
        Policy {
            https_redirect: redirected.then_some(STATUS),
            hsts: self.hsts.filter(|_| self.tls),
            ..options.policy.clone()
        }
    }

    fn add(&mut self, ingress: &'a IngressObject, path: PathMatch, action: Action, policy: Policy) {
        if let Some((_, winner)) = self.routes.get(&path) {
            let (PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Pattern(text)) = &path;
            let message = match *winner == &ingress.name {
                true => format!("{}{text} stands there twice; the first counts", self.host),
                false => format!("{}{text} is Ingress {winner}'s, which is older", self.host),
            };
            return self.say(ingress, Level::Error, "spec.rules", message);
        }
        let route = Route { path: path.clone(), action, policy, origin: origin(ingress) };
        self.routes.insert(path, (route, &ingress.name));
    }

    /// `app-root`: the root leads there.
    fn root(&mut self, ingress: &'a IngressObject) {
        let Some(root) = &ingress.options.app_root else { return };
        let to = Redirect {
            status: APP_ROOT,
            scheme: None,
            host: None,
            location: Some(root.clone()),
            keep_query: false,
        };
        let policy = self.policy(ingress);
        self.add(ingress, PathMatch::Exact("/".into()), Action::Redirect(to), policy);
    }

    /// A canary takes some of the requests of the route that has its host and path.
    fn canary(&mut self, ingress: &'a IngressObject, path: &IngressPath) {
        let Some(rule) = &ingress.options.canary else { return };
        let matched = self.matched(ingress, path);
        let place = format!("{}{}", self.host, path.path);
        let refused = match self.routes.get_mut(&matched).map(|(route, _)| &mut route.action) {
            Some(Action::Forward(forward)) if forward.canary.is_none() => match &path.backend {
                Backend::Service(upstream) => {
                    forward.canary = Some(Canary {
                        upstream: upstream.clone(),
                        header: rule.header.clone(),
                        cookie: rule.cookie.clone(),
                        weight: rule.weight,
                        total: rule.total,
                    });
                    return;
                }
                Backend::None => format!("the canary of {place} has no backend; left out"),
            },
            Some(Action::Forward(_)) => format!("{place} has a canary of an older Ingress already; left out"),
            _ => format!("{place} is no route of another Ingress that a canary could have requests of"),
        };
        self.say(ingress, Level::Error, &annotation("canary"), refused);
    }

    /// Who has not asked for regular expressions, and has them.
    fn regex_of_others(&mut self, routed: &[&'a IngressObject]) {
        let Some(cause) = routed.iter().find(|ingress| ingress.options.regex) else { return };
        for ingress in routed.iter().filter(|ingress| !ingress.options.regex) {
            let message = format!(
                "paths of {} are regular expressions in any case, for Ingress {} asks for them",
                self.host, cause.name
            );
            self.say(ingress, Level::Warning, "spec.rules", message);
        }
    }

    /// What no rule takes is the oldest default backend's; for hosts that no rule names, one of an Ingress without any rules
    /// comes first.
    fn default_backend(&mut self, claimants: &[&'a IngressObject]) {
        let catch_all = *self.host == HostPattern::Any;
        let candidates = claimants
            .iter()
            .copied()
            .filter(|ingress| ingress.options.canary.is_none() && (catch_all || routes(ingress, self.host)));
        let mut candidates: Vec<(&IngressObject, &Backend)> =
            candidates.filter_map(|it| Some((it, it.default_backend.as_ref()?))).collect();
        candidates.sort_by_key(|(ingress, _)| catch_all && !ingress.rules.is_empty());
        let Some((winner, backend)) = candidates.first().copied() else { return };
        let explicit = candidates.iter().skip(1).filter(|(it, _)| !catch_all || it.rules.is_empty());
        for (loser, _) in explicit.filter(|(_, other)| *other != backend) {
            let place = if catch_all { "all other hosts".to_owned() } else { self.host.to_string() };
            let message =
                format!("the default backend of {place} is Ingress {}'s, which is older", winner.name);
            self.say(loser, Level::Error, "spec.defaultBackend", message);
        }
        let path = PathMatch::Prefix("/".into());
        if self.routes.contains_key(&path) {
            return;
        }
        let options = &winner.options;
        let action = match (backend, &options.redirect) {
            _ if options.denied => Action::Respond(503),
            (_, Some(redirect)) => Action::Redirect(redirect.clone()),
            (Backend::Service(upstream), None) => {
                Action::Forward(Forward { upstream: upstream.clone(), fallback: None, canary: None })
            }
            (Backend::None, None) => Action::Respond(503),
        };
        let policy = Policy { rewrite: None, ..self.policy(winner) };
        self.add(winner, path, action, policy);
    }

    fn say(&mut self, ingress: &IngressObject, level: Level, field: &str, message: String) {
        self.problems.push(problem(ingress, level, field, message));
    }
}

/// For people: kind, namespace and name.
fn origin(ingress: &IngressObject) -> Box<str> {
    format!("Ingress {}", ingress.name).into()
}

fn annotation(name: &str) -> String {
    format!("metadata.annotations[\"{}{name}\"]", crate::object::ingress::ANNOTATION_PREFIX)
}
