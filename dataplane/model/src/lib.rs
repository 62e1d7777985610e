//! The language control plane and packet path share: validated Services, endpoints, policies, settings, generations.
//!
//! Pure data and pure functions. Whoever makes one of these values has checked it; whoever is given one need not.
//! Nothing here does I/O, keeps time or knows DPDK.

pub mod change;
pub mod check;
pub mod frontend;
pub mod http;
pub mod ingress;
pub mod names;
mod outside;
pub mod resolver;
pub mod select;
pub mod service;
pub mod serving;
pub mod settings;

pub use change::{Change, Generation, ObjectKey};
pub use check::Invalid;
pub use frontend::{Frontend, FrontendKind, Protocol};
pub use ingress::IngressSettings;
pub use names::{
    DnsAddress, DnsMode, DnsSettings, Elsewhere, EndpointGroup, ExternalAddress, ExternalZone, NameKind,
    NamedEndpoint, NamedHost, NamedImport, NamedPod, NamedPort, NamedService, PodNames, RateLimit,
    Visibility,
};
pub use resolver::ResolverSettings;
pub use select::{Empty, Scope, Selection, Step, select};
pub use service::{Affinity, Endpoint, Service, ServiceName, ServicePort, TrafficPolicy};
pub use serving::Serving;
pub use settings::{PortRange, Settings, SnatAddresses, Timeouts};
