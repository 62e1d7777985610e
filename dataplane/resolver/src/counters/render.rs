//! Counters in Prometheus' text format.

use sluice_observe::metrics::{Exposition, Kind};

use super::dns::Dns;
use super::histogram::{SIZES, TIMES};
use super::{STATUSES, read};
use crate::service::Service;

/// All that is counted. Names and labels are CoreDNS's where it has the like.
pub(crate) fn render(service: &Service, connections: usize) -> String {
    let mut text = Exposition::new();
    dns(&mut text, &service.registry.all());
    cache(&mut text, service);
    forward(&mut text, service);
    proxy(&mut text, service);
    secondary(&mut text, service);
    process(&mut text, service, connections);
    text.finish()
}

/// Zones that are copied from other servers.
fn secondary(text: &mut Exposition, service: &Service) {
    let state = service.state.load();
    let all = || state.zones().iter().flat_map(|zone| &zone.secondary);
    if all().next().is_none() {
        return;
    }
    let mut family =
        text.family("sluice_dns_secondary_copies_total", Kind::Counter, "Copies of a zone that were taken.");
    for it in all() {
        family.sample(&[("zone", it.zone())], read(&it.copies));
    }
    let mut family = text.family(
        "sluice_dns_secondary_failures_total",
        Kind::Counter,
        "Rounds in which no server gave a zone that is copied.",
    );
    for it in all() {
        family.sample(&[("zone", it.zone())], read(&it.failures));
    }
    let mut family = text.family(
        "sluice_dns_secondary_records",
        Kind::Gauge,
        "Records of a zone that is copied; 0 without a copy.",
    );
    for it in all() {
        let records = it.content().map_or(0, |content| content.len() as u64);
        family.sample(&[("zone", it.zone())], records);
    }
}

fn dns(text: &mut Exposition, all: &[std::sync::Arc<Dns>]) {
    let name = "coredns_dns_requests_total";
    let mut family = text.family(name, Kind::Counter, "Queries by zone, protocol, address family and type.");
    for dns in all {
        for (protocol, ip, rtype, count) in dns.requests() {
            let labels: [(&str, &dyn std::fmt::Display); 6] = [
                ("server", &dns.server),
                ("zone", &dns.zone),
                ("view", &""),
                ("proto", &protocol),
                ("family", &ip),
                ("type", &rtype),
            ];
            family.sample(&labels, count);
        }
    }
    let name = "coredns_dns_do_requests_total";
    let mut family = text.family(name, Kind::Counter, "Queries that ask for DNSSEC records.");
    for dns in all {
        family.sample(&[("server", &dns.server), ("zone", &dns.zone), ("view", &"")], dns.dnssec());
    }
    let mut family = text.family("coredns_dns_responses_total", Kind::Counter, "Replies by zone and code.");
    for dns in all {
        for (code, count) in dns.responses.iter() {
            let labels: [(&str, &dyn std::fmt::Display); 5] = [
                ("server", &dns.server),
                ("zone", &dns.zone),
                ("view", &""),
                ("rcode", &code),
                ("plugin", &""),
            ];
            family.sample(&labels, count);
        }
    }
    let name = "coredns_dns_request_duration_seconds";
    let mut family = text.family(name, Kind::Histogram, "Times from queries to their replies.");
    for dns in all {
        let (counts, sum) = dns.times.read();
        let labels: [(&str, &dyn std::fmt::Display); 3] =
            [("server", &dns.server), ("zone", &dns.zone), ("view", &"")];
        family.histogram(&labels, &counts, &TIMES, sum);
    }
    sizes(text, all, "coredns_dns_request_size_bytes", "Sizes of queries.", |dns| &dns.request_sizes);
    sizes(text, all, "coredns_dns_response_size_bytes", "Sizes of replies.", |dns| &dns.response_sizes);
}

fn sizes(
    text: &mut Exposition,
    all: &[std::sync::Arc<Dns>],
    name: &'static str,
    help: &str,
    of: impl Fn(&Dns) -> &[super::Sizes; 2],
) {
    let mut family = text.family(name, Kind::Histogram, help);
    for dns in all {
        for (protocol, sizes) in Dns::protocols().iter().zip(of(dns)) {
            let (counts, sum) = sizes.read();
            let labels: [(&str, &dyn std::fmt::Display); 4] =
                [("server", &dns.server), ("zone", &dns.zone), ("view", &""), ("proto", protocol)];
            #[expect(
                clippy::cast_precision_loss,
                reason = "octets beyond 2^53 are not counted in a lifetime"
            )]
            family.histogram(&labels, &counts, &SIZES, sum as f64);
        }
    }
}

const SIDES: [&str; 2] = ["success", "denial"];

fn cache(text: &mut Exposition, service: &Service) {
    let state = service.state.load();
    let caches: Vec<_> =
        state.zones().iter().filter_map(|zone| Some((&zone.label, zone.cache.as_ref()?))).collect();
    let mut sided = |name, kind, help: &str, of: &dyn Fn(&crate::cache::Cache) -> [u64; 2]| {
        let mut family = text.family(name, kind, help);
        for (zone, cache) in &caches {
            for (side, count) in SIDES.iter().zip(of(cache)) {
                family.sample(&[("server", &""), ("type", side), ("zones", zone), ("view", &"")], count);
            }
        }
    };
    let entries = |cache: &crate::cache::Cache| cache.entries().map(|count| count as u64);
    sided("coredns_cache_entries", Kind::Gauge, "Answers in the cache.", &entries);
    let help = "Queries answered from the cache.";
    sided("coredns_cache_hits_total", Kind::Counter, help, &|cache| {
        [0, 1].map(|side: usize| cache.counters.hits.get(side).map_or(0, read))
    });
    let help = "Answers that made room for others.";
    sided("coredns_cache_evictions_total", Kind::Counter, help, &crate::cache::Cache::evictions);
    let mut plain = |name, help: &str, of: &dyn Fn(&crate::cache::Counters) -> u64| {
        let mut family = text.family(name, Kind::Counter, help);
        for (zone, cache) in &caches {
            family.sample(&[("server", &""), ("zones", zone), ("view", &"")], of(&cache.counters));
        }
    };
    let hits = |it: &crate::cache::Counters| it.hits.iter().map(read).sum::<u64>();
    plain("coredns_cache_requests_total", "Queries looked up in the cache.", &|it| {
        hits(it) + read(&it.misses)
    });
    plain("coredns_cache_misses_total", "Queries not answered from the cache.", &|it| read(&it.misses));
    plain("coredns_cache_prefetch_total", "Answers fetched again before they ran out.", &|it| {
        read(&it.prefetches)
    });
    plain("coredns_cache_served_stale_total", "Queries answered with what had run out.", &|it| {
        read(&it.stale)
    });
}

fn forward(text: &mut Exposition, service: &Service) {
    let state = service.state.load();
    let mut rejected = 0;
    let mut broken = 0;
    for forward in state.zones().iter().flat_map(|zone| &zone.forwards) {
        rejected += read(&forward.rejected);
        broken += read(&forward.all_down);
    }
    let name = "coredns_forward_max_concurrent_rejects_total";
    text.single(name, Kind::Counter, "Queries refused because of max_concurrent.", rejected);
    let name = "coredns_forward_healthcheck_broken_total";
    text.single(name, Kind::Counter, "Queries while all upstreams were down.", broken);
}

/// Where an upstream belongs.
struct Zone<'a>(&'a crate::service::Zone, &'a crate::forward::Forward);

fn proxy(text: &mut Exposition, service: &Service) {
    let state = service.state.load();
    let all: Vec<_> = state
        .zones()
        .iter()
        .flat_map(|zone| {
            zone.forwards.iter().flat_map(move |forward| {
                forward.upstreams().iter().map(move |upstream| (Zone(zone, forward), upstream))
            })
        })
        .collect();
    let name = "coredns_proxy_request_duration_seconds";
    let mut family =
        text.family(name, Kind::Histogram, "Times from questions to upstreams until their replies.");
    for (zone, upstream) in &all {
        for (code, times) in upstream.counters.times.iter() {
            let (counts, sum) = times.read();
            if counts.iter().all(|count| *count == 0) {
                continue;
            }
            let labels: [(&str, &dyn std::fmt::Display); 5] = [
                ("proxy_name", &"forward"),
                ("to", &upstream.address()),
                ("rcode", &code),
                ("zone", &zone.0.label),
                ("from", zone.1.from()),
            ];
            family.histogram(&labels, &counts, &TIMES, sum);
        }
    }
    let mut family =
        text.family("sluice_dns_upstream_replies_total", Kind::Counter, "Replies of upstreams by code.");
    for (zone, upstream) in &all {
        for (code, count) in upstream.counters.codes.iter() {
            family.sample(
                &[
                    ("to", &upstream.address()),
                    ("zone", &zone.0.label),
                    ("from", zone.1.from()),
                    ("rcode", &code),
                ],
                count,
            );
        }
    }
    type Count = fn(&crate::upstream::Counters) -> u64;
    let counts: [(&'static str, &str, Count); 9] = [
        ("coredns_proxy_healthcheck_failures_total", "Probes of upstreams without a reply.", |it| {
            read(&it.probe_failures)
        }),
        ("coredns_proxy_conn_cache_hits_total", "Connections to upstreams used again.", |it| {
            read(&it.reused)
        }),
        ("coredns_proxy_conn_cache_misses_total", "Connections to upstreams opened.", |it| read(&it.opened)),
        ("sluice_dns_upstream_questions_total", "Questions to upstreams.", |it| read(&it.questions)),
        ("sluice_dns_upstream_failures_total", "Questions to upstreams without a reply.", |it| {
            read(&it.failures)
        }),
        ("sluice_dns_upstream_mismatches_total", "Messages that were not the reply.", |it| {
            read(&it.mismatches)
        }),
        ("sluice_dns_upstream_doubted_total", "Questions asked over TCP after mismatches.", |it| {
            read(&it.doubts)
        }),
        ("sluice_dns_upstream_truncated_total", "Questions asked over TCP after TC.", |it| {
            read(&it.truncations)
        }),
        ("sluice_dns_upstream_case_lost_total", "Times an upstream did not keep case.", |it| read(&it.blind)),
    ];
    for (name, help, count) in counts {
        let mut family = text.family(name, Kind::Counter, help);
        for (zone, upstream) in &all {
            let labels: [(&str, &dyn std::fmt::Display); 4] = [
                ("proxy_name", &"forward"),
                ("to", &upstream.address()),
                ("zone", &zone.0.label),
                ("from", zone.1.from()),
            ];
            family.sample(&labels, count(&upstream.counters));
        }
    }
    let mut family = text.family("sluice_dns_upstream_up", Kind::Gauge, "Whether an upstream is asked.");
    for (zone, upstream) in &all {
        let up = !upstream.is_down() && !upstream.is_looping();
        family.sample(&[("to", &upstream.address()), ("zone", &zone.0.label), ("from", zone.1.from())], up);
    }
}

fn process(text: &mut Exposition, service: &Service, connections: usize) {
    let it = &service.process;
    let state = service.state.load();
    let entries: usize =
        state.zones().iter().filter_map(|zone| zone.hosts.as_ref()).map(|hosts| hosts.len()).sum();
    // A panic ends the process in a release build: whoever sees this page sees one that has had none.
    text.single("coredns_panics_total", Kind::Counter, "Panics of this process.", 0_u64);
    text.single("coredns_hosts_entries", Kind::Gauge, "Pairs of name and address in hosts tables.", entries);
    let counts = [
        ("coredns_template_matches_total", "Queries answered by a template.", &it.template_matches),
        ("sluice_dns_local_total", "Queries answered by the authority.", &it.local),
        ("sluice_dns_transfers_total", "Zone transfers begun.", &it.transfers),
        ("sluice_dns_shed_total", "Queries refused because too many waited.", &it.shed),
        ("sluice_dns_coalesced_total", "Queries that joined one that was under way.", &it.coalesced),
        (
            "sluice_dns_prohibited_total",
            "Queries and connections of clients that may not ask.",
            &it.prohibited,
        ),
        ("sluice_dns_log_lost_total", "Lines of the query log that were lost.", &it.log_lost),
        ("sluice_dns_silent_total", "Messages that got no reply.", &it.silent),
        ("sluice_dns_malformed_total", "Requests that were malformed or not queries.", &it.malformed),
        ("sluice_dns_unsent_total", "Replies that could not be sent.", &it.unsent),
        ("sluice_dns_disbelieved_total", "Upstreams' answers that were not believed.", &it.disbelieved),
        ("sluice_dns_loops_total", "Probes that came back: forwarding loops.", &it.loops),
        ("sluice_dns_connections_total", "Connections taken.", &it.connections),
        ("sluice_dns_connections_slow_total", "Connections ended for their slowness.", &it.connections_slow),
        (
            "sluice_dns_connections_held_total",
            "Waits of connections whose client had taken its share of the time.",
            &it.connections_held,
        ),
        ("sluice_dns_handshakes_failed_total", "TLS handshakes that failed.", &it.handshakes_failed),
    ];
    for (name, help, count) in counts {
        text.single(name, Kind::Counter, help, read(count));
    }
    let mut family =
        text.family("sluice_dns_connections_refused_total", Kind::Counter, "Connections that had no room.");
    for (limit, count) in ["all", "client"].iter().zip(&it.connections_refused) {
        family.sample(&[("limit", limit)], read(count));
    }
    let mut family = text.family("sluice_dns_hints_total", Kind::Counter, "Hints by what became of them.");
    for (result, count) in ["asked", "known", "shed", "refused"].iter().zip(&it.hints) {
        family.sample(&[("result", result)], read(count));
    }
    let name = "coredns_dns_https_responses_total";
    let mut family = text.family(name, Kind::Counter, "Responses over HTTPS by status.");
    for (status, count) in STATUSES.iter().zip(&it.https).filter(|(_, count)| read(count) > 0) {
        family.sample(&[("server", &""), ("status", status)], read(count));
    }
    text.single("sluice_dns_connections", Kind::Gauge, "Connections there are.", connections);
    let mut family =
        text.family("sluice_dns_reloads_total", Kind::Counter, "Configurations by what became of them.");
    for (result, count) in ["taken", "refused"].iter().zip(&it.reloads) {
        family.sample(&[("result", result)], read(count));
    }
}
