//! Zones of DNS.

use super::Show;
use crate::admin::protocol::{DnsZoneRow, ZoneKind};

impl Show {
    /// From the tables that lcores answer from; none without DNS.
    pub(super) fn dns_zones(&self) -> Vec<DnsZoneRow> {
        let view = self.view();
        let Some(settings) = view.settings.dns.clone() else { return Vec::new() };
        let generation = view.generation;
        // Counting takes a while where there are many names.
        drop(view);
        let tables = self.tables.load();
        let zones = tables.dns();
        let is_one_of = |list: &[Box<str>], zone: &str| list.iter().any(|it| it.eq_ignore_ascii_case(zone));
        let external =
            |zone: &str| settings.external_zones.iter().find(|it| it.zone.eq_ignore_ascii_case(zone));
        let row = |(zone, names): (String, usize)| DnsZoneRow {
            addresses: {
                // Some addresses are for the outside alone.
                let outer = |ip| external(&zone).is_none() && settings.is_outer(ip);
                zones.listen().iter().filter(|at| !outer(at.ip())).copied().collect()
            },
            kind: if external(&zone).is_some() {
                ZoneKind::External
            } else if is_one_of(&settings.zones, &zone) {
                ZoneKind::Cluster
            } else if is_one_of(&settings.multicluster_zones, &zone) {
                ZoneKind::Multicluster
            } else {
                ZoneKind::Reverse
            },
            ttl: external(&zone).map_or(settings.ttl, |it| it.ttl),
            zone,
            names: names as u64,
            serial: zones.serial(),
            generation,
        };
        zones.counts().into_iter().map(row).collect()
    }
}
