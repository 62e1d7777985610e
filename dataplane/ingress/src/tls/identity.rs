//! Certificates as TLS uses them.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sluice_model::http::Certificate;

/// Why a certificate is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key is in none of the three forms.
    #[error("the private key is neither PKCS #8 nor PKCS #1 nor SEC 1: {0}")]
    Key(&'static str),
    /// TLS does not take it: an algorithm that is not spoken, or a key that is another certificate's.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The gateway's own could not be made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// What is shown whatever a client asks for: the choice was made when its hello was read.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A certificate of the feed's.
pub(super) fn take(
    certificate: &Certificate,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::try_from(certificate.key.clone()).map_err(CertificateError::Key)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, provider)?))
}

/// The gateway's own, for names without one: nobody vouches for it.
pub(super) fn make(provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, CertificateError> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["ingress.local".to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Sluice ingress default certificate");
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(CertificateError::Key)?;
    Ok(Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], key, provider)?))
}
