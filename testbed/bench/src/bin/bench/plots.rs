//! What growth costs, as pictures.

use std::path::Path;

use sluice_bench::plot::{Axis, Plot, Series};
use sluice_bench::report::{Row, read};

/// Writes what the reports have figures for to a folder, as SVG.
pub(crate) fn write(folder: &Path, reports: &[&str]) {
    let read = |path: &&str| read(Path::new(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rows = Rows(reports.iter().flat_map(read).collect());
    std::fs::create_dir_all(folder).unwrap();
    for (name, plot) in plots(&rows) {
        let svg = plot.svg();
        if svg.is_empty() {
            eprintln!("no figures for {name}.svg");
            continue;
        }
        let path = folder.join(format!("{name}.svg"));
        std::fs::write(&path, svg).unwrap();
        println!("{}", path.display());
    }
}

struct Rows(Vec<Row>);

impl Rows {
    fn value(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|row| row.name == name).map(|row| row.value)
    }

    /// A line through rows, each with its place, as `made` of them; those that are missing are left out.
    fn line(&self, name: &str, rows: &[(f64, String)], made: impl Fn(f64) -> f64) -> Series {
        let points = rows.iter().filter_map(|(x, row)| Some((*x, made(self.value(row)?))));
        Series { name: name.into(), points: points.collect() }
    }
}

fn plots(rows: &Rows) -> Vec<(&'static str, Plot)> {
    let hz = rows.value("hz").unwrap_or(f64::NAN);
    let at = |list: &[(f64, &str)], row: &dyn Fn(&str) -> String| -> Vec<(f64, String)> {
        list.iter().map(|(x, told)| (*x, row(told))).collect()
    };
    let flows = [(1024.0, "1k"), (1e5, "100k"), (1_048_576.0, "1m"), (4_194_304.0, "4m")];
    let services = [(1.0, "1"), (100.0, "100"), (1e4, "10k"), (5e4, "50k")];
    let sizes: Vec<(f64, &str)> =
        vec![(128.0, "128"), (256.0, "256"), (512.0, "512"), (1024.0, "1024"), (1518.0, "1518")];
    let sized = |row: &str| {
        let mut all = vec![(64.0, row.to_owned())];
        all.extend(at(&sizes, &|size| format!("{row}.bytes.{size}")));
        all
    };
    let loads: Vec<(f64, String)> =
        sluice_bench::ports::LOADS.iter().map(|n| (f64::from(*n), n.to_string())).collect();
    let latency = |share: &str| {
        let all: Vec<_> = loads.iter().map(|(x, load)| (*x, format!("nat.latency.{load}.{share}"))).collect();
        rows.line(share, &all, |us| us)
    };
    let stamped = at(&flows, &|n| match n {
        // With the stamp that the others have.
        "1k" => "nat.established.v4.1k.stamped".into(),
        _ => format!("nat.established.v4.{n}"),
    });
    let level = |name: &str, row: &str, xs: [f64; 2]| {
        rows.line(name, &xs.map(|x| (x, row.to_owned())), |cycles| hz / cycles)
    };
    let cores = [(1.0, "nat.workers.1".into()), (2.0, "nat.workers.2".into())];
    let dips = [(1.0, "1"), (100.0, "100"), (1e3, "1k"), (1e4, "10k")];
    let taken_in = [(1e3, "sync.1kx10".into()), (1e4, "sync.10kx10".into()), (5e4, "sync.50kx10".into())];
    let plot =
        |title: &str, x: Axis, y: Axis, series: Vec<Series>| Plot { title: title.into(), x, y, series };
    vec![
        (
            "flows",
            plot(
                "Packets per second against flows, one lcore",
                Axis::log("established flows"),
                Axis::linear("packets/s"),
                vec![
                    rows.line("full NAT, v4", &stamped, |c| hz / c),
                    level("testpmd csum", "testpmd.csum", [1024.0, 4_194_304.0]),
                ],
            ),
        ),
        (
            "services",
            plot(
                "Against the number of Services, one lcore",
                Axis::log("Services"),
                Axis::linear("per second"),
                vec![
                    rows.line(
                        "packets, known flows",
                        &at(&services, &|n| format!("nat.established.v4.1k.services.{n}")),
                        |c| hz / c,
                    ),
                    rows.line("new flows", &at(&services, &|n| format!("nat.new.services.{n}")), |rate| rate),
                ],
            ),
        ),
        (
            "cores",
            plot(
                "Packets per second against cores",
                Axis::linear("lcores"),
                Axis::linear("packets/s"),
                vec![rows.line("full NAT, v4, 1k flows each", &cores, |rate| rate)],
            ),
        ),
        (
            "sizes",
            plot(
                "Cost of a packet against its size, one lcore",
                Axis::linear("bytes of the frame"),
                Axis::linear("cycles/packet"),
                vec![
                    rows.line("full NAT, v4", &sized("nat.established.v4.1k"), |c| c),
                    rows.line("testpmd csum", &sized("testpmd.csum"), |c| c),
                ],
            ),
        ),
        (
            "latency",
            plot(
                "Latency against load, through rings",
                Axis::linear("percent of what one lcore forwards"),
                Axis::log("µs"),
                ["p50", "p99", "p99.9"].map(latency).into(),
            ),
        ),
        (
            "publish",
            plot(
                "Fewer packets while Services change",
                Axis::log("changes/s asked for"),
                Axis::linear("percent fewer packets/s"),
                vec![rows.line(
                    "10,000 Services of 10",
                    &at(&dips, &|n| format!("publish.dip.{n}")),
                    |dip| dip,
                )],
            ),
        ),
        (
            "sync",
            plot(
                "All Services into the tables",
                Axis::log("Services of 10 endpoints"),
                Axis::log("seconds"),
                vec![rows.line("first snapshot", &taken_in, |s| s)],
            ),
        ),
    ]
}
