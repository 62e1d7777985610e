//! TLS configurations of listeners and upstreams.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

use crate::config::Identity;

/// How TLS is spoken with an upstream.
#[derive(Clone, Debug)]
pub(crate) struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// A certificate, key or name that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// Not PEM, or without what is needed.
    #[error("{0}: {1}")]
    Pem(&'static str, String),
    /// No certificate.
    #[error("there is no certificate")]
    Empty,
    /// Neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an address")]
    Name(String),
    /// What rustls says.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The configuration of a listener that speaks these protocols, by their names in ALPN (RFC 7301).
pub(crate) fn server(identity: &Identity, speaks: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&identity.certificates)?;
    let key =
        PrivateKeyDer::from_pem_slice(&identity.key).map_err(|why| TlsError::Pem("key", why.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = speaks.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The configuration for an upstream whose certificate has a name and is vouched for by `roots`, or the system's.
pub(crate) fn client(name: &str, roots: Option<&[u8]>) -> Result<ClientTls, TlsError> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.into()))?;
    let roots = match roots {
        Some(pem) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates(pem)? {
                store.add(certificate)?;
            }
            Arc::new(store)
        }
        None => system_roots(),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"dot".to_vec()];
    Ok(ClientTls { config: Arc::new(config), name })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|why| TlsError::Pem("certificates", why.to_string()))?;
    if chain.is_empty() { Err(TlsError::Empty) } else { Ok(chain) }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The system's roots, read once. Those that cannot be read are left out, as every other program here does.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    ROOTS.get_or_init(read).clone()
}
