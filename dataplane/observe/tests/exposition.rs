//! What is written is what a strict reader reads.

mod strict;

use sluice_observe::metrics::{self, Exposition, Kind};
use strict::Metrics;

#[test]
fn every_kind_of_number_and_label_comes_back() {
    let mut out = Exposition::new();
    let strange = "a \"quoted\" \\ back\\slash,\nand a {line}=";
    out.family("sluice_things_total", Kind::Counter, "Things \\ of\nall \"kinds\".")
        .sample(&[("kind", &strange), ("lcore", &0)], 1_u64)
        .sample(&[("kind", &"plain"), ("lcore", &1)], u64::MAX);
    out.single("sluice_ready", Kind::Gauge, "Whether.", true);
    out.family("sluice_reals", Kind::Gauge, "Reals.")
        .sample(&[("of", &1)], -0.5)
        .sample(&[("of", &2)], f64::INFINITY)
        .sample(&[("of", &3)], f64::NEG_INFINITY)
        .sample(&[("of", &4)], 1e300);
    out.family("sluice_none", Kind::Gauge, "A family without numbers.");
    out.family("sluice_seconds", Kind::Histogram, "Times.").histogram(
        &[("of", &"a")],
        &[1, 0, 2, 3],
        &[0.001, 0.002, 0.5],
        7.25,
    );
    let text = out.finish();
    let read = Metrics::parse(&text);
    assert_eq!(read.sum("sluice_things_total", &[("kind", strange), ("lcore", "0")]), 1.0);
    assert_eq!(read.sum("sluice_things_total", &[("lcore", "1")]), u64::MAX as f64);
    assert_eq!(read.sum("sluice_ready", &[]), 1.0);
    assert_eq!(read.sum("sluice_reals", &[("of", "2")]), f64::INFINITY);
    assert_eq!(read.sum("sluice_reals", &[("of", "4")]), 1e300);
    assert!(read.0["sluice_none"].samples.is_empty());
    assert_eq!(read.0["sluice_things_total"].help, "Things \\\\ of\\nall \"kinds\".");
    assert_eq!(read.sum("sluice_seconds", &[("le", "0.002")]), 1.0);
    assert!(text.contains("sluice_seconds_bucket{of=\"a\",le=\"+Inf\"} 6\n"), "{text}");
    assert!(text.contains("sluice_seconds_sum{of=\"a\"} 7.25\n"), "{text}");
}

#[test]
fn a_process_says_when_it_started_and_what_it_uses() {
    let mut out = Exposition::new();
    metrics::build(&mut out, "test", "1.2.3", &[("dpdk", &"25.11")]);
    metrics::process(&mut out);
    let read = Metrics::parse(&out.finish());
    let build = [("role", "test"), ("version", "1.2.3"), ("dpdk", "25.11")];
    assert_eq!(read.sum("sluice_build_info", &build), 1.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - read.sum("process_start_time_seconds", &[]);
    assert!((-2.0..600.0).contains(&age), "started {age} s ago");
    assert!(read.sum("process_resident_memory_bytes", &[]) > 100_000.0);
    assert!(read.sum("process_threads", &[]) >= 1.0);
    assert!(read.sum("process_open_fds", &[]) >= 3.0);
    assert!(read.sum("process_cpu_seconds_total", &[]) < 600.0);
}

/// The reader is worth something only if it refuses.
#[test]
fn the_strict_reader_refuses_what_is_wrong() {
    let good = "# HELP a_total A.....\n# TYPE a_total counter\na_total{x=\"1\"} 1\n";
    Metrics::parse(good);
    let wrong = [
        good.trim_end().to_owned(),
        good.replace("# TYPE a_total counter\n", ""),
        good.replace("# HELP a_total A.....\n", ""),
        good.replace("counter", "gauge"),
        good.replace("a_total", "a"),
        good.replace("\"1\"", "1"),
        good.replace("\"1\"", "\"\\x\""),
        good.replace("x=", "1x="),
        good.replace("} 1", "} one"),
        good.replace("} 1", "} -1"),
        good.replace("} 1", "}  1"),
        good.to_owned() + "a_total{x=\"1\"} 2\n",
        good.to_owned() + "a_total{y=\"1\"} 2\n",
        good.to_owned() + "b 2\n",
        good.to_owned() + good,
        good.to_owned() + "\n",
        "# HELP h Hhhhh.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n".into(),
        "# HELP h Hhhhh.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n".into(),
        "# HELP h Hhhhh.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n".into(),
    ];
    for text in wrong {
        let taken = std::panic::catch_unwind(|| Metrics::parse(&text));
        assert!(taken.is_err(), "taken for good:\n{text}");
    }
}
