use std::collections::BTreeSet;
use std::sync::Arc;

use sluice_model::ServiceName;
use sluice_model::http::{UpstreamName, UpstreamPort};

use super::*;

fn outcome(number: usize) -> Outcome {
    let service = ServiceName::new("default", &format!("s{number}"));
    let upstream = UpstreamName { service, port: UpstreamPort::Number(80) };
    Outcome {
        route: Some(format!("Ingress default/i{number}").into()),
        upstream: Some(Arc::new(upstream)),
        tries: 3,
        ..Outcome::default()
    }
}

#[test]
fn every_family_is_in_docs_metrics_and_none_is_there_alone() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let told: BTreeSet<&str> = words.filter(|word| word.starts_with("sluice_http_")).collect();
    let text = Metrics::default().render(0, 0, 0);
    let served: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(told, served);
}

#[test]
fn labels_are_bounded_and_what_is_beyond_is_counted_together() {
    let metrics = Metrics::default();
    let counts = metrics.worker();
    for number in 0..5000 {
        counts.request(Some(StatusCode::OK), &outcome(number), 10, Duration::from_millis(3));
    }
    let text = metrics.render(0, 0, 0);
    let value = |line: &str| {
        let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_default().to_owned()
    };
    assert_eq!(value("sluice_http_requests_total{route=\"other\",code=\"2xx\"}"), "3000");
    assert_eq!(value("sluice_http_requests_total{route=\"Ingress default/i7\",code=\"2xx\"}"), "1");
    assert_eq!(value("sluice_http_upstream_requests_total{upstream=\"other\",code=\"2xx\"}"), "3000");
    assert_eq!(value("sluice_http_upstream_retries_total{upstream=\"default/s7:80\"}"), "2");
    assert_eq!(value("sluice_http_sent_bytes_total"), "50000");
    assert_eq!(value("sluice_http_request_duration_seconds_bucket{le=\"0.005\"}"), "5000");
    assert_eq!(value("sluice_http_request_duration_seconds_bucket{le=\"0.0025\"}"), "0");
    assert!(text.lines().count() < 8000);
}

#[test]
fn workers_are_added_up() {
    let metrics = Metrics::default();
    for _ in 0..3 {
        let counts = metrics.worker();
        counts.connection(true);
        counts.handshake(TlsVersion::Tls13);
        counts.refused(Refusal::Host);
        counts.failed(Failure::Tls);
        counts.request(None, &Outcome::default(), 0, Duration::ZERO);
    }
    let text = metrics.render(4, 5, 6);
    for line in [
        "sluice_http_connections 4",
        "sluice_http_connections_total{tls=\"true\"} 3",
        "sluice_http_tls_handshakes_total{version=\"TLSv1.3\"} 3",
        "sluice_http_refused_requests_total{reason=\"host\"} 3",
        "sluice_http_failed_connections_total{reason=\"tls\"} 3",
        "sluice_http_requests_total{route=\"\",code=\"4xx\"} 3",
        "sluice_http_server_names 5",
        "sluice_http_certificates 6",
    ] {
        assert!(text.lines().any(|text| text == line), "{line}: {text}");
    }
}
