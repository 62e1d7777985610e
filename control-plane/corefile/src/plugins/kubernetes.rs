//! `kubernetes`: the names of Services and Pods.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::grammar::{Directive, Line};
use crate::labels::Selector;
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// The cluster's names.
#[derive(Clone, Debug, PartialEq)]
pub struct Kubernetes {
    /// Cluster zones and reverse zones; the first that is no reverse zone is the primary one.
    pub zones: Vec<Zone>,
    /// Names of Pods.
    pub pods: PodMode,
    /// Whether endpoints without a hostname have their Pod's name.
    pub endpoint_pod_names: bool,
    /// Namespaces that are shown; all where empty.
    pub namespaces: BTreeSet<String>,
    /// Namespaces that are shown, by label.
    pub namespace_labels: Option<Selector>,
    /// Services and Pods that are shown, by label.
    pub labels: Option<Selector>,
    /// The API server's URL.
    pub endpoint: Option<String>,
    /// Certificate, key and authority for the API server.
    pub tls: Option<ClientTls>,
    /// A kubeconfig, and its context.
    pub kubeconfig: Option<(String, Option<String>)>,
    /// Seconds that records may be kept, at most 3600.
    pub ttl: u32,
    /// Whether endpoints are not watched, so that headless Services have no names.
    pub noendpoints: bool,
    /// Whether names of zones of the topology are served (`_zone`).
    pub zonal: bool,
    /// Whether a Service without ready endpoints does not exist.
    pub ignore_empty_service: bool,
    /// Zones of ServiceImports; some of `zones`.
    pub multicluster: Vec<Zone>,
    /// Zones whose names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
    /// How long the start waits for the first state.
    pub startup_timeout: Duration,
    /// Requests to the API server in a second; 0 for the client's own limit.
    pub apiserver_qps: f32,
    /// Requests to the API server at once beyond that; 0 for the client's own limit.
    pub apiserver_burst: u32,
    /// Requests to the API server under way; 0 for no limit.
    pub apiserver_max_inflight: u32,
}

/// Whether `1-2-3-4.ns.pod.ZONE` has an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodMode {
    /// Never.
    #[default]
    Disabled,
    /// Whenever the namespace exists.
    Insecure,
    /// Where a Pod has it.
    Verified,
}

/// Paths of a client's certificate, its key and the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Who signed the server's certificate.
    pub authority: String,
}

const PODS: [(&str, PodMode); 3] =
    [("disabled", PodMode::Disabled), ("insecure", PodMode::Insecure), ("verified", PodMode::Verified)];

pub(super) const OPTIONS: [&str; 19] = [
    "apiserver_burst",
    "apiserver_max_inflight",
    "apiserver_qps",
    "endpoint",
    "endpoint_pod_names",
    "fallthrough",
    "ignore",
    "kubeconfig",
    "labels",
    "multicluster",
    "namespace_labels",
    "namespaces",
    "noendpoints",
    "pods",
    "startup_timeout",
    "tls",
    "ttl",
    "zonal",
    "upstream",
];

impl Kubernetes {
    /// With CoreDNS's defaults.
    pub fn new(zones: Vec<Zone>) -> Self {
        Self {
            zones,
            pods: PodMode::Disabled,
            endpoint_pod_names: false,
            namespaces: BTreeSet::new(),
            namespace_labels: None,
            labels: None,
            endpoint: None,
            tls: None,
            kubeconfig: None,
            ttl: 5,
            noendpoints: false,
            zonal: false,
            ignore_empty_service: false,
            multicluster: Vec::new(),
            fallthrough: Vec::new(),
            startup_timeout: Duration::from_secs(5),
            apiserver_qps: 0.0,
            apiserver_burst: 0,
            apiserver_max_inflight: 0,
        }
    }

    fn option(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let name = &line.name;
        match name.text.as_str() {
            "pods" => self.pods(line, reader),
            "namespaces" => self.namespaces.extend(reader.some(line).iter().map(|arg| arg.text.clone())),
            "labels" => self.labels = selector(line, reader),
            "namespace_labels" => self.namespace_labels = selector(line, reader),
            "fallthrough" => self.fallthrough = reader.fallthrough("kubernetes", line, &self.zones),
            "ttl" => {
                let ttl = reader.first(line).and_then(|arg| reader.number(arg, 0..=3600));
                self.ttl = ttl.unwrap_or(self.ttl);
            }
            "endpoint_pod_names" => self.endpoint_pod_names = flag(line, reader),
            "noendpoints" => self.noendpoints = flag(line, reader),
            "zonal" => self.zonal = flag(line, reader),
            "ignore" => match line.args.first() {
                Some(arg) if arg.text == "empty_service" => self.ignore_empty_service = true,
                Some(arg) => reader.none_of(arg, "thing to ignore", &["empty_service"]),
                None => reader.warning(name, "`ignore` names nothing to ignore"),
            },
            "multicluster" => self.multicluster = reader.zones(&line.args),
            "endpoint" => {
                if let Some(extra) = reader.some(line).get(1) {
                    reader.warning(extra, "only the first `endpoint` is used");
                }
                self.endpoint = line.args.first().map(|arg| arg.text.clone());
            }
            "tls" => match line.args.as_slice() {
                [certificate, key, authority] => {
                    let [certificate, key, authority] =
                        [certificate, key, authority].map(|arg| arg.text.clone());
                    self.tls = Some(ClientTls { certificate, key, authority });
                }
                _ => reader.error(name, "`tls` takes a certificate, its key and the authority"),
            },
            "kubeconfig" => match line.args.as_slice() {
                [path] => self.kubeconfig = Some((path.text.clone(), None)),
                [path, context] => self.kubeconfig = Some((path.text.clone(), Some(context.text.clone()))),
                _ => reader.error(name, "`kubeconfig` takes a path and a context"),
            },
            "startup_timeout" => {
                let duration = reader.first(line).and_then(|arg| reader.duration_or_zero(arg));
                self.startup_timeout = duration.unwrap_or_default();
            }
            "apiserver_qps" => {
                let qps = reader.one(line).and_then(|arg| reader.number(arg, 0.0..=f32::MAX));
                // Minus zero is no other limit than zero.
                self.apiserver_qps = qps.unwrap_or_default().abs();
            }
            "apiserver_burst" => self.apiserver_burst = count(line, reader),
            "apiserver_max_inflight" => self.apiserver_max_inflight = count(line, reader),
            "upstream" | "resyncperiod" | "transfer" | "federation" => removed(name, reader),
            _ => reader.unknown("kubernetes", line, &OPTIONS),
        }
    }

    fn pods(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let Some(arg) = reader.one(line) else { return };
        match PODS.iter().find(|(name, _)| *name == arg.text) {
            Some((_, mode)) => self.pods = *mode,
            None => reader.none_of(arg, "way to name Pods", &PODS.map(|(name, _)| name)),
        }
    }
}

fn flag(line: &Line, reader: &mut Reader<'_>) -> bool {
    reader.nothing(&line.name, &line.args);
    true
}

fn count(line: &Line, reader: &mut Reader<'_>) -> u32 {
    reader.one(line).and_then(|arg| reader.number(arg, 0..=u32::MAX)).unwrap_or_default()
}

fn selector(line: &Line, reader: &mut Reader<'_>) -> Option<Selector> {
    let words: Vec<&str> = reader.some(line).iter().map(|arg| arg.text.as_str()).collect();
    let text = words.join(" ");
    let selector = Selector::parse(&text).filter(|selector| !selector.0.is_empty());
    if selector.is_none() && !words.is_empty() {
        reader.error(&line.name, format!("`{text}` is no label selector"));
    }
    selector
}

fn removed(name: &Token, reader: &mut Reader<'_>) {
    let why = match name.text.as_str() {
        "upstream" => "names outside of the cluster are always looked up by this server itself",
        "resyncperiod" => "objects are watched, not listed anew",
        "transfer" => "the plugin `transfer` says who may transfer a zone",
        _ => "federation is gone from Kubernetes",
    };
    reader.warning(name, format!("`{}` is gone from CoreDNS and ignored: {why}", name.text));
}

impl Read for Kubernetes {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let name = &directive.name;
        let mut kubernetes = Self::new(reader.origins(&directive.args));
        if kubernetes.zones.iter().all(Zone::is_reverse) {
            reader.error(name, "`kubernetes` needs a zone that is no reverse zone");
        }
        for line in directive.lines() {
            kubernetes.option(line, reader);
        }
        if !kubernetes.namespaces.is_empty() && kubernetes.namespace_labels.is_some() {
            reader.error(name, "`namespaces` and `namespace_labels` exclude each other");
        }
        if kubernetes.zonal && kubernetes.noendpoints {
            reader.error(name, "`zonal` needs endpoints: `noendpoints` must go");
        }
        if let Some(zone) = kubernetes.multicluster.iter().find(|zone| !kubernetes.zones.contains(zone)) {
            reader.error(name, format!("the multicluster zone `{zone}` is none of the plugin's zones"));
        }
        kubernetes
    }
}

impl Write for Kubernetes {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        let default = Self::new(Vec::new());
        stanza.origins(&self.zones, server);
        if let Some((name, _)) =
            PODS.iter().find(|(_, mode)| *mode == self.pods && *mode != PodMode::Disabled)
        {
            stanza.value("pods", name);
        }
        stanza.flag("endpoint_pod_names", self.endpoint_pod_names);
        stanza.list("namespaces", &self.namespaces.iter().collect::<Vec<_>>());
        stanza.list("namespace_labels", self.namespace_labels.as_slice());
        stanza.list("labels", self.labels.as_slice());
        stanza.list("endpoint", self.endpoint.as_slice());
        if let Some(ClientTls { certificate, key, authority }) = &self.tls {
            stanza.option("tls", [certificate, key, authority]);
        }
        if let Some((path, context)) = &self.kubeconfig {
            stanza.option("kubeconfig", std::iter::once(path).chain(context));
        }
        stanza.unless(default.ttl, "ttl", self.ttl);
        stanza.flag("noendpoints", self.noendpoints).flag("zonal", self.zonal);
        if self.ignore_empty_service {
            stanza.value("ignore", "empty_service");
        }
        stanza.list("multicluster", &self.multicluster);
        stanza.duration(default.startup_timeout, "startup_timeout", self.startup_timeout);
        stanza.unless(default.apiserver_qps, "apiserver_qps", self.apiserver_qps);
        stanza.unless(0, "apiserver_burst", self.apiserver_burst);
        stanza.unless(0, "apiserver_max_inflight", self.apiserver_max_inflight);
        stanza.fallthrough(&self.fallthrough);
    }
}
