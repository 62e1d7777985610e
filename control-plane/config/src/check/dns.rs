//! `dns`: names, addresses, who may ask.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde_saphyr::{Location, Spanned};
use sluice_corefile::{HostKind, HostZone, Selector};
use sluice_model::{DnsAddress, DnsMode, DnsSettings, ExternalZone, PodNames, RateLimit, ServiceName};

use super::values::{is_host, network};
use super::{Report, choice, number, visibility};
use crate::config::Names;
use crate::raw::{self, Text};

/// The port of DNS.
const PORT: u16 = 53;
/// Pods that have IPv4 addresses alone, among networks.
const PODS: &str = "pods";
/// Zones of reverse names that one network is written as at most: a prefix is up to seven bits short of a whole octet.
const MOST_OF_A_NETWORK: usize = 128;

/// What queries are answered with. Clients are the cluster's where none are named.
pub(super) fn settings(spanned: &Spanned<raw::Dns>, cluster: &[IpNet], out: &mut Report) -> DnsSettings {
    let (raw, place) = (&spanned.value, spanned.referenced);
    let defaults = DnsSettings::default();
    let service = raw.service.as_ref().and_then(|text| service(text, out));
    let corefile = raw.corefile.is_some() || raw.config_map.is_some();
    // A Corefile may say `bind`.
    if raw.addresses.is_empty() && service.is_none() && !corefile {
        out.add(
            place,
            "dns",
            "an address to answer on is needed: `addresses`, or a `service` whose cluster IPs they are",
        );
    }
    let (listen, addresses) = addresses(&raw.addresses, out);
    let own = || addresses.iter().filter_map(|own| own.clients.as_deref());
    let secured = raw.tls.is_some() || raw.https.is_some();
    let others = service.is_some() || corefile || secured || own().count() < listen.len();
    let clients = match &raw.clients {
        Some(list) => networks(list, "dns.clients", out),
        // Nobody asks elsewhere.
        None if cluster.is_empty() && !others => own().flatten().copied().collect(),
        None => cluster.to_vec(),
    };
    if clients.is_empty() {
        // A list of everybody has to be written out: nobody becomes an open resolver by leaving something away.
        let message = "nobody may ask: name `clients`, or the pods' networks in `services.cluster_cidrs`";
        out.add(place, "dns.clients", message);
    }
    let mode = choice(
        raw.mode.as_ref(),
        "dns.mode",
        &[("strict", DnsMode::Strict), ("compat", DnsMode::Compat)],
        out,
    );
    let (suppress_aaaa, suppress_aaaa_of_pods) = without_ipv6(&raw.suppress_aaaa, out);
    if corefile {
        return DnsSettings {
            mode,
            listen,
            addresses,
            clients,
            recursion: raw.recursion.map(everybody),
            cluster_zones: raw.cluster_zones.map(everybody),
            zones: Vec::new(),
            reverse_zones: Vec::new(),
            service,
            cookie_key: raw.cookie_secret.as_ref().and_then(|text| secret(text, out)),
            rate_limit: rate_limit(raw, out),
            negative_ttl: negative_ttl(raw, out),
            visibility: visibility::check(&raw.visibility, out),
            suppress_aaaa,
            suppress_aaaa_of_pods,
            ..defaults
        };
    }
    let domains = |list: &Option<Vec<Text>>, key: &str, default: &[Box<str>], out: &mut Report| match list {
        None => default.to_vec(),
        Some(list) => {
            let list = list.iter().enumerate();
            list.filter_map(|(i, text)| domain(text, &format!("dns.{key}[{i}]"), out)).collect()
        }
    };
    let zones = domains(&raw.zones, "zones", &defaults.zones, out);
    if zones.is_empty() && raw.zones.as_ref().is_some_and(Vec::is_empty) {
        out.add(place, "dns.zones", "at least one domain is needed");
    }
    let multicluster_zones: Vec<Box<str>> = raw
        .multicluster_zones
        .iter()
        .enumerate()
        .filter_map(|(i, text)| {
            let key = format!("dns.multicluster_zones[{i}]");
            let zone = domain(text, &key, out)?;
            if zones.iter().any(|other| other.eq_ignore_ascii_case(&zone)) {
                out.add(text.referenced, &key, format!("`{zone}` is the domain of this cluster's Services"));
            }
            Some(zone)
        })
        .collect();
    let reverse_zones = match &raw.reverse_zones {
        None => defaults.reverse_zones.clone(),
        Some(list) => {
            let list = list.iter().enumerate();
            list.flat_map(|(i, text)| reverse(text, &format!("dns.reverse_zones[{i}]"), out)).collect()
        }
    };
    let mut settings = DnsSettings {
        listen,
        addresses,
        clients,
        recursion: raw.recursion.map(everybody),
        cluster_zones: raw.cluster_zones.map(everybody),
        external_zones: external_zones(raw, &[&zones, &multicluster_zones, &reverse_zones], out),
        zones,
        multicluster_zones,
        reverse_zones,
        ttl: number(raw.ttl.as_ref(), "dns.ttl", 0..=3600, defaults.ttl.into(), out) as u32,
        negative_ttl: negative_ttl(raw, out),
        pods: choice(
            raw.pods.as_ref(),
            "dns.pods",
            &[
                ("disabled", PodNames::Disabled),
                ("insecure", PodNames::Insecure),
                ("verified", PodNames::Verified),
            ],
            out,
        ),
        mode,
        endpoint_pod_names: raw.endpoint_pod_names.as_ref().is_some_and(|given| given.value),
        hide_empty: raw.hide_empty_services.as_ref().is_some_and(|given| given.value),
        endpoints: raw.endpoints.as_ref().is_none_or(|given| given.value),
        zonal: raw.zonal.as_ref().is_some_and(|given| given.value),
        max_udp: number(raw.max_udp_size.as_ref(), "dns.max_udp_size", 512..=4096, 1232, out) as u16,
        service,
        cookie_key: raw.cookie_secret.as_ref().and_then(|text| secret(text, out)),
        secure: defaults.secure,
        autopath: defaults.autopath,
        rate_limit: rate_limit(raw, out),
        keep: raw.cache.as_ref().is_none_or(|given| given.value),
        forward: !raw.upstreams.is_empty() || !raw.stub_zones.is_empty(),
        tables: false,
        fallthrough: raw
            .fallthrough
            .iter()
            .enumerate()
            .filter_map(|(i, text)| domain(text, &format!("dns.fallthrough[{i}]"), out))
            .collect(),
        primaries: Vec::new(),
        elsewhere: Vec::new(),
        localhost: defaults.localhost,
        selected: !raw.namespaces.is_empty() || raw.namespace_labels.is_some(),
        visibility: visibility::check(&raw.visibility, out),
        tenant_zones: tenant_zones(raw),
        suppress_aaaa,
        suppress_aaaa_of_pods,
        stale: defaults.stale,
    };
    if let Some(given) = raw.zonal.as_ref().filter(|_| settings.zonal && !settings.endpoints) {
        out.add(given.referenced, "dns.zonal", "needs `endpoints`, which is false");
    }
    settings.guard(cluster);
    settings
}

/// Where queries are answered, and what holds at some of these addresses.
fn addresses(list: &[Spanned<raw::DnsAddress>], out: &mut Report) -> (Vec<SocketAddr>, Vec<DnsAddress>) {
    let mut listen: Vec<SocketAddr> = Vec::new();
    let mut all = Vec::new();
    for (i, given) in list.iter().enumerate() {
        let key = format!("dns.addresses[{i}]");
        let (text, place, own) = match &given.value {
            raw::DnsAddress::Plain(text) => (text.as_str(), given.referenced, None),
            raw::DnsAddress::Own(own) => match &own.address {
                Some(text) => (text.value.as_str(), text.referenced, Some(own)),
                None => {
                    out.add(given.referenced, &format!("{key}.address"), "is missing");
                    continue;
                }
            },
        };
        let Some(address) = socket(text, place, &key, out) else { continue };
        if listen.first().is_some_and(|first| first.port() != address.port()) {
            out.add(place, &key, "all addresses need one port");
        } else if listen.contains(&address) {
            out.add(place, &key, format!("{address} stands here twice"));
        } else {
            listen.push(address);
            all.extend(own.map(|own| own_address(address.ip(), own, &key, out)));
        }
    }
    (listen, all)
}

fn own_address(address: IpAddr, own: &raw::OwnAddress, key: &str, out: &mut Report) -> DnsAddress {
    let clients = own.clients.as_ref().map(|list| {
        let key = format!("{key}.clients");
        if list.value.is_empty() {
            let message =
                "nobody may ask there: name networks, or leave the key away for those of `dns.clients`";
            out.add(list.referenced, &key, message);
        }
        networks(&list.value, &key, out)
    });
    DnsAddress {
        address,
        clients,
        recursion: own.recursion.map(everybody),
        cluster_zones: own.cluster_zones.map(everybody),
    }
}

/// Who has what was said to be everybody's, or nobody's.
fn everybody(given: bool) -> Vec<IpNet> {
    let everybody = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
    everybody.into_iter().filter(|_| given).filter_map(|ip| IpNet::new(ip, 0).ok()).collect()
}

fn networks(list: &[Text], key: &str, out: &mut Report) -> Vec<IpNet> {
    let list = list.iter().enumerate();
    list.filter_map(|(i, text)| network(text, &format!("{key}[{i}]"), out)).collect()
}

/// Domains that some namespaces have upstreams of their own for; they are checked with those.
fn tenant_zones(raw: &raw::Dns) -> Vec<Box<str>> {
    let own = raw.stub_zones.iter().filter(|stub| !stub.value.namespaces.is_empty());
    let names = own.map(|stub| stub.value.zone.value.trim_end_matches('.').to_ascii_lowercase());
    names.collect::<BTreeSet<_>>().into_iter().map(String::into_boxed_str).collect()
}

/// Networks, and whether pods are among them.
fn without_ipv6(list: &[Text], out: &mut Report) -> (Vec<IpNet>, bool) {
    let (mut networks, mut pods) = (Vec::new(), false);
    for (i, text) in list.iter().enumerate() {
        match text.value.as_str() {
            PODS => pods = true,
            _ => networks.extend(network(text, &format!("dns.suppress_aaaa[{i}]"), out)),
        }
    }
    (networks, pods)
}

/// How long it may be believed that there is nothing, where that is not as long as everything else.
fn negative_ttl(raw: &raw::Dns, out: &mut Report) -> Option<u32> {
    let given = raw.negative_ttl.as_ref()?;
    Some(number(Some(given), "dns.negative_ttl", 0..=3600, 0, out) as u32)
}

/// The domains of external addresses.
fn external_zones(raw: &raw::Dns, others: &[&[Box<str>]; 3], out: &mut Report) -> Vec<ExternalZone> {
    let mut zones: Vec<ExternalZone> = Vec::new();
    for (i, given) in raw.external_zones.iter().enumerate() {
        let key = |name: &str| format!("dns.external_zones[{i}].{name}");
        let Some(text) = &given.value.zone else {
            out.add(given.referenced, &key("zone"), "is missing");
            continue;
        };
        let Some(zone) = domain(text, &key("zone"), out) else { continue };
        let lower = zone.to_ascii_lowercase();
        let within = |name: &str, zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
        let mut all = others.iter().flat_map(|list| list.iter()).chain(zones.iter().map(|it| &it.zone));
        if let Some(other) = all.find(|other| {
            let other = other.to_ascii_lowercase();
            within(&other, &lower) || within(&lower, &other)
        }) {
            let message =
                format!("`{zone}` and `{other}` are one in another: each needs a domain of its own");
            out.add(text.referenced, &key("zone"), message);
            continue;
        }
        let apex = match &given.value.apex {
            None => Some("dns".into()),
            Some(apex) => domain(apex, &key("apex"), out),
        };
        let secondary =
            given.value.secondary.as_ref().map(|text| (domain(text, &key("secondary"), out), text));
        let (Some(apex), None | Some((Some(_), _))) = (apex, &secondary) else { continue };
        let secondary = secondary.and_then(|(labels, _)| labels);
        for (name, labels) in [("apex", Some(&apex)), ("secondary", secondary.as_ref())] {
            if labels.is_some_and(|labels| zone.len() + labels.len() > MOST_NAME) {
                out.add(text.referenced, &key(name), "the name of the zone's server is too long");
            }
        }
        let hosts = !given.value.hosts.is_empty();
        let of_hosts = [
            ("secondary", given.value.secondary.is_some()),
            ("ingress_classes", !given.value.ingress_classes.is_empty()),
            ("service_labels", !given.value.service_labels.is_empty()),
        ];
        for (name, _) in of_hosts.iter().filter(|(_, is)| *is && !hosts) {
            out.add(given.referenced, &key(name), "is of a domain with `hosts`");
        }
        let names = |kind: &str| given.value.hosts.iter().any(|text| text.value == kind);
        for (name, is, kind) in [
            ("ingress_classes", !given.value.ingress_classes.is_empty(), "ingress"),
            ("service_labels", !given.value.service_labels.is_empty(), "service"),
        ] {
            if hosts && is && !names(kind) {
                out.add(
                    given.referenced,
                    &key(name),
                    format!("has no meaning without `{kind}` among `hosts`"),
                );
            }
        }
        if secondary.as_ref() == Some(&apex) {
            out.add(given.referenced, &key("secondary"), "is the name of the first server, `apex`");
        }
        if hosts && given.value.headless {
            out.add(
                given.referenced,
                &key("headless"),
                "has no meaning with `hosts`: Services have no names there",
            );
        }
        let ttl = number(given.value.ttl.as_ref(), &key("ttl"), 0..=3600, 5, out) as u32;
        zones.push(ExternalZone { zone, ttl, apex, headless: given.value.headless, hosts, secondary });
    }
    zones
}

/// Characters of a zone and its apex: `hostmaster.` is before them in a name of 253.
const MOST_NAME: usize = 253 - "hostmaster..".len();

/// Which objects have names.
pub(super) fn names(raw: &raw::Dns, out: &mut Report) -> Names {
    let namespaces = raw.namespaces.iter().enumerate();
    let namespaces = namespaces.map(|(i, text)| super::name(text, &format!("dns.namespaces[{i}]"), out));
    let namespaces = namespaces.collect::<Vec<_>>();
    if let (false, Some(labels)) = (namespaces.is_empty(), &raw.namespace_labels) {
        let message = "`namespaces` and `namespace_labels` exclude each other";
        out.add(labels.referenced, "dns.namespace_labels", message);
    }
    let selector = |text: &Option<Text>, key: &str, out: &mut Report| {
        text.as_ref().and_then(|text| selector(text, key, out)).unwrap_or_default()
    };
    Names {
        namespaces,
        namespace_labels: selector(&raw.namespace_labels, "dns.namespace_labels", out),
        labels: selector(&raw.labels, "dns.labels", out),
        hosts: raw
            .external_zones
            .iter()
            .enumerate()
            .filter_map(|(i, zone)| host_zone(i, &zone.value, out))
            .collect(),
    }
}

/// Whose hosts are the names of a domain; the domain itself is checked with all the others.
fn host_zone(i: usize, raw: &raw::ExternalZone, out: &mut Report) -> Option<HostZone> {
    let key = |name: &str, k: usize| format!("dns.external_zones[{i}].{name}[{k}]");
    let zone = raw.zone.as_ref().filter(|_| !raw.hosts.is_empty())?;
    let mut kinds = Vec::new();
    for (k, text) in raw.hosts.iter().enumerate() {
        match HostKind::ALL.iter().find(|(name, _)| *name == text.value) {
            Some((_, kind)) if !kinds.contains(kind) => kinds.push(*kind),
            Some(_) => {
                out.add(text.referenced, &key("hosts", k), format!("`{}` stands there already", text.value))
            }
            None => {
                let message = format!("`{}` is neither ingress nor service", text.value);
                out.add(text.referenced, &key("hosts", k), message);
            }
        }
    }
    let classes = raw.ingress_classes.iter().enumerate();
    let classes = classes.map(|(k, text)| super::name(text, &key("ingress_classes", k), out)).collect();
    let labels = raw.service_labels.iter().enumerate();
    let labels = labels.filter_map(|(k, text)| selector(text, &key("service_labels", k), out)).collect();
    Some(HostZone {
        zone: zone.value.trim_end_matches('.').to_ascii_lowercase().into(),
        kinds,
        ingress_classes: classes,
        service_labels: labels,
    })
}

/// The limit, where there is one.
fn rate_limit(raw: &raw::Dns, out: &mut Report) -> Option<RateLimit> {
    let raw = raw.rate_limit.as_ref()?;
    let usual = RateLimit::default();
    let (per_second, slip) = (usual.per_second.into(), usual.slip.into());
    Some(RateLimit {
        per_second: number(
            raw.per_second.as_ref(),
            "dns.rate_limit.per_second",
            1..=1_000_000,
            per_second,
            out,
        ) as u32,
        slip: number(raw.slip.as_ref(), "dns.rate_limit.slip", 0..=100, slip, out) as u8,
        exempt: networks(&raw.exempt, "dns.rate_limit.exempt", out),
    })
}

/// A label selector, as `kubectl get -l` takes it.
fn selector(text: &Text, key: &str, out: &mut Report) -> Option<Selector> {
    let parsed = Selector::parse(&text.value);
    if parsed.is_none() {
        let message = format!("`{}` is no label selector such as app=web,tier in (a,b),!legacy", text.value);
        out.add(text.referenced, key, message);
    }
    parsed
}

/// `namespace/name` of a Service.
fn service(text: &Text, out: &mut Report) -> Option<ServiceName> {
    let named = namespaced(text, "dns.service", "Service such as kube-system/kube-dns", out);
    named.map(|(namespace, name)| ServiceName::new(&namespace, &name))
}

/// `namespace/name` of `what`.
pub(super) fn namespaced(
    text: &Text,
    key: &str,
    what: &str,
    out: &mut Report,
) -> Option<(Box<str>, Box<str>)> {
    let named = text.value.split_once('/').filter(|(namespace, name)| {
        [namespace, name].iter().all(|part| {
            (1..=63).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    });
    if named.is_none() {
        out.add(text.referenced, key, format!("`{}` is no {what}", text.value));
    }
    named.map(|(namespace, name)| (namespace.into(), name.into()))
}

/// An address, with a port where it is not 53.
fn socket(text: &str, place: Location, key: &str, out: &mut Report) -> Option<SocketAddr> {
    let parsed = text.parse::<SocketAddr>().ok();
    let parsed = parsed.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT)));
    match parsed {
        Some(address) if is_host(address.ip()) && address.port() != 0 => Some(address),
        _ => {
            out.add(place, key, format!("`{text}` is not the address of a host, with or without a port"));
            None
        }
    }
}

/// A domain, without its last dot.
pub(super) fn domain(text: &Text, key: &str, out: &mut Report) -> Option<Box<str>> {
    let name = text.value.strip_suffix('.').unwrap_or(&text.value);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        out.add(text.referenced, key, format!("`{}` is no domain such as cluster.local", text.value));
        return None;
    }
    Some(name.into())
}

/// A domain of reverse names, or the network that it is of.
fn reverse(text: &Text, key: &str, out: &mut Report) -> Vec<Box<str>> {
    if !text.value.contains('/') {
        return domain(text, key, out).into_iter().collect();
    }
    let Some(net) = network(text, key, out) else { return Vec::new() };
    // Names end at whole octets and nibbles: a network between has several.
    let step = if net.addr().is_ipv4() { 8 } else { 4 };
    let length = net.prefix_len().next_multiple_of(step);
    let Ok(parts) = net.subnets(length) else { return Vec::new() };
    parts.take(MOST_OF_A_NETWORK).map(reverse_name).collect()
}

/// RFC 1035, section 3.5; RFC 3596, section 2.5.
fn reverse_name(net: IpNet) -> Box<str> {
    let mut labels: Vec<String> = match net {
        IpNet::V4(net) => {
            let octets = net.addr().octets();
            octets.iter().take(usize::from(net.prefix_len() / 8)).map(u8::to_string).collect()
        }
        IpNet::V6(net) => {
            let octets = net.addr().octets();
            let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.take(usize::from(net.prefix_len() / 4)).map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    labels.reverse();
    labels.push(if matches!(net, IpNet::V4(_)) { "in-addr.arpa" } else { "ip6.arpa" }.to_owned());
    labels.join(".").into()
}

/// 128 bits in hexadecimal, as BIND and Knot take them.
fn secret(text: &Text, out: &mut Report) -> Option<[u8; 16]> {
    let digits = text.value.as_bytes();
    let mut key = [0; 16];
    let pairs = digits.as_chunks::<2>().0;
    let valid = digits.len() == 32
        && key.iter_mut().zip(pairs).all(|(byte, pair)| {
            let parsed = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            parsed.map(|value| *byte = value).is_some()
        });
    if !valid {
        out.add(text.referenced, "dns.cookie_secret", "a secret is 32 hexadecimal digits");
    }
    valid.then_some(key)
}
