//! Corefiles in ConfigMaps: those of CoreDNS, and kube-dns's stub domains as the Corefile that does the same.

mod core_dns;
mod kube_dns;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::problem::{Place, Problems};
use crate::{Imported, Options};

/// A ConfigMap's name and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its texts by key.
    pub data: BTreeMap<String, String>,
}

/// Why a text is no ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigMapError {
    /// It is neither YAML nor JSON, or not of the form of an object.
    #[error("it is no ConfigMap: {0}")]
    Syntax(String),
    /// It is another kind of object.
    #[error("it is a {0}, no ConfigMap")]
    Kind(String),
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

impl ConfigMap {
    /// Reads a manifest in YAML or JSON, as `kubectl get configmap -o yaml` prints it.
    pub fn read(text: &str) -> Result<Self, ConfigMapError> {
        let object: Object = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| ConfigMapError::Syntax(error.to_string()))?,
            false => {
                serde_saphyr::from_str(text).map_err(|error| ConfigMapError::Syntax(error.to_string()))?
            }
        };
        if object.kind != "ConfigMap" {
            return Err(ConfigMapError::Kind(object.kind));
        }
        Ok(Self { name: object.metadata.name, data: object.data })
    }

    /// Whether a text looks like a manifest rather than a Corefile.
    pub fn is_manifest(text: &str) -> bool {
        text.trim_start().starts_with('{') && text.contains("\"ConfigMap\"")
            || text.lines().any(|line| line.trim_end() == "kind: ConfigMap")
    }

    /// What it says: its key `Corefile` where it has one, else what kube-dns understands.
    ///
    /// `custom` is the ConfigMap that AKS and k3s call `coredns-custom`, whose keys the Corefile imports.
    ///
    /// # Errors
    ///
    /// As [`parse`](crate::parse).
    pub fn import(&self, custom: Option<&Self>, options: &Options) -> Result<Imported, Problems> {
        let known = ["stubDomains", "upstreamNameservers", "federations"];
        if self.data.contains_key("Corefile") {
            return core_dns::import(self, custom, options);
        }
        if self.name == "kube-dns" || known.iter().any(|key| self.data.contains_key(*key)) {
            return kube_dns::import(self, options);
        }
        let mut problems = Problems::default();
        let place = self.place("data");
        problems
            .error(&place, "there is neither `Corefile`, nor `stubDomains`, nor `upstreamNameservers` in it");
        Err(problems)
    }

    /// The place that a key is.
    fn place(&self, key: &str) -> Place {
        let name = if self.name.is_empty() { "ConfigMap" } else { &self.name };
        Place { file: format!("{name}/{key}").into(), line: 1 }
    }
}
