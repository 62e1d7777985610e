//! What kind of cluster is wanted.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::{Cluster, ClusterError};
use crate::netns::Netns;

/// Where the programs are: `SLUICE_KUBETEST`, or `target/kubetest` of the checkout.
pub fn binaries() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kubetest");
    std::env::var_os("SLUICE_KUBETEST").map_or_else(|| built.into(), PathBuf::from)
}

/// What kind of cluster is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) namespace: Option<Netns>,
    pub(super) address: Ipv4Addr,
    pub(super) controllers: Vec<String>,
    pub(super) api_flags: Vec<String>,
}

impl Default for Options {
    /// On 127.0.0.1, with the controllers that make EndpointSlices out of pods and Endpoints, and that empty deleted
    /// namespaces.
    fn default() -> Self {
        let controllers =
            ["endpointslice-controller", "endpointslice-mirroring-controller", "namespace-controller"];
        Self {
            namespace: None,
            address: Ipv4Addr::LOCALHOST,
            controllers: controllers.map(str::to_owned).into(),
            api_flags: Vec::new(),
        }
    }
}

impl Options {
    /// Runs it in this network namespace.
    pub fn in_namespace(mut self, namespace: &Netns) -> Self {
        self.namespace = Some(namespace.clone());
        self
    }

    /// Serves on this address, which has to exist already. IPv4, as the first of the service ranges is.
    pub fn at(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Runs these controllers of kube-controller-manager, by name, instead of the usual ones; with none, none is started.
    pub fn controllers(mut self, names: &[&str]) -> Self {
        self.controllers = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Another flag for kube-apiserver, such as `--goaway-chance=0.01`.
    pub fn api_flag(mut self, flag: &str) -> Self {
        self.api_flags.push(flag.to_owned());
        self
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start(self) -> Result<Cluster, ClusterError> {
        Cluster::launch(self)
    }
}
