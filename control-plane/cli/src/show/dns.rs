//! Zones from the packet path; caches and upstreams from the resolver.

use sluice_proxy::admin::protocol::{CacheRow, UpstreamRow};
use sluice_proxy::admin::{ProxyClient, ProxyRequest, ProxyResponse};
use sluice_runtime::admin::protocol::{DnsClients, DnsZoneRow};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::{parts, rows, unexpected};
use crate::exit::Failure;
use crate::output::{Align, Printer, Table, count, list, or_dash};

/// `sluice show dns zones`.
pub(super) fn zones(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::DnsZones, |response| match response {
        AdminResponse::DnsZones(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), zone_table)
}

/// `sluice show dns clients`.
pub(super) fn clients(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::DnsClients, |response| match response {
        AdminResponse::DnsClients(clients) => Some(vec![*clients]),
        _ => None,
    })?;
    printer.print(all.first().ok_or_else(unexpected)?, client_tables)
}

/// `sluice show dns cache`.
pub(super) fn cache(client: &mut ProxyClient, printer: &Printer) -> Result<(), Failure> {
    let all = parts(client, &ProxyRequest::Cache, |response| match response {
        ProxyResponse::Cache(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), cache_table)
}

/// `sluice show dns upstreams`.
pub(super) fn upstreams(client: &mut ProxyClient, printer: &Printer) -> Result<(), Failure> {
    let all = parts(client, &ProxyRequest::Upstreams, |response| match response {
        ProxyResponse::Upstreams(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), upstream_table)
}

fn zone_table(rows: &[DnsZoneRow]) -> String {
    let mut table = Table::new(&[
        ("zone", Align::Left),
        ("kind", Align::Left),
        ("names", Align::Right),
        ("serial", Align::Right),
        ("ttl", Align::Right),
        ("addresses", Align::Left),
        ("generation", Align::Right),
    ]);
    for row in rows {
        table.row([
            row.zone.clone(),
            row.kind.to_string(),
            count(row.names),
            row.serial.to_string(),
            format!("{} s", row.ttl),
            list(&row.addresses),
            row.generation.0.to_string(),
        ]);
    }
    table.render("no zones")
}

fn client_tables(all: &DnsClients) -> String {
    const COUNTS: [(&str, Align); 2] = [("queries/s", Align::Right), ("share", Align::Right)];
    let rate = |rate: f64| count(rate.round() as u64);
    let share = |share: f64| format!("{:.1} %", share * 100.0);
    let [per_second, part] = COUNTS;
    let mut clients = Table::new(&[
        ("client", Align::Left),
        ("pod", Align::Left),
        per_second,
        ("too many by", Align::Right),
        part,
    ]);
    for row in &all.clients {
        clients.row([
            row.client.to_string(),
            or_dash(row.pod.clone()),
            rate(row.per_second),
            rate(row.error),
            share(row.share),
        ]);
    }
    let mut text = clients.render("no queries");
    if !all.namespaces.is_empty() {
        let mut namespaces =
            Table::new(&[("namespace", Align::Left), ("clients", Align::Right), per_second, part]);
        for row in &all.namespaces {
            namespaces.row([
                row.namespace.clone(),
                count(row.clients),
                rate(row.per_second),
                share(row.share),
            ]);
        }
        text.push('\n');
        text.push_str(&namespaces.render(""));
    }
    text
}

fn cache_table(rows: &[CacheRow]) -> String {
    let mut table = Table::new(&[
        ("zone", Align::Left),
        ("positive", Align::Right),
        ("negative", Align::Right),
        ("bytes", Align::Right),
        ("hits", Align::Right),
        ("misses", Align::Right),
        ("prefetched", Align::Right),
        ("stale", Align::Right),
        ("evicted", Align::Right),
    ]);
    for row in rows {
        let counts = [
            row.positive,
            row.negative,
            row.bytes,
            row.hits,
            row.misses,
            row.prefetches,
            row.stale,
            row.evictions,
        ];
        let [positive, negative, bytes, hits, misses, prefetches, stale, evictions] = counts.map(count);
        table.row([row.zone.clone(), positive, negative, bytes, hits, misses, prefetches, stale, evictions]);
    }
    table.render("no caches")
}

fn upstream_table(rows: &[UpstreamRow]) -> String {
    let mut table = Table::new(&[
        ("zone", Align::Left),
        ("address", Align::Left),
        ("over", Align::Left),
        ("health", Align::Left),
        ("queries", Align::Right),
        ("failures", Align::Right),
        ("mismatches", Align::Right),
        ("mean", Align::Right),
        ("99 of 100 within", Align::Right),
    ]);
    let time = |time: Option<u64>| or_dash(time.map(|time| format!("{} µs", count(time))));
    for row in rows {
        table.row([
            row.zone.clone(),
            row.address.to_string(),
            if row.tls { "TLS" } else { "UDP, TCP" }.to_owned(),
            row.health.to_string(),
            count(row.queries),
            count(row.failures),
            count(row.mismatches),
            time(row.mean_us),
            time(row.p99_within_us),
        ]);
    }
    table.render("no upstreams")
}
