//! The same, as metrics and health.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_feed::Server;
use sluice_observe::Observed;
use sluice_observe::metrics::{self, Exposition, Kind, Label};

use super::Board;
use super::board::{Shown, unix_seconds};
use super::protocol::SyncStatus;
use crate::control::latency::Histogram;

/// What `/metrics`, `/healthz` and `/readyz` of control say.
pub struct Metrics {
    board: Arc<Board>,
    feed: Arc<Server>,
}

impl Metrics {
    /// From what the admin socket answers from.
    pub fn new(board: Arc<Board>, feed: Arc<Server>) -> Self {
        Self { board, feed }
    }
}

impl Observed for Metrics {
    fn metrics(&self) -> String {
        let (shown, status) = (self.board.shown(), self.board.sync(&self.feed));
        let mut out = Exposition::new();
        metrics::build(&mut out, "control", env!("CARGO_PKG_VERSION"), &[]);
        metrics::process(&mut out);
        let ready = self.ready().is_ok();
        out.single("sluice_ready", Kind::Gauge, "Whether all objects of the source are known.", ready);
        source(&mut out, &shown, &status);
        kinds(&mut out, &shown, &status);
        outcome(&mut out, &status);
        subscribers(&mut out, &status);
        let latencies = self.board.latencies();
        let help = "Time from an event's arrival until the data plane works by the generation that has it.";
        histogram(&mut out, "sluice_publish_latency_seconds", help, &[], &latencies.event);
        let help = "Time from a change of a Pod or Service until the data plane has it in a headless Service's answers.";
        let labels = [("service_kind", &"headless_with_selector" as &dyn std::fmt::Display)];
        let name = "coredns_kubernetes_dns_programming_duration_seconds";
        histogram(&mut out, name, help, &labels, &latencies.headless);
        out.finish()
    }

    /// What ends control ends its process.
    fn healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        let shown = self.board.shown();
        if let Some(corefile) = shown.corefile.as_ref().filter(|it| !it.is_in_effect) {
            return Err(format!("no Corefile is in effect: {}", corefile.why));
        }
        if shown.complete {
            return Ok(());
        }
        match shown.failures.iter().next() {
            Some((kind, why)) => Err(format!("{kind}s are not known yet: {why}")),
            None => Err("not all objects are known yet".to_owned()),
        }
    }
}

fn histogram(out: &mut Exposition, name: &'static str, help: &str, labels: &[Label<'_>], of: &Histogram) {
    let (counts, sum_us) = of.read();
    let bounds: Vec<f64> = of.bounds().iter().map(|&us| us as f64 / 1e6).collect();
    out.family(name, Kind::Histogram, help).histogram(labels, &counts, &bounds, sum_us as f64 / 1e6);
}

fn source(out: &mut Exposition, shown: &Shown, status: &SyncStatus) {
    let gauge = |out: &mut Exposition, name, help, value: u64| out.single(name, Kind::Gauge, help, value);
    let help = "Whether the saved state is served, because the API server has not been heard.";
    gauge(out, "sluice_stale", help, status.stale.into());
    let help = "Seconds since the saved state that is served was the API server's; 0 where none is.";
    gauge(out, "sluice_stale_seconds", help, status.stale_seconds.unwrap_or(0));
    let help = "Endpoints that would be lost by a state that is held back; 0 where none is.";
    let held = shown.held.map_or(0, |held| held.shrink.before.saturating_sub(held.shrink.after) as u64);
    gauge(out, "sluice_held_endpoints", help, held);
    if let Some(leads) = shown.leader {
        gauge(out, "sluice_leader", "Whether this gateway is the one that writes statuses.", leads.into());
    }
    if let Some(corefile) = &shown.corefile {
        let help = "Whether the Corefile is in effect as it is now; if not, one before it is.";
        gauge(out, "sluice_corefile_in_effect", help, corefile.good.into());
    }
    if let Some(files) = shown.files {
        gauge(out, "sluice_manifest_files", "Manifest files that have been read.", files as u64);
    }
    let help = "When the last generation was published, in seconds since 1970.";
    if let Some(at) = shown.published {
        out.single("sluice_published_timestamp_seconds", Kind::Gauge, help, unix_seconds(at));
    }
    gauge(out, "sluice_generation", "The generation that was published last.", status.generation.0);
    gauge(out, "sluice_services", "Services in that generation.", status.services);
}

fn kinds(out: &mut Exposition, shown: &Shown, status: &SyncStatus) {
    let mut objects = out.family("sluice_objects", Kind::Gauge, "Objects that are of use here, by kind.");
    for row in &status.kinds {
        objects.sample(&[("kind", &row.kind)], row.objects);
    }
    let help = "Whether all objects of the kind have been seen.";
    let mut synced = out.family("sluice_kind_synced", Kind::Gauge, help);
    for row in &status.kinds {
        synced.sample(&[("kind", &row.kind)], row.synced);
    }
    let help = "Whether the kind cannot be followed for now; `sluice show sync` says why.";
    let mut failing = out.family("sluice_kind_failing", Kind::Gauge, help);
    for row in &status.kinds {
        failing.sample(&[("kind", &row.kind)], row.error.is_some());
    }
    if shown.followed.is_empty() {
        return;
    }
    let help = "Times that following the kind failed.";
    let mut errors = out.family("sluice_kind_errors_total", Kind::Counter, help);
    for (kind, followed) in &shown.followed {
        errors.sample(&[("kind", kind)], followed.errors);
    }
    let help =
        "Complete lists of the kind: one at the start, and one each time a watch could not be resumed.";
    let mut lists = out.family("sluice_kind_lists_total", Kind::Counter, help);
    for (kind, followed) in &shown.followed {
        lists.sample(&[("kind", kind)], followed.lists);
    }
    let help = "When the kind's last event came in, in seconds since 1970.";
    let mut last = out.family("sluice_kind_last_event_timestamp_seconds", Kind::Gauge, help);
    for (kind, followed) in &shown.followed {
        if let Some(at) = followed.last_event {
            last.sample(&[("kind", kind)], unix_seconds(at));
        }
    }
}

fn outcome(out: &mut Exposition, status: &SyncStatus) {
    let help = "What is wrong, by level; `sluice show problems` lists it.";
    let counts = status.problems;
    out.family("sluice_problems", Kind::Gauge, help)
        .sample(&[("level", &"error")], counts.errors)
        .sample(&[("level", &"warning")], counts.warnings)
        .sample(&[("level", &"note")], counts.notes);
    let help = "Frontends that two Services claim.";
    out.single("sluice_frontend_conflicts", Kind::Gauge, help, status.conflicts);
}

/// By name; of several of one name, how many there are and the one that is furthest behind.
fn subscribers(out: &mut Exposition, status: &SyncStatus) {
    let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in &status.subscribers {
        let (count, acknowledged) = by_name.entry(&row.name).or_insert((0, u64::MAX));
        *count += 1;
        *acknowledged = row.acknowledged.0.min(*acknowledged);
    }
    let help = "Connected subscribers of the feed, by name.";
    let mut connected = out.family("sluice_subscribers", Kind::Gauge, help);
    for (name, (count, _)) in &by_name {
        connected.sample(&[("name", name)], *count);
    }
    let help = "The generation that the subscriber works by; 0 before the first.";
    let mut generations = out.family("sluice_subscriber_generation", Kind::Gauge, help);
    for (name, (_, acknowledged)) in &by_name {
        generations.sample(&[("name", name)], *acknowledged);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
