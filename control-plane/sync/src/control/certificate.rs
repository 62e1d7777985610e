//! The default certificate, where it is in files: read anew when they change, as a Secret of the gateway's own.

use std::sync::Arc;
use std::time::Instant;

use sluice_config::{CertificateFiles, Config};
use sluice_model::ServiceName;

use super::files::{OFTEN, read, signature};
use super::general;
use crate::Problem;
use crate::object::Object;
use crate::object::ingress::{SecretObject, certificate};
use crate::signature::Signature;

/// The two files.
#[derive(Debug)]
pub(super) struct Certificate {
    files: CertificateFiles,
    name: ServiceName,
    looked: Option<Instant>,
    /// As they were read.
    seen: Option<[Signature; 2]>,
    problem: Option<String>,
}

impl Certificate {
    /// The configuration's, if it has one in files.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let ingress = config.ingress.as_ref()?;
        let files = ingress.certificate.clone()?;
        let name = ingress.settings.default_certificate.clone()?;
        Some(Self { files, name, looked: None, seen: None, problem: None })
    }

    /// The certificate, where it is another than before. One that cannot be read leaves the one before.
    pub(super) fn look(&mut self, now: Instant) -> Option<Object> {
        if self.looked.is_some_and(|looked| now < looked + OFTEN) {
            return None;
        }
        self.looked = Some(now);
        let signatures =
            signature(&self.files.certificate).and_then(|chain| Ok([chain, signature(&self.files.key)?]));
        match &signatures {
            Ok(signatures) if self.seen.as_ref() == Some(signatures) => return None,
            Err(error) if self.problem.as_ref() == Some(error) => return None,
            _ => {}
        }
        let read = signatures.and_then(|signatures| {
            // Of a pair that is being replaced one is the old one: it is tried again when the other changes.
            self.seen = Some(signatures);
            let (chain, key) = (read(&self.files.certificate)?, read(&self.files.key)?);
            certificate(&self.name, &chain, &key).map_err(|error| error.to_string())
        });
        let certificate = read.as_ref().ok().cloned().map(Arc::new);
        self.problem = read.err();
        Some(Object::Secret(Arc::new(SecretObject { name: self.name.clone(), certificate })))
    }

    /// All objects are read anew, this one too.
    pub(super) fn forget(&mut self) {
        (self.looked, self.seen, self.problem) = (None, None, None);
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<Problem> {
        let name = self.files.certificate.display();
        self.problem.as_ref().map(|why| general(&format!("certificate {name}"), why.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn has(object: Option<Object>) -> Option<bool> {
        match object? {
            Object::Secret(secret) => Some(secret.certificate.is_some()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_are_read_anew_when_they_change_and_a_bad_pair_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = CertificateFiles { certificate: path("tls.crt"), key: path("tls.key") };
        let name = ServiceName::new("", "tls.crt");
        let mut certificate = Certificate { files, name, looked: None, seen: None, problem: None };
        let mut now = Instant::now();
        let mut look = |certificate: &mut Certificate| {
            now += OFTEN;
            has(certificate.look(now))
        };
        // Not there yet: told once.
        assert_eq!(look(&mut certificate), Some(false));
        assert!(certificate.problem().unwrap().message.contains("tls.crt"));
        assert_eq!(look(&mut certificate), None);
        let (first, second) = (pem(), pem());
        fs::write(path("tls.crt"), &first.0).unwrap();
        fs::write(path("tls.key"), &first.1).unwrap();
        assert_eq!(look(&mut certificate), Some(true));
        assert_eq!(certificate.problem(), None);
        assert_eq!(look(&mut certificate), None);
        // Half replaced: a problem, and no certificate to go by, so that the last good one stays.
        fs::write(path("next"), &second.0).unwrap();
        fs::rename(path("next"), path("tls.crt")).unwrap();
        assert_eq!(look(&mut certificate), Some(false));
        assert!(certificate.problem().is_some());
        fs::write(path("next"), &second.1).unwrap();
        fs::rename(path("next"), path("tls.key")).unwrap();
        assert_eq!(look(&mut certificate), Some(true));
        assert_eq!(certificate.problem(), None);
    }
}
