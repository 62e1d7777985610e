use std::time::{Duration, Instant, SystemTime};

use sluice_config::Source;
use sluice_feed::ServerOptions;

use super::super::board::{Followed, Held};
use super::*;
use crate::desired::{Shrink, Things};
use crate::object::Kind as Object;
use crate::{Level, Problem};

#[path = "../../../../dataplane/observe/tests/strict/mod.rs"]
mod strict;

fn pages(folder: &tempfile::TempDir) -> (Arc<Board>, Metrics) {
    let board = Arc::new(Board::new(&Source::Manifests("/m".into())));
    let feed = Server::bind(&folder.path().join("feed.sock"), ServerOptions::default()).unwrap();
    (Arc::clone(&board), Metrics::new(board, Arc::new(feed)))
}

const PROGRAMMING: &str = "coredns_kubernetes_dns_programming_duration_seconds";

#[test]
fn everything_on_the_board_is_told_as_the_format_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let (board, pages) = pages(&folder);
    let problem = Problem {
        file: "a.yaml".into(),
        line: 1,
        object: String::new(),
        field: String::new(),
        level: Level::Warning,
        message: "with \"quotes\"\nand lines".into(),
    };
    board.update(|shown| {
        shown.complete = true;
        shown.stale = Some(SystemTime::now() - Duration::from_secs(90));
        shown.objects.insert(Object::Service, 3);
        shown.failures.insert(Object::Node, "cannot \"list\"".into());
        shown.followed.insert(
            Object::Service,
            Followed { lists: 2, errors: 5, last_event: Some(Instant::now() - Duration::from_secs(7)) },
        );
        shown.held = Some(Held {
            shrink: Shrink { of: Things::Endpoints, before: 100, after: 20 },
            since: Instant::now(),
        });
        shown.leader = Some(true);
        shown.files = Some(4);
        shown.services = 3;
        shown.published = Some(Instant::now());
        shown.conflicts = 1;
        shown.problems = Arc::new(vec![problem]);
    });
    board.latencies().event.record(Duration::from_micros(700));
    board.latencies().headless.record(Duration::from_millis(3));
    let read = strict::Metrics::parse(&pages.metrics());
    for (name, labels, expected) in [
        ("sluice_build_info", &[("role", "control")][..], 1.0),
        ("sluice_ready", &[], 1.0),
        ("sluice_stale", &[], 1.0),
        ("sluice_stale_seconds", &[], 90.0),
        ("sluice_held_endpoints", &[], 80.0),
        ("sluice_leader", &[], 1.0),
        ("sluice_manifest_files", &[], 4.0),
        ("sluice_objects", &[("kind", "Service")], 3.0),
        ("sluice_kind_synced", &[("kind", "EndpointSlice")], 1.0),
        ("sluice_kind_failing", &[("kind", "Node")], 1.0),
        ("sluice_kind_errors_total", &[("kind", "Service")], 5.0),
        ("sluice_kind_lists_total", &[("kind", "Service")], 2.0),
        ("sluice_problems", &[("level", "warning")], 1.0),
        ("sluice_problems", &[("level", "error")], 0.0),
        ("sluice_frontend_conflicts", &[], 1.0),
        ("sluice_publish_latency_seconds", &[("le", "0.0005")], 0.0),
        ("sluice_publish_latency_seconds", &[("le", "0.001")], 1.0),
        ("sluice_publish_latency_seconds", &[("le", "+Inf")], 1.0),
        (PROGRAMMING, &[("service_kind", "headless_with_selector"), ("le", "0.002")], 0.0),
        (PROGRAMMING, &[("service_kind", "headless_with_selector"), ("le", "0.004")], 1.0),
    ] {
        assert_eq!(read.sum(name, labels), expected, "{name}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let ago = now - read.sum("sluice_kind_last_event_timestamp_seconds", &[("kind", "Service")]);
    assert!((6.5..60.0).contains(&ago), "{ago}");
}

#[test]
fn ready_once_everything_is_known_and_until_then_it_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (board, pages) = pages(&folder);
    assert!(pages.ready().is_err() && pages.healthy().is_ok());
    board.update(|shown| drop(shown.failures.insert(Object::Service, "no verb \"list\"".into())));
    assert_eq!(pages.ready().unwrap_err(), "Services are not known yet: no verb \"list\"");
    strict::Metrics::parse(&pages.metrics());
    board.update(|shown| shown.complete = true);
    assert!(pages.ready().is_ok());
}
