//! Objects as JSON, and what HTTP comes to: a copy that only changes by what is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sluice_model::http::{
    Action, Forward, HostPattern, HttpChange, HttpKey, HttpSettings, PathMatch, Route, TlsAction, Upstream,
    UpstreamName, UpstreamPort, VirtualHost,
};
use sluice_model::{Change, ServiceName, Settings};
use sluice_sync::desired::{Desired, ExternalRules, IngressRules};
use sluice_sync::object::{self, Key, Kind, Object, Rules};
use sluice_sync::{FieldProblem, Level};

pub fn rules() -> IngressRules {
    IngressRules {
        controller: "sluice.dev/ingress".into(),
        class: "sluice".into(),
        watch_without_class: false,
        default_class: false,
        hsts: Some(31_536_000),
        external: ExternalRules::default(),
        secret_namespaces: Vec::new(),
        settings: HttpSettings { http: vec!["192.0.2.10:80".parse().unwrap()], ..HttpSettings::default() },
    }
}

pub struct World {
    pub desired: Desired,
    pub told: BTreeMap<HttpKey, HttpChange>,
    /// What the last look told.
    pub news: Vec<HttpChange>,
    /// What each object says of itself.
    pub said: BTreeMap<Key, Vec<FieldProblem>>,
}

/// An object, and what is wrong with it.
pub fn parsed(value: &Value) -> (Key, Object, Vec<FieldProblem>) {
    fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }
    let rules = Rules {
        load_balancer_class: "sluice.dev/gateway".into(),
        external_ips: true,
        names: None,
        ingress: true,
        secret_namespaces: Vec::new(),
    };
    let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default();
    let key = |kind| Key { kind, namespace: text("namespace").into(), name: text("name").into() };
    match value["kind"].as_str().unwrap() {
        "Ingress" => {
            let parsed = object::ingress::ingress(&of(value));
            (key(Kind::Ingress), Object::Ingress(Arc::new(parsed.object)), parsed.problems)
        }
        "IngressClass" => {
            let parsed = object::ingress::ingress_class(&of(value)).unwrap();
            (key(Kind::IngressClass), Object::IngressClass(Arc::new(parsed.object)), parsed.problems)
        }
        "Secret" => {
            let parsed = object::ingress::secret(&of(value));
            (key(Kind::Secret), Object::Secret(Arc::new(parsed.object)), parsed.problems)
        }
        "Service" => {
            let parsed = object::service(&of(value), &rules).unwrap();
            (key(Kind::Service), Object::Service(Arc::new(parsed.object)), parsed.problems)
        }
        "EndpointSlice" => {
            let parsed = object::endpoint_slice(&of(value), &rules);
            (key(Kind::EndpointSlice), Object::EndpointSlice(Arc::new(parsed.object)), parsed.problems)
        }
        other => panic!("{other}"),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(rules())
    }

    /// With the class `sluice`.
    pub fn with(rules: IngressRules) -> Self {
        let desired = Desired::new(Settings::default()).with_ingress(Some(rules));
        let mut world = Self { desired, told: BTreeMap::new(), news: Vec::new(), said: BTreeMap::new() };
        world.apply(&[class("sluice", "sluice.dev/ingress")]);
        world
    }

    pub fn of(objects: &[Value]) -> Self {
        let mut world = Self::new();
        world.apply(objects);
        world
    }

    pub fn apply(&mut self, objects: &[Value]) {
        for value in objects {
            let (key, object, problems) = parsed(value);
            self.said.insert(key, problems);
            self.desired.apply(object);
        }
        self.look();
    }

    pub fn remove(&mut self, value: &Value) {
        let (key, ..) = parsed(value);
        self.said.remove(&key);
        self.desired.remove(&key);
        self.look();
    }

    pub fn look(&mut self) {
        self.news.clear();
        for change in self.desired.take_changes() {
            change.check().unwrap_or_else(|error| panic!("{error}: {change:?}"));
            let Change::Http(change) = change else { continue };
            let key = change.key();
            if change.is_gone() {
                assert!(self.told.remove(&key).is_some(), "{key} was never told");
            } else {
                assert_ne!(self.told.get(&key), Some(&change), "nothing new");
                self.told.insert(key, change.clone());
            }
            self.news.push(change);
        }
        assert!(!self.desired.is_dirty());
    }

    pub fn host(&self, host: &str) -> Option<&VirtualHost> {
        match self.told.get(&HttpKey::Host(pattern(host)))? {
            HttpChange::Host(host) => Some(host),
            other => panic!("{other:?}"),
        }
    }

    pub fn routes(&self, host: &str) -> &[Route] {
        &self.host(host).unwrap_or_else(|| panic!("no {host}: {:#?}", self.told)).routes
    }

    /// The only route of a host.
    pub fn route(&self, host: &str) -> &Route {
        match self.routes(host) {
            [route] => route,
            other => panic!("{other:#?}"),
        }
    }

    /// Where each path of a host leads, in no order that matters: `= /a -> default/web:80`.
    pub fn table(&self, host: &str) -> Vec<String> {
        self.routes(host).iter().map(line).collect()
    }

    pub fn upstream(&self, name: &str) -> Option<&Upstream> {
        let (service, port) = name.split_once(':').unwrap();
        let port = match port.parse() {
            Ok(number) => UpstreamPort::Number(number),
            Err(_) => UpstreamPort::Name(port.into()),
        };
        let name = UpstreamName { service: ServiceName::new("default", service), port };
        match self.told.get(&HttpKey::Upstream(name))? {
            HttpChange::Upstream(upstream) => Some(upstream),
            other => panic!("{other:?}"),
        }
    }

    pub fn endpoints(&self, name: &str) -> Vec<String> {
        let upstream = self.upstream(name).unwrap_or_else(|| panic!("no {name}: {:#?}", self.told));
        upstream.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    /// What TLS for a name comes to: the Secret, `default`, `-> upstream`; nothing.
    pub fn server_name(&self, host: &str) -> Option<String> {
        match self.told.get(&HttpKey::ServerName(pattern(host)))? {
            HttpChange::ServerName(name) => Some(match &name.action {
                TlsAction::Terminate(Some(name)) => name.to_string(),
                TlsAction::Terminate(None) => "default".to_owned(),
                TlsAction::Passthrough { upstream, proxy_protocol: None } => format!("-> {upstream}"),
                TlsAction::Passthrough { upstream, proxy_protocol: Some(version) } => {
                    format!("-> {upstream} {version:?}")
                }
            }),
            other => panic!("{other:?}"),
        }
    }

    /// What is wrong, as `level object field: message`, of all that is ours.
    pub fn problems(&self) -> Vec<String> {
        let own = self.said.iter().flat_map(|(key, said)| {
            said.iter().map(|said| sluice_sync::Problem {
                file: String::new(),
                line: 0,
                object: key.to_string(),
                field: said.field.clone(),
                level: said.level,
                message: said.message.clone(),
            })
        });
        let own = own.filter(|problem| !self.desired.is_foreign(problem));
        let all = own.chain(self.desired.problems());
        all.map(|p| {
            let level = match p.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Note => "note",
            };
            format!("{level} {} {}: {}", p.object, p.field, p.message)
        })
        .collect()
    }

    /// Nothing is wrong.
    pub fn is_sound(&self) {
        assert_eq!(self.problems(), [""; 0]);
    }
}

pub fn line(route: &Route) -> String {
    let path = match &route.path {
        PathMatch::Exact(path) => format!("= {path}"),
        PathMatch::Prefix(path) => format!("^ {path}"),
        PathMatch::Pattern(path) => format!("~ {path}"),
    };
    let to = match &route.action {
        Action::Forward(Forward { upstream, .. }) => upstream.to_string(),
        Action::Redirect(redirect) => format!("{} {redirect:?}", redirect.status),
        Action::Respond(status) => status.to_string(),
    };
    format!("{path} -> {to}")
}

pub fn pattern(host: &str) -> HostPattern {
    match host {
        "*" => HostPattern::Any,
        host => match host.strip_prefix("*.") {
            Some(suffix) => HostPattern::Wildcard(suffix.into()),
            None => HostPattern::Exact(host.into()),
        },
    }
}

pub fn class(name: &str, controller: &str) -> Value {
    json!({ "kind": "IngressClass", "metadata": { "name": name }, "spec": { "controller": controller } })
}

/// An Ingress of class `sluice` with this `spec`.
pub fn ingress(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["ingressClassName"] = "sluice".into();
    json!({ "kind": "Ingress", "metadata": { "namespace": "default", "name": name }, "spec": spec })
}

/// The same with annotations of ingress-nginx.
pub fn annotated(name: &str, annotations: &[(&str, &str)], spec: Value) -> Value {
    let mut object = ingress(name, spec);
    for (name, value) in annotations {
        object["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")] = (*value).into();
    }
    object
}

/// Made in this second of a minute.
pub fn aged(mut object: Value, second: u8) -> Value {
    object["metadata"]["creationTimestamp"] = format!("2026-01-01T00:00:{second:02}Z").into();
    object
}

pub fn backend(service: &str, port: u16) -> Value {
    json!({ "service": { "name": service, "port": { "number": port } } })
}

pub fn path(kind: &str, path: &str, service: &str) -> Value {
    json!({ "path": path, "pathType": kind, "backend": backend(service, 80) })
}

pub fn rule(host: &str, paths: &[Value]) -> Value {
    json!({ "host": host, "http": { "paths": paths } })
}

/// One host, one path `/`.
pub fn simple(host: &str, service: &str) -> Value {
    json!({ "rules": [rule(host, &[path("Prefix", "/", service)])] })
}

/// A Service with the port 80, `http`.
pub fn service(name: &str) -> Value {
    json!({ "kind": "Service", "metadata": { "namespace": "default", "name": name }, "spec": {
        "clusterIP": "10.96.0.20", "ports": [{ "name": "http", "port": 80 }]
    } })
}

/// A slice of a Service's `http`, port 8080.
pub fn slice(name: &str, of: &str, hosts: impl IntoIterator<Item = u8>) -> Value {
    let endpoints: Vec<Value> =
        hosts.into_iter().map(|host| json!({ "addresses": [format!("10.244.0.{host}")] })).collect();
    json!({ "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
        "metadata": { "namespace": "default", "name": name, "labels": { "kubernetes.io/service-name": of } },
        "ports": [{ "name": "http", "port": 8080 }]
    })
}

/// A Secret with a certificate for this host.
pub fn secret(name: &str, host: &str) -> Value {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    secret_of(name, &made.cert.pem(), &made.signing_key.serialize_pem())
}

pub fn secret_of(name: &str, chain: &str, key: &str) -> Value {
    json!({ "kind": "Secret", "metadata": { "namespace": "default", "name": name },
        "type": "kubernetes.io/tls", "stringData": { "tls.crt": chain, "tls.key": key } })
}
