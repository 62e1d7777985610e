//! `k8s_gateway`: hosts that Ingresses and Services name, for the outside.

use sluice_model::{DnsSettings, ExternalZone};

use super::external::pass_on;
use super::kubernetes::short;
use super::{Run, answered};
use crate::corefile::{Corefile, Placed};
use crate::hosted::{HostKind, HostZone};
use crate::plugins::{K8sGateway, Plugin};
use crate::zone::Zone;

impl Run<'_> {
    /// Fills in the domains of hosts; whose hosts they are.
    pub(super) fn gateway(&mut self, corefile: &Corefile, dns: &mut DnsSettings) -> Vec<HostZone> {
        let mut hosts = Vec::new();
        for server in answered(corefile) {
            for placed in &server.plugins {
                let Plugin::K8sGateway(gateway) = &placed.plugin else { continue };
                let kinds = self.kinds(gateway, placed);
                for zone in self.reached(&gateway.zones, placed, server, corefile) {
                    hosts.extend(self.domain(gateway, &kinds, &zone, placed, dns));
                }
            }
        }
        hosts
    }

    /// The kinds that are asked for; what is not known here is refused.
    fn kinds(&mut self, gateway: &K8sGateway, placed: &Placed) -> Vec<HostKind> {
        let mut kinds = Vec::new();
        for name in &gateway.resources {
            let kind = HostKind::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            match kind {
                Some((_, kind)) if !kinds.contains(kind) => kinds.push(*kind),
                Some(_) => {}
                None => self.refuse(
                    placed.line("resources"),
                    format!(
                        "`{name}` is not supported: of Ingresses and Services alone hosts are known here"
                    ),
                ),
            }
        }
        if gateway.kubeconfig.is_some() {
            self.warn(
                placed.line("kubeconfig"),
                "`kubeconfig` has no effect: the API server is the one that `source` names",
            );
        }
        // They choose among what is refused above; alone they do nothing.
        for (given, name) in [
            (!gateway.gateway_classes.is_empty(), "gatewayClasses"),
            (gateway.node_address_type.is_some(), "nodeAddressType"),
        ] {
            if given {
                self.warn(
                    placed.line(name),
                    format!("`{name}` has no effect: of Ingresses and Services alone hosts are known here"),
                );
            }
        }
        kinds
    }

    fn domain(
        &mut self,
        gateway: &K8sGateway,
        kinds: &[HostKind],
        zone: &Zone,
        placed: &Placed,
        dns: &mut DnsSettings,
    ) -> Option<HostZone> {
        let apex = self.place(zone, &gateway.apex, placed, dns)?;
        let secondary = match &gateway.secondary {
            Some(text) => Some(self.labels(zone, text, placed.line("secondary"))?),
            None => None,
        };
        dns.external_zones.push(ExternalZone {
            zone: short(zone),
            ttl: gateway.ttl,
            apex,
            headless: false,
            hosts: true,
            secondary,
        });
        pass_on(&gateway.fallthrough, zone, dns);
        Some(HostZone {
            zone: short(zone).to_ascii_lowercase().into(),
            kinds: kinds.to_vec(),
            ingress_classes: gateway.ingress_classes.iter().map(|class| class.as_str().into()).collect(),
            service_labels: gateway.service_label_selectors.clone(),
        })
    }
}
