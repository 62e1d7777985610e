//! Values by host pattern.

use std::sync::Arc;

use sluice_model::http::HostPattern;

use super::Pages;

/// Values by host pattern; a copy costs the same at any size.
#[derive(Clone, Debug)]
pub struct Hosts<V> {
    exact: Pages<Arc<str>, V>,
    wildcard: Pages<Arc<str>, V>,
    any: Option<V>,
}

impl<V> Default for Hosts<V> {
    fn default() -> Self {
        Self { exact: Pages::default(), wildcard: Pages::default(), any: None }
    }
}

impl<V> Hosts<V> {
    /// The value for a host in lower case, without port and final dot: of its name, of a wildcard for its first label, of all
    /// hosts. A wildcard's star is exactly one label.
    pub fn find(&self, host: &str) -> Option<&V> {
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        if !self.wildcard.is_empty()
            && let Some((label, suffix)) = host.split_once('.')
            && !label.is_empty()
            && let Some(value) = self.wildcard.get(suffix)
        {
            return Some(value);
        }
        self.any.as_ref()
    }

    /// The value of a pattern itself.
    pub fn get(&self, pattern: &HostPattern) -> Option<&V> {
        match pattern {
            HostPattern::Exact(name) => self.exact.get(&**name),
            HostPattern::Wildcard(suffix) => self.wildcard.get(&**suffix),
            HostPattern::Any => self.any.as_ref(),
        }
    }

    /// As [`Hosts::find`], with the pattern.
    pub fn find_entry(&self, host: &str) -> Option<(HostPattern, &V)> {
        let exact = self.exact.get(host).map(|value| (HostPattern::Exact(host.into()), value));
        let wildcard = || {
            let (_, suffix) = host.split_once('.').filter(|(label, _)| !label.is_empty())?;
            Some((HostPattern::Wildcard(suffix.into()), self.wildcard.get(suffix)?))
        };
        exact.or_else(wildcard).or_else(|| Some((HostPattern::Any, self.any.as_ref()?)))
    }

    /// All patterns with their values, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (HostPattern, &V)> {
        let exact = self.exact.iter().map(|(name, value)| (HostPattern::Exact((&**name).into()), value));
        let wildcard =
            self.wildcard.iter().map(|(name, value)| (HostPattern::Wildcard((&**name).into()), value));
        exact.chain(wildcard).chain(self.any.iter().map(|value| (HostPattern::Any, value)))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let named = self.exact.iter().chain(self.wildcard.iter()).map(|(_, value)| value);
        named.chain(self.any.as_ref())
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len() + usize::from(self.any.is_some())
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V: Clone> Hosts<V> {
    /// Sets the value of a pattern.
    pub fn insert(&mut self, pattern: &HostPattern, value: V) {
        match pattern {
            HostPattern::Exact(name) => self.exact.insert(Arc::from(&**name), value),
            HostPattern::Wildcard(suffix) => self.wildcard.insert(Arc::from(&**suffix), value),
            HostPattern::Any => self.any = Some(value),
        }
    }

    /// Takes a pattern out.
    pub fn remove(&mut self, pattern: &HostPattern) -> Option<V> {
        match pattern {
            HostPattern::Exact(name) => self.exact.remove(&**name),
            HostPattern::Wildcard(suffix) => self.wildcard.remove(&**suffix),
            HostPattern::Any => self.any.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts<u8> {
        let mut hosts = Hosts::default();
        hosts.insert(&HostPattern::Exact("foo.bar.com".into()), 1);
        hosts.insert(&HostPattern::Wildcard("bar.com".into()), 2);
        hosts
    }

    #[test]
    fn host_order_is_precise_wildcard_empty() {
        let mut hosts = hosts();
        assert_eq!(hosts.find("foo.bar.com"), Some(&1));
        assert_eq!(hosts.find("baz.bar.com"), Some(&2));
        assert_eq!(hosts.find("other.org"), None);
        hosts.insert(&HostPattern::Any, 3);
        assert_eq!(hosts.find("other.org"), Some(&3));
        assert_eq!(hosts.find(""), Some(&3), "a request without a host");
        assert_eq!(hosts.find("foo.bar.com"), Some(&1));
        assert_eq!(hosts.remove(&HostPattern::Exact("foo.bar.com".into())), Some(1));
        assert_eq!(hosts.find("foo.bar.com"), Some(&2));
        assert_eq!((hosts.len(), hosts.values().count()), (2, 2));
    }

    #[test]
    fn a_host_wildcard_is_exactly_one_leading_label() {
        let hosts = hosts();
        for name in ["bar.com", "a.b.bar.com", ".bar.com", "xbar.com", "com", "bar.com.", "a.bar.com.x"] {
            assert_eq!(hosts.find(name), None, "{name}");
        }
        assert_eq!(hosts.find("x.bar.com"), Some(&2));
    }

    #[test]
    fn entries_are_found_as_values_are() {
        let mut hosts = hosts();
        for any in [false, true] {
            for name in ["foo.bar.com", "baz.bar.com", "bar.com", "a.b.bar.com", ".bar.com", "", "com"] {
                let entry = hosts.find_entry(name);
                assert_eq!(entry.as_ref().map(|(_, value)| *value), hosts.find(name), "{name} {any}");
                assert_eq!(
                    entry.and_then(|(pattern, _)| hosts.get(&pattern)),
                    hosts.find(name),
                    "{name} {any}"
                );
            }
            hosts.insert(&HostPattern::Any, 3);
        }
        assert!(hosts.entries().all(|(pattern, value)| hosts.get(&pattern) == Some(value)));
        assert_eq!(hosts.entries().count(), 3);
    }
}
