//! A folder of manifests, and the Services that come of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sluice_model::{Change, Endpoint, Service, ServiceName, Settings};
use sluice_sync::desired::Desired;
use sluice_sync::folder::Folder;
use sluice_sync::object::Rules;
use sluice_sync::{Level, Problem};

/// What was published: a copy that only changes by what is told, as the data plane's.
pub struct World {
    pub dir: tempfile::TempDir,
    pub folder: Folder,
    pub desired: Desired,
    pub services: BTreeMap<String, Service>,
    pub settings: Settings,
    /// What the last [`World::look`] told.
    pub told: Vec<Change>,
}

pub fn rules() -> Rules {
    Rules {
        load_balancer_class: "sluice.dev/gateway".into(),
        external_ips: true,
        names: None,
        ingress: false,
        secret_namespaces: Vec::new(),
    }
}

pub fn configured() -> Settings {
    Settings {
        node: "edge-1".into(),
        node_port_addresses: vec!["192.0.2.1".parse().unwrap()],
        ..Settings::default()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(rules())
    }

    pub fn with(rules: Rules) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path(), rules);
        let desired = Desired::new(configured());
        Self { dir, folder, desired, services: BTreeMap::new(), settings: configured(), told: Vec::new() }
    }

    /// A world in which this manifest has been seen.
    pub fn of(text: &str) -> Self {
        let mut world = Self::new();
        world.write("a.yaml", text);
        world
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Writes a file as an editor does, by renaming, and looks.
    pub fn write(&mut self, file: &str, text: impl AsRef<[u8]>) {
        let next = self.path(".next");
        std::fs::write(&next, text).unwrap();
        std::fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        std::fs::rename(next, self.path(file)).unwrap();
        self.look();
    }

    pub fn remove(&mut self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
        self.look();
    }

    /// Looks at the folder and takes over what is told to have changed.
    pub fn look(&mut self) {
        self.look_unless(|_| false);
    }

    /// As [`look`](Self::look), but not at files that are being written.
    pub fn look_unless(&mut self, in_flux: impl FnMut(&Path) -> bool) {
        for (key, object) in self.folder.refresh(in_flux).unwrap_or_default() {
            match object {
                Some(object) => self.desired.apply(object),
                None => self.desired.remove(&key),
            }
        }
        self.told = self.desired.take_changes();
        for change in &self.told {
            match change {
                Change::Settings(settings) => self.settings = settings.clone(),
                Change::Service(service) => {
                    service.check().expect("what is published must be acceptable to the data plane");
                    self.services.insert(service.name.to_string(), service.clone());
                }
                Change::ServiceGone(name) => assert!(self.services.remove(&name.to_string()).is_some()),
                other => other.check().expect("what is published must be acceptable to the data plane"),
            }
        }
    }

    pub fn service(&self, name: &str) -> &Service {
        self.services.get(name).unwrap_or_else(|| panic!("no {name}: {:#?}", self.folder.problems()))
    }

    /// The endpoints of the first port of `default/web`.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.service("default/web").ports[0].endpoints
    }

    pub fn addresses(&self) -> Vec<String> {
        self.endpoints().iter().map(|e| e.address.to_string()).collect()
    }

    /// Errors, as `file:line object field`.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.folder.problems().into_iter().filter(|p| p.level == Level::Error);
        errors
            .map(|Problem { file, line, object, field, .. }| format!("{file}:{line} {object} {field}"))
            .collect()
    }

    pub fn problems(&self) -> Vec<String> {
        self.folder.problems().iter().map(ToString::to_string).collect()
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn name(name: &str) -> ServiceName {
    ServiceName::new("default", name)
}

/// The Service `default/web`, of this type, with one port `http` and more lines of `spec`.
pub fn web(kind: &str, lines: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: web, namespace: default }}\nspec:\n  type: {kind}\n  clusterIP: 10.96.0.20\n  ports: [{{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }}]\n"
    );
    for line in lines {
        text += &format!("  {line}\n");
    }
    text
}

/// As [`web`], with load-balancer addresses in its status.
pub fn balanced(ingress: &str, lines: &[&str]) -> String {
    web("LoadBalancer", lines) + &format!("status: {{ loadBalancer: {{ ingress: {ingress} }} }}\n")
}

/// A slice of `default/web` with a port `http`, 8080, and these endpoints.
pub fn slice(name: &str, endpoints: &[&str]) -> String {
    slice_of(name, "IPv4", "web", "[{ name: http, protocol: TCP, port: 8080 }]", endpoints)
}

pub fn slice_of(name: &str, family: &str, service: &str, ports: &str, endpoints: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{ name: {name}, namespace: default, labels: {{ kubernetes.io/service-name: {service} }} }}\naddressType: {family}\nports: {ports}\nendpoints:\n"
    );
    for endpoint in endpoints {
        text += &if endpoint.starts_with('{') {
            format!("- {endpoint}\n")
        } else {
            format!("- {{ addresses: [\"{endpoint}\"], conditions: {{ ready: true }} }}\n")
        };
    }
    if endpoints.is_empty() {
        text = text.replace("endpoints:\n", "endpoints: []\n");
    }
    text
}

/// Several manifests in one file.
pub fn all(parts: &[String]) -> String {
    parts.join("---\n")
}
