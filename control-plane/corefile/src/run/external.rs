//! `k8s_external`: names of Services for the outside.

use sluice_model::{DnsSettings, ExternalZone};

use super::kubernetes::short;
use super::{Run, cluster};
use crate::corefile::{Corefile, Placed};
use crate::plugins::{K8sExternal, Plugin};
use crate::problem::Place;
use crate::zone::Zone;

impl Run<'_> {
    /// Fills in the domains of external addresses.
    pub(super) fn external(&mut self, corefile: &Corefile, dns: &mut DnsSettings) {
        let own = cluster(corefile);
        let mut known: Option<&K8sExternal> = None;
        for server in &corefile.servers {
            for placed in &server.plugins {
                let Plugin::K8sExternal(external) = &placed.plugin else { continue };
                match known {
                    // The same one over TLS is no other one.
                    Some(known) if known == external => {}
                    Some(_) => self.refuse(&placed.place, "a second `k8s_external` is not supported"),
                    None => {
                        known = Some(external);
                        // It is in the same server, which was seen when it was read.
                        let Some(server) = own else { continue };
                        for zone in self.reached(&external.zones, placed, server, corefile) {
                            self.external_zone(external, &zone, placed, dns);
                        }
                    }
                }
            }
        }
    }

    fn external_zone(&mut self, external: &K8sExternal, zone: &Zone, placed: &Placed, dns: &mut DnsSettings) {
        let Some(apex) = self.place(zone, &external.apex, placed, dns) else { return };
        dns.external_zones.push(ExternalZone {
            zone: short(zone),
            ttl: external.ttl,
            apex,
            headless: external.headless,
            hosts: false,
            secondary: None,
        });
        pass_on(&external.fallthrough, zone, dns);
    }

    /// The labels of the zone's name server, where there may be such a zone.
    pub(super) fn place(
        &mut self,
        zone: &Zone,
        apex: &str,
        placed: &Placed,
        dns: &DnsSettings,
    ) -> Option<Box<str>> {
        if zone.is_reverse() {
            self.refuse(
                &placed.place,
                format!("`{zone}`: addresses outside have no reverse names here; name the zone with `kubernetes` alone"),
            );
            return None;
        }
        let others = dns.zones.iter().chain(&dns.multicluster_zones).chain(&dns.reverse_zones);
        let others = others.chain(dns.external_zones.iter().map(|it| &it.zone));
        let clash = others
            .filter_map(|other| Zone::parse(other).ok())
            .find(|other| zone.contains(other) || other.contains(zone));
        if let Some(other) = clash {
            self.refuse(
                &placed.place,
                format!("`{zone}` and the zone `{other}` are one in another: each needs a domain of its own"),
            );
            return None;
        }
        self.labels(zone, apex, placed.line("apex"))
    }

    /// Labels of a name server in the zone.
    pub(super) fn labels(&mut self, zone: &Zone, text: &str, place: &Place) -> Option<Box<str>> {
        let labels = text.trim_end_matches('.');
        let server = format!("hostmaster.{labels}.{}", zone.as_str());
        if labels.is_empty() || Zone::parse(&server).is_err() || server.len() > 254 {
            self.refuse(place, format!("`{text}` is no name of labels"));
            return None;
        }
        Some(labels.to_ascii_lowercase().into())
    }
}

/// Unknown names of a zone that others may know.
pub(super) fn pass_on(fallthrough: &[Zone], zone: &Zone, dns: &mut DnsSettings) {
    for fall in fallthrough.iter().filter(|fall| fall.contains(zone) || zone.contains(fall)) {
        let narrow = short(if fall.contains(zone) { zone } else { fall });
        if !dns.fallthrough.contains(&narrow) {
            dns.fallthrough.push(narrow);
        }
    }
}
