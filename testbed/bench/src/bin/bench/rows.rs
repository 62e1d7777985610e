//! All rows that are measured in a process of their own: DPDK starts once in each.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sluice_bench::buffer::Buffer;
use sluice_bench::ports::{Bench, Load, Strangers};
use sluice_bench::report::Figure;
use sluice_bench::{gateway, publish};
use sluice_engine::Now;

/// How long each run of a row takes.
pub(crate) const TIME: Duration = Duration::from_secs(1);
/// No row takes longer, its preparation included.
const PATIENCE: Duration = Duration::from_secs(240);
/// Bytes of frames, with their check sequence, as in RFC 2544, section 9.1. The shortest are those of other rows.
pub(crate) const SIZES: [usize; 5] = [128, 256, 512, 1024, 1518];

type Row = (&'static str, fn() -> Vec<Figure>);

/// By name; some give several figures, whose names begin with theirs.
pub(crate) const ALL: [Row; 43] = [
    ("hz", || one("hz", "ticks/s", bench().hz())),
    ("nat.established.v4.1k", || established("nat.established.v4.1k", Load::default())),
    ("nat.established.v4.1k.stamped", || {
        established("nat.established.v4.1k.stamped", Load { stamped: true, ..Load::default() })
    }),
    ("nat.established.v4.100k", || flows("nat.established.v4.100k", 100_000)),
    ("nat.established.v4.1m", || flows("nat.established.v4.1m", 1 << 20)),
    ("nat.established.v4.4m", || flows("nat.established.v4.4m", 1 << 22)),
    ("nat.established.v6.1k", || established("nat.established.v6.1k", Load { v6: true, ..Load::default() })),
    ("nat.established.v4.1k.bytes.128", || bytes(128)),
    ("nat.established.v4.1k.bytes.256", || bytes(256)),
    ("nat.established.v4.1k.bytes.512", || bytes(512)),
    ("nat.established.v4.1k.bytes.1024", || bytes(1024)),
    ("nat.established.v4.1k.bytes.1518", || bytes(1518)),
    ("nat.established.v4.1k.services.1", || services("1", 1)),
    ("nat.established.v4.1k.services.100", || services("100", 100)),
    ("nat.established.v4.1k.services.10k", || services("10k", 10_000)),
    ("nat.established.v4.1k.services.50k", || services("50k", 50_000)),
    ("nat.engine.v4.1k", || engine("nat.engine.v4.1k", Load::default())),
    ("nat.engine.v4.1m", || engine("nat.engine.v4.1m", Load { connections: 1 << 20, ..Load::default() })),
    ("nat.new", || one("nat.new", "flows/s/core", bench().new_flows(1 << 19, None))),
    ("nat.new.services.1", || new_flows("1", 1)),
    ("nat.new.services.100", || new_flows("100", 100)),
    ("nat.new.services.10k", || new_flows("10k", 10_000)),
    ("nat.new.services.50k", || new_flows("50k", 50_000)),
    ("nat.workers", workers),
    ("nat.synflood", synflood),
    ("nat.latency", latency),
    ("generator.ring", || {
        let bench = bench();
        one("generator.ring", "cycles/packet", bench.hz() / bench.ring_ceiling(TIME.as_secs_f64()))
    }),
    ("publish.dip", dip),
    ("publish.endpoint.10kx10", || one("publish.endpoint.10kx10", "µs", publish::endpoint())),
    ("publish.name.10kx10", || one("publish.name.10kx10", "µs", publish::name())),
    ("sync.1kx10", || one("sync.1kx10", "s", publish::initial(1_000, 10))),
    ("sync.10kx10", || one("sync.10kx10", "s", publish::initial(10_000, 10))),
    ("sync.50k", || one("sync.50k", "s", publish::initial(50_000, 1))),
    ("sync.50kx10", || one("sync.50kx10", "s", publish::initial(50_000, 10))),
    ("dns.a.10k", || dns("a")),
    ("dns.nodata.10k", || dns("nodata")),
    ("dns.nxdomain.10k", || dns("nxdomain")),
    ("dns.srv.10k", || dns("srv")),
    ("dns.headless10.10k", || dns("headless10")),
    ("dns.ptr.10k", || dns("ptr")),
    ("dns.flood.random", || dns_flood("random", Strangers::Names)),
    ("dns.flood.spoofed", || dns_flood("spoofed", Strangers::Sources)),
    ("flow.bytes", || {
        one("flow.bytes", "bytes", gateway::worker::<Buffer>(1 << 20, Now(0)).bytes_per_flow())
    }),
];

/// Measures a row once, here.
pub(crate) fn run(name: &str) -> Vec<Figure> {
    let row = ALL.iter().find(|(row, _)| *row == name);
    row.unwrap_or_else(|| panic!("no row of this name: {name}")).1()
}

/// Measures a row once, in a process of its own; the figures, and the command.
pub(crate) fn child(name: &str) -> (Vec<Figure>, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["row", name])
        // As `sluice run` and the unit start the packet path.
        .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} took longer than {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<Figure> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(
        output.status.success() && !figures.is_empty(),
        "{name} gave no figure: {}\n{text}",
        output.status
    );
    (figures, format!("target/release/bench row {name}"))
}

/// Whether there are huge pages.
pub(crate) fn huge() -> bool {
    std::env::var("BENCH_HUGE").is_ok_and(|value| value == "1")
}

fn bench() -> Bench {
    Bench::new(huge())
}

fn one(name: impl Into<String>, unit: &str, value: f64) -> Vec<Figure> {
    vec![Figure::new(name, unit, value)]
}

fn established(name: impl Into<String>, load: Load) -> Vec<Figure> {
    one(name, "cycles/packet", bench().established(load, TIME))
}

fn flows(name: &str, connections: u32) -> Vec<Figure> {
    established(name, Load { connections, ..Load::default() })
}

fn bytes(size: usize) -> Vec<Figure> {
    established(format!("nat.established.v4.1k.bytes.{size}"), Load { size, ..Load::default() })
}

fn services(told: &str, services: u32) -> Vec<Figure> {
    let load = Load { services: Some(services), ..Load::default() };
    established(format!("nat.established.v4.1k.services.{told}"), load)
}

fn engine(name: &str, load: Load) -> Vec<Figure> {
    one(name, "cycles/packet", bench().engine(load, TIME))
}

fn new_flows(told: &str, services: u32) -> Vec<Figure> {
    one(format!("nat.new.services.{told}"), "flows/s/core", bench().new_flows(1 << 17, Some(services)))
}

fn dns(kind: &str) -> Vec<Figure> {
    one(format!("dns.{kind}.10k"), "cycles/packet", bench().dns(kind, TIME))
}

fn workers() -> Vec<Figure> {
    let rates = bench().workers();
    (1..).zip(rates).map(|(n, rate)| Figure::new(format!("nat.workers.{n}"), "packets/s", rate)).collect()
}

fn dip() -> Vec<Figure> {
    let told = |rate| match rate {
        1_000 => "1k".to_owned(),
        10_000 => "10k".to_owned(),
        other => other.to_string(),
    };
    let figures = bench().dip().into_iter().flat_map(|(rate, dip, snapshots)| {
        let name = format!("publish.dip.{}", told(rate));
        let made = Figure::new(format!("{name}.snapshots"), "snapshots/s", snapshots);
        [Figure::new(name, "%", dip), made]
    });
    figures.collect()
}

fn synflood() -> Vec<Figure> {
    let [taken, made] = bench().synflood(TIME.as_secs_f64());
    let mut figures = Vec::new();
    for (name, flooded) in [("nat.synflood", taken), ("nat.synflood.over", made)] {
        figures.push(Figure::new(format!("{name}.loss"), "%", flooded.loss));
        figures.push(Figure::new(format!("{name}.full"), "%", flooded.full));
        for (share, latency) in ["p50", "p99", "p99.9"].iter().zip(flooded.latency) {
            figures.push(Figure::new(format!("{name}.{share}"), "µs", latency));
        }
        figures.push(Figure::new(format!("{name}.taken"), "SYNs/s", flooded.taken));
        figures.push(Figure::new(format!("{name}.sent"), "SYNs/s", flooded.sent));
    }
    figures
}

fn dns_flood(name: &str, strangers: Strangers) -> Vec<Figure> {
    let flooded = bench().dns_flood(strangers, TIME.as_secs_f64());
    let mut figures = one(format!("dns.flood.{name}.loss"), "%", flooded.loss);
    figures.push(Figure::new(format!("dns.flood.{name}.full"), "%", flooded.full));
    for (share, latency) in ["p50", "p99", "p99.9"].iter().zip(flooded.latency) {
        figures.push(Figure::new(format!("dns.flood.{name}.{share}"), "µs", latency));
    }
    figures.push(Figure::new(format!("dns.flood.{name}.taken"), "queries/s", flooded.taken));
    figures
}

fn latency() -> Vec<Figure> {
    let (capacity, loads) = bench().latencies(TIME.as_secs_f64() / 2.0);
    let mut figures = one("nat.ring", "packets/s", capacity);
    for (load, latency, loss) in loads {
        for (share, latency) in ["p50", "p99", "p99.9"].iter().zip(latency) {
            figures.push(Figure::new(format!("nat.latency.{load}.{share}"), "µs", latency));
        }
        figures.push(Figure::new(format!("nat.latency.{load}.loss"), "%", loss));
    }
    figures
}
