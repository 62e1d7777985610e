//! `kubernetes`: the names that the packet path answers.

use sluice_model::{DnsSettings, PodNames};

use super::{Run, cluster};
use crate::corefile::{Corefile, Placed, Server};
use crate::plugins::{Kubernetes, Plugin, PodMode};
use crate::zone::Zone;

impl Run<'_> {
    /// Fills in what the cluster's names are; the plugin, which says what objects have some.
    pub(super) fn kubernetes<'c>(
        &mut self,
        corefile: &'c Corefile,
        dns: &mut DnsSettings,
    ) -> Option<&'c Kubernetes> {
        let server = cluster(corefile)?;
        let all = corefile.servers.iter().flat_map(|server| &server.plugins);
        let mut found = all.filter_map(|placed| match &placed.plugin {
            Plugin::Kubernetes(kubernetes) => Some((kubernetes, placed)),
            _ => None,
        });
        let (kubernetes, placed) = found.next()?;
        // The same one over TLS is no other one.
        if let Some((_, second)) = found.find(|(other, _)| *other != kubernetes) {
            self.refuse(
                &second.place,
                "a second `kubernetes` is not supported: there is one cluster behind the gateway",
            );
        }
        self.options(kubernetes, placed);
        for zone in self.reached(&kubernetes.zones, placed, server, corefile) {
            if kubernetes.multicluster.contains(&zone) {
                dns.multicluster_zones.push(short(&zone));
            } else if zone.is_reverse() {
                dns.reverse_zones.push(short(&zone));
            } else {
                dns.zones.push(short(&zone));
            }
        }
        dns.ttl = kubernetes.ttl;
        dns.pods = match kubernetes.pods {
            PodMode::Disabled => PodNames::Disabled,
            PodMode::Insecure => PodNames::Insecure,
            PodMode::Verified => PodNames::Verified,
        };
        dns.endpoint_pod_names = kubernetes.endpoint_pod_names;
        dns.selected = !kubernetes.namespaces.is_empty() || kubernetes.namespace_labels.is_some();
        dns.hide_empty = kubernetes.ignore_empty_service;
        dns.endpoints = !kubernetes.noendpoints;
        dns.zonal = kubernetes.zonal;
        let all = || dns.zones.iter().chain(&dns.multicluster_zones).chain(&dns.reverse_zones).cloned();
        dns.fallthrough = if kubernetes.fallthrough.contains(&Zone::root()) {
            all().collect()
        } else {
            let own: Vec<Zone> = all().filter_map(|zone| Zone::parse(&zone).ok()).collect();
            let here = |fall: &&Zone| own.iter().any(|zone| fall.contains(zone) || zone.contains(fall));
            kubernetes.fallthrough.iter().filter(here).map(short).collect()
        };
        Some(kubernetes)
    }

    fn options(&mut self, kubernetes: &Kubernetes, placed: &Placed) {
        let source = [
            (kubernetes.endpoint.is_some(), "endpoint"),
            (kubernetes.tls.is_some(), "tls"),
            (kubernetes.kubeconfig.is_some(), "kubeconfig"),
        ];
        for (_, name) in source.into_iter().filter(|(is, _)| *is) {
            self.warn(
                placed.line(name),
                format!("`{name}` has no effect: the API server is the one that `source` names"),
            );
        }
        let client = ["apiserver_qps", "apiserver_burst", "apiserver_max_inflight", "startup_timeout"];
        for name in client.into_iter().filter(|name| placed.options.iter().any(|(known, _)| known == name)) {
            self.note(placed.line(name), format!("`{name}` has no effect: objects are watched by few requests, and nothing is answered before all are known"));
        }
    }

    /// The zones of which queries come to the plugin's server.
    pub(super) fn reached(
        &mut self,
        own: &[Zone],
        placed: &Placed,
        server: &Server,
        corefile: &Corefile,
    ) -> Vec<Zone> {
        let mut zones: Vec<Zone> = Vec::new();
        for zone in own {
            let longest = |server: &Server| {
                let listened = server.listeners.iter().map(|listener| &listener.zone);
                listened
                    .filter(|listened| listened.contains(zone))
                    .map(|listened| listened.as_str().len())
                    .max()
            };
            let here = longest(server);
            let others = corefile
                .servers
                .iter()
                .filter(|other| !std::ptr::eq(*other, server))
                .filter_map(longest)
                .max();
            if here.is_none() || others > here {
                self.warn(
                    &placed.place,
                    format!("queries for `{zone}` do not come to this server; it has no names"),
                );
            } else if zone.as_str().contains('\\') || *zone == Zone::root() {
                self.refuse(&placed.place, format!("`{zone}` is no zone for a cluster's names"));
            } else if !zones.contains(zone) {
                zones.push(zone.clone());
            }
        }
        zones
    }
}

/// Without the final dot, as the model has it.
pub(super) fn short(zone: &Zone) -> Box<str> {
    zone.as_str().strip_suffix('.').unwrap_or(zone.as_str()).into()
}
