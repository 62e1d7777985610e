//! A gateway that serves Ingresses, with pods that say what they were asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sluice_testbed::Testbed;
use sluice_testbed::client::eventually;
use sluice_testbed::manifests::replace;

use super::{Connection, HttpPod, Pair, Reply, curl};
use crate::common::{Lab, POD_A, POD_B};

pub const ADDRESS: &str = "203.0.113.80";
pub const ADDRESS6: &str = "2001:db8:ff::80";

/// The lab, and pods `a` and `b` behind the Services `one`, `two` and, together, `both`.
pub struct HttpLab {
    pub pods: Vec<HttpPod>,
    pub lab: Lab,
}

impl HttpLab {
    /// With more lines of the configuration's `ingress`, and these manifests.
    pub fn start(more: &str, manifests: &[(&str, String)]) -> Self {
        Self::prepared(more, manifests, |_| {})
    }

    /// As [`HttpLab::start`], with something done in the topology before the gateway starts.
    pub fn prepared(more: &str, manifests: &[(&str, String)], before: impl FnOnce(&Testbed)) -> Self {
        let ingress = format!("ingress:\n  addresses: [{ADDRESS}, \"{ADDRESS6}\"]\n{more}");
        let lab = Lab::prepared(&ingress, &[crate::common::web_ab()], |bed| {
            before(bed);
            let folder = bed.folder().join("manifests");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("base.yaml"), base()).unwrap();
            for (name, text) in manifests {
                std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
            }
        });
        let pods = [("a", POD_A), ("b", POD_B)]
            .map(|(name, ip)| HttpPod::start(&lab.bed.node, name, &format!("{ip}:8081")))
            .into();
        let this = Self { pods, lab };
        this.wait_until_up();
        this
    }

    /// Ends the gateway and starts it anew.
    pub fn restart(&mut self) {
        self.lab.restart();
        self.wait_until_up();
    }

    fn wait_until_up(&self) {
        let ready =
            eventually(Duration::from_secs(60), || self.curl(&self.url("http", "up.example", "/")).ok());
        assert!(ready.is_some(), "{:?}\n{}", self.curl(&self.url("http", "up.example", "/")), self.report());
    }

    /// Arguments for curl that lead to the gateway, whatever the host's name.
    pub fn url(&self, scheme: &str, host: &str, path: &str) -> Vec<String> {
        let port = if scheme == "https" { 443 } else { 80 };
        let name = host.split(':').next().unwrap_or(host);
        vec![
            "-k".into(),
            "--resolve".into(),
            format!("{name}:{port}:{ADDRESS}"),
            format!("{scheme}://{host}{path}"),
        ]
    }

    /// Runs curl where the client is.
    pub fn curl<T: AsRef<str>>(&self, arguments: &[T]) -> Result<Reply, String> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        curl(self.lab.bed.client.command("curl"), &arguments)
    }

    /// As [`HttpLab::curl`], of what must be answered.
    pub fn get(&self, scheme: &str, host: &str, path: &str) -> Reply {
        self.ask(scheme, host, path, &[])
    }

    /// As [`HttpLab::get`], with more arguments.
    pub fn ask(&self, scheme: &str, host: &str, path: &str, more: &[&str]) -> Reply {
        let mut arguments: Vec<String> = more.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(self.url(scheme, host, path));
        self.curl(&arguments)
            .unwrap_or_else(|error| panic!("{scheme}://{host}{path}: {error}\n{}", self.report()))
    }

    /// Which pod a path of a host leads to, or the status of the gateway's own answer.
    pub fn route(&self, host: &str, path: &str) -> String {
        let reply = self.ask("http", host, path, &["--path-as-is"]);
        if reply.status == 200 { reply.pod().to_owned() } else { reply.status.to_string() }
    }

    /// A connection from the client to a port of the gateway's.
    pub fn connect(&self, port: u16) -> Connection {
        let to: SocketAddr = format!("{ADDRESS}:{port}").parse().unwrap();
        self.lab.bed.client.enter(move || Connection::open(to)).unwrap()
    }

    /// Writes or replaces a manifest of the running gateway.
    pub fn write(&self, name: &str, text: &str) {
        replace(&self.path(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.lab.manifests.join(format!("{name}.yaml"))
    }

    pub fn report(&self) -> String {
        format!("{}\n{}", self.lab.counters(), self.lab.gateway.log())
    }

    /// Ends a role of the gateway at once.
    pub fn kill(&self, role: &str) {
        let pid = self.lab.gateway.child_of_role(role).unwrap();
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    pub fn pair(&self, names: &[&str], serial: u32) -> Pair {
        Pair::new(self.lab.bed.folder(), names, serial)
    }
}

/// Services, a class, and an Ingress that shows that the gateway is up.
fn base() -> String {
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: { name: sluice }\n\
                 spec: { controller: sluice.dev/ingress }\n";
    let up = ingress("up", "", &format!("  rules:\n{}", rule("up.example", &[("/", "Prefix", "one")])));
    let services = [
        service("one", "10.96.1.1", &[POD_A]),
        service("two", "10.96.1.2", &[POD_B]),
        service("both", "10.96.1.3", &[POD_A, POD_B]),
        service("none", "10.96.1.4", &[]),
    ];
    [&services[..], &[class.to_owned(), up]].concat().join("---\n")
}

/// A Service with a port 80 called `http`, and its slice, whose endpoints listen on 8081.
pub fn service(name: &str, address: &str, endpoints: &[&str]) -> String {
    let endpoints: String = endpoints.iter().map(|ip| format!("- {{ addresses: [{ip}] }}\n")).collect();
    let endpoints = if endpoints.is_empty() { "[]\n".to_owned() } else { format!("\n{endpoints}") };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: default }}\n\
         spec: {{ clusterIP: {address}, ports: [{{ name: http, port: 80 }}] }}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{ name: {name}-1, namespace: default, labels: {{ kubernetes.io/service-name: {name} }} }}\n\
         addressType: IPv4\nports: [{{ name: http, port: 8081 }}]\nendpoints: {endpoints}"
    )
}

/// An Ingress of the gateway's class with these annotations of ingress-nginx's, a line each, and more of `spec`.
pub fn ingress(name: &str, annotations: &str, spec: &str) -> String {
    let annotations: String = annotations
        .lines()
        .map(|line| format!("    nginx.ingress.kubernetes.io/{}\n", line.trim()))
        .collect();
    let annotations =
        if annotations.is_empty() { String::new() } else { format!("  annotations:\n{annotations}") };
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  namespace: default\n{annotations}\
         spec:\n  ingressClassName: sluice\n{spec}"
    )
}

/// A rule of an Ingress; an empty host is none. Paths with their type and the Service.
pub fn rule(host: &str, paths: &[(&str, &str, &str)]) -> String {
    let host = if host.is_empty() { String::new() } else { format!("    host: \"{host}\"\n") };
    let path = |(path, kind, service): &(&str, &str, &str)| {
        let backend = format!("{{ service: {{ name: {service}, port: {{ number: 80 }} }} }}");
        format!("      - {{ path: \"{path}\", pathType: {kind}, backend: {backend} }}\n")
    };
    let paths: String = paths.iter().map(path).collect();
    format!("  -\n{host}    http:\n      paths:\n{paths}")
}
