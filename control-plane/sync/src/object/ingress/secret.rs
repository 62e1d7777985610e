//! Secrets with certificates, and certificates in files.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sluice_model::ServiceName;
use sluice_model::http::{Certificate, CertificateName, HttpChange};

use super::super::Parsed;
use crate::FieldProblem;

/// `type` of Secrets with a certificate.
const TYPE: &str = "kubernetes.io/tls";
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretObject {
    /// Its name.
    pub name: ServiceName,
    /// Its certificate; none where it has none that could be used. The last good one is served on then.
    pub certificate: Option<Arc<Certificate>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain is no PEM.
    #[error("the certificate cannot be read: {0}")]
    Chain(pem::Error),
    /// There is none.
    #[error("there is no certificate in it")]
    Empty,
    /// The key is no PEM, or there is none.
    #[error("the private key cannot be read: {0}")]
    Key(pem::Error),
    /// The two do not belong together, or are of a sort that TLS has no use for.
    #[error("certificate and private key are of no use: {0}")]
    Pair(rustls::Error),
    /// Larger than any.
    #[error(transparent)]
    Bounds(sluice_model::Invalid),
}

/// Parses a Secret. One whose certificate cannot be used is kept without it, and reported.
pub fn secret(object: &core::Secret) -> Parsed<SecretObject> {
    let metadata = &object.metadata;
    let name = ServiceName::new(
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default(),
    );
    // As the API server merges them.
    let part = |key: &str| {
        let text = object.string_data.as_ref().and_then(|data| data.get(key)).map(String::as_bytes);
        text.or_else(|| object.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice()))
    };
    let read = || {
        let kind = object.type_.as_deref().unwrap_or("Opaque");
        if kind != TYPE {
            return Err(FieldProblem::new("type", format!("`{kind}` is not {TYPE}")));
        }
        let needed = |key: &str| {
            let field = format!("data[\"{key}\"]");
            part(key).ok_or_else(|| FieldProblem::new(field, "it is not there"))
        };
        let (chain, key) = (needed(CHAIN)?, needed(KEY)?);
        certificate(&name, chain, key).map_err(|error| {
            let field = match error {
                CertificateError::Chain(_) | CertificateError::Empty | CertificateError::Bounds(_) => CHAIN,
                CertificateError::Key(_) | CertificateError::Pair(_) => KEY,
            };
            FieldProblem::new(format!("data[\"{field}\"]"), error.to_string())
        })
    };
    let (certificate, problems) = match read() {
        Ok(certificate) => (Some(Arc::new(certificate)), Vec::new()),
        Err(problem) => {
            let message = problem.message + "; the last good certificate is served on, or the default one";
            (None, vec![FieldProblem { message, ..problem }])
        }
    };
    Parsed { object: SecretObject { name, certificate }, problems }
}

/// A certificate from PEM.
///
/// # Errors
/// [`CertificateError`].
pub fn certificate(
    name: &CertificateName,
    chain: &[u8],
    key: &[u8],
) -> Result<Certificate, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(CertificateError::Chain)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
    let certificate = Certificate {
        name: name.clone(),
        chain: chain.iter().map(|part| part.to_vec()).collect(),
        key: key.secret_der().to_vec(),
    };
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(CertificateError::Pair)?;
    HttpChange::Certificate(certificate.clone()).check().map_err(CertificateError::Bounds)?;
    Ok(certificate)
}
