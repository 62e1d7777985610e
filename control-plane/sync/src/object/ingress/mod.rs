//! Ingresses, IngressClasses and the Secrets of their certificates (networking.k8s.io/v1).
//!
//! An Ingress is never rejected: a rule, a path or an annotation that makes no sense is left out, or answered with 503 where
//! leaving it out would let in what it is to keep out, and the others are served.

mod annotations;
mod class;
mod paths;
mod secret;
mod surprises;

use std::sync::Arc;

use k8s_openapi::api::networking::v1 as networking;
use sluice_model::ServiceName;
use sluice_model::http::{HostPattern, UpstreamName, UpstreamPort};

pub use annotations::{CanaryRule, Options, PREFIX as ANNOTATION_PREFIX};
pub use class::{ClassObject, ingress_class};
pub use secret::{CertificateError, SecretObject, certificate, secret};
pub use surprises::is_compat;

use super::Parsed;
use crate::FieldProblem;
use paths::host;

/// `metadata.annotations`: the class, from before it had a field.
const CLASS: &str = "kubernetes.io/ingress.class";
/// The most rules, paths of a rule, TLS entries and hosts of one that are looked at.
const MOST: usize = 10_000;

/// An Ingress.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressObject {
    /// Its name.
    pub name: ServiceName,
    /// `metadata.creationTimestamp` in seconds since the Unix epoch; far in the future where it is not known, so that it
    /// comes after all that have one.
    pub created: i64,
    /// `spec.ingressClassName`.
    pub class: Option<Box<str>>,
    /// The annotation `kubernetes.io/ingress.class`.
    pub annotation: Option<Box<str>>,
    /// `spec.rules`.
    pub rules: Vec<IngressRule>,
    /// `spec.defaultBackend`.
    pub default_backend: Option<Backend>,
    /// `spec.tls`.
    pub tls: Vec<IngressTls>,
    /// What annotations say.
    pub options: Arc<Options>,
    /// What its status says.
    pub shown: crate::status::Shown,
    /// The hosts that it names in domains of hosts, and where they are.
    pub hosted: super::Hosted,
}

/// One of `spec.rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRule {
    /// `host`.
    pub host: HostPattern,
    /// `http.paths`; empty where there is no `http`.
    pub paths: Vec<IngressPath>,
}

/// One of `http.paths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressPath {
    /// `path`, `/` where it is empty.
    pub path: Box<str>,
    /// `pathType` is `Exact`.
    pub exact: bool,
    /// `backend`.
    pub backend: Backend,
}

/// What takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A Service's port.
    Service(UpstreamName),
    /// Nothing that there is: 503.
    None,
}

/// One of `spec.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressTls {
    /// `hosts`; empty: those of the rules, and all that nobody else has.
    pub hosts: Vec<HostPattern>,
    /// `secretName`, in the Ingress's namespace; none: the gateway's own certificate.
    pub secret: Option<ServiceName>,
}

/// Parses an Ingress.
pub fn ingress(object: &networking::Ingress) -> Parsed<IngressObject> {
    let metadata = &object.metadata;
    let name = ServiceName::new(
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let mut problems = Vec::new();
    let reader = Reader { namespace: &name.namespace };
    let spec = object.spec.clone().unwrap_or_default();
    let annotations = metadata.annotations.as_ref();
    let class = spec.ingress_class_name.as_deref().filter(|class| !class.is_empty());
    let annotation = annotations.and_then(|all| all.get(CLASS)).map(String::as_str);
    if let (Some(class), Some(annotation)) = (class, annotation)
        && class != annotation
    {
        let message = format!("`{annotation}` is not `{class}`, which spec.ingressClassName says and counts");
        problems.push(FieldProblem::warning(format!("metadata.annotations[\"{CLASS}\"]"), message));
    }
    let default_backend = spec
        .default_backend
        .as_ref()
        .map(|backend| reader.backend(backend, "spec.defaultBackend", &mut problems));
    let rules = reader.rules(spec.rules.as_deref().unwrap_or_default(), &mut problems);
    if rules.is_empty() && default_backend.is_none() {
        problems.push(FieldProblem::new("spec", "neither `rules` nor `defaultBackend`: nothing is served"));
    }
    let tls = reader.tls(spec.tls.as_deref().unwrap_or_default(), &mut problems);
    let paths = rules.iter().flat_map(|rule| &rule.paths).map(|path| &*path.path);
    let options = annotations::read(annotations, paths, &mut problems);
    surprises::tell(&rules, annotations, &options, &mut problems);
    let object = IngressObject {
        created: metadata.creation_timestamp.as_ref().map_or(i64::MAX, |time| time.0.as_second()),
        class: class.map(Into::into),
        annotation: annotation.map(Into::into),
        rules,
        default_backend,
        tls,
        options,
        shown: crate::status::Shown::of_ingress(object),
        hosted: super::Hosted::default(),
        name,
    };
    Parsed { object, problems }
}

/// What parts of an Ingress are read with.
struct Reader<'a> {
    namespace: &'a str,
}

impl Reader<'_> {
    fn rules(&self, given: &[networking::IngressRule], problems: &mut Vec<FieldProblem>) -> Vec<IngressRule> {
        let mut rules = Vec::with_capacity(given.len());
        for (i, rule) in bounded(given, "spec.rules", problems).iter().enumerate() {
            let host = match rule.host.as_deref() {
                None | Some("") => Ok(HostPattern::Any),
                Some(text) => host(text),
            };
            let host = match host {
                Ok(host) => host,
                Err(message) => {
                    let message = message + "; the rule is left out";
                    problems.push(FieldProblem::new(format!("spec.rules[{i}].host"), message));
                    continue;
                }
            };
            let given = rule.http.as_ref().map(|http| http.paths.as_slice()).unwrap_or_default();
            let at = format!("spec.rules[{i}].http.paths");
            let mut paths = Vec::with_capacity(given.len());
            for (k, path) in bounded(given, &at, problems).iter().enumerate() {
                paths.extend(self.path(path, &format!("{at}[{k}]"), problems));
            }
            rules.push(IngressRule { host, paths });
        }
        rules
    }

    fn path(
        &self,
        path: &networking::HTTPIngressPath,
        at: &str,
        problems: &mut Vec<FieldProblem>,
    ) -> Option<IngressPath> {
        let text = path.path.as_deref().unwrap_or_default();
        let specific = match path.path_type.as_str() {
            "Exact" | "Prefix" => false,
            "ImplementationSpecific" => true,
            other => {
                let message = match other {
                    "" => "a type is needed".to_owned(),
                    other => format!("`{other}` is none of Exact, Prefix and ImplementationSpecific"),
                };
                problems
                    .push(FieldProblem::new(format!("{at}.pathType"), message + "; the path is left out"));
                return None;
            }
        };
        if let Err(message) = if specific { paths::specific(text) } else { paths::plain(text) } {
            problems.push(FieldProblem::new(format!("{at}.path"), message + "; the path is left out"));
            return None;
        }
        Some(IngressPath {
            path: if text.is_empty() { "/" } else { text }.into(),
            exact: path.path_type == "Exact",
            backend: self.backend(&path.backend, &format!("{at}.backend"), problems),
        })
    }

    /// A backend that makes no sense is one that answers 503: its path is not to lead to another's.
    fn backend(
        &self,
        backend: &networking::IngressBackend,
        at: &str,
        problems: &mut Vec<FieldProblem>,
    ) -> Backend {
        let mut wrong = |field: String, message: &str| {
            problems.push(FieldProblem::new(field, format!("{message}; answered with 503")));
            Backend::None
        };
        let service = match (&backend.service, &backend.resource) {
            (Some(service), None) => service,
            (None, Some(resource)) => {
                let message = format!("no {} is known as a backend", resource.kind);
                return wrong(format!("{at}.resource"), &message);
            }
            (None, None) => return wrong(at.to_owned(), "neither `service` nor `resource`"),
            (Some(_), Some(_)) => return wrong(at.to_owned(), "both `service` and `resource`"),
        };
        if service.name.is_empty() {
            return wrong(format!("{at}.service.name"), "a name is needed");
        }
        let port = service.port.as_ref();
        let name = port.and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty());
        let number = port.and_then(|port| port.number).filter(|&number| number != 0);
        let at = || format!("{at}.service.port");
        let port = match (name, number) {
            (Some(name), None) => UpstreamPort::Name(name.into()),
            (None, Some(number)) => match super::port_number(number, String::new) {
                Ok(number) => UpstreamPort::Number(number),
                Err(problem) => return wrong(at() + ".number", &problem.message),
            },
            (None, None) => return wrong(at(), "neither `name` nor `number`"),
            (Some(_), Some(_)) => return wrong(at(), "both `name` and `number`"),
        };
        Backend::Service(UpstreamName { service: ServiceName::new(self.namespace, &service.name), port })
    }

    fn tls(&self, given: &[networking::IngressTLS], problems: &mut Vec<FieldProblem>) -> Vec<IngressTls> {
        let mut list = Vec::with_capacity(given.len());
        for (i, entry) in bounded(given, "spec.tls", problems).iter().enumerate() {
            let texts = entry.hosts.as_deref().unwrap_or_default();
            let mut hosts = Vec::with_capacity(texts.len());
            let at = format!("spec.tls[{i}].hosts");
            for (k, text) in bounded(texts, &at, problems).iter().enumerate() {
                match host(text) {
                    Ok(host) => hosts.push(host),
                    Err(message) => {
                        let message = message + "; left out";
                        problems.push(FieldProblem::new(format!("{at}[{k}]"), message));
                    }
                }
            }
            // One whose hosts are all wrong is not one for all hosts.
            if hosts.is_empty() && !texts.is_empty() {
                continue;
            }
            let secret = entry.secret_name.as_deref().filter(|name| !name.is_empty());
            let secret = secret.map(|name| ServiceName::new(self.namespace, name));
            list.push(IngressTls { hosts, secret });
        }
        list
    }
}

/// As much of a list as is looked at.
fn bounded<'a, T>(list: &'a [T], field: &str, problems: &mut Vec<FieldProblem>) -> &'a [T] {
    list.get(..MOST).filter(|_| list.len() > MOST).map_or(list, |first| {
        let message = format!("{} entries are more than {MOST}; the others are left out", list.len());
        problems.push(FieldProblem::new(field, message));
        first
    })
}
