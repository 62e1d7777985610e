//! Certificates, and which one is shown to whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HostPattern, ProxyVersion, UpstreamName};
use crate::ServiceName;

/// `metadata.namespace` and `metadata.name` of a Secret; for a file of the gateway's own the namespace is empty and the name
/// its path.
pub type CertificateName = ServiceName;

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its name.
    pub name: CertificateName,
    /// The certificate, then those that vouch for it, each in DER.
    pub chain: Vec<Vec<u8>>,
    /// The private key in DER: PKCS #8, PKCS #1 or SEC 1.
    pub key: Vec<u8>,
}

impl fmt::Debug for Certificate {
    /// The key is no text for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("name", &self.name)
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// What is done with a TLS connection whose client asks for a name (RFC 6066 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerName {
    /// Which names; `Any` also where the client names none.
    pub host: HostPattern,
    /// What is done.
    pub action: TlsAction,
}

/// What is done with a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsAction {
    /// It ends here, under this certificate; the gateway's default one where there is none or it is not there. Requests for
    /// hosts of another entry are answered with 421.
    Terminate(Option<CertificateName>),
    /// It goes to an endpoint as it is.
    Passthrough {
        /// Whose.
        upstream: UpstreamName,
        /// Behind the client's address in a PROXY protocol header of this version.
        proxy_protocol: Option<ProxyVersion>,
    },
}
