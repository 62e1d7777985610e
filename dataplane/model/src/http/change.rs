//! What a generation changes of HTTP.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Certificate, CertificateName, HostPattern, HttpSettings, ServerName, Upstream, UpstreamName, VirtualHost,
};

/// An object of HTTP, made, changed or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpChange {
    /// How HTTP is served; one value at any time, once there has been one.
    Settings(Box<HttpSettings>),
    /// A host with all its routes.
    Host(VirtualHost),
    /// A host that is no more.
    HostGone(HostPattern),
    /// What TLS connections for a name come to.
    ServerName(ServerName),
    /// A name that is no more.
    ServerNameGone(HostPattern),
    /// An upstream that routes name, with its endpoints.
    Upstream(Upstream),
    /// An upstream that no route names any more.
    UpstreamGone(UpstreamName),
    /// A certificate that server names name.
    Certificate(Certificate),
    /// A certificate that no server name names any more.
    CertificateGone(CertificateName),
}

/// What identifies an object of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpKey {
    /// [`HttpChange::Settings`].
    Settings,
    /// [`HttpChange::Certificate`].
    Certificate(CertificateName),
    /// [`HttpChange::Upstream`].
    Upstream(UpstreamName),
    /// [`HttpChange::ServerName`].
    ServerName(HostPattern),
    /// [`HttpChange::Host`].
    Host(HostPattern),
}

impl HttpKey {
    /// The change that says that the object is no more; settings never go.
    pub fn gone(&self) -> Option<HttpChange> {
        match self {
            Self::Settings => None,
            Self::Certificate(name) => Some(HttpChange::CertificateGone(name.clone())),
            Self::Upstream(name) => Some(HttpChange::UpstreamGone(name.clone())),
            Self::ServerName(host) => Some(HttpChange::ServerNameGone(host.clone())),
            Self::Host(host) => Some(HttpChange::HostGone(host.clone())),
        }
    }
}

impl fmt::Display for HttpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => write!(f, "settings of HTTP"),
            Self::Certificate(name) => write!(f, "certificate {name}"),
            Self::Upstream(name) => write!(f, "upstream {name}"),
            Self::ServerName(host) => write!(f, "server name {host}"),
            Self::Host(host) => write!(f, "virtual host {host}"),
        }
    }
}

impl HttpChange {
    /// Which object it is about.
    pub fn key(&self) -> HttpKey {
        match self {
            Self::Settings(_) => HttpKey::Settings,
            Self::Host(host) => HttpKey::Host(host.host.clone()),
            Self::HostGone(host) => HttpKey::Host(host.clone()),
            Self::ServerName(name) => HttpKey::ServerName(name.host.clone()),
            Self::ServerNameGone(host) => HttpKey::ServerName(host.clone()),
            Self::Upstream(upstream) => HttpKey::Upstream(upstream.name.clone()),
            Self::UpstreamGone(name) => HttpKey::Upstream(name.clone()),
            Self::Certificate(certificate) => HttpKey::Certificate(certificate.name.clone()),
            Self::CertificateGone(name) => HttpKey::Certificate(name.clone()),
        }
    }

    /// Whether the object is no more.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::HostGone(_) | Self::ServerNameGone(_) | Self::UpstreamGone(_) | Self::CertificateGone(_)
        )
    }
}
