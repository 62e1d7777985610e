//! Claims to a host, in the order in which they count.

use sluice_model::http::HostPattern;

use super::Http;
use crate::object::ingress::{IngressObject, IngressRule};
use crate::{Level, Problem};

impl Http {
    /// Ingresses with a say in this host: the oldest first, then by namespace and name.
    pub(super) fn claimants(&self, host: &HostPattern) -> Vec<&IngressObject> {
        let entries = self.index.of(host).filter_map(|name| self.ingresses.get(name));
        let mut claimants: Vec<&IngressObject> = entries.map(|entry| &*entry.object).collect();
        claimants.sort_by_key(|ingress| (ingress.created, &ingress.name));
        claimants
    }
}

/// The rules that an Ingress has for a host.
pub(super) fn rules_for<'a>(
    ingress: &'a IngressObject,
    host: &'a HostPattern,
) -> impl Iterator<Item = &'a IngressRule> {
    ingress.rules.iter().filter(move |rule| rule.host == *host)
}

/// Whether an Ingress has routes of its own for a host.
pub(super) fn routes(ingress: &IngressObject, host: &HostPattern) -> bool {
    ingress.options.canary.is_none() && rules_for(ingress, host).next().is_some()
}

/// A problem of an Ingress.
pub(super) fn problem(ingress: &IngressObject, level: Level, field: &str, message: String) -> Problem {
    Problem {
        file: String::new(),
        line: 0,
        object: format!("Ingress {}", ingress.name),
        field: field.to_owned(),
        level,
        message,
    }
}
