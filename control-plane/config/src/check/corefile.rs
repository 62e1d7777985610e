//! `dns.corefile` and `dns.config_map`: a Corefile in place of keys.

use std::path::Path;

use serde_saphyr::Location;

use super::Report;
use super::dns::namespaced;
use crate::config::{Corefile, CorefileSource};
use crate::raw;

/// Placeholders of NodeLocal DNSCache's template, without `__PILLAR__` and the last `__`.
const PILLARS: [&str; 5] = ["CLUSTER__DNS", "DNS__DOMAIN", "DNS__SERVER", "LOCAL__DNS", "UPSTREAM__SERVERS"];

/// Where the Corefile is, if there is one. Keys for what it says itself may not stand beside it.
pub(super) fn check(raw: &raw::Dns, file: &Path, out: &mut Report) -> Option<Corefile> {
    let source = match (&raw.corefile, &raw.config_map) {
        (None, None) => {
            if let Some(text) = raw.pillars.values().next() {
                out.add(text.referenced, "dns.pillars", "placeholders are a Corefile's, and none is named");
            }
            return None;
        }
        (Some(path), None) => CorefileSource::File(super::folder(path, "dns.corefile", file, out)),
        (None, Some(text)) => {
            let named = namespaced(text, "dns.config_map", "ConfigMap such as kube-system/coredns", out);
            let (namespace, name) = named.unwrap_or_default();
            CorefileSource::ConfigMap { namespace, name }
        }
        (Some(_), Some(text)) => {
            out.add(text.referenced, "dns.config_map", "either `corefile` or `config_map`, not both");
            return None;
        }
    };
    let key = if raw.corefile.is_some() { "corefile" } else { "config_map" };
    for (name, place) in given(raw) {
        let message = format!("the Corefile that `{key}` names says this; leave it away here");
        out.add(place, &format!("dns.{name}"), message);
    }
    for (name, text) in raw.pillars.iter().filter(|(name, _)| !PILLARS.contains(&name.as_str())) {
        let message = format!("`{name}` is none of {}", PILLARS.join(", "));
        out.add(text.referenced, &format!("dns.pillars.{name}"), message);
    }
    let pillars = raw.pillars.iter().map(|(name, text)| (name.as_str().into(), text.value.as_str().into()));
    Some(Corefile { source, refuse_private: raw.refuse_private.unwrap_or(false), pillars: pillars.collect() })
}

/// Keys for which a Corefile has words.
fn given(raw: &raw::Dns) -> Vec<(&'static str, Location)> {
    let first = |list: &[raw::Text]| list.first().map(|text| text.referenced);
    let listed =
        |list: &Option<Vec<raw::Text>>| list.as_ref().map(|list| first(list).unwrap_or(Location::UNKNOWN));
    let flag = |flag: &Option<serde_saphyr::Spanned<bool>>| flag.as_ref().map(|flag| flag.referenced);
    let number =
        |number: &Option<serde_saphyr::Spanned<u64>>| number.as_ref().map(|number| number.referenced);
    let keys = [
        ("zones", listed(&raw.zones)),
        ("reverse_zones", listed(&raw.reverse_zones)),
        ("namespaces", first(&raw.namespaces)),
        ("namespace_labels", raw.namespace_labels.as_ref().map(|text| text.referenced)),
        ("labels", raw.labels.as_ref().map(|text| text.referenced)),
        ("multicluster_zones", first(&raw.multicluster_zones)),
        ("external_zones", raw.external_zones.first().map(|zone| zone.referenced)),
        ("autopath", flag(&raw.autopath)),
        ("ttl", number(&raw.ttl)),
        ("pods", raw.pods.as_ref().map(|text| text.referenced)),
        ("endpoint_pod_names", flag(&raw.endpoint_pod_names)),
        ("hide_empty_services", flag(&raw.hide_empty_services)),
        ("endpoints", flag(&raw.endpoints)),
        ("zonal", flag(&raw.zonal)),
        ("max_udp_size", number(&raw.max_udp_size)),
        ("fallthrough", first(&raw.fallthrough)),
        ("upstreams", first(&raw.upstreams)),
        ("stub_zones", raw.stub_zones.first().map(|stub| stub.referenced)),
        ("cache", flag(&raw.cache)),
    ];
    keys.into_iter().filter_map(|(key, place)| Some((key, place?))).collect()
}
