//! The API server as the source of objects.
//!
//! One task a kind lists and watches ([`watch`]) and says what has changed of it ([`mirror`]); nothing is taken to be
//! complete before every kind is. An API server that is away, refuses or starts over changes nothing by itself: objects
//! go only where it says so.

mod client;
mod mirror;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use kube::Api;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

pub use client::{ClientError, client};

use crate::folder::ObjectChange;
use crate::object::{self, Asks, Key, Kind, Object, Parsed, Rules};
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
    /// The kind cannot be followed for now, with the API server's words.
    Failed(String),
}

/// The kinds that are followed.
pub fn kinds(rules: &Rules) -> Vec<Kind> {
    let mut kinds = vec![Kind::Node, Kind::Service, Kind::EndpointSlice];
    if let Some(names) = &rules.names {
        kinds.push(Kind::Namespace);
        if names.pods {
            kinds.push(Kind::Pod);
        }
    }
    kinds
}

/// Follows all [`kinds`] for as long as the set of tasks lives.
pub fn follow(client: &kube::Client, rules: &Arc<Rules>, streaming: bool) -> (Receiver<News>, JoinSet<()>) {
    let (news, receiver) = channel(QUEUE);
    let mut tasks = JoinSet::new();
    let of_rules = Arc::clone(rules);
    let named = rules.names.is_some();
    tasks.spawn(watch::follow(
        Api::<core::Service>::all(client.clone()),
        Spec {
            kind: Kind::Service,
            // What the label names is another's (KEP-2447); but it has a name.
            labels: if named { "" } else { "!service.kubernetes.io/service-proxy-name" },
            streaming,
            parse: Box::new(move |service: core::Service| {
                let key = key_of(Kind::Service, &service.metadata);
                let parsed = object::service(&service, &of_rules).map(|mut parsed| {
                    let wish = crate::pools::wish(&service, &of_rules);
                    let shown = crate::status::Shown::of(&service);
                    if wish.object.is_some() || !shown.says(&[]) {
                        parsed.object.asks = Some(Box::new(Asks { wish: wish.object, shown }));
                    }
                    parsed.problems.extend(wish.problems);
                    parsed
                });
                (key, parsed.map(|p| with(p, |s| Object::Service(Arc::new(s)))))
            }),
        },
        news.clone(),
    ));
    let of_rules = Arc::clone(rules);
    tasks.spawn(watch::follow(
        Api::<discovery::EndpointSlice>::all(client.clone()),
        Spec {
            kind: Kind::EndpointSlice,
            labels: if named { "" } else { "!service.kubernetes.io/headless" },
            streaming,
            parse: Box::new(move |slice: discovery::EndpointSlice| {
                let key = key_of(Kind::EndpointSlice, &slice.metadata);
                let parsed = object::endpoint_slice(&slice, &of_rules);
                (key, Ok(with(parsed, |s| Object::EndpointSlice(Arc::new(s)))))
            }),
        },
        news.clone(),
    ));
    tasks.spawn(watch::follow(
        Api::<core::Node>::all(client.clone()),
        Spec {
            kind: Kind::Node,
            labels: "",
            streaming,
            parse: Box::new(|node: core::Node| {
                let parsed = Parsed { object: object::node(&node), problems: Vec::new() };
                (key_of(Kind::Node, &node.metadata), Ok(with(parsed, |n| Object::Node(Arc::new(n)))))
            }),
        },
        news.clone(),
    ));
    for kind in kinds(rules) {
        match kind {
            Kind::Namespace => drop(tasks.spawn(namespaces(client, rules, streaming, news.clone()))),
            Kind::Pod => drop(tasks.spawn(pods(client, rules, streaming, news.clone()))),
            _ => {}
        }
    }
    (receiver, tasks)
}

fn namespaces(
    client: &kube::Client,
    rules: &Arc<Rules>,
    streaming: bool,
    news: Sender<News>,
) -> impl Future<Output = ()> + use<> {
    let rules = Arc::clone(rules);
    let parse = move |namespace: core::Namespace| {
        let key = key_of(Kind::Namespace, &namespace.metadata);
        let object = Object::Namespace(Arc::new(object::namespace(&namespace, &rules)));
        (key, Ok(Parsed { object, problems: Vec::new() }))
    };
    let spec = Spec { kind: Kind::Namespace, labels: "", streaming, parse: Box::new(parse) };
    watch::follow(Api::all(client.clone()), spec, news)
}

fn pods(
    client: &kube::Client,
    rules: &Arc<Rules>,
    streaming: bool,
    news: Sender<News>,
) -> impl Future<Output = ()> + use<> {
    let rules = Arc::clone(rules);
    let parse = move |pod: core::Pod| {
        let key = key_of(Kind::Pod, &pod.metadata);
        (key, Ok(with(object::pod(&pod, &rules), |pod| Object::Pod(Arc::new(pod)))))
    };
    let spec = Spec { kind: Kind::Pod, labels: "", streaming, parse: Box::new(parse) };
    watch::follow(Api::all(client.clone()), spec, news)
}

/// An object as parsed, or why it cannot be used.
type Outcome = Result<Parsed<Object>, FieldProblem>;

fn with<T>(parsed: Parsed<T>, wrap: impl FnOnce(T) -> Object) -> Parsed<Object> {
    Parsed { object: wrap(parsed.object), problems: parsed.problems }
}

fn key_of(kind: Kind, metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Key {
    Key {
        kind,
        namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
        name: metadata.name.as_deref().unwrap_or_default().into(),
    }
}
