//! Nodes.

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};

/// `metadata.labels`: the zone of a Node.
const ZONE: &str = "topology.kubernetes.io/zone";

/// A Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeObject {
    /// Its name.
    pub name: Box<str>,
    /// Its zone.
    pub zone: Option<Box<str>>,
}

/// Parses a Node.
pub fn node(object: &core::Node) -> NodeObject {
    let labels = object.metadata.labels.as_ref();
    NodeObject {
        name: object.metadata.name.as_deref().unwrap_or_default().into(),
        zone: labels
            .and_then(|labels| labels.get(ZONE))
            .filter(|zone| !zone.is_empty())
            .map(|zone| zone.as_str().into()),
    }
}
