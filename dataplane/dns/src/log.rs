//! Which queries are logged, where they are answered.

use sluice_model::serving::{LogClass, QueryLog};

use crate::name::{self, Name};

/// The settings of the query log, names in wire form.
#[derive(Debug)]
pub struct Log {
    settings: QueryLog,
    zones: Vec<Name>,
}

impl Log {
    pub(crate) fn new(settings: &QueryLog) -> Self {
        let zones = settings.zones.iter().filter_map(|zone| Name::parse(zone).ok());
        Self { settings: settings.clone(), zones: zones.map(Name::lowered).collect() }
    }

    /// As they came.
    pub fn settings(&self) -> &QueryLog {
        &self.settings
    }

    /// Whether queries for a name, in wire form, are logged.
    pub fn takes(&self, name: &[u8]) -> bool {
        // None of them may have been a name: that is not the same as none.
        self.settings.zones.is_empty() || self.zones.iter().any(|zone| name::is_within(name, zone.wire()))
    }

    /// Whether replies of a class are.
    pub fn wants(&self, class: LogClass) -> bool {
        self.settings.classes.is_empty() || self.settings.classes.contains(&class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_classes_are_chosen() {
        let log = |zones: &[&str], classes: &[LogClass]| {
            let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
            Log::new(&QueryLog { zones, classes: classes.to_vec(), ..QueryLog::default() })
        };
        let name = |text: &str| Name::parse(text).unwrap();
        let some = log(&["Cluster.local", "example."], &[LogClass::Denial]);
        for (asked, taken) in [
            ("cluster.LOCAL", true),
            ("a.b.example", true),
            ("xcluster.local", false),
            ("local", false),
            (".", false),
        ] {
            assert_eq!(some.takes(name(asked).wire()), taken, "{asked}");
        }
        assert!(some.wants(LogClass::Denial) && !some.wants(LogClass::Error));
        let all = log(&[], &[]);
        assert!(all.takes(name(".").wire()) && all.wants(LogClass::Success));
        assert!(log(&["."], &[]).takes(name("a.b").wire()));
        assert!(!log(&["a..b"], &[]).takes(name("a.b").wire()));
    }
}
