//! The API server as the source of objects.
//!
//! One task a kind lists and watches ([`watch`]) and says what has changed of it ([`mirror`]); nothing is taken to be
//! complete before every kind is. An API server that is away, refuses or starts over changes nothing by itself: objects
//! go only where it says so.

mod client;
mod mirror;
mod watch;

use std::fmt::Debug;
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

/// News of one kind.
#[derive(Debug)]
pub struct News {
    /// The kind.
    pub kind: Kind,
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
    /// All objects of the kind have been told, for the first time or once more after a break.
    Synced {
        /// How many there are.
        objects: usize,
    },
    /// The API server does not have the kind, which it need not: its definition is not installed.
    Absent,
    /// The kind cannot be followed for now, with the API server's words.
    Failed(String),
    /// The same, where this gateway may not read them.
    Denied(String),
}

/// The kinds that are followed.
pub fn kinds(rules: &Rules) -> Vec<Kind> {
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
        kinds.extend([Kind::IngressClass, Kind::Ingress, Kind::Secret]);
    }
    kinds
}

/// Follows all [`kinds`] for as long as the set of tasks lives.
pub fn follow(client: &kube::Client, rules: &Arc<Rules>, streaming: bool) -> (Receiver<News>, JoinSet<()>) {
    let (news, receiver) = channel(QUEUE);
    let mut tasks = JoinSet::new();
    let server = Server { client, streaming, news };
    // Names and routes are of Services that packets have no use for, too.
    let all = rules.names.is_some() || rules.ingress;
    for kind in kinds(rules) {
        let rules = Arc::clone(rules);
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
                let parse = |ingress: &networking::Ingress| Ok(object::ingress::ingress(ingress));
                tasks.spawn(server.follow(kind, "", parse, Object::Ingress));
            }
            Kind::Secret => {
                let parse = |secret: &core::Secret| Ok(object::ingress::secret(secret));
                tasks.spawn(server.follow(kind, "", parse, Object::Secret));
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
    /// Follows the objects of a kind that have `labels`, a selector which may be empty.
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
        let spec = Spec { kind, labels, fields, streaming: self.streaming, parse: Box::new(parse) };
        watch::follow(Api::all(self.client.clone()), spec, self.news.clone())
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
