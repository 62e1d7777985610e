//! Names of servers, as clients ask for them.

use std::collections::HashMap;

use sluice_model::http::{HostPattern, TlsAction};

/// What connections come to, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<Box<str>, TlsAction>,
    wildcard: HashMap<Box<str>, TlsAction>,
    any: Option<TlsAction>,
}

impl Names {
    pub(super) fn set(&mut self, host: &HostPattern, action: TlsAction) {
        match host {
            HostPattern::Exact(name) => drop(self.exact.insert(name.clone(), action)),
            HostPattern::Wildcard(suffix) => drop(self.wildcard.insert(suffix.clone(), action)),
            HostPattern::Any => self.any = Some(action),
        }
    }

    pub(super) fn remove(&mut self, host: &HostPattern) {
        match host {
            HostPattern::Exact(name) => drop(self.exact.remove(name)),
            HostPattern::Wildcard(suffix) => drop(self.wildcard.remove(suffix)),
            HostPattern::Any => self.any = None,
        }
    }

    /// The entry for a name in lower case without a final dot: itself, the wildcard with one label less, then what is for all.
    pub(super) fn find(&self, name: Option<&str>) -> (HostPattern, Option<&TlsAction>) {
        if let Some(name) = name {
            if let Some((name, action)) = self.exact.get_key_value(name) {
                return (HostPattern::Exact(name.clone()), Some(action));
            }
            let suffix = name.split_once('.').map_or("", |(_, suffix)| suffix);
            if let Some((suffix, action)) = self.wildcard.get_key_value(suffix) {
                return (HostPattern::Wildcard(suffix.clone()), Some(action));
            }
        }
        (HostPattern::Any, self.any.as_ref())
    }

    /// All entries, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (HostPattern, &TlsAction)> {
        let exact = self.exact.iter().map(|(name, action)| (HostPattern::Exact(name.clone()), action));
        let wildcard =
            self.wildcard.iter().map(|(name, action)| (HostPattern::Wildcard(name.clone()), action));
        exact.chain(wildcard).chain(self.any.iter().map(|action| (HostPattern::Any, action)))
    }

    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len() + usize::from(self.any.is_some())
    }
}
