//! Certificates as people look at them.

use std::collections::BTreeMap;

use super::store::{State, Store};
use crate::overview::{CertificateRow, TlsExplained};
use sluice_model::http::{CertificateName, HostPattern, TlsAction};

/// What the gateway's own certificate is called.
const OWN: &str = "(the gateway's own)";

impl Store {
    /// All certificates with whom they are shown to; the gateway's own only where it is shown to anybody.
    pub(crate) fn certificates(&self) -> Vec<CertificateRow> {
        let state = self.read();
        let mut shown: BTreeMap<Option<&CertificateName>, Vec<String>> =
            state.certificates.keys().map(|name| (Some(name), Vec::new())).collect();
        for (host, action) in state.names.entries() {
            if let TlsAction::Terminate(certificate) = action {
                let names = shown.entry(state.shown(certificate.as_ref())).or_default();
                names.push(host.to_string());
            }
        }
        if state.names.find(None).1.is_none() {
            shown.entry(state.shown(None)).or_default().push(HostPattern::Any.to_string());
        }
        let row = |(name, mut names): (Option<&CertificateName>, Vec<String>)| {
            names.sort();
            let key =
                name.map_or(Some(self.own()), |name| state.certificates.get(name).map(|found| &found.key));
            let der = key.and_then(|key| key.cert.first()).map(|der| der.as_ref()).unwrap_or_default();
            CertificateRow::new(name.map_or_else(|| OWN.to_owned(), ToString::to_string), der, names)
        };
        shown.into_iter().map(row).collect()
    }

    /// What becomes of connections for a name.
    pub(crate) fn explain(&self, name: &str) -> TlsExplained {
        let state = self.read();
        let (entry, action) = state.names.find(Some(name));
        let certificate = match action {
            Some(TlsAction::Terminate(certificate)) => certificate.as_ref(),
            _ => None,
        };
        let passthrough = match action {
            Some(TlsAction::Passthrough { upstream, .. }) => Some(upstream.to_string()),
            _ => None,
        };
        TlsExplained {
            server_name: entry.to_string(),
            certificate: state.shown(certificate).map(ToString::to_string),
            passthrough,
        }
    }
}

impl State {
    /// The certificate that is shown where this one is wanted: it, or the default one; none: the gateway's own.
    fn shown<'a>(&'a self, wanted: Option<&'a CertificateName>) -> Option<&'a CertificateName> {
        let choices = [wanted, self.fallback.as_ref()];
        choices
            .into_iter()
            .flatten()
            .find_map(|name| self.certificates.get_key_value(name).map(|(name, _)| name))
    }
}
