//! The API server as the source of objects.
//!
//! One task a kind, or a namespace's part of it, lists and watches ([`watch`]) and says what has changed of it
//! ([`mirror`]); nothing is taken to be complete before every kind is. An API server that is away, refuses or starts over changes nothing by itself: objects
//! go only where it says so.

mod client;
mod mirror;
mod watch;

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

pub use client::{ClientError, client};

use crate::folder::ObjectChange;
use crate::object::{self, Asks, Key, Kind, Object, Parsed, Rules, ServiceImport, ServiceObject};
use crate::{FieldProblem, Problem};
use watch::Spec;

/// Messages that may wait; watchers wait then.
const QUEUE: usize = 1024;

/// What is followed by itself: the objects of a kind, of all namespaces or of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty: all.
    pub namespace: Arc<str>,
}

impl Part {
    fn of(kind: Kind, namespace: &str) -> Self {
        Self { kind, namespace: namespace.into() }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{}s", self.kind),
            namespace => write!(f, "{}s of namespace {namespace}", self.kind),
        }
    }
}

/// News of one part.
#[derive(Debug)]
pub struct News {
    /// Of what.
    pub part: Part,
    /// When the first of it came in.
    pub at: Instant,
    /// What it is.
    pub what: What,
}

/// What is new.
#[derive(Debug)]
pub enum What {
    /// Objects have changed, and what is wrong with them now; an empty list takes back what was said of an object.
    Changed(Vec<ObjectChange>, Vec<(Key, Vec<Problem>)>),
    /// All objects of the part have been told, for the first time or once more after a break.
    Synced {
        /// How many there are.
        objects: usize,
    },
    /// The API server does not have the kind, which it need not: its definition is not installed.
    Absent,
    /// The part cannot be followed for now, with the API server's words.
    Failed(String),
    /// The same, where this gateway may not read them.
    Denied(String),
}

/// What is followed.
pub fn parts(rules: &Rules) -> Vec<Part> {
    let mut kinds = vec![Kind::Node, Kind::Service, Kind::EndpointSlice];
    if let Some(names) = &rules.names {
        kinds.push(Kind::Namespace);
        if names.pods {
            kinds.push(Kind::Pod);
        }
        if names.imports {
            kinds.push(Kind::ServiceImport);
        }
    }
    if rules.ingress {
        kinds.push(Kind::IngressClass);
    }
    if rules.ingress || rules.ingress_hosts() {
        kinds.push(Kind::Ingress);
    }
    let mut parts: Vec<Part> = kinds.into_iter().map(|kind| Part::of(kind, "")).collect();
    if rules.ingress {
        let namespaces = rules.secret_namespaces.iter();
        parts.extend(namespaces.map(|namespace| Part::of(Kind::Secret, namespace)));
        if rules.secret_namespaces.is_empty() {
            parts.push(Part::of(Kind::Secret, ""));
        }
    }
    parts
}

/// Follows all [`parts`] for as long as the set of tasks lives.
pub fn follow(client: &kube::Client, rules: &Arc<Rules>, streaming: bool) -> (Receiver<News>, JoinSet<()>) {
    let (news, receiver) = channel(QUEUE);
    let mut tasks = JoinSet::new();
    let server = Server { client, streaming, news };
    // Names and routes are of Services that packets have no use for, too.
    let all = rules.names.is_some() || rules.ingress;
    for part in parts(rules) {
        let (kind, rules) = (part.kind, Arc::clone(rules));
        match kind {
            Kind::Service => {
                // What the label names is another's (KEP-2447); but it has a name.
                let labels = if all { "" } else { "!service.kubernetes.io/service-proxy-name" };
                let parse = move |object: &core::Service| service(object, &rules);
                tasks.spawn(server.follow(kind, labels, parse, Object::Service));
            }
            Kind::EndpointSlice => {
                let labels = if all { "" } else { "!service.kubernetes.io/headless" };
                let parse = move |slice: &discovery::EndpointSlice| Ok(object::endpoint_slice(slice, &rules));
                tasks.spawn(server.follow(kind, labels, parse, Object::EndpointSlice));
            }
            Kind::Node => {
                let parse = |node: &core::Node| Ok(sound(object::node(node)));
                tasks.spawn(server.follow(kind, "", parse, Object::Node));
            }
            Kind::Namespace => {
                let parse = move |object: &core::Namespace| Ok(sound(object::namespace(object, &rules)));
                tasks.spawn(server.follow(kind, "", parse, Object::Namespace));
            }
            Kind::Pod => {
                let parse = move |pod: &core::Pod| Ok(object::pod(pod, &rules));
                tasks.spawn(server.follow(kind, "", parse, Object::Pod));
            }
            Kind::ServiceImport => {
                let parse = move |import: &ServiceImport| object::service_import(import, &rules);
                tasks.spawn(server.follow(kind, "", parse, Object::ServiceImport));
            }
            Kind::IngressClass => {
                tasks.spawn(server.follow(kind, "", object::ingress::ingress_class, Object::IngressClass));
            }
            Kind::Ingress => {
                let parse = move |ingress: &networking::Ingress| Ok(object::ingress(ingress, &rules));
                tasks.spawn(server.follow(kind, "", parse, Object::Ingress));
            }
            Kind::Secret => {
                let parse = |secret: &core::Secret| Ok(object::ingress::secret(secret));
                let client = client.clone();
                let api: Api<core::Secret> = match &*part.namespace {
                    "" => Api::all(client),
                    namespace => Api::namespaced(client, namespace),
                };
                tasks.spawn(server.follow_part(part, api, "", parse, Object::Secret));
            }
        }
    }
    (receiver, tasks)
}

/// Who is followed, and who is told.
struct Server<'a> {
    client: &'a kube::Client,
    streaming: bool,
    news: Sender<News>,
}

impl Server<'_> {
    /// Follows the objects of a kind, of all namespaces, that have `labels`, a selector which may be empty.
    fn follow<K, T, P>(
        &self,
        kind: Kind,
        labels: &'static str,
        parse: P,
        wrap: fn(Arc<T>) -> Object,
    ) -> impl Future<Output = ()> + use<K, T, P>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        T: 'static,
        P: Fn(&K) -> Result<Parsed<T>, FieldProblem> + Send + Sync + 'static,
    {
        self.follow_part(Part::of(kind, ""), Api::all(self.client.clone()), labels, parse, wrap)
    }

    /// The same of a part, which `api` asks for.
    fn follow_part<K, T, P>(
        &self,
        part: Part,
        api: Api<K>,
        labels: &'static str,
        parse: P,
        wrap: fn(Arc<T>) -> Object,
    ) -> impl Future<Output = ()> + use<K, T, P>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
        T: 'static,
        P: Fn(&K) -> Result<Parsed<T>, FieldProblem> + Send + Sync + 'static,
    {
        let kind = part.kind;
        let parse = move |object: K| {
            let metadata = object.meta();
            let key = Key {
                kind,
                namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
                name: metadata.name.as_deref().unwrap_or_default().into(),
            };
            let outcome = parse(&object)
                .map(|parsed| Parsed { object: wrap(Arc::new(parsed.object)), problems: parsed.problems });
            (key, outcome)
        };
        // Nobody else's secrets are asked for.
        let fields = if kind == Kind::Secret { "type=kubernetes.io/tls" } else { "" };
        let spec = Spec { part, labels, fields, streaming: self.streaming, parse: Box::new(parse) };
        watch::follow(api, spec, self.news.clone())
    }
}

/// A Service with what it asks for.
fn service(service: &core::Service, rules: &Rules) -> Result<Parsed<ServiceObject>, FieldProblem> {
    let mut parsed = object::service(service, rules)?;
    let wish = crate::pools::wish(service, rules);
    let shown = crate::status::Shown::of(service);
    if wish.object.is_some() || !shown.says(&[]) {
        parsed.object.asks = Some(Box::new(Asks { wish: wish.object, shown }));
    }
    parsed.problems.extend(wish.problems);
    Ok(parsed)
}

/// An object with which nothing can be wrong.
fn sound<T>(object: T) -> Parsed<T> {
    Parsed { object, problems: Vec::new() }
}

/// An object as parsed, or why it cannot be used.
type Outcome = Result<Parsed<Object>, FieldProblem>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_followed_as_a_whole_or_namespace_by_namespace() {
        let mut rules = Rules {
            load_balancer_class: "sluice.dev/gateway".into(),
            external_ips: false,
            names: None,
            ingress: true,
            secret_namespaces: Vec::new(),
        };
        let secrets = |rules: &Rules| {
            let parts = parts(rules).into_iter().filter(|part| part.kind == Kind::Secret);
            parts.map(|part| part.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(secrets(&rules), ["Secrets"]);
        rules.secret_namespaces = vec!["shop".into(), "blog".into()];
        assert_eq!(secrets(&rules), ["Secrets of namespace shop", "Secrets of namespace blog"]);
        rules.ingress = false;
        assert_eq!(secrets(&rules), [""; 0]);
    }
}
