//! Kubernetes manifests, as a cluster would have them.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A Service and its EndpointSlices, one for each family.
#[derive(Clone, Debug)]
pub struct ServiceManifest {
    name: String,
    /// Lines of `spec`, indented by two.
    pub spec: String,
    ports: Vec<(String, &'static str, u16, Option<u16>, u16)>,
    cluster_ips: Vec<IpAddr>,
    status: Vec<IpAddr>,
    endpoints: Vec<(IpAddr, String)>,
}

impl ServiceManifest {
    /// A Service called `name` in namespace `default`, of the type LoadBalancer.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spec: "  type: LoadBalancer\n".to_owned(),
            ports: Vec::new(),
            cluster_ips: Vec::new(),
            status: Vec::new(),
            endpoints: Vec::new(),
        }
    }

    /// Its `clusterIPs`.
    pub fn cluster_ips(mut self, ips: &[&str]) -> Self {
        self.cluster_ips = ips.iter().filter_map(|ip| ip.parse().ok()).collect();
        self
    }

    /// Its load-balancer addresses.
    pub fn load_balancer(mut self, ips: &[&str]) -> Self {
        self.status = ips.iter().filter_map(|ip| ip.parse().ok()).collect();
        self
    }

    /// Another port, with node port and the endpoints' port.
    pub fn port(
        mut self,
        name: &str,
        protocol: &'static str,
        port: u16,
        node_port: Option<u16>,
        target: u16,
    ) -> Self {
        self.ports.push((name.to_owned(), protocol, port, node_port, target));
        self
    }

    /// A line of `spec`.
    pub fn spec(mut self, line: &str) -> Self {
        let _ = writeln!(self.spec, "  {line}");
        self
    }

    /// An endpoint that is ready.
    pub fn endpoint(self, address: &str) -> Self {
        self.endpoint_with(address, "    conditions: { ready: true }\n")
    }

    /// An endpoint with more lines of its own, indented by four.
    pub fn endpoint_with(mut self, address: &str, lines: &str) -> Self {
        if let Ok(ip) = address.parse() {
            self.endpoints.push((ip, lines.to_owned()));
        }
        self
    }

    /// The YAML.
    pub fn yaml(&self) -> String {
        let mut out = format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n  namespace: default\nspec:\n{}",
            self.name, self.spec
        );
        if let Some(first) = self.cluster_ips.first() {
            let _ = writeln!(out, "  clusterIP: \"{first}\"\n  clusterIPs: {:?}", texts(&self.cluster_ips));
        }
        if self.cluster_ips.len() > 1 {
            out.push_str("  ipFamilyPolicy: RequireDualStack\n");
        }
        out.push_str("  ports:\n");
        for (name, protocol, port, node_port, target) in &self.ports {
            let _ =
                write!(out, "  - {{ name: {name}, protocol: {protocol}, port: {port}, targetPort: {target}");
            if let Some(node_port) = node_port {
                let _ = write!(out, ", nodePort: {node_port}");
            }
            out.push_str(" }\n");
        }
        if !self.status.is_empty() {
            out.push_str("status:\n  loadBalancer:\n    ingress:\n");
            for ip in &self.status {
                let _ = writeln!(out, "    - {{ ip: \"{ip}\" }}");
            }
        }
        for (family, v6) in [("IPv4", false), ("IPv6", true)] {
            let _ = write!(
                out,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {}-{}\n  namespace: default\n  labels: {{ kubernetes.io/service-name: {} }}\naddressType: {family}\nports:\n",
                self.name,
                family.to_lowercase(),
                self.name
            );
            for (name, protocol, _, _, target) in &self.ports {
                let _ = writeln!(out, "- {{ name: {name}, protocol: {protocol}, port: {target} }}");
            }
            let of_family: Vec<_> = self.endpoints.iter().filter(|(ip, _)| ip.is_ipv6() == v6).collect();
            out.push_str(if of_family.is_empty() { "endpoints: []\n" } else { "endpoints:\n" });
            for (ip, lines) in of_family {
                let _ = write!(out, "  - addresses: [\"{ip}\"]\n{lines}");
            }
        }
        out
    }

    /// Writes it to `folder` as an editor would: a new file renamed over the old one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("{}.yaml", self.name));
        replace(&path, &self.yaml())?;
        Ok(path)
    }
}

/// Replaces a file in one step.
///
/// # Errors
/// Those of the file system.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("next");
    std::fs::write(&next, text)?;
    std::fs::rename(next, path)
}

fn texts(ips: &[IpAddr]) -> Vec<String> {
    ips.iter().map(ToString::to_string).collect()
}
