//! Counters, as Prometheus reads them.
//!
//! Workers count for themselves; a scrape adds them up. Labels are bounded: what comes from requests is none, and of routes and
//! upstreams so many have a series of their own on each worker.

mod series;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use sluice_observe::metrics::{Exposition, Kind};

use crate::forward::Outcome;
use crate::{Refusal, TlsVersion};
pub(crate) use series::Failure;
use series::Series;

/// Upper bounds of times, in seconds.
const BOUNDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    workers: Mutex<Vec<Arc<Counts>>>,
    lost_lines: AtomicU64,
    bad_certificates: AtomicU64,
}

/// Those of a worker.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    plain: AtomicU64,
    secure: AtomicU64,
    over_limit: AtomicU64,
    tls12: AtomicU64,
    tls13: AtomicU64,
    passed: AtomicU64,
    not_passed: AtomicU64,
    sent: AtomicU64,
    times: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
    series: Mutex<Series>,
}

impl Metrics {
    /// The counters of another worker.
    pub(crate) fn worker(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        counts
    }

    pub(crate) fn lost_line(&self) {
        one(&self.lost_lines);
    }

    pub(crate) fn bad_certificate(&self) {
        one(&self.bad_certificates);
    }

    /// All as text. What is passed are numbers of now: open connections, names and certificates of TLS.
    pub(crate) fn render(&self, connections: usize, names: usize, certificates: usize) -> String {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sum = |which: fn(&Counts) -> &AtomicU64| -> u64 {
            workers.iter().map(|counts| which(counts).load(Ordering::Relaxed)).sum()
        };
        let mut out = Exposition::new();
        out.single("sluice_http_connections", Kind::Gauge, "Connections of clients.", connections);
        out.family("sluice_http_connections_total", Kind::Counter, "Connections accepted.")
            .sample(&[("tls", &"false")], sum(|counts| &counts.plain))
            .sample(&[("tls", &"true")], sum(|counts| &counts.secure));
        let limit = sum(|counts| &counts.over_limit);
        let help = "Connections closed at once, because there were too many.";
        out.single("sluice_http_refused_connections_total", Kind::Counter, help, limit);
        out.family("sluice_http_tls_handshakes_total", Kind::Counter, "TLS handshakes that were completed.")
            .sample(&[("version", &TlsVersion::Tls12.as_str())], sum(|counts| &counts.tls12))
            .sample(&[("version", &TlsVersion::Tls13.as_str())], sum(|counts| &counts.tls13));
        let help = "TLS connections that are an endpoint's to answer.";
        out.family("sluice_http_passthrough_total", Kind::Counter, help)
            .sample(&[("outcome", &"connected")], sum(|counts| &counts.passed))
            .sample(&[("outcome", &"no_endpoint")], sum(|counts| &counts.not_passed));
        let mut series = Series::default();
        for counts in &workers {
            series.add(&counts.series.lock().unwrap_or_else(PoisonError::into_inner));
        }
        series.render(&mut out);
        let mut times = [0; BOUNDS.len() + 1];
        for counts in &workers {
            for (total, count) in times.iter_mut().zip(&counts.times) {
                *total += count.load(Ordering::Relaxed);
            }
        }
        let seconds = Duration::from_micros(sum(|counts| &counts.microseconds)).as_secs_f64();
        let help = "From a request's head to the end of its response.";
        out.family("sluice_http_request_duration_seconds", Kind::Histogram, help).histogram(
            &[],
            &times,
            &BOUNDS,
            seconds,
        );
        let sent = sum(|counts| &counts.sent);
        out.single("sluice_http_sent_bytes_total", Kind::Counter, "Bytes of responses' bodies.", sent);
        let lost = self.lost_lines.load(Ordering::Relaxed);
        out.single(
            "sluice_http_log_lost_total",
            Kind::Counter,
            "Lines of the access log that were lost.",
            lost,
        );
        out.single("sluice_http_server_names", Kind::Gauge, "Names that TLS is spoken for.", names);
        out.single("sluice_http_certificates", Kind::Gauge, "Certificates in use.", certificates);
        let bad = self.bad_certificates.load(Ordering::Relaxed);
        let help = "Certificates that were not taken over.";
        out.single("sluice_http_bad_certificates_total", Kind::Counter, help, bad);
        out.finish()
    }
}

impl Counts {
    pub(crate) fn connection(&self, secure: bool) {
        one(if secure { &self.secure } else { &self.plain });
    }

    pub(crate) fn refused_connection(&self) {
        one(&self.over_limit);
    }

    pub(crate) fn handshake(&self, version: TlsVersion) {
        one(match version {
            TlsVersion::Tls12 => &self.tls12,
            TlsVersion::Tls13 => &self.tls13,
        });
    }

    pub(crate) fn passthrough(&self, connected: bool) {
        one(if connected { &self.passed } else { &self.not_passed });
    }

    /// A connection that came to no request.
    pub(crate) fn failed(&self, why: Failure) {
        self.series().failed(why);
    }

    /// A request that nothing was made of.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.series().refused(refusal);
    }

    /// A request that has ended; without a status its client went first.
    pub(crate) fn request(&self, status: Option<StatusCode>, outcome: &Outcome, sent: u64, time: Duration) {
        let status = status.map_or(499, |status| status.as_u16());
        self.series().request(status, outcome);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        let bucket = BOUNDS.partition_point(|bound| *bound < time.as_secs_f64());
        if let Some(count) = self.times.get(bucket) {
            one(count);
        }
        self.microseconds.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn series(&self) -> std::sync::MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
