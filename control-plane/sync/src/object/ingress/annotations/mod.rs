//! ingress-nginx's annotations (its version 1.15): which are known, and what they come to.
//!
//! A value that makes no sense is told and leaves the rest as it is. What asks for an authentication that is not there has
//! its routes answer 503, as ingress-nginx has where it cannot read such an annotation: nobody is let in by mistake.

mod canary;
mod cookies;
mod cors;
mod limits;
mod policy;
mod redirects;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use sluice_model::http::{HostPattern, Policy, ProxyVersion, Redirect};

pub use canary::CanaryRule;

use crate::FieldProblem;
use values::Values;

/// What annotations of ingress-nginx begin with.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// What annotations of the gateway's own begin with.
const OWN: &str = "sluice.dev/";
/// The one that Ingresses have: `v1` or `v2`, connections to endpoints begin with a header of the PROXY protocol.
const PROXY_PROTOCOL: &str = "sluice.dev/proxy-protocol";

/// What annotations say of an Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The rules that its routes are under, but for `https_redirect` and `hsts`, which go by the host's TLS.
    pub policy: Policy,
    /// `ssl-redirect`: where the host has TLS, requests without are sent there.
    pub ssl_redirect: bool,
    /// `force-ssl-redirect`: also where it has none.
    pub force_ssl_redirect: bool,
    /// `use-regex`, or a `rewrite-target` that is not the path itself: all paths of the host are regular expressions.
    pub regex: bool,
    /// `app-root`.
    pub app_root: Option<Box<str>>,
    /// `permanent-redirect` or `temporal-redirect`.
    pub redirect: Option<Redirect>,
    /// `canary` and what belongs to it.
    pub canary: Option<CanaryRule>,
    /// `default-backend`: a Service of the namespace.
    pub default_backend: Option<Box<str>>,
    /// `server-alias`.
    pub aliases: Vec<HostPattern>,
    /// `from-to-www-redirect`.
    pub www_redirect: bool,
    /// `ssl-passthrough`.
    pub passthrough: bool,
    /// It asks for something without which nobody may be let in.
    pub denied: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            ssl_redirect: true,
            force_ssl_redirect: false,
            regex: false,
            app_root: None,
            redirect: None,
            canary: None,
            default_backend: None,
            aliases: Vec::new(),
            www_redirect: false,
            passthrough: false,
            denied: false,
        }
    }
}

/// Those of most Ingresses.
static NONE: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);

/// Without these somebody would get in who is to stay out.
const AUTHENTICATION: [&str; 3] = ["auth-type", "auth-url", "auth-tls-secret"];
/// These tell more of the above, and are told with it.
const OF_AUTHENTICATION: &str = "auth-";
/// Text for nginx's own configuration.
const SNIPPETS: [&str; 6] = [
    "configuration-snippet",
    "server-snippet",
    "stream-snippet",
    "auth-snippet",
    "modsecurity-snippet",
    "location-snippet",
];

/// Reads annotations; `paths` are those of the Ingress's rules.
pub(super) fn read<'a>(
    annotations: Option<&BTreeMap<String, String>>,
    mut paths: impl Iterator<Item = &'a str>,
    problems: &mut Vec<FieldProblem>,
) -> Arc<Options> {
    let given: BTreeMap<&str, &str> = annotations
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_str())))
        .collect();
    let proxy_protocol = own(annotations, problems);
    if given.is_empty() && proxy_protocol.is_none() {
        return Arc::clone(&NONE);
    }
    let mut values = Values::new(given, problems);
    let mut options = Options { policy: policy::read(&mut values), ..Options::default() };
    options.policy.proxy_protocol = proxy_protocol;
    options.policy.limits = limits::read(&mut values);
    options.policy.cors = cors::read(&mut values);
    options.policy.affinity = cookies::read(&mut values);
    options.ssl_redirect = values.flag("ssl-redirect").unwrap_or(true);
    options.force_ssl_redirect = values.flag("force-ssl-redirect").unwrap_or(false);
    redirects::read(&mut values, &mut options);
    options.canary = canary::read(&mut values);
    options.default_backend = values.read("default-backend", |text| {
        let valid = !text.is_empty() && !text.contains(['/', ':', ' ']);
        valid.then(|| text.into()).ok_or("no name of a Service of the namespace")
    });
    options.passthrough = values.flag("ssl-passthrough").unwrap_or(false);
    let regex = values.flag("use-regex").unwrap_or(false);
    let rewrites = options.policy.rewrite.as_ref().is_some_and(|to| paths.any(|path| path != &*to.path));
    options.regex = regex || rewrites;
    options.denied = rest(values);
    Arc::new(options)
}

/// Reads the gateway's own, and tells those that it does not know or cannot read.
fn own(
    annotations: Option<&BTreeMap<String, String>>,
    problems: &mut Vec<FieldProblem>,
) -> Option<ProxyVersion> {
    let mut version = None;
    for (name, value) in annotations.into_iter().flatten().filter(|(name, _)| name.starts_with(OWN)) {
        let field = format!("metadata.annotations[\"{name}\"]");
        match (name.as_str(), value.trim()) {
            (PROXY_PROTOCOL, "v1") => version = Some(ProxyVersion::V1),
            (PROXY_PROTOCOL, "v2") => version = Some(ProxyVersion::V2),
            (PROXY_PROTOCOL, value) => {
                problems.push(FieldProblem::new(field, format!("`{value}`: neither v1 nor v2")));
            }
            _ => problems.push(FieldProblem::warning(field, "no annotation of Ingresses".to_owned())),
        }
    }
    version
}

/// Names what is left. True where nobody may be let in without it.
fn rest(mut values: Values<'_, '_>) -> bool {
    let mut denied = false;
    for (name, value) in values.take_rest() {
        let field = values::field(name);
        values.tell(if SNIPPETS.contains(&name) {
            let message = "text for nginx's own configuration is refused; the Ingress is served without it";
            FieldProblem::new(field, message)
        } else if AUTHENTICATION.contains(&name) {
            denied = true;
            let why = "not known here, and nobody is let in without it; answered with 503";
            FieldProblem::new(field, format!("`{value}`: {why}"))
        } else if name.starts_with(OF_AUTHENTICATION) {
            FieldProblem::warning(field, "authentication is not known here")
        } else {
            let why = "not known here; the Ingress is served without it";
            FieldProblem::warning(field, format!("`{value}`: {why}"))
        });
    }
    denied
}
