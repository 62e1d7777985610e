//! ServiceImports: Services of several clusters (KEP-1645, the Multi-Cluster Services API).

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::Deserialize;
use sluice_model::check::{MAX_ADDRESSES, MAX_PORTS};
use sluice_model::{NameKind, NamedPort, NamedService, ServiceName};

use super::addresses::hosts;
use super::{Parsed, Rules, port_number, protocol};
use crate::FieldProblem;

/// A ServiceImport as its API has it, as far as it is of use here.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServiceImport {
    /// `metadata`.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// `spec`.
    #[serde(default)]
    pub spec: Spec,
}

/// `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Spec {
    /// `ports`.
    #[serde(default)]
    pub ports: Option<Vec<Port>>,
    /// `ips`: addresses that clients of this cluster reach it at.
    #[serde(default)]
    pub ips: Option<Vec<String>>,
    /// `type`: `ClusterSetIP` or `Headless`.
    #[serde(default, rename = "type")]
    pub type_: String,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, Deserialize)]
pub struct Port {
    /// `name`.
    #[serde(default)]
    pub name: Option<String>,
    /// `protocol`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// `port`.
    pub port: i32,
}

impl Resource for ServiceImport {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        "ServiceImport".into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        "multicluster.x-k8s.io".into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        "serviceimports".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// A ServiceImport, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportObject {
    /// Its name.
    pub name: ServiceName,
    /// What DNS tells of it, but for the endpoints; none where it has no name.
    pub named: Option<Box<NamedService>>,
}

/// Parses a ServiceImport.
///
/// # Errors
/// A type or a list that it cannot be served with rejects it. Addresses and ports that make no sense are left out.
pub fn service_import(object: &ServiceImport, rules: &Rules) -> Result<Parsed<ImportObject>, FieldProblem> {
    let metadata = &object.metadata;
    let name = ServiceName::new(
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let given = object.spec.ports.as_deref().unwrap_or_default();
    let ips = object.spec.ips.as_deref().unwrap_or_default();
    for (field, length, most) in
        [("spec.ips", ips.len(), MAX_ADDRESSES), ("spec.ports", given.len(), MAX_PORTS)]
    {
        if length > most {
            return Err(FieldProblem::new(field, format!("{length} entries are more than {most}")));
        }
    }
    let mut problems = Vec::new();
    let kind = match object.spec.type_.as_str() {
        "Headless" => Some(NameKind::Headless),
        "ClusterSetIP" => {
            let list = ips.iter().enumerate();
            let list = list.map(|(i, ip)| (format!("spec.ips[{i}]"), ip.as_str()));
            // One that has no address yet has no name yet.
            Some(hosts(list, &mut problems)).filter(|ips| !ips.is_empty()).map(NameKind::Cluster)
        }
        other => {
            let message = format!("`{other}` is neither ClusterSetIP nor Headless");
            return Err(FieldProblem::new("spec.type", message));
        }
    };
    let mut ports = Vec::new();
    for (i, port) in given.iter().enumerate() {
        let parsed = port_number(port.port, || format!("spec.ports[{i}].port")).and_then(|number| {
            let protocol = protocol(port.protocol.as_deref(), || format!("spec.ports[{i}].protocol"))?;
            let name = port.name.as_deref().unwrap_or_default().into();
            Ok(NamedPort { name, protocol, port: number })
        });
        match parsed {
            Ok(port) => ports.push(port),
            Err(problem) => problems.push(FieldProblem::new(problem.field, problem.message + "; left out")),
        }
    }
    let named = kind.filter(|_| rules.names(&name.namespace, metadata)).map(|kind| NamedService {
        name: name.clone(),
        kind,
        ports,
        endpoints: Vec::new(),
        external: Vec::new(),
    });
    Ok(Parsed { object: ImportObject { name, named: named.map(Box::new) }, problems })
}
