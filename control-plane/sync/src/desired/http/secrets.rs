//! Secrets: which may be read, and what they come to.

use std::sync::Arc;

use sluice_model::http::{Certificate, CertificateName};

use super::{Http, IngressRules};
use crate::desired::Desired;

impl Desired {
    /// Whether Secrets of a namespace, or of all where it is empty, may not be read for now. Their last certificates stay.
    pub fn set_secrets_unread(&mut self, namespace: &str, unread: bool) {
        self.http.set_unread(namespace, unread);
    }
}

impl IngressRules {
    /// Whether Secrets of this namespace may be read. A certificate in files is of none.
    fn reads(&self, namespace: &str) -> bool {
        let all = namespace.is_empty() || self.secret_namespaces.is_empty();
        all || self.secret_namespaces.iter().any(|read| **read == *namespace)
    }
}

impl Http {
    /// Whether Secrets of a namespace, or of all where it is empty, may not be read for now.
    fn set_unread(&mut self, namespace: &str, unread: bool) {
        let changed = match unread {
            true => self.unread.insert(namespace.into()),
            false => self.unread.remove(namespace),
        };
        if changed {
            let shown = self.shown_by.keys();
            let of = shown.filter(|name| namespace.is_empty() || *name.namespace == *namespace);
            self.dirty_certificates.extend(of.cloned());
        }
    }

    /// A Secret that is there, but of no use, has its last good certificate stay; one of which nobody says whether it is there,
    /// too.
    pub(super) fn join_certificate(&self, name: &CertificateName) -> Option<Arc<Certificate>> {
        let held = &self.certificates;
        let last = || held.wanted.get(name).or_else(|| held.told.get(name)).cloned();
        match self.secrets.get(name).filter(|_| self.reads(name)) {
            Some(secret) => secret.certificate.clone().or_else(last),
            None if self.is_unread(name) => last(),
            None => None,
        }
    }

    /// Whether a Secret is one that the configuration has read.
    pub(super) fn reads(&self, name: &CertificateName) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.reads(&name.namespace))
    }

    /// Whether a Secret that is not known may be there all the same.
    pub(super) fn is_unread(&self, name: &CertificateName) -> bool {
        self.reads(name) && (self.unread.contains("") || self.unread.contains(&name.namespace))
    }
}
