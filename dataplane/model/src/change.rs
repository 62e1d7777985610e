//! What one generation of the desired state adds to the one before.

use serde::{Deserialize, Serialize};

use crate::http::{HttpChange, HttpKey};
use crate::{
    Invalid, NamedHost, NamedImport, NamedPod, NamedService, ResolverSettings, Service, ServiceName, Settings,
};

/// The number of a consistent state of everything; grows by one with each published set of changes.
///
/// It starts from 1; 0 means "nothing yet". Generations of different runs of the control process are not comparable;
/// the feed carries a run identifier beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// One object of the desired state, made, changed or gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is one value of settings among all the others")]
pub enum Change {
    /// Gateway-wide settings; exactly one value at any time.
    Settings(Settings),
    /// What the resolver does with names; one value at any time, once there has been one.
    Resolver(Box<ResolverSettings>),
    /// A Service with all its endpoints, new or changed.
    Service(Service),
    /// A Service that is no more.
    ServiceGone(ServiceName),
    /// What DNS says of a Service.
    Named(NamedService),
    /// DNS knows a Service no more.
    NamedGone(ServiceName),
    /// A namespace that exists, and whose names DNS may tell.
    Namespace(Box<str>),
    /// A namespace that is no more.
    NamespaceGone(Box<str>),
    /// A pod's addresses.
    Pod(NamedPod),
    /// A pod that is no more.
    PodGone(ServiceName),
    /// What DNS says of a ServiceImport.
    Imported(NamedImport),
    /// DNS knows a ServiceImport no more.
    ImportedGone(ServiceName),
    /// What DNS says of a host.
    Hosted(NamedHost),
    /// DNS knows a host no more.
    HostedGone(Box<str>),
    /// Something of HTTP.
    Http(HttpChange),
}

/// What identifies an object of the desired state. Settings sort first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// [`Change::Settings`].
    Settings,
    /// [`Change::Resolver`].
    Resolver,
    /// [`Change::Namespace`].
    Namespace(Box<str>),
    /// [`Change::Service`].
    Service(ServiceName),
    /// [`Change::Named`].
    Named(ServiceName),
    /// [`Change::Pod`].
    Pod(ServiceName),
    /// [`Change::Imported`].
    Imported(ServiceName),
    /// [`Change::Hosted`].
    Hosted(Box<str>),
    /// [`Change::Http`].
    Http(HttpKey),
}

impl ObjectKey {
    /// The change that says that the object is no more; settings, the resolver's too, never go.
    pub fn gone(&self) -> Option<Change> {
        match self {
            Self::Settings | Self::Resolver => None,
            Self::Namespace(name) => Some(Change::NamespaceGone(name.clone())),
            Self::Service(name) => Some(Change::ServiceGone(name.clone())),
            Self::Named(name) => Some(Change::NamedGone(name.clone())),
            Self::Pod(name) => Some(Change::PodGone(name.clone())),
            Self::Imported(name) => Some(Change::ImportedGone(name.clone())),
            Self::Hosted(name) => Some(Change::HostedGone(name.clone())),
            Self::Http(key) => key.gone().map(Change::Http),
        }
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Settings => write!(f, "settings"),
            Self::Resolver => write!(f, "settings of the resolver"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Named(name) => write!(f, "names of service {name}"),
            Self::Pod(name) => write!(f, "pod {name}"),
            Self::Imported(name) => write!(f, "names of service import {name}"),
            Self::Hosted(name) => write!(f, "host {name}"),
            Self::Http(key) => key.fmt(f),
        }
    }
}

impl Change {
    /// Which object it is about.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Settings(_) => ObjectKey::Settings,
            Self::Resolver(_) => ObjectKey::Resolver,
            Self::Service(service) => ObjectKey::Service(service.name.clone()),
            Self::ServiceGone(name) => ObjectKey::Service(name.clone()),
            Self::Named(service) => ObjectKey::Named(service.name.clone()),
            Self::NamedGone(name) => ObjectKey::Named(name.clone()),
            Self::Namespace(name) | Self::NamespaceGone(name) => ObjectKey::Namespace(name.clone()),
            Self::Pod(pod) => ObjectKey::Pod(pod.name.clone()),
            Self::PodGone(name) => ObjectKey::Pod(name.clone()),
            Self::Imported(import) => ObjectKey::Imported(import.service.name.clone()),
            Self::ImportedGone(name) => ObjectKey::Imported(name.clone()),
            Self::Hosted(host) => ObjectKey::Hosted(host.name.clone()),
            Self::HostedGone(name) => ObjectKey::Hosted(name.clone()),
            Self::Http(change) => ObjectKey::Http(change.key()),
        }
    }

    /// Whether the object is no more.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::ServiceGone(_)
            | Self::NamedGone(_)
            | Self::NamespaceGone(_)
            | Self::PodGone(_)
            | Self::ImportedGone(_)
            | Self::HostedGone(_) => true,
            Self::Http(change) => change.is_gone(),
            _ => false,
        }
    }

    /// Whether its object obeys all rules.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Settings(settings) => settings.check(),
            Self::Resolver(settings) => settings.check(),
            Self::Service(service) => service.check(),
            Self::Named(service) => service.check(),
            Self::Pod(pod) => pod.check(),
            Self::Imported(import) => import.check(),
            Self::Hosted(host) => host.check(),
            Self::Http(change) => change.check(),
            _ => Ok(()),
        }
    }
}
